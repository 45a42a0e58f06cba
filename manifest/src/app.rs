//! The app manifest, `app_manifest.json`: a superset of Azure Sphere's. Nothing listed, nothing granted.
//!
//! A manifest written for Azure Sphere loads unchanged. What of it this device cannot give is refused when the app is
//! installed, by `grant/`, with the reason; the type here only says what is well formed.

use crate::{
    holdfast::HoldfastSection,
    names::{CleanPath, ComponentId, PeripheralName},
    read::{self, ReadError},
};
use serde::{Deserialize, Serialize};

/// Longest manifest that is read. The largest of 73 public Azure Sphere manifests has 2 KiB.
pub const MANIFEST_LIMIT: usize = 64 * 1024;

/// An app's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a peripheral such as \"$DOORBELL_BUTTON\", or a raw number")]
pub enum Peripheral {
    /// By its name in the board file.
    Named(PeripheralName),
    /// By its number on the chip.
    Raw(u32),
}

/// What an app may do. Every right is absent unless listed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct Capabilities {
    /// Hosts the app may connect to.
    pub allowed_connections: Vec<Connection>,
    /// TCP ports the app may listen on.
    pub allowed_tcp_server_ports: Vec<u16>,
    /// UDP ports the app may receive on.
    pub allowed_udp_server_ports: Vec<u16>,
    /// Apps that it may exchange messages with; each must list the other.
    pub allowed_application_connections: Vec<ComponentId>,
    /// GPIO lines.
    pub gpio: Vec<Peripheral>,
    /// Serial ports.
    pub uart: Vec<Peripheral>,
    /// I²C devices.
    pub i2c_master: Vec<Peripheral>,
    /// SPI devices.
    pub spi_master: Vec<Peripheral>,
    /// I²S devices (real-time apps).
    pub i2s_subordinate: Vec<Peripheral>,
    /// PWM channels.
    pub pwm: Vec<Peripheral>,
    /// Analog inputs.
    pub adc: Vec<Peripheral>,
    /// The catalog (tenant) whose certificate the app may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_authentication: Option<String>,
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
    pub power_controls: Vec<PowerControl>,
    /// Read its own heap statistics.
    pub heap_mem_stats: bool,
    /// Reset the record of peak memory use.
    pub reset_memory_watermarks: bool,
}

/// A host an app may connect to: Azure Sphere's plain name or address, or Holdfast's entry with ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a host name or address, or an object with Host and Ports")]
pub enum Connection {
    /// A name or an IPv4 address; every port.
    Host(String),
    /// A name, address or range, with ports.
    Entry(ConnectionEntry),
}

/// Holdfast's form of an allowed connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ConnectionEntry {
    /// Name, address, or address range such as `192.0.2.0/24`.
    pub host: String,
    /// Ports; empty means every port.
    #[serde(default)]
    pub ports: Vec<u16>,
}

/// Persistent storage of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MutableStorage {
    /// Size in KiB, enforced by quota.
    #[serde(rename = "SizeKB")]
    pub size_kb: u32,
}

/// A right over the device's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
