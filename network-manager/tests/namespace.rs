//! Against the real kernel, each test in a network namespace of its own. Needs root and `ip`; says so where either lacks.

use manifest::network::NetworkConfig;
use network_manager::{
    keeper::{Keeper, Outcome},
    netlink::{Changes, Netlink},
};
use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use std::{os::fd::AsFd, process::Command};

struct Namespace(String);

impl Namespace {
    /// A new namespace that this thread is in; none where this machine does not let us.
    fn enter(name: &str) -> Option<Self> {
        let name = format!("holdfast-{name}-{}", std::process::id());
        if !rustix::process::geteuid().is_root() || !ip(&["netns", "add", &name]) {
            return None;
        }
        let fd = openat(CWD, format!("/run/netns/{name}"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        move_into_link_name_space(fd.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        Some(Self(name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["netns", "del", &self.0]);
    }
}

/// Children inherit this thread's namespace.
fn ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).status().is_ok_and(|status| status.success())
}

fn shown(arguments: &[&str]) -> String {
    String::from_utf8(Command::new("ip").args(arguments).output().unwrap().stdout).unwrap()
}

fn keeper() -> Keeper {
    let config = br#"{"links":[{"name":"eth0","addresses":["10.0.2.15/24","fd00::15/64"],"gateway":"10.0.2.2"}]}"#;
    Keeper::new(NetworkConfig::parse(config).unwrap(), Netlink::open().unwrap())
}

/// Runs a test in a namespace, or says why not.
fn in_namespace(name: &str, test: impl FnOnce()) {
    match Namespace::enter(name) {
        Some(_namespace) => test(),
        None => writeln(&format!("skipped {name}: needs root and a kernel with network namespaces")),
    }
}

fn writeln(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[test]
fn a_link_gets_addresses_and_the_default_route() {
    in_namespace("configured", || {
        assert!(ip(&["link", "add", "eth0", "type", "veth", "peer", "name", "eth1"]));
        let mut keeper = keeper();
        assert_eq!(keeper.tend(), Outcome::Complete);
        let addresses = shown(&["address", "show", "dev", "eth0"]);
        assert!(addresses.contains("10.0.2.15/24") && addresses.contains("fd00::15/64"), "{addresses}");
        assert!(shown(&["route"]).contains("default via 10.0.2.2 dev eth0"));
        assert_eq!(keeper.tend(), Outcome::Complete);
        let described = keeper.describe().unwrap();
        assert!(described.iter().any(|l| l.starts_with("eth0: up, ") && l.contains("default via 10.0.2.2")), "{described:?}");
    });
}

#[test]
fn a_link_that_comes_late_is_told_and_configured() {
    in_namespace("late", || {
        let changes = Changes::subscribe().unwrap();
        let mut keeper = keeper();
        assert_eq!(keeper.tend(), Outcome::Incomplete);
        assert!(keeper.describe().unwrap().iter().any(|line| line.contains("no such link")));
        let poller = linux::poll::Poller::new().unwrap();
        poller.add(&changes, 1).unwrap();
        assert!(ip(&["link", "add", "eth0", "type", "veth", "peer", "name", "eth1"]));
        assert_eq!(poller.wait(Some(std::time::Duration::from_secs(10))).unwrap(), [1]);
        changes.drain();
        assert_eq!(keeper.tend(), Outcome::Complete);
    });
}

#[test]
fn what_somebody_took_away_comes_back() {
    in_namespace("repaired", || {
        assert!(ip(&["link", "add", "eth0", "type", "veth", "peer", "name", "eth1"]));
        let mut keeper = keeper();
        assert_eq!(keeper.tend(), Outcome::Complete);
        assert!(ip(&["link", "set", "eth0", "down"]));
        assert!(!shown(&["route"]).contains("default"));
        assert_eq!(keeper.tend(), Outcome::Complete);
        assert!(shown(&["route"]).contains("default via 10.0.2.2 dev eth0"));
        assert!(ip(&["address", "del", "10.0.2.15/24", "dev", "eth0"]));
        assert_eq!(keeper.tend(), Outcome::Complete);
        assert!(shown(&["address"]).contains("10.0.2.15/24") && shown(&["route"]).contains("default via 10.0.2.2"));
    });
}

#[test]
fn a_gateway_out_of_reach_is_said_and_the_addresses_stand() {
    in_namespace("unreachable", || {
        assert!(ip(&["link", "add", "eth0", "type", "veth", "peer", "name", "eth1"]));
        let config = br#"{"links":[{"name":"eth0","addresses":["10.0.2.15/24"],"gateway":"192.0.2.1"}]}"#;
        let mut keeper = Keeper::new(NetworkConfig::parse(config).unwrap(), Netlink::open().unwrap());
        assert_eq!(keeper.tend(), Outcome::Incomplete);
        let described = keeper.describe().unwrap().join("\n");
        assert!(described.contains("10.0.2.15/24") && described.contains("refuses to set the default route"), "{described}");
    });
}
