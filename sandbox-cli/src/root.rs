//! The root file system and the mounts of a policy, opened and made detached: nothing is resolved by path twice, and no
//! symbolic link of this machine is followed, so what the policy names is what the program gets.

use crate::{
    failure::{Class, Failure, Result},
    policy::{Mount, PolicyFile, Root, Use},
};
use linux::{
    files::{self, FileError},
    mount::{self, Flags, MountError},
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};
use sandbox::{Place, policy::MOUNT_POINTS};

/// The root and what is mounted in it.
pub struct Tree {
    /// Detached.
    pub root: OwnedFd,
    /// Detached, outer ones first.
    pub mounts: Vec<sandbox::Mount>,
}

/// Bytes of an assembled root, which holds only folders, empty files and links.
const ASSEMBLED_SIZE: &str = "1048576";

/// Opens and makes all of it.
pub fn build(policy: &PolicyFile) -> Result<Tree> {
    let root = match &policy.root {
        Root::Assembled => assembled()?,
        Root::Folder(path) => tree("root", path)?,
        Root::Image(path) => {
            let image = open("root", path, OFlags::RDONLY)?;
            mount::detached_image("erofs", image.as_fd(), Flags::empty()).map_err(|e| not_mounted("root", &e))?
        }
    };
    // An outer mount before what lies inside it.
    let mut sorted: Vec<(usize, &Mount)> = policy.mounts.iter().enumerate().collect();
    sorted.sort_by_key(|(_, mount)| mount.at.as_str());
    let mut mounts: Vec<sandbox::Mount> = Vec::new();
    for (index, mount) in sorted {
        let path = format!("mounts[{index}].from");
        let detached = tree(&path, mount.source())?;
        let kind = kind(&path, detached.as_fd())?;
        check_kind(&path, mount, kind)?;
        let inside = |outer: &sandbox::Mount| {
            let outer = outer.place.path();
            mount.at.strip_prefix(&outer).is_some_and(|rest| rest.starts_with('/'))
        };
        let laid_out = mount.usage == Use::Socket || mounts.iter().any(inside);
        if policy.root == Root::Assembled && !laid_out {
            make_place(root.as_fd(), &mount.at, kind)?;
        }
        mounts.push(sandbox::Mount { detached, place: place(mount) });
    }
    if policy.root == Root::Assembled {
        add_links(root.as_fd(), policy)?;
    }
    Ok(Tree { root, mounts })
}

fn place(mount: &Mount) -> Place {
    let path = || mount.at.clone();
    match mount.usage {
        Use::Socket => Place::Socket(mount.at.rsplit('/').next().unwrap_or_default().to_owned()),
        Use::Write if mount.at == "/data" => Place::Data,
        Use::Write => Place::Path(path(), sandbox::Use::Write),
        Use::Read => Place::Path(path(), sandbox::Use::Read),
        Use::Run => Place::Path(path(), sandbox::Use::Run),
    }
}

/// An empty root with the folders that the sandbox mounts over.
fn assembled() -> Result<OwnedFd> {
    let options = [("size", Some(ASSEMBLED_SIZE)), ("nr_inodes", Some("1024")), ("mode", Some("0755"))];
    let root = mount::detached("tmpfs", &options, mount::INERT).map_err(|e| not_mounted("root", &e))?;
    // Where programs are run is decided by the mounts in it; it holds no file of its own with bytes in it.
    for name in MOUNT_POINTS {
        make_place(root.as_fd(), &format!("/{name}"), FileType::Directory)?;
    }
    Ok(root)
}

/// Folders down to a place, and there a folder or an empty file to mount over.
fn make_place(root: BorrowedFd<'_>, at: &str, kind: FileType) -> Result<()> {
    let error = |e| failed("make", at, e);
    let relative = at.trim_start_matches('/');
    let folders = relative.match_indices('/').map(|(end, _)| relative.get(..end).unwrap_or_default());
    let folders = folders.chain(kind.is_dir().then_some(relative));
    for folder in folders {
        match rustix::fs::mkdirat(root, folder, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(error(e)),
        }
    }
    if !kind.is_dir() {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        rustix::fs::openat(root, relative, flags, Mode::RUSR).map_err(error)?;
    }
    Ok(())
}

fn add_links(root: BorrowedFd<'_>, policy: &PolicyFile) -> Result<()> {
    for link in &policy.links {
        let relative = link.at.trim_start_matches('/');
        if let Some((folder, _)) = link.at.rsplit_once('/').filter(|(folder, _)| !folder.is_empty()) {
            make_place(root, folder, FileType::Directory)?;
        }
        rustix::fs::symlinkat(link.to.as_str(), root, relative).map_err(|e| failed("make", &link.at, e))?;
    }
    Ok(())
}

/// A detached copy of what lies at a path of this machine, with what is mounted below it.
fn tree(field: &str, path: &str) -> Result<OwnedFd> {
    let source = open(field, path, OFlags::PATH)?;
    mount::detached_tree(source.as_fd()).map_err(|e| not_mounted(field, &e))
}

fn open(field: &str, path: &str, flags: OFlags) -> Result<OwnedFd> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(CWD, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve).map_err(|e| {
        let failure = failed("open", path, e);
        let failure = Failure { message: format!("the policy, at {field}: {}", failure.message), ..failure };
        match e {
            Errno::LOOP => {
                failure.hint("a part of the path is a symbolic link; name what it leads to, and make a link in `links`")
            }
            _ => failure,
        }
    })
}

fn kind(field: &str, fd: BorrowedFd<'_>) -> Result<FileType> {
    let stat = rustix::fs::fstat(fd).map_err(|e| failed("look at", field, e))?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

/// A socket is no folder, and nothing but files and folders is read.
fn check_kind(field: &str, mount: &Mount, kind: FileType) -> Result<()> {
    let wrong = match (mount.usage, kind) {
        (Use::Socket, FileType::Socket) => None,
        (Use::Socket, _) => Some("is no socket"),
        (_, FileType::Directory | FileType::RegularFile) => None,
        (_, FileType::Socket) => Some("is a socket; use it as one"),
        _ => Some("is neither a file nor a folder"),
    };
    match wrong {
        Some(wrong) => Err(Failure::new(Class::BadInput, format!("the policy, at {field}: {} {wrong}", mount.source()))),
        None => Ok(()),
    }
}

fn failed(verb: &'static str, path: &str, error: Errno) -> Failure {
    Failure::of(Class::BadInput, &FileError::new(verb, path, error))
}

fn not_mounted(field: &str, error: &MountError) -> Failure {
    Failure::new(Class::NotStarted, format!("the policy, at {field}: {}", files::chain(error)))
}
