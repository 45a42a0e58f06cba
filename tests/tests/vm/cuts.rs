//! Power cuts while an app stores what somebody is told of, through a disk that forgets what was not flushed. At least half of
//! them have to fall between a write and its flush, or the campaign has shown nothing.

use anyhow::{Result, ensure};
use harness::{
    buttons,
    device::DOORBELL,
    disk::Disk,
    machine::{Machine, Options, run_from_off},
    programs,
    wait::wait_until,
};
use manifest::api::AppState;
use std::time::Duration;

/// Cuts in one run; the long form has 1,000.
const CUTS: u32 = 20;
/// How long a write is waited for.
const WRITE: Duration = Duration::from_secs(2);

#[test]
fn no_power_cut_takes_back_a_press_that_somebody_was_told_of() -> Result<()> {
    let cuts = std::env::var("HOLDFAST_POWER_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(CUTS);
    let mut options = Options::test_image()?;
    // One processor leaves the other to nbdkit and the test.
    options.processors = 1;
    run_from_off("power-cuts", options, |machine| {
        let first = Disk::serve(machine)?;
        machine.power_on()?;
        machine.wait_ready()?;
        let device = machine.device()?;
        device.install(programs::doorbell(1)?.bundle()?)?;
        device.wait_app(DOORBELL, AppState::Running)?;
        machine.buttons().press(buttons::DOORBELL)?;
        device.wait_status(DOORBELL, "1 press")?;
        machine.device()?.client().power_off()?;
        machine.wait_off(Duration::from_secs(90))?;
        first.end_in_order()?;

        let (mut told, mut between) = (1, 0);
        for cut in 0..cuts {
            let mut disk = Disk::serve(machine)?;
            machine.power_on()?;
            machine.wait_ready()?;
            let device = machine.device()?;
            device.wait_app(DOORBELL, AppState::Running)?;
            let kept = presses(machine)?;
            ensure!(kept >= told, "cut {cut}: {told} presses had been told of, {kept} are left");
            told = press_until_cut(machine, kept, cut)?;
            disk.wait_until(WRITE, || Ok(disk.traffic()?.unflushed))?;
            disk.cut(machine)?;
            between += u32::from(disk.traffic()?.unflushed);
        }
        ensure!(between * 2 >= cuts, "only {between} of {cuts} cuts fell between a write and its flush");
        Ok(())
    })
}

/// Presses some times, so that the cut that follows finds writes on their way, and returns the last count that the device
/// told anybody of.
fn press_until_cut(machine: &Machine, kept: u64, cut: u32) -> Result<u64> {
    let mut told = kept;
    // A number of presses that varies, so that cuts fall at different places.
    for _ in 0..=cut % 4 {
        machine.buttons().press(buttons::DOORBELL)?;
        told = told.max(presses(machine)?);
    }
    // One more that nobody waits for: the power goes while the app still writes.
    machine.buttons().send(&format!("press {}", buttons::DOORBELL))?;
    Ok(told)
}

/// The count as the device tells it.
fn presses(machine: &Machine) -> Result<u64> {
    let device = machine.device()?;
    let mut count = 0;
    wait_until("the doorbell's status", Duration::from_secs(60), || {
        let status = device.app(DOORBELL)?.status.unwrap_or_default();
        let number = status.split(' ').next().and_then(|n| n.parse::<u64>().ok());
        count = number.unwrap_or(0);
        Ok(number.is_some())
    })?;
    Ok(count)
}
