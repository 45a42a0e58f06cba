//! The API as a client sees it, over real TLS and real ipc, with daemons that are played.

use crate::world::{ANOTHER_APP, APP, REPORT, World};
use api_client::ClientError;
use manifest::api::ErrorClass;
use std::{
    io::Cursor,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

#[test]
fn every_row_of_the_table_answers() {
    let world = World::new();
    let client = world.client("developer");
    let app = APP.parse().unwrap();
    let device = client.device().unwrap();
    assert_eq!((device.boot, device.warnings.as_slice()), (7, &["no TPM".to_owned()][..]));
    client.services().unwrap();
    client.events(0, 10).unwrap();
    client.service_log(&"app-manager".parse().unwrap(), 0, 10).unwrap();
    client.kernel_log(0, 10).unwrap();
    client.boot_trace().unwrap();
    assert_eq!(client.network().unwrap().links, ["eth0: up"]);
    let apps = client.apps().unwrap().apps;
    assert_eq!(apps.iter().map(|app| app.component_id.as_str()).collect::<Vec<_>>(), [APP, ANOTHER_APP]);
    assert_eq!(client.app(&app).unwrap().component_id, app);
    client.start(&app).unwrap();
    client.stop(&app).unwrap();
    client.app_log(&app, 0, 10).unwrap();
    assert_eq!(client.policy(&app).unwrap().grants, ["nothing"]);
    assert_eq!(client.crashes().unwrap().crashes.iter().map(|crash| crash.number).collect::<Vec<_>>(), [7]);
    assert_eq!(client.crash(7).unwrap(), vec![0; REPORT]);
    client.delete_crash(7).unwrap();
    client.remove(&app).unwrap();
    client.reboot().unwrap();
    client.power_off().unwrap();
    let document = client.raw(hyper::Method::GET, "/v1/openapi.json").unwrap();
    assert!(document.starts_with(b"{\n  \"openapi\": \"3."));
    world.played.wait_for("Reboot { reason: \"tester (developer) asked for it over the device API\" }");
}

#[test]
fn a_viewer_fetches_a_crash_report_and_an_operator_deletes_it() {
    let world = World::new();
    assert_eq!(world.client("viewer").crash(7).unwrap().len(), REPORT);
    assert_eq!(world.client("viewer").delete_crash(7).unwrap_err().class(), ErrorClass::Forbidden);
    world.client("operator").delete_crash(7).unwrap();
    let class = |path: &str| world.client("viewer").raw(hyper::Method::GET, path).unwrap_err().class();
    assert_eq!(class("/v1/crashes/6"), ErrorClass::NotFound);
    assert_eq!(class("/v1/crashes/-1"), ErrorClass::Usage);
    assert_eq!(class("/v1/crashes/8"), ErrorClass::Internal, "longer than any report");
    assert_eq!(class("/v1/crashes/9"), ErrorClass::Internal, "without the file");
    assert_eq!(class("/v1/crashes/10"), ErrorClass::Internal, "no file");
    world.assert_alive();
}

#[test]
fn a_device_without_crash_reporter_says_that_its_image_has_none() {
    let world = World::new().without("crash-reporter");
    let error = world.client("viewer").crashes().unwrap_err();
    let ClientError::Refused { status, body } = error else { panic!("{error:?}") };
    assert_eq!((status, body.message.as_str()), (404, "this device's image has no crash-reporter"));
    assert!(body.hint.unwrap().contains("image description"));
}

#[test]
fn a_bundle_arrives_whole_and_its_progress_is_told() {
    let world = World::new();
    let bundle: Vec<u8> = (0..700_001_u32).map(|i| (i * 7) as u8).collect();
    let told = Arc::new(AtomicU64::new(0));
    let teller = told.clone();
    let size = bundle.len() as u64;
    let result =
        world.client("developer").install(Cursor::new(bundle.clone()), size, move |sent| teller.store(sent, Ordering::SeqCst));
    assert_eq!(result.unwrap().app.version, 1);
    assert_eq!(told.load(Ordering::SeqCst), size);
    assert!(world.played.installed.lock().unwrap().as_ref() == Some(&bundle));
}

#[test]
fn what_a_daemon_refuses_arrives_with_class_and_hint() {
    let world = World::new();
    let error = world.client("viewer").app(&"00000000-0000-0000-0000-000000000000".parse().unwrap()).unwrap_err();
    let ClientError::Refused { status, body } = error else { panic!("{error:?}") };
    assert_eq!(
        (status, body.class, body.message.as_str(), body.hint.as_deref()),
        (404, ErrorClass::NotFound, "no such app", Some("a hint"))
    );
}

#[test]
fn a_daemon_that_hangs_stops_only_those_who_ask_for_it() {
    let world = World::new();
    let app: manifest::names::ComponentId = APP.parse().unwrap();
    for _ in 0..4 {
        let (client, app) = (world.client("operator"), app.clone());
        std::thread::spawn(move || client.restart(&app));
    }
    world.played.wait_for("Restart");
    let begun = Instant::now();
    let client = world.client("viewer");
    client.device().unwrap();
    client.network().unwrap();
    client.kernel_log(0, 1).unwrap();
    world.client("developer").remove(&app).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let error = world.client("operator").restart(&app).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
}

#[test]
fn a_kept_connection_that_the_device_closed_is_made_anew() {
    let limits = device_api::server::Limits { head: Duration::from_millis(300), ..Default::default() };
    let world = World::with(limits);
    let client = world.client("viewer");
    for _ in 0..3 {
        client.device().unwrap();
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn a_device_with_another_certificate_is_not_spoken_to() {
    let world = World::new();
    let pin = "00".repeat(32).parse().unwrap();
    let client = api_client::Client::new(&world.address.to_string(), pin, &world.authority.credentials("developer")).unwrap();
    let error = client.device().unwrap_err();
    let ClientError::WrongDevice { found, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*found, world.pin);
    assert!(world.played.requests.lock().unwrap().is_empty());
}
