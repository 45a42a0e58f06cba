//! `holdfast device support-bundle`: everything in it that helps, and nothing that must stay where it is.

use anyhow::{Context, Result, ensure};
use harness::{
    command::holdfast_with,
    image::keys_folder,
    machine::{Machine, Options, run},
    programs::{greedy, greedy_id},
};
use std::{collections::BTreeMap, fs, path::Path, process::Command};

const MONITOR: &str = "security-monitor";

#[test]
fn a_support_bundle_is_complete_and_holds_no_secret() -> Result<()> {
    run("support-bundle", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let id = greedy_id(1);
        device.install(greedy(1, &["idle"], 0)?.bundle()?)?;
        device.wait_log(&id, "nobody else")?;
        let files = bundle(machine)?;

        let mut expected: Vec<String> = [
            "device.json",
            "boot-trace.json",
            "network.json",
            "events.json",
            "dmesg.txt",
            "services.json",
            "apps.json",
            "crashes.json",
        ]
        .map(str::to_owned)
        .to_vec();
        // The monitor's own log is the kernel's. No problems.txt: nothing is missing.
        let others = device.services()?.into_iter().map(|service| service.name).filter(|name| name.as_str() != MONITOR);
        expected.extend(others.map(|name| format!("services/{name}.log")));
        expected.extend(["denials.json", "policy.json", "log.txt"].map(|name| format!("apps/{id}/{name}")));
        for name in &expected {
            ensure!(files.get(name).is_some_and(|bytes| !bytes.is_empty()), "{name} is missing or empty: {:?}", files.keys());
        }
        ensure!(files.len() == expected.len(), "{:?}", files.keys());
        let text = |name: &str| String::from_utf8_lossy(&files[name]).into_owned();
        ensure!(text("dmesg.txt").contains("Linux version"), "the kernel's log has no beginning");
        ensure!(text("events.json").contains("\"boot\""), "no event tells of the boot");
        ensure!(text(&format!("apps/{id}/log.txt")).contains("nobody else"), "the app's log is not in it");

        for (what, secret) in secrets(machine)? {
            for (name, bytes) in &files {
                ensure!(!contains(bytes, &secret), "{name} holds {what}");
            }
        }
        Ok(())
    })
}

/// Makes a bundle with the command and reads what is in it, by name.
fn bundle(machine: &Machine) -> Result<BTreeMap<String, Vec<u8>>> {
    let work = tempfile::tempdir()?;
    let path = work.path().join("support.tar");
    holdfast_with(machine, &["device", "support-bundle", "-o", path.to_str().context("no text")?])?;
    let status = Command::new("tar").arg("-C").arg(work.path()).arg("-xf").arg(&path).status().context("cannot run tar")?;
    ensure!(status.success(), "tar does not read it");
    let mut files = BTreeMap::new();
    read(&work.path().join("support"), "", &mut files)?;
    Ok(files)
}

fn read(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// What only the device or its owner may know: the key of its API, the seed of its random numbers, the owner's keys.
fn secrets(machine: &Machine) -> Result<Vec<(String, Vec<u8>)>> {
    let inside = machine.inside();
    let mut secrets = vec![("the random seed".to_owned(), start(&inside.bytes("/data/system/random-seed")?)?)];
    secrets.push(("the device's key".to_owned(), key_line(&inside.text("/data/api/server.pem")?)?));
    for entry in fs::read_dir(keys_folder())? {
        let path = entry?.path();
        let bytes = fs::read(&path)?;
        if path.extension().is_some_and(|extension| extension == "key") {
            let line = key_line(&String::from_utf8_lossy(&bytes)).or_else(|_| start(&bytes))?;
            secrets.push((path.display().to_string(), line));
        }
    }
    ensure!(secrets.len() > 4, "only {} secrets are known", secrets.len());
    Ok(secrets)
}

/// The first line of a private key in PEM.
fn key_line(pem: &str) -> Result<Vec<u8>> {
    let (_, after) = pem.split_once("PRIVATE KEY-----\n").context("no private key")?;
    // The first one tells the algorithm, and keys share it; the second is the key's own.
    let line = after.lines().take_while(|line| !line.starts_with('-')).max_by_key(|line| line.len()).context("an empty key")?;
    start(line.get(line.len() / 2..).unwrap_or(line).as_bytes())
}

/// Enough of it to be found nowhere by chance.
fn start(bytes: &[u8]) -> Result<Vec<u8>> {
    bytes.get(..16).map(<[u8]>::to_vec).context("a secret of less than 16 bytes")
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_secret_in_a_file_is_found() {
    assert!(contains(b"log: 0123456789abcdef.", b"0123456789abcdef"));
    assert!(!contains(b"log: 0123456789abcde.", b"0123456789abcdef"));
}
