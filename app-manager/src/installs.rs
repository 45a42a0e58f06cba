//! The manager's part in installations and removals: from a finished upload to a running app, and back.

use crate::{
    app::{self, App, Installed},
    fault::Fault,
    install::{self, Incoming, Old, Trial, Waited},
    life::Event,
    log::Log,
    manager::{Manager, Mode, Source},
    monitor::{Judged, Verification},
    sealing::Sealing,
    services,
    state::{Entry, TableError, Wanted},
};
use ipc::messages::monitor::Verdict;
use linux::{clock, files};
use manifest::{
    api::{Done, Downgrade, ErrorClass, EventKind, InstallResult, When},
    image::Role,
    names::ComponentId,
    places,
};
use rustix::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// A bundle on its way from the upload to an installed app.
pub struct Pending {
    stage: Stage,
    /// Whether it may be an older version than the one that is there, and whether apps may put it off.
    how: How,
    /// Connection that waits for the result.
    reply_to: u64,
}

/// What the caller wants of an installation.
pub type How = (Downgrade, When);

/// A sealed image.
pub struct Image {
    /// It.
    pub fd: OwnedFd,
    /// Whether it is that of the version that waited.
    pub waited: Waited,
}

/// What takes longer than the loop may stand still, and is waited for like any other event.
enum Stage {
    /// The monitor reads the whole bundle.
    Judging { verification: Verification, image: OwnedFd, deadline: Duration },
    /// The kernel hashes the whole image and writes it to the disk, called by a thread.
    Sealing { sealing: Sealing, judged: Judged, envelope: Vec<u8> },
}

/// The monitor reads the whole bundle for its verdict: 1 GiB at the pace of a slow board.
const VERDICT_TIMEOUT: Duration = Duration::from_secs(240);

impl Pending {
    /// What is being sealed.
    pub fn sealed(&self) -> Option<&Verdict> {
        match &self.stage {
            Stage::Judging { .. } => None,
            Stage::Sealing { judged, .. } => Some(&judged.verdict),
        }
    }
}

impl Manager {
    /// An upload is finished: asks for a verdict. The caller is answered when it is installed, or refused.
    pub fn commit(&mut self, upload: u64, how: How, reply_to: u64) -> Result<(), Fault> {
        let image = self.uploads.commit(upload)?;
        let verification = Verification::ask(image.as_fd())?;
        let token = self.watch_stage(&verification)?;
        let deadline = clock::since_boot() + VERDICT_TIMEOUT;
        self.pending.insert(token, Pending { stage: Stage::Judging { verification, image, deadline }, how, reply_to });
        Ok(())
    }

    /// A stage of an installation ended; the next one begins, or the caller is answered.
    pub fn go_on_installing(&mut self, token: u64) {
        let Some(Pending { stage, how, reply_to }) = self.pending.remove(&token) else { return };
        let result = match stage {
            Stage::Judging { verification, image, .. } => {
                self.unwatch(&verification, token);
                verification
                    .answer()
                    .and_then(|(judged, envelope)| self.begin_sealing(judged, envelope, image, how, reply_to).map(|()| None))
            }
            Stage::Sealing { sealing, judged, envelope } => {
                self.unwatch(&sealing, token);
                sealing.finish().and_then(|(image, _name)| self.place(judged, &envelope, image, how, reply_to))
            }
        };
        match result {
            Ok(None) => {}
            Ok(Some(installed)) => self.reply(reply_to, Ok(installed)),
            Err(fault) => self.reply::<InstallResult>(reply_to, Err(fault)),
        }
    }

    /// Verdicts that did not come.
    pub fn expire_verifications(&mut self, now: Duration) {
        let late = |pending: &Pending| matches!(pending.stage, Stage::Judging { deadline, .. } if deadline <= now);
        let late: Vec<u64> = self.pending.iter().filter(|(_, pending)| late(pending)).map(|(token, _)| *token).collect();
        for token in late {
            let Some(pending) = self.pending.remove(&token) else { continue };
            if let Stage::Judging { verification, .. } = &pending.stage {
                self.unwatch(verification, token);
            }
            let fault = Fault::new(
                ErrorClass::Unavailable,
                format!("security-monitor gave no verdict within {} s", VERDICT_TIMEOUT.as_secs()),
            );
            self.reply::<InstallResult>(pending.reply_to, Err(fault));
        }
    }

    fn watch_stage(&mut self, fd: impl AsFd) -> Result<u64, Fault> {
        self.watch(fd, Source::Installation)
            .map_err(|e| Fault::new(ErrorClass::Internal, format!("cannot wait for an installation: {e}")))
    }

    /// Refuses what can be refused at once, and has the rest sealed.
    fn begin_sealing(&mut self, judged: Judged, envelope: Vec<u8>, image: OwnedFd, how: How, reply_to: u64) -> Result<(), Fault> {
        self.acceptable(&judged, how.0)?;
        let id = &judged.verdict.component;
        self.promise(id, &self.accept(id, judged.clone(), image.try_clone().map_err(descriptor_fault)?)?.granted)?;
        let sealing = Sealing::begin(image, judged.clone(), places::APPS.as_ref())?;
        let token = self.watch_stage(&sealing)?;
        self.pending.insert(token, Pending { stage: Stage::Sealing { sealing, judged, envelope }, how, reply_to });
        Ok(())
    }

    /// Installs a sealed image; `wanted` is what its owner wants of the app from then on.
    pub fn install(
        &mut self,
        judged: Judged,
        envelope: &[u8],
        image: Image,
        downgrade: Downgrade,
        wanted: Wanted,
    ) -> Result<InstallResult, Fault> {
        let id = judged.verdict.component.clone();
        if self.apps.get(&id).is_some_and(|app| app.verdict_due) {
            // What comes back if the new version fails must be known.
            self.judge(&id);
        }
        let installed = self.make_sure(judged, image.fd, downgrade)?;
        let version = installed.verdict.version;
        let uid = self.table.uid(&id).map_err(table_fault)?;
        let there = self.apps.get(&id).and_then(|app| Some((app.installed.as_ref()?.verdict.clone(), app.trial.clone())));
        let replaced = there.as_ref().map(|(verdict, _)| verdict.version);
        let begins = |returns_to| Some(Trial { version, returns_to, failed: None });
        let (old, trial) = match there {
            None => (Old::Kept, None),
            Some((old, trial)) if old.digest == installed.verdict.digest => (Old::Dropped, trial),
            Some((_, Some(trial))) => (Old::Dropped, begins(trial.returns_to)),
            Some((old, None)) => (Old::Kept, begins(old.version)),
        };
        let incoming =
            Incoming { folder: app::folder(&id), image: installed.image.as_fd(), envelope, old, trial, waited: image.waited };
        install::install(&incoming).inspect_err(|_| drop(install::clear(&app::folder(&id))))?;
        self.table
            .update(&id, |entry| {
                entry.wanted = wanted;
                entry.floor = if downgrade == Downgrade::Allowed { version } else { entry.floor.max(version) };
            })
            .map_err(table_fault)?;
        if !self.apps.contains_key(&id) && !self.open_app(&id, uid, false) {
            return Err(Fault::new(
                ErrorClass::Internal,
                "the app is installed, but its log could not be opened; see app-manager's log",
            ));
        }
        linux::log::notice(format!("{id} version {version} is installed"));
        self.run_installed(&id, installed);
        let app = self.apps.get(&id).map(|app| app.status(clock::since_boot()));
        app.map(|app| InstallResult { app, replaced })
            .ok_or_else(|| Fault::new(ErrorClass::Internal, "the app vanished while it was installed"))
    }

    /// Everything that can speak against a sealed image, before anything of it gets a name: what was looked at before the
    /// sealing too, because other apps came and went meanwhile.
    pub fn make_sure(&mut self, judged: Judged, image: OwnedFd, downgrade: Downgrade) -> Result<Installed, Fault> {
        let id = judged.verdict.component.clone();
        self.look_at(judged, image, downgrade).inspect_err(|fault| {
            if fault.class() == ErrorClass::Untrusted {
                self.monitor.report(EventKind::BundleRefused, id.as_str(), &fault.to_string());
            }
        })
    }

    fn look_at(&mut self, judged: Judged, image: OwnedFd, downgrade: Downgrade) -> Result<Installed, Fault> {
        self.acceptable(&judged, downgrade)?;
        let in_image = self.launcher.open_manifest(image.as_fd())?;
        install::compare_manifest(&in_image, &judged.manifest)?;
        let id = judged.verdict.component.clone();
        let installed = self.accept(&id, judged, image)?;
        self.promise(&id, &installed.granted)?;
        // What an app that was not judged yet will get is not known, and it had it first.
        let others_due = self.apps.values().any(|other| other.id != id && other.verdict_due);
        if others_due && !installed.granted.peripherals.is_empty() {
            let message = "the apps that are there are being judged, and may have its peripherals";
            return Err(Fault::with_hint(ErrorClass::Unavailable, message, "try again"));
        }
        Ok(installed)
    }

    /// Whether this device takes this version of this app now.
    fn acceptable(&self, judged: &Judged, downgrade: Downgrade) -> Result<(), Fault> {
        let id = &judged.verdict.component;
        if self.mode == Mode::GoingDown {
            return Err(Fault::with_hint(ErrorClass::Conflict, "the device is going down", "try again after it has started"));
        }
        if self.apps.get(id).is_some_and(|app| app.removal.is_some()) {
            return Err(Fault::with_hint(ErrorClass::Conflict, format!("{id} is being removed"), "try again when it is gone"));
        }
        let floor = self.table.get(id).map_or(0, |entry| entry.floor);
        refuse_older(judged.verdict.version, floor, downgrade, self.downgrades)
    }

    fn run_installed(&mut self, id: &ComponentId, installed: Installed) {
        let Some(app) = self.apps.get_mut(id) else { return };
        app.say(&format!("version {} is installed", installed.verdict.version), clock::since_boot());
        let old = app.installed.replace(installed);
        (app.verdict_due, app.problem) = (false, None);
        (app.trial, app.failed) = (install::trial(&app::folder(id)), install::failed(&app::folder(id)));
        let waiting = app.waiting.take();
        match old.filter(|_| app.trial.is_some()) {
            Some(old) => app.before.extend(old.granted.peripherals),
            None => app.before.clear(),
        }
        app.life.trial = app.trial.is_some();
        (app.run.starts, app.run_changed) = (0, true);
        if let Some(waiting) = waiting {
            self.supersede(waiting, "another version came before it was installed");
        }
        if self.mode == Mode::Normal && self.table.get(id).is_some_and(|entry| entry.wanted == Wanted::Running) {
            self.feed(id, Event::Restart);
        }
    }

    /// Brings the version before back; it is judged like any that is found installed, then started.
    pub fn go_back(&mut self, id: &ComponentId) {
        let Some(app) = self.apps.get_mut(id) else { return };
        let why = app.run.last_exit.clone().unwrap_or_default();
        let failed = Trial { failed: Some(why.clone()), ..app.trial.take().unwrap_or_default() };
        let words = format!("version {} did not get ready ({why})", failed.version);
        let result = install::go_back(&app::folder(id), &failed);
        let words = match &result {
            Ok(()) => format!("{words}: version {} is back", failed.returns_to),
            Err(e) => format!("{words}, and version {} could not be brought back: {}", failed.returns_to, files::chain(e)),
        };
        app.say(&words, clock::since_boot());
        linux::log::error(format!("{id}: {words}"));
        app.installed = None;
        match result {
            Ok(()) => (app.failed, app.verdict_due, self.retry_at) = (Some(failed), true, Duration::ZERO),
            Err(_) => app.problem = Some(words.clone()),
        }
        self.monitor.report(EventKind::UpdateFailed, id.as_str(), &words);
    }

    /// Begins to remove an app; the caller is answered when nothing of it is left.
    pub fn remove(&mut self, id: &ComponentId, reply_to: u64) -> Result<(), Fault> {
        self.known(id)?;
        self.table.update(id, |entry| (entry.removing, entry.wanted) = (true, Wanted::Stopped)).map_err(table_fault)?;
        if let Some(app) = self.apps.get_mut(id) {
            // Who asks again while the app ends is answered once: the list stays as short as there are connections.
            let waiting = app.removal.get_or_insert_default();
            if !waiting.contains(&reply_to) {
                waiting.push(reply_to);
            }
        }
        if let Some(waiting) = self.apps.get_mut(id).and_then(|app| app.waiting.take()) {
            self.supersede(waiting, "its app is being removed");
        }
        self.refuse_debugger(id, "it is being removed");
        self.feed(id, Event::Remove);
        self.go_on_removing(id);
        Ok(())
    }

    /// Removals that were cut off, or that launcher could not carry out before.
    pub fn finish_removals(&mut self) {
        let unfinished: Vec<ComponentId> =
            self.apps.values().filter(|app| app.removal.is_some()).map(|app| app.id.clone()).collect();
        for id in unfinished {
            self.go_on_removing(&id);
        }
    }

    /// The rest of a removal, once the app has ended.
    pub fn go_on_removing(&mut self, id: &ComponentId) {
        let Some(app) = self.apps.get_mut(id).filter(|app| app.removal.is_some() && app.live.is_none()) else { return };
        let waiting = app.removal.replace(Vec::new()).unwrap_or_default();
        let result = self.erase(id);
        if let Err(fault) = &result {
            // Conflict: launcher erases still, a piece with each call.
            if fault.class() != ErrorClass::Conflict {
                linux::log::error(format!("{id} is not removed yet: {fault}"));
            }
            // The loop tries again, and the caller waits as long as it likes.
            if matches!(fault.class(), ErrorClass::Unavailable | ErrorClass::Conflict) {
                if let Some(app) = self.apps.get_mut(id) {
                    app.removal = Some(waiting);
                }
                return;
            }
        }
        for reply_to in waiting {
            self.reply(reply_to, result.clone().map(|()| Done {}));
        }
    }

    /// Data first: what is left after a power cut is an app that is removed at the next start, never data without an app.
    fn erase(&mut self, id: &ComponentId) -> Result<(), Fault> {
        let Some(app) = self.apps.get(id) else { return Ok(()) };
        // From here on nobody reads it again, whenever the power goes; that it takes up no room any more follows.
        self.monitor.drop_storage_key(id)?;
        self.launcher.erase_storage(id, app.uid)?;
        install::remove(&app::folder(id))?;
        Log::erase(app::log_folder(id))?;
        crate::folders::remove_flat(&services::folder(places::APP_RUN.as_ref(), id))?;
        crate::folders::remove_flat(&app::run_folder(id))?;
        self.table.update(id, Entry::end_removal).map_err(table_fault)?;
        self.apps.remove(id);
        self.forget_crashes(id);
        linux::log::notice(format!("{id} is removed with its data"));
        Ok(())
    }

    /// The app with this id.
    pub fn known(&self, id: &ComponentId) -> Result<&App, Fault> {
        let missing = || {
            Fault::with_hint(
                ErrorClass::NotFound,
                format!("no app {id} is installed"),
                "`holdfast app list` shows the installed apps",
            )
        };
        self.apps.get(id).ok_or_else(missing)
    }
}

/// No version older than the floor, except on purpose and where the image lets somebody. Which role that is device-api holds
/// its clients to; that there is one at all is held here too, against a device-api that was taken over.
fn refuse_older(version: u64, floor: u64, wish: Downgrade, allowed: Option<Role>) -> Result<(), Fault> {
    if version >= floor || (wish == Downgrade::Allowed && allowed.is_some()) {
        return Ok(());
    }
    let message = format!("version {version} is older than {floor}, which was installed before");
    let hint = match allowed {
        None => "raise the bundle's version; this device's image lets nobody go back".to_owned(),
        Some(role) => format!("raise the bundle's version; or let the role `{role}` go back with --allow-downgrade"),
    };
    Err(Fault::with_hint(ErrorClass::Conflict, message, hint))
}

/// A descriptor that could not be copied, as an answer.
pub fn descriptor_fault(error: std::io::Error) -> Fault {
    Fault::new(ErrorClass::Internal, format!("cannot copy a descriptor: {error}"))
}

/// An error of the table as an answer.
pub fn table_fault(error: TableError) -> Fault {
    match error {
        TableError::File(e) => e.into(),
        other => Fault::new(ErrorClass::Internal, files::chain(&other)),
    }
}

impl App {
    /// The installed version has proved itself.
    pub fn keep(&mut self, now: Duration) {
        self.trial = None;
        self.before.clear();
        self.say("this version has proved itself", now);
        if let Err(e) = install::keep(&app::folder(&self.id)) {
            linux::log::error(format!("{}: its trial goes on after a restart: {}", self.id, files::chain(&e)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_version_is_refused_unless_it_is_wished_for_and_the_image_lets_somebody() {
        let developer = Some(Role::Developer);
        for (version, wish, allowed, fine) in [
            (2, Downgrade::Refused, None, true),
            (1, Downgrade::Refused, None, false),
            (1, Downgrade::Refused, developer, false),
            (1, Downgrade::Allowed, None, false),
            (1, Downgrade::Allowed, developer, true),
        ] {
            assert_eq!(refuse_older(version, 2, wish, allowed).is_ok(), fine, "{version} {wish:?} {allowed:?}");
        }
    }
}
