//! What goes into the event log: cleaned, bounded, and thinned out, so that nobody can flush evidence out of the log
//! by causing events.
//!
//! Events are counted by kind, and by kind and subject. Each count has a bucket: so many at once, one more after a
//! while. What does not fit is not lost without a word: when there is room again, one event tells how many there were
//! and what the last one said.

use crate::{
    event_log::{EventLog, NewEvent},
    watch::Sighting,
};
use linux::{
    files::{self, FileError},
    log::printable,
};
use manifest::api::EventKind;
use rustix::io::Errno;
use std::{collections::BTreeMap, time::Duration};

/// Events of one kind that are recorded at once.
const KIND_BURST: u32 = 40;
/// Events of one kind and subject that are recorded at once.
const SUBJECT_BURST: u32 = 12;
/// Time after which there is room for one more.
const REFILL: Duration = Duration::from_secs(300);
/// Subjects that are counted apart; what comes beyond is counted by kind alone.
const SUBJECTS_LIMIT: usize = 128;
/// Longest subject and detail, in characters.
const SUBJECT_LIMIT: usize = 100;
const DETAIL_LIMIT: usize = 600;

/// An event's kind as a key.
type Kind = u8;

/// The way into the event log.
pub struct Threats {
    /// None where it cannot be opened: a device whose data partition rots still has to start, report and update.
    log: Option<EventLog>,
    boot: u64,
    kinds: BTreeMap<Kind, Bucket>,
    subjects: BTreeMap<(Kind, String), Bucket>,
    held_back: BTreeMap<Kind, HeldBack>,
    failed: bool,
}

struct HeldBack {
    kind: EventKind,
    count: u64,
    last: Sighting,
}

impl Threats {
    /// Records into `log`, as of boot number `boot`. Without a log events are repeated on the console and fail.
    pub fn new(log: Option<EventLog>, boot: u64) -> Self {
        let empty = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { log, boot, kinds: empty.0, subjects: empty.1, held_back: empty.2, failed: false }
    }

    /// Records what was seen, or counts it where there were too many. What was recorded is on the disk.
    pub fn record(&mut self, now: Duration, seen: &Sighting) -> Result<(), FileError> {
        let kind = seen.kind as Kind;
        let subject = printable(&seen.subject, SUBJECT_LIMIT);
        let room = self.has_room(now, kind, &subject);
        let seen = Sighting::new(seen.kind, subject, printable(&seen.detail, DETAIL_LIMIT));
        if room {
            return self.append(&seen);
        }
        let held = self.held_back.entry(kind).or_insert_with(|| HeldBack { kind: seen.kind, count: 0, last: seen.clone() });
        held.count += 1;
        held.last = seen;
        Ok(())
    }

    /// As [`Threats::record`], for callers that can do nothing about a failure but say so.
    pub fn note(&mut self, now: Duration, kind: EventKind, subject: impl ToString, detail: impl ToString) {
        let seen = Sighting::new(kind, subject.to_string(), detail.to_string());
        if let Err(error) = self.record(now, &seen) {
            linux::log::error(format!("an event is lost, {}: {}: {}", files::chain(&error), seen.subject, seen.detail));
        }
    }

    /// Tells of what was held back, where there is room by now. Called from the loop.
    pub fn settle(&mut self, now: Duration) {
        let ready: Vec<Kind> = self
            .held_back
            .keys()
            .copied()
            .filter(|kind| self.kinds.get_mut(kind).is_none_or(|bucket| bucket.take(now)))
            .collect();
        for kind in ready {
            let Some(held) = self.held_back.remove(&kind) else { continue };
            let detail =
                format!("{} more events of this kind were not recorded one by one; the last: {}", held.count, held.last.detail);
            let told = Sighting::new(held.kind, held.last.subject, printable(&detail, DETAIL_LIMIT));
            if let Err(error) = self.append(&told) {
                linux::log::error(files::chain(&error));
            }
        }
    }

    /// The log, for reading.
    pub fn log(&self) -> Option<&EventLog> {
        self.log.as_ref()
    }

    /// Whether an event could not be written.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    fn has_room(&mut self, now: Duration, kind: Kind, subject: &str) -> bool {
        let key = (kind, subject.to_owned());
        if self.subjects.len() >= SUBJECTS_LIMIT && !self.subjects.contains_key(&key) {
            self.subjects.retain(|_, bucket| !bucket.is_full(now));
        }
        let counted_apart = self.subjects.len() < SUBJECTS_LIMIT || self.subjects.contains_key(&key);
        if counted_apart && !self.subjects.entry(key).or_insert_with(|| Bucket::full(SUBJECT_BURST, now)).take(now) {
            return false;
        }
        self.kinds.entry(kind).or_insert_with(|| Bucket::full(KIND_BURST, now)).take(now)
    }

    fn append(&mut self, seen: &Sighting) -> Result<(), FileError> {
        let new = NewEvent {
            time_ms: linux::clock::wall_ms(),
            boot: self.boot,
            kind: seen.kind,
            subject: &seen.subject,
            detail: &seen.detail,
        };
        let closed = || FileError::new("append to", "the event log", Errno::NOENT);
        let appended = self.log.as_mut().ok_or_else(closed).and_then(|log| log.append(&new));
        self.failed |= appended.is_err();
        appended.map(|_| ())
    }
}

/// So many at once, and one more after each [`REFILL`].
struct Bucket {
    burst: u32,
    left: u32,
    filled: Duration,
}

impl Bucket {
    fn full(burst: u32, now: Duration) -> Self {
        Self { burst, left: burst, filled: now }
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.filled).as_secs() / REFILL.as_secs();
        let more = u32::try_from(passed).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(more).min(self.burst);
        self.filled += REFILL.saturating_mul(more);
    }

    fn take(&mut self, now: Duration) -> bool {
        self.fill(now);
        let has = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has
    }

    fn is_full(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.left == self.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threats() -> (tempfile::TempDir, Threats) {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = EventLog::open(folder.path()).unwrap();
        (folder, Threats::new(Some(log), 3))
    }

    fn details(threats: &Threats) -> Vec<String> {
        threats.log().unwrap().page(0, 10_000, |_| true).unwrap().into_iter().map(|event| event.detail).collect()
    }

    #[test]
    fn a_flood_about_one_subject_is_thinned_out_and_told_of_once() {
        let (_folder, mut threats) = threats();
        for n in 0..1000 {
            threats.note(Duration::ZERO, EventKind::SeccompKill, "uid 100000", format!("kill {n}"));
        }
        threats.note(Duration::ZERO, EventKind::OomKill, "other", "another kind has its own room");
        threats.settle(Duration::from_secs(1));
        let told = details(&threats);
        assert_eq!(told.len(), SUBJECT_BURST as usize + 2);
        assert!(told.last().unwrap().starts_with("988 more events") && told.last().unwrap().ends_with("kill 999"));
        threats.settle(Duration::from_secs(2));
        assert_eq!(details(&threats).len(), told.len());
    }

    #[test]
    fn a_flood_over_many_subjects_meets_the_limit_of_its_kind() {
        let (_folder, mut threats) = threats();
        for n in 0..10_000 {
            threats.note(Duration::ZERO, EventKind::MalformedPacket, n, "x");
            threats.settle(Duration::ZERO);
        }
        assert_eq!(details(&threats).len(), KIND_BURST as usize);
        assert!(threats.subjects.len() <= SUBJECTS_LIMIT);
        threats.settle(REFILL);
        assert_eq!(details(&threats).len(), KIND_BURST as usize + 1);
    }

    #[test]
    fn without_a_log_events_fail_and_nothing_else_does() {
        let mut threats = Threats::new(None, 1);
        let seen = Sighting::new(EventKind::OomKill, "x", "x");
        assert!(threats.record(Duration::ZERO, &seen).is_err() && threats.has_failed());
        threats.note(Duration::ZERO, EventKind::OomKill, "x", "x");
        threats.settle(REFILL);
    }

    #[test]
    fn what_others_chose_is_cleaned_and_cut() {
        let (_folder, mut threats) = threats();
        threats.note(Duration::ZERO, EventKind::BundleRefused, "a\x1b[2Jb\n", "ä".repeat(10_000));
        let event = &threats.log().unwrap().page(0, 1, |_| true).unwrap()[0];
        assert_eq!((event.subject.as_str(), event.boot, event.detail.chars().count()), ("a [2Jb ", 3, DETAIL_LIMIT));
    }
}
