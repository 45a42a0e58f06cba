//! An app's whole life, and what an app can reach.

use anyhow::{Context, Result, ensure};
use harness::programs::{self, DOORBELL_C, HOSTILE, small, small_id};
use harness::{
    buttons,
    device::{DOORBELL, component},
    machine::{Machine, Options, run},
    wait::wait_for,
};
use manifest::{
    api::{AppState, EventKind},
    places::READY_DEVICES,
};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

#[test]
fn a_doorbell_is_deployed_rings_restarts_and_counts_on_after_a_reboot() -> Result<()> {
    run("doorbell", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let installed = device.install(programs::doorbell(1)?.bundle()?)?;
        ensure!(installed.replaced.is_none() && installed.app.component_id.as_str() == DOORBELL, "{installed:?}");
        device.wait_app(DOORBELL, AppState::Running)?;
        device.wait_log(DOORBELL, "doorbell counts from 0")?;

        machine.buttons().press_times(buttons::DOORBELL, 3)?;
        device.wait_log(DOORBELL, "ALERT doorbell rang: press 3, level 3")?;
        device.wait_status(DOORBELL, "3 presses")?;

        let before = device.app(DOORBELL)?;
        device.client().restart(&harness::device::component(DOORBELL)?)?;
        let again = device.wait_log(DOORBELL, "doorbell counts from 3")?;
        ensure!(again.sequence > 0);
        let after = device.wait_app(DOORBELL, AppState::Running)?;
        ensure!(after.generation > before.generation && after.uid == before.uid, "{before:?} {after:?}");

        machine.buttons().press(buttons::DOORBELL)?;
        device.wait_status(DOORBELL, "4 presses")?;
        machine.reboot()?;
        let device = machine.device()?;
        let app = device.wait_app(DOORBELL, AppState::Running)?;
        ensure!(app.uid == before.uid, "the uid changed from {} to {}", before.uid, app.uid);
        device.wait_status(DOORBELL, "4 presses")?;
        // The log is kept over the reboot.
        device.wait_log(DOORBELL, "press 3, level 3")?;
        ensure!(device.client().device()?.boot == 2);
        Ok(())
    })
}

#[test]
fn a_device_with_64_mib_of_memory_runs_the_doorbell() -> Result<()> {
    let options = Options { memory_mib: 64, ..Options::test_image()? };
    run("little-memory", options, |machine| {
        let device = machine.device()?;
        device.install(programs::doorbell(1)?.bundle()?)?;
        device.wait_app(DOORBELL, AppState::Running)?;
        machine.buttons().press(buttons::DOORBELL)?;
        device.wait_status(DOORBELL, "1 press")?;
        Ok(())
    })
}

#[test]
fn an_app_runs_as_its_own_user_without_capabilities_in_namespaces_of_its_own_behind_a_filter() -> Result<()> {
    run("app-process", Options::test_image()?, |machine| {
        let device = machine.device()?;
        device.install(programs::doorbell(1)?.bundle()?)?;
        let app = device.wait_app(DOORBELL, AppState::Running)?;
        let inside = machine.inside();
        let processes = inside.processes()?;
        let init = processes.iter().find(|p| p.pid == 1).context("no PID 1")?;
        let process = processes.iter().find(|p| Some(p.pid) == app.pid).context("the app's process is not there")?;
        let uid = app.uid.to_string();
        ensure!(app.uid >= 100_000, "uid {}", app.uid);
        for field in ["Uid", "Gid"] {
            ensure!(process.field(field).split_whitespace().all(|id| id == uid), "{field}: {}", process.field(field));
        }
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            ensure!(u64::from_str_radix(process.field(set), 16)? == 0, "{set}: {}", process.field(set));
        }
        ensure!(process.field("Seccomp") == "2" && process.field("NoNewPrivs") == "1", "{}", process.status);
        ensure!(process.field("NSpid").split_whitespace().last() == Some("1"), "it is not PID 1 of its namespace");
        for (name, number) in &process.namespaces {
            let shared = init.namespaces.iter().any(|(other, n)| other == name && n == number);
            let own = !matches!(name.as_str(), "user" | "time" | "time_for_children");
            ensure!(shared != own, "namespace {name}: shared with the device: {shared}");
        }
        ensure!(process.cgroup.contains("/apps/") && process.cgroup.contains(DOORBELL), "{}", process.cgroup);
        let mounts = inside.text(&format!("/proc/{}/mountinfo", process.pid))?;
        let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).context("no root")?;
        ensure!(root.contains("erofs") && root.contains("nosuid") && root.contains("nodev") && root.contains("ro,"), "{root}");
        // Descriptors: the three standard ones, the button, and nothing of the device's.
        for (number, what) in &process.descriptors {
            let known =
                ["/dev/null", "null", "pipe:", "anon_inode:gpio-line", "gpio", "socket:", "anon_inode:[signalfd]", "/data"];
            ensure!(known.iter().any(|k| what.contains(k)), "descriptor {number} is {what}");
        }
        let policy = device.client().policy(&harness::device::component(DOORBELL)?)?;
        ensure!(!policy.grants.is_empty() && !policy.in_force.is_empty(), "{policy:?}");
        Ok(())
    })
}

#[test]
fn an_app_gets_a_network_and_a_dev_that_lay_ready_and_another_network_is_made() -> Result<()> {
    run("ready-networks", Options::test_image()?, |machine| {
        let (device, inside) = (machine.device()?, machine.inside());
        let ready = || -> Result<BTreeSet<String>> {
            let descriptors = inside.daemon("launcher")?.descriptors;
            Ok(descriptors.into_iter().map(|(_, what)| what).filter(|what| what.starts_with("net:")).collect())
        };
        let wait =
            || wait_for("two ready network namespaces", Duration::from_secs(20), || Ok(Some(ready()?).filter(|r| r.len() == 2)));
        let before = wait()?;
        device.install(programs::doorbell(1)?.bundle()?)?;
        let app = device.wait_app(DOORBELL, AppState::Running)?;
        let process =
            inside.processes()?.into_iter().find(|p| Some(p.pid) == app.pid).context("the app's process is not there")?;
        let (_, its) = process.namespaces.iter().find(|(name, _)| name == "net").context("no network namespace")?;
        ensure!(before.contains(its), "{its} is not one of {before:?}");
        let after = wait()?;
        ensure!(!after.contains(its), "{its} still lies ready: {after:?}");
        let interfaces = inside.text(&format!("/proc/{}/net/dev", process.pid))?;
        ensure!(interfaces.lines().skip(2).all(|line| line.trim_start().starts_with("lo:")), "{interfaces}");
        let dev = file_system(machine, process.pid, "/dev")?.context("the app has no /dev")?;
        let ready = file_system(machine, inside.daemon("launcher")?.pid, READY_DEVICES)?;
        ensure!(ready == Some(dev.clone()), "the app's /dev is {dev}, the ready one {ready:?}");
        ensure!(file_system(machine, 1, READY_DEVICES)?.is_none(), "others than launcher see the ready /dev");
        Ok(())
    })
}

/// What is mounted at `target` in the mount namespace of a process: its device number.
fn file_system(machine: &Machine, pid: u32, target: &str) -> Result<Option<String>> {
    let mounts = machine.inside().text(&format!("/proc/{pid}/mountinfo"))?;
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let found = mounts.lines().map(words).find(|words| words.get(4).is_some_and(|place| place == target));
    Ok(found.and_then(|words| words.into_iter().nth(2)))
}

#[test]
fn a_program_in_c_static_or_dynamic_is_an_app() -> Result<()> {
    run("doorbell-c", Options::test_image()?, |machine| {
        let device = machine.device()?;
        for root in ["root", "root-dynamic"] {
            device.install(programs::doorbell_in_c(root)?.bundle()?)?;
            device.wait_app(DOORBELL_C, AppState::Running)?;
            device.wait_log(DOORBELL_C, "doorbell in C counts from 0")?;
            machine.buttons().press(buttons::DOORBELL)?;
            device.wait_status(DOORBELL_C, "1 presses")?;
            device.client().remove(&harness::device::component(DOORBELL_C)?)?;
        }
        Ok(())
    })
}

#[test]
fn one_peripheral_belongs_to_one_app() -> Result<()> {
    run("one-peripheral", Options::test_image()?, |machine| {
        let device = machine.device()?;
        device.install(programs::doorbell(1)?.bundle()?)?;
        device.wait_app(DOORBELL, AppState::Running)?;
        let refusal = device.try_install(programs::doorbell_in_c("root")?.bundle()?)?;
        let refusal = refusal.err().context("a second app got the doorbell's button")?;
        ensure!(refusal.message.contains("DOORBELL_BUTTON"), "{refusal:?}");
        ensure!(device.apps()?.len() == 1);
        Ok(())
    })
}

#[test]
fn a_stopped_app_stays_stopped_over_a_reboot_and_a_removed_one_leaves_nothing() -> Result<()> {
    run("stop-remove", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let inside = machine.inside();
        let before = inside.tree("/data")?.len();
        device.install(programs::doorbell(1)?.bundle()?)?;
        device.wait_app(DOORBELL, AppState::Running)?;
        let id = harness::device::component(DOORBELL)?;
        device.client().stop(&id)?;
        device.wait_app(DOORBELL, AppState::Stopped)?;
        machine.reboot()?;
        let device = machine.device()?;
        ensure!(device.app(DOORBELL)?.state == AppState::Stopped, "{:?}", device.app(DOORBELL)?);
        device.client().start(&id)?;
        device.wait_app(DOORBELL, AppState::Running)?;
        device.client().remove(&id)?;
        ensure!(device.apps()?.is_empty());
        let left: Vec<_> = machine.inside().tree("/data")?.into_iter().filter(|(path, _)| path.contains(DOORBELL)).collect();
        ensure!(left.is_empty(), "of {before} files before, now beside them: {left:?}");
        Ok(())
    })
}

#[test]
fn a_hostile_app_is_refused_everything_it_tries() -> Result<()> {
    run("hostile", Options::test_image()?, |machine| {
        let device = machine.device()?;
        for processes in ["exec", "fork"] {
            device.install(programs::hostile(processes)?.bundle()?)?;
            let done = device.wait_log(HOSTILE, "hostile is done");
            let log = device.app_log(HOSTILE)?;
            done.with_context(|| format!("with Processes {processes}: {log:?}"))?;
            let possible: Vec<_> = log.iter().filter(|line| line.text.contains("POSSIBLE")).map(|line| &line.text).collect();
            ensure!(possible.is_empty(), "with Processes {processes}: {possible:?}");
            let refused = log.iter().filter(|line| line.text.contains("refused")).count();
            ensure!(refused >= 30, "only {refused} attempts were made: {log:?}");
            ensure!(log.iter().any(|line| line.text == "own storage: writable"), "{log:?}");
            device.client().remove(&harness::device::component(HOSTILE)?)?;
        }
        Ok(())
    })
}

#[test]
fn an_app_that_crashes_is_started_again_later_each_time_and_its_end_is_kept() -> Result<()> {
    run("crash", Options::test_image()?, |machine| {
        let device = machine.device()?;
        device.install(programs::doorbell(1)?.bundle()?)?;
        let first = device.wait_app(DOORBELL, AppState::Running)?;
        machine.inside().kill(first.pid.context("no pid")?, harness::inside::KILL)?;
        harness::wait::wait_until("the app to run again", Duration::from_secs(30), || {
            let app = device.app(DOORBELL)?;
            Ok(app.state.runs() && app.generation > first.generation && app.last_exit.is_some())
        })?;
        let app = device.app(DOORBELL)?;
        ensure!(
            app.last_exit.as_deref().is_some_and(|why| why.to_lowercase().contains("signal") || why.contains("KILL")),
            "{app:?}"
        );
        Ok(())
    })
}

/// One bad file: it is the table's own, and nobody's app.
#[test]
fn a_table_of_apps_that_cannot_be_read_is_made_anew_of_the_apps_that_are_there() -> Result<()> {
    const TABLE: &str = "/data/apps/table.json";
    run("table-lost", Options::test_image()?, |machine| {
        let (device, inside) = (machine.device()?, machine.inside());
        device.install(programs::doorbell(1)?.bundle()?)?;
        device.wait_app(DOORBELL, AppState::Running)?;
        machine.buttons().press(buttons::DOORBELL)?;
        device.wait_status(DOORBELL, "1 press")?;
        let storage = format!("/data/storage/{DOORBELL}");
        let owner = inside.stat(&storage)?.context("no storage")?.uid;
        let removed = small_id(1);
        device.install(small(1, 1, "ready", &json!({}))?.bundle()?)?;
        device.client().remove(&component(&removed)?)?;
        inside.write(TABLE, b"garbage")?;
        inside.write("/data/apps/time-zone", &[b'A'; 300])?;
        machine.reboot()?;

        let device = machine.device()?;
        ensure!(!device.client().device()?.safe_mode, "the device is in safe mode");
        let event = device.wait_event(EventKind::DataPartition, "table of apps")?;
        ensure!(event.detail.contains("apps: 1") && event.detail.contains("table.json.unreadable"), "{event:?}");
        ensure!(inside.text("/data/apps/table.json.unreadable")? == "garbage", "what was there is lost");
        // It runs again, and has what it stored.
        device.wait_app(DOORBELL, AppState::Running)?;
        device.wait_status(DOORBELL, "1 press")?;
        ensure!(device.apps()?.len() == 1, "{:?}", device.apps()?);
        let other = small_id(2);
        device.install(small(2, 1, "ready", &json!({}))?.bundle()?)?;
        device.wait_app(&other, AppState::Ready)?;
        let table: serde_json::Value = serde_json::from_str(&inside.text(TABLE)?)?;
        let uid = |id: &str| table["components"][id]["uid"].as_u64();
        ensure!(uid(DOORBELL) == Some(u64::from(owner)), "the doorbell has another user than its storage: {table}");
        // Neither the doorbell's nor that of the app which was removed.
        ensure!(uid(&other) == Some(110_000), "{table}");

        // The new one is like any other: it is read at the next start.
        machine.reboot()?;
        let device = machine.device()?;
        device.wait_app(DOORBELL, AppState::Running)?;
        device.wait_app(&other, AppState::Ready)?;
        let lost = device.events()?.iter().filter(|event| event.subject == "table of apps").count();
        ensure!(lost == 1, "{lost} events tell of a lost table");
        Ok(())
    })
}
