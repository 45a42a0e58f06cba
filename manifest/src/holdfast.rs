//! What Holdfast adds to Azure Sphere's manifest: limits, processes, restarts, watchdog, log rate, environment.
//!
//! The bounds stand beside the fields; `grant/` enforces them, so that all that is wrong with a manifest is told at once.

use crate::{
    app::Peripheral,
    quantity::{Bytes, Delay, Seconds},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::RangeInclusive};

/// The manifest's `Holdfast` object. Everything has a default that suits a small app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct HoldfastSection {
    /// Memory of the app with all its processes and its share of page cache (`memory.max`): bytes, or text such as "16MiB".
    /// Beyond it the whole app is killed.
    pub memory: Bytes,
    /// CPU time as a percentage of one core (`cpu.max`): 150 is one and a half cores.
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = CPU_PERCENT.start(), "maximum" = CPU_PERCENT.end())))]
    pub cpu_percent: u32,
    /// Share of the CPU beside other apps when all of them want it (`cpu.weight`): 200 gets twice what 100 gets. It takes
    /// nothing from the system's own services.
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = CPU_WEIGHT.start(), "maximum" = CPU_WEIGHT.end())))]
    pub cpu_weight: u32,
    /// Processes and threads (`pids.max`).
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = PIDS.start(), "maximum" = PIDS.end())))]
    pub pids: u32,
    /// How much it may read from and write to the device's disk in a second (`io.max`); what is absent is not limited.
    pub io: IoLimits,
    /// Whether the app may have more than one process, and start other programs.
    pub processes: Processes,
    /// What happens when the app exits.
    pub restart: Restart,
    /// How long it waits before it is started again after a failure, and when it is given up.
    pub back_off: BackOff,
    /// Time between SIGTERM and SIGKILL, in seconds.
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = STOP_GRACE.start(), "maximum" = STOP_GRACE.end())))]
    pub stop_grace: Seconds,
    /// Seconds in which the app must say READY=1; absent: it counts as ready when it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = TIMEOUT.start(), "maximum" = TIMEOUT.end())))]
    pub ready_timeout: Option<Seconds>,
    /// Longest time between two WATCHDOG=1, in seconds; absent: no watchdog. Late once, the app is shown as degraded; late twice,
    /// it is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = TIMEOUT.start(), "maximum" = TIMEOUT.end())))]
    pub watchdog: Option<Seconds>,
    /// How much of what the app writes to stdout and stderr is kept.
    pub log: LogRate,
    /// Whether its owner gives it a configuration, and what a change of that does; absent: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigChange>,
    /// LEDs.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::read::unique")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub led: Vec<Peripheral>,
    /// Real-time clocks, to read and to be woken by.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::read::unique")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub rtc: Vec<Peripheral>,
    /// Hardware watchdogs. From the app's first start on they reset the whole device unless the app feeds them, however it ended.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::read::unique")]
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub hardware_watchdog: Vec<Peripheral>,
    /// Read the state of the device's links and their addresses.
    pub network_status: bool,
    /// Environment variables.
    #[serde(deserialize_with = "crate::read::unique_keys")]
    pub environment: BTreeMap<String, String>,
}

/// From the least memory a process can start with to more than any board has.
pub const MEMORY: RangeInclusive<Bytes> = Bytes::mib(1)..=Bytes::mib(64 * 1024);
/// Up to 64 cores.
pub const CPU_PERCENT: RangeInclusive<u32> = 1..=6400;
/// What the kernel takes (cgroup-v2.rst, "cpu.weight").
pub const CPU_WEIGHT: RangeInclusive<u32> = 1..=10_000;
/// Processes and threads of one app.
pub const PIDS: RangeInclusive<u32> = 1..=4096;
/// The way down gives all apps together this long, in seconds.
pub const STOP_GRACE: RangeInclusive<u32> = 0..=60;
/// Time-outs of readiness and watchdog, in seconds: up to a day.
pub const TIMEOUT: RangeInclusive<u32> = 1..=86_400;

impl Default for HoldfastSection {
    fn default() -> Self {
        Self {
            memory: Bytes::mib(16),
            cpu_percent: 100,
            cpu_weight: 100,
            pids: 16,
            io: IoLimits::default(),
            processes: Processes::Fork,
            restart: Restart::Always,
            back_off: BackOff::default(),
            stop_grace: Seconds::new(2),
            ready_timeout: None,
            watchdog: None,
            log: LogRate::default(),
            config: None,
            led: Vec::new(),
            rtc: Vec::new(),
            hardware_watchdog: Vec::new(),
            network_status: false,
            environment: BTreeMap::new(),
        }
    }
}

/// How an app may use processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Processes {
    /// The app is PID 1 of its namespace, without threads or children.
    Single,
    /// It may fork and have threads, but never execute another program.
    #[default]
    Fork,
    /// It may also execute programs of its image.
    Exec,
}

/// When an app that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Always, with back-off.
    #[default]
    Always,
    /// Unless it exited with status 0.
    OnFailure,
    /// Never.
    Never,
}

/// What happens to a running app when its owner changes its configuration, which it reads from the descriptor `config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ConfigChange {
    /// It is started again.
    Restart,
    /// It goes on: the descriptor has the new content, and `config-changed`, a pipe, has a byte more for each change. An app that closes it is started again instead.
    Notify,
}

/// Pauses between a failure and the next start: doubled from one failure in a row to the next, and moved by at most a quarter
/// either way, so that apps that fell together do not rise together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct BackOff {
    /// Pause after the first failure: seconds, or text such as "500ms".
    pub first: Delay,
    /// Longest pause, at least the first.
    pub most: Delay,
    /// A run of this length is a success: the count of failures begins anew.
    pub stable_after: Delay,
    /// Failures in a row after which the app is given up until somebody acts.
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = GIVE_UP_AFTER.start(), "maximum" = GIVE_UP_AFTER.end())))]
    pub give_up_after: u32,
}

/// First pause and longest one: from what still lets other apps run in between, up to a day.
pub const BACK_OFF_PAUSE: RangeInclusive<Delay> = Delay::milliseconds(100)..=Delay::DAY;
/// Length of a run that counts as success. Shorter than a second would let an app that dies at once be started for ever.
pub const STABLE_AFTER: RangeInclusive<Delay> = Delay::milliseconds(1000)..=Delay::DAY;
/// Failures in a row; with pauses of a minute the largest lasts two years.
pub const GIVE_UP_AFTER: RangeInclusive<u32> = 1..=1_000_000;

impl Default for BackOff {
    /// Ten failures in a row, about four minutes of trying.
    fn default() -> Self {
        Self {
            first: Delay::milliseconds(500),
            most: Delay::milliseconds(60_000),
            stable_after: Delay::milliseconds(60_000),
            give_up_after: 10,
        }
    }
}

/// What an app may read and write in a second; beyond it, it waits. It counts what reaches the disk, not what the page cache
/// answers, and reading the app's own image counts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct IoLimits {
    /// Bytes read, a number or text such as "1MiB".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_bytes_per_second: Option<Bytes>,
    /// Bytes written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_bytes_per_second: Option<Bytes>,
    /// Read operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = IO_OPERATIONS.start(), "maximum" = IO_OPERATIONS.end())))]
    pub reads_per_second: Option<u32>,
    /// Write operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = IO_OPERATIONS.start(), "maximum" = IO_OPERATIONS.end())))]
    pub writes_per_second: Option<u32>,
}

/// Bytes in a second: with less, a program's first pages would take minutes.
pub const IO_BYTES: RangeInclusive<Bytes> = Bytes::kib(64)..=Bytes::mib(64 * 1024);
/// Operations in a second.
pub const IO_OPERATIONS: RangeInclusive<u32> = 4..=10_000_000;

impl IoLimits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How much of an app's output is kept: a burst at once, and a rate in the long run. What is beyond is dropped, counted and told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct LogRate {
    /// Lines a second in the long run.
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = LOG_LINES.start(), "maximum" = LOG_LINES.end())))]
    pub lines_per_second: u32,
    /// Lines at once before that rate applies.
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = LOG_BURST.start(), "maximum" = LOG_BURST.end())))]
    pub burst: u32,
}

/// Lines a second. Each is up to 1 KiB on a flash disk that all apps share.
pub const LOG_LINES: RangeInclusive<u32> = 1..=500;
/// Lines at once: at least one and the notice of those that were dropped before it.
pub const LOG_BURST: RangeInclusive<u32> = 2..=5000;

impl Default for LogRate {
    fn default() -> Self {
        Self { lines_per_second: 50, burst: 500 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_has_the_documented_defaults() {
        let section: HoldfastSection = serde_json::from_str("{}").unwrap();
        assert_eq!(section, HoldfastSection::default());
        assert_eq!(section.stop_grace.duration().as_secs(), 2);
    }

    #[test]
    fn what_is_absent_of_an_inner_object_has_its_default() {
        let text = r#"{"BackOff":{"First":"2s"},"Log":{"Burst":9},"Io":{"WriteBytesPerSecond":"1MiB"}}"#;
        let section: HoldfastSection = serde_json::from_str(text).unwrap();
        assert_eq!(section.back_off, BackOff { first: Delay::milliseconds(2000), ..BackOff::default() });
        assert_eq!(section.log, LogRate { burst: 9, ..LogRate::default() });
        assert_eq!((section.io.write_bytes_per_second, section.io.is_empty()), (Some(Bytes::mib(1)), false));
    }

    #[test]
    fn a_misspelt_key_is_refused_wherever_it_stands() {
        for text in [r#"{"Memroy":1}"#, r#"{"BackOff":{"Frist":1}}"#, r#"{"Io":{"Write":1}}"#, r#"{"Log":{"Lines":1}}"#] {
            assert!(serde_json::from_str::<HoldfastSection>(text).is_err(), "{text}");
        }
    }
}
