//! Rights to the services of app-services: which of them a manifest may list.

use crate::refusal::Problem;
use manifest::{
    app::{AppManifest, PowerControl},
    services::{PEERS_LIMIT, Rights},
};

/// The rights that a manifest lists; what speaks against them goes to `problems`.
pub fn rights(manifest: &AppManifest, problems: &mut Vec<Problem>) -> Rights {
    let listed = &manifest.capabilities;
    let mut refuse = |path: &str, reason: String, advice: &str| {
        problems.push(Problem { path: format!("Capabilities.{path}"), reason, advice: advice.to_owned() });
    };
    for (i, power) in listed.power_controls.iter().enumerate() {
        if *power == PowerControl::SetPowerProfile {
            let reason = "no board of this release has power profiles".to_owned();
            refuse(&format!("PowerControls[{i}]"), reason, "remove it from the manifest");
        }
    }
    let peers = &listed.allowed_application_connections;
    if peers.len() > PEERS_LIMIT {
        let reason = format!("{} apps are listed", peers.len());
        refuse("AllowedApplicationConnections", reason, &format!("at most {PEERS_LIMIT} are allowed"));
    }
    for (i, peer) in peers.iter().enumerate() {
        let path = format!("AllowedApplicationConnections[{i}]");
        if *peer == manifest.component_id {
            refuse(&path, "is the app itself".to_owned(), "name another app");
        }
    }
    Rights::of(listed, &manifest.holdfast)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "25025d2c-66da-4448-bae1-ac26fcdd3627";

    fn of(capabilities: &str) -> (Rights, Vec<Problem>) {
        let text = format!(
            r#"{{"SchemaVersion":1,"Name":"a","ComponentId":"11111111-2222-3333-4444-555555555555","EntryPoint":"/bin/app","Capabilities":{{{capabilities}}}}}"#
        );
        let mut problems = Vec::new();
        let rights = rights(&AppManifest::parse(text.as_bytes()).unwrap(), &mut problems);
        (rights, problems)
    }

    #[test]
    fn what_is_listed_is_a_right_and_nothing_listed_is_none() {
        assert!(of("").0.is_empty());
        let all = format!(
            r#""HeapMemStats":true,"ResetMemoryWatermarks":true,"CertStore":true,"SystemTime":true,"SystemEventNotifications":true,"SoftwareUpdateDeferral":true,"PowerControls":["ForceReboot","ForcePowerDown"],"AllowedApplicationConnections":["{PEER}"]"#
        );
        let (rights, problems) = of(&all);
        assert!(problems.is_empty(), "{problems:?}");
        let peers = vec![PEER.parse().unwrap()];
        assert_eq!(
            rights,
            Rights {
                memory: true,
                reset_memory_peak: true,
                reboot: true,
                power_off: true,
                peers,
                certificates: true,
                set_clock: true,
                network: false,
                updates: true,
                put_off_updates: true,
            }
        );
    }

    #[test]
    fn power_profiles_are_refused_and_so_are_peers_that_cannot_be() {
        let (_, problems) = of(r#""PowerControls":["ForceReboot","SetPowerProfile"]"#);
        assert_eq!((problems.len(), problems[0].path.as_str()), (1, "Capabilities.PowerControls[1]"));
        assert_eq!(of(r#""AllowedApplicationConnections":["11111111-2222-3333-4444-555555555555"]"#).1.len(), 1);
        let many: Vec<String> = (0..=PEERS_LIMIT).map(|n| format!(r#""25025d2c-66da-4448-bae1-{n:012x}""#)).collect();
        assert_eq!(of(&format!(r#""AllowedApplicationConnections":[{}]"#, many.join(","))).1.len(), 1);
    }
}
