//! The daemon below another folder, with one of several ways to read a core: `tests/daemon.rs` starts it.
//!
//! `reporter FOLDER WAY`: its socket is `FOLDER/crash-reporter.sock`.

use crash_reporter::{
    daemon::{Places, run},
    reader::{Failure, Make, Order, sealed_minidump},
    reading::PATIENCE,
};
use linux::{descriptors::Passed, files::chain, log};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use std::{env::args_os, fs::File, path::PathBuf, process::ExitCode, time::Duration};

fn main() -> ExitCode {
    let mut arguments = args_os().skip(1);
    let folder = PathBuf::from(arguments.next().expect("a folder"));
    let way = arguments.next().and_then(|way| way.into_string().ok()).expect("a way");
    let (make, patience): (Make, Duration) = match way.as_str() {
        "minidump" => (sealed_minidump, PATIENCE),
        "abort" => (|_, _| std::process::abort(), PATIENCE),
        "panic" => (|_, _| panic!("a bug of ours"), PATIENCE),
        "memory" => (memory, PATIENCE),
        "hang" => (hang, Duration::from_millis(300)),
        "flood" => (|_, _| Ok(vec![1; 2 << 20]), PATIENCE),
        "other" => (other, PATIENCE),
        "reach" => (reach, PATIENCE),
        _ => panic!("{way} is no way"),
    };
    match run(passed(&folder), &Places::below(&folder), make, patience) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn passed(folder: &std::path::Path) -> Passed {
    let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    bind(&listener, &SocketAddrUnix::new(folder.join("crash-reporter.sock")).unwrap()).unwrap();
    listen(&listener, 8).unwrap();
    [("ipc".to_owned(), listener)].into_iter().collect()
}

fn hang(_: &Order, _: &File) -> Result<Vec<u8>, Failure> {
    loop {
        std::hint::spin_loop();
    }
}

fn memory(_: &Order, _: &File) -> Result<Vec<u8>, Failure> {
    Ok(vec![1; 1 << 30])
}

/// A report of another app.
fn other(order: &Order, core: &File) -> Result<Vec<u8>, Failure> {
    let mut order = order.clone();
    order.report.name = "somebody else".to_owned();
    sealed_minidump(&order, core)
}

/// Succeeds if something is possible that should not be, each in turn.
fn reach(order: &Order, core: &File) -> Result<Vec<u8>, Failure> {
    let reached = [
        File::open("/proc/version").is_ok(),
        File::open("/proc/self/status").is_ok(),
        std::net::UdpSocket::bind("127.0.0.1:0").is_ok(),
        std::os::unix::net::UnixDatagram::unbound().is_ok(),
        std::process::Command::new("/bin/true").status().is_ok(),
        std::thread::Builder::new().spawn(|| ()).is_ok(),
        rustix::pipe::pipe().is_ok(),
        rustix::process::test_kill_process(rustix::process::Pid::INIT).is_ok(),
        rustix::io::dup(core).is_ok(),
        rustix::fs::fstat(core).is_ok(),
        rustix::io::write(rustix::stdio::stderr(), b"still there\n").is_ok(),
        rustix::net::send(core, b"x", rustix::net::SendFlags::empty()).is_ok(),
    ];
    if reached.contains(&true) { sealed_minidump(order, core) } else { Err(Failure::NoThread) }
}
