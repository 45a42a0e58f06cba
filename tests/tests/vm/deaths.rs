//! Each daemon killed: what the design's "When one dies" says of it.

use anyhow::{Context, Result, ensure};
use harness::programs;
use harness::{
    buttons,
    device::DOORBELL,
    inside::KILL,
    machine::{Machine, Options, run},
};
use manifest::api::{AppState, EventKind};
use std::time::Duration;

/// From a daemon's death to its next READY: back-off begins at a second.
const AGAIN: Duration = Duration::from_secs(40);

fn kill(machine: &Machine, name: &str) -> Result<()> {
    let inside = machine.inside();
    inside.kill(inside.daemon(name)?.pid, KILL)
}

#[test]
fn without_its_monitor_the_device_reboots_in_order() -> Result<()> {
    run("monitor-dies", Options::test_image()?, |machine| {
        let mark = machine.console().mark();
        machine.through_reboot(Duration::from_secs(90), |machine| kill(machine, "security-monitor"))?;
        let between = machine.console().text_after(mark)?;
        ensure!(between.contains("going down to restart"), "it did not go down in order");
        let device = machine.device()?;
        ensure!(device.client().device()?.boot == 2);
        // Nobody was there to record it when it happened: the next boot does, from what init kept.
        harness::wait::wait_until("an event that tells of the monitor's end", Duration::from_secs(20), || {
            let events = device.events()?;
            let told = events.iter().any(|e| e.detail.contains("security-monitor") && e.detail.contains("signal 9"));
            ensure!(told, "the events are {events:?}");
            Ok(told)
        })
    })
}

#[test]
fn without_its_launcher_every_app_ends_and_is_started_again() -> Result<()> {
    run("launcher-dies", Options::test_image()?, |machine| {
        let device = machine.device()?;
        device.install(programs::doorbell(1)?.bundle()?)?;
        let before = device.wait_app(DOORBELL, AppState::Running)?;
        machine.buttons().press(buttons::DOORBELL)?;
        device.wait_status(DOORBELL, "1 press")?;
        let generation = device.service("launcher")?.generation;
        kill(machine, "launcher")?;
        device.wait_service("launcher", generation, AGAIN)?;
        harness::wait::wait_until("the app to run as a new instance", AGAIN, || {
            let app = device.app(DOORBELL)?;
            Ok(app.state.runs() && app.generation > before.generation && app.pid != before.pid)
        })?;
        let old = before.pid.context("no pid")?;
        ensure!(machine.inside().processes()?.iter().all(|p| p.pid != old), "the old instance lives on");
        device.wait_status(DOORBELL, "1 press")?;
        machine.buttons().press(buttons::DOORBELL)?;
        device.wait_status(DOORBELL, "2 presses")?;
        device.wait_event(EventKind::ServiceExit, "launcher")?;
        Ok(())
    })
}

#[test]
fn without_its_app_manager_apps_go_on_and_are_adopted_again() -> Result<()> {
    run("app-manager-dies", Options::test_image()?, |machine| {
        let device = machine.device()?;
        device.install(programs::doorbell(1)?.bundle()?)?;
        let before = device.wait_app(DOORBELL, AppState::Running)?;
        let generation = device.service("app-manager")?.generation;
        kill(machine, "app-manager")?;
        machine.buttons().press(buttons::DOORBELL)?;
        device.wait_service("app-manager", generation, AGAIN)?;
        let after = device.wait_app(DOORBELL, AppState::Running)?;
        ensure!((after.pid, after.generation) == (before.pid, before.generation), "before {before:?}, after {after:?}");
        // What it said while nobody read is there, and so is what it says now.
        device.wait_log(DOORBELL, "press 1, level 1")?;
        machine.buttons().press(buttons::DOORBELL)?;
        device.wait_log(DOORBELL, "press 2, ")?;
        // Its end is still seen.
        machine.inside().kill(after.pid.context("no pid")?, KILL)?;
        harness::wait::wait_until("the app to run as a new instance", AGAIN, || {
            let app = device.app(DOORBELL)?;
            Ok(app.state.runs() && app.generation > before.generation)
        })?;
        device.wait_status(DOORBELL, "2 presses")?;
        Ok(())
    })
}

#[test]
fn every_other_daemon_is_started_again() -> Result<()> {
    run("others-die", Options::test_image()?, |machine| {
        let device = machine.device()?;
        for name in ["network-manager", "app-services", "board-simulator", "device-api"] {
            let generation = device.service(name)?.generation;
            kill(machine, name)?;
            let service = device.wait_service(name, generation, AGAIN)?;
            ensure!(service.last_exit.is_some(), "{service:?}");
            device.wait_event(EventKind::ServiceExit, name)?;
        }
        ensure!(device.client().device()?.boot == 1, "the device rebooted");
        Ok(())
    })
}

#[test]
fn a_vital_daemon_that_dies_again_and_again_leads_to_safe_mode_where_the_api_still_answers() -> Result<()> {
    run("safe-mode", Options::test_image()?, |machine| {
        let device = machine.device()?;
        device.install(programs::doorbell(1)?.bundle()?)?;
        device.wait_app(DOORBELL, AppState::Running)?;
        // Three boots in a row that fail before they count as healthy.
        for _ in 0..6 {
            if machine.device()?.client().device()?.safe_mode {
                break;
            }
            machine.through_reboot(Duration::from_secs(120), |machine| kill(machine, "security-monitor"))?;
        }
        let device = machine.device()?;
        let info = device.client().device()?;
        ensure!(info.safe_mode, "after {} boots: {info:?}", info.boot);
        ensure!(!device.app(DOORBELL)?.state.runs(), "a customer's app runs in safe mode");
        device.wait_event(EventKind::SafeMode, "")?;
        Ok(())
    })
}
