//! `holdfast app list`

use super::words;
use crate::{
    device::{connect::Target, logs::word},
    dispatch::Context,
    failure::Result,
    output::{harmless, table},
};

/// Acts.
pub(super) fn act(context: &Context, target: &Target) -> Result<()> {
    let list = target.client(context)?.apps()?;
    context.output.result(&list, |_| {
        if list.apps.is_empty() {
            return "no app is installed; next: holdfast app deploy BUNDLE".into();
        }
        let mut rows = vec![["APP", "VERSION", "STATE", "STATUS", "COMPONENT"].map(str::to_owned).to_vec()];
        rows.extend(list.apps.iter().map(|app| {
            let status = harmless(app.status.as_deref().or(app.last_exit.as_deref()).unwrap_or(""));
            vec![harmless(&app.name), words::version(app), word(&app.state), status, app.component_id.to_string()]
        }));
        table(&rows)
    });
    Ok(())
}
