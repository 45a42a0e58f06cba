//! The test image's probe: a service that looks and attacks from inside, as root, on request of the tests.
//!
//! image-builder refuses it in any image whose description does not say `test: true`. It gets the virtio-serial port
//! `holdfast.probe` as descriptor `port`, reads one [`Request`] per line and answers each with one [`Answer`].
//!
//! - [`port`]: lines over the port.
//! - [`look`]: requests that only look: files, folders, processes, sysctls.
//! - [`act`]: requests that change or break something. [`clock`]: requests that are timed.
//!
//! What it trusts: whoever holds the host's side of the port. It has every right on the device; that is its use.
#![forbid(unsafe_code)]

mod act;
mod clock;
mod look;
mod port;
mod stop;

use linux::{descriptors, files, log, notify::Notifier};
use port::Port;
use probe::{Answer, Request};
use std::{io, process::ExitCode, time::Duration};

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            log::error(files::chain(e.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let mut port = Port::new(descriptors::take().take("port")?);
    let stop = stop::watch()?;
    Notifier::from_environment().ready();
    log::notice("the probe is in this image: it is for tests only, and whoever holds its port holds the device");
    while let Some(line) = port.line(&stop)? {
        let answer = match serde_json::from_slice(&line) {
            Ok(request) => answer(&request, &stop),
            Err(e) => Answer::Failed { errno: 0, words: format!("not a request: {e}") },
        };
        port.answer(&serde_json::to_vec(&answer)?)?;
    }
    stop.carry_out();
    Ok(())
}

fn answer(request: &Request, stop: &stop::Stop) -> Answer {
    let result = match request {
        Request::Hello => Ok(Answer::Done),
        Request::Read { path, offset, length } => look::read(path, *offset, *length).map(Answer::Bytes),
        Request::Sha256 { path } => look::sha256(path).map(Answer::Text),
        Request::List { path } => look::list(path).map(Answer::Entries),
        Request::Stat { path } => look::stat(path).map(|entry| Answer::Entries(vec![entry])),
        Request::Processes => look::processes().map(Answer::Processes),
        Request::Sysctls => Ok(Answer::Text(look::sysctls())),
        Request::Write { path, bytes, create } => act::write(path, bytes, *create).map(done),
        Request::Remove { path } => std::fs::remove_file(path).map(done),
        Request::MakeFolder { path, owner } => act::make_folder(path, *owner).map(done),
        Request::MakeFifo { path } => act::make_fifo(path).map(done),
        Request::Kill { pid, signal } => act::kill(*pid, *signal).map(done),
        Request::Ipc { service, packet } => act::ipc(service, packet).map(Answer::Text),
        Request::Flood { service, packet, threads, seconds } => {
            act::flood(service, packet, *threads, Duration::from_secs(*seconds));
            Ok(Answer::Done)
        }
        Request::Connect { path } => act::connect(path).map(done),
        Request::Freeze { pid } => act::freeze(*pid).map(done),
        Request::FreezeInitWhenStopped => {
            stop.freeze_init();
            Ok(Answer::Done)
        }
        Request::Sync => {
            rustix::fs::sync();
            Ok(Answer::Done)
        }
        Request::Until { first, service, packet, words } => clock::until(|| answer(first, stop), service, packet, words),
        Request::Copy { from, to } => clock::copy(from, to),
        Request::Start { program, argument } => clock::start(program, argument),
        Request::Free { path } => look::free(path).map(|(bytes, files)| Answer::Free { bytes, files }),
    };
    result.unwrap_or_else(|e: io::Error| Answer::Failed { errno: e.raw_os_error().unwrap_or(0), words: e.to_string() })
}

fn done<T>(_: T) -> Answer {
    Answer::Done
}
