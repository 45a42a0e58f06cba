//! Requests that change or break something.

use base64::{Engine, engine::general_purpose::STANDARD};
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect as connect_socket, recv, send,
        socket_with, sockopt,
    },
    process::{Pid, Signal, kill_process},
};
use std::{
    fs, io,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    thread,
    time::{Duration, Instant},
};

/// Longest packet of the internal protocol, and one byte, so that one that is too long is seen to be.
const PACKET: usize = 64 * 1024 + 1;
/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(10);

/// Writes bytes (base64) into a file.
pub fn write(path: &str, bytes: &str, create: bool) -> io::Result<()> {
    let bytes = STANDARD.decode(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(create).truncate(create).open(path)?;
    io::Write::write_all(&mut file, &bytes)
}

/// Makes a folder that belongs to a user and its group.
pub fn make_folder(path: &str, owner: u32) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)?;
    std::os::unix::fs::chown(path, Some(owner), Some(owner))
}

/// Makes a FIFO in place of what is there.
pub fn make_fifo(path: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    Ok(mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?)
}

/// Sends a signal.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let pid = Pid::from_raw(pid).ok_or_else(invalid)?;
    Ok(kill_process(pid, Signal::from_named_raw(signal).ok_or_else(invalid)?)?)
}

/// Sends one packet to a service and returns what came back; nothing, if it hung up.
pub fn ipc(service: &str, packet: &str) -> io::Result<String> {
    let socket = connected(&format!("/run/ipc/{service}.sock"), SocketType::SEQPACKET)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(ANSWER))?;
    send(&socket, packet.as_bytes(), SendFlags::NOSIGNAL)?;
    let mut bytes = vec![0; PACKET];
    let (length, _) = recv(&socket, bytes.as_mut_slice(), RecvFlags::empty())?;
    bytes.truncate(length);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Sends a packet again and again from so many threads, each as soon as it was answered.
pub fn flood(service: &str, packet: &str, threads: u32, time: Duration) {
    let end = Instant::now() + time;
    for _ in 0..threads {
        let (service, packet) = (service.to_owned(), packet.to_owned());
        thread::spawn(move || {
            while Instant::now() < end {
                let _ = ipc(&service, &packet);
            }
        });
    }
}

/// Connects to a socket in the file system.
pub fn connect(path: &str) -> io::Result<()> {
    connected(path, SocketType::STREAM).map(drop)
}

fn connected(path: &str, kind: SocketType) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    connect_socket(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Freezes a process by a control group of its own (Documentation/admin-guide/cgroup-v2.rst, `cgroup.freeze`). It does
/// to PID 1 what no signal can: it stands still as one that hangs does.
pub fn freeze(pid: u32) -> io::Result<()> {
    let folder = format!("/sys/fs/cgroup/frozen-{pid}");
    fs::create_dir(&folder)?;
    fs::write(format!("{folder}/cgroup.procs"), pid.to_string())?;
    fs::write(format!("{folder}/cgroup.freeze"), "1")
}
