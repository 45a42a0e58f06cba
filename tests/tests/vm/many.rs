//! Fifty apps on a device of 256 MiB, killed, updated, removed and installed at random, with app-manager and launcher among
//! those that are killed: nothing may be left of what was.

use anyhow::{Context, Result, ensure};
use harness::{
    device::{Device, component},
    inside::{Inside, KILL},
    machine::{Machine, Options, run},
    programs::{small, small_id},
    random::Random,
    wait::wait_for,
};
use manifest::api::{AppState, AppStatus};
use serde_json::json;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const APPS: u32 = 50;
/// In one run; the long form has 1,000.
const CYCLES: u32 = 100;
/// Until all apps run again, on two busy cores without KVM.
const ALL: Duration = Duration::from_secs(180);
/// A daemon that was ready for a minute is not one that fails again and again (`init/src/life.rs`).
const BETWEEN_DEATHS: Duration = Duration::from_secs(65);
/// Descriptors that come and go: connections that are made for one request.
const PASSING_DESCRIPTORS: usize = 3;
/// What logs and events may have grown by, and the file system's own tables.
const LOGS: u64 = 2 << 20;
/// Files of logs and events.
const LOG_FILES: u64 = 16;

/// What must not grow.
#[derive(Debug, PartialEq, Eq)]
struct Taken {
    groups: Vec<String>,
    mounts: BTreeMap<String, usize>,
    processes: BTreeMap<String, usize>,
    uids: BTreeMap<String, u32>,
    next_uid: u64,
}

#[test]
fn fifty_apps_killed_updated_and_removed_at_random_leave_nothing_behind() -> Result<()> {
    let cycles = std::env::var("HOLDFAST_APP_CYCLES").ok().and_then(|n| n.parse().ok()).unwrap_or(CYCLES);
    run("many-apps", Options::test_image()?, |machine| {
        let inside = machine.inside();
        inside.sync()?;
        let free = inside.free("/data")?;
        let began = Instant::now();
        let mut fleet = Fleet { machine, versions: vec![1; APPS as usize], random: Random::new(0x5eed), deaths: BTreeMap::new() };
        for app in 0..APPS {
            fleet.install(app)?;
        }
        fleet.settle()?;
        println!("{APPS} apps run after {} s", began.elapsed().as_secs());
        // Each daemon has begun anew once, as it may again: what it holds then is what it may hold.
        fleet.kill_daemon("launcher")?;
        fleet.kill_daemon("app-manager")?;
        fleet.settle()?;
        let (before, descriptors) = (taken(machine)?, descriptors(&inside)?);
        ensure!(before.uids.len() == APPS as usize && before.groups.len() == APPS as usize, "{before:?}");

        let began = Instant::now();
        for cycle in 0..cycles {
            fleet.turn(cycle).with_context(|| format!("cycle {cycle}"))?;
        }
        fleet.settle()?;
        println!("{cycles} cycles took {} s", began.elapsed().as_secs());
        let mut after = taken(machine)?;
        wait_for("what was there before, and nothing else", ALL, || {
            after = taken(machine)?;
            ensure!(without_generations(&before) == without_generations(&after), "before {before:?}, after {after:?}");
            Ok(Some(()))
        })?;
        for (daemon, count) in self::descriptors(&inside)? {
            let had = descriptors.get(&daemon).copied().unwrap_or_default();
            ensure!(count <= had + PASSING_DESCRIPTORS, "{daemon} had {had} open descriptors, and has {count}");
        }

        for app in 0..APPS {
            fleet.patiently(|device| Ok(device.client().remove(&component(&small_id(app))?)?))?;
        }
        ensure!(machine.device()?.apps()?.is_empty());
        for folder in ["/data/storage", "/data/logs/apps", "/run/apps"] {
            ensure!(inside.list(folder)?.is_empty(), "{folder} holds {:?}", inside.list(folder)?);
        }
        let left: Vec<String> = inside.list("/data/apps")?.into_iter().map(|entry| entry.name).collect();
        ensure!(left == ["table.json"], "{left:?}");
        ensure!(taken(machine)?.groups.is_empty());
        inside.sync()?;
        let (bytes, files) = inside.free("/data")?;
        ensure!(bytes + LOGS >= free.0 && files + LOG_FILES >= free.1, "free before {free:?}, now {bytes} bytes, {files} files");
        Ok(())
    })
}

/// The apps, and what was done to them.
struct Fleet<'a> {
    machine: &'a Machine,
    versions: Vec<u64>,
    random: Random,
    /// When a daemon was killed last.
    deaths: BTreeMap<&'static str, Instant>,
}

impl Fleet<'_> {
    /// One thing that happens to one app or daemon.
    fn turn(&mut self, cycle: u32) -> Result<()> {
        let app = u32::try_from(self.random.number() % u64::from(APPS))?;
        let id = small_id(app);
        match (cycle % 25, self.random.number() % 10) {
            (24, n) => self.kill_daemon(if n % 2 == 0 { "app-manager" } else { "launcher" }),
            (_, 0..4) => {
                let status = self.patiently(|device| device.app(&id))?;
                // It may have ended since.
                if let Some(pid) = status.pid {
                    let _ = self.machine.inside().kill(pid, KILL);
                }
                Ok(())
            }
            (_, 4..7) => {
                *self.version(app)? += 1;
                self.install(app)
            }
            (_, 7) => {
                self.patiently(|device| Ok(device.client().remove(&component(&id)?)?))?;
                self.install(app)
            }
            (_, 8) => self.patiently(|device| Ok(device.client().restart(&component(&id)?)?)).map(drop),
            _ => {
                self.patiently(|device| Ok(device.client().stop(&component(&id)?)?))?;
                self.patiently(|device| Ok(device.client().start(&component(&id)?)?)).map(drop)
            }
        }
    }

    fn version(&mut self, app: u32) -> Result<&mut u64> {
        self.versions.get_mut(app as usize).context("no such app")
    }

    fn install(&mut self, app: u32) -> Result<()> {
        let bundle = small(app, *self.version(app)?, "ready", &json!({}))?.bundle()?;
        self.patiently(|device| device.install(bundle.clone())).map(drop)
    }

    /// Kills a daemon, unless that was done a moment ago. app-manager's death changes nothing for the apps.
    fn kill_daemon(&mut self, name: &'static str) -> Result<()> {
        if self.deaths.get(name).is_some_and(|at| at.elapsed() < BETWEEN_DEATHS) {
            return Ok(());
        }
        let before = if name == "app-manager" { self.settle()? } else { Vec::new() };
        let inside = self.machine.inside();
        let generation = self.machine.device()?.service(name)?.generation;
        inside.kill(inside.daemon(name)?.pid, KILL)?;
        self.machine.device()?.wait_service(name, generation, ALL)?;
        self.deaths.insert(name, Instant::now());
        let after = self.settle()?;
        for (before, after) in before.iter().zip(&after) {
            ensure!((before.pid, before.generation) == (after.pid, after.generation), "before {before:?}, after {after:?}");
        }
        Ok(())
    }

    /// Waits until all apps are ready, in the versions that they should have.
    fn settle(&self) -> Result<Vec<AppStatus>> {
        wait_for("all apps to be ready", ALL, || {
            let apps = self.machine.device()?.apps()?;
            let not = |app: &&AppStatus| app.state != AppState::Ready;
            if let Some(app) = apps.iter().find(not) {
                let count = apps.iter().filter(not).count();
                anyhow::bail!("{count} are not, as {app:?}");
            }
            let versions: Vec<u64> = apps.iter().map(|app| app.version).collect();
            ensure!(versions == self.versions, "versions {versions:?}, expected {:?}", self.versions);
            Ok(Some(apps))
        })
    }

    /// While a daemon starts again, the device says so, and whoever asks asks again.
    fn patiently<T>(&self, ask: impl Fn(&Device) -> Result<T>) -> Result<T> {
        wait_for("an answer", ALL, || ask(&self.machine.device()?).map(Some))
    }
}

/// The same, with groups named by app alone.
fn without_generations(taken: &Taken) -> Taken {
    let app = |group: &String| group.rsplit_once('-').map_or(group.clone(), |(app, _)| app.to_owned());
    Taken {
        groups: taken.groups.iter().map(app).collect(),
        mounts: taken.mounts.clone(),
        processes: taken.processes.clone(),
        uids: taken.uids.clone(),
        next_uid: taken.next_uid,
    }
}

fn taken(machine: &Machine) -> Result<Taken> {
    let inside = machine.inside();
    let groups = inside.list("/sys/fs/cgroup/apps")?.into_iter().map(|entry| entry.name).filter(|name| name.len() > 36).collect();
    let mut mounts = BTreeMap::new();
    for daemon in ["launcher", "app-manager"] {
        let pid = inside.daemon(daemon)?.pid;
        mounts.insert(daemon.to_owned(), inside.text(&format!("/proc/{pid}/mountinfo"))?.lines().count());
    }
    let mut processes = BTreeMap::new();
    for process in inside.processes()?.into_iter().filter(|process| !process.exe.is_empty()) {
        *processes.entry(process.exe).or_default() += 1;
    }
    let table: serde_json::Value = serde_json::from_slice(&inside.bytes("/data/apps/table.json")?)?;
    let uids = table["components"].as_object().context("a table without components")?;
    let uids = uids.iter().map(|(id, entry)| Ok((id.clone(), u32::try_from(entry["uid"].as_u64().context("no uid")?)?)));
    let uids = uids.collect::<Result<BTreeMap<_, _>>>()?;
    Ok(Taken { groups, mounts, processes, uids, next_uid: table["next_uid"].as_u64().context("no next uid")? })
}

/// Open descriptors of each daemon.
fn descriptors(inside: &Inside) -> Result<BTreeMap<String, usize>> {
    let daemons = inside.processes()?.into_iter().filter(|process| process.exe.starts_with("/usr/lib/holdfast/"));
    Ok(daemons.map(|process| (process.exe, process.descriptors.len())).collect())
}
