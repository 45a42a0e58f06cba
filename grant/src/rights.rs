//! What a manifest asks for and sets, in plain words, from the manifest alone.
//!
//! The one place where these words are made: `holdfast app check --explain`, `app diff`, `app inspect` and the explanation
//! that a device gives ([`crate::explain`]) all say what stands here. Every field of the manifest has its words, or stands in
//! the test below with the reason why it needs none.

use manifest::{
    app::{AppManifest, Capabilities, Connection, Peripheral, PowerControl},
    destination::{AddressRange, Destination, Protocol},
    holdfast::{BackOff, ConfigChange, HoldfastSection, IoLimits, Processes, Restart},
    quantity::Bytes,
};
use std::{fmt::Display, net::IpAddr};

/// One thing that a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Of the field. Entries of lists have their name behind it, so that the same thing has the same path in two manifests.
    pub path: String,
    /// What it means for the app.
    pub kind: Kind,
    /// In plain words, after a subject and a colon.
    pub words: String,
    /// How much; more is more in each number. Empty where it cannot be counted.
    pub measures: Vec<u64>,
}

/// What something that a manifest says means for the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It may do something.
    Right,
    /// It may use up so much; processes and what they may start are counted so too.
    Limit,
    /// How it is started, watched and ended.
    Life,
    /// It may not do what people expect to find here.
    Nothing,
}

/// Everything that a manifest says.
pub fn said(manifest: &AppManifest) -> Vec<Said> {
    let mut all = program(manifest);
    all.extend(peripherals(manifest));
    all.extend(beyond_peripherals(manifest));
    all
}

/// The program and its processes.
pub(crate) fn program(manifest: &AppManifest) -> Vec<Said> {
    let words =
        format!("program: {}, from the app's own image, which is read-only and checked page by page", manifest.entry_point);
    let mut all = vec![of("EntryPoint", Kind::Life, words)];
    if !manifest.cmd_args.is_empty() {
        all.push(of("CmdArgs", Kind::Life, format!("arguments: {}", quoted(&manifest.cmd_args))));
    }
    let (mode, most) = (manifest.holdfast.processes, manifest.holdfast.pids);
    let (rank, words) = match mode {
        Processes::Single => (0, "processes: one, without threads; it cannot fork or execute".to_owned()),
        Processes::Fork => (1, format!("processes: at most {most} processes and threads; no other program can be executed")),
        Processes::Exec => {
            (2, format!("processes: at most {most} processes and threads, which may execute programs of the image"))
        }
    };
    let most = if mode == Processes::Single { 1 } else { most.into() };
    all.push(Said { measures: vec![rank, most], ..of("Holdfast.Processes", Kind::Limit, words) });
    all
}

/// The peripherals by their names; what is behind a name only a board file knows.
fn peripherals(manifest: &AppManifest) -> Vec<Said> {
    let i2s = &manifest.capabilities.i2s_subordinate;
    let kinds = manifest.peripherals().map(|(kind, path, list)| (path, kind.noun(), list));
    let mut all = Vec::new();
    for (path, what, list) in kinds.into_iter().chain([("Capabilities.I2sSubordinate", "I2S device", i2s.as_slice())]) {
        for peripheral in list {
            let name = match peripheral {
                Peripheral::Named(name) => format!("${name}"),
                Peripheral::Raw(number) => format!("number {number}"),
            };
            let words = format!("peripheral: {what} {name}, for this app alone");
            all.push(of(&format!("{path}.{name}"), Kind::Right, words));
        }
    }
    if all.is_empty() {
        all.push(of("Capabilities.Gpio", Kind::Nothing, "peripherals: none".to_owned()));
    }
    all
}

/// All but the program and its peripherals.
pub(crate) fn beyond_peripherals(manifest: &AppManifest) -> Vec<Said> {
    let mut all = capabilities(manifest);
    all.extend(limits(&manifest.holdfast));
    all.extend(life(&manifest.holdfast));
    all
}

fn capabilities(manifest: &AppManifest) -> Vec<Said> {
    let asked = &manifest.capabilities;
    let mut all = vec![match asked.mutable_storage {
        Some(storage) => {
            let size = Bytes::kib(storage.size_kb.into());
            let words = format!("storage: {size} at /data, kept over restarts and updates, erased with the app");
            Said { measures: vec![size.0], ..of("Capabilities.MutableStorage", Kind::Right, words) }
        }
        None => {
            let words = "storage: none that is kept; /tmp lasts until the app ends".to_owned();
            of("Capabilities.MutableStorage", Kind::Nothing, words)
        }
    }];
    let network = network(asked);
    if network.is_empty() {
        all.push(of("Capabilities.AllowedConnections", Kind::Nothing, "network: none".to_owned()));
    }
    all.extend(network);
    all.extend(asked.allowed_application_connections.iter().map(|id| {
        let words = format!("messages: exchanged with app {id}, if that lists this app too");
        of(&format!("Capabilities.AllowedApplicationConnections.{id}"), Kind::Right, words)
    }));
    all.extend(asked.device_authentication.as_ref().map(|catalog| {
        let words = format!("identity: uses the device's certificate of catalog {:?}", catalog.as_str());
        of("Capabilities.DeviceAuthentication", Kind::Right, words)
    }));
    all.extend(asked.power_controls.iter().map(|control| {
        let words = match control {
            PowerControl::ForcePowerDown => "power: may power the device down",
            PowerControl::ForceReboot => "power: may reboot the device",
            PowerControl::SetPowerProfile => "power: may choose the device's power profile",
        };
        of(&format!("Capabilities.PowerControls.{control:?}"), Kind::Right, words.to_owned())
    }));
    let switches = [
        ("CertStore", asked.cert_store, "certificates: keeps and uses certificates of its own"),
        ("WifiConfig", asked.wifi_config, "network configuration: reads, adds and removes Wi-Fi networks"),
        ("EnterpriseWifiConfig", asked.enterprise_wifi_config, "network configuration: sets up Wi-Fi networks with certificates"),
        ("NetworkConfig", asked.network_config, "network configuration: changes links, addresses and proxy"),
        ("ReadNetworkProxyConfig", asked.read_network_proxy_config, "network configuration: reads the proxy's"),
        ("HardwareAddressConfig", asked.hardware_address_config, "network configuration: sets the Ethernet address"),
        ("SystemTime", asked.system_time, "clock: sets it, within the years that the image can run, and the time zone"),
        ("TimeSyncConfig", asked.time_sync_config, "clock: chooses the time servers"),
        ("SystemEventNotifications", asked.system_event_notifications, "updates: is told before one of any app is installed"),
        (
            "SoftwareUpdateDeferral",
            asked.software_update_deferral,
            "updates: may put one of any app off, for as long as the device's image lets",
        ),
        ("HeapMemStats", asked.heap_mem_stats, "memory use: reads its own"),
        ("ResetMemoryWatermarks", asked.reset_memory_watermarks, "memory use: resets the record of its own peak"),
    ];
    let on = switches.into_iter().filter(|(_, on, _)| *on);
    all.extend(on.map(|(field, _, words)| of(&format!("Capabilities.{field}"), Kind::Right, words.to_owned())));
    if manifest.holdfast.network_status {
        let words = "network status: reads the device's links and their addresses";
        all.push(of("Holdfast.NetworkStatus", Kind::Right, words.to_owned()));
    }
    all
}

fn network(asked: &Capabilities) -> Vec<Said> {
    let mut all: Vec<Said> = asked.allowed_connections.iter().map(connection).collect();
    let ports = [
        ("AllowedTcpServerPorts", "listens on TCP port", &asked.allowed_tcp_server_ports),
        ("AllowedUdpServerPorts", "receives on UDP port", &asked.allowed_udp_server_ports),
    ];
    for (field, what, ports) in ports {
        let path = |port: &dyn Display| format!("Capabilities.{field}.{port}");
        all.extend(ports.iter().map(|port| of(&path(port), Kind::Right, format!("network: {what} {port}"))));
    }
    let servers = [
        ("SntpService", asked.sntp_service, "network: serves the time to a private network"),
        ("DhcpService", asked.dhcp_service, "network: serves addresses to a private network"),
    ];
    let on = servers.into_iter().filter(|(_, on, _)| *on);
    all.extend(on.map(|(field, _, words)| of(&format!("Capabilities.{field}"), Kind::Right, words.to_owned())));
    all
}

fn connection(connection: &Connection) -> Said {
    let (host, to, through) = match connection {
        Connection::Host(text) => match text.parse::<Destination>() {
            Ok(to) => (text.clone(), destination(&to), String::new()),
            Err(_) => (text.clone(), format!("{text:?}, which is neither a name nor an address"), String::new()),
        },
        Connection::Entry(entry) => {
            let ports: Vec<String> = entry.ports.iter().map(ToString::to_string).collect();
            let ports = if ports.is_empty() { "every port".to_owned() } else { format!("port {}", ports.join(", ")) };
            (entry.host.to_string(), destination(&entry.host), format!("{} {ports}", protocols(&entry.protocols)))
        }
    };
    let through = if through.is_empty() { format!("{} every port", protocols(&[])) } else { through };
    let path = format!("Capabilities.AllowedConnections.{}", host.escape_debug());
    of(&path, Kind::Right, format!("network: connects to {to}: {through}"))
}

fn destination(to: &Destination) -> String {
    match to {
        Destination::Host(name) if name.as_str().ends_with(".local") => format!("{name}, found by mDNS on the local network"),
        Destination::Host(name) => name.to_string(),
        Destination::Service(kind) if kind.as_str().ends_with(".local") => {
            format!("whatever host announces {kind} by mDNS on the local network")
        }
        Destination::Service(kind) => format!("the hosts that DNS names for {kind}"),
        Destination::Range(range) => addresses(*range),
    }
}

fn addresses(range: AddressRange) -> String {
    let (family, bits) = match range.address() {
        IpAddr::V4(_) => ("IPv4", 32),
        IpAddr::V6(_) => ("IPv6", 128),
    };
    match (range.prefix(), bits - range.prefix()) {
        (0, _) => format!("every {family} address"),
        (_, 0) => range.to_string(),
        (_, free @ 1..=16) => format!("{range}, {} addresses", 1u32 << free),
        _ => format!("{range}, a wide range of addresses"),
    }
}

fn protocols(list: &[Protocol]) -> &'static str {
    match (list.contains(&Protocol::Tcp), list.contains(&Protocol::Udp)) {
        (true, false) => "TCP",
        (false, true) => "UDP",
        _ => "TCP and UDP",
    }
}

fn limits(section: &HoldfastSection) -> [Said; 5] {
    let HoldfastSection { memory, cpu_percent, cpu_weight, io, log, .. } = section;
    let limit = |field: &str, words: String, measures: &[u64]| Said {
        measures: measures.to_vec(),
        ..of(&format!("Holdfast.{field}"), Kind::Limit, words)
    };
    let rate =
        format!("log: {} lines a second are kept, {} at once; the rest is dropped and counted", log.lines_per_second, log.burst);
    [
        limit("Memory", format!("memory: {memory}; beyond it the whole app is killed"), &[memory.0]),
        limit("CpuPercent", format!("processor: {cpu_percent} % of one core"), &[(*cpu_percent).into()]),
        limit(
            "CpuWeight",
            format!("processor share: weight {cpu_weight}, beside 100 of an app that asks for none"),
            &[(*cpu_weight).into()],
        ),
        limit("Io", disk(io), &disk_measures(io)),
        limit("Log", rate, &[log.lines_per_second.into(), log.burst.into()]),
    ]
}

fn disk(io: &IoLimits) -> String {
    let bytes = |limit: Option<Bytes>, what: &str| limit.map(|limit| format!("{limit} {what}"));
    let count = |limit: Option<u32>, what: &str| limit.map(|limit| format!("{limit} {what}"));
    let parts = [
        bytes(io.read_bytes_per_second, "read"),
        bytes(io.write_bytes_per_second, "written"),
        count(io.reads_per_second, "read operations"),
        count(io.writes_per_second, "write operations"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        "disk: as fast as it goes".to_owned()
    } else {
        format!("disk: in a second at most {}", parts.join(", "))
    }
}

fn disk_measures(io: &IoLimits) -> [u64; 4] {
    let bytes = |limit: Option<Bytes>| limit.map_or(u64::MAX, |limit| limit.0);
    let count = |limit: Option<u32>| limit.map_or(u64::MAX, u64::from);
    [bytes(io.read_bytes_per_second), bytes(io.write_bytes_per_second), count(io.reads_per_second), count(io.writes_per_second)]
}

fn life(section: &HoldfastSection) -> Vec<Said> {
    let life = |field: &str, words: String| of(&format!("Holdfast.{field}"), Kind::Life, words);
    let mut all = vec![life("Restart", restart(section.restart).to_owned())];
    if section.restart != Restart::Never {
        let BackOff { first, most, stable_after, give_up_after } = section.back_off;
        let words = format!(
            "pauses: {first} after a failure, doubled from one to the next up to {most}; \
             given up after {give_up_after} failures in a row; a run of {stable_after} ends the row"
        );
        all.push(life("BackOff", words));
    }
    all.extend(section.config.map(|change| life("Config", config(change).to_owned())));
    all.push(life("StopGrace", format!("stop: SIGTERM, killed after {} s", u32::from(section.stop_grace))));
    let ready = section.ready_timeout.map(|t| format!("ready: says READY=1 within {} s of its start", u32::from(t)));
    let watchdog = section.watchdog.map(|t| format!("watchdog: killed after {} s without WATCHDOG=1", u32::from(t)));
    all.extend(ready.map(|words| life("ReadyTimeout", words)));
    all.extend(watchdog.map(|words| life("Watchdog", words)));
    if !section.environment.is_empty() {
        let pairs = section.environment.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        all.push(life("Environment", format!("environment: {}", quoted(&pairs))));
    }
    all
}

fn config(change: ConfigChange) -> &'static str {
    match change {
        ConfigChange::Restart => "configuration: given by the owner, read only; started again when it changes",
        ConfigChange::Notify => "configuration: given by the owner, read only; told when it changes",
    }
}

fn restart(restart: Restart) -> &'static str {
    match restart {
        Restart::Always => "restart: always",
        Restart::OnFailure => "restart: unless it exits with status 0",
        Restart::Never => "restart: never",
    }
}

/// Each in quotes, with what a reader would not see written out.
fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(" ")
}

fn of(path: &str, kind: Kind, words: String) -> Said {
    Said { path: path.to_owned(), kind, words, measures: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every field that a manifest can have, none with the value that it has when it is left out.
    const EVERYTHING: &str = r#"{"$schema":"s","SchemaVersion":1,"Name":"n","ComponentId":"25025d2c-66da-4448-bae1-ac26fcdd3627",
        "EntryPoint":"/bin/app","CmdArgs":["-v"],"ApplicationType":"Debugger","MallocVersion":2,
        "TargetApplicationRuntimeVersion":1,"TargetBetaApis":"b","Capabilities":{
        "AllowedConnections":["example.com",{"Host":"192.0.2.0/24","Ports":[443,"8000-8010"],"Protocols":["tcp"]}],
        "AllowedTcpServerPorts":[80],"AllowedUdpServerPorts":[53],
        "AllowedApplicationConnections":["25025d2c-66da-4448-bae1-ac26fcdd3628"],"Gpio":["$G"],"Uart":["$U"],"I2cMaster":["$I"],
        "SpiMaster":["$S"],"I2sSubordinate":[3],"Pwm":["$P"],"Adc":["$A"],"DeviceAuthentication":"c",
        "MutableStorage":{"SizeKB":64},"CertStore":true,"WifiConfig":true,"EnterpriseWifiConfig":true,"NetworkConfig":true,
        "ReadNetworkProxyConfig":true,"HardwareAddressConfig":true,"SystemTime":true,"TimeSyncConfig":true,"SntpService":true,
        "DhcpService":true,"SystemEventNotifications":true,"SoftwareUpdateDeferral":true,
        "PowerControls":["ForceReboot","ForcePowerDown","SetPowerProfile"],"HeapMemStats":true,"ResetMemoryWatermarks":true},
        "Holdfast":{"Memory":"8MiB","CpuPercent":50,"CpuWeight":200,"Pids":4,"Processes":"exec","Restart":"on-failure",
        "Io":{"ReadBytesPerSecond":"1MiB","WriteBytesPerSecond":"2MiB","ReadsPerSecond":10,"WritesPerSecond":20},
        "BackOff":{"First":"1s","Most":"30s","StableAfter":"2min","GiveUpAfter":3},"StopGrace":5,"ReadyTimeout":6,"Watchdog":7,
        "Log":{"LinesPerSecond":8,"Burst":9},"Environment":{"LANG":"C"},"Config":"restart","Led":["$L"],
        "Rtc":["$R"],"HardwareWatchdog":["$W"],"NetworkStatus":true}}"#;

    fn everything() -> AppManifest {
        AppManifest::parse(EVERYTHING.as_bytes()).unwrap()
    }

    /// Fields without words, each with the reason.
    const WITHOUT_WORDS: [(&str, &str); 8] = [
        ("$schema", "for editors"),
        ("SchemaVersion", "the format's, always 1"),
        ("Name", "shown above the words"),
        ("ComponentId", "shown above the words"),
        ("ApplicationType", "Default, or refused"),
        ("MallocVersion", "without effect here"),
        ("TargetApplicationRuntimeVersion", "without effect here"),
        ("TargetBetaApis", "without effect here"),
    ];

    /// The fields come from the types themselves: a new one without words fails here.
    #[test]
    fn every_field_of_a_manifest_is_explained() {
        let all = said(&everything());
        let json = serde_json::to_value(everything()).unwrap();
        let fields = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let top = fields(&json).into_iter().filter(|name| name != "Capabilities" && name != "Holdfast");
        let inner = |part: &'static str| fields(&json[part]).into_iter().map(move |name| format!("{part}.{name}"));
        let paths: Vec<String> = top.chain(inner("Capabilities")).chain(inner("Holdfast")).collect();
        assert_eq!(paths.len(), 10 + 28 + 18, "{paths:?}");
        for path in paths {
            let without = WITHOUT_WORDS.iter().any(|(name, _)| *name == path) || path == "Holdfast.Pids";
            let below = format!("{path}.");
            let words = all.iter().filter(|said| said.path == path || said.path.starts_with(&below)).count();
            assert_eq!(words > 0, !without, "{path} has {words} lines of words");
        }
        assert!(all.iter().all(|said| said.kind != Kind::Nothing), "with everything asked for, nothing is said to be absent");
    }

    /// A change of any one value changes the words: none is explained by words that say the same of all values.
    #[test]
    fn every_value_is_in_the_words() {
        fn leaves(at: &str, value: &serde_json::Value, all: &mut Vec<String>) {
            match value {
                serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| leaves(&format!("{at}/{key}"), value, all)),
                serde_json::Value::Array(list) => (0..).zip(list).for_each(|(i, v)| leaves(&format!("{at}/{i}"), v, all)),
                _ => all.push(at.to_owned()),
            }
        }
        let (before, json) = (said(&everything()), serde_json::to_value(everything()).unwrap());
        let mut pointers = Vec::new();
        leaves("", &json, &mut pointers);
        let told = pointers.iter().filter(|at| !WITHOUT_WORDS.iter().any(|(name, _)| **at == format!("/{name}")));
        for at in told {
            let mut changed = json.clone();
            let value = changed.pointer_mut(at).unwrap();
            *value = match &*value {
                serde_json::Value::Bool(on) => (!on).into(),
                serde_json::Value::Number(n) => (n.as_u64().unwrap() + 1).into(),
                serde_json::Value::String(text) => match text.as_str() {
                    "exec" => "single".into(),
                    "restart" => "notify".into(),
                    "on-failure" => "always".into(),
                    "tcp" => "udp".into(),
                    "192.0.2.0/24" => "192.0.3.0/24".into(),
                    "8000-8010" => "8000-8011".into(),
                    "ForceReboot" | "ForcePowerDown" | "SetPowerProfile" => {
                        changed["Capabilities"]["PowerControls"] = serde_json::json!(["ForceReboot"]);
                        assert_ne!(said(&serde_json::from_value(changed).unwrap()), before, "{at}");
                        continue;
                    }
                    text if text.ends_with("MiB") => "9MiB".into(),
                    text if text.ends_with("min") => "9min".into(),
                    text if text.ends_with('s') && text.len() < 4 => "9s".into(),
                    text if text.len() == 36 => text.replace("3628", "3629").into(),
                    text => format!("{text}x").into(),
                },
                other => panic!("{at}: {other}"),
            };
            let changed: AppManifest = serde_json::from_value(changed).unwrap_or_else(|e| panic!("{at}: {e}"));
            assert_ne!(said(&changed), before, "{at} is not in the words");
        }
    }

    #[test]
    fn connections_say_where_and_through_what() {
        let words = |json: &str| connection(&serde_json::from_str(json).unwrap()).words;
        for (json, expected) in [
            (r#""example.com""#, "example.com: TCP and UDP every port"),
            (r#""<HOST>""#, "\"<HOST>\", which is neither a name nor an address: TCP and UDP every port"),
            (
                r#"{"Host":"printer.local","Ports":[631]}"#,
                "printer.local, found by mDNS on the local network: TCP and UDP port 631",
            ),
            (
                r#"{"Host":"_ipp._tcp.local","Protocols":["tcp"]}"#,
                "whatever host announces _ipp._tcp.local by mDNS on the local network: TCP every port",
            ),
            (r#"{"Host":"192.0.2.0/24","Protocols":["udp"],"Ports":["1-9"]}"#, "192.0.2.0/24, 256 addresses: UDP port 1-9"),
            (r#"{"Host":"::/0"}"#, "every IPv6 address: TCP and UDP every port"),
            (r#"{"Host":"2001:db8::1"}"#, "2001:db8::1: TCP and UDP every port"),
        ] {
            assert_eq!(words(json), format!("network: connects to {expected}"));
        }
    }

    #[test]
    fn what_a_reader_would_not_see_is_written_out() {
        let words = connection(&Connection::Host("a\u{202e}b\n".into())).words;
        assert!(words.contains("\\u{202e}") && words.contains("\\n"), "{words}");
    }
}
