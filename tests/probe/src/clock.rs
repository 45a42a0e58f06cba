//! Requests that are timed, by the device's own clock.

use crate::act;
use probe::Answer;
use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, bind, recv, socket_with,
    sockopt::{Timeout, set_socket_timeout},
};
use std::{
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

/// Longest wait.
const LIMIT: Duration = Duration::from_secs(40);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(1);
/// Where a program that is started says READY=1.
const NOTIFY: &str = "/run/probe-notify";
/// Longest datagram that is read.
const DATAGRAM: usize = 4096;

/// Does `first`, then asks a service until its answer holds `words`.
pub fn until(first: impl FnOnce() -> Answer, service: &str, packet: &str, words: &str) -> io::Result<Answer> {
    let began = Instant::now();
    if let failed @ Answer::Failed { .. } = first() {
        return Ok(failed);
    }
    while !act::ipc(service, packet)?.contains(words) {
        if began.elapsed() > LIMIT {
            return Err(io::ErrorKind::TimedOut.into());
        }
        sleep(PAUSE);
    }
    Ok(took(began))
}

/// Copies a file and flushes the copy.
pub fn copy(from: &str, to: &str) -> io::Result<Answer> {
    let began = Instant::now();
    let mut copy = File::create(to)?;
    io::copy(&mut File::open(from)?, &mut copy)?;
    copy.sync_all()?;
    Ok(took(began))
}

/// Starts a program until it says READY=1.
pub fn start(program: &str, argument: &str) -> io::Result<Answer> {
    let socket = notify_socket()?;
    let began = Instant::now();
    let mut child = Command::new(program).arg(argument).env_clear().env("NOTIFY_SOCKET", NOTIFY).spawn()?;
    let heard = hear_ready(&socket);
    let answer = took(began);
    end(&mut child)?;
    heard.map(|()| answer)
}

fn notify_socket() -> io::Result<OwnedFd> {
    let _ = fs::remove_file(NOTIFY);
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(LIMIT))?;
    bind(&socket, &SocketAddrUnix::new(NOTIFY)?)?;
    Ok(socket)
}

fn hear_ready(socket: &OwnedFd) -> io::Result<()> {
    let mut bytes = vec![0; DATAGRAM];
    loop {
        let (length, _) = recv(socket, bytes.as_mut_slice(), RecvFlags::empty())?;
        if bytes.get(..length).is_some_and(|said| said.starts_with(b"READY=1")) {
            return Ok(());
        }
    }
}

fn end(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}

fn took(began: Instant) -> Answer {
    Answer::Took(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX))
}
