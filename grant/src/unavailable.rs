//! Capabilities of Azure Sphere's manifest that this release has nothing behind, each with the reason.

use crate::refusal::Problem;
use manifest::app::Capabilities;

/// One problem per capability that is asked for and that no board of this release can give.
pub fn problems(asked: &Capabilities) -> Vec<Problem> {
    let rows = [
        ("AllowedConnections", !asked.allowed_connections.is_empty(), NETWORK, NETWORK_ADVICE),
        ("AllowedTcpServerPorts", !asked.allowed_tcp_server_ports.is_empty(), NETWORK, NETWORK_ADVICE),
        ("AllowedUdpServerPorts", !asked.allowed_udp_server_ports.is_empty(), NETWORK, NETWORK_ADVICE),
        ("I2sSubordinate", !asked.i2s_subordinate.is_empty(), I2S, REMOVE),
        ("DeviceAuthentication", asked.device_authentication.is_some(), IDENTITY, LATER),
        ("WifiConfig", asked.wifi_config, RADIO, REMOVE),
        ("EnterpriseWifiConfig", asked.enterprise_wifi_config, RADIO, REMOVE),
        ("NetworkConfig", asked.network_config, ADDRESSES, REMOVE),
        ("ReadNetworkProxyConfig", asked.read_network_proxy_config, PROXY, REMOVE),
        ("HardwareAddressConfig", asked.hardware_address_config, ADDRESSES, REMOVE),
        ("TimeSyncConfig", asked.time_sync_config, CLOCK, REMOVE),
        ("SntpService", asked.sntp_service, NETWORK, NETWORK_ADVICE),
        ("DhcpService", asked.dhcp_service, NETWORK, NETWORK_ADVICE),
    ];
    let asked_for = rows.into_iter().filter(|(_, asked, _, _)| *asked);
    asked_for
        .map(|(name, _, reason, advice)| Problem {
            path: format!("Capabilities.{name}"),
            reason: reason.into(),
            advice: advice.into(),
        })
        .collect()
}

pub(crate) const NETWORK: &str = "network rights come with a later release; not available in this image";
const IDENTITY: &str = "device certificates come with a later release; not available in this image";
const I2S: &str = "I2S belongs to the real-time cores of another platform, which no board of this release has";
const RADIO: &str = "no board of this release has a Wi-Fi radio";
const ADDRESSES: &str = "links and addresses are part of the device's image, no app may change them";
const PROXY: &str = "this device has no network proxy";
const CLOCK: &str = "this device asks no time servers";

const NETWORK_ADVICE: &str = "remove it to run the app without network, or wait for an image that offers network rights";
const LATER: &str = "remove it, or wait for an image that offers it";
const REMOVE: &str = "remove it from the manifest";
