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
    api::{Done, ErrorBody, ErrorClass, EventKind},
    network::NetworkConfig,
    places,
    service::{SERVICE_TABLE_LIMIT, ServiceTable},
};
use network_manager::{
    keeper::{Keeper, Outcome},
    netlink::{Changes, Netlink},
};
use sandbox::{Confinement, confine_self};
use std::{convert::Infallible, error::Error, process::ExitCode, time::Duration};

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
    let poller = Poller::new()?;
    let changes = Changes::subscribe()?;
    poller.add(&changes, CHANGES)?;
    let mut keeper = Keeper::new(config, Netlink::open()?);
    let mut server = Server::new(passed.take("ipc")?, "network-manager".parse()?, table, &poller)?;

    let mut outcome = keeper.tend();
    // Its netlink sockets are open: it needs no path, no profile and no other network from here on.
    for layer in confine_self(&Confinement::new())? {
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
            serve(&mut server, &poller, token, &mut keeper);
        }
    }
}

fn serve(server: &mut Server, poller: &Poller, token: u64, keeper: &mut Keeper) {
    match server.receive::<Request>(token, poller) {
        Incoming::Request { request: Request::Links {}, .. } => {
            let answer = match keeper.describe() {
                Ok(links) => Answer::Ok(Links { links }),
                Err(error) => Answer::Error(ErrorBody { class: ErrorClass::Internal, message: chain(&error), hint: None }),
            };
            server.answer(token, &answer, &[]);
        }
        Incoming::Malformed { caller, error } => report(EventKind::MalformedPacket, caller.to_string(), chain(&error)),
        Incoming::Forbidden { caller, request } => {
            report(EventKind::ForbiddenRequest, caller.to_string(), format!("asked network-manager for `{request}`"));
        }
        Incoming::Nothing | Incoming::Closed => {}
    }
}

/// Tells security-monitor. If it cannot be told, our own log has it.
fn report(kind: EventKind, subject: String, detail: String) {
    log::warning(format!("{subject}: {detail}"));
    let threat = monitor::Request::ReportThreat { kind, subject, detail };
    if let Err(error) = ipc::client::call::<_, Done>("security-monitor", &threat, &[]) {
        log::error(chain(&error));
    }
}

/// Token of [`Changes`].
const CHANGES: u64 = 1;
/// Longest `network.json` that is read.
const NETWORK_LIMIT: usize = 64 * 1024;
/// How soon to look again while something is missing.
const RETRY: Duration = Duration::from_secs(2);
/// How often to look although nothing was told.
const IDLE: Duration = Duration::from_secs(30);
