//! What is asked of init and told to security-monitor: the only two that this daemon calls while apps wait.

use ipc::{
    CallError, Client,
    messages::{init, monitor},
};
use linux::{files::chain, log};
use manifest::{
    api::{Done, ErrorBody, ErrorClass, EventKind},
    names::ComponentId,
};
use std::time::Duration;

/// A way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// And up again.
    Reboot,
    /// And off.
    Off,
}

/// Whom this daemon asks; tests have one of their own.
pub trait Outside {
    /// Has the device go down.
    fn go_down(&mut self, power: Power, app: &ComponentId) -> Result<(), ErrorBody>;
    /// Tells that an app sent what is no request.
    fn report(&mut self, app: &ComponentId, detail: &str);
}

/// init and security-monitor, by `ipc`.
pub struct Daemons;

/// How long they may take: far below this daemon's watchdog.
const TIMEOUT: Duration = Duration::from_secs(2);

impl Outside for Daemons {
    fn go_down(&mut self, power: Power, app: &ComponentId) -> Result<(), ErrorBody> {
        let reason = format!("app {app}, whose manifest allows it");
        let request = match power {
            Power::Reboot => init::Request::Reboot { reason },
            Power::Off => init::Request::PowerOff { reason },
        };
        call("init", &request).map_err(|error| match error {
            CallError::Refused(body) => body,
            other => {
                log::error(chain(&other));
                ErrorBody {
                    class: ErrorClass::Unavailable,
                    message: "init did not answer".into(),
                    hint: Some("try again".into()),
                }
            }
        })
    }

    fn report(&mut self, app: &ComponentId, detail: &str) {
        log::warning(format!("{app}: {detail}"));
        let kind = EventKind::MalformedPacket;
        let threat = monitor::Request::ReportThreat { kind, subject: app.to_string(), detail: detail.to_owned() };
        if let Err(error) = call("security-monitor", &threat) {
            log::error(chain(&error));
        }
    }
}

fn call<Q: serde::Serialize>(service: &str, request: &Q) -> Result<(), CallError> {
    let client = Client::connect(service)?;
    client.set_timeout(TIMEOUT)?;
    client.call::<_, Done>(request, &[]).map(|_| ())
}
