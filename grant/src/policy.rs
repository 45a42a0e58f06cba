//! Step 6 of the README's path: the signed manifest becomes what the app gets.

use crate::{
    explain, peripherals,
    refusal::{Problem, Refusal},
    services, unavailable, values,
};
use manifest::{
    app::{AppManifest, ApplicationType, Connection},
    board::{Board, Device},
    destination::Destination,
    holdfast::{BackOff, ConfigChange, IoLimits, LogRate, Processes},
    quantity::Bytes,
    services::Rights,
};
use sandbox::seccomp::profiles::app;

/// What an app gets. What is not in it, the app does not get.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    /// Peripherals, passed as descriptors of their names.
    pub peripherals: Vec<Device>,
    /// Size of the storage at `/data`.
    pub storage: Option<Bytes>,
    /// What app-services does for it; with none of it there is no socket.
    pub services: Rights,
    /// What it may use up.
    pub limits: Limits,
    /// Whether it may fork and execute.
    pub processes: Processes,
    /// Names of system call profiles of `sandbox`, beside those that [`Granted::processes`] brings.
    pub syscall_profiles: Vec<String>,
    /// The manifest's environment, `NAME=value`.
    pub environment: Vec<String>,
    /// Pauses between a failure and the next start.
    pub back_off: BackOff,
    /// How much of its output is kept.
    pub log: LogRate,
    /// Whether it gets a configuration, and what a change of that does.
    pub config: Option<ConfigChange>,
    /// All of it in plain words, a line each.
    pub explanation: Vec<String>,
}

/// What an app may use up, enforced by its control group and by resource limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `memory.max`.
    pub memory: Bytes,
    /// `cpu.max`, in percent of one core.
    pub cpu_percent: u32,
    /// `cpu.weight`.
    pub cpu_weight: u32,
    /// `pids.max`.
    pub pids: u32,
    /// `io.max` on the disk below `/data`.
    pub io: IoLimits,
    /// RLIMIT_NOFILE.
    pub open_files: u64,
    /// RLIMIT_CORE: what is dumped of it when it crashes, for a crash report. It counts as its memory.
    pub core: Bytes,
}

/// Most of an app that is dumped: registers and stacks come first, so more would be for its heap, which no report holds.
const CORE: Bytes = Bytes::mib(16);
/// The part of its memory that a dump may take up: an app that uses the rest is not killed for want of it.
const CORE_SHARE: u64 = 4;

/// Files an app may have open: enough for an event loop, few enough that all apps together fit in the kernel's table.
const OPEN_FILES: u64 = 256;

/// Decides what an app gets on this board, or tells everything that speaks against it.
pub fn grant(manifest: &AppManifest, board: &Board) -> Result<Granted, Refusal> {
    let mut problems = unavailable::problems(&manifest.capabilities);
    problems.extend(application_type(manifest.application_type));
    let peripherals = peripherals::granted(manifest, board, &mut problems);
    problems.extend(storage(manifest));
    problems.extend(destinations(manifest));
    problems.extend(values::problems(manifest));
    let services = services::rights(manifest, &mut problems);
    if !problems.is_empty() {
        return Err(Refusal { problems });
    }
    let section = &manifest.holdfast;
    let limits = Limits {
        memory: section.memory,
        cpu_percent: section.cpu_percent,
        // An app of one process has no use for a second place, and a filter that failed would find none. Others share
        // their group with the reaping init that is PID 1 of their namespace.
        pids: if section.processes == Processes::Single { 1 } else { section.pids.saturating_add(1) },
        cpu_weight: section.cpu_weight,
        io: section.io,
        open_files: OPEN_FILES,
        core: Bytes(CORE.0.min(section.memory.0 / CORE_SHARE)),
    };
    let mut granted = Granted {
        syscall_profiles: syscall_profiles(&peripherals),
        peripherals,
        storage: manifest.capabilities.mutable_storage.map(|storage| Bytes::kib(storage.size_kb.into())),
        services,
        limits,
        processes: section.processes,
        environment: section.environment.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        back_off: section.back_off,
        log: section.log,
        config: section.config,
        explanation: Vec::new(),
    };
    granted.explanation = explain::lines(manifest, &granted);
    Ok(granted)
}

fn application_type(kind: ApplicationType) -> Option<Problem> {
    let reason = match kind {
        ApplicationType::Default => return None,
        ApplicationType::Debugger => "debuggers are no apps here: the device API gives logs and events",
        ApplicationType::RealTimeCapable => "no board of this release has a real-time core",
    };
    Some(problem("ApplicationType", reason.into(), "build the app as ApplicationType Default"))
}

fn storage(manifest: &AppManifest) -> Option<Problem> {
    manifest.capabilities.mutable_storage.filter(|storage| storage.size_kb == 0)?;
    let advice = "ask for at least 1, or leave MutableStorage out";
    Some(problem("Capabilities.MutableStorage.SizeKB", "0 is no storage".into(), advice))
}

/// Plain connections that lead nowhere: templates of Azure Sphere have such texts, to be filled in.
fn destinations(manifest: &AppManifest) -> impl Iterator<Item = Problem> {
    manifest.capabilities.allowed_connections.iter().enumerate().filter_map(|(i, connection)| {
        let Connection::Host(text) = connection else { return None };
        let reason = text.parse::<Destination>().err()?;
        Some(problem(&format!("Capabilities.AllowedConnections[{i}]"), reason, "name the host, or remove the entry"))
    })
}

/// The apps' own, which launcher insists on, and those of what was granted; `sandbox` adds those of [`Granted::processes`].
fn syscall_profiles(granted: &[Device]) -> Vec<String> {
    let of_peripherals = granted.iter().filter_map(|device| peripherals::profile(device.entry.kind()));
    let mut names: Vec<String> = Vec::new();
    for profile in [&app::APP].into_iter().chain(of_peripherals) {
        if !names.iter().any(|name| name == profile.name) {
            names.push(profile.name.to_owned());
        }
    }
    names
}

pub(crate) fn problem(path: &str, reason: String, advice: &str) -> Problem {
    Problem { path: path.to_owned(), reason, advice: advice.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOARD: &str = r#"{"name":"Test","gpio":[{"name":"$DOORBELL_BUTTON","chip":"board","line":3,"direction":"input"},
        {"name":"$CHIME","chip":"board","line":4,"direction":"output"}]}"#;

    fn decide(capabilities: &str, holdfast: &str) -> Result<Granted, Refusal> {
        let text = format!(
            r#"{{"SchemaVersion":1,"Name":"a","ComponentId":"25025d2c-66da-4448-bae1-ac26fcdd3627","EntryPoint":"/bin/app",
            "CmdArgs":["-v"],"Capabilities":{{{capabilities}}},"Holdfast":{{{holdfast}}}}}"#
        );
        grant(&AppManifest::parse(text.as_bytes()).unwrap(), &Board::parse(BOARD.as_bytes()).unwrap())
    }

    fn only_problem(capabilities: &str, holdfast: &str) -> Problem {
        let mut problems = decide(capabilities, holdfast).unwrap_err().problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0)
    }

    #[test]
    fn nothing_listed_nothing_granted() {
        let granted = decide("", "").unwrap();
        assert!(granted.peripherals.is_empty() && granted.storage.is_none() && granted.environment.is_empty());
    }

    #[test]
    fn a_listed_line_and_storage_are_granted_as_the_board_has_them() {
        let granted = decide(r#""Gpio":["$DOORBELL_BUTTON"],"MutableStorage":{"SizeKB":64}"#, "").unwrap();
        assert_eq!(granted.peripherals[0].entry.places(), ["line 3 of chip board"]);
        assert_eq!(granted.storage, Some(Bytes::kib(64)));
    }

    #[test]
    fn a_connection_that_leads_nowhere_is_told_beside_what_stands_against_all() {
        let refusal = decide(r#""AllowedConnections":["example.com","<HOST>",{"Host":"192.0.2.0/24"}]"#, "").unwrap_err();
        let paths: Vec<&str> = refusal.problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["Capabilities.AllowedConnections", "Capabilities.AllowedConnections[1]"]);
    }

    #[test]
    fn every_capability_without_anything_behind_it_is_refused_and_all_are_told() {
        let refusal = decide(
            r#""AllowedConnections":["example.com"],"AllowedTcpServerPorts":[80],"AllowedUdpServerPorts":[53],
            "DeviceAuthentication":"t",
            "WifiConfig":true,"EnterpriseWifiConfig":true,"NetworkConfig":true,"ReadNetworkProxyConfig":true,
            "HardwareAddressConfig":true,"TimeSyncConfig":true,"SntpService":true,"DhcpService":true,
            "PowerControls":["SetPowerProfile"],"Uart":["$U"],"I2cMaster":["$I"],"SpiMaster":["$S"],"I2sSubordinate":["$S"],
            "Pwm":["$P"],"Adc":["$A"]"#,
            "",
        )
        .unwrap_err();
        assert_eq!(refusal.problems.len(), 19, "{refusal}");
        assert!(refusal.to_string().contains("Capabilities.AllowedConnections: network rights come with a later release"));
        assert!(refusal.to_string().contains("Wi-Fi radio"));
    }

    #[test]
    fn limits_out_of_bounds_are_refused_with_the_bounds() {
        assert!(only_problem("", r#""CpuPercent":0"#).advice.contains("1 to 6400"));
        assert!(only_problem("", r#""Memory":"4KiB""#).advice.contains("1MiB"));
        assert!(only_problem("", r#""StopGrace":61"#).advice.contains("60"));
        assert!(only_problem("", r#""Watchdog":0"#).path.contains("Watchdog"));
        assert!(only_problem(r#""MutableStorage":{"SizeKB":0}"#, "").path.contains("SizeKB"));
    }

    #[test]
    fn the_platforms_own_variables_cannot_be_set_by_a_manifest() {
        assert_eq!(decide("", r#""Environment":{"LANG":"C"}"#).unwrap().environment, ["LANG=C"]);
        for name in ["NOTIFY_SOCKET", "LISTEN_FDS", "WATCHDOG_USEC", "HOLDFAST_STORAGE", "", "A=B", "1A"] {
            assert!(decide("", &format!(r#""Environment":{{"{name}":"x"}}"#)).is_err(), "{name}");
        }
    }

    #[test]
    fn an_app_of_one_process_has_one_place() {
        assert_eq!(decide("", r#""Processes":"single","Pids":9"#).unwrap().limits.pids, 1);
    }

    #[test]
    fn system_calls_of_gpio_lines_come_with_a_line_and_every_profile_exists() {
        assert_eq!(decide("", "").unwrap().syscall_profiles, ["app"]);
        let granted = decide(r#""Gpio":["$CHIME"]"#, "").unwrap();
        assert!(granted.syscall_profiles.iter().all(|name| sandbox::seccomp::profiles::find(name).is_some()));
        assert_eq!(granted.syscall_profiles, ["app", "gpio"]);
    }

    proptest::proptest! {
        #[test]
        fn a_grant_never_exceeds_what_the_manifest_asks(memory in 0u64..8 << 20, cpu in 0u32..7000, pids in 0u32..5000, kb in 0u32..2, lines in proptest::collection::vec(0usize..3, 0..4)) {
            let names = ["\"$DOORBELL_BUTTON\"", "\"$CHIME\"", "\"$NONE\""];
            let mut asked: Vec<&str> = lines.iter().map(|i| names[*i]).collect();
            asked.sort_unstable();
            asked.dedup();
            let decided = decide(
                &format!(r#""Gpio":[{}],"MutableStorage":{{"SizeKB":{kb}}}"#, asked.join(",")),
                &format!(r#""Memory":{memory},"CpuPercent":{cpu},"Pids":{pids}"#),
            );
            match decided {
                Ok(granted) => {
                    proptest::prop_assert_eq!(granted.peripherals.len(), asked.len());
                    proptest::prop_assert!(granted.limits.memory.0 <= memory && granted.limits.cpu_percent <= cpu && granted.limits.pids <= pids + 1);
                }
                Err(refusal) => proptest::prop_assert!(!refusal.problems.is_empty()),
            }
        }
    }
}
