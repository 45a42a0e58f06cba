//! What apps are debugged with, for images that let them be: the distribution's gdbserver, the libraries that it is linked
//! with and their loader, and what it needs to work in an app's sandbox (debugger/tracer.c).

use crate::{
    command::{CommandError, Outside},
    files::{self, FileError},
    progress::Progress,
};
use manifest::places;
use std::path::{Path, PathBuf};

/// Why there is no debugger.
#[derive(Debug, thiserror::Error)]
pub enum DebuggerError {
    /// gdbserver is not there, or a tool failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// What `ldd` said is not understood.
    #[error("`ldd {}` says nothing of a loader", .0.display())]
    Libraries(PathBuf),
}

/// Where Debian has it.
const GDBSERVER: &str = "/usr/bin/gdbserver";

/// Makes the folder that becomes [`places::DEBUG_TOOLS`].
pub fn make(workspace: &Path, folder: &Path, progress: &mut dyn Progress) -> Result<(), DebuggerError> {
    files::remove_folder(folder)?;
    files::make_folder(folder)?;
    let [loader, gdbserver] = places::DEBUGGER.map(|name| folder.join(name));
    // Says that it is not installed, and which package has it.
    Outside::new(GDBSERVER, "gdbserver").arg("--version").run(progress)?;
    files::copy(Path::new(GDBSERVER), &gdbserver, MODE)?;
    let listing = Outside::new("ldd", "libc-bin").arg(GDBSERVER).run(progress)?;
    let Needs { libraries, loader: own_loader } =
        needs(&String::from_utf8_lossy(&listing)).ok_or_else(|| DebuggerError::Libraries(GDBSERVER.into()))?;
    files::copy(&own_loader, &loader, MODE)?;
    for (name, path) in libraries {
        files::copy(&path, &folder.join(name), MODE)?;
    }
    let here = format!("-ffile-prefix-map={}=.", workspace.display());
    let compile = Outside::new("cc", "gcc").args(["-shared", "-fPIC", "-O2", "-s", "-Wl,--build-id=none,-z,relro,-z,now", &here]);
    compile.arg("-o").arg(folder.join(places::DEBUGGER_PRELOAD)).arg(tracer(workspace)).run(progress)?;
    Ok(files::set_mode(&folder.join(places::DEBUGGER_PRELOAD), MODE)?)
}

/// The source of what gdbserver needs in a sandbox.
pub fn tracer(workspace: &Path) -> PathBuf {
    workspace.join("debugger/tracer.c")
}

const MODE: u32 = 0o755;

/// What a program needs beside itself.
#[derive(Debug, PartialEq)]
struct Needs {
    /// By the name that it is linked by.
    libraries: Vec<(String, PathBuf)>,
    loader: PathBuf,
}

/// Reads what ldd(1) prints: `name => path (address)` per library, and the loader's path alone.
fn needs(listing: &str) -> Option<Needs> {
    let (mut libraries, mut loader) = (Vec::new(), None);
    for line in listing.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(name), Some("=>"), Some(path)) if path.starts_with('/') => libraries.push((name.to_owned(), path.into())),
            (Some(path), Some(_), None) if path.starts_with('/') => loader = Some(path.into()),
            _ => {}
        }
    }
    Some(Needs { libraries, loader: loader? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_loader_are_read_from_what_ldd_says() {
        let said = "\tlinux-vdso.so.1 (0x00007f)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t\
                    /lib64/ld-linux-x86-64.so.2 (0x00007f)\n\tlibodd.so => not found\n";
        let libraries = vec![("libc.so.6".to_owned(), "/lib/x86_64-linux-gnu/libc.so.6".into())];
        assert_eq!(needs(said), Some(Needs { libraries, loader: "/lib64/ld-linux-x86-64.so.2".into() }));
        assert_eq!(needs("\tstatically linked\n"), None);
    }
}
