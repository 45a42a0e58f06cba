//! Other people's fuzzers as apps on a device, in the sandbox of an app that may start programs of its image: whatever
//! they try, the device is well after it. `HOLDFAST_FUZZERS_SECONDS=600` for the long form.

use crate::escape::is_well;
use anyhow::{Context, Result, ensure};
use harness::{
    attacks::keep,
    device::{Device, component},
    machine::{Options, run},
    programs::{self, FUZZER},
    wait::wait_until,
};
use manifest::api::LogLine;
use std::time::Duration;

/// The classes of stressors that stress-ng 0.15 knows.
const CLASSES: [&str; 14] = [
    "interrupt",
    "cpu",
    "cpu-cache",
    "device",
    "filesystem",
    "gpu",
    "io",
    "memory",
    "network",
    "os",
    "pipe",
    "scheduler",
    "security",
    "vm",
];
/// Its stressors that call what the kernel does not know, with wrong values, with bad addresses. `sysinval` is among those
/// that it runs only when asked, because they may hang a machine. `sysbadaddr` wants memory that is executable and comes
/// from no file, and ends when an app does not get it.
const WRONG_CALLS: [&str; 7] = ["--pathological", "--enosys", "1", "--sysinval", "1", "--sysbadaddr", "1"];
/// Where an app may write.
const TEMPORARY: &str = "/data";
/// How long beyond its own time a fuzzer may take to end, on two busy cores without KVM.
const GRACE: Duration = Duration::from_secs(600);
/// What the kernel says of such programs: they call what is refused, crash, and use up the app's memory.
const EXPECTED: [&str; 6] = ["type=1326", "segfault at", "traps:", "oom", "Out of memory", "Call Trace"];

#[test]
fn stress_ng_in_an_app_leaves_the_device_well() -> Result<()> {
    run("stress-ng", Options::test_image()?.expecting(&EXPECTED), |machine| {
        let device = machine.device()?;
        let seconds = seconds()?.unwrap_or(10).to_string();
        let log = fuzz(&device, "stress-ng", &[&WRONG_CALLS[..], &["--timeout", &seconds, "--temp-path", TEMPORARY]].concat())?;
        ensure!(log.iter().any(|line| line.text.contains("run completed")), "{log:?}");
        let classes = if self::seconds()?.is_some() { &CLASSES[..] } else { &CLASSES[..1] };
        for class in classes {
            let arguments = ["--sequential", "1", "--class", class, "--timeout", "1", "--temp-path", TEMPORARY];
            let log = fuzz(&device, "stress-ng", &arguments).with_context(|| format!("class {class}"))?;
            ensure!(log.iter().any(|line| line.text.contains("dispatching hogs")), "class {class}: {log:?}");
        }
        Ok(())
    })
}

/// Without descriptors of events, sockets and files of /proc, as whose first trinity wants more than an app may open.
#[test]
fn trinity_in_an_app_leaves_the_device_well() -> Result<()> {
    run("trinity", Options::test_image()?.expecting(&EXPECTED), |machine| {
        // It counts calls, not seconds: about a thousand a second on a busy machine without KVM.
        let calls = (seconds()?.unwrap_or(10) * 1000).to_string();
        let without = ["--disable-fds=perf", "--disable-fds=sockets", "--disable-fds=pseudo"];
        let arguments = [&["-q", "-l", "off", "-a", "64", "-C", "4", "-N", &calls], &without[..]].concat();
        let log = fuzz(&machine.device()?, "trinity", &arguments)?;
        let ran = log.iter().find_map(|line| line.text.split_once("Ran ")?.1.split(' ').next()?.parse::<u64>().ok());
        ensure!(ran.is_some_and(|ran| ran >= calls.parse().unwrap_or(0)), "{log:?}");
        Ok(())
    })
}

/// Installs the fuzzer as an app, waits until it has ended, and looks at the device; the app's log.
fn fuzz(device: &Device, program: &str, arguments: &[&str]) -> Result<Vec<LogLine>> {
    device.install(programs::fuzzer(program, arguments)?.bundle()?)?;
    let limit = GRACE + Duration::from_secs(seconds()?.unwrap_or(0));
    wait_until(format_args!("{program} to end"), limit, || Ok(device.app(FUZZER)?.last_exit.is_some()))?;
    let log = device.app_log(FUZZER)?;
    let text: String = log.iter().map(|line| format!("{}\n", line.text)).collect();
    keep(&format!("{program}{}.txt", arguments.first().unwrap_or(&"")), &text)?;
    is_well(device).with_context(|| format!("{program} {}", arguments.join(" ")))?;
    device.client().remove(&component(FUZZER)?)?;
    Ok(log)
}

fn seconds() -> Result<Option<u64>> {
    std::env::var("HOLDFAST_FUZZERS_SECONDS").ok().map(|text| text.parse().context("HOLDFAST_FUZZERS_SECONDS")).transpose()
}
