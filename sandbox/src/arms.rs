//! Layers that the attack suite leaves out one by one, to see that each attack works without them. Only under the
//! feature `attack-arms`: elsewhere [`layer!`] is its expression and nothing else, and no image is built with it.

/// Puts a layer in force: `layer!(Filter, what puts it in force)`, or with what stands in for it while it is left out.
/// Where several layers are named the first expression runs only if none of them is left out.
#[cfg(not(feature = "attack-arms"))]
macro_rules! layer {
    ($($layer:ident)|+, $in_force:expr $(, else $left_out:expr)?) => {
        $in_force
    };
}

#[cfg(feature = "attack-arms")]
macro_rules! layer {
    ($($layer:ident)|+, $in_force:expr) => {
        layer!($($layer)|+, $in_force, else Default::default())
    };
    ($($layer:ident)|+, $in_force:expr, else $left_out:expr) => {
        if $($crate::arms::is_out($crate::arms::Layer::$layer))||+ { $left_out } else { $in_force }
    };
}

pub(crate) use layer;

#[cfg(feature = "attack-arms")]
pub use build::{Layer, MARK, is_out, keep_capabilities, leak, leave_out, namespaces};

#[cfg(feature = "attack-arms")]
mod build {
    use crate::sys;
    use linux::process::{self, CapabilitySets};
    use rustix::{
        fd::{AsFd, OwnedFd},
        io::Errno,
        thread::{self, LinkNameSpaceType},
    };
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Found in every program that can leave layers out, so that a test can look for it in an image's.
    pub const MARK: &str = "holdfast-attack-arms: layers of the sandbox can be left out";

    /// Declares the layers with the names that attacks.toml has for them.
    macro_rules! layers {
        ($($(#[$doc:meta])* $name:ident $word:literal),* $(,)?) => {
            /// A layer that can be left out.
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum Layer {
                $($(#[$doc])* $name),*
            }

            impl Layer {
                /// Every layer.
                pub const ALL: &[Self] = &[$(Self::$name),*];

                /// Its name in attacks.toml.
                pub fn name(self) -> &'static str {
                    match self { $(Self::$name => $word),* }
                }
            }
        };
    }

    layers! {
        /// Own user and group; without it the program is root.
        Ids "ids",
        /// Own root; without it the program has the machine's, and its /proc, /dev, /run and /tmp.
        Root "root",
        /// Read-only, nosuid, nodev, noexec and nosymfollow of all mounts, /proc among them.
        MountFlags "mount-flags",
        /// Own process ids.
        PidNamespace "pid-namespace",
        /// Own System V IPC and message queues.
        IpcNamespace "ipc-namespace",
        /// Own host name.
        UtsNamespace "uts-namespace",
        /// Own network, with no link.
        NetNamespace "net-namespace",
        /// Own view of control groups.
        CgroupNamespace "cgroup-namespace",
        /// Control group with limits.
        Cgroup "cgroup",
        /// Empty capability sets and locked securebits; without it the program has all.
        Capabilities "capabilities",
        /// no_new_privs.
        NoNewPrivileges "no-new-privileges",
        /// PR_SET_MDWE.
        WriteExecute "write-execute",
        /// The Landlock domain.
        Landlock "landlock",
        /// The system call filter.
        Filter "filter",
        /// Limits (setrlimit).
        Limits "limits",
        /// subset=pid and hidepid of /proc.
        ProcSubset "proc-subset",
        /// /dev of five nodes; without it the machine's.
        Devices "devices",
        /// Every descriptor closed that was not passed.
        Descriptors "descriptors",
        /// Own session.
        Session "session",
        /// Own keyring.
        Keyring "keyring",
    }

    static OUT: AtomicU32 = AtomicU32::new(0);

    /// From the next start on exactly these are left out.
    pub fn leave_out(layers: &[Layer]) {
        OUT.store(layers.iter().fold(0, |bits, layer| bits | 1 << (*layer as u32)), Ordering::Relaxed);
    }

    /// Whether a layer is left out.
    pub fn is_out(layer: Layer) -> bool {
        OUT.load(Ordering::Relaxed) & 1 << (layer as u32) != 0
    }

    /// In the child, which was cloned into all namespaces or, without a pid namespace, into none: joins the parent's of
    /// what is left out, or leaves the parent's of what is not.
    pub fn namespaces(parent: impl AsFd) -> Result<(), Errno> {
        let all = [
            (Layer::IpcNamespace, LinkNameSpaceType::InterProcessCommunication, libc::CLONE_NEWIPC),
            (Layer::UtsNamespace, LinkNameSpaceType::HostNameAndNISDomainName, libc::CLONE_NEWUTS),
            (Layer::NetNamespace, LinkNameSpaceType::Network, libc::CLONE_NEWNET),
        ];
        if is_out(Layer::PidNamespace) {
            sys::unshare(libc::CLONE_NEWNS)?;
        }
        for (layer, kind, flag) in all {
            match (is_out(Layer::PidNamespace), is_out(layer)) {
                (true, false) => {
                    sys::unshare(flag)?;
                }
                (false, true) => thread::move_into_link_name_space(parent.as_fd(), Some(kind))?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Without [`Layer::Descriptors`], leaves the listener of the filter open in the program, as its first descriptor that was
    /// not passed.
    pub fn leak(listener: Option<&OwnedFd>, number: i32) -> Result<(), Errno> {
        match listener {
            Some(listener) if is_out(Layer::Descriptors) => sys::place(listener.as_fd(), number).map(drop),
            _ => Ok(()),
        }
    }

    /// Keeps all capabilities over the change of user and the exec: permitted, inheritable and ambient.
    pub fn keep_capabilities() -> Result<(), Errno> {
        let all = process::capabilities()?.permitted;
        thread::set_capabilities(None, CapabilitySets { effective: all, permitted: all, inheritable: all })?;
        all.iter().try_for_each(|one| thread::configure_capability_in_ambient_set(one, true))
    }
}
