//! The device from its owner's side: its API over mutual TLS, pinned by the certificate that its console shows.

use crate::{image::keys_folder, wait::wait_for};
use anyhow::{Context, Result, anyhow, bail, ensure};
use api_client::{Client, ClientError, Credentials};
use image_builder::keys::{self, Role};
use manifest::{
    api::{AppState, AppStatus, ErrorBody, Event, EventKind, InstallResult, LogLine, ServiceState, ServiceStatus},
    names::{ComponentId, Sha256Hex},
};
use std::{fs, io::Cursor, path::Path, time::Duration};

/// The doorbell of `samples/doorbell`.
pub const DOORBELL: &str = "4c3f2d9b-6a4e-4f1c-9a37-d00bbe110001";

/// How long an app may take to be what a test waits for.
pub const APP: Duration = Duration::from_secs(60);

/// Lines or events that are asked for at once.
const PAGE: u32 = 200;

/// A device.
pub struct Device {
    client: Client,
}

impl Device {
    /// The device behind this port of the host, as the owner's developer.
    pub fn connect(port: u16, pin: Sha256Hex) -> Result<Self> {
        Self::connect_as(port, pin, Role::Developer)
    }

    /// The device behind this port of the host, in this role.
    pub fn connect_as(port: u16, pin: Sha256Hex, role: Role) -> Result<Self> {
        let keys = keys::load(&keys_folder())?;
        let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let credentials = Credentials { certificate: read(&keys.api_certificate(role))?, key: read(&keys.api_key(role))? };
        Ok(Self { client: Client::new(&format!("127.0.0.1:{port}"), pin, &credentials)? })
    }

    /// The plain client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The daemons.
    pub fn services(&self) -> Result<Vec<ServiceStatus>> {
        Ok(self.client.services()?.services)
    }

    /// Those that were started: one that runs on demand may never have been.
    pub fn started_services(&self) -> Result<Vec<ServiceStatus>> {
        let never = |service: &ServiceStatus| service.state == ServiceState::Waiting && service.generation == 0;
        Ok(self.services()?.into_iter().filter(|service| !never(service)).collect())
    }

    /// One daemon.
    pub fn service(&self, name: &str) -> Result<ServiceStatus> {
        self.services()?.into_iter().find(|service| service.name.as_str() == name).ok_or_else(|| anyhow!("no service `{name}`"))
    }

    /// Waits until a daemon is ready as an instance later than `generation`.
    pub fn wait_service(&self, name: &str, generation: u64, limit: Duration) -> Result<ServiceStatus> {
        wait_for(format_args!("{name} to be ready again"), limit, || {
            let service = self.service(name)?;
            Ok((service.state == ServiceState::Ready && service.generation > generation).then_some(service))
        })
    }

    /// Installs a bundle; the inner error is the device's refusal.
    pub fn try_install(&self, bundle: Vec<u8>) -> Result<Result<InstallResult, ErrorBody>> {
        let size = bundle.len() as u64;
        match self.client.install(Cursor::new(bundle), size, |_| {}) {
            Ok(result) => Ok(Ok(result)),
            Err(ClientError::Refused { body, .. }) => Ok(Err(body)),
            Err(e) => Err(e.into()),
        }
    }

    /// Installs a bundle that is good.
    pub fn install(&self, bundle: Vec<u8>) -> Result<InstallResult> {
        self.try_install(bundle)?.map_err(|refusal| anyhow!("the device refused the bundle: {refusal:?}"))
    }

    /// The installed apps.
    pub fn apps(&self) -> Result<Vec<AppStatus>> {
        Ok(self.client.apps()?.apps)
    }

    /// One app.
    pub fn app(&self, id: &str) -> Result<AppStatus> {
        Ok(self.client.app(&component(id)?)?)
    }

    /// Waits until an app is in this state.
    pub fn wait_app(&self, id: &str, state: AppState) -> Result<AppStatus> {
        wait_for(format_args!("the app {id} to be {state:?}"), APP, || {
            let app = self.app(id)?;
            // Whoever waits for an app that runs is content with one that has said READY=1 too.
            if app.state == state || (state == AppState::Running && app.state == AppState::Ready) {
                Ok(Some(app))
            } else {
                bail!("it is {:?}, last exit {:?}", app.state, app.last_exit)
            }
        })
    }

    /// Waits until an app's own status line holds `words`.
    pub fn wait_status(&self, id: &str, words: &str) -> Result<AppStatus> {
        wait_for(format_args!("`{words}` in the status of {id}"), APP, || {
            let app = self.app(id)?;
            if app.status.as_deref().is_some_and(|status| status.contains(words)) {
                Ok(Some(app))
            } else {
                bail!("its status is {:?}, it is {:?}", app.status, app.state)
            }
        })
    }

    /// All lines of an app's log that are kept.
    pub fn app_log(&self, id: &str) -> Result<Vec<LogLine>> {
        let id = component(id)?;
        all_lines(|after| Ok(self.client.app_log(&id, after, PAGE)?.lines))
    }

    /// Waits for a line with `words` in an app's log.
    pub fn wait_log(&self, id: &str, words: &str) -> Result<LogLine> {
        wait_for(format_args!("`{words}` in the log of {id}"), APP, || {
            let lines = self.app_log(id)?;
            match lines.iter().find(|line| line.text.contains(words)) {
                Some(line) => Ok(Some(line.clone())),
                None => bail!("it ends with {:?}", lines.iter().rev().take(5).map(|line| &line.text).collect::<Vec<_>>()),
            }
        })
    }

    /// All lines of a daemon's log that are kept.
    pub fn service_log(&self, name: &str) -> Result<Vec<LogLine>> {
        let name = name.parse()?;
        all_lines(|after| Ok(self.client.service_log(&name, after, PAGE)?.lines))
    }

    /// All lines of the kernel's log that are kept.
    pub fn kernel_log(&self) -> Result<Vec<LogLine>> {
        all_lines(|after| Ok(self.client.kernel_log(after, PAGE)?.lines))
    }

    /// What a daemon of a test image found when it tried what its confinement forbids. The monitor keeps the other
    /// daemons' logs; its own is the kernel's.
    pub fn confinement_probe(&self, daemon: &str) -> Result<String> {
        let own = daemon == "security-monitor";
        let log = if own { self.kernel_log()? } else { self.service_log(daemon)? };
        // Before the line of a daemon that it repeats, the monitor puts the daemon's name; before its own stands the time alone.
        let found = log.into_iter().find(|line| match own {
            true => line.text.contains("] confinement probe:"),
            false => line.text.contains("confinement probe:"),
        });
        found.map(|line| line.text).with_context(|| format!("{daemon} did not try: is this a test image?"))
    }

    /// All events that are kept.
    pub fn events(&self) -> Result<Vec<Event>> {
        let mut all: Vec<Event> = Vec::new();
        loop {
            let page = self.client.events(all.last().map_or(0, |event| event.sequence), PAGE)?.events;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Waits for an event of this kind whose subject or detail holds `words`.
    pub fn wait_event(&self, kind: EventKind, words: &str) -> Result<Event> {
        wait_for(format_args!("an event {kind:?} with `{words}`"), APP, || {
            let mut events = self.events()?.into_iter().rev();
            Ok(events.find(|event| event.kind == kind && (event.subject.contains(words) || event.detail.contains(words))))
        })
    }

    /// Checks that each event's chain value follows from the one before, as far as the numbering shows.
    pub fn check_numbering(&self) -> Result<()> {
        let events = self.events()?;
        for pair in events.windows(2) {
            if let [one, next] = pair {
                ensure!(next.sequence == one.sequence + 1, "events {} and {} follow each other", one.sequence, next.sequence);
            }
        }
        Ok(())
    }
}

/// A component id from its text.
pub fn component(id: &str) -> Result<ComponentId> {
    Ok(id.parse()?)
}

fn all_lines(page: impl Fn(u64) -> Result<Vec<LogLine>>) -> Result<Vec<LogLine>> {
    let mut all: Vec<LogLine> = Vec::new();
    loop {
        let lines = page(all.last().map_or(0, |line| line.sequence))?;
        if lines.is_empty() {
            return Ok(all);
        }
        all.extend(lines);
    }
}
