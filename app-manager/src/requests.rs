//! Answers to the requests of other daemons.

use crate::{
    fault::Fault,
    installs::table_fault,
    life::Event,
    log::ANSWER_LIMIT,
    manager::{Manager, Mode, Source},
    state::Wanted,
};
use ipc::{
    client::Answer,
    messages::app_manager::{AppLog, Apps, Policy, Request, Upload},
};
use linux::clock;
use manifest::{
    api::{AppDenials, AppStatus, Done, ErrorClass},
    names::ComponentId,
    places,
};
use rustix::fd::{AsFd, BorrowedFd};
use serde::Serialize;
use std::ops::Bound;

impl Manager {
    /// Answers a request, at once or when its work is done.
    pub fn answer(&mut self, token: u64, request: Request) {
        match request {
            Request::List { after } => {
                let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
                let apps = self.apps.range((behind, Bound::Unbounded)).map(|(_, app)| app.status(clock::since_boot()));
                let page = page(apps);
                self.reply(token, Ok(page));
            }
            Request::Status { component } => {
                let result = self.status(&component);
                self.reply(token, result);
            }
            Request::BeginInstall { size } => match self.begin_install(size) {
                Ok((upload, writer)) => self.reply_with(token, Ok(upload), &[writer.as_fd()]),
                Err(fault) => self.reply::<Upload>(token, Err(fault)),
            },
            Request::CommitInstall { token: upload, downgrade, when } => {
                if let Err(fault) = self.commit(upload, (downgrade, when), token) {
                    self.reply::<Done>(token, Err(fault));
                }
            }
            Request::UpdateNow { component } => {
                if let Err(fault) = self.update_now(&component, token) {
                    self.reply::<Done>(token, Err(fault));
                }
            }
            Request::AbortInstall { token: upload } => {
                let result = self.uploads.abort(upload).map(|()| Done {});
                self.reply(token, result);
            }
            Request::Start { component } => {
                let result = self.wish(&component, Wanted::Running, Event::Start);
                self.reply(token, result);
            }
            Request::Stop { component } => {
                self.refuse_debugger(&component, "it was told to stop");
                let result = self.wish(&component, Wanted::Stopped, Event::Stop);
                self.reply(token, result);
            }
            Request::Restart { component } => {
                let result = self.wish(&component, Wanted::Running, Event::Restart);
                self.reply(token, result);
            }
            Request::Debug { component } => {
                if let Err(fault) = self.start_debugging(&component, token) {
                    self.reply::<Done>(token, Err(fault));
                }
            }
            Request::Remove { component } => {
                if let Err(fault) = self.remove(&component, token) {
                    self.reply::<Done>(token, Err(fault));
                }
            }
            Request::Log { component, after, limit } => {
                let result = self.log(&component, after, limit);
                self.reply(token, result);
            }
            Request::SetConfig { component, document } => {
                let result = self.set_config(&component, document.as_deref());
                self.reply(token, result);
            }
            Request::Config { component } => {
                let result = self.config(&component);
                self.reply(token, result);
            }
            Request::SetCertificates { component, document } => {
                let result = self.set_certificates(&component, &document);
                self.reply(token, result);
            }
            Request::Certificates { component } => {
                let result = self.certificates(&component);
                self.reply(token, result);
            }
            Request::PutOffUpdate { by, component, seconds } => {
                let result = self.put_off(&by, &component, seconds);
                self.reply(token, result);
            }
            Request::SetTimeZone { by, zone } => {
                let result = self.set_time_zone(&by, zone);
                self.reply(token, result);
            }
            Request::Denials { component } => {
                let result = self.denials(&component);
                self.reply(token, result);
            }
            Request::ServeApps {} => self.serve_apps(token),
            Request::Policy { component } => {
                let result = self.policy(&component);
                self.reply(token, result);
            }
        }
    }

    /// Answers whoever waits behind a connection's token; one that is gone misses it.
    pub fn reply<T: Serialize>(&mut self, token: u64, result: Result<T, Fault>) {
        self.reply_with(token, result, &[]);
    }

    /// The same, with descriptors.
    pub fn reply_with<T: Serialize>(&mut self, token: u64, result: Result<T, Fault>, descriptors: &[BorrowedFd<'_>]) {
        let answer = match result {
            Ok(value) => Answer::Ok(value),
            Err(Fault(body)) => Answer::Error(body),
        };
        self.server.answer(token, &answer, descriptors);
    }

    fn begin_install(&mut self, size: u64) -> Result<(Upload, rustix::fd::OwnedFd), Fault> {
        if self.mode == Mode::GoingDown {
            return Err(going_down());
        }
        self.forget_uploads();
        let (upload, writer) = self.uploads.begin(size, clock::since_boot())?;
        if let Some(pipe) = self.uploads.pipe(upload) {
            self.poller
                .add(pipe, self.next_token)
                .map_err(|e| Fault::new(ErrorClass::Internal, format!("cannot wait for an upload: {e}")))?;
            self.sources.insert(self.next_token, Source::Upload(upload));
            self.next_token += 1;
        }
        Ok((Upload { token: upload }, writer))
    }

    /// A piece of an upload waits, or its end. A pipe that is closed here has left the poller: nobody else holds this end.
    pub fn receive_upload(&mut self, upload: u64) {
        self.uploads.receive(upload, clock::since_boot());
        self.forget_uploads();
    }

    /// Forgets what stood for uploads of which no more is taken.
    fn forget_uploads(&mut self) {
        let uploads = &self.uploads;
        self.sources.retain(|_, source| !matches!(source, Source::Upload(upload) if uploads.pipe(*upload).is_none()));
    }

    fn status(&self, id: &ComponentId) -> Result<AppStatus, Fault> {
        Ok(self.known(id)?.status(clock::since_boot()))
    }

    /// Start, stop, restart: what the owner wants is on the disk before it happens.
    pub fn wish(&mut self, id: &ComponentId, wanted: Wanted, event: Event) -> Result<AppStatus, Fault> {
        let app = self.known(id)?;
        if app.removal.is_some() {
            return Err(Fault::new(ErrorClass::Conflict, format!("{id} is being removed")));
        }
        if wanted == Wanted::Running {
            self.startable(id)?;
        }
        self.table.update(id, |entry| entry.wanted = wanted).map_err(table_fault)?;
        if let Some(app) = self.apps.get_mut(id) {
            (app.run.starts, app.run_changed) = (0, true);
        }
        self.feed(id, event);
        self.status(id)
    }

    /// Whether an app can be started now.
    pub fn startable(&self, id: &ComponentId) -> Result<(), Fault> {
        let app = self.known(id)?;
        match self.mode {
            Mode::GoingDown => return Err(going_down()),
            Mode::Safe => {
                let hint = format!(
                    "apps run again after a reboot without `{}`: remove or update the app that fails, then reboot",
                    places::SAFE_MODE
                );
                return Err(Fault::with_hint(ErrorClass::Conflict, "the device is in safe mode, no app is started", hint));
            }
            Mode::Normal => {}
        }
        match &app.problem {
            Some(problem) => {
                Err(Fault::with_hint(ErrorClass::Conflict, format!("{id} cannot run: {problem}"), "install it again"))
            }
            None => Ok(()),
        }
    }

    fn log(&mut self, id: &ComponentId, after: u64, limit: u32) -> Result<AppLog, Fault> {
        self.known(id)?;
        let Some(app) = self.apps.get_mut(id) else { return Ok(AppLog { lines: Vec::new() }) };
        Ok(AppLog { lines: app.log.read(after, limit)? })
    }

    fn denials(&self, id: &ComponentId) -> Result<AppDenials, Fault> {
        let app = self.known(id)?;
        let storage = app.installed.as_ref().and_then(|installed| installed.granted.storage);
        Ok(app.run.denials.told(grant::explain::paths(storage)))
    }

    fn policy(&self, id: &ComponentId) -> Result<Policy, Fault> {
        let app = self.known(id)?;
        let grants = app.installed.as_ref().map(|installed| installed.granted.explanation.clone()).unwrap_or_default();
        let mut in_force = app.live.as_ref().map(|live| live.in_force.clone()).unwrap_or_default();
        in_force.extend(app.live.iter().flat_map(|live| crate::limits::in_force(&live.cgroup)));
        Ok(Policy { grants, in_force })
    }
}

/// As many of the apps as a packet holds.
fn page(apps: impl Iterator<Item = AppStatus>) -> Apps {
    let mut page = Apps { apps: Vec::new(), more: false };
    let mut size = 0;
    for app in apps {
        size += serde_json::to_vec(&app).map_or(0, |json| json.len() + 1);
        if size > ANSWER_LIMIT && !page.apps.is_empty() {
            page.more = true;
            break;
        }
        page.apps.push(app);
    }
    page
}

fn going_down() -> Fault {
    Fault::with_hint(ErrorClass::Conflict, "the device is going down", "try again after it has started")
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::{
        api::{AppState, FailedUpdate, WaitingUpdate},
        quantity::Bytes,
    };

    /// With everything in it as long as it gets.
    fn longest(number: u32) -> AppStatus {
        AppStatus {
            component_id: format!("25025d2c-66da-4448-bae1-{number:012x}").parse().unwrap(),
            name: "\u{1f514}".repeat(64),
            version: u64::MAX,
            version_name: Some("\u{1f514}".repeat(64).parse().unwrap()),
            state: AppState::BackOff,
            generation: u64::MAX,
            pid: Some(u32::MAX),
            status: Some("\u{1f514}".repeat(crate::app::PROBLEM_LIMIT)),
            last_exit: Some("killed: it used more memory than its limit of 18446744073709551615B".into()),
            starts: u64::MAX,
            failures: u32::MAX,
            next_try_seconds: Some(u64::MAX),
            storage: Some(Bytes(u64::MAX)),
            uid: u32::MAX,
            ready_at_ms: Some(u64::MAX),
            returns_to: Some(u64::MAX),
            failed_update: Some(FailedUpdate { version: u64::MAX, why: "\u{1f514}".repeat(crate::app::PROBLEM_LIMIT) }),
            waiting_update: Some(WaitingUpdate {
                version: u64::MAX,
                seconds: u64::MAX,
                put_off_by: Some("25025d2c-66da-4448-bae1-000000000000".parse().unwrap()),
            }),
        }
    }

    #[test]
    fn a_hundred_apps_with_the_longest_words_are_listed_whole_in_packets_that_can_be_sent() {
        let all: Vec<AppStatus> = (0..100).map(longest).collect();
        let mut listed = Vec::new();
        loop {
            let Apps { apps, more } = page(all.iter().skip(listed.len()).cloned());
            let packet = serde_json::to_vec(&Answer::Ok(Apps { apps: apps.clone(), more })).unwrap();
            assert!(packet.len() <= ipc::PACKET_LIMIT, "{} bytes", packet.len());
            listed.extend(apps);
            if !more {
                break;
            }
        }
        assert_eq!(listed, all);
    }

    #[test]
    fn no_apps_are_one_empty_page() {
        assert_eq!(page(std::iter::empty()), Apps { apps: Vec::new(), more: false });
    }
}
