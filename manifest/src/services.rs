//! What an app and app-services say to each other on the app's own socket, and the rights that open it.
//!
//! A packet (SOCK_SEQPACKET) is one JSON object. A request gets exactly one reply, in the order of asking: `{"ok":…}` or
//! `{"error":{"class":…,"message":…,"hint":…}}`; a descriptor that belongs to a reply comes beside it (SCM_RIGHTS).

use crate::{
    api::ErrorBody,
    app::{Capabilities, PowerControl},
    names::ComponentId,
    read::{self, ReadError},
};
use serde::{Deserialize, Serialize};

/// The socket in the root of an app that has a right to a service; also in its variable [`VARIABLE`].
pub const SOCKET: &str = "/run/services/socket";
/// Environment variable with the socket's path.
pub const VARIABLE: &str = "HOLDFAST_SERVICES";
/// Longest request and longest reply, in bytes.
pub const SERVICE_PACKET_LIMIT: usize = 16 * 1024;
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
}

impl Rights {
    /// Those that a manifest lists.
    pub fn of(listed: &Capabilities) -> Self {
        Self {
            memory: listed.heap_mem_stats,
            reset_memory_peak: listed.reset_memory_watermarks,
            reboot: listed.power_controls.contains(&PowerControl::ForceReboot),
            power_off: listed.power_controls.contains(&PowerControl::ForcePowerDown),
            peers: listed.allowed_application_connections.clone(),
        }
    }

    /// Whether there is none: such an app has no socket.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The manifest's line that a request lacks; none if it may be asked.
    pub fn missing(&self, request: &Request) -> Option<String> {
        let (listed, line) = match request {
            Request::Memory {} => (self.memory, r#""Capabilities": { "HeapMemStats": true }"#.to_owned()),
            Request::ResetMemoryPeak {} => {
                (self.reset_memory_peak, r#""Capabilities": { "ResetMemoryWatermarks": true }"#.to_owned())
            }
            Request::Reboot {} => (self.reboot, r#""Capabilities": { "PowerControls": ["ForceReboot"] }"#.to_owned()),
            Request::PowerOff {} => (self.power_off, r#""Capabilities": { "PowerControls": ["ForcePowerDown"] }"#.to_owned()),
            Request::Connect { app } => (self.peers.contains(app), peer_line(app)),
            Request::Accept {} => (!self.peers.is_empty(), peer_line(&"COMPONENT-ID")),
        };
        (!listed).then_some(line)
    }
}

/// The line of a manifest that names another app.
pub fn peer_line(app: &dyn std::fmt::Display) -> String {
    format!(r#""Capabilities": {{ "AllowedApplicationConnections": ["{app}"] }}"#)
}

/// Reads a request from a packet: what an app sends, so anything.
pub fn parse_request(bytes: &[u8]) -> Result<Request, ReadError> {
    read::json("request", bytes, SERVICE_PACKET_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "25025d2c-66da-4448-bae1-ac26fcdd3627";

    #[test]
    fn requests_are_short_enough_to_be_written_by_hand() {
        assert_eq!(parse_request(br#"{"memory":{}}"#).unwrap(), Request::Memory {});
        let connect = format!(r#"{{"connect":{{"app":"{APP}"}}}}"#);
        assert_eq!(parse_request(connect.as_bytes()).unwrap(), Request::Connect { app: APP.parse().unwrap() });
        let reply = serde_json::to_string(&Reply::Ok(Memory { used_bytes: 1, peak_bytes: 2, limit_bytes: 3 })).unwrap();
        assert_eq!(reply, r#"{"ok":{"used_bytes":1,"peak_bytes":2,"limit_bytes":3}}"#);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in ["", "memory", "{}", r#"{"memory":{"x":1}}"#, r#"{"memory":{},"reboot":{}}"#, r#"{"connect":{"app":"../x"}}"#]
        {
            assert!(parse_request(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_request(&vec![b' '; SERVICE_PACKET_LIMIT + 1]).is_err());
    }

    #[test]
    fn a_request_that_the_manifest_does_not_list_lacks_its_line() {
        let all = [
            (Request::Memory {}, r#""HeapMemStats":true"#),
            (Request::ResetMemoryPeak {}, r#""ResetMemoryWatermarks":true"#),
            (Request::Reboot {}, r#""PowerControls":["ForceReboot"]"#),
            (Request::PowerOff {}, r#""PowerControls":["ForcePowerDown"]"#),
            (
                Request::Connect { app: APP.parse().unwrap() },
                r#""AllowedApplicationConnections":["25025d2c-66da-4448-bae1-ac26fcdd3627"]"#,
            ),
        ];
        for (request, line) in &all {
            let lacking = Rights::default().missing(request).unwrap();
            assert!(lacking.replace(' ', "").contains(line), "{lacking}");
            let listed: Capabilities = serde_json::from_str(&format!("{{{line}}}")).unwrap();
            let rights = Rights::of(&listed);
            assert!(!rights.is_empty());
            // Each line opens its own request, and none of the others.
            for (other, _) in &all {
                assert_eq!(rights.missing(other).is_none(), other == request, "{line} and {other:?}");
            }
        }
        assert!(Rights::default().missing(&Request::Accept {}).is_some());
    }

    proptest::proptest! {
        #[test]
        fn any_packet_is_a_request_or_an_error(bytes: Vec<u8>) {
            let _ = parse_request(&bytes);
        }
    }
}
