//! What a program did, made of the calls that it asked about.

use sandbox::seccomp::{
    Profile,
    call::Architecture,
    compile::{Verdict, Verdicts, verdicts},
    profiles,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// A call that was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which.
    pub number: u32,
    /// Its arguments.
    pub arguments: [u64; 6],
    /// The file that it names.
    pub path: Option<PathBuf>,
}

/// What a program did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Files that it read or looked at, with how often.
    pub read: BTreeMap<PathBuf, usize>,
    /// Files that it wrote, made, moved or removed.
    pub written: BTreeMap<PathBuf, usize>,
    /// Programs that it was or executed, in order.
    pub executed: Vec<PathBuf>,
    /// Unix sockets that it connected to.
    pub connected: BTreeSet<PathBuf>,
    /// Whether it had children; threads count too, for a filter lets both or neither.
    pub forked: bool,
    /// Families of sockets other than Unix.
    pub families: BTreeSet<i32>,
    /// Every call that programs do not have without being asked for it.
    pub calls: BTreeSet<u32>,
}

/// How a call names a file: which argument is its folder, which its path, and whether it writes.
struct Named {
    number: i64,
    folder: Option<usize>,
    path: usize,
    writes: Writes,
}

enum Writes {
    Never,
    Always,
    /// By the open flags in this argument.
    Flags(usize),
}

use Writes::{Always, Flags, Never};

const NAMED: &[Named] = &[
    Named { number: libc::SYS_openat, folder: Some(0), path: 1, writes: Flags(2) },
    // Its flags lie in memory; a program that uses it to write is seen by the folder's refusal.
    Named { number: libc::SYS_openat2, folder: Some(0), path: 1, writes: Never },
    Named { number: libc::SYS_execve, folder: None, path: 0, writes: Never },
    Named { number: libc::SYS_execveat, folder: Some(0), path: 1, writes: Never },
    Named { number: libc::SYS_newfstatat, folder: Some(0), path: 1, writes: Never },
    Named { number: libc::SYS_statx, folder: Some(0), path: 1, writes: Never },
    Named { number: libc::SYS_readlinkat, folder: Some(0), path: 1, writes: Never },
    Named { number: libc::SYS_faccessat, folder: Some(0), path: 1, writes: Never },
    Named { number: libc::SYS_faccessat2, folder: Some(0), path: 1, writes: Never },
    Named { number: libc::SYS_chdir, folder: None, path: 0, writes: Never },
    Named { number: libc::SYS_mkdirat, folder: Some(0), path: 1, writes: Always },
    Named { number: libc::SYS_unlinkat, folder: Some(0), path: 1, writes: Always },
    Named { number: libc::SYS_renameat2, folder: Some(2), path: 3, writes: Always },
    Named { number: libc::SYS_symlinkat, folder: Some(1), path: 2, writes: Always },
    Named { number: libc::SYS_truncate, folder: None, path: 0, writes: Always },
    #[cfg(target_arch = "x86_64")]
    Named { number: libc::SYS_open, folder: None, path: 0, writes: Flags(1) },
    #[cfg(target_arch = "x86_64")]
    Named { number: libc::SYS_creat, folder: None, path: 0, writes: Always },
    #[cfg(target_arch = "x86_64")]
    Named { number: libc::SYS_stat, folder: None, path: 0, writes: Never },
    #[cfg(target_arch = "x86_64")]
    Named { number: libc::SYS_lstat, folder: None, path: 0, writes: Never },
    #[cfg(target_arch = "x86_64")]
    Named { number: libc::SYS_access, folder: None, path: 0, writes: Never },
    #[cfg(target_arch = "x86_64")]
    Named { number: libc::SYS_readlink, folder: None, path: 0, writes: Never },
    #[cfg(target_arch = "x86_64")]
    Named { number: libc::SYS_mkdir, folder: None, path: 0, writes: Always },
    #[cfg(target_arch = "x86_64")]
    Named { number: libc::SYS_rmdir, folder: None, path: 0, writes: Always },
    #[cfg(target_arch = "x86_64")]
    Named { number: libc::SYS_unlink, folder: None, path: 0, writes: Always },
    #[cfg(target_arch = "x86_64")]
    Named { number: libc::SYS_rename, folder: None, path: 1, writes: Always },
];

/// Calls that are asked about besides: sockets, children.
const OTHERS: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_clone,
    libc::SYS_clone3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// Last number that is asked about; no architecture of ours has more calls.
const LAST: u32 = 512;
/// What the child calls between loading its filter and its exec, and what ends it: nobody may hold these up.
const FREE: &[i64] = &[libc::SYS_sendmsg, libc::SYS_exit, libc::SYS_exit_group, libc::SYS_rt_sigreturn];

/// Numbers of the calls to ask about: those that name files, and those that not every program has.
pub fn asked_about() -> BTreeSet<u32> {
    let known = everybodys();
    let mut all: BTreeSet<u32> = (0..LAST).filter(|number| known.get(number) != Some(&Verdict::Allow)).collect();
    let more = NAMED.iter().map(|named| named.number).chain(OTHERS.iter().copied());
    all.extend(more.filter_map(|number| u32::try_from(number).ok()));
    all.retain(|number| !FREE.contains(&i64::from(*number)));
    all
}

/// What these profiles say to each call. They are tables of this build; were one wrong, nothing would seem granted.
pub(super) fn said_by(profiles: &[&Profile]) -> Verdicts {
    verdicts(Architecture::NATIVE, profiles).unwrap_or_default()
}

/// What every program's filter says.
fn everybodys() -> Verdicts {
    let profiles: Vec<&Profile> = profiles::ALWAYS.into_iter().chain([&profiles::app::APP]).collect();
    said_by(&profiles)
}

impl Asked {
    fn named(&self) -> Option<&'static Named> {
        NAMED.iter().find(|named| named.number == i64::from(self.number))
    }

    /// Folder, if one is given, and address of the path that it names.
    pub fn path_arguments(&self) -> Option<(Option<u64>, u64)> {
        let named = self.named()?;
        let folder = named.folder.and_then(|index| self.arguments.get(index)).copied();
        Some((folder, *self.arguments.get(named.path)?))
    }

    /// Address of the socket address that it names.
    pub fn address_argument(&self) -> Option<u64> {
        (i64::from(self.number) == libc::SYS_connect).then_some(self.arguments[1])
    }

    fn writes(&self) -> bool {
        const WRITING: i32 = libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;
        match self.named().map(|named| &named.writes) {
            Some(Always) => true,
            Some(Flags(index)) => self.arguments.get(*index).is_some_and(|flags| *flags as i32 & WRITING != 0),
            _ => false,
        }
    }
}

impl Observed {
    /// Sorts what was asked.
    pub fn of(asked: &[Asked]) -> Self {
        let mut seen = Self::default();
        let known = everybodys();
        for call in asked {
            let number = i64::from(call.number);
            if OTHERS.iter().skip(2).any(|fork| *fork == number) {
                seen.forked = true;
            }
            if number == libc::SYS_socket && call.arguments[0] as i32 != libc::AF_UNIX {
                seen.families.insert(call.arguments[0] as i32);
            }
            if known.get(&call.number) != Some(&Verdict::Allow) {
                seen.calls.insert(call.number);
            }
            let Some(path) = call.path.clone() else { continue };
            if [libc::SYS_execve, libc::SYS_execveat].contains(&number) {
                seen.executed.push(path);
            } else if number == libc::SYS_connect {
                seen.connected.insert(path);
            } else {
                let list = if call.writes() { &mut seen.written } else { &mut seen.read };
                *list.entry(path).or_default() += 1;
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(number: i64, arguments: [u64; 6], path: &str) -> Asked {
        Asked { number: number as u32, arguments, path: (!path.is_empty()).then(|| path.into()) }
    }

    #[test]
    fn what_was_asked_is_sorted_by_what_it_does() {
        let create = (libc::O_CREAT | libc::O_WRONLY) as u64;
        let seen = Observed::of(&[
            asked(libc::SYS_execve, [0; 6], "/usr/bin/app"),
            asked(libc::SYS_openat, [0, 0, 0, 0, 0, 0], "/etc/app.conf"),
            asked(libc::SYS_openat, [0, 0, create, 0, 0, 0], "/srv/app/out"),
            asked(libc::SYS_unlinkat, [0; 6], "/srv/app/old"),
            asked(libc::SYS_clone, [0; 6], ""),
            asked(libc::SYS_socket, [2, 1, 0, 0, 0, 0], ""),
            asked(libc::SYS_connect, [0; 6], "/run/log"),
        ]);
        assert_eq!(seen.executed, [PathBuf::from("/usr/bin/app")]);
        assert_eq!(seen.read.keys().collect::<Vec<_>>(), ["/etc/app.conf"].map(std::path::Path::new).iter().collect::<Vec<_>>());
        assert_eq!(seen.written.len(), 2);
        assert!(seen.forked && seen.families.contains(&2) && seen.connected.len() == 1);
    }

    #[test]
    fn nothing_is_asked_that_the_start_itself_needs() {
        let asked = asked_about();
        assert!(FREE.iter().all(|number| !asked.contains(&(*number as u32))));
        assert!(asked.contains(&(libc::SYS_openat as u32)) && !asked.contains(&(libc::SYS_read as u32)));
    }
}
