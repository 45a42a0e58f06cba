//! The samples, as their READMEs say.

use anyhow::{Context, Result, ensure};
use harness::{
    device::{APP, component},
    inside::KILL,
    machine::{Options, run},
    programs::{
        DOORBELL_APPLIBS, DOORBELL_PYTHON, SENSOR_LOGGER, THERMOMETER, doorbell_in_python, doorbell_on_applibs, sample,
        sample_with,
    },
    wait::{wait_for, wait_until},
};
use manifest::api::AppState;

/// The number in front of a status such as `123 readings, the last 0.000097 V`.
fn readings(status: Option<&str>) -> Option<u64> {
    status?.split(' ').next()?.parse().ok()
}

#[test]
fn the_sensor_logger_keeps_its_readings_and_the_oldest_make_room_when_its_quota_is_used_up() -> Result<()> {
    run("sample-sensor-logger", Options::test_image()?, |machine| {
        let device = machine.device()?;
        // As often as it can, so that 64 KiB are full soon.
        let app =
            sample_with("samples/sensor-logger", "sensor-logger", |manifest| manifest["CmdArgs"] = serde_json::json!(["1"]))?;
        device.install(app.bundle()?)?;
        let ready = device.wait_app(SENSOR_LOGGER, AppState::Ready)?;
        let many = || Ok(readings(device.app(SENSOR_LOGGER)?.status.as_deref()).filter(|count| *count > 64));
        let before = wait_for("some readings", APP, many)?;
        let status = device.app(SENSOR_LOGGER)?.status.unwrap_or_default();
        ensure!(status.ends_with("0.000097 V"), "73 times 0.001333 mV: {status}");
        machine.inside().kill(ready.pid.context("it does not run")?, KILL)?;
        let line = device.wait_log(SENSOR_LOGGER, "goes on after reading")?;
        ensure!(line.text.ends_with(" 0"), "the first start: {line:?}");
        let again = || {
            let log = device.app_log(SENSOR_LOGGER)?;
            Ok(log.iter().filter_map(|line| line.text.strip_prefix("sensor logger goes on after reading ")?.parse().ok()).nth(1))
        };
        let after: u64 = wait_for("the second start", APP, again)?;
        ensure!(after + 32 > before && after > 0, "{after} after {before}");
        device.wait_log(SENSOR_LOGGER, "storage is full: the oldest")?;
        let app = device.app(SENSOR_LOGGER)?;
        ensure!(app.state == AppState::Ready && app.failures <= 1, "{app:?}");
        device.client().stop(&component(SENSOR_LOGGER)?)?;
        device.wait_log(SENSOR_LOGGER, "sensor logger stops after reading").map(drop)
    })
}

#[test]
fn the_display_shows_what_the_thermometer_reads_and_asks_again_when_it_comes_back() -> Result<()> {
    run("sample-pair", Options::test_image()?, |machine| {
        const DISPLAY: &str = "4c3f2d9b-6a4e-4f1c-9a37-7a1200110002";
        let device = machine.device()?;
        device.install(sample("samples/pair/display", "display")?.bundle()?)?;
        device.wait_status(DISPLAY, "no thermometer")?;
        device.install(sample("samples/pair/thermometer", "thermometer")?.bundle()?)?;
        device.wait_status(DISPLAY, "9.7 C")?;
        device.wait_log(THERMOMETER, &format!("{DISPLAY} is there"))?;
        let there = device.app(THERMOMETER)?;
        machine.inside().kill(there.pid.context("it does not run")?, KILL)?;
        wait_until("a second connection", APP, || {
            let log = device.app_log(THERMOMETER)?;
            Ok(log.iter().filter(|line| line.text == format!("{DISPLAY} is there")).count() == 2)
        })?;
        device.wait_status(DISPLAY, "9.7 C")?;
        ensure!(device.app(DISPLAY)?.generation == 1, "the display was started again");
        Ok(())
    })
}

#[test]
fn the_doorbells_on_applibs_and_in_python_count_presses_and_forget_none() -> Result<()> {
    run("sample-doorbells", Options::test_image()?, |machine| {
        let device = machine.device()?;
        for (id, app) in [(DOORBELL_APPLIBS, doorbell_on_applibs()?), (DOORBELL_PYTHON, doorbell_in_python()?)] {
            println!("{id}: an image of {} bytes", app.image.len());
            device.install(app.bundle()?)?;
            device.wait_log(id, "doorbell counts from 0")?;
            machine.buttons().press_times("DOORBELL_BUTTON", 2)?;
            device.wait_log(id, "doorbell rang: press 2")?;
            device.client().restart(&component(id)?)?;
            device.wait_log(id, "doorbell stops at 2")?;
            device.wait_log(id, "doorbell counts from 2")?;
            device.client().remove(&component(id)?)?;
        }
        Ok(())
    })
}
