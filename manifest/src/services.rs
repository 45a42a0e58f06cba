//! What an app and app-services say to each other on the app's own socket, and the rights that open it.
//!
//! A packet (SOCK_SEQPACKET) is one JSON object. A request gets exactly one reply, in the order of asking: `{"ok":…}` or
//! `{"error":{"class":…,"message":…,"hint":…}}`; a descriptor that belongs to a reply comes beside it (SCM_RIGHTS).

use crate::{
    api::ErrorBody,
    app::{Capabilities, PowerControl},
    holdfast::HoldfastSection,
    names::{CertificateName, ComponentId, TimeZone},
};
use serde::{Deserialize, Serialize};

/// The socket in the root of an app that has a right to a service; also in its variable [`VARIABLE`].
pub const SOCKET: &str = "/run/services/socket";
/// Environment variable with the socket's path.
pub const VARIABLE: &str = "HOLDFAST_SERVICES";
/// Longest request and longest reply, in bytes.
pub const SERVICE_PACKET_LIMIT: usize = 16 * 1024;
/// Longest certificate chain and private key together, in bytes of PEM.
pub const CERTIFICATE_LIMIT: usize = 12 * 1024;
/// All certificates and keys of one app together, in bytes of PEM: what a whole device of Azure Sphere has.
pub const CERTIFICATES_LIMIT: usize = 24 * 1024;
/// Most apps that one app may name as its peers.
pub const PEERS_LIMIT: usize = 16;

/// What an app may ask for. One that the manifest does not list is refused with the line that would allow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How much memory the app uses, used at most, and may use. Reply: [`Memory`].
    Memory {},
    /// Let the record of most memory begin anew from what is used now. Reply: [`crate::api::Done`].
    ResetMemoryPeak {},
    /// Restart the device, in order. Reply: [`crate::api::Done`], before it happens.
    Reboot {},
    /// Power the device down, in order. Reply: [`crate::api::Done`], before it happens.
    PowerOff {},
    /// Connect to another app, which must run and whose manifest must name this one. Reply: [`Peer`] with this app's end of
    /// a pair of connected sockets (SOCK_SEQPACKET).
    Connect {
        /// Which.
        app: ComponentId,
    },
    /// Wait for an app that connects. Reply, once there is one: [`Peer`] with this app's end.
    Accept {},
    /// Set the device's clock, within the years that the image can run. Reply: [`crate::api::Done`].
    SetClock {
        /// Milliseconds since 1970.
        unix_ms: u64,
    },
    /// Set the device's time zone: the variable `TZ` of every app that is started from then on. Reply: [`crate::api::Done`], once
    /// it is on the disk.
    SetTimeZone {
        /// The zone.
        zone: TimeZone,
    },
    /// The device's links. Reply: [`Network`].
    Network {},
    /// The updates that are coming. Reply: [`Updates`], once it is another one than the app has seen: at once with 0, and then
    /// whenever something changed.
    Updates {
        /// Serial number of the last reply; 0 at first.
        seen: u64,
    },
    /// Put an update off. Reply: [`PutOff`]. Who asks again asks for another time, counted from then.
    PutOffUpdate {
        /// Of which app.
        app: ComponentId,
        /// For so long; cut to the longest that the device's image lets.
        seconds: u32,
    },
    /// Let an update come as far as this app is concerned: it has saved what it must. Reply: [`PutOff`] with 0 seconds.
    AllowUpdate {
        /// Of which app.
        app: ComponentId,
    },
    /// Keep a certificate under a name, in place of the one that has it. Reply: [`crate::api::Done`], once it is on the disk.
    PutCertificate {
        /// The name.
        name: CertificateName,
        /// The certificate in PEM, and behind it those that certify it, if any.
        certificate: String,
        /// Its private key in PEM; absent: it certifies others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        private_key: Option<String>,
    },
    /// What is kept. Reply: [`Certificates`].
    Certificates {},
    /// A certificate with its key. Reply: [`Certificate`].
    Certificate {
        /// Which.
        name: CertificateName,
    },
    /// Give a certificate another name, in place of the one that has it: in one step, a power cut leaves both as they were or
    /// as they shall be. Reply: [`crate::api::Done`].
    RenameCertificate {
        /// Which.
        from: CertificateName,
        /// Its new name.
        to: CertificateName,
    },
    /// Forget a certificate. Reply: [`crate::api::Done`].
    RemoveCertificate {
        /// Which.
        name: CertificateName,
    },
}

/// A reply: what was asked for, or why not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply<T> {
    /// Done.
    Ok(T),
    /// Refused or failed.
    Error(ErrorBody),
}

/// Reply to [`Request::Memory`]: the app's control group, all its processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// In use now, with the kernel's buffers for it.
    pub used_bytes: u64,
    /// Most that was in use since the start, or since the last [`Request::ResetMemoryPeak`].
    pub peak_bytes: u64,
    /// Beyond this the app is killed.
    pub limit_bytes: u64,
}

/// Reply to [`Request::Connect`] and [`Request::Accept`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Who has the other end.
    pub app: ComponentId,
}

/// Reply to [`Request::Network`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The links but the loopback.
    pub links: Vec<LinkStatus>,
}

/// One link of the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkStatus {
    /// Its name, such as `eth0`.
    pub name: String,
    /// Whether it is meant to work.
    pub up: bool,
    /// Whether there is somebody at the other end of the wire.
    pub carrier: bool,
    /// Addresses with the length of their prefix: `10.0.2.15/24`.
    pub addresses: Vec<String>,
    /// Whether a default route leads over it.
    pub default_route: bool,
}

/// Reply to [`Request::Updates`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Updates {
    /// Names this reply, for the next request. Another state has a higher one; never 0.
    pub serial: u64,
    /// By app; at most [`UPDATES_LIMIT`]. One that was installed, or failed, is not there any more.
    pub updates: Vec<Update>,
}

/// A version of an app that is about to take the place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Which app.
    pub app: ComponentId,
    /// The version that is there.
    pub from: u64,
    /// The version that comes.
    pub to: u64,
    /// How far it is.
    pub state: UpdateState,
    /// It is installed after so many seconds, unless it is put off, or at once when every app that was told lets it come.
    pub seconds: u64,
    /// For so many seconds from now it can still be put off.
    pub at_most_seconds: u64,
}

/// How far an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateState {
    /// It was verified and is being written to the disk.
    Started,
    /// It is on the disk and is installed soon.
    Ready,
    /// An app put it off.
    Deferred,
}

/// Most updates that are told of.
pub const UPDATES_LIMIT: usize = 32;

/// Reply to [`Request::PutOffUpdate`] and [`Request::AllowUpdate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutOff {
    /// For so many seconds it is put off for this app: what was asked for, or the most that the image lets.
    pub seconds: u64,
}

/// Reply to [`Request::Certificates`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificates {
    /// By name.
    pub certificates: Vec<CertificateInfo>,
    /// Bytes of PEM that are kept.
    pub used_bytes: usize,
    /// [`CERTIFICATES_LIMIT`].
    pub limit_bytes: usize,
}

/// One of [`Certificates`]: what its first certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateInfo {
    /// Its name in the store.
    pub name: CertificateName,
    /// Whether its private key is kept too.
    pub has_key: bool,
    /// Whose it is (RFC 4514).
    pub subject: String,
    /// Who certifies it (RFC 4514).
    pub issuer: String,
    /// Valid from this time on, in seconds since 1970.
    pub not_before: u64,
    /// Valid until this time, in seconds since 1970.
    pub not_after: u64,
    /// Bytes of PEM.
    pub bytes: usize,
}

/// Reply to [`Request::Certificate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// As it was put.
    pub certificate: String,
    /// As it was put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<String>,
}

/// What of the services an app's manifest opens to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// [`Request::Memory`].
    pub memory: bool,
    /// [`Request::ResetMemoryPeak`].
    pub reset_memory_peak: bool,
    /// [`Request::Reboot`].
    pub reboot: bool,
    /// [`Request::PowerOff`].
    pub power_off: bool,
    /// Apps for [`Request::Connect`] and [`Request::Accept`].
    pub peers: Vec<ComponentId>,
    /// The requests about certificates.
    pub certificates: bool,
    /// [`Request::SetClock`] and [`Request::SetTimeZone`].
    pub set_clock: bool,
    /// [`Request::Network`].
    pub network: bool,
    /// [`Request::Updates`] and [`Request::AllowUpdate`].
    pub updates: bool,
    /// [`Request::PutOffUpdate`], and who may put updates off is told of them.
    pub put_off_updates: bool,
}

impl Rights {
    /// Those that a manifest lists.
    pub fn of(listed: &Capabilities, more: &HoldfastSection) -> Self {
        Self {
            memory: listed.heap_mem_stats,
            reset_memory_peak: listed.reset_memory_watermarks,
            reboot: listed.power_controls.contains(&PowerControl::ForceReboot),
            power_off: listed.power_controls.contains(&PowerControl::ForcePowerDown),
            peers: listed.allowed_application_connections.clone(),
            certificates: listed.cert_store,
            set_clock: listed.system_time,
            network: more.network_status,
            updates: listed.system_event_notifications,
            put_off_updates: listed.software_update_deferral,
        }
    }

    /// Whether there is none: such an app has no socket.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
