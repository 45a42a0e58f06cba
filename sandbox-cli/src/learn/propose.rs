//! What a program did becomes the smallest policy that lets it.
//!
//! Smallest by folder, not by file, where that is what a person would write: all of `/usr` where something of it is used,
//! a folder where more than a few of its files are. What no policy can give is told in a remark.

use super::observed::{Observed, said_by};
use crate::policy::{Link, Mount, PolicyFile, Proc, Processes, Profile, Use};
use sandbox::seccomp::{
    Profile as Calls,
    call::{self, Architecture},
    compile::Verdict,
    profiles,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

/// A policy, and what a person should know of it.
pub struct Proposal {
    /// The policy.
    pub policy: PolicyFile,
    /// What it cannot give, and what was guessed.
    pub remarks: Vec<String>,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A file that is mapped to be executed: a program or a library.
    Program,
    /// A socket.
    Socket,
    /// A symbolic link, and what it says.
    Link(PathBuf),
    /// A device or pipe.
    Other,
}

/// The files of a machine, as far as a proposal looks at them.
pub struct Machine {
    kind: fn(&Path) -> Option<Kind>,
    loader: fn(&Path) -> Option<PathBuf>,
}

/// Most links on the way to one file (path_resolution(7)).
const LINKS_LIMIT: usize = 40;
/// Largest program whose headers are read.
const PROGRAM_LIMIT: usize = 1 << 30;
/// So many files of one folder are listed; more, and the folder is.
const FILES_LIMIT: usize = 4;
/// The user that is proposed; any that nothing else has will do.
const USER: u32 = 200_000;
/// Devices that every program has.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

impl Machine {
    /// This one.
    pub fn this() -> Self {
        Self { kind: look, loader }
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        (self.kind)(path)
    }

    fn loader(&self, program: &Path) -> Option<PathBuf> {
        (self.loader)(program)
    }

    /// The path without links in it, and every link that was on the way. None where nothing is there.
    fn resolve(&self, path: &Path) -> Option<(PathBuf, Vec<PathBuf>)> {
        let (mut links, mut rest) = (Vec::new(), path.to_owned());
        'again: loop {
            let mut done = PathBuf::from("/");
            let parts: Vec<_> = rest.components().skip(1).map(|part| part.as_os_str().to_owned()).collect();
            for (at, part) in parts.iter().enumerate() {
                if part == ".." {
                    done.pop();
                    continue;
                }
                let next = done.join(part);
                if let Kind::Link(to) = self.kind(&next)? {
                    if links.len() == LINKS_LIMIT {
                        return None;
                    }
                    links.push(next);
                    rest = done.join(to);
                    rest.extend(parts.iter().skip(at + 1));
                    continue 'again;
                }
                done = next;
            }
            return Some((done, links));
        }
    }
}

fn look(path: &Path) -> Option<Kind> {
    let found = path.symlink_metadata().ok()?;
    let kind = found.file_type();
    Some(if kind.is_symlink() {
        Kind::Link(path.read_link().ok()?)
    } else if kind.is_dir() {
        Kind::Folder
    } else if kind.is_socket() {
        Kind::Socket
    } else if !kind.is_file() {
        Kind::Other
    } else {
        let mut magic = [0; 4];
        let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
        if read.is_ok() && &magic == b"\x7fELF" { Kind::Program } else { Kind::File }
    })
}

/// The loader that a program names (PT_INTERP).
fn loader(program: &Path) -> Option<PathBuf> {
    use object::{
        Endianness,
        elf::FileHeader64,
        read::elf::{FileHeader, ProgramHeader},
    };
    let bytes = linux::files::read(program, PROGRAM_LIMIT).ok()?;
    let header = FileHeader64::<Endianness>::parse(bytes.as_slice()).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, bytes.as_slice()).ok()?;
    let path = segments.iter().find_map(|segment| segment.interpreter(endian, bytes.as_slice()).ok().flatten())?;
    Some(PathBuf::from(std::str::from_utf8(path).ok()?))
}

/// Proposes.
pub fn policy(seen: &Observed, machine: &Machine) -> Proposal {
    let mut draft = Draft { machine, mounts: BTreeMap::new(), links: BTreeMap::new(), proc: Proc::Own, remarks: BTreeSet::new() };
    for program in &seen.executed {
        draft.needs(program, Use::Run);
        // The kernel opens it itself; no call names it.
        if let Some(loader) = machine.loader(program) {
            draft.needs(&loader, Use::Run);
        }
    }
    seen.read.keys().for_each(|path| draft.needs(path, Use::Read));
    seen.written.keys().for_each(|path| draft.needs(path, Use::Write));
    seen.connected.iter().for_each(|path| draft.needs(path, Use::Socket));
    if !seen.families.is_empty() {
        draft.remark(format!("it made sockets of the families {:?}; a sandbox has no network", seen.families));
    }
    let processes = match (seen.executed.len() > 1, seen.forked) {
        (true, _) => Processes::Exec,
        (false, true) => Processes::Fork,
        (false, false) => Processes::Single,
    };
    let profiles = calls(seen, processes, &mut draft.remarks);
    let policy = PolicyFile {
        schema: None,
        user: Some(USER),
        host_name: "sandbox".to_owned(),
        root: Default::default(),
        mounts: draft.mounts(),
        links: draft.links.into_iter().map(|(at, to)| Link { at, to }).collect(),
        proc: draft.proc,
        processes,
        profiles,
        environment: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
        directory: "/".to_owned(),
        limits: Default::default(),
        optional: Vec::new(),
    };
    draft.remarks.extend(policy.check().iter().map(|problem| format!("to mend by hand: {problem}")));
    Proposal { policy, remarks: draft.remarks.into_iter().collect() }
}

/// Profiles for the calls that not every program has; what none allows is a remark.
fn calls(seen: &Observed, processes: Processes, remarks: &mut BTreeSet<String>) -> Vec<Profile> {
    let mut base = profiles::ALWAYS.to_vec();
    base.extend([&profiles::app::APP, &profiles::app::LISTEN]);
    match processes {
        Processes::Single => {}
        Processes::Fork => base.push(&profiles::app::FORK),
        Processes::Exec => base.extend([&profiles::app::FORK, &profiles::app::EXEC]),
    }
    let granted = |profiles: &[&Calls], number: &u32| !matches!(said_by(profiles).get(number), None | Some(Verdict::Fail(_)));
    let name = |number: &u32| {
        let call = call::KNOWN.iter().find(|call| call.number(Architecture::NATIVE) == Some(*number));
        call.map_or(format!("number {number}"), |call| call.name.to_owned())
    };
    let mut wanted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    // The first program is executed by the start.
    let exec = [libc::SYS_execve, libc::SYS_execveat].map(|number| number as u32);
    for number in seen.calls.iter().filter(|number| !granted(&base, number) && !exec.contains(number)) {
        match profiles::APPS.iter().find(|profile| granted(&[*profile], number)) {
            Some(profile) => wanted.entry(profile.name).or_default().push(name(number)),
            None => {
                remarks.insert(format!("it calls {}, which no profile has; it will be refused", name(number)));
            }
        }
    }
    wanted
        .into_iter()
        .map(|(name, calls)| Profile { name: name.to_owned(), reason: Some(format!("it calls {}", calls.join(", "))) })
        .collect()
}

struct Draft<'a> {
    machine: &'a Machine,
    /// By real path: what for, and why.
    mounts: BTreeMap<PathBuf, (Use, BTreeSet<PathBuf>)>,
    links: BTreeMap<String, String>,
    proc: Proc,
    remarks: BTreeSet<String>,
}

impl Draft<'_> {
    fn remark(&mut self, text: String) {
        self.remarks.insert(text);
    }

    /// A file that was used. One that is not there needs nothing: the program does without.
    fn needs(&mut self, path: &Path, usage: Use) {
        let target = if usage == Use::Write {
            self.machine.resolve(path).or_else(|| self.folder_of(path))
        } else {
            self.machine.resolve(path)
        };
        let Some((real, links)) = target else { return };
        for link in links {
            self.add_link(&link);
        }
        let top = real.components().nth(1).map(|part| part.as_os_str().to_string_lossy().into_owned());
        match top.as_deref() {
            None | Some("tmp") => {}
            Some("proc") => self.add_proc(&real),
            Some("dev") if DEVICES.iter().any(|device| real == Path::new(device)) || real == Path::new("/dev") => {}
            Some("dev" | "sys") => self.remark(format!("it uses {}, which no policy gives", real.display())),
            Some("run") if usage == Use::Socket && real.components().count() == 3 => self.mount(real.clone(), Use::Socket, path),
            Some("run" | "data") => {
                self.remark(format!("it uses {}: /run and /data are laid out by the sandbox", real.display()))
            }
            Some(_) if usage == Use::Socket => {
                self.remark(format!("it connects to {}; sockets are given below /run", real.display()))
            }
            Some("usr") if usage != Use::Write => self.mount("/usr".into(), Use::Run, path),
            Some(_) => self.add_file(real, usage, path),
        }
    }

    fn folder_of(&self, path: &Path) -> Option<(PathBuf, Vec<PathBuf>)> {
        self.machine.resolve(path.parent()?)
    }

    fn add_link(&mut self, link: &Path) {
        let Some(Kind::Link(to)) = self.machine.kind(link) else { return };
        match link.parent() {
            // One at the top is made anew; a deeper one comes with its folder.
            Some(folder) if folder == Path::new("/") => {
                self.links.insert(link.display().to_string(), to.display().to_string());
            }
            Some(folder) if folder.starts_with("/usr") => self.mount("/usr".into(), Use::Run, link),
            Some(folder) if !folder.starts_with("/proc") && !folder.starts_with("/dev") => {
                self.mount(folder.to_owned(), Use::Read, link)
            }
            _ => {}
        }
    }

    fn add_proc(&mut self, real: &Path) {
        let own = real.components().nth(2).map(|part| part.as_os_str().to_string_lossy().into_owned());
        let own =
            own.is_none_or(|name| name == "self" || name == "thread-self" || name.bytes().all(|byte| byte.is_ascii_digit()));
        if !own {
            self.proc = Proc::Full;
            self.remark(format!("`proc` is `full` because it reads {}", real.display()));
        }
    }

    fn add_file(&mut self, real: PathBuf, usage: Use, asked: &Path) {
        let kind = self.machine.kind(&real);
        let folder = real.parent().map(Path::to_owned).unwrap_or_default();
        match (usage, kind) {
            (Use::Write, Some(Kind::Folder)) => self.mount(real, Use::Write, asked),
            (Use::Write, _) => self.mount(folder, Use::Write, asked),
            (_, Some(Kind::Program)) => self.mount(folder, Use::Run, asked),
            (Use::Run, _) => self.mount(folder, Use::Run, asked),
            (_, Some(Kind::Folder | Kind::File)) => self.mount(real, Use::Read, asked),
            _ => self.remark(format!("it uses {}, which is neither a file nor a folder", real.display())),
        }
    }

    fn mount(&mut self, path: PathBuf, usage: Use, asked: &Path) {
        if path == Path::new("/") {
            return;
        }
        let entry = self.mounts.entry(path.clone()).or_insert((usage, BTreeSet::new()));
        entry.1.insert(asked.to_owned());
        match (entry.0, usage) {
            (Use::Read, stronger) => entry.0 = stronger,
            (Use::Run, Use::Write) | (Use::Write, Use::Run) => {
                entry.0 = Use::Write;
                self.remark(format!("it writes and runs files in {}; what is written is not run", path.display()));
            }
            _ => {}
        }
    }

    /// Each mount that no other one has in it already, files of one folder together where they are many.
    fn mounts(&mut self) -> Vec<Mount> {
        let mut in_folder: BTreeMap<PathBuf, usize> = BTreeMap::new();
        let files: Vec<PathBuf> =
            self.mounts.keys().filter(|path| self.machine.kind(path) == Some(Kind::File)).cloned().collect();
        for folder in files.iter().filter_map(|file| file.parent()) {
            *in_folder.entry(folder.to_owned()).or_default() += 1;
        }
        for file in files {
            let folder = file.parent().map(Path::to_owned).unwrap_or_default();
            if in_folder.get(&folder).is_some_and(|count| *count > FILES_LIMIT)
                && let Some((usage, asked)) = self.mounts.remove(&file)
            {
                asked.iter().for_each(|asked| self.mount(folder.clone(), usage, asked));
            }
        }
        // A folder that was only listed and holds another mount is there anyway, as the way to it.
        let only_listed = |path: &Path, asked: &BTreeSet<PathBuf>| {
            self.machine.kind(path) == Some(Kind::Folder) && asked.iter().all(|asked| asked == path)
        };
        let holds = |path: &Path| self.mounts.keys().any(|inner| inner != path && inner.starts_with(path));
        let ways =
            self.mounts.iter().filter(|(path, (usage, asked))| *usage == Use::Read && only_listed(path, asked) && holds(path));
        let ways: Vec<PathBuf> = ways.map(|(path, _)| path.clone()).collect();
        self.mounts.retain(|path, _| !ways.contains(path));
        let covered = |path: &Path, usage: Use| {
            self.mounts
                .iter()
                .any(|(outer, (given, _))| outer != path && path.starts_with(outer) && (*given == usage || usage == Use::Read))
        };
        let kept = self.mounts.iter().filter(|(path, (usage, _))| !covered(path, *usage));
        kept.map(|(path, (usage, asked))| Mount {
            at: path.display().to_string(),
            from: None,
            usage: *usage,
            reason: Some(reason(asked)),
        })
        .collect()
    }
}

/// Up to three of the files that a mount is for, without what would be refused in a policy.
fn reason(asked: &BTreeSet<PathBuf>) -> String {
    let shown =
        |path: &PathBuf| path.display().to_string().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let names: Vec<String> = asked.iter().take(3).map(shown).collect();
    let more = asked.len().saturating_sub(names.len());
    if more == 0 { format!("it uses {}", names.join(", ")) } else { format!("it uses {} and {more} more", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        let kind = |path: &Path| {
            Some(match path.to_str()? {
                "/" | "/usr" | "/usr/bin" | "/etc" | "/etc/ssl" | "/srv" | "/srv/app" | "/proc" | "/dev" | "/run" => Kind::Folder,
                "/bin" => Kind::Link("usr/bin".into()),
                "/etc/link" => Kind::Link("/srv/app/conf".into()),
                "/usr/bin/app" => Kind::Program,
                "/run/log" => Kind::Socket,
                "/dev/null" | "/dev/mem" => Kind::Other,
                path if path.starts_with("/etc/") || path.starts_with("/srv/app/") || path.starts_with("/proc/") => Kind::File,
                _ => return None,
            })
        };
        Machine { kind, loader: |_| None }
    }

    fn proposed(read: &[&str], written: &[&str]) -> Proposal {
        let list = |paths: &[&str]| paths.iter().map(|path| (PathBuf::from(path), 1)).collect();
        let executed = vec!["/bin/app".into()];
        policy(&Observed { read: list(read), written: list(written), executed, ..Observed::default() }, &machine())
    }

    fn mounts(proposal: &Proposal) -> Vec<(&str, Use)> {
        proposal.policy.mounts.iter().map(|mount| (mount.at.as_str(), mount.usage)).collect()
    }

    #[test]
    fn a_program_alone_needs_its_folder_and_the_link_that_leads_there() {
        let proposal = proposed(&["/absent", "/dev/null", "/proc/self/maps", "/tmp/x"], &[]);
        assert_eq!(mounts(&proposal), [("/usr", Use::Run)]);
        assert_eq!(proposal.policy.links, [Link { at: "/bin".to_owned(), to: "usr/bin".to_owned() }]);
        assert_eq!((proposal.policy.processes, proposal.policy.proc), (Processes::Single, Proc::Own));
        assert!(proposal.policy.check().is_empty() && proposal.remarks.is_empty(), "{:?}", proposal.remarks);
    }

    #[test]
    fn few_files_are_listed_and_many_are_their_folder() {
        assert_eq!(
            mounts(&proposed(&["/etc/a", "/etc/b"], &[])),
            [("/etc/a", Use::Read), ("/etc/b", Use::Read), ("/usr", Use::Run)]
        );
        let many = proposed(&["/etc/a", "/etc/b", "/etc/c", "/etc/d", "/etc/e", "/etc/ssl"], &[]);
        assert_eq!(mounts(&many), [("/etc", Use::Read), ("/usr", Use::Run)]);
    }

    #[test]
    fn a_folder_that_is_the_way_to_another_mount_needs_none() {
        assert_eq!(mounts(&proposed(&["/srv", "/srv/app/conf"], &[])), [("/srv/app/conf", Use::Read), ("/usr", Use::Run)]);
    }

    #[test]
    fn what_is_written_makes_its_folder_writable_even_if_it_is_not_there_yet() {
        let proposal = proposed(&["/srv/app/conf"], &["/srv/app/new", "/dev/mem"]);
        assert_eq!(mounts(&proposal), [("/srv/app", Use::Write), ("/usr", Use::Run)]);
        assert_eq!(proposal.remarks, ["it uses /dev/mem, which no policy gives"]);
    }

    #[test]
    fn a_link_is_followed_and_its_folder_comes_along() {
        assert_eq!(
            mounts(&proposed(&["/etc/link"], &[])),
            [("/etc", Use::Read), ("/srv/app/conf", Use::Read), ("/usr", Use::Run)]
        );
    }

    #[test]
    fn reading_of_the_machine_makes_proc_whole_and_says_so() {
        let proposal = proposed(&["/proc/meminfo"], &[]);
        assert_eq!(proposal.policy.proc, Proc::Full);
        assert!(proposal.remarks.iter().any(|remark| remark.contains("/proc/meminfo")));
    }
}
