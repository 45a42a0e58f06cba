//! QEMU's arguments for a machine. Pure; paths of sockets are relative to the machine's folder, where QEMU is started,
//! because a socket's path has at most 107 bytes (unix(7)).

use crate::{
    accelerator::Accelerator,
    folder,
    machine::{Boot, DiskFormat, DiskSource, Machine, OnReboot},
};
use std::{ffi::OsString, path::Path};

/// The program.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// The Debian package that has it.
pub const PACKAGE: &str = "qemu-system-x86";
/// Port of the device API inside the guest.
const GUEST_API_PORT: u16 = 8443;

/// All arguments.
pub fn arguments(machine: &Machine) -> Vec<OsString> {
    let mut list = Arguments(Vec::new());
    // Nothing that was not asked for: no default devices, no configuration of this machine's QEMU.
    list.flag("-nodefaults").flag("-no-user-config").pair("-display", "none");
    list.pair("-name", "holdfast");
    processor(&mut list, machine);
    boot(&mut list, &machine.boot);
    disk(&mut list, machine);
    list.pair("-device", "virtio-rng-pci");
    watchdog(&mut list);
    network(&mut list, machine.api_port);
    ports(&mut list, &machine.ports);
    list.pair("-chardev", format!("file,id=console,path={}", folder::CONSOLE)).pair("-serial", "chardev:console");
    list.pair("-chardev", format!("socket,id=qmp,path={},server=on,wait=off", folder::QMP))
        .pair("-mon", "chardev=qmp,mode=control");
    list.pair("-rtc", format!("base={}", machine.clock.as_deref().unwrap_or("utc")));
    if machine.on_reboot == OnReboot::End {
        list.flag("-no-reboot");
    }
    list.0.extend(machine.extra.iter().cloned());
    list.0
}

fn processor(list: &mut Arguments, machine: &Machine) {
    let secure = matches!(machine.boot, Boot::Firmware(_));
    // With SMM only the firmware's own code may write its variables: without it Secure Boot could be switched off by root.
    list.pair("-machine", if secure { "q35,smm=on" } else { "q35" });
    for (option, value) in accelerator(machine.accelerator) {
        list.pair(option, value);
    }
    list.pair("-m", format!("{}M", machine.memory_mib)).pair("-smp", machine.processors.to_string());
}

/// The arguments that choose accelerator and processor; the probe uses the very same.
pub(crate) fn accelerator(accelerator: Accelerator) -> [(&'static str, &'static str); 2] {
    match accelerator {
        Accelerator::Kvm => [("-accel", "kvm"), ("-cpu", "host")],
        Accelerator::Tcg => [("-accel", "tcg,thread=multi"), ("-cpu", "max")],
    }
}

fn boot(list: &mut Arguments, boot: &Boot) {
    match boot {
        Boot::Direct { kernel, command_line } => {
            list.pair("-kernel", kernel).pair("-append", command_line);
        }
        Boot::Firmware(firmware) => {
            list.pair("-global", "driver=cfi.pflash01,property=secure,value=on");
            list.pair("-drive", drive("if=pflash,unit=0,format=raw,readonly=on", &firmware.code));
            list.pair("-drive", drive("if=pflash,unit=1,format=raw", &firmware.variables));
            list.pair("-chardev", format!("socket,id=tpm,path={}", folder::TPM));
            list.pair("-tpmdev", "emulator,id=tpm0,chardev=tpm").pair("-device", "tpm-crb,tpmdev=tpm0");
        }
    }
}

fn disk(list: &mut Arguments, machine: &Machine) {
    let format = match machine.disk.format {
        DiskFormat::Raw => "raw",
        DiskFormat::Qcow2 => "qcow2",
    };
    let options = format!("if=none,id=disk,format={format},cache=writeback,discard=unmap");
    match &machine.disk.source {
        DiskSource::File(path) => list.pair("-drive", drive(&options, path)),
        DiskSource::Nbd(socket) => {
            let mut text = OsString::from(format!("{options},file=nbd:unix:"));
            text.push(socket);
            list.pair("-drive", text)
        }
    };
    let first = if matches!(machine.boot, Boot::Firmware(_)) { ",bootindex=0" } else { "" };
    list.pair("-device", format!("virtio-blk-pci,drive=disk{first}"));
}

fn watchdog(list: &mut Arguments) {
    list.pair("-device", "i6300esb").pair("-action", "watchdog=reset");
}

fn network(list: &mut Arguments, api_port: Option<u16>) {
    let Some(port) = api_port else { return };
    list.pair("-netdev", format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-:{GUEST_API_PORT}"));
    // Without its boot ROM: nothing is booted from the network.
    list.pair("-device", "virtio-net-pci,netdev=net,romfile=");
}

fn ports(list: &mut Arguments, ports: &[String]) {
    list.pair("-device", "virtio-serial-pci");
    for (i, name) in ports.iter().enumerate() {
        list.pair("-chardev", format!("socket,id=port{i},path={},server=on,wait=off", folder::port_socket(name)));
        list.pair("-device", format!("virtserialport,chardev=port{i},name={name}"));
    }
}

/// A `-drive` value; commas in a path are doubled, as QEMU's option syntax wants.
fn drive(options: &str, path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = format!("{options},file=").into_bytes();
    for byte in path.as_os_str().as_bytes() {
        bytes.push(*byte);
        if *byte == b',' {
            bytes.push(*byte);
        }
    }
    OsString::from_vec(bytes)
}

struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, flag: &str) -> &mut Self {
        self.0.push(flag.into());
        self
    }

    fn pair(&mut self, option: &str, value: impl Into<OsString>) -> &mut Self {
        self.0.push(option.into());
        self.0.push(value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Disk, Firmware};

    fn text(machine: &Machine) -> String {
        arguments(machine).iter().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_direct_boot_listens_on_the_loopback_alone_and_has_a_watchdog() {
        let boot = Boot::Direct { kernel: "k".into(), command_line: "a b".into() };
        let text = text(&Machine::new(Accelerator::Tcg, Disk::raw("/tmp/a,b.img"), boot));
        assert!(text.contains("hostfwd=tcp:127.0.0.1:0-:8443") && text.contains("i6300esb"), "{text}");
        assert!(text.contains("file=/tmp/a,,b.img") && !text.contains("smm"), "{text}");
    }

    #[test]
    fn a_secure_boot_keeps_the_variables_for_the_firmware_alone() {
        let boot = Boot::Firmware(Firmware { code: "code".into(), variables: "vars".into() });
        let text = text(&Machine::new(Accelerator::Tcg, Disk::raw("d"), boot));
        assert!(text.contains("q35,smm=on") && text.contains("cfi.pflash01,property=secure,value=on"), "{text}");
        assert!(text.contains("readonly=on,file=code") && text.contains("tpm-crb"), "{text}");
    }
}
