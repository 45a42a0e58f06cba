//! What crash-reporter is asked for. Cores are read one at a time, in the order in which they came; all else is answered at once.

use crate::{
    displaced::is_too_soon,
    fault::Fault,
    reader::{Make, Order},
    reading::Reading,
    store::Store,
};
use crash_report::{envelope::PROBLEM_LIMIT, seal};
use ipc::messages::crash_reporter::{Crash, Kept};
use linux::{clone::OneThread, files, log, poll::Poller};
use manifest::{
    api::{CrashList, CrashReport, Done, ErrorClass},
    names::{ComponentId, DisplayName},
};
use rustix::{
    fd::OwnedFd,
    fs::{FileType, OFlags, fcntl_getfl, fstat},
};
use std::{collections::VecDeque, fs::File, time::Duration};

/// Cores that wait to be read. Each is held open: an app's memory, as much as RLIMIT_CORE lets the kernel write of it.
pub const WAITING_LIMIT: usize = 4;

/// Makes and keeps reports.
pub struct Reporter {
    /// Whom they are for.
    key: [u8; 32],
    store: Store,
    alone: OneThread,
    make: Make,
    patience: Duration,
    reading: Option<Current>,
    waiting: VecDeque<Waiting>,
}

/// A core that is being read, and who asked.
struct Current {
    asked: u64,
    reading: Reading,
    forgotten: bool,
}

/// A core that is to be read, and who asked.
struct Waiting {
    asked: u64,
    crash: Crash,
    /// None: the app was forgotten, and this is answered in its turn.
    core: Option<File>,
}

/// An answer to who asked earlier.
pub struct Answered {
    /// Who asked.
    pub asked: u64,
    /// The answer.
    pub answer: Result<Kept, Fault>,
}

impl Reporter {
    /// Keeps reports in `store`, sealed to `key`.
    pub fn new(key: [u8; 32], store: Store, alone: OneThread, make: Make, patience: Duration) -> Self {
        Self { key, store, alone, make, patience, reading: None, waiting: VecDeque::new() }
    }

    /// Whether a core is being read, or waits for it.
    pub fn is_busy(&self) -> bool {
        self.reading.is_some() || !self.waiting.is_empty()
    }

    /// When [`Reporter::tend`] must be called next, if nothing happens before.
    pub fn deadline(&self) -> Option<Duration> {
        self.reading.as_ref().and_then(|current| current.reading.deadline())
    }

    /// Takes a core to make a report of. The answer comes by [`Reporter::tend`].
    pub fn report(&mut self, asked: u64, crash: Crash, descriptors: Vec<OwnedFd>) -> Result<(), Fault> {
        let core = core(descriptors)?;
        if crash.name.parse::<DisplayName>().is_err() {
            return Err(Fault::new(ErrorClass::BadInput, "the app's name in the report is none"));
        }
        if is_too_soon(self.store.reports(), &crash.component, crash.time_ms) {
            let message = format!("no report: {} has had its reports of this hour", crash.component);
            return Err(Fault::new(ErrorClass::Conflict, message).hint("the reports that are kept tell of the same hour"));
        }
        if self.waiting.len() >= WAITING_LIMIT {
            let message = format!("{WAITING_LIMIT} other cores wait to be read already");
            return Err(Fault::new(ErrorClass::Unavailable, message).hint("try again in a while"));
        }
        self.waiting.push_back(Waiting { asked, crash, core: Some(core) });
        Ok(())
    }

    /// Forgets an app: what is kept of it, and what is to be.
    pub fn forget(&mut self, component: &ComponentId) -> Result<Done, Fault> {
        if let Some(current) = &mut self.reading
            && current.reading.order().report.component == *component
        {
            current.forgotten = true;
            current.reading.kill();
        }
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.crash.component == *component) {
            waiting.core = None;
        }
        self.store.forget(component)?;
        Ok(Done {})
    }

    /// All that is kept.
    pub fn list(&self) -> CrashList {
        CrashList { crashes: self.store.reports().to_vec() }
    }

    /// A report's file.
    pub fn open(&self, number: u64) -> Result<OwnedFd, Fault> {
        self.store.file(number)?.ok_or_else(|| unknown(number))
    }

    /// Deletes a report.
    pub fn delete(&mut self, number: u64) -> Result<Done, Fault> {
        if self.store.delete(number)? { Ok(Done {}) } else { Err(unknown(number)) }
    }

    /// Goes on: keeps what a reader made, starts the next one, and adds it to `poller` as `token`.
    pub fn tend(&mut self, poller: &Poller, token: u64, now: Duration) -> Option<Answered> {
        if let Some(current) = &mut self.reading {
            let made = current.reading.tend(now)?;
            let Current { asked, reading, forgotten } = self.reading.take()?;
            let answer = if forgotten { Err(gone()) } else { self.keep(reading.order().report.clone(), made) };
            return Some(Answered { asked, answer });
        }
        let Waiting { asked, crash, core } = self.waiting.pop_front()?;
        let Some(core) = core else { return Some(Answered { asked, answer: Err(gone()) }) };
        let report = self.numbered(crash);
        let order = Order { key: self.key, report: report.clone() };
        match Reading::begin(&self.alone, order, &core, self.make, self.patience, now)
            .and_then(|reading| poller.add(&reading, token).map(|()| reading))
        {
            Ok(reading) => {
                self.reading = Some(Current { asked, reading, forgotten: false });
                None
            }
            Err(e) => {
                let answer = self.keep(report, Err(format!("no reader could be started: {e}")));
                Some(Answered { asked, answer })
            }
        }
    }

    fn numbered(&self, crash: Crash) -> CrashReport {
        let Crash { component, name, version, generation, signal, time_ms } = crash;
        let number = self.store.next();
        CrashReport { number, component, name, version, generation, signal, time_ms, size: 0, problem: None }
    }

    /// Keeps what was made, or the reason why nothing was.
    fn keep(&mut self, report: CrashReport, made: Result<Vec<u8>, String>) -> Result<Kept, Fault> {
        let (report, sealed) = match made {
            Ok(sealed) => (report, sealed),
            Err(problem) => {
                log::warning(format!("report {} of {} has no minidump: {problem}", report.number, report.component));
                let end = problem.floor_char_boundary(PROBLEM_LIMIT);
                let report = CrashReport { problem: problem.get(..end).map(str::to_owned), ..report };
                let sealed = seal(&self.key, &report, &[]);
                (report, sealed.map_err(|e| Fault::new(ErrorClass::Internal, files::chain(&e)))?)
            }
        };
        let report = self.store.keep(report, &sealed)?;
        log::info(format!("kept report {} of {}, {} bytes", report.number, report.component, report.size));
        Ok(Kept { report })
    }
}

/// The one descriptor beside a request: a file, open for reading alone. A pipe or a socket could keep its reader waiting.
fn core(descriptors: Vec<OwnedFd>) -> Result<File, Fault> {
    let wrong = |what: &str| Fault::new(ErrorClass::BadInput, what);
    let [core] = <[OwnedFd; 1]>::try_from(descriptors).map_err(|_| wrong("a report needs one descriptor, the core file"))?;
    let is_file = fstat(&core).is_ok_and(|about| FileType::from_raw_mode(about.st_mode).is_file());
    let is_readable =
        fcntl_getfl(&core).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDONLY && !flags.contains(OFlags::PATH));
    if is_file && is_readable { Ok(core.into()) } else { Err(wrong("the core is no file that is open for reading alone")) }
}

fn unknown(number: u64) -> Fault {
    Fault::new(ErrorClass::NotFound, format!("there is no crash report {number}"))
        .hint("`holdfast app crashes` lists those that are kept; when there are too many, the oldest go")
}

fn gone() -> Fault {
    Fault::new(ErrorClass::Conflict, "no report: the app was removed while its core was read")
}
