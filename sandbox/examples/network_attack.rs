//! Acts that use the network, behind one protection alone: `network_attack ARM ACT PORT`.
//!
//! Ends with 0 if the act worked, else with the errno that it was refused with. tests/filter/network.rs runs each act in
//! each arm, and looks whether it was reached.
#![expect(unsafe_code, reason = "attacks are raw system calls")]

use landlock::{ABI, Access, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr};
use sandbox::seccomp::{
    self, Architecture,
    profiles::{ALWAYS, app},
};
use std::{io, mem::size_of, process::ExitCode, ptr::null};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, arm, act, port] = arguments.as_slice() else { return ExitCode::from(200) };
    protect(arm);
    match run(act, port.parse().unwrap_or(0)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ExitCode::from(error.raw_os_error().and_then(|errno| u8::try_from(errno).ok()).unwrap_or(199)),
    }
}

fn protect(arm: &str) {
    match arm {
        "open" => {}
        "landlock" => {
            let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
            let ruleset = ruleset.handle_access(AccessNet::from_all(ABI::V4)).unwrap().create().unwrap();
            ruleset.restrict_self().unwrap();
        }
        "base" => load(&[]),
        "filter" => load(&[&app::NETWORK]),
        "filter-listen" => load(&[&app::NETWORK, &app::LISTEN]),
        // SAFETY: gives this process, which has one thread, an empty network namespace.
        "namespace" => assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0),
        other => panic!("no arm `{other}`"),
    }
}

fn load(more: &[&'static seccomp::Profile]) {
    let filter = seccomp::compile(Architecture::NATIVE, &[&ALWAYS[..], more].concat(), &[]).unwrap();
    let same = |one: &libc::sock_filter| seccompiler::sock_filter { code: one.code, jt: one.jt, jf: one.jf, k: one.k };
    seccompiler::apply_filter(&filter.program.iter().map(same).collect::<Vec<_>>()).unwrap();
}

fn run(act: &str, port: u16) -> io::Result<()> {
    let stream = || socket(libc::AF_INET, libc::SOCK_STREAM, 0);
    let set = |level: i32, option: i32, value: &[u8]| {
        // SAFETY: the kernel reads `value`, whose length it is told.
        let set = unsafe { libc::setsockopt(stream()?, level, option, value.as_ptr().cast(), value.len() as u32) };
        answer(set as isize)
    };
    match act {
        "connect" => connect(stream()?, port),
        "multipath-connect" => connect(socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP)?, port),
        "raw" => socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP).map(drop),
        "fast-open-sendto" => send(stream()?, port, libc::MSG_FASTOPEN),
        "fast-open-sendmsg" => with_message(port, |message| {
            // SAFETY: the message's parts live during the call.
            unsafe { libc::sendmsg(stream().unwrap_or(-1), message, libc::MSG_FASTOPEN) }
        }),
        "fast-open-sendmmsg" => with_message(port, |message| {
            let mut messages = [libc::mmsghdr { msg_hdr: *message, msg_len: 0 }];
            // SAFETY: one message, whose parts live during the call.
            unsafe { libc::sendmmsg(stream().unwrap_or(-1), messages.as_mut_ptr(), 1, libc::MSG_FASTOPEN) as isize }
        }),
        "udp" => send(socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?, port, 0),
        // SAFETY: no memory.
        "listen" => answer(unsafe { libc::listen(stream()?, 1) } as isize),
        "option-no-delay" => set(libc::IPPROTO_TCP, libc::TCP_NODELAY, &1i32.to_ne_bytes()),
        "option-fast-open-connect" => set(libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, &1i32.to_ne_bytes()),
        "option-upper-protocol" => set(libc::IPPROTO_TCP, libc::TCP_ULP, b"smc"),
        "option-linger" => set(libc::SOL_SOCKET, libc::SO_LINGER, &[1i32.to_ne_bytes(), 30i32.to_ne_bytes()].concat()),
        "option-device" => set(libc::SOL_SOCKET, libc::SO_BINDTODEVICE, b"lo\0"),
        "option-socket-filter" => set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &[]),
        other => panic!("no act `{other}`"),
    }
}

const GREETING: &[u8] = b"hello";

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<i32> {
    // SAFETY: no memory.
    let fd = unsafe { libc::socket(family, kind, protocol) };
    answer(fd as isize).map(|()| fd)
}

fn local(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_be_bytes([127, 0, 0, 1]).to_be() },
        sin_zero: [0; 8],
    }
}

const ADDRESS: u32 = size_of::<libc::sockaddr_in>() as u32;

fn connect(fd: i32, port: u16) -> io::Result<()> {
    let to = local(port);
    // SAFETY: the kernel reads one address.
    answer(unsafe { libc::connect(fd, (&raw const to).cast(), ADDRESS) } as isize)
}

fn send(fd: i32, port: u16, flags: i32) -> io::Result<()> {
    let to = local(port);
    // SAFETY: the kernel reads the greeting and one address.
    answer(unsafe { libc::sendto(fd, GREETING.as_ptr().cast(), GREETING.len(), flags, (&raw const to).cast(), ADDRESS) })
}

fn with_message(port: u16, send: impl FnOnce(&libc::msghdr) -> isize) -> io::Result<()> {
    let mut to = local(port);
    let mut part = libc::iovec { iov_base: GREETING.as_ptr().cast_mut().cast(), iov_len: GREETING.len() };
    let message = libc::msghdr {
        msg_name: (&raw mut to).cast(),
        msg_namelen: ADDRESS,
        msg_iov: &raw mut part,
        msg_iovlen: 1,
        msg_control: null::<u8>().cast_mut().cast(),
        msg_controllen: 0,
        msg_flags: 0,
    };
    answer(send(&message))
}

fn answer(value: isize) -> io::Result<()> {
    if value < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
