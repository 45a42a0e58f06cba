//! An app that takes what it can get of one thing, and apps that together take all: what the device and the others still have,
//! and what is told of it.

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use harness::{
    bench::Series,
    console::OUT_OF_MEMORY,
    device::{APP, DOORBELL, Device, component},
    image,
    inside::Inside,
    machine::{Options, run},
    programs::{self, greedy, greedy_id, greedy_with, large},
    wait::wait_until,
};
use manifest::{
    api::{AppState, ErrorClass, EventKind},
    places,
};
use serde_json::json;
use std::{thread::sleep, time::Duration};

#[test]
fn an_app_that_takes_too_much_memory_is_killed_and_event_and_status_say_why() -> Result<()> {
    run("greedy-memory", Options::test_image()?.expecting(&OUT_OF_MEMORY), |machine| {
        let device = machine.device()?;
        let id = greedy_id(1);
        device.install(greedy(1, &["memory"], 0)?.bundle()?)?;
        wait_until("the app to have ended", APP, || Ok(device.app(&id)?.last_exit.is_some()))?;
        let app = device.app(&id)?;
        ensure!(!app.state.runs(), "{app:?}");
        let words = app.last_exit.as_deref().context("nothing tells how it ended")?;
        ensure!(words == "killed: it used more memory than its limit of 8MiB", "{words}");
        let event = device.wait_event(EventKind::OomKill, &id)?;
        ensure!(event.detail.contains("killed for want of memory"), "{event:?}");
        device.wait_log(&id, words)?;
        for service in device.started_services()? {
            ensure!(service.generation == 1, "{} was restarted: {:?}", service.name, service.last_exit);
        }
        Ok(())
    })
}

#[test]
fn an_app_uses_up_its_own_files_and_nobody_elses() -> Result<()> {
    run("greedy-files", Options::test_image()?, |machine| {
        let device = machine.device()?;
        device.install(greedy(1, &["files"], 48 << 10)?.bundle()?)?;
        let line = device.wait_log(&greedy_id(1), "refused after")?;
        ensure!(line.text.ends_with("Disk quota exceeded"), "{:?}", line.text);
        device.install(greedy(2, &["idle"], 64)?.bundle()?)?;
        device.wait_app(&greedy_id(2), AppState::Running)?;
        Ok(())
    })
}

#[test]
fn a_line_that_would_look_like_another_one_is_kept_with_marks() -> Result<()> {
    run("greedy-words", Options::test_image()?, |machine| {
        let device = machine.device()?;
        device.install(greedy(1, &["idle"], 0)?.bundle()?)?;
        let line = device.wait_log(&greedy_id(1), "nobody else")?;
        ensure!(line.text == "user \u{fffd}nimda and\u{fffd} nobody else", "{:?}", line.text);
        Ok(())
    })
}

#[test]
fn no_app_is_started_while_the_lowest_page_could_be_mapped() -> Result<()> {
    const SETTING: &str = "/proc/sys/vm/mmap_min_addr";
    run("lowest-page", Options::test_image()?, |machine| {
        let (device, inside) = (machine.device()?, machine.inside());
        let id = greedy_id(1);
        device.install(greedy(1, &["idle"], 0)?.bundle()?)?;
        device.wait_app(&id, AppState::Running)?;
        let before = inside.text(SETTING)?;
        inside.write(SETTING, b"0")?;
        device.client().restart(&component(&id)?)?;
        device.wait_log(&id, "vm.mmap_min_addr is `0`")?;
        ensure!(device.app(&id)?.pid.is_none(), "{:?}", device.app(&id)?);
        inside.write(SETTING, before.trim().as_bytes())?;
        device.client().start(&component(&id)?)?;
        device.wait_app(&id, AppState::Running)?;
        Ok(())
    })
}

/// What greedy apps take, and what each says once it has it.
const GREEDS: [(&str, &str); 6] = [
    ("processes", "no process more"),
    ("memory", "more memory than its limit"),
    ("fill", "filled 1 times"),
    ("flood", "of a flood"),
    ("descriptors", "refused after descriptor"),
    ("processor", ""),
];
/// Presses of which the middle response counts.
const PRESSES: u32 = 21;
/// How much longer an answer may take beside the six. The goal is 2; SPECIFICATION.md has what was measured.
const SLOWER: u64 = 5;
/// Contacts that bounced longer ago than this are still: the doorbell waits for 5 ms.
const STILL: Duration = Duration::from_millis(50);

#[test]
fn beside_six_greedy_apps_another_one_and_the_device_still_answer() -> Result<()> {
    run("greedy-all", Options::test_image()?.expecting(&OUT_OF_MEMORY), |machine| {
        let device = machine.device()?;
        device.install(programs::doorbell(1)?.bundle()?)?;
        device.wait_app(DOORBELL, AppState::Ready)?;
        let mut button = Button::find(machine.inside())?;
        let quiet = button.responses()?;
        install_greedy(&device)?;
        let beside = button.responses()?;
        println!("press to answer, us: {quiet} on a quiet device, {beside} beside six greedy apps");
        ensure!(beside.median() <= SLOWER * quiet.median(), "{quiet} us on a quiet device, {beside} us beside six greedy apps");
        machine.device()?.client().device()?;
        for service in machine.device()?.started_services()? {
            ensure!(service.generation == 1, "{} was restarted: {:?}", service.name, service.last_exit);
        }
        Ok(())
    })
}

/// Installs the six, each with more of everything than the others leave, and waits until each has what it takes.
fn install_greedy(device: &Device) -> Result<()> {
    let generous = json!({
        "Memory": "48MiB", "Pids": 64, "CpuPercent": 6400, "Restart": "always",
        "BackOff": { "First": "100ms", "Most": "100ms", "GiveUpAfter": 1_000_000 },
    });
    for (number, (what, _)) in (1..).zip(GREEDS) {
        device.install(greedy_with(number, &[what], 32 << 10, &generous)?.bundle()?)?;
    }
    for (number, (_, words)) in (1..).zip(GREEDS) {
        device.wait_log(&greedy_id(number), words)?;
    }
    Ok(())
}

/// The doorbell's button, pressed inside the device.
struct Button {
    inside: Inside,
    /// The simulator's file of the line.
    pull: String,
    presses: u32,
}

impl Button {
    fn find(inside: Inside) -> Result<Self> {
        let chip = "/sys/kernel/config/gpio-sim/board";
        let (device, name) = (inside.text(&format!("{chip}/dev_name"))?, inside.text(&format!("{chip}/bank0/chip_name"))?);
        let pull = format!("/sys/devices/platform/{}/{}/sim_gpio3/pull", device.trim(), name.trim());
        Ok(Self { inside, pull, presses: 0 })
    }

    /// Microseconds from a press to the status that tells of it: the app has counted it on its storage by then.
    fn responses(&mut self) -> Result<Series> {
        let mut responses = Series::default();
        for _ in 0..PRESSES {
            responses.push(u64::try_from(self.press()?.as_micros())?);
            self.inside.write(&self.pull, b"pull-down")?;
            sleep(STILL);
        }
        Ok(responses)
    }

    fn press(&mut self) -> Result<Duration> {
        self.presses += 1;
        let press = probe::Request::Write { path: self.pull.clone(), bytes: STANDARD.encode("pull-up"), create: false };
        let told = format!(r#""status":"{} press"#, self.presses);
        self.inside.until(press, "app-manager", &json!({ "status": { "component": DOORBELL } }), &told)
    }
}

#[test]
fn a_disk_that_apps_filled_keeps_room_to_stop_and_remove_them_and_to_tell_what_happened() -> Result<()> {
    let work = tempfile::tempdir()?;
    let image = image::variant(work.path(), "qemu-test.json", |description| description["data_size"] = json!("32MiB"))?;
    run("disk-full", Options { image, ..Options::test_image()? }, |machine| {
        let (device, inside) = (machine.device()?, machine.inside());
        let refused =
            device.try_install(greedy(1, &["keep"], 32 << 10)?.bundle()?)?.err().context("32 MiB were promised of 32")?;
        ensure!(refused.class == ErrorClass::NoSpace && refused.message.contains("more on this device's disk"), "{refused:?}");
        // Images are promised to nobody: with them the storage that fits is more than the disk has left.
        for number in [1, 2] {
            device.install(large(number, 1, "ready", &json!({}), 4 << 20)?.bundle()?)?;
        }
        let greedy_app = component(&greedy_id(2))?;
        device.install(greedy(2, &["keep"], 22 << 10)?.bundle()?)?;
        // Its last word finds no room: what grows by itself stops before the reserve.
        wait_until("the disk to be full", APP, || Ok(inside.free(places::DATA)?.0 < 3 << 20))?;
        device.app_log(&greedy_id(2))?;
        device.client().stop(&greedy_app)?;
        device.wait_app(&greedy_id(2), AppState::Stopped)?;
        inside.raw_ipc("app-manager", "no packet")?;
        device.wait_event(EventKind::MalformedPacket, "")?;
        machine.reboot()?;
        let device = machine.device()?;
        ensure!(device.app(&greedy_id(2))?.state == AppState::Stopped, "the wish to stop it was not kept");
        device.wait_event(EventKind::MalformedPacket, "")?;
        device.client().remove(&greedy_app)?;
        device.install(greedy(3, &["disk"], 8 << 10)?.bundle()?)?;
        device.wait_log(&greedy_id(3), "written in")?;
        Ok(())
    })
}
