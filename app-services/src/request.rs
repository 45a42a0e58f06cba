//! What an app's packet asks for, and the line that its manifest must have for it.

use manifest::{
    read::{self, ReadError},
    services::{Request, Rights, SERVICE_PACKET_LIMIT},
};

/// Reads a request from a packet: what an app sends, so anything.
pub fn parse(bytes: &[u8]) -> Result<Request, ReadError> {
    read::json("request", bytes, SERVICE_PACKET_LIMIT)
}

/// The manifest's line that a request lacks; none if it may be asked.
pub fn missing(rights: &Rights, request: &Request) -> Option<String> {
    let (listed, line) = match request {
        Request::Memory {} => (rights.memory, r#""Capabilities": { "HeapMemStats": true }"#.to_owned()),
        Request::ResetMemoryPeak {} => {
            (rights.reset_memory_peak, r#""Capabilities": { "ResetMemoryWatermarks": true }"#.to_owned())
        }
        Request::Reboot {} => (rights.reboot, r#""Capabilities": { "PowerControls": ["ForceReboot"] }"#.to_owned()),
        Request::PowerOff {} => (rights.power_off, r#""Capabilities": { "PowerControls": ["ForcePowerDown"] }"#.to_owned()),
        Request::Connect { app } => (rights.peers.contains(app), peer_line(app)),
        Request::Accept {} => (!rights.peers.is_empty(), peer_line(&"COMPONENT-ID")),
        Request::SetClock { .. } | Request::SetTimeZone { .. } => {
            (rights.set_clock, r#""Capabilities": { "SystemTime": true }"#.to_owned())
        }
        Request::Updates { .. } | Request::AllowUpdate { .. } => {
            let told = rights.updates || rights.put_off_updates;
            (told, r#""Capabilities": { "SystemEventNotifications": true }"#.to_owned())
        }
        Request::PutOffUpdate { .. } => {
            (rights.put_off_updates, r#""Capabilities": { "SoftwareUpdateDeferral": true }"#.to_owned())
        }
        Request::Network {} => (rights.network, r#""Holdfast": { "NetworkStatus": true }"#.to_owned()),
        Request::PutCertificate { .. }
        | Request::Certificates {}
        | Request::Certificate { .. }
        | Request::RenameCertificate { .. }
        | Request::RemoveCertificate { .. } => (rights.certificates, r#""Capabilities": { "CertStore": true }"#.to_owned()),
    };
    (!listed).then_some(line)
}

/// The line of a manifest that names another app.
pub fn peer_line(app: &dyn std::fmt::Display) -> String {
    format!(r#""Capabilities": {{ "AllowedApplicationConnections": ["{app}"] }}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::{
        app::Capabilities,
        holdfast::HoldfastSection,
        services::{Memory, Reply},
    };

    const APP: &str = "25025d2c-66da-4448-bae1-ac26fcdd3627";

    #[test]
    fn requests_are_short_enough_to_be_written_by_hand() {
        assert_eq!(parse(br#"{"memory":{}}"#).unwrap(), Request::Memory {});
        let connect = format!(r#"{{"connect":{{"app":"{APP}"}}}}"#);
        assert_eq!(parse(connect.as_bytes()).unwrap(), Request::Connect { app: APP.parse().unwrap() });
        let reply = serde_json::to_string(&Reply::Ok(Memory { used_bytes: 1, peak_bytes: 2, limit_bytes: 3 })).unwrap();
        assert_eq!(reply, r#"{"ok":{"used_bytes":1,"peak_bytes":2,"limit_bytes":3}}"#);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in ["", "memory", "{}", r#"{"memory":{"x":1}}"#, r#"{"memory":{},"reboot":{}}"#, r#"{"connect":{"app":"../x"}}"#]
        {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(&vec![b' '; SERVICE_PACKET_LIMIT + 1]).is_err());
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
            (Request::Certificates {}, r#""CertStore":true"#),
            (Request::SetClock { unix_ms: 0 }, r#""SystemTime":true"#),
            (Request::Updates { seen: 0 }, r#""SystemEventNotifications":true"#),
            (Request::PutOffUpdate { app: APP.parse().unwrap(), seconds: 60 }, r#""SoftwareUpdateDeferral":true"#),
        ];
        for (request, line) in &all {
            let lacking = missing(&Rights::default(), request).unwrap();
            assert!(lacking.replace(' ', "").contains(line), "{lacking}");
            let listed: Capabilities = serde_json::from_str(&format!("{{{line}}}")).unwrap();
            let rights = Rights::of(&listed, &HoldfastSection::default());
            assert!(!rights.is_empty());
            // Each line opens its own request and none of the others; who may put updates off is told of them.
            for (other, _) in &all {
                let told = matches!((request, other), (Request::PutOffUpdate { .. }, Request::Updates { .. }));
                assert_eq!(missing(&rights, other).is_none(), other == request || told, "{line} and {other:?}");
            }
        }
        assert!(missing(&Rights::default(), &Request::Accept {}).is_some());
        let more = HoldfastSection { network_status: true, ..HoldfastSection::default() };
        let rights = Rights::of(&Capabilities::default(), &more);
        assert!(missing(&rights, &Request::Network {}).is_none() && missing(&Rights::default(), &Request::Network {}).is_some());
    }

    proptest::proptest! {
        #[test]
        fn any_packet_is_a_request_or_an_error(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
