//! Power cuts in the middle of an installation, an update, a return to the version before one that does not get ready, and a
//! removal, through a disk that forgets what was not flushed.
//!
//! Each cut comes after so many writes since the request, drawn from as many as the operation makes when nobody cuts it. The
//! next boot must find what was there before, or what was asked for, whole; what the device had answered must hold. At the
//! end nothing may be left: no folder, and no block or file without a name.

use anyhow::{Context, Result, anyhow, ensure};
use harness::{
    device::{APP, Device, component},
    disk::{Disk, Traffic},
    inside::Inside,
    machine::{Machine, Options, run_from_off},
    programs::{large, small_id},
    random::Random,
    wait::wait_for,
};
use manifest::{api::AppState, places};
use serde_json::json;
use std::{collections::BTreeMap, thread, time::Duration};

/// Cuts in one run; the long form has 200.
const CUTS: usize = 20;
/// The one app.
const NUMBER: u32 = 1;
/// Bytes in each version's image: so many that a lost image shows.
const IMAGE: usize = 1 << 20;
/// By so much the tables of the file system itself may change, and logs between two looks.
const TABLES: u64 = 256 << 10;
/// Files that come and go: those that are written beside the one whose place they take.
const PASSING_FILES: u64 = 4;
/// Until an operation ends when nobody cuts it.
const OPERATION: Duration = Duration::from_secs(120);
/// The data partition's blocks.
const BLOCK: u64 = 4096;
/// Columns of the table that is printed: from so many flushes on, up to the next.
const COLUMNS: [usize; 7] = [0, 1, 2, 4, 8, 16, 32];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Install,
    Update,
    Return,
    Remove,
}

const OPERATIONS: [Operation; 4] = [Operation::Install, Operation::Update, Operation::Return, Operation::Remove];

#[test]
fn no_power_cut_leaves_half_an_app_takes_back_an_answer_or_loses_space() -> Result<()> {
    let cuts = std::env::var("HOLDFAST_INSTALL_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(CUTS);
    let mut options = Options::test_image()?;
    // One processor leaves the other to nbdkit and the test.
    options.processors = 1;
    run_from_off("install-cuts", options, |machine| {
        let mut disk = Disk::serve(machine)?;
        machine.power_on()?;
        machine.wait_ready()?;
        let room = room(&machine.inside())?;
        let mut campaign = Campaign::measured(machine, &disk)?;
        for (cut, operation) in OPERATIONS.into_iter().cycle().take(cuts).enumerate() {
            disk = campaign.turn(machine, disk, operation).with_context(|| format!("cut {cut}, {operation:?}"))?;
        }
        campaign.print();
        let device = machine.device()?;
        campaign.prepare(&device, Operation::Install)?;
        nothing_stray(&machine.inside(), None)?;
        // What an app that ended had mounted the kernel gives back in its own time.
        wait_for("all room to be back", APP, || no_less(room, self::room(&machine.inside())?).map(Some))
            .with_context(|| format!("open without a name: {:?}", nameless(&machine.inside())))?;
        device.client().power_off()?;
        machine.wait_off(Duration::from_secs(90))?;
        disk.end_in_order()?;
        let missed = campaign.falls.iter().filter(|fall| fall.ended || fall.traffic.writes == 0).count();
        ensure!(missed * 2 <= cuts, "{missed} of {cuts} cuts fell before the first write or after the end");
        Ok(())
    })
}

/// The app, and what was done to it.
struct Campaign {
    random: Random,
    /// Writes of each operation that nobody cuts.
    writes: BTreeMap<Operation, usize>,
    /// The version that is installed.
    there: Option<u64>,
    /// The highest version that was ever asked for.
    highest: u64,
    falls: Vec<Fall>,
}

/// Where a cut fell.
struct Fall {
    operation: Operation,
    /// What the disk had been asked for since the request.
    traffic: Traffic,
    /// Whether all had been done.
    ended: bool,
    /// Whether the next boot found what was asked for.
    done: bool,
}

/// What is asked of the device.
struct Request {
    before: Option<u64>,
    after: Option<u64>,
    /// None asks for a removal.
    bundle: Option<Vec<u8>>,
}

impl Request {
    fn carry_out(&self, device: &Device) -> Result<()> {
        match &self.bundle {
            Some(bundle) => device.install(bundle.clone()).map(drop),
            None => Ok(device.client().remove(&component(&small_id(NUMBER))?).map(drop)?),
        }
    }
}

impl Campaign {
    /// Carries out each operation once, and counts its writes.
    fn measured(machine: &Machine, disk: &Disk) -> Result<Self> {
        let mut campaign =
            Self { random: Random::new(0x5eed), writes: BTreeMap::new(), there: None, highest: 0, falls: Vec::new() };
        let device = machine.device()?;
        for operation in OPERATIONS {
            let mark = disk.mark()?;
            campaign.carry_out(&device, operation)?;
            campaign.writes.insert(operation, disk.since(mark)?.writes);
        }
        Ok(campaign)
    }

    fn request(&mut self, operation: Operation) -> Result<Request> {
        if operation == Operation::Remove {
            return Ok(Request { before: self.there, after: None, bundle: None });
        }
        self.highest += 1;
        let (what, holdfast, after) = match operation {
            Operation::Return => ("mute", json!({ "ReadyTimeout": 1 }), self.there),
            _ => ("ready", json!({}), Some(self.highest)),
        };
        let bundle = large(NUMBER, self.highest, what, &holdfast, IMAGE)?.bundle()?;
        Ok(Request { before: self.there, after, bundle: Some(bundle) })
    }

    /// Does it without a cut.
    fn carry_out(&mut self, device: &Device, operation: Operation) -> Result<()> {
        let request = self.request(operation)?;
        request.carry_out(device)?;
        self.there = settled(device)?;
        ensure!(self.there == request.after, "version {:?} is there after version {:?}", self.there, request.after);
        Ok(())
    }

    /// Brings the device where an operation can begin.
    fn prepare(&mut self, device: &Device, operation: Operation) -> Result<()> {
        match (operation, self.there) {
            (Operation::Install, Some(_)) => self.carry_out(device, Operation::Remove),
            (Operation::Update | Operation::Return | Operation::Remove, None) => self.carry_out(device, Operation::Install),
            _ => Ok(()),
        }
    }

    /// Cuts the power in the middle of an operation, and looks at what the next boot finds.
    fn turn(&mut self, machine: &mut Machine, mut disk: Disk, operation: Operation) -> Result<Disk> {
        let device = machine.device()?;
        self.prepare(&device, operation)?;
        let request = self.request(operation)?;
        let usual = self.writes.get(&operation).copied().unwrap_or_default();
        let at = 1 + usize::try_from(self.random.number())? % (usual + 1);
        let mark = disk.mark()?;
        let mut ended = false;
        let answered = thread::scope(|scope| {
            let asked = scope.spawn(|| request.carry_out(&device));
            disk.wait_until(OPERATION, || {
                // What does not get ready has not ended with the answer.
                ended = asked.is_finished() && (operation != Operation::Return || ready(&device, request.after)?);
                Ok(ended || disk.since(mark)?.writes >= at)
            })?;
            disk.cut(machine)?;
            Ok::<_, anyhow::Error>(asked.join().map_err(|_| anyhow!("the request ended in a panic"))?.is_ok())
        })?;
        let traffic = disk.since(mark)?;

        let next = Disk::serve(machine)?;
        machine.power_on()?;
        machine.wait_ready()?;
        self.there = settled(&machine.device()?)?;
        let done = self.there == request.after;
        let told = format!("{traffic:?}, answered: {answered}, before {:?}, asked for {:?}", request.before, request.after);
        ensure!(done || (!answered && self.there == request.before), "version {:?} is there: {told}", self.there);
        nothing_stray(&machine.inside(), self.there).context(told)?;
        self.falls.push(Fall { operation, traffic, ended, done });
        Ok(next)
    }

    /// Where the cuts fell.
    fn print(&self) {
        println!("{} cuts, by the flushes that the disk had made since the request:", self.falls.len());
        let columns: String = COLUMNS.iter().map(|from| format!("{:>5}", format!("{from}-"))).collect();
        println!("           {columns}   of usually   unflushed     ended  done");
        for operation in OPERATIONS {
            let falls: Vec<&Fall> = self.falls.iter().filter(|fall| fall.operation == operation).collect();
            let of = |is: &dyn Fn(&Fall) -> bool| falls.iter().filter(|fall| is(fall)).count();
            let column = |flushes: usize| COLUMNS.iter().rposition(|from| *from <= flushes);
            let counts: String =
                (0..COLUMNS.len()).map(|at| format!("{:>5}", of(&|fall| column(fall.traffic.flushes) == Some(at)))).collect();
            let name = format!("{operation:?}");
            let writes = self.writes.get(&operation).copied().unwrap_or_default();
            let (unflushed, ended, done) = (of(&|fall| fall.traffic.unflushed), of(&|fall| fall.ended), of(&|fall| fall.done));
            println!("  {name:<9}{counts}   {writes:>3} writes   {unflushed:>9}  {ended:>8}  {done:>4}");
        }
    }
}

/// Whether this version is there and ready.
fn ready(device: &Device, version: Option<u64>) -> Result<bool> {
    let app = device.app(&small_id(NUMBER))?;
    Ok(app.state == AppState::Ready && Some(app.version) == version)
}

/// The version that runs and says which it is; none where there is no app. Waits for what is still to be done.
fn settled(device: &Device) -> Result<Option<u64>> {
    wait_for("the app to be ready or gone", APP, || {
        let apps = device.apps()?;
        let Some(app) = apps.first() else { return Ok(Some(None)) };
        let whole = app.state == AppState::Ready && app.status == Some(format!("version {}", app.version));
        ensure!(whole && apps.len() == 1, "{apps:?}");
        Ok(Some(Some(app.version)))
    })
}

/// Fails if anything lies where apps lie that belongs to none.
fn nothing_stray(inside: &Inside, there: Option<u64>) -> Result<()> {
    let id = small_id(NUMBER);
    let expected: Vec<&str> = there.iter().map(|_| id.as_str()).collect();
    for folder in [places::APPS, places::STORAGE, places::STORAGE_KEYS, places::APP_LOGS, places::APP_RUN] {
        let names = names(inside, folder)?;
        let strange = |name: &&String| !["table.json", "table.json.new", "master"].contains(&name.as_str());
        ensure!(names.iter().filter(strange).eq(&expected), "{folder} holds {names:?}, expected {expected:?}");
    }
    if there.is_some() {
        let folder = format!("{}/{id}", places::APPS);
        let versions = names(inside, &folder)?;
        ensure!(versions == ["current"] || versions == ["current", "previous"], "{folder} holds {versions:?}");
        for version in versions {
            let files = names(inside, &format!("{folder}/{version}"))?;
            // Of a version that gave way to the one before, only why it did is left.
            let returned = version == "previous" && files == ["trial"];
            ensure!(returned || files == ["envelope", "image.erofs"], "{folder}/{version} holds {files:?}");
        }
    }
    Ok(())
}

fn names(inside: &Inside, folder: &str) -> Result<Vec<String>> {
    Ok(inside.list(folder)?.into_iter().map(|entry| entry.name).collect())
}

/// Bytes and files of the data partition that are free or have a name.
fn room(inside: &Inside) -> Result<(u64, u64)> {
    inside.sync()?;
    let (bytes, files) = inside.free(places::DATA)?;
    let named = inside.tree(places::DATA)?;
    let taken: u64 = named.iter().map(|(_, entry)| entry.size.next_multiple_of(BLOCK)).sum();
    Ok((bytes + taken, files + named.len() as u64))
}

/// Files of the data partition that somebody holds and that have no name.
fn nameless(inside: &Inside) -> Result<Vec<(String, String)>> {
    let of = |process: probe::Process| process.descriptors.into_iter().map(move |(_, file)| (process.exe.clone(), file));
    let held = inside.processes()?.into_iter().flat_map(of);
    Ok(held.filter(|(_, file)| file.starts_with(places::DATA) && file.ends_with(" (deleted)")).collect())
}

fn no_less(before: (u64, u64), after: (u64, u64)) -> Result<()> {
    let kept = after.0 + TABLES >= before.0 && after.1 + PASSING_FILES >= before.1;
    ensure!(kept, "free or with a name before: {before:?} (bytes, files), now {after:?}");
    Ok(())
}

#[test]
fn a_lost_image_or_folder_is_less_room() {
    let before = (100 << 20, 5000);
    assert!(no_less(before, (before.0 - 4 * BLOCK, before.1)).is_ok());
    assert!(no_less(before, (before.0 - IMAGE as u64, before.1)).is_err());
    assert!(no_less(before, (before.0, before.1 - 20)).is_err());
}
