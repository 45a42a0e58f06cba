//! What each row of the table does.

use crate::{
    answer::{Content, Outcome, Refusal, json},
    install::{self, Uploads},
    peers::{Peer, Peers},
    role::{Client, Role},
    routes::{self, Operation, Route, Takes},
    session,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    StatusCode,
    body::{Body, Bytes, Incoming},
    http::request::Parts,
};
use ipc::messages::{app_manager, crash_reporter, init, monitor, network};
use linux::{clock, log};
use manifest::{
    api::{
        AppConfig, AppDenials, AppList, AppPolicy, AppStatus, BootTrace, CONFIG_LIMIT, CrashList, DeviceInfo, Done, Downgrade,
        ErrorClass, EventPage, InstallResult, LogPage, NetworkStatus, ServiceList, When,
    },
    names::{ComponentId, DisplayName, NameError, ServiceName},
};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// The device as the API shows it.
pub struct Device {
    /// What does not change while it runs.
    pub facts: Facts,
    /// The daemons behind it.
    pub peers: Arc<Peers>,
    /// Installations under way.
    pub uploads: Uploads,
}

/// What does not change while the device runs.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Product's name.
    pub name: DisplayName,
    /// Product's version.
    pub version: String,
    /// Platform ABI.
    pub platform_abi: u32,
    /// The board's name.
    pub board: DisplayName,
    /// Machine id.
    pub machine_id: String,
    /// Kernel release.
    pub kernel: String,
    /// Least role that may replace an app by an older version; none: nobody may.
    pub downgrade: Option<Role>,
    /// Least role that may debug apps; none: nobody may.
    pub debug: Option<Role>,
}

/// `?downgrade=…&when=…` of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Installation {
    /// Whether it may be an older version than the one that is there.
    pub downgrade: Downgrade,
    /// Whether apps may put it off.
    pub when: When,
}

/// `?after=…&limit=…` of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Page {
    after: u64,
    limit: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { after: 0, limit: PAGE_DEFAULT }
    }
}

/// `?after=…` of the list of apps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AppPage {
    after: Option<ComponentId>,
}

/// Answers one request of a client. What of the body was not taken is still there afterwards.
pub async fn answer(device: &Device, client: &Client, head: &Parts, body: &mut Incoming) -> Result<Outcome, Refusal> {
    let path = head.uri.path();
    let (route, part) = routes::find(&head.method, path)?;
    if client.role < route.role {
        let message = format!("the role `{}` may not do that; it takes the role `{}`", client.role, route.role);
        return Err(Refusal::new(ErrorClass::Forbidden, message));
    }
    let page = page(route, head.uri.query())?;
    let app_page = app_page(route, head.uri.query())?;
    let installation = installation(device.facts.downgrade, client, route, head.uri.query())?;
    if !matches!(route.takes, Takes::Bundle | Takes::Document) && !body.is_end_stream() {
        return Err(Refusal::new(ErrorClass::Usage, "this request takes no body"));
    }
    let acts = route.method != hyper::Method::GET;
    if acts {
        log::info(format!("{} {path} by {client}", route.method));
    }
    let asked = Asked { head, page, app_page, installation };
    let result = carry_out(device, client, route.operation, part.unwrap_or_default(), asked, body).await;
    if let (true, Err(refusal)) = (acts, &result) {
        log::warning(format!("{} {path} by {client}: {}", route.method, refusal.body.message));
    }
    result
}

/// What a request says beside its path.
struct Asked<'a> {
    head: &'a Parts,
    page: Page,
    app_page: AppPage,
    installation: Installation,
}

async fn carry_out(
    device: &Device,
    client: &Client,
    operation: Operation,
    part: &str,
    asked: Asked<'_>,
    body: &mut Incoming,
) -> Result<Outcome, Refusal> {
    use app_manager::Request as Apps;
    use crash_reporter::Request as Crashes;
    let peers = &device.peers;
    let Asked { head, page: Page { after, limit }, app_page, installation } = asked;
    let component = || part.parse::<ComponentId>().map_err(wrong_name);
    let number = || part.parse::<u64>().map_err(|_| usage("a crash report is named by its number"));
    let content = match operation {
        Operation::Device => json(&device_info(device).await?),
        Operation::Services => {
            let init::Services { services, .. } = peers.ask(Peer::Init, init::Request::Services {}).await?;
            json(&ServiceList { services })
        }
        Operation::Reboot => {
            let reason = format!("{client} asked for it over the device API");
            json(&peers.ask::<_, Done>(Peer::Init, init::Request::Reboot { reason }).await?)
        }
        Operation::PowerOff => {
            let reason = format!("{client} asked for it over the device API");
            json(&peers.ask::<_, Done>(Peer::Init, init::Request::PowerOff { reason }).await?)
        }
        Operation::Events => {
            let monitor::Events { events } = peers.ask(Peer::Monitor, monitor::Request::Events { after, limit }).await?;
            json(&EventPage { events })
        }
        Operation::ServiceLog => {
            let service: ServiceName = part.parse().map_err(wrong_name)?;
            log_page(peers, monitor::Request::ServiceLog { service, after, limit }).await
        }
        Operation::KernelLog => log_page(peers, monitor::Request::KernelLog { after, limit }).await,
        Operation::BootTrace => {
            let init::BootTrace { phases } = peers.ask(Peer::Init, init::Request::BootTrace {}).await?;
            json(&BootTrace { phases })
        }
        Operation::Network => {
            let network::Links { links } = peers.ask(Peer::NetworkManager, network::Request::Links {}).await?;
            json(&NetworkStatus { links })
        }
        Operation::Apps => {
            let request = Apps::List { after: app_page.after };
            let app_manager::Apps { apps, more } = peers.ask(Peer::AppManager, request).await?;
            json(&AppList { apps, more })
        }
        Operation::Install => json(&install::install(device, body, installation).await?),
        Operation::UpdateNow => {
            let request = Apps::UpdateNow { component: component()? };
            json(&peers.ask::<_, InstallResult>(Peer::AppManagerSlowly, request).await?)
        }
        Operation::App => app(peers, Apps::Status { component: component()? }).await,
        Operation::Start => app(peers, Apps::Start { component: component()? }).await,
        Operation::Stop => app(peers, Apps::Stop { component: component()? }).await,
        Operation::Restart => app(peers, Apps::Restart { component: component()? }).await,
        Operation::Debug => return session::debug(device, client, head, component()?).await.map(Outcome::Switched),
        Operation::Remove => json(&peers.ask::<_, Done>(Peer::AppManagerSlowly, Apps::Remove { component: component()? }).await?),
        Operation::AppLog => {
            let request = Apps::Log { component: component()?, after, limit };
            let app_manager::AppLog { lines } = peers.ask(Peer::AppManager, request).await?;
            json(&LogPage { lines })
        }
        Operation::Config => json(&peers.ask::<_, AppConfig>(Peer::AppManager, Apps::Config { component: component()? }).await?),
        Operation::SetConfig => {
            let component = component()?;
            set_config(peers, component, Some(document(body).await?)).await
        }
        Operation::ClearConfig => set_config(peers, component()?, None).await,
        Operation::Denials => {
            json(&peers.ask::<_, AppDenials>(Peer::AppManager, Apps::Denials { component: component()? }).await?)
        }
        Operation::Policy => {
            let request = Apps::Policy { component: component()? };
            let app_manager::Policy { grants, in_force } = peers.ask(Peer::AppManager, request).await?;
            json(&AppPolicy { grants, in_force })
        }
        Operation::Crashes => json(&peers.ask::<_, CrashList>(Peer::CrashReporter, Crashes::List {}).await?),
        Operation::Crash => {
            let request = Crashes::Open { number: number()? };
            let sealed = peers.ask_for_file(Peer::CrashReporter, request, CRASH_LIMIT).await?;
            Ok(Content::Octets(sealed.into()))
        }
        Operation::DeleteCrash => json(&peers.ask::<_, Done>(Peer::CrashReporter, Crashes::Delete { number: number()? }).await?),
        Operation::OpenApi => Ok(Content::Json(Bytes::from_static(OPENAPI))),
    };
    content.map(Outcome::Answered)
}

async fn device_info(device: &Device) -> Result<DeviceInfo, Refusal> {
    let services: init::Services = device.peers.ask(Peer::Init, init::Request::Services {}).await?;
    // A monitor that does not answer is worth knowing, and no reason to say nothing at all.
    let status = device.peers.ask::<_, monitor::Status>(Peer::Monitor, monitor::Request::Status {}).await;
    let warnings = match status {
        Ok(status) => status.warnings,
        Err(refusal) => vec![format!("security-monitor does not answer: {}", refusal.body.message)],
    };
    let Facts { name, version, platform_abi, board, machine_id, kernel, .. } = device.facts.clone();
    Ok(DeviceInfo {
        name,
        version,
        platform_abi,
        board,
        machine_id,
        kernel,
        boot: services.boot,
        uptime_seconds: clock::since_boot().as_secs(),
        clock: clock::wall_ms() / 1000,
        safe_mode: services.safe_mode,
        warnings,
    })
}

async fn app(peers: &Peers, request: app_manager::Request) -> Result<Content, Refusal> {
    json(&peers.ask::<_, AppStatus>(Peer::AppManager, request).await?)
}

async fn log_page(peers: &Peers, request: monitor::Request) -> Result<Content, Refusal> {
    let monitor::LogLines { lines } = peers.ask(Peer::Monitor, request).await?;
    json(&LogPage { lines })
}

async fn set_config(peers: &Peers, component: ComponentId, document: Option<Bytes>) -> Result<Content, Refusal> {
    let document = document.map(|bytes| STANDARD.encode(bytes));
    let request = app_manager::Request::SetConfig { component, document };
    json(&peers.ask::<_, AppConfig>(Peer::AppManager, request).await?)
}

/// The whole body, which is bounded.
async fn document(body: &mut Incoming) -> Result<Bytes, Refusal> {
    let collected = Limited::new(body, CONFIG_LIMIT).collect();
    let collected = timeout(DOCUMENT_PATIENCE, collected)
        .await
        .map_err(|_| usage("the body is too slow").with_status(StatusCode::REQUEST_TIMEOUT))?;
    match collected {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => {
            let message = format!("a configuration has at most {CONFIG_LIMIT} bytes");
            Err(Refusal::new(ErrorClass::BadInput, message).with_status(StatusCode::PAYLOAD_TOO_LARGE))
        }
        Err(e) => Err(usage(format!("the body broke off: {e}"))),
    }
}

/// How long a configuration may take to come.
const DOCUMENT_PATIENCE: Duration = Duration::from_secs(20);

fn usage(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorClass::Usage, message)
}

fn app_page(route: &Route, query: Option<&str>) -> Result<AppPage, Refusal> {
    match query.filter(|_| route.takes == Takes::AppPage) {
        None => Ok(AppPage::default()),
        Some(query) => {
            serde_urlencoded::from_str(query).map_err(|e| usage(format!("the query is not `after=COMPONENT_ID`: {e}")))
        }
    }
}

/// How to install: for an older version the client must ask, and have the role that the image lets.
fn installation(least: Option<Role>, client: &Client, route: &Route, query: Option<&str>) -> Result<Installation, Refusal> {
    let Some(query) = query.filter(|_| route.takes == Takes::Bundle) else { return Ok(Installation::default()) };
    let asked: Installation = serde_urlencoded::from_str(query).map_err(|e| {
        usage(format!("the query is not `downgrade=` with `refused` or `allowed`, or `when=` with `convenient` or `now`: {e}"))
    })?;
    let message = match least {
        _ if asked.downgrade == Downgrade::Refused => return Ok(asked),
        Some(least) if client.role >= least => return Ok(asked),
        Some(least) => format!("the role `{}` may not go back to an older version; it takes the role `{least}`", client.role),
        None => "this device's image lets nobody go back to an older version".to_owned(),
    };
    Err(Refusal::new(ErrorClass::Forbidden, message).with_hint("`downgrade` in the image description names the role that may"))
}

fn page(route: &Route, query: Option<&str>) -> Result<Page, Refusal> {
    match (route.takes, query) {
        (_, None) | (Takes::AppPage | Takes::Bundle, _) => Ok(Page::default()),
        (Takes::Page, Some(query)) => {
            let page: Page = serde_urlencoded::from_str(query)
                .map_err(|e| usage(format!("the query is not `after=NUMBER&limit=NUMBER`: {e}")))?;
            if !(1..=PAGE_LIMIT).contains(&page.limit) {
                return Err(usage(format!("limit={}: expected 1 to {PAGE_LIMIT}", page.limit)));
            }
            Ok(page)
        }
        (_, Some(_)) => Err(usage("this path takes no query")),
    }
}

fn wrong_name(error: NameError) -> Refusal {
    usage(error.to_string())
}

/// The OpenAPI document, as checked in.
const OPENAPI: &[u8] = include_bytes!("../openapi.json");
/// Longest crash report: a client takes no longer answer.
const CRASH_LIMIT: usize = 1 << 20;
/// Lines of a page when none is asked for.
const PAGE_DEFAULT: u32 = 200;
/// Most lines of a page; a packet may hold fewer.
const PAGE_LIMIT: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_closed_and_bounded() {
        let (log, _) = routes::find(&hyper::Method::GET, "/v1/device/dmesg").unwrap();
        assert_eq!(page(log, None), Ok(Page { after: 0, limit: PAGE_DEFAULT }));
        assert_eq!(page(log, Some("after=7&limit=5")), Ok(Page { after: 7, limit: 5 }));
        for query in ["after=-1", "aftr=1", "limit=0", "limit=1001", "after=1&after=2", "after=99999999999999999999", "after"] {
            assert_eq!(page(log, Some(query)).unwrap_err().status, 400, "{query}");
        }
        let (list, _) = routes::find(&hyper::Method::GET, "/v1/apps").unwrap();
        let id = "25025d2c-66da-4448-bae1-ac26fcdd3627";
        assert_eq!(app_page(list, Some(&format!("after={id}"))), Ok(AppPage { after: id.parse().ok() }));
        assert_eq!(app_page(list, None), Ok(AppPage::default()));
        for query in ["after=1", "after=", "limit=1", "after=..%2f.."] {
            assert_eq!(app_page(list, Some(query)).unwrap_err().status, 400, "{query}");
        }
        let (install, _) = routes::find(&hyper::Method::PUT, "/v1/apps").unwrap();
        let developer = Client { name: "a".into(), role: Role::Developer };
        for query in
            ["downgrade=yes", "downgrade=", "downgrad=allowed", "downgrade=allowed&downgrade=allowed", "after=1", "when=later"]
        {
            let refusal = installation(Some(Role::Developer), &developer, install, Some(query)).unwrap_err();
            assert_eq!(refusal.status, 400, "{query}");
        }
        let (one, _) = routes::find(&hyper::Method::GET, "/v1/device").unwrap();
        assert_eq!(page(one, Some("after=1")).unwrap_err().status, 400);
    }

    #[test]
    fn only_the_role_that_the_image_names_may_go_back_to_an_older_version() {
        let (install, _) = routes::find(&hyper::Method::PUT, "/v1/apps").unwrap();
        let ask =
            |least, role, query| installation(least, &Client { name: "a".into(), role }, install, query).map(|i| i.downgrade);
        let allowed = Some("downgrade=allowed");
        assert_eq!(ask(Some(Role::Developer), Role::Developer, allowed), Ok(Downgrade::Allowed));
        assert_eq!(ask(Some(Role::Developer), Role::Operator, allowed).unwrap_err().status, 403);
        assert_eq!(ask(None, Role::Developer, allowed).unwrap_err().status, 403);
        assert_eq!(ask(None, Role::Developer, Some("downgrade=refused")), Ok(Downgrade::Refused));
        assert_eq!(ask(None, Role::Developer, None), Ok(Downgrade::Refused));
        assert_eq!(ask(None, Role::Developer, Some("when=now&downgrade=allowed")).unwrap_err().status, 403);
    }
}
