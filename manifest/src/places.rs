//! Paths, ids and names that several processes must agree on.

/// Where everything that belongs to the verified image lies.
pub const LIB: &str = "/usr/lib/holdfast";
/// [`crate::service::ServiceTable`].
pub const SERVICES: &str = "/usr/lib/holdfast/services.json";
/// [`crate::board::Board`].
pub const BOARD: &str = "/usr/lib/holdfast/board.json";
/// [`crate::network::NetworkConfig`].
pub const NETWORK: &str = "/usr/lib/holdfast/network.json";
/// [`crate::sysctl::SysctlTable`].
pub const SYSCTL: &str = "/usr/lib/holdfast/sysctl.json";
/// [`crate::image::DeviceImage`].
pub const IMAGE: &str = "/usr/lib/holdfast/image.json";
/// [`crate::trust::TrustStore`].
pub const TRUST: &str = "/usr/lib/holdfast/trust.json";
/// Certificates (PEM) that device-api accepts clients of.
pub const API_CA: &str = "/usr/lib/holdfast/api-ca.pem";
/// The owner's public key that crash reports are sealed to: an X25519 key (RFC 7748), 32 bytes.
pub const CRASH_KEY: &str = "/usr/lib/holdfast/crash-report.pub";
/// What an app is debugged with, in images that let apps be debugged: [`DEBUGGER`] and its libraries.
pub const DEBUG_TOOLS: &str = "/usr/lib/holdfast/debug";
/// Names in [`DEBUG_TOOLS`]: the loader, and the debugger that it runs.
pub const DEBUGGER: [&str; 2] = ["loader", "gdbserver"];
/// The library there that is preloaded into the debugger.
pub const DEBUGGER_PRELOAD: &str = "tracer.so";
/// The ext4 file system that a blank data partition is laid from.
pub const DATA_TEMPLATE: &str = "/usr/lib/holdfast/data-template.img";

/// The data partition's mount point, and its GPT label.
pub const DATA: &str = "/data";
/// GPT partition label of the data partition.
pub const DATA_LABEL: &str = "data";
/// Bytes of the data partition per file that it has an inode for: the template is made so, and launcher's quotas count so,
/// or an app within its bytes could use up the files of all.
pub const DATA_BYTES_PER_FILE: u64 = 16 << 10;
/// Installed apps (app-manager).
pub const APPS: &str = "/data/apps";
/// The apps' own storage (launcher).
pub const STORAGE: &str = "/data/storage";
/// What the keys of the apps' storage are made from (security-monitor).
pub const STORAGE_KEYS: &str = "/data/keys";
/// The apps' configuration and certificates (security-monitor).
pub const CONFIG: &str = "/data/config";
/// Log rings of apps (app-manager).
pub const APP_LOGS: &str = "/data/logs/apps";
/// Log rings of daemons (security-monitor).
pub const DAEMON_LOGS: &str = "/data/logs/daemons";
/// The event log (security-monitor).
pub const EVENTS: &str = "/data/events";
/// Sealed crash reports of apps (crash-reporter).
pub const CRASHES: &str = "/data/crashes";
/// Where init leaves what pstore kept of a crashed kernel (security-monitor reads and removes).
pub const PSTORE_KEPT: &str = "/data/events/pstore";
/// init's own: machine id, random seed, boot counters, clock floor.
pub const SYSTEM: &str = "/data/system";
/// device-api's server key and certificate.
pub const API_STATE: &str = "/data/api";

/// Folder of the IPC sockets, `<service>.sock`.
pub const IPC: &str = "/run/ipc";
/// Folder of the daemons' notify sockets.
pub const NOTIFY: &str = "/run/notify";
/// Folder of the apps' notify sockets, `<component id>/notify` (app-manager).
pub const APP_RUN: &str = "/run/apps";
/// Where launcher, in its own mount namespace, keeps the /dev that each app gets a copy of.
pub const READY_DEVICES: &str = "/run/launcher";
/// Machine id, 32 hexadecimal digits and a newline.
pub const MACHINE_ID: &str = "/run/machine-id";
/// Exists while the device is in safe mode.
pub const SAFE_MODE: &str = "/run/safe-mode";

/// Root of the control groups.
pub const CGROUP: &str = "/sys/fs/cgroup";
/// The daemons' control groups, `<service>`.
pub const SYSTEM_CGROUP: &str = "/sys/fs/cgroup/system";
/// The apps' control groups (owned by app-manager).
pub const APPS_CGROUP: &str = "/sys/fs/cgroup/apps";

/// First user id of apps; a component keeps its id and no other ever gets it.
pub const FIRST_APP_UID: u32 = 100_000;
/// Last user id of apps.
pub const LAST_APP_UID: u32 = 999_999;
/// Group of launcher: what it must open is readable for it.
pub const LAUNCHER_GID: u32 = 1020;

/// TCP port of the device API.
pub const API_PORT: u16 = 8443;
/// The platform's ABI: what apps may count on. Raised when something apps can see is added.
pub const PLATFORM_ABI: u32 = 1;
