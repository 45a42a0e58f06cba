//! The attack suite: each attack as an app on a device, and on the attack kernel with layers of the sandbox left out.
//! tests/escape/README.md says what the arms are for; docs/attacks.md is the table.

use anyhow::{Context, Result, ensure};
use harness::{
    attacks::{self, Arm, Processes, Rows, Table},
    device::{Device, component},
    image,
    machine::{Options, run},
    programs::{self, ATTACKS, static_program},
};
use std::{fs, path::Path};

#[test]
fn every_attack_by_an_app_on_a_device_is_refused_with_the_errno_of_its_layer() -> Result<()> {
    let table = attacks::table()?;
    let token = token()?;
    // Audit's records of kills by the filter reach the console as they should.
    let options = Options::test_image()?.expecting(&["type=1326"]);
    run("attacks", options, |machine| {
        let device = machine.device()?;
        machine.inside().write("/run/canary", token.as_bytes())?;
        let outsider = machine.inside().daemon("device-api")?.pid.to_string();
        let mut rows = Rows::new();
        for (processes, kind) in [("fork", Processes::Fork), ("exec", Processes::Exec)] {
            device.install(programs::attacks(processes, &["attack", &token, &outsider])?.bundle()?)?;
            let log = attacks::wait_for_line(&format!("attacks are done {token}"), || device.app_log(ATTACKS))?;
            let seen = attacks::rows_of_log(log.iter().map(|line| line.text.as_str()), &token);
            rows.extend(seen.into_iter().filter(|((name, _), _)| processes_of(&table, name) == Some(kind)));
            device.client().remove(&component(ATTACKS)?)?;
        }
        keep_rows("attacks-device.tsv", &rows)?;
        // Who builds the image as an ordinary user cannot put a device node into it.
        let packed = |name: &str| name != "device-node-of-image" || rustix::process::geteuid().is_root();
        let table = table.iter().map(|(group, attacks)| {
            (group.clone(), attacks.iter().filter(|(name, _)| packed(name)).map(|(n, a)| (n.clone(), a.clone())).collect())
        });
        attacks::judge(&table.collect(), &rows, &[Arm::Device])?;
        is_well(&device)
    })
}

#[test]
fn every_attack_works_without_its_layers_and_fails_with_the_second_alone() -> Result<()> {
    let table = attacks::table()?;
    let rows = attacks::run_arms(&table, &token()?)?;
    keep_rows("attacks-arms.tsv", &rows)?;
    attacks::judge(&table, &rows, &Arm::LEFT_OUT)
}

/// `HOLDFAST_RANDOM_SECONDS=600` for the long form; `HOLDFAST_RANDOM_SEED` repeats a run.
#[test]
fn calls_at_random_neither_lead_out_of_the_sandbox_nor_harm_the_device() -> Result<()> {
    let token = token()?;
    let set = |name, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    let seconds = set("HOLDFAST_RANDOM_SECONDS", "20");
    let seed = set("HOLDFAST_RANDOM_SEED", &u32::from_str_radix(token.get(..8).unwrap_or("0"), 16)?.to_string());
    run("random-calls", Options::test_image()?.expecting(&["type=1326"]), |machine| {
        let device = machine.device()?;
        machine.inside().write("/run/canary", token.as_bytes())?;
        let bundle = programs::attacks("fork", &["random", &token, &seed, &seconds])?.bundle()?;
        device.install(bundle)?;
        let log = attacks::wait_for_line(&format!("random calls are done {token}"), || device.app_log(ATTACKS));
        let log = log.with_context(|| format!("with seed {seed}"))?;
        ensure!(!log.iter().any(|line| line.text.contains("ESCAPED")), "seed {seed}: {log:?}");
        is_well(&device)
    })
}

#[test]
fn no_program_of_an_image_can_leave_a_layer_out() -> Result<()> {
    let carries_mark =
        |path: &Path| -> Result<bool> { Ok(fs::read(path)?.windows(MARK.len()).any(|bytes| bytes == MARK.as_bytes())) };
    ensure!(carries_mark(&static_program("attack-arms", &["attack-arms"])?)?, "the mark is not where it should be");
    for image in [image::product()?, image::test()?, image::attack()?] {
        let mut programs = 0;
        for entry in fs::read_dir(image.programs())? {
            let path = entry?.path();
            ensure!(!carries_mark(&path)?, "{} is built with the feature attack-arms", path.display());
            programs += 1;
        }
        ensure!(programs > 4, "{} holds {programs} programs", image.programs().display());
    }
    Ok(())
}

/// The device answers, and no daemon of it has ended.
pub fn is_well(device: &Device) -> Result<()> {
    device.client().device()?;
    let services = device.started_services()?;
    ensure!(services.iter().all(|service| service.last_exit.is_none()), "{services:?}");
    Ok(())
}

/// Of sandbox/src/arms.rs.
const MARK: &str = "holdfast-attack-arms: layers of the sandbox can be left out";

fn processes_of(table: &Table, name: &str) -> Option<Processes> {
    table.values().find_map(|attacks| attacks.get(name)).map(|attack| attack.processes)
}

/// Another one in each run, so that a row cannot be an old one.
fn token() -> Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    Ok(id.trim().replace('-', ""))
}

fn keep_rows(name: &str, rows: &Rows) -> Result<()> {
    let line = |((attack, arm), outcome): (&(String, Arm), &String)| format!("{attack}\t{}\t{outcome}\n", arm.name());
    attacks::keep(name, &rows.iter().map(line).collect::<String>())
}
