//! Landlock: which files, TCP ports, abstract sockets and signals a process can reach, by its own domain
//! (landlock(7), Documentation/userspace-api/landlock.rst).
//!
//! Everything the kernel can restrict is restricted; what is granted is granted by a rule on an open folder or file.
//! A kernel that lacks a right we count on is an error, never less protection.

use crate::sys;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, Scope,
};
use rustix::{
    fd::{BorrowedFd, OwnedFd},
    io::Errno,
};

/// The oldest ABI with everything we count on: IOCTL_DEV (5), scopes for signals and abstract sockets (6).
pub const OLDEST: i64 = 6;
/// The newest one whose rights this table was written for; a newer kernel is used like this one.
const NEWEST: i64 = 8;
/// Erratum 3: rights of a folder that was moved out of its mount widen. Without the fix a rule means less than it says.
const NEEDED_ERRATA: i64 = 1 << 2;

/// What may be done beneath a folder, or with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read files, list folders.
    Read,
    /// Read one file.
    ReadFile,
    /// Read files, list folders, run files. Truncate is in it because an open asks for it and the mount is read-only.
    ReadAndExecute,
    /// Read and run one file.
    RunFile,
    /// List folders.
    List,
    /// Read and write device nodes, without ioctls, and list their folder.
    Devices,
    /// Everything with files, folders, symbolic links, pipes and sockets; nothing is run, no device made.
    Write,
    /// Read and write one device, and its ioctls.
    Device,
    /// Read and write one file.
    WriteFile,
}

/// Why there is no ruleset.
#[derive(Debug, thiserror::Error)]
pub enum LandlockError {
    /// Not in this kernel.
    #[error("this kernel has no Landlock; CONFIG_SECURITY_LANDLOCK and `landlock` in `lsm=` are needed")]
    Missing(#[source] Errno),
    /// Too old.
    #[error("this kernel's Landlock ABI is {found}, at least {OLDEST} is needed (Linux 6.12)")]
    TooOld {
        /// What it has.
        found: i64,
    },
    /// A known bug is not fixed.
    #[error(
        "this kernel's Landlock lacks the fix of erratum 3 (rights widen for folders that are moved out of a mount); it has {found:#b}"
    )]
    Unfixed {
        /// Which fixes it has.
        found: i64,
    },
    /// A right, rule or the ruleset was refused.
    #[error("Landlock refused the ruleset")]
    Ruleset(#[from] RulesetError),
    /// The crate made no descriptor.
    #[error("Landlock made no ruleset although the kernel has it")]
    NoDescriptor,
}

/// The ABI that is used on this kernel.
pub fn abi() -> Result<i64, LandlockError> {
    let found = sys::landlock_abi().map_err(LandlockError::Missing)?;
    if found < OLDEST {
        return Err(LandlockError::TooOld { found });
    }
    let errata = sys::landlock_errata().unwrap_or(0);
    if !is_fixed(errata) {
        return Err(LandlockError::Unfixed { found: errata });
    }
    Ok(found.min(NEWEST))
}

/// Whether everything is fixed that must be.
pub fn is_fixed(errata: i64) -> bool {
    errata & NEEDED_ERRATA != 0
}

/// Flags for landlock_restrict_self(2) where a program is started afterwards: from ABI 7 on the kernel records what it
/// denies in the audit log, but stops at exec unless it is told not to (LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON).
pub(crate) fn flags_before_exec(abi: i64) -> u32 {
    const FIRST_WITH_LOG: i64 = 7;
    if abi < FIRST_WITH_LOG { 0 } else { 1 << 1 }
}

/// A ruleset that denies everything but these rules.
pub fn ruleset(rules: &[(BorrowedFd<'_>, Access)], signals: Signals) -> Result<OwnedFd, LandlockError> {
    let abi = known(abi()?);
    let scope = match signals {
        Signals::OwnDomain => Scope::from_all(abi),
        Signals::Any => BitFlags::from(Scope::AbstractUnixSocket),
    };
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(scope)?
        .create()?;
    let ruleset = rules.iter().try_fold(ruleset, |ruleset, (fd, access)| add(ruleset, *fd, *access))?;
    Option::<OwnedFd>::from(ruleset).ok_or(LandlockError::NoDescriptor)
}

/// Whom a process may signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signals {
    /// Only processes of its own domain.
    OwnDomain,
    /// Whom its uid allows: for the reaping init, which signals an app that has a domain of its own.
    Any,
}

fn add(ruleset: RulesetCreated, fd: BorrowedFd<'_>, access: Access) -> Result<RulesetCreated, RulesetError> {
    ruleset.add_rule(PathBeneath::new(fd, access.rights()))
}

impl Access {
    fn rights(self) -> BitFlags<AccessFs> {
        use AccessFs::{
            Execute, IoctlDev, MakeDir, MakeFifo, MakeReg, MakeSock, MakeSym, ReadDir, ReadFile, Refer, RemoveDir, RemoveFile,
            Truncate, WriteFile,
        };
        match self {
            Access::Read => ReadFile | ReadDir,
            Access::ReadFile => BitFlags::from(ReadFile),
            Access::RunFile => ReadFile | Execute | Truncate,
            Access::List => BitFlags::from(ReadDir),
            Access::Devices => ReadDir | ReadFile | WriteFile | Truncate,
            Access::ReadAndExecute => ReadFile | ReadDir | Execute | Truncate,
            Access::Write => {
                ReadFile
                    | ReadDir
                    | WriteFile
                    | Truncate
                    | MakeReg
                    | MakeDir
                    | MakeSym
                    | MakeFifo
                    | MakeSock
                    | RemoveFile
                    | RemoveDir
                    | Refer
            }
            Access::Device => ReadFile | WriteFile | Truncate | IoctlDev,
            Access::WriteFile => AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate,
        }
    }

    /// For a rule on something that is no folder: the rights that files have.
    pub(crate) fn for_file(self) -> Self {
        match self {
            Access::Write => Access::WriteFile,
            Access::Read => Access::ReadFile,
            Access::ReadAndExecute => Access::RunFile,
            other => other,
        }
    }
}

fn known(abi: i64) -> ABI {
    ABI::from(i32::try_from(abi).unwrap_or(0))
}

/// The right to read files and list folders as the bits of landlock_add_rule(2): for the child's own /proc, which only
/// exists once nothing may be allocated any more.
pub(crate) const READ_BITS: u64 = AccessFs::ReadFile as u64 | AccessFs::ReadDir as u64;
