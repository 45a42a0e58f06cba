//! What a manifest asks for, in words that fit on a line each.

use manifest::{
    app::{AppManifest, Capabilities, Connection, Peripheral},
    quantity::Bytes,
};

/// One line per right. An empty list means the app can compute, log, and nothing else.
pub(super) fn asked_for(manifest: &AppManifest) -> Vec<String> {
    let rights = &manifest.capabilities;
    let mut lines = Vec::new();
    for (what, list) in peripherals(rights) {
        lines.extend(list.iter().map(|peripheral| format!("{what} {}", peripheral_name(peripheral))));
    }
    for connection in &rights.allowed_connections {
        lines.push(match connection {
            Connection::Host(host) => format!("connect to {host}, every port"),
            Connection::Entry(entry) if entry.ports.is_empty() => format!("connect to {}, every port", entry.host),
            Connection::Entry(entry) => format!("connect to {}, ports {}", entry.host, numbers(&entry.ports)),
        });
    }
    if !rights.allowed_tcp_server_ports.is_empty() {
        lines.push(format!("listen on TCP ports {}", numbers(&rights.allowed_tcp_server_ports)));
    }
    if !rights.allowed_udp_server_ports.is_empty() {
        lines.push(format!("receive on UDP ports {}", numbers(&rights.allowed_udp_server_ports)));
    }
    lines.extend(rights.allowed_application_connections.iter().map(|id| format!("exchange messages with app {id}")));
    lines.extend(rights.mutable_storage.map(|storage| format!("store {} under /data", Bytes::kib(storage.size_kb.into()))));
    lines.extend(rights.device_authentication.as_ref().map(|catalog| format!("use the device certificate of catalog {catalog}")));
    lines.extend(rights.power_controls.iter().map(|control| format!("control power: {control:?}")));
    lines.extend(flags(rights).into_iter().filter(|(on, _)| *on).map(|(_, what)| what.to_owned()));
    lines
}

/// The limits it runs under.
pub(super) fn limits(manifest: &AppManifest) -> String {
    let section = &manifest.holdfast;
    let processes = format!("{:?}", section.processes).to_lowercase();
    format!(
        "memory {}, {} % of a core, {} processes and threads (mode {processes})",
        section.memory, section.cpu_percent, section.pids
    )
}

fn peripherals(rights: &Capabilities) -> [(&'static str, &Vec<Peripheral>); 7] {
    [
        ("use GPIO line", &rights.gpio),
        ("use serial port", &rights.uart),
        ("use I2C bus", &rights.i2c_master),
        ("use SPI bus", &rights.spi_master),
        ("use I2S device", &rights.i2s_subordinate),
        ("use PWM channel", &rights.pwm),
        ("use analog input", &rights.adc),
    ]
}

fn peripheral_name(peripheral: &Peripheral) -> String {
    match peripheral {
        Peripheral::Named(name) => format!("${name}"),
        Peripheral::Raw(number) => format!("number {number}"),
    }
}

fn flags(rights: &Capabilities) -> [(bool, &'static str); 14] {
    [
        (rights.cert_store, "use the certificate store"),
        (rights.wifi_config, "configure Wi-Fi"),
        (rights.enterprise_wifi_config, "configure enterprise Wi-Fi"),
        (rights.network_config, "configure the network"),
        (rights.read_network_proxy_config, "read the proxy's configuration"),
        (rights.hardware_address_config, "set the Ethernet address"),
        (rights.system_time, "set the clock"),
        (rights.time_sync_config, "choose time servers"),
        (rights.sntp_service, "serve time"),
        (rights.dhcp_service, "serve addresses"),
        (rights.system_event_notifications, "receive update events"),
        (rights.software_update_deferral, "put updates off"),
        (rights.heap_mem_stats, "read its heap statistics"),
        (rights.reset_memory_watermarks, "reset its record of peak memory"),
    ]
}

fn numbers(list: &[u16]) -> String {
    list.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}
