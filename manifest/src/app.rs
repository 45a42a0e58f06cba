//! The app manifest, `app_manifest.json`: a superset of Azure Sphere's. Nothing listed, nothing granted.
//!
//! A manifest written for Azure Sphere loads unchanged. What of it this device cannot give is refused when the app is
//! installed, by `grant/`, with the reason; the type here only says what is well formed.

use crate::{
    board::Kind,
    destination::{Destination, Port, PortRange, Protocol},
    holdfast::HoldfastSection,
    names::{CatalogId, CleanPath, ComponentId, NameError, PeripheralName},
    read::{self, ReadError},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, value::MapAccessDeserializer},
};
use std::fmt;

/// Longest manifest that is read. The largest of 73 public Azure Sphere manifests has 2 KiB.
pub const MANIFEST_LIMIT: usize = 64 * 1024;

/// An app's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AppManifest {
    /// Editors complete and check against it; it grants nothing.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Always 1.
    pub schema_version: SchemaVersion,
    /// The app's name, any length; shown to people, never used as a path.
    pub name: String,
    /// Identifies the app over all its versions.
    pub component_id: ComponentId,
    /// The program inside the app's image.
    pub entry_point: CleanPath,
    /// Arguments of the program.
    #[serde(default)]
    pub cmd_args: Vec<String>,
    /// What the app may do; required even when empty.
    pub capabilities: Capabilities,
    /// `Default` on this hardware; the others are refused at install.
    #[serde(default)]
    pub application_type: ApplicationType,
    /// Azure Sphere's choice of allocator; accepted and without effect here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malloc_version: Option<u32>,
    /// Oldest platform the app runs on, in Azure Sphere's count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_application_runtime_version: Option<u32>,
    /// Preview API set an Azure Sphere app was built against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_beta_apis: Option<String>,
    /// What Holdfast adds.
    #[serde(default)]
    pub holdfast: HoldfastSection,
}

impl AppManifest {
    /// Reads a manifest, bounded by [`MANIFEST_LIMIT`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        read::json("app manifest", bytes, MANIFEST_LIMIT)
    }

    /// Every list of peripherals that a board can have, with where it stands.
    pub fn peripherals(&self) -> [(Kind, &'static str, &[Peripheral]); 9] {
        let (asked, more) = (&self.capabilities, &self.holdfast);
        [
            (Kind::Gpio, "Capabilities.Gpio", &asked.gpio),
            (Kind::Uart, "Capabilities.Uart", &asked.uart),
            (Kind::I2c, "Capabilities.I2cMaster", &asked.i2c_master),
            (Kind::Spi, "Capabilities.SpiMaster", &asked.spi_master),
            (Kind::Pwm, "Capabilities.Pwm", &asked.pwm),
            (Kind::Adc, "Capabilities.Adc", &asked.adc),
            (Kind::Led, "Holdfast.Led", &more.led),
            (Kind::Rtc, "Holdfast.Rtc", &more.rtc),
            (Kind::Watchdog, "Holdfast.HardwareWatchdog", &more.hardware_watchdog),
        ]
    }
}

/// The manifest format's version: the number 1 and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct SchemaVersion;

impl TryFrom<u32> for SchemaVersion {
    type Error = String;
    fn try_from(n: u32) -> Result<Self, String> {
        if n == 1 { Ok(Self) } else { Err(format!("SchemaVersion {n} is not known, expected 1")) }
    }
}

impl From<SchemaVersion> for u32 {
    fn from(_: SchemaVersion) -> u32 {
        1
    }
}

/// Azure Sphere's application types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ApplicationType {
    /// An ordinary app.
    #[default]
    Default,
    /// A debugger that is an app itself.
    Debugger,
    /// Runs on a real-time core.
    RealTimeCapable,
}

/// A peripheral: `$NAME` from the board file, or a raw number as real-time apps have them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Peripheral {
    /// By its name in the board file.
    Named(PeripheralName),
    /// By its number on the chip.
    Raw(u32),
}

/// By hand, where serde's untagged enums would not say what is wrong with a name.
impl<'de> Deserialize<'de> for Peripheral {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = |n| {
            let number = u32::try_from(n).map_err(|_| format!("{n} is too large for the number of a peripheral"));
            number.map(Self::Raw)
        };
        let named = |text: &str| text.parse().map(Self::Named).map_err(|error: NameError| error.to_string());
        read::number_or_text(deserializer, "a peripheral such as \"$DOORBELL_BUTTON\", or a raw number", raw, named)
    }
}

/// What an app may do. Every right is absent unless listed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct Capabilities {
    /// Hosts the app may connect to.
    pub allowed_connections: Vec<Connection>,
    /// TCP ports the app may listen on.
    #[serde(deserialize_with = "read::unique")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub allowed_tcp_server_ports: Vec<Port>,
    /// UDP ports the app may receive on.
    #[serde(deserialize_with = "read::unique")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub allowed_udp_server_ports: Vec<Port>,
    /// Apps that it may exchange messages with; each must list the other.
    #[serde(deserialize_with = "read::unique")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub allowed_application_connections: Vec<ComponentId>,
    /// GPIO lines.
    #[serde(deserialize_with = "read::unique")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub gpio: Vec<Peripheral>,
    /// Serial ports.
    #[serde(deserialize_with = "read::unique")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub uart: Vec<Peripheral>,
    /// I²C devices.
    #[serde(deserialize_with = "read::unique")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub i2c_master: Vec<Peripheral>,
    /// SPI devices.
    #[serde(deserialize_with = "read::unique")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub spi_master: Vec<Peripheral>,
    /// I²S devices (real-time apps).
    #[serde(deserialize_with = "read::unique")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub i2s_subordinate: Vec<Peripheral>,
    /// PWM channels.
    #[serde(deserialize_with = "read::unique")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub pwm: Vec<Peripheral>,
    /// Analog inputs.
    #[serde(deserialize_with = "read::unique")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub adc: Vec<Peripheral>,
    /// The catalog (tenant) whose certificate the app may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_authentication: Option<CatalogId>,
    /// Persistent storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutable_storage: Option<MutableStorage>,
    /// Use of the device's certificate store.
    pub cert_store: bool,
    /// Read, add and remove Wi-Fi networks.
    pub wifi_config: bool,
    /// EAP-TLS networks.
    pub enterprise_wifi_config: bool,
    /// Interfaces, addresses, proxy.
    pub network_config: bool,
    /// Read the proxy's configuration.
    pub read_network_proxy_config: bool,
    /// Set the Ethernet address.
    pub hardware_address_config: bool,
    /// Set the clock.
    pub system_time: bool,
    /// Choose time servers.
    pub time_sync_config: bool,
    /// Serve time on a private network.
    pub sntp_service: bool,
    /// Serve addresses on a private network.
    pub dhcp_service: bool,
    /// Receive update events.
    pub system_event_notifications: bool,
    /// Put an update off.
    pub software_update_deferral: bool,
    /// Power profiles, reboot, power down.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "read::unique_filled")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true, "minItems" = 1)))]
    pub power_controls: Vec<PowerControl>,
    /// Read its own heap statistics.
    pub heap_mem_stats: bool,
    /// Reset the record of peak memory use.
    pub reset_memory_watermarks: bool,
}

/// A host an app may connect to: Azure Sphere's plain name or address, or Holdfast's entry with ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Connection {
    /// A name or an address; every port, TCP and UDP. Any text, as Azure Sphere's tools take it: whether it leads anywhere
    /// is judged when the app is installed.
    Host(String),
    /// A name, a kind of service, an address or a range, with ports and protocols.
    Entry(ConnectionEntry),
}

/// By hand, so that an error inside an entry names its field.
impl<'de> Deserialize<'de> for Connection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Connection;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a host name or address such as \"example.com\", or an object with Host, Ports and Protocols")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Connection, E> {
                Ok(Connection::Host(text.to_owned()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Connection, A::Error> {
                ConnectionEntry::deserialize(MapAccessDeserializer::new(map)).map(Connection::Entry)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Holdfast's form of an allowed connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ConnectionEntry {
    /// A host name, `printer.local` by mDNS, a kind of service such as `_ipp._tcp.local`, an address, or a range of addresses
    /// such as `192.0.2.0/24` or `2001:db8::/32`. No wildcards.
    pub host: Destination,
    /// Ports, such as 443 or "8000-8010"; absent: every port.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::unique_filled")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true, "minItems" = 1)))]
    pub ports: Vec<PortRange>,
    /// Protocols; absent: both.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::unique_filled")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true, "minItems" = 1)))]
    pub protocols: Vec<Protocol>,
}

/// Persistent storage of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MutableStorage {
    /// Size in KiB, enforced by quota. Azure Sphere allows 64 at most; here the device's disk is the limit.
    #[serde(rename = "SizeKB")]
    pub size_kb: u32,
}

/// A right over the device's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PowerControl {
    /// Power the device down.
    ForcePowerDown,
    /// Reboot it.
    ForceReboot,
    /// Choose a power profile.
    SetPowerProfile,
}

#[cfg(test)]
mod tests {
    use super::*;

    const AZURE: &str = r#"{ "SchemaVersion": 1, "Name": "GPIO_HighLevelApp",
        "ComponentId": "25025D2C-66da-4448-bae1-ac26fcdd3627", "EntryPoint": "/bin/app", "CmdArgs": [],
        "Capabilities": { "Gpio": [ "$SAMPLE_BUTTON_1", 8 ], "MutableStorage": { "SizeKB": 8 },
          "AllowedConnections": [ "example.com" ], "PowerControls": [ "ForceReboot" ] },
        "ApplicationType": "Default", "MallocVersion": 2 }"#;

    #[test]
    fn an_azure_sphere_manifest_loads_unchanged() {
        let manifest = AppManifest::parse(AZURE.as_bytes()).unwrap();
        assert_eq!(manifest.capabilities.gpio.len(), 2);
        assert_eq!(manifest.capabilities.mutable_storage, Some(MutableStorage { size_kb: 8 }));
    }

    #[test]
    fn capabilities_are_required_even_when_empty() {
        let text = AZURE.replace("Capabilities", "Capabilitys");
        let error = AppManifest::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("did you mean `Capabilities`"), "{error}");
    }

    #[test]
    fn a_misspelt_capability_is_refused_with_its_path() {
        let error = AppManifest::parse(AZURE.replace("\"Gpio\"", "\"Gpi0\"").as_bytes()).unwrap_err().to_string();
        assert!(error.contains("Capabilities") && error.contains("did you mean `Gpio`"), "{error}");
    }

    #[test]
    fn another_schema_version_is_refused() {
        let error = AppManifest::parse(AZURE.replace("\"SchemaVersion\": 1", "\"SchemaVersion\": 2").as_bytes());
        assert!(error.unwrap_err().to_string().contains("expected 1"));
    }

    fn with(capabilities: &str) -> Result<AppManifest, String> {
        let (head, _) = AZURE.split_once("\"Capabilities\"").unwrap();
        let text = format!("{head}\"Capabilities\": {{{capabilities}}}}}");
        AppManifest::parse(text.as_bytes()).map_err(|e| e.to_string())
    }

    /// What Azure Sphere's device refuses is refused where it is read, with the place and what to write instead.
    #[test]
    fn what_contradicts_azure_spheres_constraints_is_refused_with_its_path() {
        for (capabilities, path, words) in [
            (r#""AllowedTcpServerPorts":[80,0]"#, "Capabilities.AllowedTcpServerPorts[1]", "expected 1 to 65535"),
            (r#""AllowedUdpServerPorts":[65536]"#, "Capabilities.AllowedUdpServerPorts[0]", "expected 1 to 65535"),
            (r#""AllowedTcpServerPorts":[80,80]"#, "Capabilities.AllowedTcpServerPorts", "entry [1] is the same as [0]"),
            (r#""Gpio":["$A",8,"A"]"#, "Capabilities.Gpio", "entry [2] is the same as [0]"),
            (r#""Uart":["$A B"]"#, "Capabilities.Uart[0]", "not a peripheral name"),
            (r#""Pwm":[true]"#, "Capabilities.Pwm[0]", "or a raw number"),
            (r#""Adc":[4294967296]"#, "Capabilities.Adc[0]", "too large"),
            (r#""PowerControls":[]"#, "Capabilities.PowerControls", "name at least one"),
            (r#""PowerControls":["ForceReboot","ForceReboot"]"#, "Capabilities.PowerControls", "list it once"),
            (r#""PowerControls":["ForceRebot"]"#, "Capabilities.PowerControls[0]", "did you mean `ForceReboot`?"),
            (r#""AllowedApplicationConnections":["x"]"#, "Capabilities.AllowedApplicationConnections[0]", "expected a GUID"),
            (r#""MutableStorage":{}"#, "Capabilities.MutableStorage", "missing field `SizeKB`"),
            (r#""MutableStorage":{"SizeKb":1}"#, "Capabilities.MutableStorage.SizeKb", "did you mean `SizeKB`?"),
            (r#""CertStore":1"#, "Capabilities.CertStore", "expected a boolean"),
            (r#""AllowedConnections":[7]"#, "Capabilities.AllowedConnections[0]", "a host name or address"),
        ] {
            let error = with(capabilities).unwrap_err();
            assert!(error.contains(&format!("at {path}: ")) && error.contains(words), "{capabilities}: {error}");
        }
        let long = |n| with(&format!(r#""DeviceAuthentication":"{}""#, "x".repeat(n)));
        assert!(long(63).is_ok() && long(64).unwrap_err().contains("fewer than 64"));
    }

    #[test]
    fn a_connection_is_a_text_or_an_entry_that_says_through_what() {
        let read = |entry: &str| with(&format!(r#""AllowedConnections":[{entry}]"#)).map(|m| m.capabilities.allowed_connections);
        assert_eq!(read(r#""<any text>""#), Ok(vec![Connection::Host("<any text>".into())]));
        let entry = r#"{"Host":"2001:db8::/32","Ports":[443,"8000-8010"],"Protocols":["tcp"]}"#;
        let entries = read(entry).unwrap();
        let [Connection::Entry(entry)] = entries.as_slice() else { panic!("no entry") };
        assert_eq!((entry.ports.len(), entry.protocols.as_slice()), (2, [Protocol::Tcp].as_slice()));
        for (entry, path, words) in [
            (r#"{"Host":"*.example.com"}"#, "[0].Host", "no wildcard"),
            (r#"{"Host":"192.0.2.1/24"}"#, "[0].Host", "write 192.0.2.0/24"),
            (r#"{"Host":"a","Ports":[]}"#, "[0].Ports", "name at least one"),
            (r#"{"Host":"a","Ports":[1,"9-1"]}"#, "[0].Ports[1]", "9 is not below 1"),
            (r#"{"Host":"a","Protocols":["icmp"]}"#, "[0].Protocols[0]", "unknown variant `icmp`"),
            (r#"{"Host":"a","Protocol":["tcp"]}"#, "[0]", "did you mean `Protocols`?"),
            (r#"{"Ports":[1]}"#, "[0]", "missing field `Host`"),
        ] {
            let error = read(entry).unwrap_err();
            assert!(error.contains(&format!("AllowedConnections{path}")) && error.contains(words), "{entry}: {error}");
        }
    }

    #[test]
    fn names_of_the_chip_itself_are_peripherals_as_real_manifests_have_them() {
        let read = with(r#""Adc":["ADC-CONTROLLER-0"],"Uart":["ISU0"],"Gpio":[12,"$SAMPLE_LED"]"#).unwrap().capabilities;
        assert_eq!((read.adc.len(), read.uart.len(), read.gpio.len()), (1, 1, 2));
    }

    #[test]
    fn writing_and_reading_gives_the_same_manifest() {
        let manifest = AppManifest::parse(AZURE.as_bytes()).unwrap();
        let text = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(AppManifest::parse(&text).unwrap(), manifest);
    }

    proptest::proptest! {
        #[test]
        fn reading_a_mutated_manifest_never_panics(at in 0usize..AZURE.len(), byte: u8) {
            let mut text = AZURE.as_bytes().to_vec();
            text[at] = byte;
            let _ = AppManifest::parse(&text);
        }
    }
}
