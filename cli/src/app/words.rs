//! An app's status for people.

use crate::{
    device::logs::word,
    output::{Output, Style, harmless},
};
use manifest::api::{AppState, AppStatus, WaitingUpdate};

/// Its state, set off.
pub(super) fn state(out: Output, app: &AppStatus) -> String {
    let style = match app.state {
        AppState::Running | AppState::Ready => Style::Good,
        AppState::Starting | AppState::Stopping | AppState::BackOff | AppState::Degraded | AppState::Updating => Style::Warning,
        AppState::Failed | AppState::Crashed => Style::Bad,
        AppState::Installed | AppState::Stopped | AppState::Exited | AppState::Removed => Style::Dim,
    };
    out.paint(style, &word(&app.state))
}

/// Its version for people.
pub(super) fn version(app: &AppStatus) -> String {
    match &app.version_name {
        Some(name) => format!("{} ({name})", app.version),
        None => app.version.to_string(),
    }
}

/// An update that waits.
pub(super) fn waiting(waiting: &WaitingUpdate) -> String {
    let why = match &waiting.put_off_by {
        Some(app) => format!("{app} put it off"),
        None => "the apps were told of it".to_owned(),
    };
    format!("version {} waits, at most {} s: {why}", waiting.version, waiting.seconds)
}

/// All of it.
pub(super) fn status(out: Output, app: &AppStatus) -> String {
    let mut lines = vec![
        format!("{} version {}: {}", out.paint(Style::Bold, &harmless(&app.name)), version(app), state(out, app)),
        format!("  component  {}", app.component_id),
    ];
    lines.extend(app.status.as_ref().map(|status| format!("  status     {}", harmless(status))));
    lines.extend(app.pid.map(|pid| format!("  process    {pid}, uid {}, start number {}", app.uid, app.generation)));
    lines.extend(app.ready_at_ms.map(|ms| format!("  ready at   {ms} ms after the kernel's start")));
    lines.extend(app.storage.map(|size| format!("  storage    {size}")));
    lines.extend(app.last_exit.as_ref().map(|exit| format!("  last exit  {}", harmless(exit))));
    lines.extend((app.failures > 0).then(|| format!("  failures   {} in a row", app.failures)));
    lines.extend(app.returns_to.map(|version| format!("  on trial   version {version} comes back if it does not get ready")));
    lines.extend(
        app.failed_update
            .as_ref()
            .map(|failed| format!("  update     version {} failed: {}", failed.version, harmless(&failed.why))),
    );
    lines.extend(app.waiting_update.as_ref().map(|waiting| format!("  update     {}", self::waiting(waiting))));
    lines.extend(app.next_try_seconds.map(|seconds| format!("  next try   in {seconds} s")));
    lines.join("\n")
}
