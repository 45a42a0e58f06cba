//! What a manifest limits is limited: the disk, the log, the share of the processor; and the device says so.

use anyhow::{Context, Result, ensure};
use harness::{
    device::component,
    machine::{Options, run},
    programs::{greedy, greedy_id, greedy_with},
    wait::wait_until,
};
use manifest::api::AppState;
use serde_json::json;
use std::time::Duration;

#[test]
fn an_app_writes_to_the_disk_no_faster_than_its_manifest_says_and_without_a_limit_it_does() -> Result<()> {
    run("limits-disk", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let took = |id: &str| -> Result<u64> {
            let line = device.wait_log(id, "written in")?;
            line.text.split(' ').nth(2).and_then(|ms| ms.parse().ok()).with_context(|| line.text.clone())
        };
        device.install(greedy(1, &["disk"], 8 << 10)?.bundle()?)?;
        let free = took(&greedy_id(1))?;
        let limit = json!({ "Io": { "WriteBytesPerSecond": "256KiB" } });
        device.install(greedy_with(2, &["disk"], 8 << 10, &limit)?.bundle()?)?;
        let limited = took(&greedy_id(2))?;
        // 4 MiB at 256 KiB a second are 16 seconds.
        ensure!(limited > 12_000 && free < limited, "{limited} ms with the limit, {free} ms without");
        let policy = device.client().policy(&component(&greedy_id(2))?)?;
        ensure!(policy.grants.contains(&"disk: in a second at most 256KiB written".to_owned()), "{:?}", policy.grants);
        let told = policy.in_force.iter().any(|line| line.contains("io.max") && line.contains("wbps=262144"));
        ensure!(told, "{:?}", policy.in_force);
        Ok(())
    })
}

#[test]
fn an_app_logs_no_more_than_its_manifest_says_and_the_loss_is_told() -> Result<()> {
    run("limits-log", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let limit = json!({ "Log": { "LinesPerSecond": 1, "Burst": 10 } });
        device.install(greedy_with(1, &["lines"], 0, &limit)?.bundle()?)?;
        device.wait_log(&greedy_id(1), "line 9")?;
        // What was dropped is told before the next line that is kept, or at the end.
        device.client().stop(&component(&greedy_id(1))?)?;
        device.wait_log(&greedy_id(1), "faster than 1 lines a second")?;
        device.install(greedy(2, &["lines"], 0)?.bundle()?)?;
        device.wait_log(&greedy_id(2), "line 99")?;
        let kept = |number| -> Result<usize> {
            let lines = device.app_log(&greedy_id(number))?;
            Ok(lines.iter().filter(|line| line.text.starts_with("line ")).count())
        };
        let (limited, free) = (kept(1)?, kept(2)?);
        ensure!((10..20).contains(&limited) && free == 100, "{limited} lines with the limit, {free} without");
        Ok(())
    })
}

#[test]
fn of_two_apps_that_want_the_whole_processor_the_heavier_gets_more() -> Result<()> {
    run("limits-processor", Options::test_image()?, |machine| {
        let (device, inside) = (machine.device()?, machine.inside());
        for (number, weight) in [(1, 100), (2, 800)] {
            let share = json!({ "CpuWeight": weight, "CpuPercent": 6400 });
            device.install(greedy_with(number, &["processor"], 0, &share)?.bundle()?)?;
            device.wait_app(&greedy_id(number), AppState::Running)?;
        }
        let used = |number| -> Result<u64> {
            let stat = inside.text(&format!("/sys/fs/cgroup/apps/{}-1/cpu.stat", greedy_id(number)))?;
            let line = stat.lines().find_map(|line| line.strip_prefix("usage_usec ")).context("no usage")?;
            Ok(line.trim().parse()?)
        };
        let (light, heavy) = (used(1)?, used(2)?);
        let enough = || Ok(used(1)? + used(2)? > light + heavy + 5_000_000);
        wait_until("five seconds of computing", Duration::from_secs(60), enough)?;
        let (light, heavy) = (used(1)? - light, used(2)? - heavy);
        ensure!(heavy > 3 * light, "weight 100 got {light} us, weight 800 got {heavy} us");
        let policy = device.client().policy(&component(&greedy_id(2))?)?;
        ensure!(policy.in_force.contains(&"control group: cpu.weight 800".to_owned()), "{:?}", policy.in_force);
        Ok(())
    })
}
