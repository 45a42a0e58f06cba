//! One segment of the event log, as bytes: what a line is, how lines are linked, and how far a segment can be believed.

use crate::event_log::NewEvent;
use manifest::{api::Event, names::Sha256Hex};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

/// Longest segment, in bytes.
pub const SEGMENT_LIMIT: usize = 256 * 1024;
/// Longest line that is parsed, in bytes: subject and detail are bounded where events are made.
const LINE_LIMIT: usize = 16 * 1024;

/// First line of a segment: where the one before ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Format: 1.
    pub segment: u32,
    /// Events of this segment have higher numbers.
    pub after: u64,
    /// Chain of the event before.
    pub chain: Sha256Hex,
}

/// What is wrong with a segment behind its good part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// One unfinished write, at the very end.
    Torn,
    /// Something else: a line that is well formed and does not belong, or good lines after a bad one.
    Broken,
}

/// How far a segment can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    header: Option<Header>,
    /// Number of the last event that holds, or the header's.
    pub last: u64,
    /// Its chain.
    pub chain: Sha256Hex,
    /// Length of the part that holds.
    pub good: usize,
    /// What is behind it.
    pub fault: Option<Fault>,
}

impl Scan {
    /// Whether this segment begins where `before` ended. Numbers may be left out between segments, never repeated.
    pub fn follows(&self, before: &Self) -> bool {
        self.header.as_ref().is_some_and(|header| header.chain == before.chain && header.after >= before.last)
    }

    /// What the header says.
    pub fn header_after(&self) -> Option<u64> {
        self.header.as_ref().map(|header| header.after)
    }
}

/// Checks a segment's bytes line by line.
pub fn scan(bytes: &[u8]) -> Scan {
    let mut scan = Scan { header: None, last: 0, chain: no_chain(), good: 0, fault: None };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if !scan.take(line) {
            let rest = bytes.get(scan.good..).unwrap_or_default();
            // Segments are made whole (by rename), so a missing header is no torn write; nor is a line that parses.
            let torn = scan.header.is_some() && events(rest).next().is_none();
            scan.fault = Some(if torn { Fault::Torn } else { Fault::Broken });
            break;
        }
        scan.good += line.len();
    }
    if bytes.is_empty() {
        scan.fault = Some(Fault::Broken);
    }
    scan
}

impl Scan {
    /// Takes the next line if it holds.
    fn take(&mut self, line: &[u8]) -> bool {
        if self.header.is_none() {
            let Some(header) = parsed::<Header>(line).filter(|header| header.segment == 1) else { return false };
            (self.last, self.chain) = (header.after, header.chain.clone());
            self.header = Some(header);
            return true;
        }
        let Some(event) = parsed::<Event>(line) else { return false };
        if self.last.checked_add(1) != Some(event.sequence) || chained(&event, &self.chain) != event.chain {
            return false;
        }
        (self.last, self.chain) = (event.sequence, event.chain);
        true
    }
}

/// The events in a segment's bytes, whether their chain holds or not: what does not parse is skipped.
pub fn events(bytes: &[u8]) -> impl Iterator<Item = Event> {
    bytes.split_inclusive(|byte| *byte == b'\n').filter_map(parsed)
}

/// The event after the one with `chain`.
pub fn link(new: &NewEvent<'_>, sequence: u64, chain: &Sha256Hex) -> Event {
    let mut event = Event {
        sequence,
        time_ms: new.time_ms,
        boot: new.boot,
        kind: new.kind,
        subject: new.subject.to_owned(),
        detail: new.detail.to_owned(),
        chain: chain.clone(),
    };
    event.chain = chained(&event, chain);
    event
}

/// SHA-256 over the event's line with the chain before it in place of its own.
fn chained(event: &Event, before: &Sha256Hex) -> Sha256Hex {
    let linked = Event { chain: before.clone(), ..event.clone() };
    Sha256Hex::from(<[u8; 32]>::from(Sha256::digest(line(&linked))))
}

/// Where the first chain begins.
pub fn no_chain() -> Sha256Hex {
    Sha256Hex::from([0; 32])
}

/// A line of the log.
pub fn line(value: &impl Serialize) -> Vec<u8> {
    // These types have nothing that JSON cannot hold; an empty line would be refused by the next scan, not believed.
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn parsed<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    // No words are needed for what is wrong with a line, so the reader that finds them stays out of the program.
    serde_json::from_slice(line.strip_suffix(b"\n").filter(|text| text.len() <= LINE_LIMIT)?).ok()
}
