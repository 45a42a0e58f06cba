//! Daemons and init that stand still: nothing ends, nothing says so, and the hardware watchdog resets the machine.

use anyhow::{Context, Result, ensure};
use harness::{
    inside::STOP,
    machine::{Options, run},
    programs::{small, small_id},
};
use manifest::api::{AppState, EventKind, ServiceState};
use serde_json::json;
use std::time::Duration;

/// The daemon's watchdog (15 s), the hardware's (30 s), and a slow machine.
const RESET: Duration = Duration::from_secs(120);

#[test]
fn an_app_manager_that_hangs_leads_to_a_reset_by_the_hardware_watchdog() -> Result<()> {
    run("app-manager-hangs", Options::test_image()?, |machine| {
        machine.through_reboot(RESET, |machine| {
            let inside = machine.inside();
            inside.kill(inside.daemon("app-manager")?.pid, STOP)
        })?;
        let device = machine.device()?;
        ensure!(device.client().device()?.boot == 2);
        device.wait_event(EventKind::Boot, "watchdog").context("the event log does not tell of the watchdog")?;
        Ok(())
    })
}

#[test]
fn an_ordinary_daemon_that_hangs_is_killed_and_started_again_without_a_reset() -> Result<()> {
    run("network-manager-hangs", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let inside = machine.inside();
        let before = device.service("network-manager")?;
        inside.kill(inside.daemon("network-manager")?.pid, STOP)?;
        let after = device.wait_service("network-manager", before.generation, RESET)?;
        ensure!(after.state == ServiceState::Ready && after.last_exit.is_some(), "{after:?}");
        ensure!(device.client().device()?.boot == 1, "the device rebooted");
        Ok(())
    })
}

#[test]
fn init_that_hangs_while_it_goes_down_is_reset_by_the_hardware_watchdog() -> Result<()> {
    run("reboot-hangs", Options::test_image()?, |machine| {
        let mark = machine.console().mark();
        machine.inside().freeze_init_when_stopped()?;
        // The longest step of going down is app-manager's grace; the watchdog waits half a minute beyond it.
        machine.through_reboot(Duration::from_secs(240), |machine| {
            machine.device()?.client().reboot()?;
            Ok(())
        })?;
        let text = machine.console().text_after(mark)?;
        ensure!(text.contains("the probe freezes PID 1"), "PID 1 was not frozen");
        ensure!(!text.contains("reboot: Restarting system"), "it went down by itself: nothing was shown");
        ensure!(machine.device()?.client().device()?.boot == 2);
        Ok(())
    })
}

#[test]
fn init_that_hangs_while_services_run_is_reset_by_the_hardware_watchdog() -> Result<()> {
    run("init-hangs", Options::test_image()?, |machine| {
        machine.through_reboot(RESET, |machine| machine.inside().freeze(1))?;
        ensure!(machine.device()?.client().device()?.boot == 2);
        Ok(())
    })
}

#[test]
fn who_floods_launcher_with_garbage_keeps_no_verdict_from_it() -> Result<()> {
    run("hang-flooded", Options::test_image()?, |machine| {
        // As many as a caller may have, for longer than an installation takes.
        machine.inside().flood("launcher", "no packet", 16, 60)?;
        let device = machine.device()?;
        for version in 1..=3 {
            device.install(small(1, version, "ready", &json!({}))?.bundle()?)?;
            device.wait_app(&small_id(1), AppState::Ready)?;
        }
        device.wait_event(EventKind::MalformedPacket, "")?;
        ensure!(device.service("launcher")?.generation == 1, "launcher was started again");
        Ok(())
    })
}
