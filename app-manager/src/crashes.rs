//! Crashes: what the kernel dumped of an app goes to crash-reporter, which reads it. Here nobody does.
//!
//! crash-reporter may have to be started first, may be busy, or may be in a loop of failures, and this daemon's loop stands
//! still for none of that: it is asked, its answer is waited for like any other event, and given up in the end. A dump is sent only to
//! one that has spoken, for what is sent lies in its queue until it takes it. What becomes of a report is a line in the app's log.

use crate::{
    app::Live,
    fault::Fault,
    launcher::Ended,
    manager::{Manager, Mode, Source},
};
use ipc::{
    CallError, Client,
    client::Answer,
    messages::{
        crash_reporter::{Crash, Kept, Request},
        launcher::Ending,
    },
    packet,
};
use linux::{clock, log::printable};
use manifest::{
    api::{CrashList, Done, ErrorClass},
    names::ComponentId,
};
use rustix::fd::{AsFd, OwnedFd};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// Whom reports are asked of; an image may be without.
pub const REPORTER: &str = "crash-reporter";
/// Reports in the making at once. Each holds a dump in memory, so a flood of crashes is not worth more.
const PENDING_LIMIT: usize = 4;
/// How long one may take: a start of crash-reporter, and the time that it gives the readers of this dump and of those before it.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one that did not answer is left alone: connections to it that were given up lie in its queue, which is short.
const RESPITE: Duration = Duration::from_secs(300);
/// Reports of an app within [`HOUR`]: a loop of crashes must not wear the disk out.
const REPORTS: usize = 8;
const HOUR: Duration = Duration::from_secs(3600);
/// Pause before a removed app's reports are tried to be deleted again.
const RETRY: Duration = Duration::from_secs(30);

/// What crash-reporter was asked for.
pub struct Crashes {
    /// Whether this image has one. Where not, nothing is dumped.
    pub offered: bool,
    pending: BTreeMap<u64, Pending>,
    /// When the last reports of each app were asked for.
    asked: BTreeMap<ComponentId, VecDeque<Duration>>,
    /// Removed apps whose reports are still there. A power cut forgets them: what is left is sealed, and displaced some day.
    forgotten: BTreeSet<ComponentId>,
    not_before: Duration,
    retry_at: Duration,
}

struct Pending {
    client: Client,
    until: Duration,
    wish: Wish,
}

enum Wish {
    /// To say anything at all; this is sent then.
    Listen(Box<Crash>, OwnedFd),
    Report(ComponentId),
    Forget(ComponentId),
}

impl Wish {
    /// The app whose reports it is about.
    fn component(&self) -> &ComponentId {
        match self {
            Self::Listen(crash, _) => &crash.component,
            Self::Report(id) | Self::Forget(id) => id,
        }
    }
}

impl Crashes {
    /// Nothing is asked for yet.
    pub fn new(offered: bool) -> Self {
        let (pending, asked, forgotten) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { offered, pending, asked, forgotten, not_before: Duration::ZERO, retry_at: Duration::ZERO }
    }

    /// When [`Manager::tend_crashes`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        let retry = (!self.forgotten.is_empty()).then_some(self.retry_at);
        self.pending.values().map(|pending| pending.until).chain(retry).min()
    }

    /// Whether an app may have another report now; if so it is counted.
    fn admit(&mut self, component: &ComponentId, now: Duration) -> Result<(), Fault> {
        let busy = self.pending.values().filter(|pending| !matches!(pending.wish, Wish::Forget(_))).count();
        if busy >= PENDING_LIMIT || now < self.not_before {
            return Err(Fault::new(ErrorClass::Unavailable, "crash-reporter has too much to do, or does not answer"));
        }
        let times = self.asked.entry(component.clone()).or_default();
        times.retain(|asked| now.saturating_sub(*asked) < HOUR);
        if times.len() >= REPORTS {
            return Err(Fault::new(ErrorClass::Conflict, format!("{component} has had its reports of this hour")));
        }
        times.push_back(now);
        Ok(())
    }
}

impl Manager {
    /// Has a report made of an app that crashed, if it left a dump.
    pub fn report_crash(&mut self, live: &Live, ended: Ended) {
        let (Some(core), Ending::Signaled(signal)) = (ended.core, ended.exited.how) else { return };
        let id = &live.instance.component;
        let Some(app) = self.apps.get(id).filter(|app| app.removal.is_none()) else { return };
        let name = app.status(Duration::ZERO).name;
        let crash = Crash {
            component: id.clone(),
            name: if name.is_empty() { id.to_string() } else { name },
            // Of the instance: a newer one may have been installed since.
            version: app.run.version,
            generation: live.instance.generation,
            signal,
            time_ms: clock::wall_ms(),
        };
        let asked = match self.mode {
            Mode::GoingDown => Err(Fault::new(ErrorClass::Unavailable, "the device is going down")),
            Mode::Normal | Mode::Safe => self.crashes.admit(id, clock::since_boot()),
        };
        let listens = asked.and_then(|()| self.ask(&Request::List {}, Wish::Listen(Box::new(crash), core)));
        if let Err(fault) = listens {
            self.say_of_report(id, &format!("no crash report: {fault}"));
        }
    }

    fn ask(&mut self, request: &Request, wish: Wish) -> Result<(), Fault> {
        let client = Client::connect(REPORTER)?;
        packet::send(&client, request, &[]).map_err(broken)?;
        self.wait_for(client, wish)
    }

    fn wait_for(&mut self, client: Client, wish: Wish) -> Result<(), Fault> {
        let token = self.watch(&client, Source::CrashReporter).map_err(|e| Fault::new(ErrorClass::Internal, e.to_string()))?;
        self.crashes.pending.insert(token, Pending { client, until: clock::since_boot() + PATIENCE, wish });
        Ok(())
    }

    /// crash-reporter answered, or is gone.
    pub fn crash_reporter_spoke(&mut self, token: u64) {
        let Some(Pending { client, wish, .. }) = self.crashes.pending.remove(&token) else { return };
        self.unwatch(&client, token);
        match wish {
            Wish::Listen(crash, core) => {
                let id = crash.component.clone();
                // Removed meanwhile: what is reported now nobody would forget.
                if self.apps.get(&id).is_none_or(|app| app.removal.is_some()) {
                    return;
                }
                let sent = client.event::<Answer<CrashList>>().and_then(|_| {
                    let request = Request::Report { crash: *crash };
                    packet::send(&client, &request, &[core.as_fd()])
                });
                if let Err(fault) = sent.map_err(broken).and_then(|()| self.wait_for(client, Wish::Report(id.clone()))) {
                    self.say_of_report(&id, &format!("no crash report: {fault}"));
                }
            }
            Wish::Report(id) => {
                let words = match client.event::<Answer<Kept>>() {
                    Ok((Answer::Ok(Kept { report }), _)) => match report.problem {
                        None => format!("crash report {} is kept", report.number),
                        Some(problem) => format!("crash report {} is kept without its dump: {problem}", report.number),
                    },
                    Ok((Answer::Error(body), _)) => format!("no crash report: {}", body.message),
                    Err(e) => format!("no crash report: {}", linux::files::chain(&e)),
                };
                self.say_of_report(&id, &words);
            }
            Wish::Forget(id) => match client.event::<Answer<Done>>() {
                Ok((Answer::Ok(Done {}), _)) => drop(self.crashes.forgotten.remove(&id)),
                Ok((Answer::Error(body), _)) => linux::log::warning(format!("{id}: its crash reports stay: {}", body.message)),
                Err(e) => linux::log::warning(format!("{id}: its crash reports stay: {}", linux::files::chain(&e))),
            },
        }
    }

    /// Gives up on what takes too long, and tries again what must be.
    pub fn tend_crashes(&mut self, now: Duration) {
        let late = |(token, pending): (&u64, &Pending)| (pending.until <= now).then_some(*token);
        for token in self.crashes.pending.iter().filter_map(late).collect::<Vec<_>>() {
            let Some(pending) = self.crashes.pending.remove(&token) else { continue };
            self.unwatch(&pending.client, token);
            self.crashes.not_before = now + RESPITE;
            // That one is tried again.
            if !matches!(pending.wish, Wish::Forget(_)) {
                self.say_of_report(pending.wish.component(), "no crash report: crash-reporter did not answer in time");
            }
        }
        if now < self.crashes.retry_at || self.crashes.forgotten.is_empty() {
            return;
        }
        self.crashes.retry_at = now + RETRY;
        // A report that is being made would come after it.
        let busy = |id: &ComponentId| self.crashes.pending.values().any(|pending| pending.wish.component() == id);
        let next = self.crashes.forgotten.iter().find(|id| !busy(id)).cloned();
        if let Some(id) = next.filter(|_| now >= self.crashes.not_before)
            && let Err(fault) = self.ask(&Request::Forget { component: id.clone() }, Wish::Forget(id.clone()))
        {
            linux::log::warning(format!("{id}: its crash reports stay: {fault}"));
        }
    }

    /// An app's reports go with it, soon: its removal does not wait for them.
    pub fn forget_crashes(&mut self, id: &ComponentId) {
        self.crashes.asked.remove(id);
        if self.crashes.offered {
            self.crashes.forgotten.insert(id.clone());
            self.crashes.retry_at = Duration::ZERO;
        }
    }

    fn say_of_report(&mut self, id: &ComponentId, words: &str) {
        let words = printable(words, WORDS_LIMIT);
        linux::log::notice(format!("{id}: {words}"));
        if let Some(app) = self.apps.get_mut(id) {
            app.say(&words, clock::since_boot());
        }
    }
}

fn broken(source: ipc::PacketError) -> Fault {
    CallError::Broken { service: REPORTER.to_owned(), source }.into()
}

/// Longest line about a report, in characters.
const WORDS_LIMIT: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_gets_eight_reports_an_hour_and_a_reporter_that_does_not_answer_is_left_alone() {
        let mut crashes = Crashes::new(true);
        let [one, other] = ["25025d2c-66da-4448-bae1-ac26fcdd3627", "25025d2c-66da-4448-bae1-ac26fcdd3628"]
            .map(|id| id.parse::<ComponentId>().unwrap());
        let at = Duration::from_secs;
        for second in 0..8 {
            assert!(crashes.admit(&one, at(second)).is_ok());
        }
        assert!(crashes.admit(&one, at(100)).unwrap_err().to_string().contains("has had its reports of this hour"));
        assert!(crashes.admit(&other, at(100)).is_ok());
        assert!(crashes.admit(&one, at(3600)).is_ok(), "the first of them is an hour old");
        assert!(crashes.admit(&one, at(3600)).is_err());
        crashes.not_before = at(5000);
        assert!(crashes.admit(&other, at(4999)).is_err());
        assert!(crashes.admit(&other, at(5000)).is_ok());
    }
}
