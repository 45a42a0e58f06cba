//! Apps in Azure Sphere's style, one for each applibs header, compiled as they would be for it.

use anyhow::{Context, Result, ensure};
use harness::{
    device::{APP, Device, component},
    machine::{Options, SERIAL, run},
    port::Port,
    programs::{applibs, applibs_id, asking, asking_id, small, small_id},
    wait::wait_until,
};
use manifest::api::AppState;
use serde_json::json;
use std::time::Duration;

const ALL: &str = "all was found";

fn log(device: &Device, header: &str) -> Result<Vec<String>> {
    Ok(device.app_log(&applibs_id(header)?)?.into_iter().map(|line| line.text).collect())
}

/// Deploys the app for a header, and looks for lines in its log once it is through.
fn finds(device: &Device, header: &str, expected: &[&str]) -> Result<()> {
    let id = applibs_id(header)?;
    device.install(applibs(header, 1, |_| ())?.bundle()?)?;
    device.wait_log(&id, ALL).with_context(|| format!("{header}: {:?}", log(device, header)))?;
    has(&log(device, header)?, header, expected)
}

fn has(log: &[String], header: &str, expected: &[&str]) -> Result<()> {
    for line in expected {
        ensure!(log.iter().any(|have| have == line), "{header}: `{line}` is not in {log:?}");
    }
    Ok(())
}

#[test]
fn apps_for_each_applibs_header_find_what_the_table_of_functions_says() -> Result<()> {
    run("applibs", Options::test_image()?, |machine| {
        let device = machine.device()?;
        finds(&device, "adc", &["bits: 12", "sample: 0", "sample of 0.2 mV: 1992", "channel 9: ENODEV", "not listed: EACCES"])?;
        let certificates = ["install: 0", "move: 0", "count: 1", "identifier 0: root", "subject of root: CN=applibs test root"];
        finds(&device, "certstore", &certificates)?;
        finds(&device, "eventloop", &["one event: 1", "until it is stopped: 1", "ticks: 3", "nothing for 300 ms: 0"])?;
        let bus =
            ["write: 2", "write then read: 2", "byte: 90", "first of 4: 90", "another address: ENXIO", "not listed: EACCES"];
        finds(&device, "i2c", &bus)?;
        finds(&device, "log", &["a line of 5 words", "another line", "nothing: EFAULT"])?;
        let links = ["ready: 1", "links: 1", "link: eth0", "link down: EPERM", "time server: EPERM"];
        finds(&device, "networking", &links)?;
        finds(&device, "networking_curl", &["default proxy: 0", "no transfer: EFAULT"])?;
        finds(&device, "powermanagement", &["profile: EOPNOTSUPP", "down for 0 s: EINVAL"])?;
        finds(&device, "pwm", &["apply: 0", "dark: 0", "off: 0", "too wide: EINVAL", "not listed: EACCES"])?;
        finds(&device, "spi", &["not listed: EACCES"])?;
        finds(&device, "wificonfig", &["stored: ENODEV", "added: ENODEV"])?;
        finds(&device, "applications", &["version: 0"])?;
        let figures = log(&device, "applications")?;
        let figure = |name: &str| figures.iter().find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok());
        ensure!(figure("total KiB: ").is_some_and(|kib| (1..16 << 10).contains(&kib)), "{figures:?}");
        finds(&device, "storage", &["starts: 1", "too much: EDQUOT", "no file: ENOENT"])?;
        device.client().restart(&component(&applibs_id("storage")?)?)?;
        wait_until("the second start", APP, || Ok(log(&device, "storage")?.iter().filter(|line| *line == ALL).count() == 2))?;
        has(&log(&device, "storage")?, "storage", &["starts: 2", "delete: 0"])?;
        // Last, because it sets the clock.
        finds(&device, "rtc", &["clock_settime: 0", "1970: EINVAL"])
    })
}

#[test]
fn an_app_in_azure_spheres_style_sees_a_button_and_speaks_through_its_port() -> Result<()> {
    run("applibs-lines", Options { serial: true, ..Options::test_image()? }, |machine| {
        let device = machine.device()?;
        let (gpio, uart) = (applibs_id("gpio")?, applibs_id("uart")?);
        device.install(applibs("gpio", 1, |_| ())?.bundle()?)?;
        device.wait_log(&gpio, "level: ")?;
        machine.buttons().press("DOORBELL_BUTTON")?;
        device.wait_log(&gpio, ALL)?;
        has(
            &log(&device, "gpio")?,
            "gpio",
            &["level: 0", "level: 1", "set: EPERM", "open drain: EOPNOTSUPP", "not listed: EACCES"],
        )?;
        device.install(applibs("uart", 1, |_| ())?.bundle()?)?;
        device.wait_log(&uart, "write: 6")?;
        let mut port = Port::connect(machine.folder(), SERIAL)?;
        let answer = port.ask("good morning", Duration::from_secs(60))?;
        ensure!(answer == "good morning", "{answer}");
        device.wait_log(&uart, ALL)?;
        has(&log(&device, "uart")?, "uart", &["3 bits: EINVAL", "heard: good morning", "answered: 13"])
    })
}

#[test]
fn an_app_in_azure_spheres_style_talks_to_another_and_puts_an_update_off() -> Result<()> {
    run("applibs-others", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let (id, peer) = (applibs_id("application")?, asking_id(1));
        let names = json!({ "AllowedApplicationConnections": [id] });
        device.install(asking(1, &names, &[r#"{"accept":{}}"#, "hear", "say:good evening"])?.bundle()?)?;
        let talks = |manifest: &mut serde_json::Value| {
            manifest["CmdArgs"] = json!([peer]);
            manifest["Capabilities"]["AllowedApplicationConnections"] = json!([peer]);
        };
        device.install(applibs("application", 1, talks)?.bundle()?)?;
        device.wait_log(&id, ALL)?;
        device.wait_log(&peer, "peer said: good morning")?;
        let others = ["text: good evening", "connect with a stranger: EACCES", "connect with no id: EINVAL"];
        has(&log(&device, "application")?, "application", &others)?;

        let events = applibs_id("sysevent")?;
        device.install(small(1, 1, "ready", &json!({}))?.bundle()?)?;
        device.wait_app(&small_id(1), AppState::Ready)?;
        device.install(applibs("sysevent", 1, |_| ())?.bundle()?)?;
        device.wait_log(&events, "registered: 0")?;
        let updated = device.install(small(1, 2, "ready", &json!({}))?.bundle()?)?;
        ensure!(updated.app.waiting_update.is_some() || updated.app.version == 2, "{updated:?}");
        device.wait_log(&events, "resume: 0")?;
        wait_until("the update", APP, || Ok(device.app(&small_id(1))?.version == 2))?;
        device.wait_log(&events, "event: 4, status 4")?;
        has(&log(&device, "sysevent")?, "sysevent", &["nothing to defer: ENOENT", "defer: 0"])?;
        let log = log(&device, "sysevent")?;
        ensure!(log.iter().any(|line| line.starts_with("event: 1, status 3, type 1, at most")), "{log:?}");
        Ok(())
    })
}
