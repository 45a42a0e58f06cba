//! device-api: read what the image says, open, confine, say READY, serve.

#![forbid(unsafe_code)]

use device_api::{
    confine,
    identity::Identity,
    install::Uploads,
    operations::{Device, Facts},
    peers::{self, Peers},
    server::{self, Limits, Server},
    tls,
};
use linux::{
    files::{self, chain},
    log,
    notify::Notifier,
};
use manifest::{
    board::{BOARD_LIMIT, Board},
    image::DeviceImage,
    places,
};
use std::{error::Error, path::Path, process::ExitCode, sync::Arc};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let notifier = Notifier::from_environment();
    let facts = facts()?;
    let identity = Identity::load_or_make(Path::new(places::API_STATE))?;
    log::notice(format!("certificate sha256 {}", identity.fingerprint()));
    let tls = tls::acceptor(identity, &files::read(places::API_CA, CA_LIMIT)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(peers::THREADS)
        .thread_stack_size(THREAD_STACK)
        .build()?;
    let listener = runtime.block_on(server::listen(places::API_PORT))?;
    confine::confine()?;

    let device = Device { facts, peers: Arc::new(Peers::new(places::IPC)), uploads: Uploads::default() };
    runtime.block_on(async {
        notifier.ready();
        tokio::spawn(ping(notifier));
        match Server::new(tls, device, Limits::default()).run(listener).await {}
    })
}

/// Tells the supervisor that the loop turns: from the loop itself.
async fn ping(notifier: Notifier) {
    let Some(interval) = notifier.ping_interval() else { return };
    loop {
        notifier.watchdog();
        tokio::time::sleep(interval).await;
    }
}

fn facts() -> Result<Facts, Box<dyn Error>> {
    let image = DeviceImage::parse(&files::read(places::IMAGE, IMAGE_LIMIT)?)?;
    let board = Board::parse(&files::read(places::BOARD, BOARD_LIMIT)?)?;
    Ok(Facts {
        name: image.name,
        version: image.version,
        platform_abi: image.platform_abi,
        board: board.name,
        machine_id: files::read_line(places::MACHINE_ID)?,
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        downgrade: image.downgrade,
        debug: image.debug,
    })
}

/// Longest CA file: a handful of certificates.
const CA_LIMIT: usize = 64 * 1024;
/// Longest `image.json`.
const IMAGE_LIMIT: usize = 16 * 1024;
/// Stack of a thread that makes one ipc call: a packet is on the heap.
const THREAD_STACK: usize = 256 * 1024;
