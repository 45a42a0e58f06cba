//! Protections that a policy may name optional, because not every caller can have them. There are no others: what is not
//! in this list is never left out.

use crate::check::Kernel;

/// A protection that needs what an ordinary user has not got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// A user and group id that nothing else has. Without it the program has the caller's, supplementary groups included.
    OwnUser,
    /// A control group with limits. Without it the program can use up memory, processor time and process ids.
    ControlGroup,
    /// One exec and no second, by the page below vm.mmap_min_addr. Without it the program may run itself, and what else
    /// its mounts let it run, again; with the same confinement.
    ExecOnce,
}

impl Protection {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OwnUser, Self::ControlGroup, Self::ExecOnce];

    /// As policies name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnUser => "own-user",
            Self::ControlGroup => "control-group",
            Self::ExecOnce => "exec-once",
        }
    }

    /// Why a caller may lack it.
    pub fn needs(self) -> &'static str {
        match self {
            Self::OwnUser => "an id other than the caller's needs CAP_SETUID outside of a user namespace",
            Self::ControlGroup => "a control group that the caller may put processes in",
            Self::ExecOnce => "a page below vm.mmap_min_addr needs CAP_SYS_RAWIO outside of a user namespace",
        }
    }
}

/// Protections that this caller cannot have although the policy wants them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub Vec<Protection>);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<String> = self.0.iter().map(|one| format!("`{}` ({})", one.name(), one.needs())).collect();
        write!(f, "missing here and not named optional: {}", words.join(", "))
    }
}

/// What is wanted, not optional and cannot be had, all of it at once.
pub(crate) fn check(kernel: &Kernel, wanted: &[Protection], optional: &[Protection]) -> Result<(), Missing> {
    if kernel.initial_user_namespace {
        return Ok(());
    }
    let missing: Vec<_> = wanted.iter().filter(|one| !optional.contains(one)).copied().collect();
    if missing.is_empty() { Ok(()) } else { Err(Missing(missing)) }
}
