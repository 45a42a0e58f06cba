//! app-services: open, confine, say READY, loop.

#![forbid(unsafe_code)]

use app_services::{manager::Manager, outside::Daemons, services::Services};
use linux::{clock, files::chain, log, notify::Notifier};
use sandbox::{Confinement, confine_self};
use std::{convert::Infallible, error::Error, process::ExitCode, time::Duration};

fn main() -> ExitCode {
    let Err(error) = run();
    log::error(chain(error.as_ref()));
    ExitCode::FAILURE
}

fn run() -> Result<Infallible, Box<dyn Error>> {
    let notifier = Notifier::from_environment();
    let mut services = Services::new(Daemons)?;
    let mut manager = Manager::default();
    // Sockets and figures of apps come as open descriptors: it needs no path and no profile.
    for layer in confine_self(&Confinement::new())? {
        log::info(format!("confined: {layer}"));
    }
    notifier.ready();
    let ping = notifier.ping_interval().unwrap_or(IDLE);
    loop {
        let now = clock::since_boot();
        notifier.watchdog();
        manager.tend(&mut services, MANAGER, now);
        services.resume(now);
        let due = [services.deadline(), manager.deadline()].into_iter().flatten().min();
        let sleep = due.map_or(ping, |at| at.saturating_sub(now).min(ping));
        for token in services.poller.wait(Some(sleep))? {
            // What one app asks can take a while, where another daemon is busy.
            notifier.watchdog();
            match token {
                MANAGER => manager.event(&mut services),
                token => services.handle(token),
            }
        }
    }
}

/// Token of the link to app-manager.
const MANAGER: u64 = 1;
/// Longest sleep where nobody asks for signs of life.
const IDLE: Duration = Duration::from_secs(30);
