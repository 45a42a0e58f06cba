//! Damaged blocks of the root partition: the kernel panics, the log is kept, the next boot tells of it.

use anyhow::{Context, Result, ensure};
use harness::machine::{Options, run, run_from_off};
use manifest::api::EventKind;
use std::{fs, os::unix::fs::FileExt, path::Path, process::Command, time::Duration};

/// What the kernel says of a damaged block, and of the end that follows.
const PANIC: &str = "Kernel panic - not syncing: dm-verity device corrupted";
const EXPECTED: &[&str] = &[PANIC, "is corrupted", "Call Trace", "I/O error", "Kernel panic"];

#[test]
fn a_damaged_block_that_is_read_panics_the_kernel_and_the_next_boot_tells_of_it() -> Result<()> {
    // The data template is read at the first boot only: a block of it can rot without the boot reading it.
    let options = Options::test_image()?.expecting(EXPECTED);
    run_from_off("rot-on-demand", options, |machine| {
        machine.power_on()?;
        machine.wait_ready()?;
        machine.device()?.client().power_off()?;
        machine.wait_off(Duration::from_secs(90))?;
        let block = template_block(&machine.options.image.root())?;
        let position = position_of(&machine.disk(), &block)?;
        flip(&machine.disk(), position + 99)?;

        machine.power_on()?;
        machine.wait_ready()?;
        let mark = machine.console().mark();
        // The answer never comes: the kernel is gone.
        let reading = machine.inside().sha256("/usr/lib/holdfast/data-template.img");
        machine
            .console()
            .wait_for_after(mark, PANIC, Duration::from_secs(60))
            .with_context(|| format!("the read gave {reading:?}"))?;
        machine.console().wait_for_after(mark, "Linux version", Duration::from_secs(60)).context("it did not start again")?;
        machine.wait_ready_after(mark)?;
        let device = machine.device()?;
        let event = device.wait_event(EventKind::PreviousPanic, "")?;
        ensure!(event.detail.contains("dm-verity") || event.detail.contains("corrupted"), "{event:?}");
        // The kept log is where the monitor has it, and pstore is empty again.
        ensure!(machine.inside().list("/sys/fs/pstore")?.is_empty(), "pstore was not emptied");
        Ok(())
    })
}

#[test]
fn a_damaged_root_never_starts_a_daemon() -> Result<()> {
    let options = Options::test_image()?.expecting(EXPECTED).expecting(&["Cannot open root device", "VFS:", "init", "WARNING:"]);
    run_from_off("rot-at-boot", options, |machine| {
        let root = machine.options.image.root();
        let first: Vec<u8> = fs::read(root)?.get(..4096).context("a root of less than a block")?.to_vec();
        let position = position_of(&machine.disk(), &first)?;
        flip(&machine.disk(), position + 1100)?;
        machine.power_on()?;
        machine.console().wait_for("Kernel panic", Duration::from_secs(60))?;
        let text = machine.console().text()?;
        ensure!(!text.contains("holdfast-init") && !text.contains("security-monitor"), "something started from a damaged root");
        Ok(())
    })
}

#[test]
fn a_flipped_bit_in_an_installed_app_stops_that_app_and_nothing_else() -> Result<()> {
    let options = Options::test_image()?.expecting(&["FILE CORRUPTED", "I/O error", "Buffer I/O", "fs-verity"]);
    run("rot-app", options, |machine| {
        use harness::device::DOORBELL;
        use harness::programs;
        use manifest::api::AppState;
        let parts = programs::doorbell(1)?;
        let device = machine.device()?;
        device.install(parts.bundle()?)?;
        device.wait_app(DOORBELL, AppState::Running)?;
        device.client().power_off()?;
        machine.wait_off(Duration::from_secs(90))?;
        // A block in the middle of the image, where the program's code is.
        let block =
            parts.image.get(parts.image.len() / 2 / 4096 * 4096..).and_then(|rest| rest.get(..4096)).context("a small image")?;
        let position = position_of(&machine.disk(), block)?;
        flip(&machine.disk(), position + 77)?;
        machine.power_on()?;
        machine.wait_ready()?;
        let device = machine.device()?;
        device.wait_event(EventKind::FsVerityCorruption, "")?;
        for service in device.started_services()? {
            ensure!(service.generation == 1, "{} was restarted: {:?}", service.name, service.last_exit);
        }
        Ok(())
    })
}

/// The block of the root where the data template begins, compressed as it lies there: where, dump.erofs(1) knows.
fn template_block(root: &Path) -> Result<Vec<u8>> {
    let output = Command::new("dump.erofs").args(["--path=/usr/lib/holdfast/data-template.img", "-e"]).arg(root).output();
    let text = String::from_utf8(output.context("cannot run dump.erofs (Debian's package `erofs-utils`)")?.stdout)?;
    let extent = text.lines().find_map(|line| line.trim_start().strip_prefix("0:")?.split_once(':'));
    let start = extent.and_then(|(_, physical)| physical.trim_start().split('.').next()?.parse::<u64>().ok());
    let mut block = vec![0; 4096];
    fs::File::open(root)?.read_exact_at(&mut block, start.with_context(|| format!("no extent in {text}"))?)?;
    Ok(block)
}

/// Where the disk holds these bytes.
fn position_of(disk: &Path, bytes: &[u8]) -> Result<u64> {
    let content = fs::read(disk)?;
    let found = content
        .chunks_exact(512)
        .enumerate()
        .filter(|(_, sector)| bytes.starts_with(sector))
        .find(|(at, _)| content.get(at * 512..at * 512 + bytes.len()) == Some(bytes));
    Ok(found.context("the disk does not hold that block as it is: is it compressed?")?.0 as u64 * 512)
}

fn flip(disk: &Path, position: u64) -> Result<()> {
    let file = fs::File::options().read(true).write(true).open(disk)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, position)?;
    file.write_all_at(&[byte[0] ^ 1], position)?;
    Ok(())
}
