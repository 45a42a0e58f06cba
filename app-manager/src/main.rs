//! app-manager decides what runs: it installs apps, keeps what their owner wants of them, and follows their lives.
//!
//! It holds no capability. By its uid it owns the bundles' folder, the apps' control groups and the board's devices; what
//! needs privilege (mounts, other uids, signals) launcher carries out, what needs trust (is this what was signed?)
//! security-monitor says. What it decides from is a manifest that the monitor has verified, and the board file of the
//! verified image. An app is never trusted: it is heard through a notify socket (4 KiB a datagram, its own uid only) and
//! two pipes (bounded lines, bounded rate), and nothing it says grants it anything. Its refused calls wait here for the errno
//! that they fail with, never for leave.
//!
//! - [`uploads`] → [`monitor`] → [`sealing`] → [`install`]: a bundle comes in, is judged, sealed, gets its names;
//!   [`installs`] leads it. [`updates`]: those that wait for apps which put them off.
//! - [`state`]: the durable table; [`run`]: what outlives this process but not a reboot.
//! - [`adopt`]: at start, and after launcher died: what runs is taken over, what is installed is judged again.
//! - [`life`], [`back_off`]: an app's states and pauses, pure; [`lives`] does what they want done.
//! - [`launch`], [`limits`], [`disk`], [`peripherals`], [`config`], [`time_zone`], [`debug`], [`launcher`]:
//!   one start of an app.
//! - [`services`]: the sockets that app-services serves.
//! - [`notify`], [`log`], [`denials`], [`crashes`]: what apps say, what they are refused, and what they leave; [`requests`]: what other daemons ask; [`manager`]: the one loop.
//!
//! Invariants: a component has one uid for ever and at most one instance; an instance is addressed by id and generation;
//! after a power cut each app is installed whole, in the old version or the new one; what was acknowledged is on the
//! disk; nothing waits for a peer longer than a call's time-out; every queue, log and upload has a bound.

#![forbid(unsafe_code)]

mod adopt;
mod app;
mod back_off;
mod config;
mod crashes;
mod debug;
mod denials;
mod disk;
mod fault;
mod folders;
mod install;
mod installs;
mod launch;
mod launcher;
mod life;
mod limits;
mod lives;
mod log;
mod manager;
mod monitor;
mod notify;
mod peripherals;
mod requests;
mod run;
mod sealing;
mod services;
mod state;
mod time_zone;
mod updates;
mod uploads;

use crate::{
    disk::Disk,
    manager::{Manager, Mode},
    monitor::Monitor,
    peripherals::Peripherals,
    state::Table,
    uploads::Uploads,
};
use ipc::Server;
use linux::{clock, descriptors, files, notify::Notifier, poll::Poller, signals};
use manifest::{
    api::EventKind,
    board::{BOARD_LIMIT, Board, device::Access},
    image::{DeviceImage, IMAGE_LIMIT},
    places,
    service::{SERVICE_TABLE_LIMIT, ServiceTable},
};
use sandbox::{
    Confinement, confine_self,
    seccomp::profiles::{app::THREADS, daemon},
};
use std::{collections::BTreeMap, error::Error, path::Path, process::ExitCode, time::Duration};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            linux::log::error(format!("app-manager cannot go on: {}", files::chain(&*e)));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut manager = open()?;
    for line in confine_self(&confinement(&manager))? {
        linux::log::info(format!("confined: {line}"));
    }
    manager.open_apps();
    manager.notifier.ready();
    manager.run()?;
    Ok(())
}

/// Opens everything that cannot be opened once confined.
fn open() -> Result<Manager, Box<dyn Error>> {
    let mut passed = descriptors::take();
    let signals = signals::receive(&[signals::SIGTERM])?;
    let board = Board::parse(&files::read(places::BOARD, BOARD_LIMIT)?)?;
    let services = ServiceTable::parse(&files::read(places::SERVICES, SERVICE_TABLE_LIMIT)?)?;
    let image = DeviceImage::parse(&files::read(places::IMAGE, IMAGE_LIMIT)?)?;
    let poller = Poller::new()?;
    let reporter = services.get(&crashes::REPORTER.parse()?).is_some();
    let server = Server::new(passed.take("ipc")?, "app-manager".parse()?, services, &poller)?;
    limits::enable_controllers(Path::new(places::APPS_CGROUP))?;
    let (peripherals, missing) = Peripherals::find(&board, Path::new("/dev"));
    for missing in missing {
        linux::log::error(files::chain(&missing));
    }
    // Not worth a device without apps: who limits reading and writing is then not started, and told why.
    let disk = Disk::below(Path::new(places::APPS), Path::new("/sys")).unwrap_or_else(|e| {
        linux::log::error(files::chain(&e));
        None
    });
    let mode = if Path::new(places::SAFE_MODE).exists() { Mode::Safe } else { Mode::Normal };
    if mode == Mode::Safe {
        linux::log::warning("safe mode: installed apps are not started");
    }
    let mut monitor = Monitor::default();
    let (table, lost) = Table::open(Path::new(places::APPS).join("table.json"), Path::new(places::STORAGE));
    if let Some(lost) = lost {
        linux::log::error(&lost);
        // It waits in the socket until the monitor runs.
        monitor.report(EventKind::DataPartition, "table of apps", &lost);
    }
    // No token of an earlier process of this boot comes again.
    let first_upload = u64::try_from(clock::since_boot().as_micros())?;
    Ok(Manager {
        poller,
        server,
        signals,
        notifier: Notifier::from_environment(),
        sources: BTreeMap::new(),
        next_token: 1,
        table,
        apps: BTreeMap::new(),
        board,
        peripherals,
        disk,
        monitor,
        launcher: launcher::Launcher::default(),
        subscription: None,
        misses_launcher: false,
        served_by: None,
        telling: services::Telling::Done,
        told: updates::Told::default(),
        retry_at: Duration::ZERO,
        uploads: Uploads::new(places::APPS, first_upload),
        pending: BTreeMap::new(),
        crashes: crashes::Crashes::new(reporter),
        mode,
        downgrades: image.downgrade,
        debug: image.debug.is_some(),
        defer_updates: image.defer_updates.duration(),
        time_zone: time_zone::load(Path::new(places::APPS)).or(image.time_zone),
        ping_at: Duration::ZERO,
    })
}

/// What is still opened by path later: our own folders, and the board's peripherals. The image's files were read.
fn confinement(manager: &Manager) -> Confinement {
    let confinement = Confinement::new()
        .profile(&daemon::VERITY)
        .profile(&daemon::PERIPHERALS)
        .profile(&daemon::DENIALS)
        .profile(&daemon::SEALED)
        .profile(&THREADS)
        .write(places::APPS)
        .write(places::APP_LOGS)
        .write(places::APP_RUN)
        .write(places::APPS_CGROUP);
    manager.peripherals.files(&manager.board).into_iter().fold(confinement, |confinement, (path, access)| match access {
        Access::Node => confinement.device(path),
        Access::Write => confinement.write(path),
        Access::Read => confinement.read(path),
    })
}
