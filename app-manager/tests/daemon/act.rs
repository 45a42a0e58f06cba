//! What is looked at, in order: each act finds the app running and leaves it so, but for the last ones.

use crate::world::{APP_MANAGER, ID, World, call, id, list, log, manifest, status, wait, wait_state};
use ipc::{
    CallError, Client,
    messages::app_manager::{Policy, Request, Upload},
};
use manifest::api::{AppState, AppStatus, Done, Downgrade, ErrorClass, InstallResult, LogStream, When};
use rustix::process::{Pid, Signal, kill_process};
use std::{os::fd::OwnedFd, os::unix::net::UnixDatagram, path::Path};

type Act = fn(&mut World);

pub const ACTS: [(&str, Act); 18] = [
    ("an_installed_app_is_judged_started_and_gets_ready", starts),
    ("what_an_app_writes_and_what_the_manager_says_of_it_is_its_log", logs),
    ("a_stranger_cannot_speak_for_an_app", stranger),
    ("an_operator_stops_and_starts_an_app", stops_and_starts),
    ("an_app_that_is_killed_is_started_again_and_the_reason_kept", killed),
    ("an_app_goes_on_while_app_manager_dies_and_is_adopted", adopted),
    ("an_app_that_ended_while_app_manager_was_away_is_noticed", ended_meanwhile),
    ("when_launcher_dies_all_apps_are_started_again", launcher_dies),
    ("a_debuggers_session_ends_when_its_socket_is_closed_and_there_is_one_at_a_time", debugged),
    ("a_debuggers_session_ends_with_app_manager", debugged_over_a_restart),
    ("a_malformed_packet_and_unknown_ids_are_errors_and_the_first_is_reported", bad_requests),
    ("a_flood_of_lines_is_dropped_with_a_notice", flood),
    ("a_version_that_does_not_get_ready_gives_way_to_the_one_before", returns),
    ("an_update_that_waited_over_a_restart_is_installed_and_one_that_cannot_be_is_told", waited),
    ("a_refused_bundle_leaves_nothing_behind", refused_bundle),
    ("removing_an_app_leaves_its_uid_and_nothing_else", removed),
    ("files_that_cannot_be_read_take_no_daemon_away_and_the_table_is_told", lost),
    ("sigterm_ends_the_daemon_in_order", sigterm),
];

fn starts(_: &mut World) {
    let status = wait_state(AppState::Ready, 1);
    assert_eq!((status.name.as_str(), status.uid, status.version), ("Test app", 100_000, 1));
    assert!(status.ready_at_ms.is_some() && status.pid.is_some());
    assert_eq!(status.status.as_deref(), Some("waiting"));
    assert!(!Path::new(&format!("/data/apps/{ID}/incoming")).exists(), "what a broken installation left is cleared");
    let policy: Policy = call(&Request::Policy { component: id() }).unwrap();
    assert!(policy.grants.iter().any(|line| line.starts_with("storage: 64KiB")) && !policy.in_force.is_empty());
}

fn logs(_: &mut World) {
    let lines = wait("both lines", || {
        Some(log(0)).filter(|lines| lines.iter().filter(|line| line.stream != LogStream::System).count() == 2)
    });
    let text = |stream| lines.iter().find(|line| line.stream == stream).map(|line| line.text.as_str());
    assert_eq!((text(LogStream::Stdout), text(LogStream::Stderr)), (Some("hello"), Some("trouble")));
    assert!(lines.iter().any(|line| line.stream == LogStream::System && line.text == "ready"));
    assert!(lines.windows(2).all(|two| two[1].sequence == two[0].sequence + 1));
    assert_eq!(log(lines[0].sequence).len(), lines.len() - 1);
}

fn stranger(_: &mut World) {
    let socket = UnixDatagram::unbound().unwrap();
    socket.send_to(b"STATUS=hijacked", format!("/run/apps/{ID}/notify")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(status().status.as_deref(), Some("waiting"));
}

fn stops_and_starts(_: &mut World) {
    let before = status().generation;
    let _: AppStatus = call(&Request::Stop { component: id() }).unwrap();
    let stopped = wait_state(AppState::Stopped, before);
    assert_eq!((stopped.pid, stopped.last_exit.as_deref()), (None, Some("killed by signal 15")));
    let table = std::fs::read_to_string("/data/apps/table.json").unwrap();
    assert!(table.contains("\"stopped\""), "{table}");
    let _: AppStatus = call(&Request::Start { component: id() }).unwrap();
    wait_state(AppState::Ready, before + 1);
    let _: AppStatus = call(&Request::Restart { component: id() }).unwrap();
    wait_state(AppState::Ready, before + 2);
}

/// Has the app started by a debugger: the socket to that.
fn debug() -> OwnedFd {
    let answer = ipc::client::call::<_, Done>("app-manager", &Request::Debug { component: id() }, &[]);
    let (Done {}, descriptors) = answer.unwrap();
    descriptors.into_iter().next().unwrap()
}

fn debugged(_: &mut World) {
    let before = status().generation;
    let session = debug();
    wait_state(AppState::Ready, before + 1);
    let Err(CallError::Refused(body)) = call::<Done>(&Request::Debug { component: id() }) else { panic!("two sessions") };
    assert!(body.class == ErrorClass::Conflict && body.message.contains("already"), "{body:?}");
    drop(session);
    let after = wait_state(AppState::Ready, before + 2);
    assert_eq!(after.failures, 0, "{after:?}");
    // One that is stopped is debugged as well, and runs afterwards.
    let _: AppStatus = call(&Request::Stop { component: id() }).unwrap();
    let stopped = wait_state(AppState::Stopped, before + 2);
    let session = debug();
    wait_state(AppState::Ready, stopped.generation + 1);
    drop(session);
    wait_state(AppState::Ready, stopped.generation + 2);
}

fn debugged_over_a_restart(world: &mut World) {
    let before = status().generation;
    let session = debug();
    wait_state(AppState::Ready, before + 1);
    world.restart_daemon();
    wait_state(AppState::Ready, before + 2);
    drop(session);
}

fn kill_app() -> AppStatus {
    let before = status();
    kill_process(Pid::from_raw(i32::try_from(before.pid.unwrap()).unwrap()).unwrap(), Signal::KILL).unwrap();
    before
}

fn killed(_: &mut World) {
    let before = kill_app();
    let after = wait_state(AppState::Ready, before.generation + 1);
    assert_eq!(after.last_exit.as_deref(), Some("killed by signal 9"));
    assert_ne!(after.pid, before.pid);
}

fn adopted(world: &mut World) {
    let before = status();
    world.restart_daemon();
    let after = wait_state(AppState::Ready, before.generation);
    assert_eq!((after.pid, after.generation, after.ready_at_ms), (before.pid, before.generation, before.ready_at_ms));
    assert_eq!(after.status, before.status);
    assert_eq!(log(0).last().map(|line| line.text.contains("goes on under a new app-manager")), Some(true));
    // And it is still heard and obeyed.
    std::fs::write("/tmp/speak", "").unwrap();
    wait("its words", || (status().status.as_deref() == Some("spoke")).then_some(()));
    std::fs::remove_file("/tmp/speak").unwrap();
    let _: AppStatus = call(&Request::Restart { component: id() }).unwrap();
    wait_state(AppState::Ready, before.generation + 1);
}

fn ended_meanwhile(world: &mut World) {
    let before = status();
    world.daemon.kill().unwrap();
    world.daemon.wait().unwrap();
    kill_process(Pid::from_raw(i32::try_from(before.pid.unwrap()).unwrap()).unwrap(), Signal::KILL).unwrap();
    world.restart_daemon();
    let after = wait_state(AppState::Ready, before.generation + 1);
    assert_eq!(after.last_exit.as_deref(), Some("killed by signal 9"));
}

fn launcher_dies(world: &mut World) {
    let before = status();
    world.shared.lock().unwrap().launcher_dies = true;
    let after = wait_state(AppState::Ready, before.generation + 1);
    assert_eq!((after.last_exit.as_deref(), after.version), (Some("ended with launcher"), before.version));
}

fn bad_requests(world: &mut World) {
    let client = Client::connect("app-manager").unwrap();
    ipc::packet::send(&client, &"nonsense", &[]).unwrap();
    assert!(client.event::<ipc::client::Answer<Done>>().is_ok());
    wait("the threat", || {
        world.shared.lock().unwrap().threats.iter().any(|threat| threat.contains("MalformedPacket owner")).then_some(())
    });
    let stranger = "00000000-0000-0000-0000-000000000000".parse().unwrap();
    assert_eq!(class(call::<AppStatus>(&Request::Status { component: stranger })), ErrorClass::NotFound);
    assert_eq!(class(call::<Upload>(&Request::BeginInstall { size: u64::MAX })), ErrorClass::BadInput);
    assert_eq!(
        class(call::<Done>(&Request::CommitInstall { token: 1, downgrade: Downgrade::Refused, when: When::Convenient })),
        ErrorClass::NotFound
    );
}

fn flood(world: &mut World) {
    // The next version writes 20,000 lines.
    std::fs::write(format!("/data/apps/{ID}/current/envelope"), manifest(ID, r#""FLOOD":"1""#)).unwrap();
    let last = log(0).last().unwrap().sequence;
    let before = kill_app().generation;
    world.restart_daemon();
    let running = wait_state(AppState::Ready, before + 1);
    let notice = || log(last).iter().find(|line| line.text.contains("lines were dropped")).map(|line| line.text.clone());
    let _: AppStatus = call(&Request::Restart { component: id() }).unwrap();
    wait_state(AppState::Ready, running.generation + 1);
    wait("the notice", notice);
    std::fs::write(format!("/data/apps/{ID}/current/envelope"), manifest(ID, "")).unwrap();
}

fn returns(world: &mut World) {
    // As an update leaves it after its switch: this machine's file system has no fs-verity to install one.
    let mute = manifest(ID, r#""VERSION":"2","MUTE":"1""#).replace("\"ReadyTimeout\":10", "\"ReadyTimeout\":1");
    let (current, previous) = (format!("/data/apps/{ID}/current"), format!("/data/apps/{ID}/previous"));
    std::fs::create_dir(&previous).unwrap();
    for file in ["image.erofs", "envelope"] {
        std::fs::copy(format!("{current}/{file}"), format!("{previous}/{file}")).unwrap();
    }
    std::fs::write(format!("{current}/envelope"), mute).unwrap();
    std::fs::write(format!("{current}/trial"), r#"{"version":2,"returns_to":1,"failed":null}"#).unwrap();
    for path in [&previous, &format!("{current}/trial"), &format!("{previous}/image.erofs"), &format!("{previous}/envelope")] {
        std::os::unix::fs::chown(path, Some(APP_MANAGER), Some(APP_MANAGER)).unwrap();
    }
    let before = kill_app().generation;
    world.restart_daemon();
    let trial = wait_state(AppState::Updating, before + 1);
    assert_eq!((trial.version, trial.returns_to), (2, Some(1)));
    // The trial goes on under another app-manager.
    world.restart_daemon();
    assert_eq!(wait_state(AppState::Updating, trial.generation).returns_to, Some(1));
    let back = wait_state(AppState::Ready, trial.generation + 1);
    let failed = back.failed_update.clone().unwrap();
    assert_eq!((back.version, back.returns_to, failed.version), (1, None, 2));
    assert_eq!(failed.why, "killed: it did not say READY=1 in time");
    let told = "version 2 did not get ready (killed: it did not say READY=1 in time): version 1 is back";
    let mut lines = log(0);
    while !lines.iter().any(|line| line.text == told) {
        lines = log(lines.last().expect("the line that tells of the return").sequence);
    }
    assert!(world.shared.lock().unwrap().threats.iter().any(|threat| threat.contains("UpdateFailed") && threat.contains(told)));
    assert!(!Path::new(&format!("{previous}/image.erofs")).exists(), "the failed image takes space");
    // Who asks after a restart is told too.
    world.restart_daemon();
    assert_eq!(wait_state(AppState::Ready, back.generation).failed_update, back.failed_update);
}

fn waited(world: &mut World) {
    // As it is laid before the apps are told.
    let waiting = format!("/data/apps/{ID}/waiting");
    let lay = |version: &str| {
        std::fs::create_dir(&waiting).unwrap();
        for file in ["image.erofs", "envelope"] {
            std::fs::write(format!("{waiting}/{file}"), manifest(ID, &format!(r#""VERSION":"{version}""#))).unwrap();
        }
        for path in [&waiting, &format!("{waiting}/image.erofs"), &format!("{waiting}/envelope")] {
            std::os::unix::fs::chown(path, Some(APP_MANAGER), Some(APP_MANAGER)).unwrap();
        }
    };
    let before = status();
    lay("3");
    world.restart_daemon();
    let after = wait_state(AppState::Ready, before.generation + 1);
    assert_eq!((after.version, after.waiting_update, after.returns_to), (3, None, None));
    assert!(!Path::new(&waiting).exists());
    lay("2");
    world.restart_daemon();
    let told = wait("the end of the older one", || status().failed_update.filter(|failed| failed.version == 2));
    assert!(told.why.contains("older than 3"), "{told:?}");
    let after = wait_state(AppState::Ready, after.generation);
    assert_eq!((after.version, after.waiting_update), (3, None));
    assert!(!Path::new(&waiting).exists());
    assert_eq!(class(call::<InstallResult>(&Request::UpdateNow { component: id() })), ErrorClass::Conflict);
}

fn refused_bundle(_: &mut World) {
    let other = "11111111-2222-3333-4444-555555555555";
    let good = manifest(other, "");
    // Not signed; signed, but older than what was installed; asks for what the board lacks; good, where this machine's
    // file system has no fs-verity.
    let older = manifest(ID, r#""VERSION":"0""#);
    let network = good.replace("\"MutableStorage\"", "\"AllowedConnections\":[\"example.com\"],\"MutableStorage\"");
    let cases = [
        ("not signed by anybody whom this device knows", ErrorClass::Untrusted),
        (&older, ErrorClass::Conflict),
        (&network, ErrorClass::NotGranted),
        (&good, ErrorClass::Internal),
    ];
    for (bundle, expected) in cases {
        assert_eq!(class(install(bundle, Downgrade::Refused)), expected, "{bundle}");
        assert!(!Path::new(&format!("/data/apps/{other}")).exists());
        assert_eq!(list().len(), 1);
    }
    // On purpose the older one gets as far as the good one.
    assert_eq!(class(install(&older, Downgrade::Allowed)), ErrorClass::Internal);
    let names: Vec<_> = std::fs::read_dir("/data/apps").unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

fn install(manifest: &str, downgrade: Downgrade) -> Result<InstallResult, CallError> {
    let bundle = [&vec![0; 4096], manifest.as_bytes()].concat();
    let client = Client::connect("app-manager").unwrap();
    let (upload, writer): (Upload, _) = client.call(&Request::BeginInstall { size: bundle.len() as u64 }, &[])?;
    std::io::Write::write_all(&mut std::fs::File::from(writer.into_iter().next().unwrap()), &bundle).unwrap();
    let request = Request::CommitInstall { token: upload.token, downgrade, when: When::Convenient };
    client.call(&request, &[]).map(|(result, _)| result)
}

fn removed(world: &mut World) {
    let _: Done = call(&Request::Remove { component: id() }).unwrap();
    assert!(list().is_empty());
    for path in [format!("/data/apps/{ID}"), format!("/data/logs/apps/{ID}"), format!("/run/apps/{ID}")] {
        assert!(!Path::new(&path).exists(), "{path}");
    }
    assert_eq!(world.shared.lock().unwrap().dropped, [ID], "the key of its storage");
    assert_eq!(world.shared.lock().unwrap().erased, [100_000]);
    assert!(std::fs::read_to_string("/data/apps/table.json").unwrap().contains("100000"), "the uid is never given away again");
}

fn lost(world: &mut World) {
    std::fs::write("/data/apps/table.json", "garbage").unwrap();
    std::fs::write("/data/apps/time-zone", [b'A'; 300]).unwrap();
    world.restart_daemon();
    assert!(list().is_empty());
    wait("the event", || {
        let threats = &world.shared.lock().unwrap().threats;
        threats.iter().any(|threat| threat.starts_with("DataPartition table of apps ")).then_some(())
    });
    assert_eq!(std::fs::read_to_string("/data/apps/table.json.unreadable").unwrap(), "garbage");
}

fn sigterm(world: &mut World) {
    kill_process(Pid::from_raw(i32::try_from(world.daemon.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
    assert!(world.daemon.wait().unwrap().success());
}

fn class<T>(result: Result<T, CallError>) -> ErrorClass {
    match result {
        Err(CallError::Refused(body)) => body.class,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("was not refused"),
    }
}
