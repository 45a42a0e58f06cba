//! Which app is meant: by component id, or by name where that is clear.

use crate::{
    device::connect::Target,
    failure::{Failure, Result},
};
use api_client::Client;
use clap::Args;
use manifest::{
    api::{AppStatus, ErrorClass},
    names::ComponentId,
};

/// An app on a device.
#[derive(Debug, Args)]
pub(super) struct App {
    /// The app: its component id, or its name
    #[arg(value_name = "APP")]
    app: String,
    /// Which device
    #[command(flatten)]
    pub(super) target: Target,
}

impl App {
    /// Its id. A name is looked up on the device.
    pub(super) fn id(&self, client: &Client) -> Result<ComponentId> {
        match self.app.parse() {
            Ok(id) => Ok(id),
            Err(_) => by_name(&self.app, &client.apps()?.apps).cloned(),
        }
    }
}

fn by_name<'a>(name: &str, apps: &'a [AppStatus]) -> Result<&'a ComponentId> {
    let same = |app: &&AppStatus| app.name.to_lowercase() == name.to_lowercase();
    let found: Vec<&AppStatus> = apps.iter().filter(same).collect();
    match found.as_slice() {
        [one] => Ok(&one.component_id),
        [] => {
            let known = apps.iter().map(|app| app.name.as_str()).collect::<Vec<_>>().join(", ");
            let hint = if known.is_empty() {
                "no app is installed: `holdfast app deploy BUNDLE`".into()
            } else {
                format!("installed are: {known}")
            };
            Err(Failure::new(ErrorClass::NotFound, format!("no app called `{}` is installed", name.escape_default())).hint(hint))
        }
        several => {
            let ids = several.iter().map(|app| app.component_id.to_string()).collect();
            let text = format!("{} apps are called `{}`", several.len(), name.escape_default());
            Err(Failure::new(ErrorClass::Usage, text).context(ids).hint("say which, by its component id"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::api::AppState;

    fn app(name: &str, last: char) -> AppStatus {
        AppStatus {
            component_id: format!("4c3f2d9b-6a4e-4f1c-9a37-d00bbe11000{last}").parse().unwrap(),
            name: name.into(),
            version: 1,
            version_name: None,
            state: AppState::Running,
            generation: 1,
            pid: None,
            status: None,
            last_exit: None,
            starts: 1,
            failures: 0,
            next_try_seconds: None,
            storage: None,
            uid: 100_000,
            ready_at_ms: None,
            returns_to: None,
            failed_update: None,
            waiting_update: None,
        }
    }

    #[test]
    fn a_name_that_two_apps_have_is_not_guessed() {
        let apps = [app("Doorbell", '1'), app("doorbell", '2'), app("lamp", '3')];
        assert_eq!(by_name("LAMP", &apps).unwrap().as_str(), "4c3f2d9b-6a4e-4f1c-9a37-d00bbe110003");
        assert_eq!(by_name("doorbell", &apps).unwrap_err().class, ErrorClass::Usage);
        assert_eq!(by_name("fridge", &apps).unwrap_err().class, ErrorClass::NotFound);
    }
}
