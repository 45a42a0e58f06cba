//! The event log against power cuts and tampering.
#![expect(clippy::disallowed_methods, reason = "a test tears and changes files as it likes")]

use manifest::api::{Event, EventKind};
use proptest::prelude::*;
use security_monitor::event_log::{EventLog, Finding, NewEvent, SEGMENTS};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn append(log: &mut EventLog, detail: &str) -> u64 {
    log.append(&NewEvent { time_ms: 5, boot: 1, kind: EventKind::Boot, subject: "device", detail }).unwrap()
}

fn open(folder: &Path) -> (EventLog, Finding) {
    EventLog::open(folder).unwrap()
}

fn all(log: &EventLog) -> Vec<Event> {
    log.page(0, usize::MAX, |_| true).unwrap()
}

fn newest(folder: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().contains("events-"));
    files.sort();
    files.pop().unwrap()
}

/// A folder whose log holds `count` events.
fn with_events(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, finding) = open(folder.path());
    assert_eq!(finding, None);
    for n in 0..count {
        append(&mut log, &format!("event number {n}"));
    }
    folder
}

#[test]
fn events_are_numbered_on_over_restarts() {
    let folder = with_events(3);
    let (mut log, finding) = open(folder.path());
    assert_eq!((finding, log.last()), (None, 3));
    assert_eq!(append(&mut log, "next"), 4);
    let (log, finding) = open(folder.path());
    let sequences: Vec<u64> = all(&log).iter().map(|event| event.sequence).collect();
    assert_eq!((finding, sequences), (None, vec![1, 2, 3, 4]));
    assert_eq!(log.page(2, 1, |_| true).unwrap()[0].sequence, 3);
}

#[test]
fn cut_at_any_byte_the_events_before_stay_and_the_log_goes_on() {
    let folder = with_events(3);
    let path = newest(folder.path());
    let whole = fs::read(&path).unwrap();
    let header = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for end in header..=whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        let (mut log, finding) = open(folder.path());
        let lines = whole[..end].iter().filter(|byte| **byte == b'\n').count() as u64 - 1;
        let at_border = whole[end - 1] == b'\n';
        assert_eq!(log.last(), lines, "cut at {end}");
        assert_eq!(finding.is_none(), at_border, "cut at {end}: {finding:?}");
        assert_eq!(append(&mut log, "after the cut"), lines + 1);
        assert_eq!(open(folder.path()).1, None, "mended at {end}");
    }
}

#[test]
fn zeros_and_garbage_after_the_last_event_are_cut_off() {
    for tail in [&[0; 100][..], b"{\"sequence\":", b"\xff\xfe\n\0\n"] {
        let folder = with_events(2);
        let path = newest(folder.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(tail);
        fs::write(&path, bytes).unwrap();
        let (log, finding) = open(folder.path());
        assert!(log.last() == 2 && finding.unwrap().contains("cut off"));
        assert_eq!(open(folder.path()).1, None);
    }
}

#[test]
fn a_changed_event_breaks_the_chain_is_told_once_and_no_number_comes_again() {
    let folder = with_events(5);
    let path = newest(folder.path());
    let text = fs::read_to_string(&path).unwrap().replace("event number 2", "event number X");
    fs::write(&path, text).unwrap();
    let (mut log, finding) = open(folder.path());
    assert!(finding.unwrap().contains("does not hold after event 2"));
    assert_eq!(append(&mut log, "after the break"), 6);
    let (log, finding) = open(folder.path());
    let sequences: Vec<u64> = all(&log).iter().map(|event| event.sequence).collect();
    assert_eq!((finding, sequences), (None, vec![1, 2, 6]));
    assert!(fs::read_to_string(folder.path().join("broken.jsonl")).unwrap().contains("event number X"));
}

#[test]
fn a_missing_line_and_a_missing_segment_break_the_chain() {
    let folder = with_events(5);
    let path = newest(folder.path());
    let text = fs::read_to_string(&path).unwrap();
    let without: Vec<&str> = text.lines().filter(|line| !line.contains("number 2")).collect();
    fs::write(&path, without.join("\n") + "\n").unwrap();
    assert!(open(folder.path()).1.is_some());

    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = open(folder.path());
    for _ in 0..250 {
        append(&mut log, &"x".repeat(3000));
    }
    let mut files: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    fs::remove_file(&files[1]).unwrap();
    assert!(open(folder.path()).1.is_some());
    assert_eq!(open(folder.path()).1, None);
}

#[test]
fn the_log_is_bounded_and_its_oldest_events_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = open(folder.path());
    let detail = "x".repeat(3000);
    for _ in 0..600 {
        append(&mut log, &detail);
    }
    assert!(fs::read_dir(folder.path()).unwrap().count() <= SEGMENTS);
    let events = all(&log);
    assert_eq!(events.last().unwrap().sequence, 600);
    assert!(events.len() > 200 && events[0].sequence > 1);
    let (log, finding) = open(folder.path());
    assert_eq!((finding, log.last(), all(&log).len()), (None, 600, events.len()));
    assert_eq!(log.page(500, usize::MAX, |_| true).unwrap().len(), 100);
}

#[test]
fn a_forged_number_behind_a_break_does_not_use_up_all_numbers() {
    let folder = with_events(1);
    let path = newest(folder.path());
    let text = fs::read_to_string(&path).unwrap();
    let forged = text.lines().last().unwrap().replace("\"sequence\":1", &format!("\"sequence\":{}", u64::MAX));
    fs::write(&path, format!("{text}{forged}\n")).unwrap();
    let (mut log, finding) = open(folder.path());
    assert!(finding.is_some());
    assert!(append(&mut log, "next") < 10_000_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_in_the_segments_are_survived(garbage: Vec<u8>, at in 0usize..2000, place in 0usize..2000) {
        let folder = with_events(4);
        let path = newest(folder.path());
        let mut bytes = fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes.splice(at..at, garbage.clone());
        fs::write(&path, &bytes).unwrap();
        fs::write(folder.path().join(format!("events-{place:020}.jsonl")), &garbage).unwrap();
        let (mut log, _) = open(folder.path());
        let last = log.last();
        prop_assert_eq!(append(&mut log, "next"), last + 1);
        prop_assert_eq!(open(folder.path()).1, None);
    }
}
