//! What an app costs: its installation beside a plain copy of the same bytes, its start beside the same program without any
//! confinement; on a device with few apps and with many.

use super::Series;
use crate::{
    device::{DOORBELL, Device, component},
    machine::{Machine, Options},
    programs::{DOORBELL_APPLIBS, DOORBELL_PYTHON, doorbell, doorbell_in_python, doorbell_on_applibs, large, small, small_id},
};
use anyhow::{Context, Result};
use manifest::{api::AppState, places};
use probe::Request;
use serde_json::json;
use std::time::{Duration, Instant};

/// Bytes in the image that is installed, in MiB.
pub const MIB: u32 = 8;
/// Number of the app that is installed again and again; those below it only run.
const LARGE: u32 = 1000;
/// Where the copy goes.
const COPY: &str = "/data/system/copy";

/// A device with small apps that run.
pub struct Crowd {
    machine: Machine,
    apps: u32,
    version: u64,
}

/// What was measured, in microseconds: by Holdfast, and without it.
#[derive(Debug, Default)]
pub struct Pair {
    /// Holdfast's.
    pub ours: Series,
    /// What it is compared with.
    pub plain: Series,
}

impl Pair {
    fn push(&mut self, ours: Duration, plain: Duration, divisor: u32) -> Result<()> {
        self.ours.push(u64::try_from((ours / divisor).as_micros())?);
        self.plain.push(u64::try_from((plain / divisor).as_micros())?);
        Ok(())
    }

    /// How many times as long Holdfast takes.
    pub fn ratio(&self) -> f64 {
        self.ours.median() as f64 / self.plain.median().max(1) as f64
    }
}

impl Crowd {
    /// A device without apps.
    pub fn boot() -> Result<Self> {
        let mut machine = Machine::new("bench-apps", Options::test_image()?)?;
        machine.power_on()?;
        machine.wait_ready()?;
        Ok(Self { machine, apps: 0, version: 0 })
    }

    /// Lets so many small apps run.
    pub fn grow(&mut self, apps: u32) -> Result<()> {
        let device = self.machine.device()?;
        for number in self.apps..apps {
            device.install(small(number, 1, "ready", &json!({}))?.bundle()?)?;
            device.wait_app(&small_id(number), AppState::Ready)?;
        }
        self.apps = apps;
        Ok(())
    }

    /// Installs the next version of an app over the API, then copies its image as root; both per MiB.
    pub fn install(&mut self, pair: &mut Pair) -> Result<()> {
        self.version += 1;
        let (device, inside, id) = (self.machine.device()?, self.machine.inside(), small_id(LARGE));
        let bundle = large(LARGE, self.version, "ready", &json!({}), (MIB as usize) << 20)?.bundle()?;
        device.apps()?;
        let began = Instant::now();
        device.install(bundle)?;
        let installed = began.elapsed();
        device.wait_app(&id, AppState::Ready)?;
        inside.sync()?;
        let copied = inside.copy(&format!("{}/{id}/current/image.erofs", places::APPS), COPY)?;
        inside.remove(COPY)?;
        inside.sync()?;
        pair.push(installed, copied, MIB)
    }

    /// Starts the first app until app-manager knows that it is ready, then its program as the probe's child.
    pub fn start(&mut self, pair: &mut Pair) -> Result<()> {
        let (device, inside, id) = (self.machine.device()?, self.machine.inside(), small_id(0));
        stop(&device, &id)?;
        let ask = |what: &str| json!({ what: { "component": id } });
        let start = Request::Ipc { service: "app-manager".to_owned(), packet: ask("start").to_string() };
        let started = inside.until(start, "app-manager", &ask("status"), r#""state":"ready""#)?;
        let pid = device.wait_app(&id, AppState::Ready)?.pid.context("the app has no process")?;
        let plain = inside.start(&format!("/proc/{pid}/root/bin/app"), "ready")?;
        pair.push(started, plain, 1)
    }
}

/// The same doorbell in another language.
pub struct Doorbell {
    /// Which.
    pub language: &'static str,
    /// Bytes of its image.
    pub image: usize,
    /// From the order to its first line, in microseconds.
    pub start: Series,
    /// Most memory that it had until then, in KiB.
    pub memory_kib: u64,
}

/// The doorbell in Rust, in C on applibs and in Python: each is started so many times, alone.
pub fn doorbells(rounds: u32) -> Result<Vec<Doorbell>> {
    let mut machine = Machine::new("bench-doorbells", Options::test_image()?)?;
    machine.power_on()?;
    machine.wait_ready()?;
    let (device, inside) = (machine.device()?, machine.inside());
    let all = [
        ("Rust", DOORBELL, doorbell(1)?),
        ("C on applibs", DOORBELL_APPLIBS, doorbell_on_applibs()?),
        ("Python", DOORBELL_PYTHON, doorbell_in_python()?),
    ];
    let mut measured = Vec::new();
    for (language, id, app) in all {
        let mut doorbell = Doorbell { language, image: app.image.len(), start: Series::default(), memory_kib: 0 };
        device.install(app.bundle()?)?;
        device.wait_log(id, FIRST_LINE)?;
        for _ in 0..rounds {
            stop(&device, id)?;
            let after = device.app_log(id)?.last().map_or(0, |line| line.sequence);
            let start = json!({ "start": { "component": id } }).to_string();
            let start = Request::Ipc { service: "app-manager".to_owned(), packet: start };
            let lines = json!({ "log": { "component": id, "after": after, "limit": 50 } });
            let took = inside.until(start, "app-manager", &lines, FIRST_LINE)?;
            doorbell.start.push(u64::try_from(took.as_micros())?);
        }
        let peak = format!("{}/{id}-{}/memory.peak", places::APPS_CGROUP, device.app(id)?.generation);
        doorbell.memory_kib = inside.text(&peak)?.trim().parse::<u64>()? >> 10;
        device.client().remove(&component(id)?)?;
        measured.push(doorbell);
    }
    Ok(measured)
}

/// What each of them says when it has all that it needs.
const FIRST_LINE: &str = "doorbell counts from";

fn stop(device: &Device, id: &str) -> Result<()> {
    device.client().stop(&component(id)?)?;
    device.wait_app(id, AppState::Stopped).map(drop)
}
