//! Crash reports: made on the device, sealed, opened by the owner alone.

use anyhow::{Context, Result, ensure};
use harness::{
    command::holdfast_with,
    console::OUT_OF_MEMORY,
    device::{APP, Device, component},
    forge, image,
    inside::KILL,
    machine::{Options, run},
    wait::{wait_for, wait_until},
    workspace::top,
};
use holdfast_cli::crash::{
    dump::Dump,
    find::{Search, find},
    report::Report,
};
use manifest::{
    api::{AppState, CrashReport, EventKind, ServiceState},
    places,
};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const CRASHER: &str = "4c3f2d9b-6a4e-4f1c-9a37-c4a5be110001";
/// What the crasher has on its stack, and on its heap.
const ON_THE_STACK: &[u8] = b"these words are on the stack";
const ON_THE_HEAP: &[u8] = b"these words are on the heap";

#[test]
fn the_owner_reads_where_an_app_crashed_and_nobody_else_reads_anything() -> Result<()> {
    let work = tempfile::tempdir()?;
    let program = crasher(work.path())?;
    run("crashes", Options::test_image()?, |machine| {
        let device = machine.device()?;
        ensure!(device.service("crash-reporter")?.state == ServiceState::Waiting, "it runs although nothing has crashed");
        for (how, signal, function) in [("segv", 11, "fall_over"), ("thread", 11, "fall_over"), ("abort", 6, "abort")] {
            let report = crash(&device, &program, how)?;
            ensure!(report.signal == signal && report.problem.is_none(), "{how}: {report:?}");
            let sealed = device.client().crash(report.number)?;
            for words in [ON_THE_STACK, ON_THE_HEAP, b"crasher.c", b"fall_over"] {
                ensure!(!holds(&sealed, words), "{how}: the sealed report holds {}", String::from_utf8_lossy(words));
            }
            let (opened, minidump) = crash_report::open(&secret_key()?, &sealed).context("the owner cannot open it")?;
            ensure!(opened.number == report.number && opened.component == component(CRASHER)?, "{opened:?}");
            ensure!(crash_report::open(&[7; 32], &sealed).is_err(), "anybody's key opens it");
            ensure!(!holds(&minidump, ON_THE_HEAP), "{how}: the heap left the device");
            ensure!(how == "abort" || holds(&minidump, ON_THE_STACK), "{how}: the stack is not in it");
            let shown = shown(&minidump, &program)?;
            let crashed = shown.threads.first().context("no thread")?;
            let places: Vec<_> = crashed.frames.iter().flat_map(|frame| &frame.places).collect();
            let times = places.iter().filter(|place| place.function.as_deref() == Some(function)).count();
            ensure!(times >= 1 && crashed.crashed, "{how}: {places:?}");
            if signal == 11 {
                ensure!(times >= 3 && places.first().and_then(|place| place.line) == Some(line("HERE")?), "{how}: {places:?}");
                let address = shown.signal.as_ref().and_then(|signal| signal.address.as_ref()).map(ToString::to_string);
                ensure!(address.as_deref() == Some("0x0"), "{how}: {address:?}");
            }
        }
        let program = program.to_string_lossy();
        holdfast_with(machine, &["app", "crashes", "crasher"])?;
        holdfast_with(machine, &["app", "crash", "show", "1", "--symbols", &program])?;
        let (sealed, plain) = (work.path().join("1.sealed"), work.path().join("1.dmp"));
        holdfast_with(machine, &["app", "crash", "get", "1", "-o", &sealed.to_string_lossy()])?;
        holdfast_with(machine, &["app", "crash", "get", "1", "--minidump", "-o", &plain.to_string_lossy()])?;
        ensure!(crash_report::open(&secret_key()?, &fs::read(&sealed)?)?.1 == fs::read(&plain)?, "they are not one report");
        device.confinement_probe("crash-reporter")?;
        // It ends when nobody wants anything of it, and takes no memory then.
        let idle = || Ok(device.service("crash-reporter")?.state == ServiceState::Waiting);
        wait_until("crash-reporter to end", Duration::from_secs(40), idle)?;
        ensure!(machine.inside().processes()?.iter().all(|process| !process.exe.ends_with("/crash-reporter")), "it runs still");
        ensure!(device.client().crashes()?.crashes.len() == 3, "and is started again by who asks");
        Ok(())
    })
}

#[test]
fn reports_go_with_their_app_and_ends_that_are_no_crash_leave_none() -> Result<()> {
    let work = tempfile::tempdir()?;
    let program = crasher(work.path())?;
    run("crashes-none", Options::test_image()?.expecting(&OUT_OF_MEMORY), |machine| {
        let device = machine.device()?;
        for (how, words) in [("kill", "killed by signal 9"), ("eat", "more memory than its limit")] {
            deploy(&device, &program, how)?;
            device.wait_log(CRASHER, words)?;
            ensure!(device.client().crashes()?.crashes.is_empty(), "{how}: {:?}", device.client().crashes()?);
            device.client().remove(&component(CRASHER)?)?;
        }
        crash(&device, &program, "segv")?;
        let kept = || -> Result<usize> {
            Ok(machine.inside().list(places::CRASHES)?.iter().filter(|entry| entry.name.contains(CRASHER)).count())
        };
        ensure!(kept()? == 1, "it is not in {}", places::CRASHES);
        device.client().remove(&component(CRASHER)?)?;
        // The removal does not wait for crash-reporter, which may have to be started.
        wait_until("its reports to be gone", APP, || Ok(kept()? == 0 && device.client().crashes()?.crashes.is_empty()))
    })
}

/// What an app that loops leaves is bounded; a report of another app is not displaced; a reboot keeps them.
#[test]
fn an_app_in_a_loop_of_crashes_fills_nothing() -> Result<()> {
    let work = tempfile::tempdir()?;
    let program = crasher(work.path())?;
    run("crashes-loop", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let other = crash(&device, &program, "segv")?;
        let looping = bundle(
            &program,
            "segv",
            LOOPING,
            json!({ "Restart": "always", "BackOff": { "First": "100ms", "Most": "100ms", "GiveUpAfter": 100 } }),
        )?;
        device.install(looping)?;
        let refused = || Ok(device.app_log(LOOPING)?.iter().any(|line| line.text.contains("has had its reports of this hour")));
        wait_until("the loop to get no more reports", APP * 2, refused)?;
        let of = |reports: &[CrashReport], id: &str| reports.iter().filter(|report| report.component.as_str() == id).count();
        let reports = device.client().crashes()?.crashes;
        ensure!(of(&reports, LOOPING) == 8 && of(&reports, CRASHER) == 1, "{reports:?}");
        ensure!(reports.iter().all(|report| report.size < 600 << 10), "{reports:?}");
        device.client().stop(&component(LOOPING)?)?;
        machine.reboot()?;
        let device = machine.device()?;
        let after = device.client().crashes()?.crashes;
        ensure!(after == reports && after.iter().any(|report| report.number == other.number), "{after:?} was {reports:?}");
        device.client().delete_crash(other.number)?;
        ensure!(of(&device.client().crashes()?.crashes, CRASHER) == 0, "it was not deleted");
        Ok(())
    })
}

/// Whatever lies where the kernel dumps an app to, a report of its own name is all that the app gets.
#[test]
fn a_forged_dump_and_a_dead_reporter_are_told_and_harm_nobody() -> Result<()> {
    let work = tempfile::tempdir()?;
    let program = crasher(work.path())?;
    run("crashes-forged", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let forged = crash(&device, &program, "forge")?;
        let problem = forged.problem.as_deref().unwrap_or_default();
        ensure!(forged.component == component(CRASHER)? && problem.contains("core"), "{forged:?}");
        // A reporter that dies while it is asked: the app's log says so, and the next crash is reported.
        let dies = || -> Result<bool> {
            if let Ok(reporter) = machine.inside().daemon("crash-reporter") {
                machine.inside().kill(reporter.pid, KILL)?;
                return Ok(true);
            }
            device.client().crashes().map(|_| false).map_err(Into::into)
        };
        wait_until("crash-reporter to be killed", APP, dies)?;
        device.wait_event(EventKind::ServiceExit, "killed by signal 9")?;
        crash(&device, &program, "segv").map(drop)
    })
}

const LOOPING: &str = "4c3f2d9b-6a4e-4f1c-9a37-c4a5be110002";

/// The program, with its symbols; what is deployed has none.
fn crasher(work: &Path) -> Result<PathBuf> {
    let program = work.join("crasher");
    forge::c_program_with_symbols(&source(), &program)?;
    Ok(program)
}

fn source() -> PathBuf {
    top().join("tests/apps/crasher/crasher.c")
}

/// The 1-based line with these words in a comment.
fn line(words: &str) -> Result<u32> {
    let at = fs::read_to_string(source())?.lines().position(|line| line.contains(&format!("/* {words} */")));
    Ok(u32::try_from(1 + at.context("no such line")?)?)
}

fn bundle(program: &Path, how: &str, id: &str, section: serde_json::Value) -> Result<Vec<u8>> {
    let manifest = json!({
        "SchemaVersion": 1, "Name": "Crasher", "ComponentId": id, "EntryPoint": "/bin/app", "CmdArgs": [how],
        "Capabilities": {}, "Holdfast": section,
    });
    let stripped = program.with_extension("stripped");
    forge::strip(program, &stripped)?;
    forge::pack(forge::root_with(&stripped)?.path(), &serde_json::to_vec(&manifest)?, 1)?.bundle()
}

fn deploy(device: &Device, program: &Path, how: &str) -> Result<()> {
    let section = json!({ "Memory": "24MiB", "Restart": "never", "ReadyTimeout": 20 });
    device.install(bundle(program, how, CRASHER, section)?).map(drop)
}

/// Deploys the crasher, waits for its crash, and for the report of it.
fn crash(device: &Device, program: &Path, how: &str) -> Result<CrashReport> {
    let known = device.client().crashes()?.crashes.iter().map(|report| report.number).max().unwrap_or_default();
    if device.app(CRASHER).is_ok() {
        device.client().stop(&component(CRASHER)?)?;
    }
    deploy(device, program, how)?;
    device.wait_app(CRASHER, AppState::Crashed)?;
    let newer = || Ok(device.client().crashes()?.crashes.into_iter().find(|report| report.number > known));
    wait_for(format!("a report of `{how}`"), APP, newer)
}

fn secret_key() -> Result<[u8; 32]> {
    let keys = image_builder::keys::load(&image::keys_folder())?;
    Ok(*image_builder::crash_key::private_of(&keys)?)
}

/// What `holdfast app crash show` tells of a minidump.
fn shown(minidump: &[u8], program: &Path) -> Result<Report> {
    let dump = Dump::read(minidump)?;
    let search = Search { given: vec![program.to_owned()], ..Search::default() };
    Ok(Report::new(&dump, &find(&dump.modules, &search)?)?)
}

fn holds(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}
