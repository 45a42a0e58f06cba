//! What app-services does for apps, asked by an app in C, and what it does to nobody.

use anyhow::{Context, Result, ensure};
use harness::{
    device::{APP, Device, component},
    inside::KILL,
    machine::{Options, run},
    programs::{asking, asking_id},
    wait::wait_until,
};
use manifest::{
    api::{AppState, EventKind},
    services::{Memory, Reply},
};
use serde_json::json;
use std::time::Duration;

const MEMORY: &str = r#"{"memory":{}}"#;
const AGAIN: Duration = Duration::from_secs(40);
const TOUCHED: u64 = 3 << 20;

/// The replies to this request in an app's log, oldest first.
fn replies(device: &Device, id: &str, request: &str) -> Result<Vec<String>> {
    let log = device.app_log(id)?;
    let begin = format!("{request} -> ");
    Ok(log.iter().filter_map(|line| line.text.strip_prefix(&begin).map(str::to_owned)).collect())
}

#[test]
fn an_app_reads_its_memory_and_is_refused_what_its_manifest_does_not_list() -> Result<()> {
    run("services-memory", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let id = asking_id(1);
        let rights = json!({ "HeapMemStats": true, "ResetMemoryWatermarks": true });
        let touch = format!("touch:{}", TOUCHED >> 10);
        let reset = r#"{"reset-memory-peak":{}}"#;
        let steps = ["tamper", MEMORY, &touch, MEMORY, reset, MEMORY, r#"{"reboot":{}}"#, r#"{"accept":{}}"#, "garbage"];
        device.install(asking(1, &rights, &steps)?.bundle()?)?;
        device.wait_log(&id, "all was asked")?;
        let log = device.app_log(&id)?;
        let tampered = log.iter().any(|line| line.text == "tampered") && !log.iter().any(|line| line.text.contains("POSSIBLE"));
        ensure!(tampered, "{log:?}");
        let figures = replies(&device, &id, MEMORY)?;
        let figures = figures.iter().map(|text| match serde_json::from_str(text)? {
            Reply::Ok(memory) => Ok(memory),
            Reply::Error(body) => anyhow::bail!("{body:?}"),
        });
        let figures: Vec<Memory> = figures.collect::<Result<_>>()?;
        let [first, touched, reset] = figures[..] else { anyhow::bail!("{figures:?}") };
        ensure!(first.used_bytes > 0 && first.limit_bytes == 8 << 20, "{first:?}");
        ensure!(touched.peak_bytes >= TOUCHED && touched.used_bytes < TOUCHED, "{touched:?}");
        ensure!(reset.peak_bytes < TOUCHED, "{reset:?}");
        let refused = |request: &str, words: &str| -> Result<()> {
            let all = replies(&device, &id, request)?;
            ensure!(all.len() == 1 && all[0].contains("error") && all[0].contains(words), "{request}: {all:?}");
            Ok(())
        };
        refused(r#"{"reboot":{}}"#, "ForceReboot")?;
        refused(r#"{"accept":{}}"#, "AllowedApplicationConnections")?;
        refused("garbage", "bad-input")?;
        device.wait_event(EventKind::MalformedPacket, &id)?;
        ensure!(device.client().device()?.boot == 1, "the device rebooted");
        let grants = device.client().policy(&component(&id)?)?.grants;
        ensure!(grants.iter().any(|line| line == "memory use: reads its own"), "{grants:?}");

        // An app without a right to a service has no socket at all.
        device.install(asking(2, &json!({}), &["absent"])?.bundle()?)?;
        device.wait_log(&asking_id(2), "no socket")?;
        // And removing an app leaves nothing of its socket.
        device.client().remove(&component(&id)?)?;
        ensure!(machine.inside().stat(&format!("/run/apps/{id}"))?.is_none(), "its socket's folder is left");
        Ok(())
    })
}

#[test]
fn an_app_with_the_right_restarts_the_device_and_powers_it_down() -> Result<()> {
    run("services-power", Options::test_image()?, |machine| {
        let id = asking_id(1);
        let rights = json!({ "PowerControls": ["ForceReboot"], "MutableStorage": { "SizeKB": 64 } });
        let reboot = asking(1, &rights, &[r#"once:{"reboot":{}}"#])?.bundle()?;
        machine.through_reboot(Duration::from_secs(90), |machine| {
            machine.device()?.install(reboot)?;
            Ok(())
        })?;
        let device = machine.device()?;
        device.wait_log(&id, r#"{"reboot":{}} -> {"ok":{}}"#)?;
        device.wait_log(&id, "asked before")?;
        device.wait_event(EventKind::GoingDown, &id)?;
        ensure!(device.client().device()?.boot == 2);
        let rights = json!({ "PowerControls": ["ForcePowerDown"] });
        device.install(asking(2, &rights, &[r#"{"power-off":{}}"#])?.bundle()?)?;
        machine.wait_off(Duration::from_secs(60))
    })
}

#[test]
fn apps_that_name_each_other_talk_and_one_that_is_not_named_cannot() -> Result<()> {
    run("services-peers", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let named = |numbers: &[u32]| json!({ "AllowedApplicationConnections": numbers.iter().map(|n| asking_id(*n)).collect::<Vec<_>>() });
        let connect = |number| format!(r#"{{"connect":{{"app":"{}"}}}}"#, asking_id(number));
        let accept = r#"{"accept":{}}"#;
        device.install(asking(1, &named(&[2]), &[accept, "hear", "say:good evening"])?.bundle()?)?;
        // It names the first, which does not name it.
        device.install(asking(3, &named(&[1]), &[&connect(1), &connect(2)])?.bundle()?)?;
        device.wait_log(&asking_id(3), "all was asked")?;
        let refused = replies(&device, &asking_id(3), &connect(1))?;
        ensure!(refused.len() == 1 && refused[0].contains("not-granted") && refused[0].contains(&asking_id(3)), "{refused:?}");
        let refused = replies(&device, &asking_id(3), &connect(2))?;
        ensure!(refused.len() == 1 && refused[0].contains("not-granted"), "its own manifest does not name it: {refused:?}");
        let steps = [&format!("until:{}", connect(1)), "say:good morning", "hear"];
        device.install(asking(2, &named(&[1]), &steps)?.bundle()?)?;
        device.wait_log(&asking_id(1), "peer said: good morning")?;
        device.wait_log(&asking_id(2), "peer said: good evening")?;
        let accepted = replies(&device, &asking_id(1), accept)?;
        ensure!(accepted == [format!(r#"{{"ok":{{"app":"{}"}}}}"#, asking_id(2))], "{accepted:?}");
        Ok(())
    })
}

#[test]
fn a_flood_of_garbage_on_one_apps_socket_hurts_nobody_else() -> Result<()> {
    run("services-flood", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let memory = json!({ "HeapMemStats": true });
        device.install(asking(1, &memory, &["flood"])?.bundle()?)?;
        device.wait_log(&asking_id(1), "still flooding")?;
        let steps = [MEMORY; 40];
        device.install(asking(2, &memory, &steps)?.bundle()?)?;
        device.wait_log(&asking_id(2), "all was asked")?;
        let answered = replies(&device, &asking_id(2), MEMORY)?;
        ensure!(answered.len() == 40 && answered.iter().all(|text| text.starts_with(r#"{"ok""#)), "{answered:?}");
        for service in device.services()? {
            ensure!(service.generation == 1, "{} was restarted: {:?}", service.name, service.last_exit);
        }
        let told = device.events()?.iter().filter(|e| e.kind == EventKind::MalformedPacket && e.subject == asking_id(1)).count();
        ensure!(told == 1, "{told} events tell of the garbage");
        Ok(())
    })
}

#[test]
fn apps_connect_again_after_app_services_or_app_manager_died() -> Result<()> {
    run("services-dies", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let id = asking_id(1);
        device.install(asking(1, &json!({ "HeapMemStats": true }), &[MEMORY, &format!("always:{MEMORY}")])?.bundle()?)?;
        device.wait_log(&id, r#"-> {"ok""#)?;
        let before = device.wait_app(&id, AppState::Running)?;
        let inside = machine.inside();
        let back = || -> Result<usize> {
            Ok(device.app_log(&id)?.iter().filter(|line| line.text.starts_with(r#"back -> {"ok""#)).count())
        };
        let generation = device.service("app-services")?.generation;
        inside.kill(inside.daemon("app-services")?.pid, KILL)?;
        device.wait_service("app-services", generation, AGAIN)?;
        wait_until("the app to have connected again", APP, || Ok(back()? == 1))?;
        // With app-manager gone and back, the connection stands; and after that a new app-services finds the socket too.
        let generation = device.service("app-manager")?.generation;
        inside.kill(inside.daemon("app-manager")?.pid, KILL)?;
        device.wait_service("app-manager", generation, AGAIN)?;
        ensure!(back()? == 1, "the connection broke with app-manager");
        let generation = device.service("app-services")?.generation;
        inside.kill(inside.daemon("app-services")?.pid, KILL)?;
        device.wait_service("app-services", generation, AGAIN)?;
        wait_until("the app to have connected a second time", APP, || Ok(back()? == 2))?;
        let after = device.app(&id)?;
        ensure!((after.pid, after.generation) == (before.pid, before.generation), "before {before:?}, after {after:?}");
        after.pid.context("it does not run").map(drop)
    })
}
