//! KVM only after a probe guest really ran under it.
//!
//! That /dev/kvm can be opened proves little: inside some virtual machines QEMU dies when it sets a register, or the guest
//! hangs at its first instruction. So a 64 KiB ROM is run with the very accelerator and processor arguments of the machine:
//! it writes a word to the serial port and ends. A tenth of a second where KVM works.

use crate::{command_line, process};
use std::{
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// How instructions are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// By the processor itself.
    Kvm,
    /// By QEMU's translator: works everywhere, ten times slower.
    Tcg,
}

/// What the probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What to use.
    pub accelerator: Accelerator,
    /// Why it is not KVM, where it is not.
    pub because: Option<String>,
}

/// Longest time a probe may take: far above what a loaded machine needs for a few instructions.
const LIMIT: Duration = Duration::from_secs(10);
/// What the ROM writes.
const WORD: &str = "holdfast";

/// Chooses by trying.
pub fn choose() -> Choice {
    match probe(Accelerator::Kvm) {
        Ok(()) => Choice { accelerator: Accelerator::Kvm, because: None },
        Err(reason) => Choice { accelerator: Accelerator::Tcg, because: Some(reason) },
    }
}

/// Runs the probe guest; tells why it did not run.
pub fn probe(accelerator: Accelerator) -> Result<(), String> {
    if accelerator == Accelerator::Kvm {
        device_opens(Path::new("/dev/kvm"))?;
    }
    run(accelerator).map_err(|error| error.to_string())
}

/// Opens the device as QEMU does. Whoever may not is told what to do about it, which QEMU's words do not tell.
fn device_opens(device: &Path) -> Result<(), String> {
    let name = device.display();
    match fs_err::File::options().read(true).write(true).open(device) {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::NotFound => format!("there is no {name}"),
            io::ErrorKind::PermissionDenied => {
                format!("you may not open {name} (`sudo adduser $USER kvm`, then log in again)")
            }
            _ => format!("{name} does not open: {error}"),
        }),
    }
}

fn run(accelerator: Accelerator) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(&rom())?;
    let mut command = Command::new(command_line::PROGRAM);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-m", "16M", "-no-reboot"]);
    for (option, value) in command_line::accelerator(accelerator) {
        command.arg(option).arg(value);
    }
    command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-serial", "stdio", "-bios"]).arg(file.path());
    let result = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().and_then(|mut child| {
        if !process::wait_limited(&mut child, LIMIT)? {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other(format!("a probe guest hung for {LIMIT:?}")));
        }
        child.wait_with_output()
    });
    let output = result?;
    if String::from_utf8_lossy(&output.stdout).contains(WORD) {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().last().unwrap_or("it said nothing").to_owned();
    let end = output.status.signal().map_or_else(|| output.status.to_string(), |signal| format!("signal {signal}"));
    Err(io::Error::other(format!("a probe guest did not run ({end}: {last})")))
}

/// A ROM for the last 64 KiB below 4 GiB. Execution begins 16 bytes before its end, in real mode, with CS:IP leading
/// there; a near jump stays in the segment (Intel SDM volume 3, "First Instruction Executed").
fn rom() -> Vec<u8> {
    let mut rom = vec![0xf4u8; 0x10000]; // hlt
    let mut code = Vec::new();
    code.extend([0xba, 0xf8, 0x03]); // mov dx, 0x3f8 (first serial port)
    for byte in WORD.bytes() {
        code.extend([0xb0, byte, 0xee]); // mov al, byte; out dx, al
    }
    code.extend([0xb0, 0x00, 0xe6, 0xf4]); // mov al, 0; out 0xf4, al (ends QEMU with status 1)
    code.push(0xf4); // hlt
    let jump = [0xe9, 0x0d, 0x00]; // at 0xfff0: jmp near to 0x10000 = 0x0000, the segment's start
    for (to, from) in rom.iter_mut().zip(&code) {
        *to = *from;
    }
    for (to, from) in rom.iter_mut().skip(0xfff0).zip(jump) {
        *to = from;
    }
    rom
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_guest_runs_where_every_guest_runs() {
        assert_eq!(probe(Accelerator::Tcg), Ok(()));
    }

    #[test]
    fn a_device_that_does_not_open_is_told_from_one_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("kvm");
        assert!(device_opens(&device).unwrap_err().starts_with("there is no "));
        fs_err::create_dir(&device).unwrap();
        assert!(device_opens(&device).unwrap_err().contains("does not open: "));
        fs_err::remove_dir(&device).unwrap();
        fs_err::write(&device, "").unwrap();
        assert_eq!(device_opens(&device), Ok(()));
    }

    #[test]
    fn a_choice_that_is_not_kvm_says_why() {
        let choice = choose();
        assert_eq!(choice.because.is_some(), choice.accelerator == Accelerator::Tcg);
    }
}
