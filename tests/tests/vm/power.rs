//! Power button, clocks, identity.

use anyhow::{Context, Result, ensure};
use harness::machine::{Options, run, run_from_off};
use manifest::api::EventKind;
use std::time::Duration;

#[test]
fn the_power_button_shuts_the_device_down_in_order() -> Result<()> {
    run("power-button", Options::test_image()?, |machine| {
        let mark = machine.console().mark();
        machine.running()?.press_power_button()?;
        machine.wait_off(Duration::from_secs(90))?;
        let text = machine.console().text_after(mark)?;
        ensure!(text.contains("going down to power off"), "{text}");
        // The next boot finds a file system that was unmounted, and an event that says why.
        machine.power_on()?;
        machine.wait_ready()?;
        let console = machine.console().text()?;
        ensure!(
            !console.contains("EXT4-fs (vda5): recovery complete") && !console.contains("recovery complete"),
            "the journal was replayed"
        );
        machine.device()?.wait_event(EventKind::GoingDown, "power button").context("no event tells of the button")?;
        Ok(())
    })
}

#[test]
fn ctrl_alt_del_restarts_the_device_in_order() -> Result<()> {
    run("ctrl-alt-del", Options::test_image()?, |machine| {
        let mark = machine.console().mark();
        machine.through_reboot(Duration::from_secs(90), |machine| {
            // This kernel drives no keyboard; one that does sends PID 1 this signal (reboot(2), CAD_OFF).
            machine.inside().kill(1, harness::inside::INTERRUPT)
        })?;
        let text = machine.console().text_after(mark)?;
        ensure!(text.contains("going down to restart"), "{text}");
        ensure!(!text.contains("recovery complete"), "the journal was replayed: data was not unmounted");
        let device = machine.device()?;
        ensure!(device.client().device()?.boot == 2);
        device.wait_event(EventKind::GoingDown, "ctrl-alt-del").context("no event tells of the keys")?;
        Ok(())
    })
}

#[test]
fn the_api_powers_the_device_off() -> Result<()> {
    run("power-off", Options::test_image()?, |machine| {
        machine.device()?.client().power_off()?;
        machine.wait_off(Duration::from_secs(90))
    })
}

/// Seconds from 1970 to 2040.
const IN_2040: u64 = 2_208_988_800;

#[test]
fn a_clock_that_lost_its_battery_starts_at_the_build_and_never_falls_back() -> Result<()> {
    let mut options = Options::test_image()?;
    options.clock = Some("1970-01-01T00:00:00");
    run_from_off("clock-1970", options, |machine| {
        machine.power_on()?;
        machine.wait_ready()?;
        let built = image_builder::ImageManifest::load(machine.options.image.folder())?.build_time;
        let first = machine.device()?.client().device()?.clock;
        ensure!(first >= built && first < built + 3600, "the clock says {first}, the image was built at {built}");
        machine.device()?.client().power_off()?;
        machine.wait_off(Duration::from_secs(90))?;
        machine.power_on()?;
        machine.wait_ready()?;
        let second = machine.device()?.client().device()?.clock;
        ensure!(second >= first, "the clock fell from {first} to {second} over a power cycle");
        Ok(())
    })
}

#[test]
fn a_clock_far_ahead_stops_nothing() -> Result<()> {
    let mut options = Options::test_image()?;
    options.clock = Some("2045-01-01T00:00:00");
    run_from_off("clock-2045", options, |machine| {
        machine.power_on()?;
        machine.wait_ready()?;
        // No device runs one image for fifteen years: such a clock is wrong, and the build's time is nearer.
        machine.console().wait_for("which cannot be", harness::machine::BOOT)?;
        let clock = machine.device()?.client().device()?.clock;
        ensure!(clock < IN_2040, "the device believes a clock that says {clock}");
        Ok(())
    })
}

#[test]
fn two_devices_of_one_image_differ_in_identity_and_a_reboot_keeps_it() -> Result<()> {
    let mut identities = Vec::new();
    for name in ["identity-one", "identity-two"] {
        run(name, Options::test_image()?, |machine| {
            let identity = |machine: &harness::machine::Machine| -> Result<(String, String, Vec<u8>)> {
                let id = machine.device()?.client().device()?.machine_id;
                Ok((id, machine.pin()?.to_string(), machine.inside().bytes("/data/system/random-seed").unwrap_or_default()))
            };
            let before = identity(machine)?;
            machine.reboot()?;
            let after = identity(machine)?;
            ensure!((&before.0, &before.1) == (&after.0, &after.1), "a reboot changed {before:?} to {after:?}");
            ensure!(before.2 != after.2 || before.2.is_empty(), "the random seed was not replaced");
            identities.push(before);
            Ok(())
        })?;
    }
    let [one, two] = identities.as_slice() else { anyhow::bail!("{} identities", identities.len()) };
    ensure!(one.0 != two.0, "one machine id: {}", one.0);
    ensure!(one.1 != two.1, "one certificate: {}", one.1);
    ensure!(one.2 != two.2 || one.2.is_empty(), "one random seed");
    Ok(())
}
