//! The steps of a launch after clone, and how a failed one is told to the parent: eight bytes, no words.

use rustix::io::Errno;

/// A failed step and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Which step.
    pub step: Step,
    /// Why.
    pub errno: Errno,
}

/// What the program's process says before its last two steps: an end of file without it means that the process is gone.
/// No failure begins with this byte.
pub const ABOUT_TO_EXEC: u8 = 0xff;

/// Declares the steps with the words that the parent has for each.
macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident $words:literal),* $(,)?) => {
        /// What the child was doing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Step {
            $($(#[$doc])* #[doc = $words] $name),*
        }

        impl Step {
            /// Every step, in the order in which the child takes them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }

        impl std::fmt::Display for Step {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$name => $words),* })
            }
        }
    };
}

steps! {
    Signals "reset its signals",
    Network "enter its network namespace",
    PrivateMounts "make its mounts private",
    AttachRoot "attach its root",
    AttachMount "attach a mount in its root",
    MakeProc "make its /proc",
    AllowProc "allow its /proc in the Landlock domain",
    Pivot "make its root the root",
    DetachOldRoot "detach the machine's root",
    OpenProgram "open the program",
    LookAtProgram "find an ELF program there (a script is none: its interpreter would need a second exec)",
    HostName "set its host name",
    CgroupNamespace "enter a control group namespace",
    Session "start a session",
    Keyring "join a keyring of its own",
    Limits "set its limits",
    EmptyPath "map the path of its one exec (below vm.mmap_min_addr, which needs CAP_SYS_RAWIO)",
    Securebits "lock its securebits",
    Ids "become its user",
    Capabilities "drop its capabilities",
    NoNewPrivileges "give up gaining privileges",
    WriteExecute "deny memory that is writable and executable (MDWE)",
    Undumpable "become undumpable",
    ReadBack "find itself without rights, as it should be",
    ParentDeath "tie its life to its parent's",
    Fork "start the program's process",
    ReaperDomain "confine the reaping init",
    Descriptors "put its descriptors in place",
    Directory "enter its working directory",
    Domain "enter its Landlock domain",
    Filter "load its system call filter",
    HandOver "hand over what its filter tells of refused calls",
    Exec "execute the program",
}

impl Failure {
    /// As it travels.
    pub fn to_bytes(self) -> [u8; 8] {
        let [a, b, c, d] = (self.step as u32).to_ne_bytes();
        let [e, f, g, h] = self.errno.raw_os_error().to_ne_bytes();
        [a, b, c, d, e, f, g, h]
    }

    /// What arrived; None if it is none of ours.
    pub fn from_bytes([a, b, c, d, e, f, g, h]: [u8; 8]) -> Option<Self> {
        let index = usize::try_from(u32::from_ne_bytes([a, b, c, d])).ok()?;
        let errno = i32::from_ne_bytes([e, f, g, h]);
        let known = (1..4096).contains(&errno);
        Some(Self { step: *Step::ALL.get(index)?, errno: if known { Errno::from_raw_os_error(errno) } else { return None } })
    }
}

/// Names the step that a result belongs to.
pub trait InStep<T> {
    /// The result, with the step if it failed.
    fn in_step(self, step: Step) -> Result<T, Failure>;
}

impl<T> InStep<T> for Result<T, Errno> {
    fn in_step(self, step: Step) -> Result<T, Failure> {
        self.map_err(|errno| Failure { step, errno })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_comes_back_from_its_bytes() {
        for step in Step::ALL {
            let failure = Failure { step: *step, errno: Errno::PERM };
            assert_eq!(Failure::from_bytes(failure.to_bytes()), Some(failure));
        }
        assert_eq!(Failure::from_bytes([0xff; 8]), None);
    }
}
