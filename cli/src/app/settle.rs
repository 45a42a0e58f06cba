//! Waiting until an app runs or is stopped, or until it is clear that it will not.

use crate::{
    device::logs::{self, PAGE},
    failure::{Failure, Result},
    output::{Output, harmless},
};
use api_client::{Client, ClientError};
use manifest::{
    api::{AppState, AppStatus, ErrorClass},
    names::ComponentId,
};
use std::time::{Duration, Instant};

/// How often the device is asked.
const LOOK: Duration = Duration::from_millis(50);
/// Log lines that are shown when an app does not run.
const LAST_LINES: usize = 10;

/// What is known of an app that was asked to run.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It runs, or has done what it had to.
    Fine,
    /// Not yet.
    Wait,
    /// It does not run, for this reason.
    Not(String),
}

/// Waits until an app runs.
pub(super) fn until_running(output: Output, client: &Client, id: &ComponentId, limit: Duration) -> Result<AppStatus> {
    until(output, client, id, limit, &running)
}

/// Waits until an app runs in the version that was just installed.
pub(super) fn until_deployed(output: Output, client: &Client, app: &AppStatus, limit: Duration) -> Result<AppStatus> {
    let version = app.version;
    until(output, client, &app.component_id, limit, &|app| deployed(app, version))
}

/// Waits until an app has ended and stays so.
pub(super) fn until_stopped(output: Output, client: &Client, id: &ComponentId, limit: Duration) -> Result<AppStatus> {
    let stopped = |app: &AppStatus| if app.state == AppState::Stopped { Outcome::Fine } else { Outcome::Wait };
    until(output, client, id, limit, &stopped)
}

fn until(
    output: Output,
    client: &Client,
    id: &ComponentId,
    limit: Duration,
    judge: &dyn Fn(&AppStatus) -> Outcome,
) -> Result<AppStatus> {
    let end = Instant::now() + limit;
    loop {
        let app = match client.app(id) {
            Ok(app) => Some(app),
            // A device that has just booted may have no app-manager yet.
            Err(error) if is_passing(&error) && Instant::now() < end => None,
            Err(error) => return Err(error.into()),
        };
        let reason = match app.as_ref().map_or(Outcome::Wait, judge) {
            Outcome::Fine => match app {
                Some(app) => return Ok(app),
                None => continue,
            },
            Outcome::Not(reason) => reason,
            Outcome::Wait if Instant::now() < end => {
                std::thread::sleep(LOOK);
                continue;
            }
            Outcome::Wait => format!("did not get there within {} s", limit.as_secs()),
        };
        return Err(failure(output, client, id, app.as_ref(), &reason));
    }
}

fn running(app: &AppStatus) -> Outcome {
    match app.state {
        AppState::Running | AppState::Ready | AppState::Degraded | AppState::Exited => Outcome::Fine,
        AppState::Installed | AppState::Starting | AppState::Stopping => Outcome::Wait,
        AppState::Updating if app.next_try_seconds.is_none() => Outcome::Wait,
        AppState::Updating | AppState::BackOff | AppState::Crashed | AppState::Failed => {
            let cause = match app.last_exit.as_deref().map(harmless) {
                Some(exit) if exit.starts_with("could not") => exit,
                Some(exit) => format!("ended: {exit}"),
                None => "could not be started".to_owned(),
            };
            let then = match app.next_try_seconds {
                Some(seconds) => format!("the device tries again in {seconds} s"),
                None if app.state == AppState::Crashed => "its manifest wants no restart".to_owned(),
                None => "given up".to_owned(),
            };
            Outcome::Not(format!("{cause}; {then}"))
        }
        AppState::Stopped => Outcome::Not("is stopped, and stays so until it is started".into()),
        AppState::Removed => Outcome::Not("is being removed".into()),
    }
}

/// The version before may have come back meanwhile, and run well.
fn deployed(app: &AppStatus, version: u64) -> Outcome {
    match &app.failed_update {
        Some(failed) if app.version != version => Outcome::Not(format!(
            "version {version} did not get ready ({}), and version {} is back",
            harmless(&failed.why),
            app.version
        )),
        _ => running(app),
    }
}

fn is_passing(error: &ClientError) -> bool {
    error.class() == ErrorClass::Unavailable
}

fn failure(output: Output, client: &Client, id: &ComponentId, app: Option<&AppStatus>, reason: &str) -> Failure {
    let name = app.map_or_else(|| id.to_string(), |app| harmless(&app.name));
    let mut lines =
        logs::tail(LAST_LINES, &mut |after| client.app_log(id, after, PAGE)).map(|(lines, _)| lines).unwrap_or_default();
    let lines = lines.drain(..).map(|line| logs::words(output, &line)).collect::<Vec<_>>();
    let hint = match app.map(|app| app.state) {
        Some(AppState::Stopped) => format!("holdfast app start {id}"),
        _ if lines.is_empty() => {
            "its log is empty; `holdfast device events` tells whether it was killed for what it tried".into()
        }
        _ => format!("`holdfast app logs {id}` has its whole log"),
    };
    Failure::new(ErrorClass::Conflict, format!("{name} {reason}")).context(lines).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::api::FailedUpdate;

    fn app(state: AppState, version: u64, failed: Option<u64>) -> AppStatus {
        AppStatus {
            component_id: "4c3f2d9b-6a4e-4f1c-9a37-d00bbe110001".parse().unwrap(),
            name: "App".into(),
            version,
            version_name: None,
            state,
            generation: 1,
            pid: None,
            status: None,
            last_exit: Some("exited with status 1".into()),
            starts: 1,
            failures: 1,
            next_try_seconds: None,
            storage: None,
            uid: 100_000,
            ready_at_ms: None,
            returns_to: None,
            failed_update: failed.map(|version| FailedUpdate { version, why: "exited with status 1".into() }),
            waiting_update: None,
        }
    }

    #[test]
    fn a_deployed_version_that_gave_way_to_the_one_before_is_a_failure_however_well_that_one_runs() {
        assert_eq!(deployed(&app(AppState::Ready, 2, None), 2), Outcome::Fine);
        assert_eq!(deployed(&app(AppState::Updating, 2, None), 2), Outcome::Wait);
        let expected = "version 2 did not get ready (exited with status 1), and version 1 is back";
        assert_eq!(deployed(&app(AppState::Ready, 1, Some(2)), 2), Outcome::Not(expected.into()));
    }

    #[test]
    fn an_app_that_fails_is_not_waited_for() {
        let again = AppStatus { next_try_seconds: Some(3), ..app(AppState::Updating, 2, None) };
        assert_eq!(running(&again), Outcome::Not("ended: exited with status 1; the device tries again in 3 s".into()));
        let crashed = Outcome::Not("ended: exited with status 1; its manifest wants no restart".into());
        assert_eq!(running(&app(AppState::Crashed, 1, None)), crashed);
    }
}
