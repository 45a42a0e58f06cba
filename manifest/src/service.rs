//! init's service table: data in the verified image, checked by image-builder with this same parser.

use crate::{
    names::{CleanPath, DescriptorName, ServiceName},
    quantity::{Bytes, Seconds},
    read::{self, ReadError},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest service table that is read.
pub const SERVICE_TABLE_LIMIT: usize = 256 * 1024;
/// Most services of a device.
pub const SERVICES_LIMIT: usize = 64;

/// All services of a device, in any order: the order of starting follows from [`Service::needs`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceTable {
    /// The services.
    pub services: Vec<Service>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name; also the name of its IPC socket and its cgroup.
    pub name: ServiceName,
    /// What it is for, in one line.
    pub purpose: String,
    /// The program.
    pub exec: CleanPath,
    /// User id. 0 only where [`Service::capabilities`] says what of root is left.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Capabilities it keeps, in all five sets; nothing listed, nothing kept.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// Whether it runs only while somebody has something for it: it is started when its IPC socket is connected to, ends
    /// with status 0 when it has had nothing to do for a while, and is started again by the next connection.
    #[serde(default)]
    pub on_demand: bool,
    /// Services that must be ready before this one starts.
    #[serde(default)]
    pub needs: Vec<ServiceName>,
    /// Whether it has an IPC socket, and who may send it which requests.
    #[serde(default, deserialize_with = "crate::read::unique_keys")]
    pub callers: BTreeMap<ServiceName, Vec<String>>,
    /// What init opens for it.
    #[serde(default)]
    pub descriptors: Vec<Descriptor>,
    /// Folders that init makes for it.
    #[serde(default)]
    pub folders: Vec<Folder>,
    /// Time in which it must say READY=1.
    #[serde(default = "default_ready_timeout")]
    pub ready_timeout: Seconds,
    /// Longest time between two WATCHDOG=1; absent: no watchdog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<Seconds>,
    /// Whether the hardware watchdog is fed only while this service answers its own.
    #[serde(default)]
    pub health: bool,
    /// What init does when it ends.
    pub on_exit: OnExit,
    /// Time between SIGTERM and SIGKILL on the way down.
    #[serde(default = "default_stop_grace")]
    pub stop_grace: Seconds,
    /// Whether it runs in safe mode.
    #[serde(default)]
    pub in_safe_mode: bool,
    /// Memory limit (`memory.max`).
    pub memory: Bytes,
    /// Processes and threads (`pids.max`).
    pub pids: u32,
    /// How much of a program that it starts may be dumped when that crashes (the hard RLIMIT_CORE). Itself is never dumped.
    #[serde(default)]
    pub children_core: Bytes,
}

const fn default_ready_timeout() -> Seconds {
    Seconds::new(30)
}

const fn default_stop_grace() -> Seconds {
    Seconds::new(5)
}

/// What init does when a service ends without being told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExit {
    /// Start it again with exponential back-off.
    Restart,
    /// Go down in order and reboot at once: the device is not safe without it.
    Reboot,
}

/// Linux capabilities that a service may keep (capabilities(7)); only those the design's process table names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Capability {
    /// chown(2) of any file.
    Chown,
    /// What else an owner may do to a file: chmod(2), encrypt an empty folder.
    Fowner,
    /// Signal any process.
    Kill,
    /// setgid(2), setgroups(2).
    Setgid,
    /// setuid(2).
    Setuid,
    /// Change capability sets and securebits.
    Setpcap,
    /// Network configuration.
    NetAdmin,
    /// Map pages below `mmap_min_addr`.
    SysRawio,
    /// Mounts, namespaces, quota.
    SysAdmin,
    /// Set the clock.
    SysTime,
    /// All capabilities: a test image's probe alone may have it.
    All,
}

/// A descriptor that init opens and passes by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// Its name in `LISTEN_FDNAMES`.
    pub name: DescriptorName,
    /// What it is.
    pub source: DescriptorSource,
}

/// What init opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DescriptorSource {
    /// A file or device for reading (non-blocking).
    Read(CleanPath),
    /// The kernel's audit records: NETLINK_AUDIT, multicast group 1.
    Audit,
    /// The read ends of all other services' standard output, one descriptor each, named `log-<service>`.
    ServiceLogs,
    /// The virtio-serial port of this name.
    VirtioPort(String),
    /// The `pull` files of the simulated GPIO chip, one descriptor each, named `pull-<line's name>`.
    SimulatedPulls,
}

/// A folder that exists, with this owner and mode, before the service starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// Where.
    pub path: CleanPath,
    /// Permission bits, in octal text such as `"0750"`.
    pub mode: Mode,
    /// Group, if not the service's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

/// Permission bits, written in octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(pub u32);

impl TryFrom<String> for Mode {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if bits <= 0o1777 && text.len() <= 4 => Ok(Self(bits)),
            _ => {
                Err(format!("`{}` is not a mode: expected octal digits such as 0750, without set-id bits", text.escape_default()))
            }
        }
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> String {
        format!("{:04o}", mode.0)
    }
}

/// Why a service table was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceTableError {
    /// Not a service table.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// More services than the limit.
    #[error("service table: {0} services, at most {SERVICES_LIMIT} are allowed")]
    TooMany(usize),
    /// One name twice.
    #[error("service table: `{0}` stands there twice")]
    Twice(ServiceName),
    /// Two services that could not be told apart.
    #[error("service table: `{one}` and `{other}` have the same uid and gid, and would be taken for each other")]
    SameIds {
        /// One of them.
        one: ServiceName,
        /// The other.
        other: ServiceName,
    },
    /// A name that is no service.
    #[error("service table, {service}.{field}: `{named}` is no service of this table")]
    Unknown {
        /// The service whose entry is wrong.
        service: ServiceName,
        /// `needs` or `callers`.
        field: &'static str,
        /// The name that is not there.
        named: ServiceName,
    },
    /// Services that wait for each other.
    #[error("service table: {0} wait for each other and would never start")]
    Circle(String),
    /// A service that nobody could ever start.
    #[error("service table, {0}.on_demand: it has no `callers`, so nothing would ever start it")]
    NeverAsked(ServiceName),
    /// A service that is started and ends as others ask, where the device depends on it.
    #[error("service table, {service}.on_demand: {other}, so it has to run all the time")]
    AlwaysNeeded {
        /// The service.
        service: ServiceName,
        /// What speaks against it.
        other: String,
    },
    /// Root without a statement of what is left of it.
    #[error("service table, {0}: uid 0 needs its capabilities listed")]
    BareRoot(ServiceName),
    /// An app's uid given to a service.
    #[error("service table, {service}.uid: {uid} belongs to apps, expected below {}", crate::places::FIRST_APP_UID)]
    AppUid {
        /// The service.
        service: ServiceName,
        /// Its uid.
        uid: u32,
    },
}

impl ServiceTable {
    /// Reads and checks a table.
    pub fn parse(bytes: &[u8]) -> Result<Self, ServiceTableError> {
        let table: Self = read::json("service table", bytes, SERVICE_TABLE_LIMIT)?;
        table.check()?;
        Ok(table)
    }

    fn check(&self) -> Result<(), ServiceTableError> {
        if self.services.len() > SERVICES_LIMIT {
            return Err(ServiceTableError::TooMany(self.services.len()));
        }
        for (i, service) in self.services.iter().enumerate() {
            for other in self.services.iter().skip(i + 1) {
                if other.name == service.name {
                    return Err(ServiceTableError::Twice(service.name.clone()));
                }
                if (other.uid, other.gid) == (service.uid, service.gid) {
                    return Err(ServiceTableError::SameIds { one: service.name.clone(), other: other.name.clone() });
                }
            }
            if service.uid == 0 && service.capabilities.is_empty() {
                return Err(ServiceTableError::BareRoot(service.name.clone()));
            }
            if service.uid >= crate::places::FIRST_APP_UID {
                return Err(ServiceTableError::AppUid { service: service.name.clone(), uid: service.uid });
            }
            if service.on_demand {
                self.check_on_demand(service)?;
            }
            let named = service.needs.iter().map(|name| ("needs", name));
            for (field, name) in named.chain(service.callers.keys().map(|name| ("callers", name))) {
                // init is a caller (it asks the monitor to record what it saw) without being a row.
                if self.get(name).is_none() && !(field == "callers" && name.as_str() == "init") {
                    return Err(ServiceTableError::Unknown { service: service.name.clone(), field, named: name.clone() });
                }
            }
        }
        self.start_order().map(|_| ())
    }

    fn check_on_demand(&self, service: &Service) -> Result<(), ServiceTableError> {
        if service.callers.is_empty() {
            return Err(ServiceTableError::NeverAsked(service.name.clone()));
        }
        let needed = self.services.iter().find(|other| other.needs.contains(&service.name));
        let other = match needed {
            Some(other) => format!("`{}` needs it", other.name),
            None if service.health => "`health` depends on it".to_owned(),
            None if service.on_exit == OnExit::Reboot => "the device reboots when it ends".to_owned(),
            None => return Ok(()),
        };
        Err(ServiceTableError::AlwaysNeeded { service: service.name.clone(), other })
    }

    /// The service called `name`.
    pub fn get(&self, name: &ServiceName) -> Option<&Service> {
        self.services.iter().find(|service| service.name == *name)
    }

    /// The service that runs with these ids: how a caller is known from SO_PEERCRED.
    pub fn by_ids(&self, uid: u32, gid: u32) -> Option<&Service> {
        self.services.iter().find(|service| service.uid == uid && service.gid == gid)
    }

    /// The services in an order in which each comes after what it needs.
    pub fn start_order(&self) -> Result<Vec<&Service>, ServiceTableError> {
        let mut order: Vec<&Service> = Vec::with_capacity(self.services.len());
        while order.len() < self.services.len() {
            let placed = |name: &ServiceName| order.iter().any(|service| service.name == *name);
            let next = self.services.iter().find(|s| !placed(&s.name) && s.needs.iter().all(placed));
            let Some(next) = next else {
                let stuck: Vec<&str> = self.services.iter().filter(|s| !placed(&s.name)).map(|s| s.name.as_str()).collect();
                return Err(ServiceTableError::Circle(stuck.join(", ")));
            };
            order.push(next);
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, u32, &[&str])]) -> String {
        let rows: Vec<String> = rows
            .iter()
            .map(|(name, uid, needs)| {
                format!(
                    r#"{{"name":"{name}","purpose":"p","exec":"/x","uid":{uid},"gid":1,"needs":{needs:?},"on_exit":"restart","memory":"8MiB","pids":4}}"#
                )
            })
            .collect();
        format!("{{\"services\":[{}]}}", rows.join(","))
    }

    #[test]
    fn services_start_after_what_they_need() {
        let table = ServiceTable::parse(table(&[("a", 1, &["b"]), ("b", 2, &[])]).as_bytes()).unwrap();
        let names: Vec<&str> = table.start_order().unwrap().iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
    }

    /// In them lie images, logs, and the sockets by which apps say that they live: whoever may send there can fill them.
    #[test]
    fn no_folder_of_app_manager_is_open_to_other_daemons() {
        let row = include_str!("../../buildroot-config/services/app-manager.json");
        let service: Service = serde_json::from_str(row).unwrap();
        assert!(service.folders.len() >= 3);
        for folder in &service.folders {
            let group = folder.gid.unwrap_or(service.gid);
            assert_eq!(folder.mode.0 & 0o007, 0, "{} has mode {:o}", folder.path, folder.mode.0);
            assert!(group == service.gid || group == crate::places::LAUNCHER_GID, "{} has group {group}", folder.path);
        }
    }

    #[test]
    fn circles_doubles_strangers_and_bare_root_are_refused() {
        let parse = |rows: &[(&str, u32, &[&str])]| ServiceTable::parse(table(rows).as_bytes()).unwrap_err();
        assert!(matches!(parse(&[("a", 1, &["b"]), ("b", 2, &["a"])]), ServiceTableError::Circle(_)));
        assert!(matches!(parse(&[("a", 1, &[]), ("a", 2, &[])]), ServiceTableError::Twice(_)));
        assert!(matches!(parse(&[("a", 1, &["c"])]), ServiceTableError::Unknown { field: "needs", .. }));
        assert!(matches!(parse(&[("a", 0, &[])]), ServiceTableError::BareRoot(_)));
        assert!(matches!(parse(&[("a", 100_000, &[])]), ServiceTableError::AppUid { .. }));
    }

    #[test]
    fn a_service_on_demand_has_callers_and_nothing_depends_on_it() {
        let parse = |rows: &[(&str, u32, &[&str])], from: &str, to: &str| {
            ServiceTable::parse(table(rows).replacen(from, to, 1).as_bytes())
        };
        let asked = r#""gid":1,"on_demand":true,"callers":{"b":["x"]}"#;
        assert!(parse(&[("a", 1, &[]), ("b", 2, &[])], r#""gid":1"#, asked).is_ok());
        let unasked = parse(&[("a", 1, &[])], r#""gid":1"#, r#""gid":1,"on_demand":true"#);
        assert!(matches!(unasked, Err(ServiceTableError::NeverAsked(_))));
        let needed = parse(&[("a", 1, &[]), ("b", 2, &["a"])], r#""gid":1"#, asked);
        assert!(matches!(needed, Err(ServiceTableError::AlwaysNeeded { .. })));
        let vital = parse(&[("a", 1, &[]), ("b", 2, &[])], r#""gid":1"#, &format!(r#"{asked},"health":true"#));
        assert!(matches!(vital, Err(ServiceTableError::AlwaysNeeded { .. })));
    }

    #[test]
    fn a_misspelt_key_and_a_set_id_mode_are_refused() {
        assert!(ServiceTable::parse(table(&[("a", 1, &[])]).replace("pids", "pid").as_bytes()).is_err());
        assert!(Mode::try_from("4755".to_owned()).is_err());
        assert_eq!(Mode::try_from("0750".to_owned()), Ok(Mode(0o750)));
    }
}
