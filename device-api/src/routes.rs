//! The table of the API. The OpenAPI document (`openapi.json`) is generated from it and from the types in
//! `manifest::api`; a test compares.

use crate::{answer::Refusal, role::Role};
use hyper::{Method, StatusCode};
use manifest::api::ErrorClass;

/// One row of the table.
#[derive(Debug)]
pub struct Route {
    /// Method.
    pub method: Method,
    /// Path; `{…}` stands for one part.
    pub path: &'static str,
    /// Least role that may use it.
    pub role: Role,
    /// What it does.
    pub operation: Operation,
    /// What it takes beside the path.
    pub takes: Takes,
    /// Type of the answer in `manifest::api`.
    pub answer: &'static str,
    /// For people.
    pub purpose: &'static str,
}

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// What the device says of itself.
    Device,
    /// The daemons.
    Services,
    /// Reboot.
    Reboot,
    /// Power off.
    PowerOff,
    /// The event log.
    Events,
    /// A daemon's log.
    ServiceLog,
    /// The kernel's log.
    KernelLog,
    /// Phases of the boot.
    BootTrace,
    /// Links and addresses.
    Network,
    /// The installed apps.
    Apps,
    /// Install an app.
    Install,
    /// One app.
    App,
    /// Remove an app.
    Remove,
    /// Install the update that waits.
    UpdateNow,
    /// Start an app.
    Start,
    /// Stop an app.
    Stop,
    /// Restart an app.
    Restart,
    /// Restart an app under a debugger.
    Debug,
    /// An app's log.
    AppLog,
    /// Whether an app has a configuration.
    Config,
    /// Give an app a configuration.
    SetConfig,
    /// Take an app's configuration away.
    ClearConfig,
    /// What an app was refused.
    Denials,
    /// What an app may do.
    Policy,
    /// The crash reports that are kept.
    Crashes,
    /// One crash report, sealed.
    Crash,
    /// Delete a crash report.
    DeleteCrash,
    /// This API.
    OpenApi,
}

/// What a route takes beside its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// `?after=<sequence number>&limit=<number>`.
    Page,
    /// `?after=<component id>`.
    AppPage,
    /// A bundle as the body.
    Bundle,
    /// Any bytes as the body, at most [`manifest::api::CONFIG_LIMIT`].
    Document,
}

macro_rules! route {
    ($method:ident $path:literal $role:ident $operation:ident $takes:ident $answer:literal $purpose:literal) => {
        Route {
            method: Method::$method,
            path: $path,
            role: Role::$role,
            operation: Operation::$operation,
            takes: Takes::$takes,
            answer: $answer,
            purpose: $purpose,
        }
    };
}

/// [`Route::answer`] of what is no JSON: bytes as they are.
pub const OCTETS: &str = "octets";

/// [`Route::answer`] of what switches protocols.
pub const SESSION: &str = "session";

/// The table. Viewers look, operators run the device, developers change what is on it; removing an app erases its data,
/// so it is a developer's. A crash report is sealed to the owner: whoever may look may fetch it.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    route!(GET    "/v1/device"                 Viewer    Device     Nothing "DeviceInfo"    "What the device says of itself."),
    route!(GET    "/v1/device/services"        Viewer    Services   Nothing "ServiceList"   "The daemons and what they are doing."),
    route!(POST   "/v1/device/reboot"          Operator  Reboot     Nothing "Done"          "Go down in order and start again."),
    route!(POST   "/v1/device/poweroff"        Operator  PowerOff   Nothing "Done"          "Go down in order and power off."),
    route!(GET    "/v1/device/events"          Viewer    Events     Page    "EventPage"     "The event log, oldest first."),
    route!(GET    "/v1/device/logs/{service}"  Viewer    ServiceLog Page    "LogPage"       "A daemon's log, oldest first."),
    route!(GET    "/v1/device/dmesg"           Viewer    KernelLog  Page    "LogPage"       "The kernel's log, oldest first."),
    route!(GET    "/v1/device/boot-trace"      Viewer    BootTrace  Nothing "BootTrace"     "The phases of this boot."),
    route!(GET    "/v1/device/network"         Viewer    Network    Nothing "NetworkStatus" "Links and addresses."),
    route!(GET    "/v1/apps"                   Viewer    Apps       AppPage "AppList"       "The installed apps, by component id."),
    route!(PUT    "/v1/apps"                   Developer Install    Bundle  "InstallResult" "Install the app in the body, or replace its older version."),
    route!(GET    "/v1/apps/{id}"              Viewer    App        Nothing "AppStatus"     "One app."),
    route!(DELETE "/v1/apps/{id}"              Developer Remove     Nothing "Done"          "Remove an app and erase its data."),
    route!(POST   "/v1/apps/{id}/update"       Operator  UpdateNow  Nothing "InstallResult" "Install the update that waits for apps that put it off."),
    route!(POST   "/v1/apps/{id}/start"        Operator  Start      Nothing "AppStatus"     "Start an app."),
    route!(POST   "/v1/apps/{id}/stop"         Operator  Stop       Nothing "AppStatus"     "Stop an app; it stays so over reboots."),
    route!(POST   "/v1/apps/{id}/restart"      Operator  Restart    Nothing "AppStatus"     "Stop and start an app."),
    route!(POST   "/v1/apps/{id}/debug"        Operator  Debug      Nothing "session"       "Stop an app and start it under gdbserver, where the image lets this role; then gdb's remote protocol is spoken on the connection."),
    route!(GET    "/v1/apps/{id}/logs"         Viewer    AppLog     Page    "LogPage"       "An app's log, oldest first."),
    route!(GET    "/v1/apps/{id}/config"       Viewer    Config     Nothing "AppConfig"     "Whether an app has a configuration; what is in it is not told."),
    route!(PUT    "/v1/apps/{id}/config"       Operator  SetConfig  Document "AppConfig"    "Give an app a configuration, which only the app can read."),
    route!(DELETE "/v1/apps/{id}/config"       Operator  ClearConfig Nothing "AppConfig"    "Take an app's configuration away."),
    route!(GET    "/v1/apps/{id}/denials"      Viewer    Denials    Nothing "AppDenials"    "What an app was refused, with the line of the manifest that is missing."),
    route!(GET    "/v1/apps/{id}/policy"       Viewer    Policy     Nothing "AppPolicy"     "What an app may do, layer by layer."),
    route!(GET    "/v1/crashes"                Viewer    Crashes    Nothing "CrashList"     "The crash reports that are kept, oldest first."),
    route!(GET    "/v1/crashes/{number}"       Viewer    Crash      Nothing "octets"        "One crash report as it is kept: sealed to the owner's key, at most 1 MiB."),
    route!(DELETE "/v1/crashes/{number}"       Operator  DeleteCrash Nothing "Done"         "Delete a crash report."),
    route!(GET    "/v1/openapi.json"           Viewer    OpenApi    Nothing "object"        "This API, as an OpenAPI document."),
];

/// The row for a request, and the part of the path that its `{…}` stands for.
pub fn find<'p>(method: &Method, path: &'p str) -> Result<(&'static Route, Option<&'p str>), Refusal> {
    let here: Vec<(&Route, Option<&str>)> =
        ROUTES.iter().filter_map(|route| matches(route.path, path).map(|part| (route, part))).collect();
    if let Some(found) = here.iter().find(|(route, _)| route.method == *method) {
        return Ok(*found);
    }
    if here.is_empty() {
        let refusal = Refusal::new(ErrorClass::NotFound, "no such path");
        return Err(refusal.with_hint("GET /v1/openapi.json lists what there is"));
    }
    let methods: Vec<&str> = here.iter().map(|(route, _)| route.method.as_str()).collect();
    let message = format!("this path has no such method, only {}", methods.join(" and "));
    let mut refusal = Refusal::new(ErrorClass::Usage, message).with_status(StatusCode::METHOD_NOT_ALLOWED);
    refusal.allow = Some(methods.join(", "));
    Err(refusal)
}

/// Whether `path` is one of `pattern`, and the part that `{…}` stands for.
fn matches<'p>(pattern: &str, path: &'p str) -> Option<Option<&'p str>> {
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    let mut captured = None;
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(captured),
            (Some(part), Some(given)) if part.starts_with('{') && !given.is_empty() => captured = Some(given),
            (Some(part), Some(given)) if part == given => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_whole() {
        let operation = |method, path| find(&method, path).map(|(route, part)| (route.operation, part));
        assert_eq!(operation(Method::GET, "/v1/apps"), Ok((Operation::Apps, None)));
        assert_eq!(operation(Method::POST, "/v1/apps/x/start"), Ok((Operation::Start, Some("x"))));
        assert_eq!(operation(Method::GET, "/v1/device/logs/init"), Ok((Operation::ServiceLog, Some("init"))));
        for path in ["", "/", "/v1", "/v1/apps/", "/v1/apps//start", "/v1/apps/x/start/", "//v1/apps", "/v1/apps/../device", "*"]
        {
            assert_eq!(find(&Method::GET, path).unwrap_err().status, 404, "{path}");
        }
    }

    #[test]
    fn a_wrong_method_names_the_right_ones() {
        let refusal = find(&Method::POST, "/v1/apps").unwrap_err();
        assert_eq!((refusal.status.as_u16(), refusal.allow.as_deref()), (405, Some("GET, PUT")));
    }

    #[test]
    fn viewers_can_only_look() {
        for route in ROUTES {
            assert_eq!(route.role == Role::Viewer, route.method == Method::GET, "{}", route.path);
        }
    }

    #[test]
    fn no_two_rows_answer_one_request() {
        for (i, route) in ROUTES.iter().enumerate() {
            let again = ROUTES.iter().skip(i + 1).any(|r| r.method == route.method && r.path == route.path);
            assert!(!again, "{} {}", route.method, route.path);
        }
    }
}
