//! network-manager: parse, open, look once, confine, say READY, loop.

#![forbid(unsafe_code)]

use ipc::{
    Incoming, Server,
    client::Answer,
    messages::{
        monitor,
        network::{Links, Request},
    },
};
use linux::{
    descriptors,
    files::{self, chain},
    log,
    notify::Notifier,
    poll::Poller,
};
use manifest::{
    api::{ErrorBody, ErrorClass, EventKind},
    image::DeviceImage,
    network::NetworkConfig,
    places,
    service::{SERVICE_TABLE_LIMIT, ServiceTable},
};
use network_manager::{
    clock,
    keeper::{Keeper, Outcome},
    netlink::{Changes, Netlink},
};
use sandbox::{Confinement, confine_self, seccomp::profiles::daemon};
use serde::Serialize;
use std::{convert::Infallible, error::Error, ops::RangeInclusive, process::ExitCode, time::Duration};

fn main() -> ExitCode {
    let Err(error) = run();
    log::error(chain(error.as_ref()));
    ExitCode::FAILURE
}

fn run() -> Result<Infallible, Box<dyn Error>> {
    let mut passed = descriptors::take();
    let notifier = Notifier::from_environment();
    let config = NetworkConfig::parse(&files::read(places::NETWORK, NETWORK_LIMIT)?)?;
    let table = ServiceTable::parse(&files::read(places::SERVICES, SERVICE_TABLE_LIMIT)?)?;
    let plausible = DeviceImage::parse(&files::read(places::IMAGE, IMAGE_LIMIT)?)?.plausible_times();
    let poller = Poller::new()?;
    let changes = Changes::subscribe()?;
    poller.add(&changes, CHANGES)?;
    let mut keeper = Keeper::new(config, Netlink::open()?);
    let mut server = Server::new(passed.take("ipc")?, "network-manager".parse()?, table, &poller)?;

    let mut outcome = keeper.tend();
    // Its netlink sockets are open: it needs no path and no other network from here on.
    for layer in confine_self(&Confinement::new().profile(&daemon::CLOCK))? {
        log::info(format!("confined: {layer}"));
    }
    notifier.ready();
    loop {
        let retry = if outcome == Outcome::Complete { IDLE } else { RETRY };
        let tokens = poller.wait(Some(notifier.ping_interval().unwrap_or(IDLE).min(retry)))?;
        notifier.watchdog();
        if tokens.is_empty() || tokens.contains(&CHANGES) {
            changes.drain();
            outcome = keeper.tend();
        }
        for token in tokens.into_iter().filter(|token| Server::owns(*token)) {
            serve(&mut server, &poller, token, &mut keeper, &plausible);
        }
    }
}

fn serve(server: &mut Server, poller: &Poller, token: u64, keeper: &mut Keeper, plausible: &RangeInclusive<u64>) {
    match server.receive::<Request>(token, poller) {
        Incoming::Request { request: Request::Links {}, .. } => {
            answer(server, token, keeper.describe().map(|links| Links { links }).map_err(|e| internal(&e)));
        }
        Incoming::Request { request: Request::Status {}, .. } => {
            answer(server, token, keeper.status().map_err(|e| internal(&e)));
        }
        Incoming::Request { request: Request::SetClock { unix_ms, app }, .. } => {
            let done = clock::set(unix_ms, plausible);
            let is_set = done.is_ok();
            answer(server, token, done);
            // Afterwards: an app waits for the answer, and nobody for this.
            if is_set {
                report(EventKind::ClockSet, app.to_string(), format!("set to {} s after 1970", unix_ms / 1000));
            }
        }
        Incoming::Malformed { caller, error } => report(EventKind::MalformedPacket, caller.to_string(), chain(&error)),
        Incoming::Forbidden { caller, request } => {
            report(EventKind::ForbiddenRequest, caller.to_string(), format!("asked network-manager for `{request}`"));
        }
        Incoming::Nothing | Incoming::Closed => {}
    }
}

fn answer<T: Serialize>(server: &mut Server, token: u64, result: Result<T, ErrorBody>) {
    server.answer(token, &result.map_or_else(Answer::Error, Answer::Ok), &[]);
}

fn internal(error: &dyn Error) -> ErrorBody {
    ErrorBody { class: ErrorClass::Internal, message: chain(error), hint: None }
}

/// Tells security-monitor. If it cannot be told, our own log has it.
fn report(kind: EventKind, subject: String, detail: String) {
    log::warning(format!("{subject}: {detail}"));
    let threat = monitor::Request::ReportThreat { kind, subject, detail };
    if let Err(error) = ipc::client::tell("security-monitor", &threat) {
        log::error(chain(&error));
    }
}

/// Token of [`Changes`].
const CHANGES: u64 = 1;
/// Longest `image.json` that is read.
const IMAGE_LIMIT: usize = 16 * 1024;
/// Longest `network.json` that is read.
const NETWORK_LIMIT: usize = 64 * 1024;
/// How soon to look again while something is missing.
const RETRY: Duration = Duration::from_secs(2);
/// How often to look although nothing was told.
const IDLE: Duration = Duration::from_secs(30);
