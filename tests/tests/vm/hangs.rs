//! Daemons and init that stand still: nothing ends, nothing says so, and the hardware watchdog resets the machine. And what would
//! have them stand still in each boot: files on the data partition that are none.

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

/// To open one waits for ever for who writes into it, and what waits so before boots are counted never leads to safe mode.
#[test]
fn fifos_in_place_of_files_on_the_data_partition_hold_up_no_boot() -> Result<()> {
    // Each of them is written in every boot, or made anew where it is of no use.
    const FILES: [&str; 5] = [
        "/data/system/random-seed",
        "/data/system/machine-id",
        "/data/system/boots.json",
        "/data/api/server.pem",
        "/data/logs/daemons/device-api.newer",
    ];
    const BESIDE: [&str; 2] = ["/data/system/clock", "/data/system/boots.json.new"];
    run("fifos", Options::test_image()?, |machine| {
        let inside = machine.inside();
        for path in FILES.iter().chain(&BESIDE) {
            inside.make_fifo(path)?;
        }
        inside.sync()?;
        // Without a way down, which would write some of them anew.
        machine.switch_off()?;
        machine.power_on()?;
        machine.wait_ready()?;
        for path in FILES {
            let entry = inside.stat(path)?.with_context(|| format!("{path} is gone"))?;
            ensure!(entry.mode & 0o170_000 == 0o100_000, "{path} is {:o}, no regular file", entry.mode);
        }
        let device = machine.device()?;
        let info = device.client().device()?;
        ensure!(info.boot == 1 && !info.safe_mode, "the counters did not begin anew: {info:?}");
        for service in device.started_services()? {
            ensure!(service.generation == 1, "{} was restarted: {:?}", service.name, service.last_exit);
        }
        Ok(())
    })
}
