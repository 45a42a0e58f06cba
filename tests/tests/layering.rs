//! Who may link whom: the folder table of docs/architecture.md as data, held against what cargo knows.
#![forbid(unsafe_code)]

use anyhow::Result;
use harness::workspace::{self, Member};
use std::collections::BTreeSet;

/// One row of the table.
struct Row {
    package: &'static str,
    /// Crates of ours that it may name as a dependency.
    may_link: &'static [&'static str],
    /// Kinds of crates that it may not bring along, even through others.
    never: &'static [Kind],
}

/// A kind of crate that some parts must stay free of.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    AsyncRuntime,
    HttpOrTls,
    Crypto,
    /// Anything that can reach a file, a socket or a process.
    Io,
    /// Ours: a daemon's own crate.
    Daemon,
    /// Ours: the named crate.
    Own(&'static str),
}

use Kind::{AsyncRuntime, Crypto, Daemon, HttpOrTls, Io, Own};

const DAEMONS: &[&str] = &[
    "init",
    "security-monitor",
    "launcher",
    "app-manager",
    "network-manager",
    "app-services",
    "crash-reporter",
    "device-api",
    "cloud-agent",
    "board-simulator",
    "probe",
];

const TABLE: &[Row] = &[
    Row { package: "text", may_link: &[], never: &[AsyncRuntime, HttpOrTls, Crypto, Io, Daemon] },
    Row { package: "linux", may_link: &["text"], never: &[AsyncRuntime, HttpOrTls, Crypto, Daemon, Own("manifest")] },
    Row { package: "manifest", may_link: &["text"], never: &[AsyncRuntime, HttpOrTls, Io, Daemon] },
    Row { package: "ipc", may_link: &["manifest", "linux"], never: &[AsyncRuntime, HttpOrTls, Daemon] },
    Row { package: "holdfast-sandbox", may_link: &["linux"], never: &[AsyncRuntime, HttpOrTls, Daemon, Own("manifest")] },
    Row {
        package: "holdfast-sandbox-cli",
        may_link: &["holdfast-sandbox", "linux", "manifest"],
        never: &[AsyncRuntime, HttpOrTls, Daemon],
    },
    Row { package: "grant", may_link: &["manifest", "holdfast-sandbox"], never: &[AsyncRuntime, HttpOrTls, Daemon] },
    Row {
        package: "init",
        may_link: &["manifest", "ipc", "linux"],
        never: &[AsyncRuntime, HttpOrTls, Crypto, Daemon, Own("holdfast-sandbox")],
    },
    Row {
        package: "security-monitor",
        may_link: &["manifest", "ipc", "linux", "holdfast-sandbox"],
        never: &[AsyncRuntime, HttpOrTls, Daemon],
    },
    Row {
        package: "launcher",
        may_link: &["holdfast-sandbox", "ipc", "linux", "manifest"],
        never: &[AsyncRuntime, HttpOrTls, Daemon],
    },
    Row {
        package: "app-manager",
        may_link: &["manifest", "ipc", "linux", "holdfast-sandbox", "grant"],
        never: &[AsyncRuntime, HttpOrTls, Daemon],
    },
    Row { package: "network-manager", may_link: &["manifest", "ipc", "linux", "holdfast-sandbox"], never: &[Daemon] },
    Row {
        package: "app-services",
        may_link: &["manifest", "ipc", "linux", "holdfast-sandbox"],
        never: &[AsyncRuntime, HttpOrTls, Daemon],
    },
    Row { package: "crash-report", may_link: &["manifest"], never: &[AsyncRuntime, HttpOrTls, Daemon, Own("linux"), Own("ipc")] },
    Row {
        package: "crash-reporter",
        may_link: &["manifest", "ipc", "linux", "holdfast-sandbox", "crash-report"],
        never: &[AsyncRuntime, HttpOrTls, Daemon],
    },
    Row { package: "device-api", may_link: &["manifest", "ipc", "linux", "holdfast-sandbox"], never: &[Daemon] },
    Row { package: "board-simulator", may_link: &["linux", "holdfast-sandbox"], never: &[AsyncRuntime, HttpOrTls, Daemon] },
    Row { package: "holdfast-sdk", may_link: &["manifest"], never: &[AsyncRuntime, Daemon, Own("ipc")] },
    Row { package: "holdfast-sdk-c", may_link: &["holdfast-sdk", "manifest"], never: &[AsyncRuntime, Daemon, Own("ipc")] },
    Row { package: "doorbell", may_link: &["holdfast-sdk"], never: &[AsyncRuntime, Daemon, Own("ipc")] },
    Row { package: "sensor-logger", may_link: &["holdfast-sdk"], never: &[AsyncRuntime, Daemon, Own("ipc")] },
    Row { package: "thermometer", may_link: &["holdfast-sdk"], never: &[AsyncRuntime, Daemon, Own("ipc")] },
    Row { package: "display", may_link: &["holdfast-sdk"], never: &[AsyncRuntime, Daemon, Own("ipc")] },
    Row { package: "image-builder", may_link: &["manifest", "holdfast-sandbox", "grant"], never: &[Daemon] },
    Row { package: "qemu-runner", may_link: &[], never: &[Daemon] },
    Row { package: "api-client", may_link: &["manifest"], never: &[Daemon] },
    Row {
        package: "holdfast-cli",
        may_link: &["text", "image-builder", "manifest", "grant", "qemu-runner", "api-client", "crash-report"],
        never: &[Daemon],
    },
    // The test side links the probe's library for the types that both speak.
    Row { package: "probe", may_link: &["linux"], never: &[AsyncRuntime] },
    Row { package: "attack-arms", may_link: &["linux", "holdfast-sandbox"], never: &[AsyncRuntime] },
    Row {
        package: "holdfast-tests",
        may_link: &[
            "manifest",
            "probe",
            "qemu-runner",
            "api-client",
            "image-builder",
            "crash-report",
            "holdfast-cli",
            "holdfast-sandbox-cli",
        ],
        never: &[],
    },
];

/// Whether a package is of a kind.
fn is(package: &str, kind: Kind, owner: &str) -> bool {
    let begins = |names: &[&str]| names.iter().any(|name| package == *name || package.starts_with(&format!("{name}-")));
    match kind {
        AsyncRuntime => begins(&[
            "tokio",
            "async-std",
            "async-executor",
            "async-io",
            "smol",
            "mio",
            "futures-executor",
            "embassy",
            "glommio",
            "monoio",
            "compio",
            "polling",
            "calloop",
        ]),
        HttpOrTls => begins(&[
            "hyper",
            "http",
            "h2",
            "httparse",
            "tiny_http",
            "ureq",
            "reqwest",
            "axum",
            "actix",
            "warp",
            "rouille",
            "rustls",
            "native-tls",
            "openssl",
            "boring",
            "s2n",
            "mbedtls",
            "webpki",
            "quinn",
        ]),
        Crypto => begins(&[
            "ring",
            "aws-lc",
            "sha2",
            "sha1",
            "ed25519",
            "curve25519",
            "aes",
            "chacha20",
            "p256",
            "rsa",
            "openssl",
            "rustls",
            "boring",
            "x509",
            "der",
            "pkcs8",
            "blake3",
        ]),
        Io => begins(&["rustix", "libc", "nix", "mio", "polling", "socket2", "tempfile", "fs-err", "memmap2", "walkdir"]),
        Daemon => DAEMONS.contains(&package) && package != owner,
        Own(name) => package == name,
    }
}

fn described(kind: Kind) -> String {
    match kind {
        AsyncRuntime => "an async runtime".to_owned(),
        HttpOrTls => "HTTP or TLS".to_owned(),
        Crypto => "cryptography".to_owned(),
        Io => "input and output".to_owned(),
        Daemon => "another daemon".to_owned(),
        Own(name) => format!("`{name}`"),
    }
}

fn row(package: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.package == package)
}

#[test]
fn every_crate_stands_in_the_table() -> Result<()> {
    let members = workspace::members()?;
    let strangers: Vec<&String> = members.keys().filter(|name| row(name).is_none()).collect();
    assert!(strangers.is_empty(), "these crates have no row in tests/tests/layering.rs and docs/architecture.md: {strangers:?}");
    Ok(())
}

#[test]
fn no_crate_links_another_of_ours_that_its_row_does_not_name() -> Result<()> {
    let members = workspace::members()?;
    let ours: BTreeSet<&String> = members.keys().collect();
    let forbidden = |member: &Member| -> Vec<String> {
        let Some(row) = row(&member.name) else { return Vec::new() };
        let own = member.dependencies.iter().filter(|name| ours.contains(name));
        own.filter(|name| !row.may_link.contains(&name.as_str())).map(|name| format!("{} -> {name}", member.name)).collect()
    };
    let edges: Vec<String> = members.values().flat_map(forbidden).collect();
    assert!(edges.is_empty(), "forbidden by docs/architecture.md: {}", edges.join(", "));
    Ok(())
}

#[test]
fn no_crate_brings_along_what_its_row_forbids() -> Result<()> {
    let members = workspace::members()?;
    let mut found = Vec::new();
    for row in TABLE.iter().filter(|row| members.contains_key(row.package) && !row.never.is_empty()) {
        for package in workspace::brought_along(row.package)? {
            for kind in row.never.iter().filter(|kind| is(&package, **kind, row.package)) {
                let path = workspace::why(row.package, &package);
                found.push(format!("{} may not bring along {}, but needs {package}:\n{path}", row.package, described(*kind)));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

#[test]
fn the_rules_name_an_offending_crate_and_leave_similar_names_alone() {
    assert!(is("tokio", AsyncRuntime, "init") && is("tokio-util", AsyncRuntime, "init"));
    assert!(!is("tokiox", AsyncRuntime, "init"));
    assert!(is("launcher", Daemon, "init") && !is("init", Daemon, "init"));
    assert!(is("ed25519-dalek", Crypto, "init") && !is("derive_more", Crypto, "init"));
}
