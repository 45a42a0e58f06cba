//! Peripherals as descriptors: what the board file names, one holder each, and nothing beside it.

use anyhow::{Context, Result, ensure};
use harness::{
    device::{APP, Device, component},
    forge::Parts,
    inside::KILL,
    machine::{Machine, Options, SERIAL, run},
    port::Port,
    programs::{peripherals, peripherals_id},
    wait::wait_until,
};
use manifest::api::{AppState, AppStatus, ErrorBody, ErrorClass, LogLine};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Deploys an app that uses peripherals, and returns its log once it is through.
fn used(device: &Device, capabilities: &Value, holdfast: &Value, arguments: &[&str]) -> Result<Vec<String>> {
    let id = peripherals_id(1);
    device.install(peripherals(1, capabilities, holdfast, arguments)?.bundle()?)?;
    device.wait_log(&id, "all was used")?;
    log_without_holes(device, &id)
}

fn log_without_holes(device: &Device, id: &str) -> Result<Vec<String>> {
    let log: Vec<String> = device.app_log(id)?.into_iter().map(|line| line.text).collect();
    ensure!(!log.iter().any(|line| line.contains("POSSIBLE")), "{log:?}");
    Ok(log)
}

fn ensure_has(log: &[String], lines: &[&str]) -> Result<()> {
    for line in lines {
        ensure!(log.iter().any(|have| have == line), "`{line}` is not in {log:?}");
    }
    Ok(())
}

#[test]
fn an_app_speaks_through_its_serial_port_and_to_no_other() -> Result<()> {
    run("peripherals-uart", Options { serial: true, ..Options::test_image()? }, |machine| {
        let device = machine.device()?;
        let id = peripherals_id(1);
        let arguments = ["uart", "SENSOR_PORT"];
        device.install(peripherals(1, &json!({ "Uart": ["$SENSOR_PORT"] }), &json!({}), &arguments)?.bundle()?)?;
        device.wait_log(&id, "SENSOR_PORT is ready")?;
        let mut port = Port::connect(machine.folder(), SERIAL)?;
        for words in ["hello", "enough"] {
            let answer = port.ask(words, Duration::from_secs(60))?;
            ensure!(answer == format!("echo {words}"), "{answer}");
        }
        device.wait_log(&id, "all was used")?;
        let log = log_without_holes(&device, &id)?;
        let expected = [
            "granted: SENSOR_PORT",
            "SENSOR_PORT begins at 115200",
            "TIOCSTI: refused",
            "TIOCSETD: refused",
            "SENSOR_PORT at 9600: done",
            "SENSOR_PORT heard hello",
        ];
        ensure_has(&log, &expected)?;
        // Whoever has it next finds it as the first did.
        device.client().restart(&component(&id)?)?;
        wait_until("the port to be as at first", APP, || {
            let begins = |line: &LogLine| line.text == "SENSOR_PORT begins at 115200";
            Ok(device.app_log(&id)?.iter().filter(|line| begins(line)).count() == 2)
        })
    })
}

#[test]
fn the_last_close_of_a_serial_port_that_sends_nothing_keeps_nobody_waiting() -> Result<()> {
    run("peripherals-uart-close", Options { serial: true, ..Options::test_image()? }, |machine| {
        let device = machine.device()?;
        let id = peripherals_id(1);
        let uart = json!({ "Uart": ["$SERIAL_PORT"] });
        let log = used(&device, &uart, &json!({}), &["uart-close", "SERIAL_PORT"])?;
        ensure_has(&log, &["SERIAL_PORT has 1 unsent", "SERIAL_PORT closed at once"])?;
        device.client().remove(&component(&id)?)?;

        device.install(peripherals(1, &uart, &json!({}), &["uart-leave", "SERIAL_PORT"])?.bundle()?)?;
        // Longer than the kernel waits where nobody tells it otherwise, and than app-manager's watchdog.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(40) {
            let asked = Instant::now();
            device.app(&id)?;
            ensure!(asked.elapsed() < Duration::from_secs(5), "apps were told after {:?}", asked.elapsed());
            std::thread::sleep(Duration::from_millis(500));
        }
        ensure_has(&log_without_holes(&device, &id)?, &["SERIAL_PORT has 1 unsent", "SERIAL_PORT is left"])?;
        ensure!(device.service("app-manager")?.generation == 1 && device.client().device()?.boot == 1);
        // And the next one has its port.
        device.client().restart(&component(&id)?)?;
        wait_until("the port to be there again", APP, || {
            Ok(device.app_log(&id)?.iter().filter(|line| line.text == "SERIAL_PORT is left").count() == 2)
        })
    })
}

#[test]
fn an_app_reaches_its_address_of_an_i2c_bus_and_no_other() -> Result<()> {
    run("peripherals-i2c", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let log = used(&device, &json!({ "I2cMaster": ["$EEPROM"] }), &json!({}), &["i2c", "EEPROM"])?;
        let expected = [
            "EEPROM functions: done",
            "EEPROM write: done",
            "EEPROM read: done 5a",
            "I2C_SLAVE: refused",
            "I2C_SLAVE_FORCE: refused",
            "I2C_TENBIT: refused",
            "I2C_RDWR: refused",
        ];
        ensure_has(&log, &expected)
    })
}

#[test]
fn an_app_sets_pulses_and_leds_and_reads_a_converter_by_descriptors_alone() -> Result<()> {
    run("peripherals-sysfs", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let log = used(
            &device,
            &json!({ "Pwm": ["$DIMMER"], "Adc": ["$VOLTMETER"] }),
            &json!({ "Led": ["$STATUS_LED"] }),
            &["pwm", "DIMMER", "adc", "VOLTMETER", "led", "STATUS_LED"],
        )?;
        let expected =
            ["DIMMER: 2457600 of 4915200, 1", "VOLTMETER: 73 times 0.001333", "VOLTMETER writes: EBADF", "STATUS_LED: 77 of 255"];
        ensure_has(&log, &expected)?;
        let inside = machine.inside();
        ensure!(inside.text("/sys/class/leds/board:green:status/brightness")?.trim() == "77");
        ensure!(pulses(machine)?.trim() == "2457600");
        Ok(())
    })
}

/// The width of the dimmer's pulses as the kernel has it.
fn pulses(machine: &Machine) -> Result<String> {
    let inside = machine.inside();
    let chips = inside.list("/sys/class/pwm")?;
    let chip = chips.first().context("no PWM chip")?;
    inside.text(&format!("/sys/class/pwm/{}/pwm0/duty_cycle", chip.name))
}

#[test]
fn an_app_reads_a_clock_and_is_woken_by_it_and_cannot_set_it() -> Result<()> {
    run("peripherals-rtc", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let log = used(&device, &json!({}), &json!({ "Rtc": ["$CLOCK"] }), &["rtc", "CLOCK"])?;
        ensure_has(&log, &["RTC_SET_TIME: refused", "CLOCK alarm: done", "CLOCK rang: yes"])?;
        ensure!(log.iter().any(|line| line.starts_with("CLOCK time: done, 20")), "{log:?}");
        Ok(())
    })
}

#[test]
fn an_app_that_does_not_feed_its_hardware_watchdog_takes_the_device_with_it() -> Result<()> {
    let options = Options::test_image()?.expecting(&["watchdog did not stop", "softdog", "Software Watchdog"]);
    run("peripherals-watchdog", options, |machine| {
        let id = peripherals_id(1);
        machine.through_reboot(Duration::from_secs(120), |machine| {
            let device = machine.device()?;
            let holdfast = json!({ "HardwareWatchdog": ["$SECOND_WATCHDOG"] });
            let app = peripherals(1, &json!({}), &holdfast, &["watchdog", "SECOND_WATCHDOG"])?;
            device.install(app.bundle()?)?;
            device.wait_log(&id, "SECOND_WATCHDOG was fed")?;
            let log = log_without_holes(&device, &id)?;
            ensure_has(&log, &["SECOND_WATCHDOG timeout: done", "WDIOC_SETOPTIONS: refused"])?;
            // It was fed for longer than the time-out, and the device is still the first one.
            ensure!(device.client().device()?.boot == 1);
            Ok(())
        })?;
        // Stopped, it is not started at the next boot, and nothing arms the watchdog again.
        let device = machine.device()?;
        ensure!(device.client().device()?.boot >= 2);
        device.client().remove(&component(&id)?)?;
        Ok(())
    })
}

fn refusal(device: &Device, app: &Parts) -> Result<ErrorBody> {
    device.try_install(app.bundle()?)?.err().context("it was installed")
}

#[test]
fn a_peripheral_that_another_app_holds_is_refused_with_the_holders_name() -> Result<()> {
    run("peripherals-exclusive", Options { serial: true, ..Options::test_image()? }, |machine| {
        let device = machine.device()?;
        device.install(peripherals(1, &json!({ "Uart": ["$SERIAL_PORT"] }), &json!({}), &[])?.bundle()?)?;
        device.wait_app(&peripherals_id(1), AppState::Running)?;
        // The same port by its other name.
        let second = peripherals(2, &json!({ "Uart": ["$SENSOR_PORT"] }), &json!({}), &[])?;
        let error = refusal(&device, &second)?;
        ensure!(error.class == ErrorClass::Conflict, "{error:?}");
        ensure!(error.message.contains("$SENSOR_PORT belongs to") && error.message.contains("Peripherals 1"), "{error:?}");
        // Of another kind, it is told where it belongs.
        let third = peripherals(3, &json!({ "Gpio": ["$SERIAL_PORT"] }), &json!({}), &[])?;
        let error = refusal(&device, &third)?;
        ensure!(error.message.contains("$SERIAL_PORT is no GPIO line but a serial port"), "{error:?}");
        device.client().remove(&component(&peripherals_id(1))?)?;
        device.install(peripherals(2, &json!({ "Uart": ["$SENSOR_PORT"] }), &json!({}), &[])?.bundle()?)?;
        device.wait_app(&peripherals_id(2), AppState::Running)?;
        Ok(())
    })
}

#[test]
fn a_peripheral_of_the_version_before_stays_the_apps_until_the_update_has_proved_itself() -> Result<()> {
    run("peripherals-trial", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let led = json!({ "Led": ["$STATUS_LED"] });
        let version = |number, holdfast: Value| -> Result<Vec<u8>> {
            let mut app = peripherals(1, &json!({}), &holdfast, &[])?;
            app.statement.version = number;
            app.bundle()
        };
        let claim = || -> Result<()> {
            let error = refusal(&device, &peripherals(2, &json!({}), &led, &[])?)?;
            ensure!(error.class == ErrorClass::Conflict && error.message.contains("Peripherals 1"), "{error:?}");
            Ok(())
        };
        device.install(version(1, led.clone())?)?;
        device.wait_app(&peripherals_id(1), AppState::Running)?;
        // It never says READY=1, so the version before comes back in the end.
        device.install(version(2, json!({ "ReadyTimeout": 40 }))?)?;
        device.wait_app(&peripherals_id(1), AppState::Updating)?;
        claim()?;
        let generation = device.service("app-manager")?.generation;
        machine.inside().kill(machine.inside().daemon("app-manager")?.pid, KILL)?;
        device.wait_service("app-manager", generation, APP)?;
        device.wait_app(&peripherals_id(1), AppState::Updating)?;
        claim()?;
        let is_back = |app: AppStatus| app.version == 1 && app.state == AppState::Running;
        wait_until("the version before to be back", 2 * APP, || Ok(is_back(device.app(&peripherals_id(1))?)))?;
        claim()?;
        // One that proves itself leaves it to others.
        device.install(version(3, json!({ "BackOff": { "StableAfter": 1 } }))?)?;
        wait_until("the new version to have proved itself", APP, || Ok(device.app(&peripherals_id(1))?.returns_to.is_none()))?;
        device.install(peripherals(2, &json!({}), &led, &[])?.bundle()?)?;
        device.wait_app(&peripherals_id(2), AppState::Running)?;
        Ok(())
    })
}
