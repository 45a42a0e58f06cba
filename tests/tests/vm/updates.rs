//! A new version that does not get ready, two that come at once, a downgrade on purpose, a watchdog that is late.

use anyhow::{Context, Result, anyhow, ensure};
use harness::{
    device::{APP, Device, component},
    machine::{Options, run},
    programs::{small, small_id},
    wait::wait_for,
};
use manifest::{
    api::{AppState, AppStatus, Downgrade, ErrorClass, EventKind, When},
    places,
};
use serde_json::json;
use std::{io::Cursor, thread};

/// Waits until the version is back that was there before `failed`.
fn returned(device: &Device, id: &str, failed: u64, to: u64) -> Result<AppStatus> {
    let app = wait_for(format_args!("version {to} to be back"), APP, || {
        let app = device.app(id)?;
        Ok((app.version == to && app.state == AppState::Ready).then_some(app))
    })?;
    ensure!(app.failed_update.as_ref().is_some_and(|update| update.version == failed), "{app:?}");
    ensure!(app.returns_to.is_none(), "{app:?}");
    let words = format!("version {failed} did not get ready");
    device.wait_log(id, &words)?;
    device.wait_event(EventKind::UpdateFailed, &words)?;
    Ok(app)
}

#[test]
fn a_version_that_does_not_get_ready_gives_way_to_the_one_before_and_a_newer_one_is_taken() -> Result<()> {
    run("update-returns", Options::test_image()?, |machine| {
        let (device, id) = (machine.device()?, small_id(1));
        let install = |version, what, holdfast| device.install(small(1, version, what, &holdfast)?.bundle()?);
        install(1, "ready", json!({}))?;
        device.wait_app(&id, AppState::Ready)?;

        // It says nothing.
        let installed = install(2, "mute", json!({ "ReadyTimeout": 3 }))?;
        ensure!(installed.app.state == AppState::Updating && installed.app.returns_to == Some(1), "{installed:?}");
        let app = returned(&device, &id, 2, 1)?;
        let why = app.failed_update.map(|update| update.why).unwrap_or_default();
        ensure!(why == "killed: it did not say READY=1 in time", "{why}");

        // It crashes, and wants no restart.
        install(3, "crash", json!({ "Restart": "never" }))?;
        let app = returned(&device, &id, 3, 1)?;
        ensure!(app.failed_update.is_some_and(|update| update.why == "exited with status 1"));

        // It crashes until its budget is spent.
        install(4, "crash", json!({ "BackOff": { "First": "100ms", "GiveUpAfter": 3 } }))?;
        returned(&device, &id, 4, 1)?;

        // It loops: still it can be updated, and what was good before it comes back, not what looped.
        install(5, "crash", json!({}))?;
        wait_for("a loop", APP, || Ok((device.app(&id)?.failures >= 2).then_some(())))?;
        let installed = install(6, "mute", json!({ "ReadyTimeout": 3 }))?;
        ensure!(installed.app.returns_to == Some(1), "{installed:?}");
        returned(&device, &id, 6, 1)?;

        // The device remembers over a reboot, and a good version ends the matter.
        machine.reboot()?;
        let device = machine.device()?;
        let app = device.wait_app(&id, AppState::Ready)?;
        ensure!(app.version == 1 && app.failed_update.is_some_and(|update| update.version == 6));
        device.install(small(1, 7, "ready", &json!({}))?.bundle()?)?;
        let app = device.wait_app(&id, AppState::Ready)?;
        ensure!(app.version == 7 && app.failed_update.is_none() && app.returns_to.is_none(), "{app:?}");
        Ok(())
    })
}

#[test]
fn of_two_installations_of_one_app_at_once_the_newest_that_was_taken_stays_whole() -> Result<()> {
    run("update-twice", Options::test_image()?, |machine| {
        let (device, id) = (machine.device()?, small_id(1));
        let devices = [machine.device()?, machine.device()?];
        for versions in [[1, 2], [3, 4], [5, 6], [7, 8], [9, 9]] {
            let newest = at_once(&devices, versions)?;
            let app = device.wait_app(&id, AppState::Ready)?;
            ensure!(app.version == newest && app.failed_update.is_none(), "{newest} was taken: {app:?}");
            ensure!(app.status == Some(format!("version {newest}")), "{app:?}");
        }
        let folder = format!("{}/{id}", places::APPS);
        let left: Vec<String> = machine.inside().list(&folder)?.into_iter().map(|entry| entry.name).collect();
        ensure!(left == ["current", "previous"], "{left:?}");
        Ok(())
    })
}

/// Installs two versions of the small app at the same time; returns the newest that the device took. It takes one at least, and may
/// tell the other to wait, or that it is older by now.
fn at_once(devices: &[Device; 2], versions: [u64; 2]) -> Result<u64> {
    let mut bundles = Vec::new();
    for version in versions {
        bundles.push(small(1, version, "ready", &json!({}))?.bundle()?);
    }
    let results = thread::scope(|scope| {
        let asked: Vec<_> =
            devices.iter().zip(bundles).map(|(device, bundle)| scope.spawn(|| device.try_install(bundle))).collect();
        asked
            .into_iter()
            .map(|asked| asked.join().map_err(|_| anyhow!("a request ended in a panic"))?)
            .collect::<Result<Vec<_>>>()
    })?;
    let others = results.iter().filter_map(|result| result.as_ref().err());
    ensure!(others.clone().all(|refusal| refusal.class == ErrorClass::Conflict), "{:?}", others.collect::<Vec<_>>());
    let taken = versions.into_iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(version, _)| version).max();
    taken.context("the device took neither")
}

#[test]
fn an_older_version_is_installed_on_purpose_where_the_image_lets_the_role() -> Result<()> {
    run("downgrade", Options::test_image()?, |machine| {
        let (device, id) = (machine.device()?, small_id(1));
        for version in [2, 3] {
            device.install(small(1, version, "ready", &json!({}))?.bundle()?)?;
            device.wait_app(&id, AppState::Ready)?;
        }
        let old = small(1, 1, "ready", &json!({}))?.bundle()?;
        let refusal = device.try_install(old.clone())?.err().context("version 1 replaced version 3 silently")?;
        ensure!(refusal.class == ErrorClass::Conflict && refusal.hint.is_some_and(|h| h.contains("--allow-downgrade")));
        let installed = device.client().install_with(
            Downgrade::Allowed,
            When::Convenient,
            Cursor::new(old.clone()),
            old.len() as u64,
            |_| {},
        )?;
        ensure!(installed.replaced == Some(3), "{installed:?}");
        let app = device.wait_app(&id, AppState::Ready)?;
        ensure!(app.version == 1, "{app:?}");
        // From here on versions rise again.
        device.install(small(1, 2, "ready", &json!({}))?.bundle()?)?;
        ensure!(device.wait_app(&id, AppState::Ready)?.version == 2);
        Ok(())
    })
}

#[test]
fn a_late_watchdog_is_shown_before_it_kills() -> Result<()> {
    run("watchdog", Options::test_image()?, |machine| {
        let (device, id) = (machine.device()?, small_id(1));
        device.install(small(1, 1, "silent", &json!({ "Watchdog": 5 }))?.bundle()?)?;
        let first = device.wait_app(&id, AppState::Ready)?;
        let late = device.wait_app(&id, AppState::Degraded)?;
        ensure!(late.pid == first.pid && late.generation == first.generation, "{late:?}");
        let again = wait_for("the app to be started again", APP, || {
            let app = device.app(&id)?;
            Ok((app.generation > first.generation && app.last_exit.is_some()).then_some(app))
        })?;
        ensure!(again.last_exit.as_deref() == Some("killed: its watchdog was late twice"), "{again:?}");
        device.client().stop(&component(&id)?)?;
        device.wait_app(&id, AppState::Stopped)?;
        Ok(())
    })
}
