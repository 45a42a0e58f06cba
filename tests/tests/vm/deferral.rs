//! Updates that apps put off: told, put off, let come, wanted at once; and what deaths and a power cut leave of them.

use anyhow::{Context, Result, ensure};
use harness::{
    device::{APP, Device, component},
    disk::Disk,
    inside::KILL,
    machine::{Options, run, run_from_off},
    programs::{asking, asking_id, small, small_id},
    wait::wait_for,
};
use manifest::{
    api::{AppState, AppStatus, Downgrade, InstallResult, When},
    services::{PutOff, Reply, UpdateState, Updates},
};
use serde_json::json;
use std::{io::Cursor, time::Duration};

/// As long as the test image lets apps put an update off, in seconds.
const LIMIT: u64 = 40;
/// The app that puts updates off.
const KEEPER: u32 = 1;
/// The app that is updated.
const UPDATED: u32 = 1;
const READY: &str = r#"updates:"ready""#;
const DEFERRED: &str = r#"updates:"deferred""#;
const ASKED: &str = r#"{"updates":{"seen":0}}"#;
const NONE: &str = r#"updates:"updates":[]"#;

fn put_off(seconds: u32) -> String {
    format!(r#"{{"put-off-update":{{"app":"{}","seconds":{seconds}}}}}"#, small_id(UPDATED))
}

fn allow() -> String {
    format!(r#"{{"allow-update":{{"app":"{}"}}}}"#, small_id(UPDATED))
}

/// Installs the first version of the app, and one that is told of updates and does these steps.
fn prepare(device: &Device, steps: &[&str]) -> Result<()> {
    device.install(version(1)?)?;
    device.wait_app(&small_id(UPDATED), AppState::Ready)?;
    let rights = json!({ "SystemEventNotifications": true, "SoftwareUpdateDeferral": true });
    device.install(asking(KEEPER, &rights, steps)?.bundle()?)?;
    device.wait_log(&asking_id(KEEPER), "updates -> ").map(drop)
}

fn version(version: u64) -> Result<Vec<u8>> {
    // With a peripheral it waits at a start until the other apps are judged, which may have it.
    small(UPDATED, version, "ready", &json!({ "Led": ["$STATUS_LED"] }))?.bundle()
}

/// Sends a version, which must come to wait for the keeper.
fn send(device: &Device, number: u64) -> Result<AppStatus> {
    let InstallResult { app, replaced } = device.install(version(number)?)?;
    let waiting = app.waiting_update.as_ref().with_context(|| format!("version {number} does not wait: {app:?}"))?;
    ensure!(waiting.version == number && waiting.seconds <= LIMIT && replaced.is_none(), "{app:?}");
    ensure!(waiting.put_off_by == Some(component(&asking_id(KEEPER))?), "{app:?}");
    ensure!(app.version < number && app.state == AppState::Ready, "{app:?}");
    Ok(app)
}

fn wait_version(device: &Device, number: u64, limit: Duration) -> Result<AppStatus> {
    wait_for(format!("version {number}"), limit, || {
        let app = device.app(&small_id(UPDATED))?;
        let there = app.version == number && app.state == AppState::Ready && app.waiting_update.is_none();
        Ok(there.then_some(app))
    })
}

/// What the app was told of updates, oldest first.
fn told(device: &Device, id: &str) -> Result<Vec<Updates>> {
    let log = device.app_log(id)?;
    let replies = log.iter().filter_map(|line| line.text.strip_prefix("updates -> "));
    let told = replies.map(|text| match serde_json::from_str(text)? {
        Reply::Ok(updates) => Ok(updates),
        Reply::Error(body) => anyhow::bail!("{body:?}"),
    });
    told.collect()
}

/// What an app was answered to a request.
fn answer(device: &Device, id: &str, request: &str) -> Result<String> {
    let line = device.wait_log(id, &format!("{request} -> "))?;
    Ok(line.text.rsplit(" -> ").next().unwrap_or_default().to_owned())
}

#[test]
fn an_app_puts_an_update_off_until_it_lets_it_come_and_hears_each_step() -> Result<()> {
    run("deferral", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let (keeper, listener) = (asking_id(KEEPER), asking_id(2));
        prepare(&device, &[NONE, READY, &put_off(3600), DEFERRED, "sleep:5", &allow(), NONE])?;
        // Another one is told too, and may not put anything off.
        let rights = json!({ "SystemEventNotifications": true });
        device.install(asking(2, &rights, &[NONE, READY, &put_off(5), &allow()])?.bundle()?)?;
        device.wait_log(&listener, "updates -> ")?;
        // One without either right is not asked: it would have to be waited for.
        device.install(asking(3, &json!({ "HeapMemStats": true }), &[ASKED])?.bundle()?)?;

        send(&device, 2)?;
        let answered: Reply<PutOff> = serde_json::from_str(&answer(&device, &keeper, &put_off(3600))?)?;
        ensure!(matches!(answered, Reply::Ok(PutOff { seconds }) if (1..=LIMIT).contains(&seconds)), "{answered:?}");
        let refused = answer(&device, &listener, &put_off(5))?;
        ensure!(refused.contains(r#"\"SoftwareUpdateDeferral\": true"#), "{refused}");
        ensure!(answer(&device, &listener, &allow())? == r#"{"ok":{"seconds":0}}"#);
        let refused = answer(&device, &asking_id(3), ASKED)?;
        ensure!(refused.contains(r#"\"SystemEventNotifications\": true"#), "{refused}");

        device.wait_log(&keeper, &format!("{} -> ", allow()))?;
        wait_version(&device, 2, APP)?;
        device.wait_log(&keeper, "all was asked")?;
        let told = told(&device, &keeper)?;
        ensure!(told.windows(2).all(|two| two[0].serial < two[1].serial), "{told:?}");
        let states: Vec<UpdateState> = told.iter().flat_map(|updates| &updates.updates).map(|update| update.state).collect();
        let steps: Vec<UpdateState> = states.iter().copied().filter(|state| *state != UpdateState::Started).collect();
        ensure!(steps.starts_with(&[UpdateState::Ready]) && steps.ends_with(&[UpdateState::Deferred]), "{states:?}");
        ensure!(told.iter().flat_map(|updates| &updates.updates).all(|update| (update.from, update.to) == (1, 2)), "{told:?}");
        Ok(())
    })
}

#[test]
fn a_put_off_update_comes_when_its_time_is_over_an_operator_wants_it_or_the_app_ends() -> Result<()> {
    run("deferral-ends", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let id = component(&small_id(UPDATED))?;
        let off = put_off(u32::MAX);
        prepare(&device, &[NONE, READY, &off, NONE, READY, &off, NONE, READY, &off, DEFERRED, READY, &off, NONE])?;
        let none = device.client().update_now(&id).expect_err("nothing waits").to_string();
        ensure!(none.contains("no update"), "{none}");

        let before = send(&device, 2)?;
        wait_version(&device, 2, Duration::from_secs(LIMIT) + APP)?;
        ensure!(before.version == 1);
        send(&device, 3)?;
        let updated = device.client().update_now(&id)?;
        ensure!((updated.app.version, updated.replaced) == (3, Some(2)), "{updated:?}");
        let bundle = version(4)?;
        let size = bundle.len() as u64;
        let updated = device.client().install_with(Downgrade::Refused, When::Now, Cursor::new(bundle), size, |_| {})?;
        ensure!((updated.app.version, updated.app.waiting_update) == (4, None));
        wait_version(&device, 4, APP)?;
        // A newer one takes the place of one that waits.
        send(&device, 5)?;
        let newer = device.install(version(6)?)?;
        ensure!(newer.app.waiting_update.is_some_and(|waiting| waiting.version == 6));
        let keeper = device.app(&asking_id(KEEPER))?.pid.context("the keeper does not run")?;
        machine.inside().kill(keeper, KILL)?;
        wait_version(&device, 6, APP).map(drop)
    })
}

#[test]
fn an_update_that_waits_outlives_app_manager_and_comes_after_a_power_cut_before_its_app_starts() -> Result<()> {
    let mut options = Options::test_image()?;
    // One processor leaves the other to nbdkit and the test.
    options.processors = 1;
    run_from_off("deferral-cut", options, |machine| {
        let mut disk = Disk::serve(machine)?;
        machine.power_on()?;
        machine.wait_ready()?;
        let device = machine.device()?;
        prepare(&device, &[NONE, READY, &put_off(3600)])?;
        let before = send(&device, 2)?;
        let generation = device.service("app-manager")?.generation;
        machine.inside().kill(machine.inside().daemon("app-manager")?.pid, KILL)?;
        device.wait_service("app-manager", generation, APP)?;
        let after = device.wait_app(&small_id(UPDATED), AppState::Ready)?;
        ensure!((after.version, after.pid) == (1, before.pid), "{after:?}");
        let waiting = after.waiting_update.as_ref().with_context(|| format!("it waits no more: {after:?}"))?;
        ensure!((1..=LIMIT).contains(&waiting.seconds) && waiting.version == 2, "{waiting:?}");
        ensure!(waiting.put_off_by == Some(component(&asking_id(KEEPER))?), "{waiting:?}");

        disk.cut(machine)?;
        let disk = Disk::serve(machine)?;
        machine.power_on()?;
        machine.wait_ready()?;
        let device = machine.device()?;
        let app = wait_version(&device, 2, APP)?;
        ensure!(app.generation == 1, "another version ran before it in this boot: {app:?}");
        let folder = format!("/data/apps/{}", small_id(UPDATED));
        let names: Vec<String> = machine.inside().list(&folder)?.into_iter().map(|entry| entry.name).collect();
        ensure!(!names.iter().any(|name| name == "waiting"), "{names:?}");
        device.client().power_off()?;
        machine.wait_off(Duration::from_secs(90))?;
        disk.end_in_order()
    })
}
