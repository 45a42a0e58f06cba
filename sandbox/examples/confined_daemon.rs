//! A daemon that confines itself and then tries what it gave up: `cargo run -p holdfast-sandbox --example confined_daemon`.
//!
//! With the argument `thread` or `missing` it shows what is no confinement: a second thread, a path that is not there.

use linux::{files, log};
use sandbox::{Confinement, confine_self, seccomp::profiles::daemon};
use std::{error::Error, process, thread, time::Duration};

fn main() {
    if let Err(e) = run() {
        log::error(files::chain(&*e));
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut confinement = Confinement::new().profile(&daemon::VERITY).read("/usr/lib").write("/tmp");
    match std::env::args().nth(1).as_deref() {
        Some("thread") => drop(thread::spawn(|| thread::sleep(Duration::from_secs(10)))),
        Some("missing") => confinement = confinement.read("/nonexistent"),
        _ => {}
    }
    for line in confine_self(&confinement)? {
        log::notice(format!("in force: {line}"));
    }
    for path in ["/usr/lib/os-release", "/etc/passwd"] {
        match files::read(path, 1 << 20) {
            Ok(bytes) => log::notice(format!("{path}: read {} bytes", bytes.len())),
            Err(error) => log::notice(files::chain(&error)),
        }
    }
    match process::Command::new("/bin/true").status() {
        Ok(status) => log::error(format!("/bin/true ran: {status}")),
        Err(error) => log::notice(format!("/bin/true: {error}")),
    }
    files::write_durably("/tmp/confined-daemon-was-here", b"yes", 0o600)?;
    files::remove("/tmp/confined-daemon-was-here")?;
    Ok(())
}
