//! The decision in plain words.

use crate::policy::Granted;
use manifest::{
    app::AppManifest,
    board::{GpioDirection, GpioLine},
    holdfast::{ConfigChange, Processes, Restart},
    quantity::Bytes,
};

/// What an app gets, a line per right or limit; what it does not get is said where people expect it.
pub fn lines(manifest: &AppManifest, granted: &Granted) -> Vec<String> {
    let section = &manifest.holdfast;
    let limits = granted.limits;
    let mut lines =
        vec![format!("program: {}, from the app's own image, which is read-only and checked page by page", manifest.entry_point)];
    lines.push(processes(granted, section.pids));
    lines.extend(granted.gpio.iter().map(line));
    if granted.gpio.is_empty() {
        lines.push("peripherals: none".to_owned());
    }
    lines.push(match granted.storage {
        Some(size) => format!("storage: {size} at /data, kept over restarts and updates, erased with the app"),
        None => "storage: none that is kept; /tmp lasts until the app ends".to_owned(),
    });
    lines.extend(section.config.map(|change| config(change).to_owned()));
    lines.push("network: none".to_owned());
    lines.push(format!("memory: {}; beyond it the whole app is killed", limits.memory));
    lines.push(format!("processor: {} % of one core", limits.cpu_percent));
    lines.push(format!("open files: {}", limits.open_files));
    lines.push(format!("system calls: profiles {}", granted.syscall_profiles.join(", ")));
    lines.push(restart(section.restart).to_owned());
    lines.push(format!("stop: SIGTERM, killed after {} s", u32::from(section.stop_grace)));
    lines.extend(section.ready_timeout.map(|t| format!("ready: says READY=1 within {} s of its start", u32::from(t))));
    lines.extend(section.watchdog.map(|t| format!("watchdog: killed after {} s without WATCHDOG=1", u32::from(t))));
    lines
}

/// The paths that an app may use, a line each: the rest is refused without a record on most kernels.
pub fn paths(storage: Option<Bytes>) -> Vec<String> {
    let data = match storage {
        Some(size) => format!("/data: read and write, {size}; nothing there is run, no link followed"),
        None => r#"/data: not there; "Capabilities": { "MutableStorage": { "SizeKB": … } } gives it"#.to_owned(),
    };
    let always = [
        "/: its own image, read only, nothing else of the device",
        "/tmp, /run: read and write, until it ends; nothing there is run",
        "/dev: null, zero, full, random and urandom",
        "/proc: its own processes, read only",
    ];
    always.map(str::to_owned).into_iter().chain([data]).collect()
}

fn processes(granted: &Granted, asked: u32) -> String {
    match granted.processes {
        Processes::Single => "processes: one, without threads; it cannot fork or execute".to_owned(),
        Processes::Fork => format!("processes: at most {asked} processes and threads; no other program can be executed"),
        Processes::Exec => format!("processes: at most {asked} processes and threads, which may execute programs of the image"),
    }
}

fn line(line: &GpioLine) -> String {
    let direction = match line.direction {
        GpioDirection::Input => "input, both edges",
        GpioDirection::Output => "output",
    };
    let level = if line.active_low { ", active low" } else { "" };
    format!("GPIO ${}: {direction}{level}, line {} of chip {}; for this app alone", line.name, line.line, line.chip)
}

fn config(change: ConfigChange) -> &'static str {
    match change {
        ConfigChange::Restart => "configuration: given by the owner, read only; started again when it changes",
        ConfigChange::Notify => "configuration: given by the owner, read only; told when it changes",
    }
}

fn restart(restart: Restart) -> &'static str {
    match restart {
        Restart::Always => "restart: always, with growing pauses; given up after too many failures",
        Restart::OnFailure => "restart: unless it exits with status 0, with growing pauses; given up after too many failures",
        Restart::Never => "restart: never",
    }
}

#[cfg(test)]
mod tests {
    use manifest::{app::AppManifest, board::Board};

    #[test]
    fn a_grant_explains_itself_in_plain_words() {
        let manifest = AppManifest::parse(
            br#"{"SchemaVersion":1,"Name":"Doorbell","ComponentId":"25025d2c-66da-4448-bae1-ac26fcdd3627","EntryPoint":"/bin/app",
            "Capabilities":{"Gpio":["$BUTTON"],"MutableStorage":{"SizeKB":64}},"Holdfast":{"Memory":"8MiB","Watchdog":10}}"#,
        );
        let board = Board::parse(br#"{"name":"T","gpio":[{"name":"$BUTTON","chip":"board","line":3,"direction":"input"}]}"#);
        let granted = crate::grant(&manifest.unwrap(), &board.unwrap()).unwrap();
        let expected = [
            "program: /bin/app, from the app's own image, which is read-only and checked page by page",
            "processes: at most 16 processes and threads; no other program can be executed",
            "GPIO $BUTTON: input, both edges, line 3 of chip board; for this app alone",
            "storage: 64KiB at /data, kept over restarts and updates, erased with the app",
            "network: none",
            "memory: 8MiB; beyond it the whole app is killed",
            "processor: 100 % of one core",
            "open files: 256",
            "system calls: profiles app, gpio",
            "restart: always, with growing pauses; given up after too many failures",
            "stop: SIGTERM, killed after 2 s",
            "watchdog: killed after 10 s without WATCHDOG=1",
        ];
        assert_eq!(granted.explanation, expected);
    }
}
