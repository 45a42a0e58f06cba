//! The decision in plain words.

use crate::{policy::Granted, rights};
use manifest::{
    app::AppManifest,
    board::{Device, Entry, GpioDirection},
    quantity::Bytes,
};

/// What an app gets, a line per right or limit; what it does not get is said where people expect it. What the manifest alone
/// decides comes from [`rights`]; here is what the board adds, and the bounds: an explanation travels in one packet.
pub fn lines(manifest: &AppManifest, granted: &Granted) -> Vec<String> {
    let mut lines: Vec<String> = rights::program(manifest).into_iter().map(|said| said.words).collect();
    lines.extend(granted.peripherals.iter().map(peripheral));
    if granted.peripherals.is_empty() {
        lines.push("peripherals: none".to_owned());
    }
    lines.extend(rights::beyond_peripherals(manifest).into_iter().map(|said| said.words));
    lines.push(format!("open files: {}", granted.limits.open_files));
    lines.push(format!("system calls: profiles {}", granted.syscall_profiles.join(", ")));
    let more = lines.len().saturating_sub(LINES_LIMIT);
    if more > 0 {
        lines.truncate(LINES_LIMIT);
        lines.push(format!("and {more} more; `holdfast app inspect` shows all of a bundle's"));
    }
    lines.iter_mut().for_each(|line| line.truncate(line.floor_char_boundary(LINE_LIMIT)));
    lines
}

/// Most lines of an explanation.
const LINES_LIMIT: usize = 80;
/// Longest line of an explanation, in bytes.
const LINE_LIMIT: usize = 256;

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

fn peripheral(device: &Device) -> String {
    let what = match &device.entry {
        Entry::Gpio(line) => {
            let direction = match line.direction {
                GpioDirection::Input => "input, both edges",
                GpioDirection::Output => "output",
            };
            format!("{direction}{}", if line.active_low { ", active low" } else { "" })
        }
        Entry::Uart(_) => "read, write, and set its speed".to_owned(),
        Entry::I2c(_) => "read and write at this address, and no other".to_owned(),
        Entry::Spi(spi) => format!("transfers in mode {}", spi.mode),
        Entry::Pwm(_) => "period, width and polarity of its pulses, on and off".to_owned(),
        Entry::Adc(_) => "read its voltage".to_owned(),
        Entry::Led(_) => "its brightness".to_owned(),
        Entry::Rtc(_) => "read it and set its alarm, not its time".to_owned(),
        Entry::Watchdog(_) => "feed it; from its first start on it resets the device if nobody does".to_owned(),
    };
    let places = device.entry.places().join(", ");
    format!("{} ${}: {what}, {places}; for this app alone", device.entry.kind(), device.name)
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
            "GPIO line $BUTTON: input, both edges, line 3 of chip board; for this app alone",
            "storage: 64KiB at /data, kept over restarts and updates, erased with the app",
            "network: none",
            "memory: 8MiB; beyond it the whole app is killed",
            "processor: 100 % of one core",
            "processor share: weight 100, beside 100 of an app that asks for none",
            "disk: as fast as it goes",
            "log: 50 lines a second are kept, 500 at once; the rest is dropped and counted",
            "restart: always",
            "pauses: 500ms after a failure, doubled from one to the next up to 1min; given up after 10 failures in a row; a run of 1min ends the row",
            "stop: SIGTERM, killed after 2 s",
            "watchdog: killed after 10 s without WATCHDOG=1",
            "open files: 256",
            "system calls: profiles app, gpio",
        ];
        assert_eq!(granted.explanation, expected);
    }

    #[test]
    fn an_explanation_is_bounded_whatever_the_manifest_says() {
        let long = "\u{1f514}".repeat(4000);
        let text = format!(
            r#"{{"SchemaVersion":1,"Name":"a","ComponentId":"25025d2c-66da-4448-bae1-ac26fcdd3627","EntryPoint":"/bin/app",
            "CmdArgs":["{long}"],"Capabilities":{{}},"Holdfast":{{"Environment":{{"A":"{long}\\n"}}}}}}"#
        );
        let manifest = AppManifest::parse(text.as_bytes()).unwrap();
        let granted = crate::grant(&manifest, &Board::parse(br#"{"name":"T"}"#).unwrap()).unwrap();
        assert!(granted.explanation.iter().all(|line| line.len() <= super::LINE_LIMIT));
        assert!(granted.explanation.len() <= super::LINES_LIMIT);
    }
}
