//! What app-services does for apps, asked by an app in C, and what it does to nobody.

use anyhow::{Context, Result, ensure};
use harness::{
    device::{APP, Device, component},
    inside::KILL,
    machine::{Options, run},
    programs::{asking, asking_id, asking_with},
    wait::wait_until,
};
use manifest::{
    api::{AppState, EventKind},
    services::{CERTIFICATES_LIMIT, Certificate, Certificates, Memory, Network, Reply},
};
use serde_json::json;
use std::{fs, process::Command, time::Duration};

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

/// The fifth boot is the one in safe mode: it follows four in a row that an app ended.
#[test]
fn an_app_that_restarts_the_device_at_every_start_leads_to_safe_mode() -> Result<()> {
    const SAFE: &str = "4 boots failed";
    let id = asking_id(1);
    let rights = json!({ "PowerControls": ["ForceReboot"] });
    let app = asking(1, &rights, &[r#"{"reboot":{}}"#])?.bundle()?;
    run("services-reboot-loop", Options::test_image()?, |machine| {
        machine.device()?.install(app)?;
        machine.console().wait_for(SAFE, Duration::from_secs(600))?;
        let mark = machine.console().text()?.find(SAFE).context("the console lost a line")?;
        machine.wait_ready_after(mark)?;
        let device = machine.device()?;
        let info = device.client().device()?;
        // One more where the first had become healthy before the app was there.
        ensure!(info.safe_mode && matches!(info.boot, 5 | 6), "{info:?}");
        ensure!(!device.app(&id)?.state.runs(), "the app runs in safe mode");
        device.wait_event(EventKind::SafeMode, "")?;
        device.wait_event(EventKind::Boot, "before the boot was healthy")?;
        Ok(())
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
        for service in device.started_services()? {
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

/// A certificate with its key in PEM, as openssl(1) makes it.
fn certificate() -> Result<(String, String)> {
    let folder = tempfile::tempdir()?;
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"])
        .args(["-subj", "/O=Example/CN=doorbell", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .context("cannot run openssl")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok((fs::read_to_string(certificate)?, fs::read_to_string(key)?))
}

#[test]
fn an_apps_certificates_outlive_a_reboot_are_nobody_elses_and_go_with_the_app() -> Result<()> {
    const LIST: &str = r#"{"certificates":{}}"#;
    const GET: &str = r#"{"certificate":{"name":"client"}}"#;
    run("services-certificates", Options::test_image()?, |machine| {
        let (id, other) = (asking_id(1), asking_id(2));
        let (pem, key) = certificate()?;
        let put = json!({ "put-certificate": { "name": "client", "certificate": pem, "private_key": key } }).to_string();
        let rights = json!({ "CertStore": true, "MutableStorage": { "SizeKB": 64 } });
        let app =
            asking(1, &rights, &[&format!("once:{put}"), r#"{"put-certificate":{"name":"x","certificate":"x"}}"#, LIST, GET])?;
        let listed = |device: &Device, id: &str| -> Result<Certificates> {
            match serde_json::from_str(replies(device, id, LIST)?.last().context("it was not listed")?)? {
                Reply::Ok(list) => Ok(list),
                Reply::Error(body) => anyhow::bail!("{body:?}"),
            }
        };
        let device = machine.device()?;
        device.install(app.bundle()?)?;
        device.wait_log(&id, "all was asked")?;
        let list = listed(&device, &id)?;
        ensure!(list.certificates.len() == 1 && list.limit_bytes == CERTIFICATES_LIMIT, "{list:?}");
        ensure!(list.certificates[0].subject == "CN=doorbell,O=Example" && list.certificates[0].has_key, "{list:?}");
        let refused = replies(&device, &id, r#"{"put-certificate":{"name":"x","certificate":"x"}}"#)?;
        ensure!(refused.iter().all(|reply| reply.contains("bad-input")), "{refused:?}");

        // Another app has a store of its own; one without the right has none, and learns the line.
        device.install(asking(2, &json!({ "CertStore": true }), &[LIST, GET])?.bundle()?)?;
        device.wait_log(&other, "all was asked")?;
        ensure!(listed(&device, &other)?.certificates.is_empty());
        ensure!(replies(&device, &other, GET)?.iter().all(|reply| reply.contains("not-found")));
        device.install(asking(3, &json!({ "HeapMemStats": true }), &[LIST])?.bundle()?)?;
        device.wait_log(&asking_id(3), "all was asked")?;
        ensure!(replies(&device, &asking_id(3), LIST)?.iter().all(|reply| reply.contains(r#"\"CertStore\": true"#)));

        machine.reboot()?;
        let device = machine.device()?;
        device.wait_log(&id, "asked before")?;
        wait_until("the certificate to be there again", APP, || Ok(replies(&device, &id, GET)?.len() == 2))?;
        let got: Reply<Certificate> = serde_json::from_str(&replies(&device, &id, GET)?[1])?;
        ensure!(got == Reply::Ok(Certificate { certificate: pem.clone(), private_key: Some(key.clone()) }), "{got:?}");

        device.client().remove(&component(&id)?)?;
        ensure!(machine.inside().stat(&format!("/data/config/{id}"))?.is_none(), "its documents are left");
        device.install(asking(1, &rights, &[LIST])?.bundle()?)?;
        device.wait_log(&id, "all was asked")?;
        ensure!(listed(&device, &id)?.certificates.is_empty(), "a new app has the certificates of the one before");
        Ok(())
    })
}

#[test]
fn an_app_with_the_right_sets_clock_and_time_zone_within_reason_and_reads_the_links() -> Result<()> {
    const LATER: u64 = 1_900_000_000;
    run("services-clock", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let (id, other) = (asking_id(1), asking_id(2));
        let (set, wrong) = (format!(r#"{{"set-clock":{{"unix_ms":{LATER}250}}}}"#), r#"{"set-clock":{"unix_ms":86400000}}"#);
        let network = r#"{"network":{}}"#;
        let zone = |zone: &str| format!(r#"{{"set-time-zone":{{"zone":"{zone}"}}}}"#);
        let (berlin, nowhere) = (zone("CET-1CEST,M3.5.0,M10.5.0/3"), zone("../../etc/passwd"));
        let holdfast = json!({ "NetworkStatus": true });
        let app = asking_with(1, &json!({ "SystemTime": true }), &holdfast, &[wrong, &set, network, &nowhere, &berlin])?;
        device.install(app.bundle()?)?;
        device.wait_log(&id, "all was asked")?;
        ensure!(replies(&device, &id, &set)? == [r#"{"ok":{}}"#], "{:?}", replies(&device, &id, &set)?);
        let refused = replies(&device, &id, wrong)?;
        ensure!(refused.iter().all(|reply| reply.contains("no time at which this image can run")), "{refused:?}");
        device.wait_event(EventKind::ClockSet, &id)?;
        let log = device.app_log(&id)?;
        ensure!(log.iter().any(|line| line.time_ms / 1000 >= LATER), "the device's clock did not move: {log:?}");
        let status: Reply<Network> = serde_json::from_str(replies(&device, &id, network)?.last().context("no links were told")?)?;
        let Reply::Ok(status) = status else { anyhow::bail!("{status:?}") };
        let [link] = &status.links[..] else { anyhow::bail!("{status:?}") };
        ensure!(link.up && link.carrier && link.default_route && !link.addresses.is_empty(), "{link:?}");

        ensure!(replies(&device, &id, &nowhere)?.iter().all(|reply| reply.contains("bad-input")));
        ensure!(replies(&device, &id, &berlin)? == [r#"{"ok":{}}"#], "{:?}", replies(&device, &id, &berlin)?);

        // Without the lines of the manifest neither; but every app that is started gets the time zone.
        device.install(asking(2, &json!({ "HeapMemStats": true }), &["env:TZ", &set, &berlin, network])?.bundle()?)?;
        device.wait_log(&other, "all was asked")?;
        device.wait_log(&other, "TZ=CET-1CEST,M3.5.0,M10.5.0/3")?;
        ensure!(replies(&device, &other, &berlin)?.iter().all(|reply| reply.contains(r#"\"SystemTime\": true"#)));
        ensure!(replies(&device, &other, &set)?.iter().all(|reply| reply.contains(r#"\"SystemTime\": true"#)));
        ensure!(replies(&device, &other, network)?.iter().all(|reply| reply.contains(r#"\"NetworkStatus\": true"#)));

        machine.reboot()?;
        let device = machine.device()?;
        let told = || Ok(device.app_log(&other)?.iter().filter(|line| line.text.starts_with("TZ=CET-1CEST")).count() == 2);
        wait_until("the time zone to be there again", APP, told)
    })
}
