//! What no client should send, and what clients must not get.

use crate::world::{APP, Authority, World};
use api_client::{Client, ClientError, Credentials};
use device_api::server::Limits;
use manifest::api::ErrorClass;
use std::{
    io::{Cursor, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

fn refused(result: Result<impl std::fmt::Debug, ClientError>) -> (u16, ErrorClass) {
    match result.unwrap_err() {
        ClientError::Refused { status, body } => (status, body.class),
        other => panic!("{other:?}"),
    }
}

fn not_admitted(world: &World, credentials: &Credentials) {
    let client = Client::new(&world.address.to_string(), world.pin.clone(), credentials).unwrap();
    let error = client.device().unwrap_err();
    assert!(matches!(error, ClientError::NotAdmitted { .. }), "{error:?}");
    assert!(world.played.requests.lock().unwrap().is_empty());
}

/// Sends bytes over TLS and takes what comes until the device closes.
fn exchange(world: &World, role: &str, bytes: &[u8]) -> String {
    let mut stream = world.tls(Some(&world.authority.credentials(role)));
    // The device may close before it has taken everything: then its answer counts, not our error.
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_client_without_a_certificate_gets_nothing() {
    let world = World::new();
    let mut stream = world.tls(None);
    let sent = stream.write_all(b"GET /v1/device HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut answer = Vec::new();
    let read = sent.and_then(|()| stream.read_to_end(&mut answer));
    assert!(read.is_err() && answer.is_empty(), "{read:?}");
    assert!(world.played.requests.lock().unwrap().is_empty());
    world.assert_alive();
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let world = World::new();
    not_admitted(&world, &Authority::new().credentials("developer"));
}

#[test]
fn an_expired_certificate_is_refused() {
    let world = World::new();
    not_admitted(&world, &world.authority.issue(Some("developer"), 1970, 2001));
}

#[test]
fn a_certificate_newer_than_the_clock_is_good_if_it_is_the_owners_and_ends_after_it_begins() {
    let world = World::new();
    not_admitted(&world, &world.authority.issue(Some("viewer"), 9000, 8000));
    not_admitted(&world, &Authority::new().issue(Some("viewer"), 9000, 9999));
    let newer = world.authority.issue(Some("viewer"), 9000, 9999);
    Client::new(&world.address.to_string(), world.pin.clone(), &newer).unwrap().device().unwrap();
}

#[test]
fn a_certificate_without_a_role_may_do_nothing() {
    let world = World::new();
    for role in [None, Some("admin"), Some("")] {
        let credentials = world.authority.issue(role, 1970, 9999);
        let client = Client::new(&world.address.to_string(), world.pin.clone(), &credentials).unwrap();
        assert_eq!(refused(client.device()), (403, ErrorClass::Forbidden));
    }
    assert!(world.played.requests.lock().unwrap().is_empty());
}

#[test]
fn a_viewer_can_only_look_and_an_operator_installs_nothing() {
    let world = World::new();
    let app = APP.parse().unwrap();
    let forbidden = (403, ErrorClass::Forbidden);
    let viewer = world.client("viewer");
    assert_eq!(refused(viewer.reboot()), forbidden);
    assert_eq!(refused(viewer.power_off()), forbidden);
    assert_eq!(refused(viewer.start(&app)), forbidden);
    assert_eq!(refused(viewer.stop(&app)), forbidden);
    assert_eq!(refused(viewer.restart(&app)), forbidden);
    for role in ["viewer", "operator"] {
        assert_eq!(refused(world.client(role).remove(&app)), forbidden);
        assert_eq!(refused(world.client(role).install(Cursor::new([0; 4096]), 4096, |_| ())), forbidden);
    }
    assert!(world.played.requests.lock().unwrap().is_empty());
    world.client("operator").stop(&app).unwrap();
}

#[test]
fn a_body_of_ten_gigabytes_is_refused_before_it_comes() {
    let world = World::new();
    let answer = exchange(&world, "developer", b"PUT /v1/apps HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000000\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"class\":\"bad-input\""), "{answer}");
    assert!(!world.played.requests.lock().unwrap().iter().any(|request| request.contains("BeginInstall")));
}

#[test]
fn an_upload_of_unknown_length_is_refused() {
    let world = World::new();
    let head = b"PUT /v1/apps HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    assert!(exchange(&world, "developer", head).starts_with("HTTP/1.1 411 "));
}

#[test]
fn an_upload_that_breaks_off_is_aborted() {
    let world = World::new();
    let mut stream = world.tls(Some(&world.authority.credentials("developer")));
    stream.write_all(b"PUT /v1/apps HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n").unwrap();
    stream.write_all(&[0; 5000]).unwrap();
    stream.flush().unwrap();
    world.played.wait_for("BeginInstall { size: 100000 }");
    let other = world.client("developer").install(Cursor::new([0; 4096]), 4096, |_| ());
    assert_eq!(refused(other), (409, ErrorClass::Conflict));
    drop(stream);
    world.played.wait_for("AbortInstall { token: 1 }");
    world.client("developer").install(Cursor::new([0; 4096]), 4096, |_| ()).unwrap();
}

#[test]
fn a_bundle_that_ends_early_on_the_clients_side_is_aborted() {
    let world = World::new();
    let error = world.client("developer").install(Cursor::new(vec![0; 1 << 20]), 2 << 20, |_| ()).unwrap_err();
    assert!(matches!(error, ClientError::Broken(_)), "{error:?}");
    world.played.wait_for("AbortInstall");
}

#[test]
fn bodies_where_none_belong_and_bad_queries_are_refused() {
    let world = World::new();
    for request in [
        &b"GET /v1/apps HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"[..],
        b"POST /v1/device/reboot HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
        b"GET /v1/device/dmesg?limit=0 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /v1/apps/not-an-id HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /v1/apps/..%2f..%2fetc HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ] {
        let answer = exchange(&world, "operator", request);
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"class\":\"usage\""), "{answer}");
    }
    assert!(world.played.requests.lock().unwrap().is_empty());
}

#[test]
fn a_refused_upload_still_gets_its_answer() {
    let world = World::new();
    let size = 8 << 20;
    let result = world.client("viewer").install(std::io::repeat(0), size, |_| ());
    assert_eq!(refused(result), (403, ErrorClass::Forbidden));
}

#[test]
fn garbage_inside_tls_is_answered_or_cut_off() {
    let world = World::new();
    let many: String = (0..200).map(|i| format!("x-{i}: y\r\n")).collect();
    let requests = [
        b"\x00\x01\x02\x03\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET /v1/device HTTP/9.9\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET /v1/device HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n".to_vec(),
        b"GET /v1/device HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_vec(),
        b"PUT /v1/apps HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        format!("GET /v1/device HTTP/1.1\r\n{many}\r\n").into_bytes(),
        format!("GET /v1/device?{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000)).into_bytes(),
        format!("GET /v1/device HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(100_000)).into_bytes(),
    ];
    for request in requests {
        let answer = exchange(&world, "developer", &request);
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(world.played.requests.lock().unwrap().is_empty());
    world.assert_alive();
}

#[test]
fn garbage_instead_of_tls_harms_nobody() {
    let world = World::new();
    // Records of TLS with wrong lengths, types and versions, plain HTTP, and noise from a fixed linear sequence.
    let mut seed = 1_u32;
    for round in 0..100_usize {
        let mut bytes =
            [&b"\x16\x03\x01\xff\xff\x01\x00"[..], b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x03\x00\x00", b"\x80\x2e\x01"]
                [round % 4]
                .to_vec();
        bytes.extend((0..round * 20).map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        }));
        let mut stream = TcpStream::connect(world.address).unwrap();
        let _ = stream.write_all(&bytes);
    }
    world.assert_alive();
}

#[test]
fn silent_connections_keep_nobody_out() {
    let world = World::new();
    let silent: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(world.address).unwrap()).collect();
    let begun = Instant::now();
    world.assert_alive();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    drop(silent);
}

#[test]
fn a_handshake_a_head_and_a_silence_that_last_too_long_are_cut_off() {
    let short = Duration::from_millis(300);
    let world = World::with(Limits { handshake: short, head: short, ..Limits::default() });
    let closes = |stream: &mut dyn Read| {
        let begun = Instant::now();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    };
    let mut silent = TcpStream::connect(world.address).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    closes(&mut silent);
    let credentials = world.authority.credentials("viewer");
    let mut dripping = world.tls(Some(&credentials));
    dripping.write_all(b"GET /v1/dev").unwrap();
    closes(&mut dripping);
    let mut idle = world.tls(Some(&credentials));
    idle.flush().unwrap();
    closes(&mut idle);
    world.assert_alive();
}

#[test]
fn more_connections_than_there_are_places_are_told_so() {
    let world = World::with(Limits { connections: 2, ..Limits::default() });
    let clients: Vec<Client> = (0..2).map(|_| world.client("viewer")).collect();
    for client in &clients {
        client.device().unwrap();
    }
    assert_eq!(refused(world.client("viewer").device()), (503, ErrorClass::Unavailable));
    drop(clients);
    let again = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        world.client("viewer").device().is_ok()
    });
    assert!(again, "places are not given back");
}
