//! Requests that only look.

use base64::{Engine, engine::general_purpose::STANDARD};
use probe::{Entry, Process, READ_LIMIT};
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    fs::{self, File, Metadata},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// A part of a file in base64.
pub fn read(path: &str, offset: u64, length: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    if offset > 0 {
        file.seek(SeekFrom::Start(offset))?;
    }
    let mut bytes = Vec::new();
    file.take(length.min(READ_LIMIT)).read_to_end(&mut bytes)?;
    Ok(STANDARD.encode(bytes))
}

/// SHA-256 of a whole file.
pub fn sha256(path: &str) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            n => hash.update(&chunk[..n]),
        }
    }
}

/// What a folder holds.
pub fn list(path: &str) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // What vanished since is not there any more.
        if let Ok(metadata) = entry.metadata() {
            entries.push(described(entry.file_name().to_string_lossy().into_owned(), &metadata));
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// What one path is.
pub fn stat(path: &str) -> io::Result<Entry> {
    let name = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(described(name, &fs::symlink_metadata(path)?))
}

/// Bytes and files that are free of the file system at a path.
pub fn free(path: &str) -> io::Result<(u64, u64)> {
    let found = rustix::fs::statvfs(path)?;
    Ok((found.f_bfree * found.f_frsize, found.f_ffree))
}

fn described(name: String, metadata: &Metadata) -> Entry {
    Entry { name, mode: metadata.mode(), uid: metadata.uid(), gid: metadata.gid(), size: metadata.size() }
}

/// All processes.
pub fn processes() -> io::Result<Vec<Process>> {
    let mut pids: Vec<u32> = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    Ok(pids.into_iter().filter_map(process).collect())
}

fn process(pid: u32) -> Option<Process> {
    let text = |file: &str| fs::read(format!("/proc/{pid}/{file}")).map(|b| String::from_utf8_lossy(&b).into_owned());
    let link = |file: &str| fs::read_link(format!("/proc/{pid}/{file}")).map(|p| p.to_string_lossy().into_owned());
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(format!("/proc/{pid}/{folder}")).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect()
    };
    let pss = text("smaps_rollup").unwrap_or_default();
    let pss = pss.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse().ok());
    Some(Process {
        pid,
        // A process that ended in between is left out.
        status: text("status").ok()?,
        exe: link("exe").unwrap_or_default(),
        arguments: text("cmdline").unwrap_or_default().split_terminator('\0').map(str::to_owned).collect(),
        cgroup: text("cgroup").unwrap_or_default().trim_end().to_owned(),
        namespaces: names("ns").into_iter().filter_map(|ns| link(&format!("ns/{ns}")).ok().map(|id| (ns, id))).collect(),
        pss_kib: pss.unwrap_or(0),
        descriptors: names("fd").into_iter().filter_map(|n| Some((n.parse().ok()?, link(&format!("fd/{n}")).ok()?))).collect(),
    })
}

/// All sysctls that can be read, one `name = value` a line, as sysctl(8) shows them.
pub fn sysctls() -> String {
    let mut shown = String::new();
    walk(Path::new("/proc/sys"), "", &mut shown);
    shown
}

fn walk(folder: &Path, name: &str, shown: &mut String) {
    let mut entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let part = entry.file_name().to_string_lossy().into_owned();
        let name = if name.is_empty() { part } else { format!("{name}.{part}") };
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            walk(&entry.path(), &name, shown);
        } else if metadata.mode() & 0o400 != 0
            && let Ok(bytes) = fs::read(entry.path())
        {
            for line in String::from_utf8_lossy(&bytes).lines() {
                let _ = writeln!(shown, "{name} = {line}");
            }
        }
    }
}
