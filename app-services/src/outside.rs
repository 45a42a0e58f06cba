//! What is asked of init, app-manager and network-manager and told to security-monitor: the only ones that this daemon calls
//! while apps wait.

use base64::{Engine, engine::general_purpose::STANDARD};
use ipc::{
    CallError, Client,
    messages::{Instance, app_manager, init, monitor, network},
};
use linux::{files::chain, log};
use manifest::{
    api::{Done, ErrorBody, ErrorClass, EventKind},
    names::{ComponentId, TimeZone},
    services::{Network, PutOff},
};
use serde::{Serialize, de::DeserializeOwned};
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
    /// Sets the clock.
    fn set_clock(&mut self, app: &ComponentId, unix_ms: u64) -> Result<Done, ErrorBody>;
    /// Sets the time zone.
    fn set_time_zone(&mut self, by: &Instance, zone: TimeZone) -> Result<Done, ErrorBody>;
    /// Has an update of `app` wait, or with 0 lets it come.
    fn put_off_update(&mut self, by: &Instance, app: ComponentId, seconds: u32) -> Result<PutOff, ErrorBody>;
    /// The device's links.
    fn network(&mut self) -> Result<Network, ErrorBody>;
    /// An app's certificates, if any are kept.
    fn certificates(&mut self, app: &ComponentId) -> Result<Option<Vec<u8>>, ErrorBody>;
    /// Has an app's certificates kept in place of those before; they are on the disk when it returns.
    fn set_certificates(&mut self, app: &ComponentId, document: &[u8]) -> Result<(), ErrorBody>;
}

/// The daemons themselves, by `ipc`.
pub struct Daemons;

/// How long they may take: longer than app-manager waits for the monitor, so that what was done is not said to have failed; two of
/// them are within this daemon's watchdog.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Outside for Daemons {
    fn go_down(&mut self, power: Power, app: &ComponentId) -> Result<(), ErrorBody> {
        let reason = format!("app {app}, whose manifest allows it");
        let request = match power {
            Power::Reboot => init::Request::Reboot { reason },
            Power::Off => init::Request::PowerOff { reason },
        };
        ask::<_, Done>("init", &request).map(|Done {}| ())
    }

    fn set_clock(&mut self, app: &ComponentId, unix_ms: u64) -> Result<Done, ErrorBody> {
        ask("network-manager", &network::Request::SetClock { unix_ms, app: app.clone() })
    }

    fn set_time_zone(&mut self, by: &Instance, zone: TimeZone) -> Result<Done, ErrorBody> {
        ask("app-manager", &app_manager::Request::SetTimeZone { by: by.clone(), zone })
    }

    fn put_off_update(&mut self, by: &Instance, app: ComponentId, seconds: u32) -> Result<PutOff, ErrorBody> {
        ask("app-manager", &app_manager::Request::PutOffUpdate { by: by.clone(), component: app, seconds })
    }

    fn network(&mut self) -> Result<Network, ErrorBody> {
        ask("network-manager", &network::Request::Status {})
    }

    fn certificates(&mut self, app: &ComponentId) -> Result<Option<Vec<u8>>, ErrorBody> {
        let request = app_manager::Request::Certificates { component: app.clone() };
        let monitor::Kept { document } = ask("app-manager", &request)?;
        let document = document.map(|text| STANDARD.decode(text)).transpose();
        document.map_err(|e| ErrorBody {
            class: ErrorClass::Internal,
            message: format!("app-manager sent no Base64: {e}"),
            hint: None,
        })
    }

    fn set_certificates(&mut self, app: &ComponentId, document: &[u8]) -> Result<(), ErrorBody> {
        let document = STANDARD.encode(document);
        let request = app_manager::Request::SetCertificates { component: app.clone(), document };
        ask::<_, Done>("app-manager", &request).map(|Done {}| ())
    }

    fn report(&mut self, app: &ComponentId, detail: &str) {
        log::warning(format!("{app}: {detail}"));
        let kind = EventKind::MalformedPacket;
        let threat = monitor::Request::ReportThreat { kind, subject: app.to_string(), detail: detail.to_owned() };
        if let Err(error) = ipc::client::tell("security-monitor", &threat) {
            log::error(chain(&error));
        }
    }
}

/// A call of which an app waits for the end.
fn ask<Q: Serialize, R: DeserializeOwned>(service: &str, request: &Q) -> Result<R, ErrorBody> {
    call(service, request).map_err(|error| match error {
        CallError::Refused(body) => body,
        other => {
            log::error(chain(&other));
            let message = format!("{service} did not answer");
            ErrorBody {
                class: ErrorClass::Unavailable,
                message,
                hint: Some("it may have been done all the same: look, then try again".into()),
            }
        }
    })
}

fn call<Q: Serialize, R: DeserializeOwned>(service: &str, request: &Q) -> Result<R, CallError> {
    let client = Client::connect(service)?;
    client.set_timeout(TIMEOUT)?;
    client.call::<_, R>(request, &[]).map(|(reply, _)| reply)
}
