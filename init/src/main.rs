//! PID 1, nothing else.
//!
//! It boots the device by a list of named phases, starts the services of the verified image's table with exactly the ids,
//! capabilities and descriptors that their rows name, supervises them, feeds the hardware watchdog while health holds, and
//! takes the device down the one way there is.
//!
//! It is small, synchronous and has one thread. It reads nothing foreign: the service table, the board file and the
//! settings are in the verified image; what services say to it are sd_notify datagrams and the closed requests of
//! `ipc::messages::init`. It has no filter and no domain of its own, because its children would inherit them.
//!
//! - [`phases`]: the boot; each phase is a module of its own below ([`mounts`], [`documents`], [`sysctl`], [`time`],
//!   [`network`], [`cgroups`], [`data`], [`entropy`], [`identity`], [`pstore`], [`boots`], [`board`] with
//!   [`simulator`], [`folders`], [`power`]).
//! - [`data`] with [`partition`], [`boot_block`], [`lay`]: the data partition.
//! - [`supervise`]: the loop. [`life`]: what may happen to a service, as one table. [`service`]: one service;
//!   [`grants`]: what it is started with; [`sockets`]: what it speaks through; [`sys`]: fork and exec.
//! - [`watchdog`]: the hardware watchdog. [`reports`]: to the monitor. [`answers`]: to requests.
//! - [`down`]: the one way down. [`last_resort`]: when even that fails; it allocates nothing.
//!
//! Invariants: it never exits and never panics (a panic would end in [`last_resort`]); it never waits for a service, the
//! network, the clock or the console; everything that waits has a limit.
#![deny(unsafe_code)]

mod answers;
mod board;
mod boot_block;
mod boots;
mod cgroups;
mod data;
mod documents;
mod down;
mod entropy;
mod folders;
mod grants;
mod identity;
mod last_resort;
mod lay;
mod life;
mod mounts;
mod network;
mod partition;
mod phases;
mod power;
mod problem;
mod pstore;
mod reports;
mod say;
mod service;
mod simulator;
mod sockets;
mod supervise;
mod sys;
mod sysctl;
mod time;
mod watchdog;

use std::process::ExitCode;
use supervise::Supervisor;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        say::error(
            "this is the first process of a Holdfast device; started by the kernel it boots, started by hand it does nothing",
        );
        return ExitCode::from(2);
    }
    last_resort::take_panics();
    let boot = match phases::run() {
        Ok(boot) => boot,
        Err(failed) => down::abandon(None, &failed.to_string()),
    };
    let counters = boot.counters.clone();
    let mut init = match Supervisor::new(boot) {
        Ok(init) => init,
        Err(problem) => down::abandon(counters, &problem.to_string()),
    };
    let down = init.run();
    down::go(init, &down)
}
