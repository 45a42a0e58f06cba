//! What an app was refused: how fast it is answered, what of it is kept, and what is told.
//!
//! Who makes a refused call waits until it is answered. So a flood of them holds up the app and nobody else: past
//! [`PROMPT`] in a minute, answers come one at a time with [`LATE`] between them, by the deadlines of the loop. What waits
//! meanwhile waits in the kernel.
//!
//! Calls of one kind are one record with a count. New kinds are recorded up to [`NEW_KINDS`] a minute, [`KINDS`] are kept,
//! and the first [`EVENTS`] of a minute go to the monitor too. Nothing of the app's memory is read, and what a record says
//! is made of numbers: so there is nothing in it that an app could have written.

use manifest::api::{AppDenials, DeniedCall};
use sandbox::denials::Denial;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Refused calls a minute that are answered at once: an honest app makes a handful when it starts.
const PROMPT: u32 = 100;
/// Pause between two answers to an app that makes more of them: so all its threads together cost some 200 answers a second.
pub const LATE: Duration = Duration::from_millis(5);
/// Kinds a minute that are recorded.
const NEW_KINDS: u32 = 30;
/// Kinds that are kept of an app; the one that was refused longest ago goes first.
const KINDS: usize = 32;
/// Kinds a minute that are told to the monitor.
const EVENTS: u32 = 3;
const MINUTE: Duration = Duration::from_secs(60);

/// What is kept of an app's refused calls. It outlives app and app-manager, not the boot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// In the order in which they were refused last.
    kinds: Vec<Kind>,
    unrecorded: u64,
}

/// Refused calls that are alike in number and in the arguments that decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    number: u32,
    arguments: [u64; 6],
    thread: u32,
    generation: u64,
    count: u64,
    first_ms: u64,
    last_ms: u64,
}

/// What an app has used up of what is its in a minute.
#[derive(Debug, Default)]
pub struct Minute {
    began: Duration,
    answered: u32,
    kinds: u32,
}

/// What is to be told of a refused call.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing: it is counted.
    Counted,
    /// It is of a new kind, in words for the app's log.
    Kind(String),
    /// The same, for the monitor too.
    Event(String),
}

impl Minute {
    /// One more was answered. Whether the next one has to wait.
    pub fn is_used_up(&mut self, now: Duration) -> bool {
        if now >= self.began + MINUTE {
            *self = Self { began: now, ..Self::default() };
        }
        self.answered = self.answered.saturating_add(1);
        self.answered > PROMPT
    }
}

impl Record {
    /// Notes a call that was refused to this start of the app.
    pub fn note(&mut self, denial: &Denial, generation: u64, wall_ms: u64, minute: &mut Minute) -> News {
        let known = self.kinds.iter().position(|kind| kind.is_of(denial)).map(|at| self.kinds.remove(at));
        let is_new = known.is_none();
        if is_new && minute.kinds >= NEW_KINDS {
            self.unrecorded += 1;
            return News::Counted;
        }
        let (count, first_ms) = known.map_or((0, wall_ms), |kind| (kind.count, kind.first_ms));
        let Denial { thread, number, arguments } = *denial;
        if self.kinds.len() >= KINDS {
            self.kinds.remove(0);
        }
        self.kinds.push(Kind { number, arguments, thread, generation, count: count + 1, first_ms, last_ms: wall_ms });
        if !is_new {
            return News::Counted;
        }
        minute.kinds += 1;
        let words = grant::denial::words(denial);
        if minute.kinds <= EVENTS { News::Event(words) } else { News::Kind(words) }
    }

    /// As the device API says it.
    pub fn told(&self, paths: Vec<String>) -> AppDenials {
        AppDenials { calls: self.kinds.iter().map(Kind::told).collect(), unrecorded: self.unrecorded, paths }
    }
}

impl Kind {
    fn denial(&self) -> Denial {
        Denial { thread: self.thread, number: self.number, arguments: self.arguments }
    }

    fn is_of(&self, denial: &Denial) -> bool {
        self.number == denial.number && self.denial().looked_at() == denial.looked_at()
    }

    fn told(&self) -> DeniedCall {
        let Self { generation, count, first_ms, last_ms, .. } = *self;
        DeniedCall { generation, count, first_ms, last_ms, ..grant::denial::explain(&self.denial()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// prctl with an option that nobody allows: each is a kind of its own.
    fn denial(option: u64) -> Denial {
        Denial { thread: 3, number: PRCTL, arguments: [1000 + option, option, 0, 0, 0, 0] }
    }

    const PRCTL: u32 = if cfg!(target_arch = "x86_64") { 157 } else { 167 };

    #[test]
    fn one_kind_is_one_record_with_a_count_and_told_once() {
        let (mut record, mut minute) = (Record::default(), Minute::default());
        assert!(matches!(record.note(&denial(1), 1, 10, &mut minute), News::Event(words) if words.starts_with("prctl(0x3e9")));
        for time in 11..100_011 {
            assert_eq!(record.note(&denial(1), 2, time, &mut minute), News::Counted);
        }
        let told = record.told(Vec::new());
        let call = told.calls.first().unwrap();
        assert_eq!((told.calls.len(), call.count, call.first_ms, call.last_ms, call.generation), (1, 100_001, 10, 100_010, 2));
    }

    #[test]
    fn many_kinds_are_bounded_by_the_minute_and_in_number_and_the_newest_are_kept() {
        let (mut record, mut minute) = (Record::default(), Minute::default());
        let news: Vec<News> = (0..1000).map(|option| record.note(&denial(option), 1, option, &mut minute)).collect();
        assert_eq!(news.iter().filter(|news| matches!(news, News::Event(_))).count(), EVENTS as usize);
        assert_eq!(record.told(Vec::new()).unrecorded, 1000 - u64::from(NEW_KINDS));
        for round in 1..10u32 {
            minute.is_used_up(MINUTE * round);
            (0..1000).for_each(|option| drop(record.note(&denial(u64::from(round) * 1000 + option), 1, 0, &mut minute)));
        }
        assert_eq!(record.kinds.len(), KINDS);
        assert_eq!(record.kinds.last().unwrap().arguments[1], 9000 + u64::from(NEW_KINDS) - 1);
    }

    #[test]
    fn past_so_many_in_a_minute_answers_are_late_until_the_next_one() {
        let mut minute = Minute::default();
        let late = (0..1000).filter(|_| minute.is_used_up(Duration::from_secs(1))).count();
        assert_eq!(late, 1000 - PROMPT as usize);
        assert!(minute.is_used_up(Duration::from_secs(59)) && !minute.is_used_up(MINUTE));
    }

    #[test]
    fn the_fullest_record_fits_in_a_packet_and_in_the_run_record() {
        let (mut record, mut minute) = (Record::default(), Minute::default());
        for round in 1..5u32 {
            minute.is_used_up(MINUTE * round);
            for option in 0..20u64 {
                let denial = Denial { arguments: [u64::MAX - option - 20 * u64::from(round); 6], thread: u32::MAX, ..denial(0) };
                record.note(&denial, u64::MAX, u64::MAX, &mut minute);
            }
        }
        let answer = ipc::client::Answer::Ok(record.told(grant::explain::paths(None)));
        assert!(serde_json::to_vec(&answer).unwrap().len() < ipc::PACKET_LIMIT);
        assert!(serde_json::to_vec(&record).unwrap().len() < crate::run::RUN_LIMIT / 2, "{record:?}");
    }
}
