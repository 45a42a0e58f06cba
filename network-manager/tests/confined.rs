//! Keeping links in a process that is confined as on the device: what it gave up, it does not need.
//!
//! Without libtest's threads: a process confines itself while it has one. Needs root and `ip`; says so where either lacks.

use manifest::network::NetworkConfig;
use network_manager::{
    keeper::{Keeper, Outcome},
    netlink::{Changes, Netlink},
};
use sandbox::{Confinement, confine_self};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("keep") {
        keep();
        return ExitCode::SUCCESS;
    }
    let namespace = format!("holdfast-confined-{}", std::process::id());
    if !rustix::process::geteuid().is_root() || !ip(&["netns", "add", &namespace]) {
        say("skipped: needs root and a kernel with network namespaces");
        say("\ntest result: ok. 0 passed; 0 failed; 1 ignored");
        return ExitCode::SUCCESS;
    }
    let kept = follow(&namespace);
    ip(&["netns", "del", &namespace]);
    assert!(kept.contains("eth0: up") && kept.contains("10.0.2.15/24, default via 10.0.2.2"), "{kept}");
    say("test a_confined_keeper_configures_a_link_that_comes_late ... ok\n\ntest result: ok. 1 passed; 0 failed");
    ExitCode::SUCCESS
}

/// Runs this program in the namespace, gives it a link once it is confined, and returns what it says of it.
fn follow(namespace: &str) -> String {
    let program = std::env::current_exe().unwrap();
    let arguments = ["netns", "exec", namespace, program.to_str().unwrap(), "keep"];
    let mut child = Command::new("ip").args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "confined");
    assert!(ip(&["-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"]));
    let kept = lines.map(Result::unwrap).collect::<Vec<_>>().join("\n");
    assert!(child.wait().unwrap().success());
    kept
}

fn keep() {
    let config = br#"{"links":[{"name":"eth0","addresses":["10.0.2.15/24"],"gateway":"10.0.2.2"}]}"#;
    let changes = Changes::subscribe().unwrap();
    let poller = linux::poll::Poller::new().unwrap();
    poller.add(&changes, 1).unwrap();
    let mut keeper = Keeper::new(NetworkConfig::parse(config).unwrap(), Netlink::open().unwrap());
    assert_eq!(keeper.tend(), Outcome::Incomplete);
    confine_self(&Confinement::new()).unwrap();
    assert!(std::net::UdpSocket::bind("127.0.0.1:0").is_err(), "not confined: a socket can be made");
    say("confined");
    assert_eq!(poller.wait(Some(Duration::from_secs(10))).unwrap(), [1]);
    changes.drain();
    assert_eq!(keeper.tend(), Outcome::Complete);
    for line in keeper.describe().unwrap() {
        say(&line);
    }
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).status().is_ok_and(|status| status.success())
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
