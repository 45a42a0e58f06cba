//! Boot counters, and when they lead to safe mode.
//!
//! A boot *failed* where something says so: a crash record, the hardware watchdog, or init itself, which writes its reason
//! before it restarts a device that cannot go on, or that an app wants restarted before the boot was healthy. A boot that merely
//! stopped (somebody pulled the plug) has not failed, unless it stopped before its vital services were ready. [`LIMIT`] of either
//! kind in a row lead to safe mode: no customer apps, update and report still work.
//!
//! A boot is *ready* when all vital services (`health` in the service table) are, and *healthy* when they have stayed so
//! for [`HEALTHY_AFTER`]. Readiness forgives boots that stopped early, health forgives failures; so a reboot out of a
//! healthy safe mode tries the apps again.

use crate::{phases::Boot, problem::Problem};
use linux::files;
use manifest::{api::EventKind, places, read};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Failed boots, or boots that stopped early, in a row before safe mode.
const LIMIT: u32 = 4;
/// How long vital services must stay ready.
pub const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// Longest counters file.
const FILE_LIMIT: usize = 4096;
/// Longest reason that is kept, in characters.
const REASON_LIMIT: usize = 500;

/// `/data/system/boots.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Number of this boot.
    pub boot: u64,
    /// Failed boots since the last healthy one.
    failed: u32,
    /// Boots in a row that stopped before they were ready.
    stopped_early: u32,
    /// How far this boot came, or how it ended.
    progress: Progress,
    /// Whether this boot is one in safe mode.
    pub safe_mode: bool,
}

/// How far a boot came.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Progress {
    /// Services are being started.
    Started,
    /// Vital services have been ready.
    #[default]
    Ready,
    /// It went down because somebody asked.
    Ended,
    /// It went down because it could not go on.
    Failed(String),
}

/// What the phases before have found out about how the boot before ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signs {
    crash_records: usize,
    watchdog_reset: bool,
}

/// Counts this boot and decides on safe mode. Counters that cannot be read begin anew: they must not stop a boot.
pub fn count(boot: &mut Boot) -> Result<(), Problem> {
    let before = match files::read(file(), FILE_LIMIT) {
        Ok(bytes) => read::json("boots.json", &bytes, FILE_LIMIT).map_err(|e| e.to_string()),
        Err(e) if e.is_missing() => Ok(Counters::default()),
        Err(e) => Err(files::chain(&e)),
    };
    let signs = Signs { crash_records: boot.crash_records, watchdog_reset: boot.watchdog_reset };
    let (counters, how_it_ended) = next(before.clone().unwrap_or_default(), signs);
    let version = boot.image.as_ref().map_or(String::new(), |image| format!("{} {}", image.name, image.version));
    let ended = how_it_ended.map_or(String::new(), |text| format!("; the boot before {text}"));
    boot.event(EventKind::Boot, "device", format!("boot {} of {version}{ended}", counters.boot));
    if counters.safe_mode {
        files::write_durably(places::SAFE_MODE, b"", 0o444)?;
        boot.event(
            EventKind::SafeMode,
            "device",
            format!(
                "{} boots failed and {} stopped early in a row: no apps are started",
                counters.failed, counters.stopped_early
            ),
        );
    }
    let saved = counters.save();
    boot.counters = Some(counters);
    saved?;
    before.map(|_| ()).map_err(|reason| Problem::Document { path: "boots.json", reason })
}

/// The counters of this boot, and how the one before ended if that is worth telling.
fn next(before: Counters, signs: Signs) -> (Counters, Option<String>) {
    let (failed, stopped_early, how) = match &before.progress {
        Progress::Failed(reason) => (1, 0, Some(format!("failed: {reason}"))),
        _ if signs.crash_records > 0 => (1, 0, Some("crashed".to_owned())),
        _ if signs.watchdog_reset => (1, 0, Some("was reset by the hardware watchdog".to_owned())),
        Progress::Started => (0, 1, Some("stopped before it was ready".to_owned())),
        Progress::Ready if before.boot > 0 => (0, 0, Some("ended without a word, as by a power cut".to_owned())),
        Progress::Ready | Progress::Ended => (0, 0, None),
    };
    let failed = before.failed.saturating_add(failed);
    let stopped_early = before.stopped_early.saturating_add(stopped_early);
    let safe_mode = failed >= LIMIT || stopped_early >= LIMIT;
    (Counters { boot: before.boot.saturating_add(1), failed, stopped_early, progress: Progress::Started, safe_mode }, how)
}

impl Counters {
    /// Vital services are ready.
    pub fn ready(&mut self) -> Result<(), Problem> {
        self.stopped_early = 0;
        self.progress = Progress::Ready;
        self.save()
    }

    /// They have stayed ready.
    pub fn healthy(&mut self) -> Result<(), Problem> {
        self.failed = 0;
        self.save()
    }

    /// The device goes down because somebody asked.
    pub fn ended(&mut self) -> Result<(), Problem> {
        self.progress = Progress::Ended;
        self.save()
    }

    /// The device goes down, or is about to be reset, because it cannot go on, or because an app wanted that too soon.
    pub fn failed(&mut self, reason: &str) -> Result<(), Problem> {
        self.progress = Progress::Failed(reason.chars().take(REASON_LIMIT).collect());
        self.save()
    }

    /// What was written about a silence that ended by itself no longer holds.
    pub fn going_on(&mut self) -> Result<(), Problem> {
        self.progress = Progress::Ready;
        self.save()
    }

    fn save(&self) -> Result<(), Problem> {
        let text = serde_json::to_vec(self).map_err(|e| Problem::Document { path: "boots.json", reason: e.to_string() })?;
        Ok(files::write_durably(file(), &text, 0o600)?)
    }
}

fn file() -> String {
    format!("{}/boots.json", places::SYSTEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_SIGNS: Signs = Signs { crash_records: 0, watchdog_reset: false };

    fn after(progress: Progress, failed: u32, stopped_early: u32) -> Counters {
        Counters { boot: 7, failed, stopped_early, progress, safe_mode: false }
    }

    #[test]
    fn a_power_cut_of_a_ready_device_is_no_failure() {
        let (now, how) = next(after(Progress::Ready, 2, 0), NO_SIGNS);
        assert_eq!((now.boot, now.failed, now.stopped_early, now.safe_mode), (8, 2, 0, false));
        assert!(how.unwrap().contains("power cut"));
    }

    #[test]
    fn repeated_failures_of_any_told_kind_lead_to_safe_mode() {
        let signs = [
            (Progress::Failed("x".into()), NO_SIGNS),
            (Progress::Ready, Signs { crash_records: 3, watchdog_reset: false }),
            (Progress::Started, Signs { crash_records: 0, watchdog_reset: true }),
        ];
        for (progress, signs) in signs {
            assert!(!next(after(progress.clone(), LIMIT - 2, 0), signs).0.safe_mode);
            assert!(next(after(progress, LIMIT - 1, 0), signs).0.safe_mode);
        }
    }

    #[test]
    fn boots_that_stop_early_count_apart_and_readiness_forgives_them() {
        assert!(next(after(Progress::Started, 0, LIMIT - 1), NO_SIGNS).0.safe_mode);
        assert!(!next(after(Progress::Started, LIMIT - 1, 0), NO_SIGNS).0.safe_mode);
        assert!(!next(after(Progress::Ended, 0, 0), NO_SIGNS).0.safe_mode);
    }

    #[test]
    fn the_first_boot_has_nothing_to_tell() {
        assert_eq!(next(Counters::default(), NO_SIGNS).1, None);
    }

    #[test]
    fn a_file_with_a_misspelt_key_is_refused() {
        let text = serde_json::to_string(&Counters::default()).unwrap();
        assert!(read::json::<Counters>("boots.json", text.as_bytes(), FILE_LIMIT).is_ok());
        assert!(read::json::<Counters>("boots.json", text.replace("failed", "faild").as_bytes(), FILE_LIMIT).is_err());
    }
}
