//! Refused calls: what whoever wrote the app is told, and what an app can do with a flood of them.

use anyhow::{Context, Result, ensure};
use harness::{
    command::holdfast_with,
    device::{APP, Device, component},
    inside::KILL,
    machine::{Options, run},
    programs::{greedy, greedy_id},
    wait::wait_until,
};
use manifest::api::{AppState, DeniedCall, EventKind};
use std::time::{Duration, Instant};

#[test]
fn a_refused_call_is_told_with_the_line_of_the_manifest_that_is_missing() -> Result<()> {
    run("refused-call", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let id = greedy_id(1);
        device.install(greedy(1, &["network"], 0)?.bundle()?)?;
        device.wait_log(&id, "no socket: Address family not supported by protocol")?;

        let socket = denied(&device, &id, "socket")?;
        ensure!(socket.missing.as_deref() == Some(r#""Capabilities": { "AllowedConnections": ["HOST"] }"#), "{socket:?}");
        ensure!(socket.arguments == ["0x2", "0x1", "0x0"] && socket.errno == "EAFNOSUPPORT", "{socket:?}");
        ensure!(socket.reason.contains("network rights come with a later release"), "{socket:?}");
        ensure!((socket.count, socket.generation) == (1, 1) && socket.thread > 1 && socket.last_ms > 0, "{socket:?}");
        device.wait_log(&id, r#"refused: socket(0x2, 0x1, 0x0) failed with EAFNOSUPPORT; missing: "Capabilities": "#)?;
        let event = device.wait_event(EventKind::CallRefused, "socket(0x2, 0x1, 0x0)")?;
        ensure!(event.subject == id, "{event:?}");
        // Nothing else was refused to a program in C that does nothing else.
        let denials = device.client().denials(&component(&id)?)?;
        ensure!(denials.calls.len() == 1 && denials.unrecorded == 0, "{denials:?}");
        ensure!(
            denials.paths.iter().any(|path| path.starts_with("/data: not there") && path.contains("MutableStorage")),
            "{denials:?}"
        );

        device.client().restart(&component(&id)?)?;
        wait_until("the next start to be refused it too", APP, || Ok(denied(&device, &id, "socket")?.count == 2))?;
        ensure!(denied(&device, &id, "socket")?.generation == 2);
        holdfast_with(machine, &["app", "why", "greedy"])?;
        Ok(())
    })
}

#[test]
fn a_flood_of_refused_calls_holds_up_its_app_alone_and_outlives_app_manager() -> Result<()> {
    run("flood-of-calls", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let (flood, other) = (greedy_id(1), greedy_id(2));
        device.install(greedy(1, &["calls"], 0)?.bundle()?)?;
        device.wait_log(&flood, "refused 100 times")?;
        device.install(greedy(2, &["network"], 0)?.bundle()?)?;
        device.wait_log(&other, "no socket")?;
        ensure!(denied(&device, &other, "socket")?.missing.is_some());
        for _ in 0..10 {
            let asked = Instant::now();
            device.apps()?;
            ensure!(asked.elapsed() < PROMPTLY, "the device took {:?} to answer", asked.elapsed());
        }
        let before = device.wait_app(&flood, AppState::Running)?;
        is_bounded(&device, &flood)?;

        // More than once: it may die in the middle of an answer, or between two.
        for _ in 0..2 {
            let generation = device.service("app-manager")?.generation;
            machine.inside().kill(machine.inside().daemon("app-manager")?.pid, KILL)?;
            device.wait_service("app-manager", generation, AGAIN)?;
            let after = device.wait_app(&flood, AppState::Running)?;
            ensure!((after.pid, after.generation) == (before.pid, before.generation), "before {before:?}, after {after:?}");
            let kept = denied(&device, &flood, "chroot")?.count;
            wait_until("all four processes to be refused on", APP, || Ok(denied(&device, &flood, "chroot")?.count > kept + 400))?;
        }
        is_bounded(&device, &flood)?;
        let log = device.app_log(&flood)?;
        ensure!(!log.iter().any(|line| line.text.contains("odd")), "a call failed in another way: {log:?}");
        ensure!(log.iter().filter(|line| line.text.starts_with("refused: ")).count() == 1, "{log:?}");

        device.client().stop(&component(&flood)?)?;
        device.wait_app(&flood, AppState::Stopped)?;
        for service in device.started_services()? {
            ensure!(service.name.as_str() == "app-manager" || service.generation == 1, "{service:?}");
        }
        Ok(())
    })
}

/// Longest answer of a device that nobody holds up, on a slow machine.
const PROMPTLY: Duration = Duration::from_secs(5);
/// From app-manager's death to its next READY: back-off begins at a second.
const AGAIN: Duration = Duration::from_secs(40);

fn denied(device: &Device, id: &str, call: &str) -> Result<DeniedCall> {
    let denials = device.client().denials(&component(id)?)?;
    let found = denials.calls.iter().find(|denied| denied.call == call).cloned();
    found.with_context(|| format!("no {call} among {denials:?}"))
}

/// One kind of call is one record, however often it was made.
fn is_bounded(device: &Device, id: &str) -> Result<()> {
    let denials = device.client().denials(&component(id)?)?;
    ensure!(denials.calls.len() == 1 && denials.unrecorded == 0, "{denials:?}");
    ensure!(denials.calls.first().is_some_and(|chroot| chroot.missing.is_none()), "{denials:?}");
    Ok(())
}
