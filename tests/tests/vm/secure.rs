//! The chain from the firmware on: UEFI Secure Boot with our keys alone, a TPM beside it.

use anyhow::{Context, Result, ensure};
use harness::machine::{Options, run_from_off};
use std::{fs, process::Command, time::Duration};

#[test]
fn firmware_with_our_keys_alone_boots_the_signed_kernel() -> Result<()> {
    let mut options = Options::test_image()?;
    options.secure = true;
    run_from_off("secure", options, |machine| {
        machine.power_on()?;
        machine.wait_ready()?;
        let inside = machine.inside();
        // The variable SecureBoot of the firmware: four bytes of attributes, then 1.
        let secure = inside.bytes("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")?;
        ensure!(secure.last() == Some(&1), "SecureBoot is {secure:?}");
        ensure!(inside.stat("/dev/tpmrm0")?.is_some() || inside.stat("/sys/class/tpm/tpm0")?.is_some(), "no TPM");
        machine.reboot()
    })
}

#[test]
fn firmware_with_our_keys_alone_refuses_an_unsigned_kernel() -> Result<()> {
    let mut options = Options::test_image()?;
    options.secure = true;
    run_from_off("unsigned", options, |machine| {
        let image = machine.options.image.clone();
        let esp = machine.folder().file("esp.img");
        fs::copy(image.esp(), &esp)?;
        // mtools writes into a FAT image without a mount; the file's size is the same save for the signature.
        let status =
            Command::new("mcopy").args(["-o", "-i"]).arg(&esp).arg(image.unsigned_uki()).arg("::/EFI/BOOT/BOOTX64.EFI").status();
        ensure!(status.context("cannot run mcopy (Debian's package `mtools`)")?.success(), "mcopy failed");
        put_esp(machine, &esp)?;
        machine.power_on()?;
        machine.console().wait_for("Access Denied", Duration::from_secs(90)).or_else(|e| {
            // Some firmware says it with other words; what counts is that no kernel starts.
            let text = machine.console().text()?;
            if text.contains("Security Violation") || text.contains("Access Denied") { Ok(String::new()) } else { Err(e) }
        })?;
        ensure!(!machine.console().text()?.contains("Linux version"), "an unsigned kernel was started");
        Ok(())
    })
}

/// Puts an EFI system partition in the place of slot a's.
fn put_esp(machine: &harness::machine::Machine, esp: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let listed = Command::new("sgdisk").arg("-i1").arg(machine.disk()).output().context("cannot run sgdisk")?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let first = listed.lines().find_map(|line| line.strip_prefix("First sector: ")).and_then(|rest| rest.split(' ').next());
    let sector: u64 = first.with_context(|| format!("sgdisk says {listed}"))?.parse()?;
    let disk = fs::File::options().write(true).open(machine.disk())?;
    disk.write_all_at(&fs::read(esp)?, sector * 512)?;
    Ok(())
}
