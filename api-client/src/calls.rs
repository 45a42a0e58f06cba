//! One method per row of the API's table.

use crate::{
    connection::{Connection, Credentials, Switch},
    error::ClientError,
    upload::Upload,
};
use hyper::{Method, StatusCode, body::Bytes};
use manifest::{
    api::{
        AppConfig, AppDenials, AppList, AppPolicy, AppStatus, BootTrace, CrashList, DeviceInfo, Done, Downgrade, ErrorBody,
        ErrorClass, EventPage, InstallResult, LogPage, NetworkStatus, ServiceList, When,
    },
    names::{ComponentId, ServiceName, Sha256Hex},
    read,
};
use serde::de::DeserializeOwned;
use std::{
    io::{Cursor, Read},
    net::TcpListener,
    sync::Mutex,
    time::Duration,
};

/// A device, as its owner's tools see it. May be shared between threads; calls go one after the other.
pub struct Client {
    connection: Mutex<Connection>,
    patience: Duration,
}

impl Client {
    /// The device at `address` (`host:port`) whose certificate has the digest `pin`. Nothing is sent yet.
    pub fn new(address: &str, pin: Sha256Hex, credentials: &Credentials) -> Result<Self, ClientError> {
        Ok(Self { connection: Mutex::new(Connection::new(address, pin, credentials)?), patience: PATIENCE })
    }

    /// Waits this long for answers instead of 30 seconds; installing and removing wait longer by themselves.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What the device says of itself.
    pub fn device(&self) -> Result<DeviceInfo, ClientError> {
        self.get("/v1/device")
    }

    /// The daemons.
    pub fn services(&self) -> Result<ServiceList, ClientError> {
        self.get("/v1/device/services")
    }

    /// Reboots; answers before it happens.
    pub fn reboot(&self) -> Result<Done, ClientError> {
        self.post("/v1/device/reboot")
    }

    /// Powers off; answers before it happens.
    pub fn power_off(&self) -> Result<Done, ClientError> {
        self.post("/v1/device/poweroff")
    }

    /// Events after the one with this sequence number; an empty page means that there are none.
    pub fn events(&self, after: u64, limit: u32) -> Result<EventPage, ClientError> {
        self.get(&format!("/v1/device/events?after={after}&limit={limit}"))
    }

    /// A daemon's log.
    pub fn service_log(&self, service: &ServiceName, after: u64, limit: u32) -> Result<LogPage, ClientError> {
        self.get(&format!("/v1/device/logs/{service}?after={after}&limit={limit}"))
    }

    /// The kernel's log.
    pub fn kernel_log(&self, after: u64, limit: u32) -> Result<LogPage, ClientError> {
        self.get(&format!("/v1/device/dmesg?after={after}&limit={limit}"))
    }

    /// The phases of the boot.
    pub fn boot_trace(&self) -> Result<BootTrace, ClientError> {
        self.get("/v1/device/boot-trace")
    }

    /// Links and addresses.
    pub fn network(&self) -> Result<NetworkStatus, ClientError> {
        self.get("/v1/device/network")
    }

    /// The installed apps, from as many pages as the device makes of them.
    pub fn apps(&self) -> Result<AppList, ClientError> {
        let mut list: AppList = self.get("/v1/apps")?;
        for _ in 0..PAGES_LIMIT {
            let Some(last) = list.apps.last().filter(|_| list.more) else { return Ok(list) };
            let page: AppList = self.get(&format!("/v1/apps?after={}", last.component_id))?;
            list.apps.extend(page.apps);
            list.more = page.more;
        }
        Err(ClientError::Broken(format!("a list of apps of more than {PAGES_LIMIT} pages")))
    }

    /// One app.
    pub fn app(&self, id: &ComponentId) -> Result<AppStatus, ClientError> {
        self.get(&format!("/v1/apps/{id}"))
    }

    /// Sends a bundle of `size` bytes and has it installed; `progress` is told the bytes sent so far.
    pub fn install(
        &self,
        bundle: impl Read + Send + 'static,
        size: u64,
        progress: impl FnMut(u64) + Send + 'static,
    ) -> Result<InstallResult, ClientError> {
        self.install_with(Downgrade::Refused, When::Convenient, bundle, size, progress)
    }

    /// The same, also of an older version than the one that is there, or without asking the apps when.
    pub fn install_with(
        &self,
        downgrade: Downgrade,
        when: When,
        bundle: impl Read + Send + 'static,
        size: u64,
        progress: impl FnMut(u64) + Send + 'static,
    ) -> Result<InstallResult, ClientError> {
        let patience = SLOW_PATIENCE + Duration::from_secs(size / SLOWEST_BYTES_PER_SECOND);
        let path = match (downgrade, when) {
            (Downgrade::Allowed, _) => "/v1/apps?downgrade=allowed",
            (_, When::Now) => "/v1/apps?when=now",
            (_, When::Convenient) => "/v1/apps",
        };
        self.call(Method::PUT, path, Upload::new(bundle, size, progress), patience)
    }

    /// Removes an app and erases its data.
    pub fn remove(&self, id: &ComponentId) -> Result<Done, ClientError> {
        self.call(Method::DELETE, &format!("/v1/apps/{id}"), Upload::default(), SLOW_PATIENCE)
    }

    /// Has an update installed that waits.
    pub fn update_now(&self, id: &ComponentId) -> Result<InstallResult, ClientError> {
        self.call(Method::POST, &format!("/v1/apps/{id}/update"), Upload::default(), SLOW_PATIENCE)
    }

    /// Starts an app.
    pub fn start(&self, id: &ComponentId) -> Result<AppStatus, ClientError> {
        self.post(&format!("/v1/apps/{id}/start"))
    }

    /// Stops an app; it stays so over reboots.
    pub fn stop(&self, id: &ComponentId) -> Result<AppStatus, ClientError> {
        self.post(&format!("/v1/apps/{id}/stop"))
    }

    /// Stops and starts an app.
    pub fn restart(&self, id: &ComponentId) -> Result<AppStatus, ClientError> {
        self.post(&format!("/v1/apps/{id}/restart"))
    }

    /// Has an app started by a debugger, and carries gdb's remote protocol between it and whoever connects to `listener`, until
    /// one side has ended. `waits` is called when the app waits for its first instruction.
    pub fn debug(&self, id: &ComponentId, listener: TcpListener, waits: impl FnOnce()) -> Result<(), ClientError> {
        let connection = self.connection.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match connection.switch(&format!("/v1/apps/{id}/debug"), "gdb-remote", listener, waits) {
            Ok(()) => Ok(()),
            Err(Switch::Failed(error)) => Err(error),
            Err(Switch::Answered(status, bytes)) => Err(refused(status, &bytes)),
        }
    }

    /// An app's log.
    pub fn app_log(&self, id: &ComponentId, after: u64, limit: u32) -> Result<LogPage, ClientError> {
        self.get(&format!("/v1/apps/{id}/logs?after={after}&limit={limit}"))
    }

    /// Whether an app has a configuration.
    pub fn config(&self, id: &ComponentId) -> Result<AppConfig, ClientError> {
        self.get(&format!("/v1/apps/{id}/config"))
    }

    /// Gives an app a configuration in place of the one before.
    pub fn set_config(&self, id: &ComponentId, document: Vec<u8>) -> Result<AppConfig, ClientError> {
        let size = document.len() as u64;
        self.call(Method::PUT, &format!("/v1/apps/{id}/config"), Upload::new(Cursor::new(document), size, |_| {}), self.patience)
    }

    /// Takes an app's configuration away.
    pub fn clear_config(&self, id: &ComponentId) -> Result<AppConfig, ClientError> {
        self.call(Method::DELETE, &format!("/v1/apps/{id}/config"), Upload::default(), self.patience)
    }

    /// What an app was refused.
    pub fn denials(&self, id: &ComponentId) -> Result<AppDenials, ClientError> {
        self.get(&format!("/v1/apps/{id}/denials"))
    }

    /// What an app may do.
    pub fn policy(&self, id: &ComponentId) -> Result<AppPolicy, ClientError> {
        self.get(&format!("/v1/apps/{id}/policy"))
    }

    /// The crash reports that are kept.
    pub fn crashes(&self) -> Result<CrashList, ClientError> {
        self.get("/v1/crashes")
    }

    /// One crash report, sealed as it is.
    pub fn crash(&self, number: u64) -> Result<Bytes, ClientError> {
        self.raw(Method::GET, &format!("/v1/crashes/{number}"))
    }

    /// Deletes a crash report.
    pub fn delete_crash(&self, number: u64) -> Result<Done, ClientError> {
        self.call(Method::DELETE, &format!("/v1/crashes/{number}"), Upload::default(), self.patience)
    }

    /// The bytes of any path: the OpenAPI document, support bundles, tests.
    pub fn raw(&self, method: Method, path: &str) -> Result<Bytes, ClientError> {
        self.exchange(method, path, Upload::default(), self.patience).map(|(_, bytes)| bytes)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, Upload::default(), self.patience)
    }

    fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::POST, path, Upload::default(), self.patience)
    }

    fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Upload, patience: Duration) -> Result<T, ClientError> {
        let (status, bytes) = self.exchange(method, path, body, patience)?;
        read::json("answer", &bytes, bytes.len()).map_err(|source| ClientError::Unreadable { status, source })
    }

    fn exchange(&self, method: Method, path: &str, body: Upload, patience: Duration) -> Result<(u16, Bytes), ClientError> {
        let mut connection = self.connection.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (status, bytes) = connection.exchange(method, path, body, patience)?;
        if status.is_success() {
            return Ok((status.as_u16(), bytes));
        }
        Err(refused(status, &bytes))
    }
}

fn refused(status: StatusCode, bytes: &Bytes) -> ClientError {
    let body = read::json("error", bytes, bytes.len()).unwrap_or_else(|_| not_ours(status.as_u16()));
    ClientError::Refused { status: status.as_u16(), body }
}

/// HTTP that is malformed is refused before the API sees it, without an `ErrorBody`.
fn not_ours(status: u16) -> ErrorBody {
    ErrorBody { class: ErrorClass::Usage, message: format!("the device answered HTTP {status} and nothing else"), hint: None }
}

/// Most pages of a list of apps: some 40 apps are on each.
const PAGES_LIMIT: usize = 1000;
/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait for what takes long: the device gives itself 120 s to judge a bundle, or to stop an app and erase it.
const SLOW_PATIENCE: Duration = Duration::from_secs(180);
/// Rate below which the device gives an upload up.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;
