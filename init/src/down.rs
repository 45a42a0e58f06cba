//! The one way down: app-manager, which ends the apps; the other services, each after those that need it; the monitor, so
//! that what happened is written; then everything else, and the data partition. Each step has a limit, and the hardware
//! watchdog is armed throughout with a time-out beyond that limit: a step that hangs for ever ends by reset.

use crate::{
    entropy, last_resort,
    life::{Event, State},
    problem::Problem,
    say, service,
    supervise::{Supervisor, told},
    sys, time,
    watchdog::DOWN_MARGIN,
};
use linux::mount;
use manifest::{api::EventKind, names::ServiceName, places};
use rustix::{
    fs::sync,
    system::{RebootCommand, reboot},
};
use std::time::Duration;

/// Why and how the device goes down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// What happens last.
    pub kind: Kind,
    /// Why.
    pub reason: String,
    /// Whether this boot counts as failed.
    pub failed: bool,
}

/// What happens last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Start again.
    Restart,
    /// Power off.
    PowerOff,
}

/// Goes first: it tells apps to end and gives them their time, while all that they use still runs.
const FIRST: &str = "app-manager";
/// For the monitor to take the last reports.
const REPORT_LIMIT: Duration = Duration::from_secs(3);
/// For what was killed to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(3);
/// Beyond a service's own grace: SIGKILL has been sent, and its end is to be seen.
const AFTER_GRACE: Duration = Duration::from_secs(2);
/// Longest turn of the loop meanwhile.
const TURN: Duration = Duration::from_millis(250);

/// Goes down. Does not return.
pub fn go(mut init: Supervisor, down: &Down) -> ! {
    init.going_down = true;
    say::notice(format_args!(
        "going down to {}: {}",
        if down.kind == Kind::Restart { "restart" } else { "power off" },
        down.reason
    ));
    init.reports.add(EventKind::GoingDown, "device", down.reason.as_str());
    if let Some(counters) = &mut init.counters {
        told(if down.failed { counters.failed(&down.reason) } else { counters.ended() });
    }
    stop(&mut init, |service| service.as_str() == FIRST);
    until(&mut init, REPORT_LIMIT, |init| init.reports.is_empty() || !init.monitor_listens());
    while let Some(leaf) = next_leaves(&init) {
        stop(&mut init, |service| leaf.contains(service));
    }
    end(&mut init, down.kind)
}

/// Restarts a device whose boot failed, before there was anything to supervise.
pub fn abandon(counters: Option<crate::boots::Counters>, why: &str) -> ! {
    say::error(format_args!("the boot failed and the device restarts: {why}"));
    if let Some(mut counters) = counters {
        told(counters.failed(why));
    }
    finish(Kind::Restart)
}

/// Services that still run and that no other running one needs; none when nothing runs. Needs have no circle, so while
/// something runs there is a leaf.
fn next_leaves(init: &Supervisor) -> Option<Vec<ServiceName>> {
    let running: Vec<_> = init.services.iter().filter(|service| service.state.runs()).map(|service| &service.row).collect();
    let is_needed = |name: &ServiceName| running.iter().any(|other| other.needs.contains(name));
    let leaves: Vec<_> = running.iter().filter(|row| !is_needed(&row.name)).map(|row| row.name.clone()).collect();
    (!leaves.is_empty()).then_some(leaves)
}

/// Stops the chosen services together and waits until they have ended, or their grace and the kill after it are over.
fn stop(init: &mut Supervisor, chosen: impl Fn(&ServiceName) -> bool) {
    let indices: Vec<usize> =
        init.services.iter().enumerate().filter(|(_, service)| chosen(&service.row.name)).map(|(index, _)| index).collect();
    let grace =
        indices.iter().filter_map(|index| init.services.get(*index)).map(|service| service.row.stop_grace.duration()).max();
    for index in &indices {
        init.happen(*index, Event::Stop, "");
    }
    let ended =
        |init: &Supervisor| indices.iter().all(|index| init.services.get(*index).is_none_or(|service| !service.state.runs()));
    if !until(init, grace.unwrap_or_default() + AFTER_GRACE, ended) {
        for index in indices {
            if let Some(service) = init.services.get_mut(index).filter(|service| service.state.runs()) {
                say::error(format_args!("{} does not end, not even by SIGKILL; going on without it", service.row.name));
                // Given up: it no longer counts as running.
                service.state = State::Stopped;
            }
        }
    }
}

/// Turns the loop until `done`, for `limit` at most. The watchdog is fed once, for the whole of it.
fn until(init: &mut Supervisor, limit: Duration, done: impl Fn(&Supervisor) -> bool) -> bool {
    arm(init, limit);
    let end = service::now() + limit;
    while !done(init) {
        let left = end.saturating_sub(service::now());
        if left.is_zero() {
            return false;
        }
        init.turn(left.min(TURN));
    }
    true
}

fn arm(init: &Supervisor, limit: Duration) {
    if let Some(watchdog) = &init.watchdog {
        told(watchdog.set_timeout(limit + DOWN_MARGIN));
    }
}

/// All services have ended.
fn end(init: &mut Supervisor, kind: Kind) -> ! {
    arm(init, KILL_LIMIT);
    told(time::save());
    told(entropy::save());
    sys::kill_everything();
    let end = service::now() + KILL_LIMIT;
    // Children that PID 1 inherited are gone when there is none left to wait for.
    while service::now() < end && has_children() {
        std::thread::sleep(Duration::from_millis(10));
    }
    arm(init, Duration::ZERO);
    finish(kind)
}

fn has_children() -> bool {
    while let Ok(Some(_)) = linux::pidfd::reap_any() {}
    linux::cgroup::Cgroup::at(places::APPS_CGROUP).is_populated().unwrap_or(false)
}

/// Data to the disk, and out. A hang in here is the watchdog's.
fn finish(kind: Kind) -> ! {
    sync();
    if let Err(problem) = put_data_away() {
        say::error(problem);
    }
    say::notice("down");
    let command = match kind {
        Kind::Restart => RebootCommand::Restart,
        Kind::PowerOff => RebootCommand::PowerOff,
    };
    let _ = reboot(command);
    last_resort::restart("the kernel did not go down", file!(), line!())
}

/// Unmounts the data partition; where something still holds it, makes it read-only, so that nothing more is written.
fn put_data_away() -> Result<(), Problem> {
    match mount::unmount(places::DATA) {
        Ok(()) => return Ok(()),
        // It is not mounted: the boot did not come that far.
        Err(e) if e.source.raw_os_error() == Some(libc::EINVAL) => return Ok(()),
        Err(e) => say::warning(Problem::from(e)),
    }
    let flags = rustix::mount::MountFlags::NOSUID | rustix::mount::MountFlags::NODEV | rustix::mount::MountFlags::NOEXEC;
    mount::remount_read_only(places::DATA, flags)?;
    sync();
    Ok(())
}
