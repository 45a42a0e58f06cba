//! Step 7 of the README's path: the small privileged process that starts apps.
//!
//! app-manager decides, launcher carries out: it mounts an app's image, confines and starts it through `sandbox`, sends
//! SIGTERM, reaps, and reports each exit; it makes an app's storage with its quota, and empties it. It is the apps'
//! parent and dies with them: if it ends, they end.
//!
//! It holds SYS_ADMIN and more, so it reads nothing that comes from outside: only packets of `ipc` from our own daemons,
//! flat and typed. It does not trust app-manager further than it must: [`invariants`] says what no plan may ask for, and
//! an image is mounted only if security-monitor itself has told its digest ([`verdicts`]) and the kernel enforces just
//! that digest on the very descriptor that is mounted ([`image`]).
//!
//! - [`launcher`]: the loop; one answer per request of [`ipc::messages::launcher`].
//! - [`start`]: plan → sandbox. [`invariants`]: what must hold of a plan. [`debug`]: what changes under a debugger.
//! - [`instances`]: what runs and what has ended; kept, with log pipes, for an app-manager that was restarted.
//! - [`storage`]: folders, projects, quotas.
//!
//! One thread, because it forks; nothing blocks it for longer than a start takes. It has no filter and no Landlock domain
//! of its own: the apps would inherit the one, and the other forbids mounting. Instances are addressed by component *and*
//! generation, so a request about an app that was restarted since fails.

#![forbid(unsafe_code)]

mod debug;
mod image;
mod instances;
mod invariants;
mod launcher;
mod refusal;
mod start;
mod storage;
mod verdicts;

use crate::{instances::Instances, invariants::Debug, launcher::Launcher, storage::Storage, verdicts::Verdicts};
use ipc::Server;
use linux::{descriptors, files, notify::Notifier, poll::Poller, signals};
use manifest::{
    image::{DeviceImage, IMAGE_LIMIT},
    places,
    service::{SERVICE_TABLE_LIMIT, ServiceTable},
};
use sandbox::{Kernel, layers::devices::Devices, ready::Networks};
use std::{error::Error, path::Path, process::ExitCode};

fn main() -> ExitCode {
    match open().and_then(|launcher| Ok(launcher.run()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            linux::log::error(format!("launcher cannot go on: {}", files::chain(&*e)));
            ExitCode::FAILURE
        }
    }
}

fn open() -> Result<Launcher, Box<dyn Error>> {
    let mut passed = descriptors::take();
    let signals = signals::receive(&[signals::SIGTERM])?;
    let services = ServiceTable::parse(&files::read(places::SERVICES, SERVICE_TABLE_LIMIT)?)?;
    let image = DeviceImage::parse(&files::read(places::IMAGE, IMAGE_LIMIT)?)?;
    let poller = Poller::new()?;
    poller.add(&signals, launcher::SIGNALS)?;
    let server = Server::new(passed.take("ipc")?, "launcher".parse()?, services, &poller)?;
    // Told now, when somebody looks, and looked at again for each start.
    Kernel::check()?;
    let launcher = Launcher {
        poller,
        server,
        signals,
        notifier: Notifier::from_environment(),
        storage: Storage::on_device()?,
        verdicts: Verdicts::default(),
        instances: Instances::default(),
        devices: Devices::mount_at(Path::new(places::READY_DEVICES))?,
        networks: Networks::new(launcher::READY_NETWORKS),
        debug: if image.debug.is_some() { Debug::Allowed } else { Debug::Refused },
        watched: launcher::Watched::default(),
        subscriber: None,
    };
    launcher.notifier.ready();
    Ok(launcher)
}
