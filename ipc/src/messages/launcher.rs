//! What launcher answers, and the plan it starts an app by: flat and typed, so that a process with capabilities has
//! nothing to interpret.

use super::{Instance, requests};
use manifest::names::{ComponentId, Sha256Hex};
use serde::{Deserialize, Serialize};

requests! {
    /// Requests to launcher.
    Request {
        /// From security-monitor: this image may be mounted for this component. Reply: [`manifest::api::Done`].
        Verdict "verdict" {
            /// fs-verity digest of the image.
            digest: Sha256Hex,
            /// Component it belongs to.
            component: ComponentId,
            /// Its version.
            version: u64,
        },
        /// Open `/manifest.json` in an image that has a verdict. Descriptor: the image.
        /// Reply: [`manifest::api::Done`] with the descriptor of the manifest, readable.
        OpenManifest "open-manifest" {},
        /// Make or adjust an app's storage. Reply: [`manifest::api::Done`].
        PrepareStorage "prepare-storage" {
            /// The app.
            component: ComponentId,
            /// Its uid and project id.
            uid: u32,
            /// Its quota in KiB.
            size_kib: u64,
            /// The key that it is encrypted with, as [`super::monitor::StorageKey`] names it.
            key: [u8; 16],
        },
        /// Empty and remove an app's storage. Reply: [`manifest::api::Done`].
        EraseStorage "erase-storage" {
            /// The app.
            component: ComponentId,
            /// Its uid and project id.
            uid: u32,
        },
        /// Start an app. Descriptors as [`Plan::descriptors`] says. Reply: [`Started`] with the listener of its filter, where
        /// refused calls wait for an answer.
        Start "start" {
            /// What, and how confined.
            plan: Box<Plan>,
        },
        /// Send SIGTERM to an instance's first process. Reply: [`manifest::api::Done`].
        Terminate "terminate" {
            /// Which.
            instance: Instance,
        },
        /// Become the one that exits are reported to. Reply: [`Running`] with, per instance, the read ends of
        /// stdout and stderr, the notify socket and the listener of the filter in this order; then [`Exited`] events follow on the same connection.
        Subscribe "subscribe" {},
        /// Forget an exit that was reported. Reply: [`manifest::api::Done`].
        Acknowledge "acknowledge" {
            /// Which.
            instance: Instance,
        },
    }
}

/// How an app is started. What is not in it, the app does not get.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The app and which start of it.
    pub instance: Instance,
    /// User, group and project id; launcher refuses any outside the apps' range.
    pub uid: u32,
    /// Host name inside.
    pub host_name: String,
    /// Program, as a path inside the image.
    pub entry_point: String,
    /// Arguments, without the program's name.
    pub arguments: Vec<String>,
    /// The whole environment, `NAME=value`.
    pub environment: Vec<String>,
    /// Whether [`manifest::places::STORAGE`]`/<component>` is mounted at `/data`.
    pub storage: bool,
    /// Whether [`manifest::places::APP_RUN`]`/<component>/services` is mounted at `/run/services`.
    pub services: bool,
    /// What may be confined how; see `sandbox`.
    pub confinement: Confinement,
    /// Meaning of the packet's descriptors, in order.
    pub descriptors: Vec<PlanDescriptor>,
}

/// Confinement of an app. Namespaces, own root, empty capabilities, no_new_privs, Landlock and seccomp are not
/// choices: launcher refuses to start anything without them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confinement {
    /// Processes the app may have, as the manifest says.
    pub processes: Processes,
    /// Names of the system call profiles that make up its filter.
    pub syscall_profiles: Vec<String>,
    /// Open files (RLIMIT_NOFILE).
    pub open_files: u64,
    /// Bytes that the kernel may dump of it when it crashes; they count as its memory. 0: no dump.
    pub core_bytes: u64,
}

/// How an app may use processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Processes {
    /// One process without threads, PID 1 of its namespace.
    Single,
    /// Fork and threads, no second exec.
    Fork,
    /// Fork, threads, exec.
    Exec,
}

/// What a descriptor of a [`Request::Start`] is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum PlanDescriptor {
    /// The image, readable, with fs-verity on.
    Image,
    /// The control group's folder.
    Cgroup,
    /// Write end of the app's stdout.
    Stdout,
    /// Write end of the app's stderr.
    Stderr,
    /// Read end of stdout, kept for a restarted app-manager.
    StdoutRead,
    /// Read end of stderr, kept for a restarted app-manager.
    StderrRead,
    /// The instance's bound notify socket, kept for a restarted app-manager: the app has this very socket in its root.
    Notify,
    /// A socket to the owner's debugger: the app is started by gdbserver, which speaks over it. launcher refuses it where the
    /// image lets nobody debug apps.
    Debugger,
    /// Passed to the app under this name.
    Granted(String),
}

/// Reply to [`Request::Start`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// Process id in the device's numbering.
    pub pid: u32,
    /// What is in force, layer by layer.
    pub in_force: Vec<String>,
}

/// Reply to [`Request::Subscribe`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// The running instances with their process ids; at most [`SUBSCRIBED_LIMIT`] per packet.
    pub running: Vec<(Instance, u32)>,
    /// Whether to send `subscribe` again for more.
    pub more: bool,
}

/// Instances in one [`Running`].
pub const SUBSCRIBED_LIMIT: usize = crate::packet::DESCRIPTORS_LIMIT / DESCRIPTORS_PER_INSTANCE;
/// Descriptors that go with each instance of a [`Running`].
pub const DESCRIPTORS_PER_INSTANCE: usize = 4;

/// An app's first process ended, and with it the app. Sent until it is acknowledged, with the core file, readable, if the
/// kernel dumped one: nothing about that is sure, the app could write it too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exited {
    /// Which.
    pub instance: Instance,
    /// How.
    pub how: Ending,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}
