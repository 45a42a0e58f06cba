//! Negative controls: what the other tests rest on, seen to fail when it is taken away.

use anyhow::{Context, Result, ensure};
use harness::{
    image,
    machine::{Options, run},
    programs,
    workspace::top,
};
use serde_json::json;
use std::{fs, process::Command};

#[test]
fn daemons_built_without_confinement_can_do_what_the_test_of_confinement_forbids() -> Result<()> {
    let work = tempfile::tempdir()?;
    let image = image::variant(work.path(), "qemu-test.json", |d| d["confined"] = json!(false))?;
    run("unconfined", Options { image, ..Options::test_image()? }, |machine| {
        let device = machine.device()?;
        device.client().crashes()?;
        for daemon in [
            "crash-reporter",
            "security-monitor",
            "app-manager",
            "network-manager",
            "app-services",
            "device-api",
            "board-simulator",
        ] {
            let line = device.confinement_probe(daemon)?;
            for act in ["open POSSIBLE", "connect POSSIBLE", "exec POSSIBLE"] {
                ensure!(line.contains(act), "{daemon}, built without confinement: {line}");
            }
        }
        Ok(())
    })
}

/// Runs `./run --exit` with these arguments; whether it succeeded, and what it said.
fn run_script(arguments: &[&str]) -> Result<(bool, String)> {
    let output = Command::new("./run")
        .args(["--yes", "--exit"])
        .args(arguments)
        .current_dir(top())
        .output()
        .context("cannot run ./run")?;
    let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), words))
}

#[test]
fn the_run_command_succeeds_as_it_is() -> Result<()> {
    let (good, words) = run_script(&[])?;
    ensure!(good && words.contains("The count survived the reboot: 3 presses."), "{words}");
    Ok(())
}

#[test]
fn the_run_command_fails_when_the_bundle_is_unsigned() -> Result<()> {
    let work = tempfile::tempdir()?;
    let parts = programs::doorbell(1)?;
    let mut envelope = parts.envelope(&harness::forge::our_key()?)?;
    envelope.signatures.clear();
    let path = work.path().join("unsigned.bundle");
    fs::write(&path, harness::forge::joined(&parts.image, &serde_json::to_vec(&envelope)?)?)?;
    let (good, words) = run_script(&["--bundle", &path.display().to_string()])?;
    ensure!(!good && words.to_lowercase().contains("signature"), "{words}");
    Ok(())
}

#[test]
fn the_run_command_fails_when_the_board_has_no_button() -> Result<()> {
    let work = tempfile::tempdir()?;
    let path = image::changed(work.path(), "qemu.json", |d| d["board"] = json!("qemu-q35-without-button"))?;
    let (good, words) = run_script(&["--description", &path.display().to_string()])?;
    ensure!(!good && words.contains("DOORBELL_BUTTON"), "{words}");
    Ok(())
}

#[test]
fn the_run_command_fails_when_the_monitor_is_absent() -> Result<()> {
    let work = tempfile::tempdir()?;
    let path = image::changed(work.path(), "qemu.json", |d| {
        if let Some(services) = d["services"].as_array_mut() {
            services.retain(|service| service != "security-monitor");
        }
    })?;
    let (good, words) = run_script(&["--description", &path.display().to_string()])?;
    ensure!(!good && words.contains("security-monitor"), "{words}");
    Ok(())
}
