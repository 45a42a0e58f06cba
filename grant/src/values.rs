//! Values that make no sense on any device, whatever its board: limits out of bounds, arguments nobody can receive.

use crate::{policy::problem, refusal::Problem};
use manifest::{
    app::AppManifest,
    holdfast::{
        BACK_OFF_PAUSE, CPU_PERCENT, CPU_WEIGHT, GIVE_UP_AFTER, HoldfastSection, IO_BYTES, IO_OPERATIONS, LOG_BURST, LOG_LINES,
        MEMORY, PIDS, STABLE_AFTER, STOP_GRACE, TIMEOUT,
    },
};
use std::{fmt::Display, ops::RangeInclusive};

/// Arguments and environment together: they travel in one packet beside the rest of a plan.
pub const TEXT_LIMIT: usize = 32 * 1024;
/// Variables that the platform itself sets.
const RESERVED: [&str; 4] = ["NOTIFY_SOCKET", "LISTEN_", "WATCHDOG_", "HOLDFAST_"];

/// Whether the platform itself sets this variable, so that no manifest may.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|reserved| name.starts_with(reserved))
}

/// Whether this can be the name of a variable at all.
pub fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Each such value in a manifest. An app with one of them is installed nowhere.
pub fn problems(manifest: &AppManifest) -> Vec<Problem> {
    let mut problems = bounds(&manifest.holdfast);
    problems.extend(arguments(manifest));
    problems.extend(environment(manifest));
    let length = text_length(manifest);
    if length > TEXT_LIMIT {
        let reason = format!("arguments and environment have {length} bytes");
        let advice = format!("at most {TEXT_LIMIT} together are allowed; put the rest into a file of the image");
        problems.push(problem("CmdArgs", reason, &advice));
    }
    problems
}

fn bounds(section: &HoldfastSection) -> Vec<Problem> {
    let (pauses, io, log) = (section.back_off, section.io, section.log);
    let seconds = " seconds";
    let checks = [
        within("Memory", Some(section.memory), &MEMORY, ""),
        within("CpuPercent", Some(section.cpu_percent), &CPU_PERCENT, ""),
        within("CpuWeight", Some(section.cpu_weight), &CPU_WEIGHT, ""),
        within("Pids", Some(section.pids), &PIDS, ""),
        within("StopGrace", Some(section.stop_grace.into()), &STOP_GRACE, seconds),
        within("ReadyTimeout", section.ready_timeout.map(Into::into), &TIMEOUT, seconds),
        within("Watchdog", section.watchdog.map(Into::into), &TIMEOUT, seconds),
        within("Io.ReadBytesPerSecond", io.read_bytes_per_second, &IO_BYTES, ""),
        within("Io.WriteBytesPerSecond", io.write_bytes_per_second, &IO_BYTES, ""),
        within("Io.ReadsPerSecond", io.reads_per_second, &IO_OPERATIONS, ""),
        within("Io.WritesPerSecond", io.writes_per_second, &IO_OPERATIONS, ""),
        within("Log.LinesPerSecond", Some(log.lines_per_second), &LOG_LINES, ""),
        within("Log.Burst", Some(log.burst), &LOG_BURST, ""),
        within("BackOff.First", Some(pauses.first), &BACK_OFF_PAUSE, ""),
        within("BackOff.Most", Some(pauses.most), &(pauses.first.max(*BACK_OFF_PAUSE.start())..=*BACK_OFF_PAUSE.end()), ""),
        within("BackOff.StableAfter", Some(pauses.stable_after), &STABLE_AFTER, ""),
        within("BackOff.GiveUpAfter", Some(pauses.give_up_after), &GIVE_UP_AFTER, ""),
    ];
    checks.into_iter().flatten().collect()
}

fn within<T: PartialOrd + Display>(field: &str, found: Option<T>, bounds: &RangeInclusive<T>, unit: &str) -> Option<Problem> {
    let found = found.filter(|found| !bounds.contains(found))?;
    let advice = format!("expected {} to {}{unit}", bounds.start(), bounds.end());
    Some(problem(&format!("Holdfast.{field}"), format!("{found} is out of bounds"), &advice))
}

fn arguments(manifest: &AppManifest) -> impl Iterator<Item = Problem> {
    let wrong = manifest.cmd_args.iter().enumerate().filter(|(_, argument)| argument.contains('\0'));
    wrong.map(|(i, _)| {
        problem(&format!("CmdArgs[{i}]"), "contains a NUL character".into(), "no program can receive it; remove it")
    })
}

fn environment(manifest: &AppManifest) -> impl Iterator<Item = Problem> {
    manifest.holdfast.environment.iter().filter_map(|(name, value)| {
        let path = format!("Holdfast.Environment.{}", name.escape_default());
        if !is_variable(name) || value.contains('\0') {
            let advice = "names have A-Z, a-z, 0-9 and _, values no NUL character";
            return Some(problem(&path, "is not a variable".into(), advice));
        }
        let reserved = is_reserved(name);
        reserved.then(|| problem(&path, "the platform itself sets it".into(), "choose another name"))
    })
}

fn text_length(manifest: &AppManifest) -> usize {
    let arguments: usize = manifest.cmd_args.iter().map(String::len).sum();
    let variables: usize = manifest.holdfast.environment.iter().map(|(name, value)| name.len() + value.len()).sum();
    arguments + variables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(holdfast: &str) -> Vec<Problem> {
        let text = format!(
            r#"{{"SchemaVersion":1,"Name":"a","ComponentId":"25025d2c-66da-4448-bae1-ac26fcdd3627","EntryPoint":"/bin/app",
            "Capabilities":{{}},"Holdfast":{{{holdfast}}}}}"#
        );
        problems(&AppManifest::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn the_defaults_are_within_all_bounds() {
        assert_eq!(wrong(""), []);
    }

    #[test]
    fn each_value_out_of_bounds_is_told_with_its_path_and_the_bounds() {
        for (holdfast, path, expected) in [
            (r#""Memory":"64KiB""#, "Holdfast.Memory", "1MiB to 64GiB"),
            (r#""CpuWeight":0"#, "Holdfast.CpuWeight", "1 to 10000"),
            (r#""CpuWeight":10001"#, "Holdfast.CpuWeight", "1 to 10000"),
            (r#""Pids":0"#, "Holdfast.Pids", "1 to 4096"),
            (r#""ReadyTimeout":0"#, "Holdfast.ReadyTimeout", "1 to 86400 seconds"),
            (r#""Io":{"ReadsPerSecond":0}"#, "Holdfast.Io.ReadsPerSecond", "4 to 10000000"),
            (r#""Io":{"WriteBytesPerSecond":4096}"#, "Holdfast.Io.WriteBytesPerSecond", "64KiB to 64GiB"),
            (r#""Log":{"LinesPerSecond":0}"#, "Holdfast.Log.LinesPerSecond", "1 to 500"),
            (r#""Log":{"Burst":5001}"#, "Holdfast.Log.Burst", "2 to 5000"),
            (r#""BackOff":{"First":"99ms"}"#, "Holdfast.BackOff.First", "100ms to 24h"),
            (r#""BackOff":{"First":"2min"}"#, "Holdfast.BackOff.Most", "2min to 24h"),
            (r#""BackOff":{"StableAfter":0}"#, "Holdfast.BackOff.StableAfter", "1s to 24h"),
            (r#""BackOff":{"GiveUpAfter":0}"#, "Holdfast.BackOff.GiveUpAfter", "1 to 1000000"),
        ] {
            let problems = wrong(holdfast);
            let told: Vec<(&str, &str)> = problems.iter().map(|p| (p.path.as_str(), p.advice.as_str())).collect();
            assert_eq!(told, [(path, format!("expected {expected}").as_str())], "{holdfast}");
        }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        assert_eq!(wrong(r#""Memory":1,"Pids":0,"Log":{"Burst":0},"Environment":{"A B":"","LISTEN_FDS":"3"}"#).len(), 5);
    }

    #[test]
    fn arguments_and_environment_together_are_bounded() {
        let half = "x".repeat(TEXT_LIMIT / 2);
        assert_eq!(wrong(&format!(r#""Environment":{{"A":"{half}"}}"#)), []);
        let problems = wrong(&format!(r#""Environment":{{"A":"{half}","B":"{half}"}}"#));
        assert_eq!(problems.first().map(|problem| problem.path.as_str()), Some("CmdArgs"));
    }
}
