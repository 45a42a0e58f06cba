//! Requests and replies of the device API, shared by device-api and its clients, and by the daemons behind it.

use crate::{
    names::{ComponentId, DisplayName, ServiceName, Sha256Hex},
    quantity::Bytes,
};
use serde::{Deserialize, Serialize};

/// Declares a type of the API: closed, with an OpenAPI schema where the feature `openapi` asks for it.
macro_rules! api {
    ($($item:item)*) => {
        $(
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
            #[serde(deny_unknown_fields)]
            $item
        )*
    };
}

api! {
    /// What a device says of itself.
    pub struct DeviceInfo {
        /// Product's name.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        pub name: DisplayName,
        /// Product's version.
        pub version: String,
        /// Platform ABI it offers to apps.
        pub platform_abi: u32,
        /// The board's name.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        pub board: DisplayName,
        /// Made at the first boot and kept.
        pub machine_id: String,
        /// Kernel release.
        pub kernel: String,
        /// Number of this boot, counted on the data partition.
        pub boot: u64,
        /// Seconds since the kernel started.
        pub uptime_seconds: u64,
        /// Seconds since 1970 by the device's clock.
        pub clock: u64,
        /// Whether the device runs without customer apps after repeated failures.
        pub safe_mode: bool,
        /// What weakens this device, in plain words; empty on a device with everything in force.
        pub warnings: Vec<String>,
    }

    /// One daemon.
    pub struct ServiceStatus {
        /// Its name.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        pub name: ServiceName,
        /// What it is doing.
        pub state: ServiceState,
        /// Process id, while it runs.
        pub pid: Option<u32>,
        /// Counts its starts: an instance is addressed by name and generation.
        pub generation: u64,
        /// Why it ended last, if it did.
        pub last_exit: Option<String>,
        /// Its own status line.
        pub status: Option<String>,
        /// Milliseconds from the kernel's start to READY of this instance.
        pub ready_at_ms: Option<u64>,
    }

    /// One phase of the boot.
    pub struct BootPhase {
        /// Its name.
        pub name: String,
        /// When it began, in milliseconds since the kernel's start.
        pub began_ms: u64,
        /// How long it took, in microseconds.
        pub took_us: u64,
        /// What went wrong, if something did and the boot went on.
        pub problem: Option<String>,
    }

    /// One line of a log.
    pub struct LogLine {
        /// Rises by one with each line of this log.
        pub sequence: u64,
        /// Milliseconds since 1970 by the device's clock.
        pub time_ms: u64,
        /// `stdout`, `stderr`, or `system` for what the manager itself says of the app.
        pub stream: LogStream,
        /// The text, without control characters.
        pub text: String,
    }

    /// One entry of the event log.
    pub struct Event {
        /// Rises by one with each event.
        pub sequence: u64,
        /// Milliseconds since 1970 by the device's clock.
        pub time_ms: u64,
        /// Number of the boot it happened in.
        pub boot: u64,
        /// What happened.
        pub kind: EventKind,
        /// Who or what it is about: a service, a component, a device.
        pub subject: String,
        /// In words.
        pub detail: String,
        /// SHA-256 over the event before and this one: a gap or a change breaks the chain.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        pub chain: Sha256Hex,
    }

    /// An installed app.
    pub struct AppStatus {
        /// Its id.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        pub component_id: ComponentId,
        /// Its name.
        pub name: String,
        /// Its version.
        pub version: u64,
        /// Its version as people write it.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        pub version_name: Option<DisplayName>,
        /// What it is doing.
        pub state: AppState,
        /// Counts its starts.
        pub generation: u64,
        /// Process id in the device's own numbering, while it runs.
        pub pid: Option<u32>,
        /// Its own status line.
        pub status: Option<String>,
        /// How it ended last.
        pub last_exit: Option<String>,
        /// Starts since it was installed or started by hand.
        pub starts: u64,
        /// Failures in a row; too many, and it is given up.
        pub failures: u32,
        /// Seconds until the next try, while in back-off.
        pub next_try_seconds: Option<u64>,
        /// Storage quota; absent without storage.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        pub storage: Option<Bytes>,
        /// User id it runs as.
        pub uid: u32,
        /// Milliseconds from the kernel's start to READY of this instance.
        pub ready_at_ms: Option<u64>,
        /// The version that comes back if this one does not get ready; absent once it has proved itself.
        pub returns_to: Option<u64>,
        /// The update that failed last, if the version before it came back.
        pub failed_update: Option<FailedUpdate>,
        /// The update that waits until the apps that were told of it let it come.
        pub waiting_update: Option<WaitingUpdate>,
    }

    /// An update that waits.
    pub struct WaitingUpdate {
        /// The version that comes.
        pub version: u64,
        /// It is installed after so many seconds, or earlier when the apps let it.
        pub seconds: u64,
        /// Who puts it off longest; absent while the apps were only told of it.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        pub put_off_by: Option<ComponentId>,
    }

    /// An update that failed.
    pub struct FailedUpdate {
        /// The version that failed.
        pub version: u64,
        /// Why.
        pub why: String,
    }

    /// What an installation did. Where an app puts it off, `app` is the version that is there, with the update that waits.
    pub struct InstallResult {
        /// The app.
        pub app: AppStatus,
        /// Version that was there before.
        pub replaced: Option<u64>,
    }

    /// The daemons.
    pub struct ServiceList {
        /// In starting order.
        pub services: Vec<ServiceStatus>,
    }

    /// The phases of this boot.
    pub struct BootTrace {
        /// In order.
        pub phases: Vec<BootPhase>,
    }

    /// A piece of a log. An empty one means that there is nothing newer; otherwise ask again with `after` set to the
    /// last line's sequence number.
    pub struct LogPage {
        /// Oldest first.
        pub lines: Vec<LogLine>,
    }

    /// A piece of the event log. An empty one means that there is nothing newer; otherwise ask again with `after` set to
    /// the last event's sequence number.
    pub struct EventPage {
        /// Oldest first.
        pub events: Vec<Event>,
    }

    /// Links and addresses.
    pub struct NetworkStatus {
        /// One line per link: name, state, addresses, default route.
        pub links: Vec<String>,
    }

    /// A piece of the list of installed apps.
    pub struct AppList {
        /// By component id.
        pub apps: Vec<AppStatus>,
        /// Whether there are others: ask again with `after` set to the last one's component id.
        pub more: bool,
    }

    /// What an app may do.
    pub struct AppPolicy {
        /// What its manifest grants, in plain words.
        pub grants: Vec<String>,
        /// What is in force for the running instance, layer by layer; empty while it does not run.
        pub in_force: Vec<String>,
    }

    /// What an app was refused.
    pub struct AppDenials {
        /// Kinds of refused system calls, the one that was refused last at the end.
        pub calls: Vec<DeniedCall>,
        /// Refused calls that were not recorded, because their kind was new and too many new ones came in that minute.
        pub unrecorded: u64,
        /// The paths that it may use. Another one fails with EACCES, EROFS or ENOENT, and before Linux 6.15 no kernel keeps a
        /// record of it.
        pub paths: Vec<String>,
    }

    /// Refused calls of one kind: of one number, and alike in the arguments that decide.
    pub struct DeniedCall {
        /// The call's name.
        pub call: String,
        /// The first of its arguments in hexadecimal, those that decided and at least three, of the last one.
        pub arguments: Vec<String>,
        /// What it failed with.
        pub errno: String,
        /// The line of the manifest that would allow it, if one does.
        pub missing: Option<String>,
        /// Why it is refused.
        pub reason: String,
        /// How often it was refused.
        pub count: u64,
        /// When first, in milliseconds since 1970 by the device's clock.
        pub first_ms: u64,
        /// When last.
        pub last_ms: u64,
        /// Start of the app that it was refused to last.
        pub generation: u64,
        /// Thread that made it last, in the device's own numbering.
        pub thread: u32,
    }

    /// An app's configuration. What is in it is not told: it may hold secrets.
    pub struct AppConfig {
        /// Its length in bytes; absent: it has none.
        pub size: Option<u64>,
    }

    /// A crash report that the device keeps: what it tells without the owner's key. The rest is sealed.
    pub struct CrashReport {
        /// Its number: rises by one, and none is used twice.
        pub number: u64,
        /// The app.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        pub component: ComponentId,
        /// Its name.
        pub name: String,
        /// Its version.
        pub version: u64,
        /// Which start of it.
        pub generation: u64,
        /// The signal that ended it.
        pub signal: i32,
        /// When, in milliseconds since 1970 by the device's clock.
        pub time_ms: u64,
        /// Size of the whole report in bytes, as [`crate::places::CRASHES`] keeps it.
        pub size: u64,
        /// Why it has no minidump.
        pub problem: Option<String>,
    }

    /// The crash reports that a device keeps.
    pub struct CrashList {
        /// Oldest first.
        pub crashes: Vec<CrashReport>,
    }

    /// Why a request was refused or failed.
    pub struct ErrorBody {
        /// Whose fault it is; decides the client's exit code.
        pub class: ErrorClass,
        /// Cause and effect.
        pub message: String,
        /// What to do next.
        pub hint: Option<String>,
    }

    /// Answer to something that was done and says nothing more.
    pub struct Done {}
}

/// Longest configuration of an app, in bytes: it travels in one packet between daemons.
pub const CONFIG_LIMIT: usize = 32 * 1024;

/// Declares an enum of plain words.
macro_rules! words {
    ($($item:item)*) => {
        $(
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
            #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
            #[serde(rename_all = "kebab-case")]
            $item
        )*
    };
}

words! {
    /// What a daemon is doing.
    pub enum ServiceState {
        /// Waits for what it needs.
        Waiting,
        /// Started, not yet READY.
        Starting,
        /// READY.
        Ready,
        /// Ended; is started again after a while.
        BackOff,
        /// Told to end.
        Stopping,
        /// Ended for good.
        Stopped,
        /// Not part of safe mode.
        Disabled,
    }

    /// What an app is doing. `docs/app-life.md` has every way from one to the other.
    pub enum AppState {
        /// Lies on the device, and was not started yet.
        Installed,
        /// Told to stay stopped, over reboots too.
        Stopped,
        /// Started; READY=1, which its manifest asks for, is awaited.
        Starting,
        /// Runs, and did not say READY=1; its manifest does not ask for that.
        Running,
        /// Runs, and said READY=1.
        Ready,
        /// Runs, and its WATCHDOG=1 is late; killed when it is late once more.
        Degraded,
        /// Told to end.
        Stopping,
        /// Ended with status 0, and its manifest wants no restart.
        Exited,
        /// Ended by a failure, and its manifest wants no restart.
        Crashed,
        /// Ended; is started again after a while.
        BackOff,
        /// Failed too often, or cannot be verified; stays so until an operator or an update acts.
        Failed,
        /// A new version takes the place of the old one and was not ready yet; the old one comes back if it does not get ready.
        Updating,
        /// Told to go and ended; its data is being erased.
        Removed,
    }

    /// Whether an installation may go back to an older version.
    #[derive(Default)]
    pub enum Downgrade {
        /// It may not.
        #[default]
        Refused,
        /// It may, where the device's image allows that to the client's role.
        Allowed,
    }

    /// When an update is installed.
    #[derive(Default)]
    pub enum When {
        /// Once every app with the right to put it off lets it come, or its time is over.
        #[default]
        Convenient,
        /// At once.
        Now,
    }

    /// Where a log line came from.
    pub enum LogStream {
        /// Standard output.
        Stdout,
        /// Standard error.
        Stderr,
        /// What the manager says of it.
        System,
    }

    /// What an event is.
    pub enum EventKind {
        /// The device started.
        Boot,
        /// The kernel before this one panicked; the detail tells why.
        PreviousPanic,
        /// A daemon ended unexpectedly.
        ServiceExit,
        /// A process was killed by its system call filter.
        SeccompKill,
        /// A block of the root partition is not what was signed.
        VerityCorruption,
        /// A page of an app's image is not what was signed.
        FsVerityCorruption,
        /// The kernel killed a process for want of memory.
        OomKill,
        /// The kernel reported a bug in itself.
        KernelOops,
        /// An app made a system call that it has no right to.
        CallRefused,
        /// A process was refused a file or a port, as kernels from Linux 6.15 on tell it.
        AccessRefused,
        /// A bundle was refused.
        BundleRefused,
        /// A bundle was accepted.
        BundleAccepted,
        /// A process sent a packet that is none of the protocol.
        MalformedPacket,
        /// A process asked for what the service table does not allow it.
        ForbiddenRequest,
        /// The event log was cut off by a power cut, or its chain does not hold.
        EventLog,
        /// The device entered safe mode.
        SafeMode,
        /// The data partition could not be mounted or was laid anew, or the table of its apps was lost and made anew.
        DataPartition,
        /// The device goes down; the detail tells why.
        GoingDown,
        /// An app failed too often and was given up.
        AppFailed,
        /// A new version of an app did not get ready, and the one before it is back.
        UpdateFailed,
        /// An app set the device's clock.
        ClockSet,
    }

    /// Whose fault an error is.
    pub enum ErrorClass {
        /// The request does not make sense.
        Usage,
        /// A file or a document is not what it should be.
        BadInput,
        /// A signature or a digest does not hold.
        Untrusted,
        /// The manifest asks for what this device cannot or will not give.
        NotGranted,
        /// No such app, service or file.
        NotFound,
        /// The device is in a state that does not allow it.
        Conflict,
        /// The caller may not do that.
        Forbidden,
        /// The device lacks space or memory.
        NoSpace,
        /// The peer did not answer.
        Unavailable,
        /// A bug of ours.
        Internal,
    }
}

impl AppState {
    /// Whether the app does its work.
    pub fn runs(self) -> bool {
        matches!(self, Self::Running | Self::Ready | Self::Degraded)
    }
}
