//! What Holdfast adds to Azure Sphere's manifest: limits, processes, restarts, watchdog, environment.

use crate::quantity::{Bytes, Seconds};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The manifest's `Holdfast` object. Everything has a default that suits a small app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct HoldfastSection {
    /// Memory of the app with all its processes and its share of page cache (`memory.max`).
    pub memory: Bytes,
    /// CPU time as a percentage of one core (`cpu.max`), 1 to 6400.
    pub cpu_percent: u32,
    /// Processes and threads (`pids.max`).
    pub pids: u32,
    /// Whether the app may have more than one process, and start other programs.
    pub processes: Processes,
    /// What happens when the app exits.
    pub restart: Restart,
    /// Time between SIGTERM and SIGKILL, at most 60 s.
    pub stop_grace: Seconds,
    /// Time in which the app must say READY=1; absent: it counts as ready when it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_timeout: Option<Seconds>,
    /// Longest time between two WATCHDOG=1; absent: no watchdog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<Seconds>,
    /// Environment variables.
    #[serde(deserialize_with = "crate::read::unique_keys")]
    pub environment: BTreeMap<String, String>,
}

impl Default for HoldfastSection {
    fn default() -> Self {
        Self {
            memory: Bytes::mib(16),
            cpu_percent: 100,
            pids: 16,
            processes: Processes::Fork,
            restart: Restart::Always,
            stop_grace: Seconds::new(2),
            ready_timeout: None,
            watchdog: None,
            environment: BTreeMap::new(),
        }
    }
}

/// How an app may use processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
    fn a_misspelt_key_is_refused() {
        assert!(serde_json::from_str::<HoldfastSection>("{\"Memroy\": 1}").is_err());
    }
}
