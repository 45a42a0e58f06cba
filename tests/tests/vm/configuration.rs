//! An app's configuration: given by its owner, read by the app alone, kept encrypted.

use anyhow::{Result, ensure};
use harness::{
    device::{DOORBELL, component},
    machine::{Options, run},
    programs::{self, CONFIGURED},
};
use manifest::{api::ErrorClass, places};
use std::{fs, time::Duration};

#[test]
fn an_app_is_given_a_configuration_that_it_alone_can_read_and_is_told_of_a_change() -> Result<()> {
    run("configuration", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let id = component(CONFIGURED)?;
        device.install(programs::configured("notify", &[], 1)?.bundle()?)?;
        device.wait_log(CONFIGURED, "begins with: .")?;
        ensure!(device.client().config(&id)?.size.is_none(), "it has none yet");
        for refused in ["writes: EBADF", "opens for writing: EACCES", "opens for reading: EACCES"] {
            device.wait_log(CONFIGURED, refused)?;
        }
        let generation = device.app(CONFIGURED)?.generation;
        let secret = "door=front token=4711";
        ensure!(device.client().set_config(&id, secret.into())?.size == Some(21));
        device.wait_log(CONFIGURED, &format!("goes on with: {secret}."))?;
        ensure!(device.app(CONFIGURED)?.generation == generation, "it was started again");
        // The same once more is no change, and nobody is told.
        ensure!(device.client().set_config(&id, secret.into())?.size == Some(21));
        device.client().set_config(&id, b"first".to_vec())?;
        device.wait_log(CONFIGURED, "goes on with: first.")?;
        let told = device.app_log(CONFIGURED)?.iter().filter(|line| line.text.starts_with("goes on with: ")).count();
        ensure!(told == 2, "it was told {told} times of two changes");

        // An app-manager of another day cannot write what the app reads: the app is started again.
        let manager = machine.inside().daemon("app-manager")?;
        let before = device.service("app-manager")?.generation;
        machine.inside().kill(manager.pid, harness::inside::KILL)?;
        device.wait_service("app-manager", before, Duration::from_secs(60))?;
        device.client().set_config(&id, b"second".to_vec())?;
        device.wait_log(CONFIGURED, "begins with: second.")?;

        // A version that is started again by each change; a boot in between.
        device.install(programs::configured("restart", &[], 2)?.bundle()?)?;
        device.client().set_config(&id, b"third".to_vec())?;
        device.wait_log(CONFIGURED, "begins with: third.")?;
        let before = device.app(CONFIGURED)?;
        device.client().set_config(&id, b"third".to_vec())?;
        let after = device.app(CONFIGURED)?;
        ensure!((before.state, before.pid) == (after.state, after.pid), "before {before:?}, after {after:?}");
        machine.reboot()?;
        let device = machine.device()?;
        ensure!(device.client().config(&id)?.size == Some(5), "the reboot took it away");
        device.client().clear_config(&id)?;
        ensure!(device.client().config(&id)?.size.is_none());

        // Nothing of it is told anywhere, nor left on the disk in the open.
        device.client().set_config(&id, secret.repeat(100).into())?;
        machine.inside().sync()?;
        ensure!(machine.inside().list(places::CONFIG)?.len() == 1);
        device.client().remove(&id)?;
        ensure!(machine.inside().list(places::CONFIG)?.is_empty(), "the removal left it there");
        device.client().power_off()?;
        machine.wait_off(Duration::from_secs(90))?;
        let disk = fs::read(machine.disk())?;
        ensure!(!disk.chunks_exact(512).any(|sector| sector.starts_with(secret.as_bytes())), "it can be read from the disk");
        Ok(())
    })
}

#[test]
fn an_app_cannot_hold_up_who_tells_it_of_a_change() -> Result<()> {
    run("configuration-deaf", Options::test_image()?, |machine| {
        let device = machine.device()?;
        device.install(programs::configured("notify", &["deaf"], 1)?.bundle()?)?;
        device.wait_log(CONFIGURED, "waits: yes")?;
        for change in ["one", "two", "three"] {
            device.client().set_config(&component(CONFIGURED)?, change.into())?;
        }
        ensure!(device.service("app-manager")?.generation == 1, "app-manager was started again");
        Ok(())
    })
}

#[test]
fn an_app_that_asks_for_no_configuration_gets_none_and_its_owner_learns_which_line_is_missing() -> Result<()> {
    run("no-configuration", Options::test_image()?, |machine| {
        let device = machine.device()?;
        device.install(programs::doorbell(1)?.bundle()?)?;
        let refused = device.client().set_config(&component(DOORBELL)?, b"x".to_vec());
        let Err(api_client::ClientError::Refused { body, .. }) = refused else { anyhow::bail!("{refused:?}") };
        ensure!(body.class == ErrorClass::NotGranted && body.hint.is_some_and(|hint| hint.contains("\"Config\"")));
        let too_long = device.client().set_config(&component(DOORBELL)?, vec![b'x'; manifest::api::CONFIG_LIMIT + 1]);
        ensure!(matches!(too_long, Err(api_client::ClientError::Refused { status: 413, .. })), "{too_long:?}");
        Ok(())
    })
}
