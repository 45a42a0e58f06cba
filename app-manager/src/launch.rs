//! An app is launched: its plan is made, everything it gets is opened, and launcher carries it out.

use crate::{
    app::{App, Installed, Live, Pipe},
    config, debug,
    disk::Disk,
    fault::Fault,
    launcher::Launcher,
    limits,
    log::intake::Partial,
    monitor::Monitor,
    notify,
    peripherals::Peripherals,
    services,
};
use ipc::messages::{
    Instance,
    launcher::{self, Confinement, Plan, PlanDescriptor},
};
use linux::files::{self, FileError};
use manifest::{
    api::{ErrorClass, LogStream},
    app::AppManifest,
    board::{Device, Entry, Kind},
    holdfast::Processes,
    names::TimeZone,
    places,
    services::{SOCKET, VARIABLE},
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{OFlags, fcntl_setfl},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};

/// What of the device an app is launched with.
pub struct Around<'a> {
    /// The board.
    pub peripherals: &'a Peripherals,
    /// The disk below /data.
    pub disk: Option<&'a Disk>,
    /// The time zone.
    pub time_zone: Option<&'a TimeZone>,
}

/// Launches the next instance of an app, by the debugger at the other end of a socket if there is one. Pipes and socket have
/// no place in the loop yet.
pub fn launch(
    app: &App,
    instance: Instance,
    around: Around<'_>,
    debugger: Option<&OwnedFd>,
    monitor: &mut Monitor,
    launcher: &mut Launcher,
) -> Result<Live, Fault> {
    let Around { peripherals, disk, time_zone } = around;
    let Some(installed) = &app.installed else {
        return Err(Fault::new(ErrorClass::Conflict, "the app was not verified"));
    };
    if let Some(size) = installed.granted.storage {
        let key = monitor.add_storage_key(&app.id)?;
        launcher.prepare_storage(&app.id, app.uid, size.0 / 1024, key)?;
    }
    let (stdout, app_stdout) = pipe()?;
    let (stderr, app_stderr) = pipe()?;
    let notify = notify::bind_socket(places::APP_RUN.as_ref(), &app.id)?;
    let mut passed: Vec<(String, OwnedFd)> = Vec::new();
    let open = |device: &Device| peripherals.open(device).map_err(|e| Fault::new(ErrorClass::Conflict, files::chain(&e)));
    // To open a watchdog is to start it: that comes when nothing but launcher can fail any more.
    let is_watchdog = |device: &&Device| device.entry.kind() == Kind::Watchdog;
    let (watchdogs, others): (Vec<&Device>, Vec<&Device>) = installed.granted.peripherals.iter().partition(is_watchdog);
    for device in others {
        passed.extend(open(device)?);
    }
    let mut config = None;
    if let Some(change) = installed.granted.config {
        let (delivered, kept) = config::deliver(&monitor.config(&app.id)?.unwrap_or_default(), change)?;
        passed.extend(delivered);
        config = Some(kept);
    }
    let mut limits = installed.granted.limits;
    if debugger.is_some() {
        limits = debug::limits(&limits);
    }
    let cgroup = limits::make(places::APPS_CGROUP.as_ref(), &instance, &limits, disk)?;
    let last = watchdogs.iter().flat_map(|device| device.descriptors());
    let names: Vec<String> = passed.iter().map(|(name, _)| name.clone()).chain(last).collect();
    let mut environment = environment(&installed.manifest, &installed.granted, time_zone);
    if debugger.is_some() {
        environment.retain(|variable| !variable.starts_with(WATCHDOG));
    }
    let plan = plan(instance.clone(), app.uid, installed, environment, &names, debugger.is_some());
    let granted = &installed.granted;
    let run = places::APP_RUN.as_ref();
    let opened = services::open(run, &instance, &granted.services, &cgroup, granted.limits.memory.0);
    let opened = opened.and_then(|services| Ok((services, cgroup.open()?)));
    let started = opened.map_err(Fault::from).and_then(|(services, folder)| {
        for device in watchdogs {
            passed.extend(open(device)?);
        }
        let mut descriptors = vec![
            installed.image.as_fd(),
            folder.as_fd(),
            app_stdout.as_fd(),
            app_stderr.as_fd(),
            stdout.as_fd(),
            stderr.as_fd(),
            notify.as_fd(),
        ];
        descriptors.extend(passed.iter().map(|(_, open)| open.as_fd()));
        descriptors.extend(debugger.map(AsFd::as_fd));
        Ok((launcher.start(plan, &descriptors)?, services))
    });
    let ((started, calls), services) = match started {
        Ok(started) => started,
        Err(fault) => {
            // A launcher that did not answer in time may have started it all the same.
            let _ = cgroup.kill();
            let _ = cgroup.remove();
            return Err(fault);
        }
    };
    let pipes = vec![new_pipe(stdout, LogStream::Stdout), new_pipe(stderr, LogStream::Stderr)];
    let (notify, calls) = (Some(notify.into()), Some(calls.into()));
    let (pid, in_force, debugged) = (Some(started.pid), started.in_force, debugger.is_some());
    Ok(Live { pid, pipes, notify, calls, config, services, in_force, debugged, ..Live::new(instance) })
}

/// The plan, with descriptors in the order in which [`launch`] passes them.
fn plan(
    instance: Instance,
    uid: u32,
    installed: &Installed,
    environment: Vec<String>,
    granted: &[String],
    debugged: bool,
) -> Plan {
    use PlanDescriptor::{Cgroup, Debugger, Granted, Image, Notify, Stderr, StderrRead, Stdout, StdoutRead};
    let mut descriptors = vec![Image, Cgroup, Stdout, Stderr, StdoutRead, StderrRead, Notify];
    descriptors.extend(granted.iter().cloned().map(Granted));
    descriptors.extend(debugged.then_some(Debugger));
    Plan {
        instance,
        uid,
        host_name: host_name(&installed.manifest.name),
        entry_point: installed.manifest.entry_point.to_string(),
        arguments: installed.manifest.cmd_args.clone(),
        environment,
        storage: installed.granted.storage.is_some(),
        services: !installed.granted.services.is_empty(),
        confinement: Confinement {
            processes: match installed.granted.processes {
                Processes::Single => launcher::Processes::Single,
                Processes::Fork => launcher::Processes::Fork,
                Processes::Exec => launcher::Processes::Exec,
            },
            syscall_profiles: installed.granted.syscall_profiles.clone(),
            open_files: installed.granted.limits.open_files,
            core_bytes: installed.granted.limits.core.0,
        },
        descriptors,
    }
}

/// The LISTEN_ variables are not in it: `sandbox` sets them from the descriptors it passes.
fn environment(manifest: &AppManifest, granted: &grant::Granted, time_zone: Option<&TimeZone>) -> Vec<String> {
    let mut environment = granted.environment.clone();
    if let Some(zone) = time_zone.filter(|_| !manifest.holdfast.environment.contains_key("TZ")) {
        environment.push(format!("TZ={zone}"));
    }
    environment.push("NOTIFY_SOCKET=/run/notify".to_owned());
    if granted.storage.is_some() {
        environment.push("HOLDFAST_STORAGE=/data".to_owned());
    }
    if !granted.services.is_empty() {
        environment.push(format!("{VARIABLE}={SOCKET}"));
    }
    // Nothing can be asked of a descriptor, and a library of another platform's wants to know whom it reaches.
    environment.extend(granted.peripherals.iter().filter_map(|device| match &device.entry {
        Entry::I2c(entry) => Some(format!("HOLDFAST_I2C_{}={}", device.name, entry.address)),
        _ => None,
    }));
    if let Some(watchdog) = manifest.holdfast.watchdog {
        environment.push(format!("{WATCHDOG}{}", watchdog.duration().as_micros()));
    }
    environment
}

/// Of the variable that tells an app how often to say that it lives.
const WATCHDOG: &str = "WATCHDOG_USEC=";

/// A host name made of the app's name: letters, digits and single dashes.
fn host_name(name: &str) -> String {
    let mut host = String::new();
    for c in name.chars().take(HOST_NAME_LIMIT) {
        if c.is_ascii_alphanumeric() {
            host.push(c.to_ascii_lowercase());
        } else if !host.is_empty() && !host.ends_with('-') {
            host.push('-');
        }
    }
    let host = host.trim_end_matches('-');
    if host.is_empty() { "app".to_owned() } else { host.to_owned() }
}

/// Half of what the kernel allows (HOST_NAME_MAX).
const HOST_NAME_LIMIT: usize = 32;

/// A pipe of which our end, the first, does not block.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), FileError> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(pipe_error)?;
    fcntl_setfl(&read, OFlags::NONBLOCK).map_err(pipe_error)?;
    Ok((read, write))
}

/// A pipe, or what is like one, could not be made.
pub fn pipe_error(error: Errno) -> FileError {
    FileError::new("make", "a pipe", error)
}

/// A pipe's read end that has no place in the loop yet.
pub fn new_pipe(fd: OwnedFd, stream: LogStream) -> Pipe {
    Pipe { end: fd.into(), stream, partial: Partial::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::board::Board;

    #[test]
    fn host_names_hold_only_what_a_host_name_may() {
        assert_eq!(host_name("Doorbell in C"), "doorbell-in-c");
        assert_eq!(host_name("--ä--"), "app");
        assert_eq!(host_name("a/../b "), "a-b");
        assert!(host_name(&"x".repeat(1000)).len() <= HOST_NAME_LIMIT);
    }

    #[test]
    fn the_environment_says_what_the_platform_offers() {
        let manifest = AppManifest::parse(
            br#"{"SchemaVersion":1,"Name":"D","ComponentId":"25025d2c-66da-4448-bae1-ac26fcdd3627","EntryPoint":"/bin/app",
            "Capabilities":{"MutableStorage":{"SizeKB":64}},"Holdfast":{"Watchdog":3,"Environment":{"LANG":"C"}}}"#,
        )
        .unwrap();
        let granted = grant::grant(&manifest, &Board::parse(br#"{"name":"T"}"#).unwrap()).unwrap();
        let expected = ["LANG=C", "NOTIFY_SOCKET=/run/notify", "HOLDFAST_STORAGE=/data", "WATCHDOG_USEC=3000000"];
        assert_eq!(environment(&manifest, &granted, None), expected);
        let zone = "CET-1".parse().unwrap();
        assert!(environment(&manifest, &granted, Some(&zone)).contains(&"TZ=CET-1".to_owned()));
    }
}
