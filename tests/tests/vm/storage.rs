//! An app's storage is encrypted with a key of its own, and gone for good with that key.

use anyhow::{Result, ensure};
use harness::{
    device::{DOORBELL, component},
    machine::{Machine, Options, run},
    programs,
};
use manifest::{api::AppState, places};
use serde_json::json;
use std::{fs, time::Duration};

#[test]
fn what_an_app_stores_stands_nowhere_on_the_disk_in_the_open() -> Result<()> {
    run("storage-encrypted", Options::test_image()?, |machine| {
        doorbell(machine)?;
        let inside = machine.inside();
        let (stored, control) = (token()?, token()?);
        // A file of some blocks among the app's, and the same where nothing is encrypted.
        inside.write(&format!("{}/{stored}", storage()), stored.repeat(300).as_bytes())?;
        inside.write(&format!("{}/{control}", places::SYSTEM), control.repeat(300).as_bytes())?;
        inside.sync()?;
        ensure!(inside.text(&format!("{}/{stored}", storage()))?.contains(&stored), "with the key it can be read");
        machine.device()?.client().power_off()?;
        machine.wait_off(Duration::from_secs(90))?;
        let disk = fs::read(machine.disk())?;
        ensure!(holds(&disk, &control), "the control is not found either: this test sees nothing");
        ensure!(!holds(&disk, &stored), "what the app stored can be read from the disk");
        Ok(())
    })
}

#[test]
fn without_its_key_storage_cannot_be_read_and_a_new_one_gets_a_new_key() -> Result<()> {
    run("storage-key", Options::test_image()?, |machine| {
        doorbell(machine)?;
        let inside = machine.inside();
        let secret = format!("{}/secret", storage());
        inside.write(&secret, b"kept")?;
        inside.sync()?;
        let salt = format!("{}/{DOORBELL}", places::STORAGE_KEYS);
        let before = inside.sha256(&salt)?;

        // An app that was stopped, and started again by another boot, reads what it wrote.
        machine.reboot()?;
        let device = machine.device()?;
        device.wait_app(DOORBELL, AppState::Running)?;
        ensure!(inside.text(&secret)? == "kept" && inside.sha256(&salt)? == before, "a reboot changed something");

        // The app ends first: a file that is open stays readable for who has it open.
        device.client().stop(&component(DOORBELL)?)?;
        device.wait_app(DOORBELL, AppState::Stopped)?;
        inside.ipc("security-monitor", &json!({ "drop-storage-key": { "component": DOORBELL } }))?;
        ensure!(inside.stat(&salt)?.is_none(), "the salt is still there");
        ensure!(inside.text(&secret).is_err(), "what was stored can be read without its key");
        let names: Vec<String> = inside.list(&storage())?.into_iter().map(|entry| entry.name).collect();
        ensure!(!names.is_empty() && !names.iter().any(|name| name == "secret"), "{names:?}");

        // Removal copes with storage that nobody can read any more, and what is installed then begins anew.
        device.client().remove(&component(DOORBELL)?)?;
        ensure!(inside.stat(&storage())?.is_none(), "the storage is still there");
        doorbell(machine)?;
        ensure!(inside.sha256(&salt)? != before, "the new storage has the old key");
        device.client().remove(&component(DOORBELL)?)?;
        for gone in [storage(), salt] {
            ensure!(inside.stat(&gone)?.is_none(), "{gone} is left after the removal");
        }
        Ok(())
    })
}

#[test]
fn storage_that_somebody_put_there_in_the_open_is_refused_until_the_app_is_removed() -> Result<()> {
    run("storage-open", Options::test_image()?, |machine| {
        let (device, inside) = (machine.device()?, machine.inside());
        // Only root inside, or who held the disk, can do that. The first app gets this user.
        inside.make_folder(&storage(), places::FIRST_APP_UID)?;
        let planted = format!("{}/planted", storage());
        inside.write(&planted, b"read me")?;
        device.install(programs::doorbell(1)?.bundle()?)?;
        let words = format!("the storage of {DOORBELL} is not encrypted; remove the app and install it again");
        device.wait_log(DOORBELL, &words)?;
        let app = device.app(DOORBELL)?;
        ensure!(!app.state.runs() && app.uid == places::FIRST_APP_UID, "{app:?}");

        device.client().remove(&component(DOORBELL)?)?;
        ensure!(inside.stat(&storage())?.is_none(), "the storage is still there");
        doorbell(machine)?;
        ensure!(inside.stat(&planted)?.is_none(), "what was planted is in the new storage");
        Ok(())
    })
}

/// The sample, installed and running: its storage is made.
fn doorbell(machine: &mut Machine) -> Result<()> {
    let device = machine.device()?;
    device.install(programs::doorbell(1)?.bundle()?)?;
    device.wait_app(DOORBELL, AppState::Running)?;
    ensure!(machine.inside().stat(&storage())?.is_some(), "it has no storage");
    Ok(())
}

fn storage() -> String {
    format!("{}/{DOORBELL}", places::STORAGE)
}

/// Words that stand nowhere else.
fn token() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().replace('-', ""))
}

/// Whether a sector begins so: a file's content begins with one.
fn holds(disk: &[u8], token: &str) -> bool {
    disk.chunks_exact(512).any(|sector| sector.starts_with(token.as_bytes()))
}
