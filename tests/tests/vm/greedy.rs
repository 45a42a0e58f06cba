//! An app that takes what it can get of one thing: what the device and the others still have, and what is told of it.

use anyhow::{Context, Result, ensure};
use harness::{
    device::{APP, component},
    machine::{Options, run},
    programs::{greedy, greedy_id},
    wait::wait_until,
};
use manifest::api::{AppState, EventKind};

#[test]
fn an_app_that_takes_too_much_memory_is_killed_and_event_and_status_say_why() -> Result<()> {
    let options = Options::test_image()?.expecting(&[
        "oom",
        "Out of memory",
        "out of memory",
        "Call Trace",
        "z_erofs_read_folio: read error",
    ]);
    run("greedy-memory", options, |machine| {
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
        for service in device.services()? {
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
