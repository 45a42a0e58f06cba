//! Updates that wait: apps are told before a version takes the place of another, and those with the right to it put it off.
//!
//! What waits lies whole beside the installed version and is judged again before its turn, so that nothing but times is kept in
//! memory: a restart of this daemon finds it, and after a start of the device, which interrupts everybody anyway, it is
//! installed before its app is started.

use crate::{
    app::{self, App},
    fault::Fault,
    install::{self, Incoming, Old, Trial, WAITING},
    installs::{How, Image, descriptor_fault},
    manager::{Manager, Mode},
    monitor::{Judged, contents},
    run::{Delayed, Run},
    state::Wanted,
};
use ipc::messages::{
    Instance,
    app_manager::{Serving, Update},
};
use linux::{clock, files};
use manifest::{
    api::{Downgrade, ErrorClass, EventKind, InstallResult, WaitingUpdate, When},
    bundle::ENVELOPE_LIMIT,
    names::{ComponentId, Sha256Hex},
    services::{PutOff, UPDATES_LIMIT, UpdateState},
};
use rustix::fd::{AsFd, OwnedFd};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

/// How long the apps that are told of an update have to put it off, or to save what they must.
const NOTICE: Duration = Duration::from_secs(10);
/// Wishes that outlive this process: more than apps that are told on any device.
const WISHES_KEPT: usize = 128;
/// Pause before an update is tried again that the monitor could not judge.
const RETRY: Duration = Duration::from_secs(1);

/// A version that lies beside the installed one and waits to take its place.
#[derive(Debug, PartialEq, Eq)]
pub struct Waiting {
    version: u64,
    /// Until when each app that was told has it wait.
    wishes: BTreeMap<ComponentId, Duration>,
    /// Until then the apps that were told may answer; who has it wait longer puts it off.
    notice: Duration,
    /// Nobody puts it off longer.
    limit: Duration,
    /// Not tried before.
    not_before: Duration,
    /// Connections that wait for the result, until the update is put off.
    reply_to: Vec<u64>,
}

impl Waiting {
    fn new(version: u64, told: BTreeSet<ComponentId>, longest: Duration, reply_to: u64, now: Duration) -> Self {
        let notice = now + NOTICE;
        let wishes = told.into_iter().map(|id| (id, notice)).collect();
        let limit = now + longest.max(NOTICE);
        Self { version, wishes, notice, limit, not_before: now, reply_to: vec![reply_to] }
    }

    /// One that an earlier process laid, with what it wrote down; `None` if there is none.
    pub fn found(folder: &Path, run: &Run) -> Option<Self> {
        let Delayed { version, wishes_ms, notice_ms, limit_ms } = run.delayed.clone().unwrap_or_default();
        let wishes = wishes_ms.into_iter().map(|(id, until)| (id, Duration::from_millis(until))).collect();
        let (notice, limit) = (Duration::from_millis(notice_ms), Duration::from_millis(limit_ms));
        let waiting = Self { version, wishes, notice, limit, not_before: Duration::ZERO, reply_to: Vec::new() };
        crate::folders::exists(&folder.join(WAITING)).then_some(waiting)
    }

    /// What a process after this one must know of it.
    fn delayed(&self) -> Delayed {
        let wishes_ms = self.wishes.iter().take(WISHES_KEPT).map(|(id, until)| (id.clone(), ms(*until))).collect();
        Delayed { version: self.version, wishes_ms, notice_ms: ms(self.notice), limit_ms: ms(self.limit) }
    }

    /// Whether nobody has it wait.
    pub fn comes_now(&self) -> bool {
        self.wishes.is_empty()
    }

    /// An app has it wait, counted from now, or lets it come; for how long it has.
    fn put_off(&mut self, by: &ComponentId, seconds: u32, now: Duration) -> Duration {
        let until = (now + Duration::from_secs(seconds.into())).min(self.limit);
        if seconds == 0 || until <= now {
            self.wishes.remove(by);
            return Duration::ZERO;
        }
        self.wishes.insert(by.clone(), until);
        until - now
    }

    /// When it is installed, if nobody says anything more.
    fn at(&self) -> Duration {
        self.wishes.values().copied().max().unwrap_or_default().max(self.not_before)
    }

    /// Who has it wait longest, beyond the time to answer.
    fn put_off_by(&self) -> Option<&ComponentId> {
        self.wishes.iter().filter(|(_, until)| **until > self.notice).max_by_key(|(_, until)| **until).map(|(id, _)| id)
    }

    /// As the device API says it.
    pub fn status(&self, now: Duration) -> WaitingUpdate {
        let seconds = self.at().saturating_sub(now).as_millis().div_ceil(1000);
        WaitingUpdate {
            version: self.version,
            seconds: u64::try_from(seconds).unwrap_or(u64::MAX),
            put_off_by: self.put_off_by().cloned(),
        }
    }

    fn told(&self, component: &ComponentId, from: u64) -> Update {
        let state = if self.put_off_by().is_some() { UpdateState::Deferred } else { UpdateState::Ready };
        Update { component: component.clone(), from, to: self.version, state, at_ms: ms(self.at()), at_most_ms: ms(self.limit) }
    }
}

fn ms(at: Duration) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
}

/// What app-services was told last.
#[derive(Default)]
pub struct Told {
    serial: u64,
    updates: Vec<Update>,
}

impl Manager {
    /// Installs a sealed image at once, or has it wait for the apps that are to be told first; then the caller waits too.
    pub fn place(
        &mut self,
        judged: Judged,
        envelope: &[u8],
        image: OwnedFd,
        (downgrade, when): How,
        reply_to: u64,
    ) -> Result<Option<InstallResult>, Fault> {
        let id = judged.verdict.component.clone();
        let told = self.told_of(&id, &judged.verdict.digest);
        if when == When::Now || downgrade == Downgrade::Allowed || told.is_empty() {
            let image = Image { fd: image, waited: install::Waited::No };
            return self.install(judged, envelope, image, downgrade, Wanted::Running).map(Some);
        }
        let waiting = self.apps.values().filter(|app| app.waiting.is_some()).count();
        if waiting >= UPDATES_LIMIT && self.apps.get(&id).is_some_and(|app| app.waiting.is_none()) {
            let message = format!("{waiting} updates wait already for apps that put them off");
            return Err(Fault::with_hint(ErrorClass::Conflict, message, "have it installed at once, or one of those"));
        }
        let version = judged.verdict.version;
        self.make_sure(judged, image.try_clone().map_err(descriptor_fault)?, downgrade)?;
        let now = clock::since_boot();
        let mut waiting = Waiting::new(version, told, self.defer_updates, reply_to, now);
        let Some(app) = self.apps.get_mut(&id) else { return Err(Fault::new(ErrorClass::Internal, "the app vanished")) };
        if let Some(earlier) = &app.waiting {
            // A stream of updates is not put off longer than one.
            waiting.limit = waiting.limit.min(earlier.limit.max(waiting.notice));
        }
        // Written down first: a process after this one that finds the version knows how long it waits.
        app.store_run_with(Some(waiting.delayed()));
        let folder = app::folder(&id);
        let waited = install::Waited::No;
        let incoming = Incoming { folder, image: image.as_fd(), envelope, old: Old::Kept, trial: None, waited };
        install::set_waiting(&incoming).inspect_err(|_| drop(install::clear(&incoming.folder)))?;
        app.say(&format!("version {version} waits until the apps that were told of it let it come"), now);
        if let Some(earlier) = app.waiting.replace(waiting) {
            self.supersede(earlier, "another version came before it was installed");
        }
        Ok(None)
    }

    /// Apps that are told before this app gets this image. Nobody where it does not run, for then nobody is interrupted, and nobody
    /// of the image that it has: that is a restart, which no app puts off.
    fn told_of(&self, id: &ComponentId, digest: &Sha256Hex) -> BTreeSet<ComponentId> {
        let running = self.apps.get(id).filter(|app| app.live.is_some()).and_then(|app| app.installed.as_ref());
        if running.is_none_or(|installed| installed.verdict.digest == *digest) {
            return BTreeSet::new();
        }
        self.apps.values().filter(|app| app.is_told()).map(|app| app.id.clone()).collect()
    }

    /// Whoever waits for an update that does not come any more hears why.
    pub fn supersede(&mut self, waiting: Waiting, why: &str) {
        for reply_to in waiting.reply_to {
            let message = format!("version {} is not installed: {why}", waiting.version);
            self.reply::<InstallResult>(reply_to, Err(Fault::new(ErrorClass::Conflict, message)));
        }
    }

    /// An app puts an update off, or lets it come.
    pub fn put_off(&mut self, by: &Instance, id: &ComponentId, seconds: u32) -> Result<PutOff, Fault> {
        let now = clock::since_boot();
        let rights = self.apps.get(&by.component).filter(|app| app.is(by)).and_then(|app| app.installed.as_ref());
        let rights = rights.map(|installed| &installed.granted.services);
        if !rights.is_some_and(|rights| rights.put_off_updates || (rights.updates && seconds == 0)) {
            return Err(Fault::new(ErrorClass::NotGranted, format!("{by} has no right to put updates off")));
        }
        let missing = || Fault::new(ErrorClass::NotFound, format!("no update of {id} waits"));
        let app = self.apps.get_mut(id).ok_or_else(missing)?;
        let waiting = app.waiting.as_mut().ok_or_else(missing)?;
        let before = waiting.put_off_by().cloned();
        let lasts = waiting.put_off(&by.component, seconds, now);
        let is_put_off = waiting.put_off_by() == Some(&by.component);
        let reply_to = if is_put_off { std::mem::take(&mut waiting.reply_to) } else { Vec::new() };
        // On the disk before anybody relies on it.
        app.store_run();
        if is_put_off {
            if before.as_ref() != Some(&by.component) {
                app.say(&format!("its update is put off for {} s by {}", lasts.as_secs(), by.component), now);
            }
            let result = InstallResult { app: app.status(now), replaced: None };
            for reply_to in reply_to {
                self.reply(reply_to, Ok(result.clone()));
            }
        }
        Ok(PutOff { seconds: lasts.as_secs() })
    }

    /// An operator wants the update that waits; the caller is answered when it is installed.
    pub fn update_now(&mut self, id: &ComponentId, reply_to: u64) -> Result<(), Fault> {
        self.known(id)?;
        let Some(waiting) = self.apps.get_mut(id).and_then(|app| app.waiting.as_mut()) else {
            let hint = "`holdfast app deploy BUNDLE` brings one";
            return Err(Fault::with_hint(ErrorClass::Conflict, format!("no update of {id} waits"), hint));
        };
        // And nobody puts it off again.
        waiting.wishes.clear();
        (waiting.limit, waiting.not_before) = (Duration::ZERO, Duration::ZERO);
        if !waiting.reply_to.contains(&reply_to) {
            waiting.reply_to.push(reply_to);
        }
        Ok(())
    }

    /// An instance that had updates wait is over: it has nothing to save any more, and one that fails again and again is updated.
    pub fn forget_wishes(&mut self, id: &ComponentId) {
        for app in self.apps.values_mut() {
            if app.waiting.as_mut().is_some_and(|waiting| waiting.wishes.remove(id).is_some()) {
                app.run_changed = true;
            }
        }
    }

    /// Installs what has waited long enough.
    pub fn end_waiting(&mut self, now: Duration) {
        let due = |app: &&App| app.waiting_until().is_some_and(|at| at <= now);
        let mut ids: Vec<ComponentId> = self.apps.values().filter(due).map(|app| app.id.clone()).collect();
        // What ends now lies there at the next start.
        ids.retain(|_| self.mode != Mode::GoingDown);
        for id in ids {
            self.install_waiting(&id, now);
        }
    }

    fn install_waiting(&mut self, id: &ComponentId, now: Duration) {
        let wanted = self.table.get(id).map_or(Wanted::Running, |entry| entry.wanted);
        // Taken out: what is installed clears what waits, and this does not give way to itself.
        let Some(mut waiting) = self.apps.get_mut(id).and_then(|app| app.waiting.take()) else { return };
        let result = self.judge_waiting(id).and_then(|(judged, envelope, image)| {
            waiting.version = judged.verdict.version;
            let there = self.apps.get(id).and_then(|app| app.installed.as_ref());
            if there.is_some_and(|installed| installed.verdict.digest == judged.verdict.digest) {
                // The power went after its switch, before what lay here was cleared.
                install::drop_waiting(&app::folder(id))?;
                return Ok(None);
            }
            let image = Image { fd: image, waited: install::Waited::Yes };
            self.install(judged, &envelope, image, Downgrade::Refused, wanted).map(Some)
        });
        match result {
            Ok(None) => self.supersede(waiting, "it is there already"),
            Ok(Some(installed)) => {
                for reply_to in waiting.reply_to {
                    self.reply(reply_to, Ok(installed.clone()));
                }
            }
            Err(fault) if fault.class() == ErrorClass::Unavailable => {
                linux::log::warning(format!("{id}: its update waits on: {fault}"));
                waiting.not_before = now + RETRY;
                if let Some(app) = self.apps.get_mut(id) {
                    app.waiting = Some(waiting);
                }
            }
            Err(fault) => {
                self.give_up(id, waiting, fault, now);
                self.follow_wish(id);
            }
        }
    }

    fn judge_waiting(&mut self, id: &ComponentId) -> Result<(Judged, Vec<u8>, OwnedFd), Fault> {
        let (image, envelope) = install::open(&app::folder(id).join(WAITING))?;
        let judged = self.monitor.verify_installed(image.as_fd(), envelope.as_fd())?;
        if judged.verdict.component != *id {
            return Err(Fault::new(ErrorClass::Untrusted, format!("what waits is {}", judged.verdict.component)));
        }
        Ok((judged, contents(&envelope, ENVELOPE_LIMIT)?, image))
    }

    /// What waited cannot be installed any more: its app stays what it is, and whoever operates it hears why.
    fn give_up(&mut self, id: &ComponentId, waiting: Waiting, fault: Fault, now: Duration) {
        let Some(app) = self.apps.get_mut(id) else { return };
        let words = format!("version {} waited and cannot be installed: {fault}", waiting.version);
        app.say(&words, now);
        app.run_changed = true;
        let returns_to = app.installed.as_ref().map_or(0, |installed| installed.verdict.version);
        app.failed = Some(Trial { version: waiting.version, returns_to, failed: Some(fault.to_string()) });
        linux::log::error(format!("{id}: {words}"));
        if let Err(e) = install::drop_waiting(&app::folder(id)) {
            linux::log::error(format!("{id}: {}", files::chain(&e)));
        }
        self.monitor.report(EventKind::UpdateFailed, id.as_str(), &words);
        for reply_to in waiting.reply_to {
            self.reply::<InstallResult>(reply_to, Err(fault.clone()));
        }
    }

    /// app-services hears of the updates that are coming, where something changed.
    pub fn tell_updates(&mut self) {
        let mut updates: Vec<Update> = self.sealed_updates().chain(self.apps.values().filter_map(App::update)).collect();
        updates.sort_by(|a, b| a.component.cmp(&b.component));
        updates.truncate(UPDATES_LIMIT);
        if updates != self.told.updates || self.told.serial == 0 {
            // Higher than what an earlier process of this boot told.
            self.told = Told { serial: ms(clock::since_boot()).max(self.told.serial + 1), updates };
            self.tell_updates_again();
        }
    }

    /// The same once more, to an app-services that has just come.
    pub fn tell_updates_again(&mut self) {
        let Told { serial, updates } = &self.told;
        if *serial == 0 {
            return;
        }
        let event = Serving::Updates { serial: *serial, updates: updates.clone() };
        self.tell_services(&event, &[]);
    }

    /// Updates whose images are being sealed.
    fn sealed_updates(&self) -> impl Iterator<Item = Update> {
        self.pending.values().filter_map(|pending| pending.sealed()).filter_map(|verdict| {
            let app = self.apps.get(&verdict.component).filter(|app| app.waiting.is_none())?;
            let from = app.installed.as_ref()?.verdict.version;
            let component = app.id.clone();
            Some(Update { component, from, to: verdict.version, state: UpdateState::Started, at_ms: 0, at_most_ms: 0 })
        })
    }
}

impl App {
    /// Whether it is told before an update comes: it runs, and its manifest asks for it.
    fn is_told(&self) -> bool {
        let runs = self.live.as_ref().is_some_and(|live| live.ended.is_none());
        let rights = self.installed.as_ref().map(|installed| &installed.granted.services);
        runs && rights.is_some_and(|rights| rights.updates || rights.put_off_updates)
    }

    /// When its update is installed; none while it has none, or cannot have it now.
    pub fn waiting_until(&self) -> Option<Duration> {
        let waiting = self.waiting.as_ref().filter(|_| !self.verdict_due && self.removal.is_none());
        waiting.map(Waiting::at)
    }

    /// What of its update outlives this process.
    pub fn delayed(&self) -> Option<Delayed> {
        self.waiting.as_ref().map(Waiting::delayed)
    }

    fn update(&self) -> Option<Update> {
        let from = self.installed.as_ref().map_or(0, |installed| installed.verdict.version);
        self.waiting.as_ref().map(|waiting| waiting.told(&self.id, from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn id(n: u32) -> ComponentId {
        format!("25025d2c-66da-4448-bae1-{n:012x}").parse().unwrap()
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn waiting(apps: &[u32], longest: Duration) -> Waiting {
        Waiting::new(2, apps.iter().copied().map(id).collect(), longest, 7, at(100))
    }

    #[test]
    fn who_says_nothing_has_an_update_wait_for_the_notice_alone() {
        let waiting = waiting(&[1, 2], DAY);
        assert_eq!((waiting.at(), waiting.put_off_by()), (at(110), None));
    }

    #[test]
    fn an_update_comes_when_the_last_app_lets_it() {
        let mut waiting = waiting(&[1, 2], DAY);
        assert_eq!(waiting.put_off(&id(1), 0, at(101)), Duration::ZERO);
        assert_eq!(waiting.at(), at(110));
        waiting.put_off(&id(2), 0, at(102));
        assert!(waiting.at() <= at(102));
    }

    #[test]
    fn the_longest_wish_counts_and_none_is_longer_than_the_limit() {
        let mut waiting = waiting(&[1, 2], at(60));
        assert_eq!(waiting.put_off(&id(1), 30, at(105)), at(30));
        assert_eq!(waiting.put_off(&id(2), u32::MAX, at(105)), at(55));
        assert_eq!((waiting.at(), waiting.put_off_by()), (at(160), Some(&id(2))));
        assert_eq!(waiting.put_off(&id(2), 60, at(160)), Duration::ZERO, "its time is over");
        assert_eq!((waiting.at(), waiting.put_off_by()), (at(135), Some(&id(1))));
    }

    #[test]
    fn an_image_that_lets_nobody_put_off_still_gives_notice() {
        let mut waiting = waiting(&[1], Duration::ZERO);
        assert_eq!(waiting.put_off(&id(1), 3600, at(104)), at(6));
        assert_eq!((waiting.at(), waiting.put_off_by()), (at(110), None));
    }

    #[test]
    fn what_an_earlier_process_laid_waits_as_long_and_at_most_as_before() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Waiting::found(folder.path(), &Run::default()), None);
        std::fs::create_dir(folder.path().join(WAITING)).unwrap();
        let mut earlier = waiting(&[1, 2], at(200));
        earlier.put_off(&id(1), 100, at(100));
        earlier.put_off(&id(2), 50, at(100));
        let run = Run { delayed: Some(earlier.delayed()), ..Run::default() };
        let mut found = Waiting::found(folder.path(), &run).unwrap();
        assert_eq!((found.at(), found.put_off_by()), (at(200), Some(&id(1))));
        found.put_off(&id(1), 0, at(120));
        assert_eq!((found.at(), found.put_off_by()), (at(150), Some(&id(2))), "the other one's wish counts as before");
        assert_eq!(found.put_off(&id(2), u32::MAX, at(120)), at(180));
        let told = Run { delayed: Some(waiting(&[1], DAY).delayed()), ..Run::default() };
        let told = Waiting::found(folder.path(), &told).unwrap();
        assert_eq!((told.at(), told.put_off_by()), (at(110), None), "the apps were only told of it");
        // After a start of the device nothing is known of its wishes, and it comes at once.
        assert_eq!(Waiting::found(folder.path(), &Run::default()).unwrap().at(), Duration::ZERO);
    }
}
