//! The monitor's process: take what init passed, open, confine, loop. See the library's first page for the rest.
//!
//! Started by init with the descriptors `ipc`, `kernel-log`, `audit` and a `log-<service>` per daemon, with standard
//! error at `/dev/kmsg`, and with `HOLDFAST_BOOT=<number of this boot>` in the environment. SIGTERM ends it at once:
//! what it acknowledged is on the disk.

#![forbid(unsafe_code)]

use linux::{descriptors, files, notify::Notifier};
use rustix::fs::OFlags;
use sandbox::{Confinement, confine_self, seccomp::profiles::daemon};
use security_monitor::{
    answers::tell_launcher,
    monitor::{Monitor, StartError},
    places::Places,
};
use std::{error::Error, path::Path, process::ExitCode};

fn main() -> ExitCode {
    match run() {
        Ok(never) => match never {},
        Err(error) => {
            linux::log::error(files::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<std::convert::Infallible, Box<dyn Error>> {
    let passed = descriptors::take();
    let notifier = Notifier::from_environment();
    let places = Places::below(Path::new("/"));
    let monitor = open(passed, &places)?;
    let kept = Confinement::new().profile(&daemon::VERITY).profile(&daemon::SEALED).profile(&daemon::STORAGE_KEYS);
    // Where the data partition is not usable, its folders are not there: then nothing can be opened at all.
    let folders = [&places.events, &places.daemon_logs, &places.storage_keys, &places.config]
        .into_iter()
        .filter(|folder| files::open(folder, OFlags::PATH).is_ok());
    let kept = folders.fold(kept, |kept, folder| kept.write(folder));
    for layer in confine_self(&kept)? {
        linux::log::info(format!("confined: {layer}"));
    }
    notifier.ready();
    Err(monitor.run(&notifier).into())
}

fn open(passed: descriptors::Passed, places: &Places) -> Result<Monitor, StartError> {
    let boot = std::env::var("HOLDFAST_BOOT").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    Monitor::open(passed, places, boot, tell_launcher)
}
