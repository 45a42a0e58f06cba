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
const LOOK: Duration = Duration::from_millis(200);
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
    until(output, client, id, limit, running)
}

/// Waits until an app has ended and stays so.
pub(super) fn until_stopped(output: Output, client: &Client, id: &ComponentId, limit: Duration) -> Result<AppStatus> {
    let stopped = |app: &AppStatus| if app.state == AppState::Stopped { Outcome::Fine } else { Outcome::Wait };
    until(output, client, id, limit, stopped)
}

type Judge = fn(&AppStatus) -> Outcome;

fn until(output: Output, client: &Client, id: &ComponentId, limit: Duration, judge: Judge) -> Result<AppStatus> {
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
        AppState::Running | AppState::Exited => Outcome::Fine,
        AppState::Starting | AppState::Stopping => Outcome::Wait,
        AppState::BackOff | AppState::Failed => {
            let cause = app
                .last_exit
                .as_deref()
                .map_or_else(|| "could not be started".into(), |exit| format!("ended: {}", harmless(exit)));
            let then = app
                .next_try_seconds
                .map_or_else(|| "given up".into(), |seconds| format!("the device tries again in {seconds} s"));
            Outcome::Not(format!("{cause}; {then}"))
        }
        AppState::Stopped => Outcome::Not("is stopped, and stays so until it is started".into()),
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
