//! What of the network Landlock does not see, and what holds there: examples/network_attack.rs, in each arm a process of
//! its own.

use std::{
    net::{TcpListener, UdpSocket},
    process::Command,
    time::Duration,
};

/// Errno that an act ends with behind a protection, 0 if it worked.
fn act(arm: &str, name: &str, port: u16) -> i32 {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples/network_attack");
    let status = Command::new(&program).args([arm, name, &port.to_string()]).status().unwrap();
    status.code().unwrap_or_else(|| panic!("{arm} {name}: {status}"))
}

/// A listener that says whether somebody reached it.
struct Canary(TcpListener);

impl Canary {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    fn was_reached(&self) -> bool {
        self.0.accept().is_ok()
    }
}

fn reached(arm: &str, name: &str) -> (i32, bool) {
    let canary = Canary::new();
    let errno = act(arm, name, canary.port());
    (errno, canary.was_reached())
}

#[test]
fn landlock_refuses_a_plain_connection_and_the_filter_does_not() {
    assert_eq!(reached("open", "connect"), (0, true));
    assert_eq!(reached("landlock", "connect"), (libc::EACCES, false));
    assert_eq!(reached("filter", "connect"), (0, true), "the filter knows no ports");
    assert_eq!(reached("namespace", "connect"), (libc::ENETUNREACH, false));
}

#[test]
fn fast_open_passes_by_landlock_and_the_filter_refuses_it() {
    for name in ["fast-open-sendto", "fast-open-sendmsg", "fast-open-sendmmsg"] {
        assert_eq!(reached("open", name), (0, true), "{name} cannot work anywhere, so it shows nothing");
        assert_passes_or_is_mended(name);
        assert_eq!(reached("filter", name), (libc::EPERM, false), "{name}");
        assert_eq!(reached("namespace", name), (libc::ENETUNREACH, false), "{name}");
    }
}

#[test]
fn multipath_tcp_passes_by_landlock_and_the_filter_refuses_it() {
    let open = reached("open", "multipath-connect");
    if open == (libc::EPROTONOSUPPORT, false) {
        std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED: this kernel has no MPTCP\n").unwrap();
        return;
    }
    assert_eq!(open, (0, true));
    assert_passes_or_is_mended("multipath-connect");
    assert_eq!(reached("filter", "multipath-connect"), (libc::EAFNOSUPPORT, false));
    assert_eq!(reached("namespace", "multipath-connect"), (libc::ENETUNREACH, false));
}

/// Landlock alone: kernels whose fault it is let it pass, mended ones refuse it.
fn assert_passes_or_is_mended(name: &str) {
    let alone = reached("landlock", name);
    assert!([(0, true), (libc::EACCES, false)].contains(&alone), "{name}: {alone:?}");
}

#[test]
fn listening_without_bind_passes_by_landlock_and_the_filter_refuses_it() {
    for (arm, errno) in [("open", 0), ("landlock", 0), ("filter", libc::EPERM), ("filter-listen", 0)] {
        assert_eq!(act(arm, "listen", 0), errno, "{arm}");
    }
}

/// Nobody claims otherwise: against UDP stand the network namespace and its link alone.
#[test]
fn udp_passes_by_landlock_and_the_filter_and_the_namespace_holds() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let port = socket.local_addr().unwrap().port();
    for arm in ["open", "landlock", "filter"] {
        assert_eq!(act(arm, "udp", port), 0, "{arm}");
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 5, "{arm}");
    }
    assert_eq!(act("namespace", "udp", port), libc::ENETUNREACH);
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 8]).is_err());
}

#[test]
fn without_the_network_profile_there_is_no_socket_of_the_internet() {
    for name in ["connect", "multipath-connect", "udp", "listen", "raw"] {
        assert_eq!(act("base", name, 1), libc::EAFNOSUPPORT, "{name}");
    }
    assert_eq!(act("open", "raw", 1), 0, "unconfined root gets a raw socket");
    assert_eq!(act("filter", "raw", 1), libc::EAFNOSUPPORT);
}

#[test]
fn options_that_lead_around_are_refused() {
    let leading_around = ["option-fast-open-connect", "option-upper-protocol", "option-device", "option-socket-filter"];
    // And what makes others wait, who get the socket last.
    for name in leading_around.into_iter().chain(["option-linger"]) {
        assert_ne!(act("open", name, 1), libc::EPERM, "{name} is refused to anybody");
        assert_eq!(act("filter", name, 1), libc::EPERM, "{name}");
    }
    assert_eq!(act("filter", "option-no-delay", 1), 0);
}
