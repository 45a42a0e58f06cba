//! Two apps that are served, over real sockets.

use super::*;
use crate::{
    app::CONNECTIONS_LIMIT,
    outside::Power,
    pace::{CHANGES, REQUESTS},
    peers::ARRIVING_LIMIT,
};
use ipc::{messages::app_manager, packet};
use manifest::{
    api::{Done, ErrorBody, ErrorClass},
    names::TimeZone,
    services::{Certificate, Certificates, Memory, Network, Peer, PutOff, Reply, Request, UPDATES_LIMIT, UpdateState, Updates},
};
use rustix::{
    net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with},
    process::getuid,
};
use std::io::Write;

const A: &str = "aaaaaaaa-66da-4448-bae1-ac26fcdd3627";
const B: &str = "bbbbbbbb-66da-4448-bae1-ac26fcdd3627";

#[derive(Default)]
struct Heard {
    down: Vec<Power>,
    reports: usize,
    certificates: BTreeMap<ComponentId, Vec<u8>>,
    put_off: Vec<(Instance, ComponentId, u32)>,
}

impl Outside for Heard {
    fn go_down(&mut self, power: Power, _: &ComponentId) -> Result<(), ErrorBody> {
        self.down.push(power);
        Ok(())
    }

    fn report(&mut self, _: &ComponentId, _: &str) {
        self.reports += 1;
    }

    fn set_clock(&mut self, app: &ComponentId, _: u64) -> Result<Done, ErrorBody> {
        panic!("{app} has no right to it");
    }

    fn set_time_zone(&mut self, by: &Instance, _: TimeZone) -> Result<Done, ErrorBody> {
        panic!("{by} has no right to it");
    }

    fn put_off_update(&mut self, by: &Instance, app: ComponentId, seconds: u32) -> Result<PutOff, ErrorBody> {
        self.put_off.push((by.clone(), app, seconds));
        Ok(PutOff { seconds: seconds.min(60).into() })
    }

    fn network(&mut self) -> Result<Network, ErrorBody> {
        Ok(Network { links: Vec::new() })
    }

    fn certificates(&mut self, app: &ComponentId) -> Result<Option<Vec<u8>>, ErrorBody> {
        Ok(self.certificates.get(app).cloned())
    }

    fn set_certificates(&mut self, app: &ComponentId, document: &[u8]) -> Result<(), ErrorBody> {
        self.certificates.insert(app.clone(), document.to_vec());
        Ok(())
    }
}

struct World {
    folder: tempfile::TempDir,
    services: Services<Heard>,
}

fn id(text: &str) -> ComponentId {
    text.parse().unwrap()
}

fn instance(app: &str) -> Instance {
    Instance { component: id(app), generation: 1 }
}

fn socket() -> OwnedFd {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), services: Services::new(Heard::default()).unwrap() }
    }

    fn listener(&self, app: &str) -> OwnedFd {
        let path = self.folder.path().join(app);
        let _ = std::fs::remove_file(&path);
        let listener = socket();
        bind(&listener, &SocketAddrUnix::new(path).unwrap()).unwrap();
        listen(&listener, 8).unwrap();
        listener
    }

    fn begin(&mut self, app: &str, rights: Rights) {
        self.begin_as(app, rights, getuid().as_raw());
    }

    fn begin_as(&mut self, app: &str, rights: Rights, uid: u32) {
        let listener = self.listener(app);
        let file = |text: &str| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            OwnedFd::from(file)
        };
        let descriptors = vec![listener, file("4096\n"), file("8192\n")];
        self.services.begin(instance(app), uid, rights, 1 << 20, descriptors).unwrap();
    }

    fn client(&mut self, app: &str) -> OwnedFd {
        let client = socket();
        connect(&client, &SocketAddrUnix::new(self.folder.path().join(app)).unwrap()).unwrap();
        self.turns();
        client
    }

    fn turns(&mut self) {
        loop {
            let tokens = self.services.poller.wait(Some(Duration::ZERO)).unwrap();
            if tokens.is_empty() {
                return;
            }
            tokens.into_iter().for_each(|token| self.services.handle(token));
        }
    }

    fn ask<T: serde::de::DeserializeOwned>(&mut self, client: &OwnedFd, request: &str) -> (Reply<T>, Vec<OwnedFd>) {
        rustix::net::send(client, request.as_bytes(), SendFlags::NOSIGNAL).unwrap();
        self.turns();
        packet::receive(client).and_then(packet::Raw::parse).unwrap()
    }

    fn refusal(&mut self, client: &OwnedFd, request: &str) -> ErrorBody {
        match self.ask::<serde_json::Value>(client, request).0 {
            Reply::Error(body) => body,
            Reply::Ok(value) => panic!("{request} was answered with {value}"),
        }
    }
}

fn rights_to_memory() -> Rights {
    Rights { memory: true, ..Rights::default() }
}

fn peers(app: &str) -> Rights {
    Rights { peers: vec![id(app)], ..Rights::default() }
}

fn is_closed(client: &OwnedFd) -> bool {
    rustix::net::recv(client, &mut [0; 1][..], RecvFlags::DONTWAIT).is_ok_and(|(_, length)| length == 0)
}

#[test]
fn an_app_reads_its_own_figures_and_is_refused_what_its_manifest_does_not_list() {
    let mut world = World::new();
    world.begin(A, rights_to_memory());
    let client = world.client(A);
    let expected = Memory { used_bytes: 4096, peak_bytes: 8192, limit_bytes: 1 << 20 };
    assert_eq!(world.ask::<Memory>(&client, r#"{"memory":{}}"#).0, Reply::Ok(expected));
    for (request, line) in [
        (r#"{"reset-memory-peak":{}}"#, "ResetMemoryWatermarks"),
        (r#"{"reboot":{}}"#, "ForceReboot"),
        (r#"{"power-off":{}}"#, "ForcePowerDown"),
        (r#"{"accept":{}}"#, "AllowedApplicationConnections"),
    ] {
        let body = world.refusal(&client, request);
        assert!(body.class == ErrorClass::NotGranted && body.hint.as_ref().unwrap().contains(line), "{body:?}");
    }
    assert!(world.services.outside.down.is_empty());
}

#[test]
fn power_is_asked_of_init_only_by_an_app_with_the_right() {
    let mut world = World::new();
    world.begin(A, Rights { reboot: true, power_off: true, ..Rights::default() });
    let client = world.client(A);
    assert_eq!(world.ask::<Done>(&client, r#"{"reboot":{}}"#).0, Reply::Ok(Done {}));
    assert_eq!(world.ask::<Done>(&client, r#"{"power-off":{}}"#).0, Reply::Ok(Done {}));
    assert_eq!(world.services.outside.down, [Power::Reboot, Power::Off]);
}

#[test]
fn nobody_else_speaks_on_an_apps_socket() {
    let mut world = World::new();
    world.begin_as(A, rights_to_memory(), getuid().as_raw() + 1);
    let client = world.client(A);
    assert!(is_closed(&client) && world.services.apps[&id(A)].connections.is_empty());
}

#[test]
fn garbage_gets_an_error_each_time_and_one_report() {
    let mut world = World::new();
    world.begin(A, rights_to_memory());
    let client = world.client(A);
    for garbage in ["{", "null", r#"{"memory":{"x":1}}"#, "\u{0}", &"x".repeat(SERVICE_PACKET_LIMIT + 1)] {
        assert_eq!(world.refusal(&client, garbage).class, ErrorClass::BadInput);
    }
    assert_eq!(world.services.outside.reports, 1);
    assert!(matches!(world.ask::<Memory>(&client, r#"{"memory":{}}"#).0, Reply::Ok(_)), "and it can go on");
}

#[test]
fn descriptors_that_an_app_sends_are_not_kept() {
    let mut world = World::new();
    world.begin(A, rights_to_memory());
    let client = world.client(A);
    let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
    for _ in 0..10 {
        use rustix::fd::AsFd;
        packet::send(&client, &serde_json::json!({"memory": {}}), &[client.as_fd(); 20]).unwrap();
        world.turns();
        packet::receive(&client).unwrap();
    }
    // Other tests of this process open files too, but not two hundred.
    assert!(std::fs::read_dir("/proc/self/fd").unwrap().count() < before + 100);
}

#[test]
fn a_flood_costs_the_app_that_sends_it_and_nobody_else() {
    let mut world = World::new();
    world.begin(A, rights_to_memory());
    world.begin(B, rights_to_memory());
    let (hostile, victim) = (world.client(A), world.client(B));
    let mut sent = 0;
    while rustix::net::send(&hostile, b"garbage", SendFlags::NOSIGNAL | SendFlags::DONTWAIT).is_ok() {
        sent += 1;
    }
    assert!(sent > REQUESTS, "only {sent} packets fit into the socket");
    world.turns();
    assert!(matches!(world.ask::<Memory>(&victim, r#"{"memory":{}}"#).0, Reply::Ok(_)));
    // It reads no reply: after a few of them, which count as this daemon's memory, the connection is over.
    assert!(world.services.apps[&id(A)].connections.is_empty() && world.services.deadline().is_none());
}

#[test]
fn an_app_that_asks_too_fast_waits_until_the_second_is_over() {
    let mut world = World::new();
    world.begin(A, rights_to_memory());
    world.begin(B, rights_to_memory());
    let (fast, victim) = (world.client(A), world.client(B));
    let mut answered = 0;
    while world.services.deadline().is_none() {
        assert!(matches!(world.ask::<Memory>(&fast, r#"{"memory":{}}"#).0, Reply::Ok(_)));
        answered += 1;
        assert!(answered <= REQUESTS, "nothing holds it up");
    }
    rustix::net::send(&fast, br#"{"memory":{}}"#, SendFlags::NOSIGNAL).unwrap();
    world.turns();
    assert!(rustix::net::recv(&fast, &mut [0; 1024][..], RecvFlags::DONTWAIT).is_err(), "it was answered too soon");
    assert!(matches!(world.ask::<Memory>(&victim, r#"{"memory":{}}"#).0, Reply::Ok(_)));
    let over = world.services.deadline().unwrap();
    world.services.resume(over);
    world.turns();
    assert!(rustix::net::recv(&fast, &mut [0; 1024][..], RecvFlags::DONTWAIT).is_ok(), "it is never heard again");
}

#[test]
fn an_app_has_a_few_connections_and_not_more() {
    let mut world = World::new();
    world.begin(A, rights_to_memory());
    let clients: Vec<OwnedFd> = (0..CONNECTIONS_LIMIT + 2).map(|_| world.client(A)).collect();
    assert_eq!(clients.iter().filter(|client| is_closed(client)).count(), 2);
    drop(clients);
    world.turns();
    assert!(!is_closed(&world.client(A)));
}

#[test]
fn two_apps_that_name_each_other_are_connected() {
    let mut world = World::new();
    world.begin(A, peers(B));
    world.begin(B, peers(A));
    let (a, b) = (world.client(A), world.client(B));
    // Whoever accepts first waits; whoever comes first waits too.
    rustix::net::send(&b, br#"{"accept":{}}"#, SendFlags::empty()).unwrap();
    world.turns();
    for _ in 0..2 {
        let (reply, own) = world.ask::<Peer>(&a, &format!(r#"{{"connect":{{"app":"{B}"}}}}"#));
        assert_eq!(reply, Reply::Ok(Peer { app: id(B) }));
        let (reply, other): (Reply<Peer>, _) = packet::receive(&b).and_then(packet::Raw::parse).unwrap();
        assert_eq!(reply, Reply::Ok(Peer { app: id(A) }));
        rustix::net::send(&own[0], b"hello", SendFlags::empty()).unwrap();
        let mut bytes = [0; 16];
        let (_, length) = rustix::net::recv(&other[0], &mut bytes[..], RecvFlags::DONTWAIT).unwrap();
        assert_eq!(&bytes[..length], b"hello");
        rustix::net::send(&b, br#"{"accept":{}}"#, SendFlags::empty()).unwrap();
        world.turns();
    }
}

#[test]
fn an_app_that_is_not_named_or_does_not_run_cannot_be_connected_to() {
    let mut world = World::new();
    world.begin(A, peers(B));
    let client = world.client(A);
    let connect = format!(r#"{{"connect":{{"app":"{B}"}}}}"#);
    assert_eq!(world.refusal(&client, &connect).class, ErrorClass::Conflict);
    // It runs, and names somebody else.
    world.begin(B, peers("cccccccc-66da-4448-bae1-ac26fcdd3627"));
    let body = world.refusal(&client, &connect);
    assert!(body.class == ErrorClass::NotGranted && body.hint.as_ref().unwrap().contains(A), "{body:?}");
    // And the one that is named, but names nobody back, cannot connect either.
    let other = world.client(B);
    assert_eq!(world.refusal(&other, &format!(r#"{{"connect":{{"app":"{A}"}}}}"#)).class, ErrorClass::NotGranted);
}

#[test]
fn connections_that_nobody_accepts_are_bounded_and_end_with_the_app() {
    let mut world = World::new();
    world.begin(A, peers(B));
    world.begin(B, peers(A));
    let client = world.client(A);
    let connect = format!(r#"{{"connect":{{"app":"{B}"}}}}"#);
    let ends: Vec<OwnedFd> = (0..ARRIVING_LIMIT).map(|_| world.ask::<Peer>(&client, &connect).1.remove(0)).collect();
    assert_eq!(world.refusal(&client, &connect).class, ErrorClass::Conflict);
    world.services.ended(&instance(B));
    assert!(ends.iter().all(is_closed), "the other ends are gone");
}

#[test]
fn what_an_app_that_ended_sent_to_one_that_never_accepted_is_gone() {
    let mut world = World::new();
    world.begin(A, peers(B));
    world.begin(B, peers(A));
    let client = world.client(A);
    let own = world.ask::<Peer>(&client, &format!(r#"{{"connect":{{"app":"{B}"}}}}"#)).1.remove(0);
    let (held, seen) = rustix::pipe::pipe().unwrap();
    packet::send(&own, &1, &[std::os::fd::AsFd::as_fd(&held)]).unwrap();
    drop((own, held));
    world.services.ended(&instance(A));
    assert_eq!(rustix::io::write(&seen, b"x"), Err(rustix::io::Errno::PIPE), "somebody still holds what it sent");
    // The next instance begins with nothing of the one before it.
    world.begin(A, peers(B));
    let client = world.client(A);
    let connect = format!(r#"{{"connect":{{"app":"{B}"}}}}"#);
    assert!((0..ARRIVING_LIMIT).all(|_| !world.ask::<Peer>(&client, &connect).1.is_empty()));
}

#[test]
fn whoever_asks_something_else_no_longer_waits_for_a_peer() {
    let mut world = World::new();
    world.begin(A, Rights { memory: true, ..peers(B) });
    let client = world.client(A);
    rustix::net::send(&client, br#"{"accept":{}}"#, SendFlags::empty()).unwrap();
    let (first, _) = world.ask::<Peer>(&client, r#"{"memory":{}}"#);
    assert!(matches!(first, Reply::Error(body) if body.class == ErrorClass::Conflict), "replies in the order of asking");
    let (second, _): (Reply<Memory>, _) = packet::receive(&client).and_then(packet::Raw::parse).unwrap();
    assert!(matches!(second, Reply::Ok(_)));
}

#[test]
fn what_app_manager_tells_again_keeps_its_connections_and_what_it_does_not_is_gone() {
    let mut world = World::new();
    world.begin(A, rights_to_memory());
    world.begin(B, rights_to_memory());
    let (kept, lost) = (world.client(A), world.client(B));
    world.services.begin_telling();
    world.begin(A, rights_to_memory());
    world.services.complete();
    assert!(matches!(world.ask::<Memory>(&kept, r#"{"memory":{}}"#).0, Reply::Ok(_)));
    assert!(is_closed(&lost) && world.services.apps.len() == 1);
    // And the socket that was made anew is listened to.
    assert!(!is_closed(&world.client(A)));
    // A message about an earlier instance does nothing to its successor.
    world.services.ended(&Instance { component: id(A), generation: 0 });
    assert_eq!(world.services.apps.len(), 1);
}

#[test]
fn an_apps_certificates_are_its_own_and_few_changes_are_taken_in_a_minute() {
    let mut world = World::new();
    let rights = || Rights { certificates: true, ..Rights::default() };
    world.begin(A, rights());
    world.begin(B, rights());
    let (one, other) = (world.client(A), world.client(B));
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    let put = Request::PutCertificate {
        name: "root".parse().unwrap(),
        certificate: made.cert.pem(),
        private_key: Some(made.signing_key.serialize_pem()),
    };
    let put = serde_json::to_string(&put).unwrap();
    assert!(matches!(world.ask::<Done>(&one, &put).0, Reply::Ok(_)));
    let list = |world: &mut World, client: &OwnedFd| match world.ask::<Certificates>(client, r#"{"certificates":{}}"#).0 {
        Reply::Ok(list) => list.certificates.len(),
        Reply::Error(body) => panic!("{body:?}"),
    };
    assert_eq!((list(&mut world, &one), list(&mut world, &other)), (1, 0));
    let got = world.ask::<Certificate>(&one, r#"{"certificate":{"name":"root"}}"#).0;
    assert!(matches!(got, Reply::Ok(got) if got.certificate == made.cert.pem() && got.private_key.is_some()));
    for _ in 1..CHANGES {
        assert!(matches!(world.ask::<Done>(&one, &put).0, Reply::Ok(_)));
    }
    assert_eq!(world.refusal(&one, &put).class, ErrorClass::Conflict);
    // Looking is no change, and the other app has its own share.
    assert_eq!(list(&mut world, &one), 1);
    assert!(matches!(world.ask::<Done>(&other, &put).0, Reply::Ok(_)));
}

fn ready(serial: u64, put_off: bool) -> (u64, Vec<app_manager::Update>) {
    let now = u64::try_from(clock::since_boot().as_millis()).unwrap();
    let state = if put_off { UpdateState::Deferred } else { UpdateState::Ready };
    let (at_ms, at_most_ms) = (now + 10_000, now + 60_000);
    (serial, vec![app_manager::Update { component: id(B), from: 1, to: 2, state, at_ms, at_most_ms }])
}

#[test]
fn an_app_hears_of_updates_when_something_changed_and_not_before() {
    let mut world = World::new();
    world.begin(A, Rights { updates: true, ..Rights::default() });
    let client = world.client(A);
    let ask = |world: &mut World, seen: u64| {
        let request = format!(r#"{{"updates":{{"seen":{seen}}}}}"#);
        rustix::net::send(&client, request.as_bytes(), SendFlags::NOSIGNAL).unwrap();
        world.turns();
    };
    let silent = || rustix::net::recv(&client, &mut [0; 1][..], RecvFlags::DONTWAIT | RecvFlags::PEEK).is_err();
    let hear = || match packet::receive(&client).and_then(packet::Raw::parse::<Reply<Updates>>).unwrap().0 {
        Reply::Ok(updates) => updates,
        Reply::Error(body) => panic!("{body:?}"),
    };
    ask(&mut world, 0);
    assert!(silent(), "app-manager told nothing yet");
    world.services.set_updates(5, Vec::new());
    assert_eq!(hear(), Updates { serial: 5, updates: Vec::new() });
    ask(&mut world, 5);
    assert!(silent(), "nothing changed");
    let (serial, updates) = ready(6, false);
    world.services.set_updates(serial, updates);
    let heard = hear();
    let update = &heard.updates[0];
    assert_eq!((heard.serial, &update.app, update.from, update.to, update.state), (6, &id(B), 1, 2, UpdateState::Ready));
    assert!((9..=10).contains(&update.seconds) && (59..=60).contains(&update.at_most_seconds), "{update:?}");
    // Two changes between two questions are one answer.
    for serial in [7, 8] {
        let (serial, updates) = ready(serial, true);
        world.services.set_updates(serial, updates);
    }
    ask(&mut world, 6);
    let heard = hear();
    assert_eq!((heard.serial, heard.updates[0].state), (8, UpdateState::Deferred));
    // Whoever asks something else waits no longer, and gets both answers in the order of asking.
    ask(&mut world, 8);
    assert_eq!(world.refusal(&client, r#"{"memory":{}}"#).class, ErrorClass::Conflict);
    let (reply, _) = packet::receive(&client).and_then(packet::Raw::parse::<Reply<Memory>>).unwrap();
    assert!(matches!(reply, Reply::Error(body) if body.class == ErrorClass::NotGranted));
}

#[test]
fn the_longest_list_of_updates_fits_into_a_reply() {
    let mut world = World::new();
    world.begin(A, Rights { updates: true, ..Rights::default() });
    let client = world.client(A);
    let longest = app_manager::Update {
        component: id(B),
        from: u64::MAX,
        to: u64::MAX,
        state: UpdateState::Deferred,
        at_ms: u64::MAX,
        at_most_ms: u64::MAX,
    };
    world.services.set_updates(u64::MAX, vec![longest; UPDATES_LIMIT]);
    let (reply, _) = world.ask::<Updates>(&client, r#"{"updates":{"seen":0}}"#);
    assert!(matches!(&reply, Reply::Ok(updates) if updates.updates.len() == UPDATES_LIMIT), "{reply:?}");
    assert!(serde_json::to_vec(&reply).unwrap().len() <= SERVICE_PACKET_LIMIT);
}

#[test]
fn an_app_puts_an_update_off_with_the_right_to_it_alone() {
    let mut world = World::new();
    world.begin(A, Rights { updates: true, ..Rights::default() });
    world.begin(B, Rights { put_off_updates: true, ..Rights::default() });
    let (a, b) = (world.client(A), world.client(B));
    let put_off = format!(r#"{{"put-off-update":{{"app":"{A}","seconds":3600}}}}"#);
    let allow = format!(r#"{{"allow-update":{{"app":"{A}"}}}}"#);
    assert!(world.refusal(&a, &put_off).hint.unwrap().contains("SoftwareUpdateDeferral"));
    assert!(world.services.outside.put_off.is_empty());
    assert_eq!(world.ask::<PutOff>(&b, &put_off).0, Reply::Ok(PutOff { seconds: 60 }));
    assert_eq!(world.ask::<PutOff>(&a, &allow).0, Reply::Ok(PutOff { seconds: 0 }));
    assert_eq!(world.ask::<PutOff>(&b, &allow).0, Reply::Ok(PutOff { seconds: 0 }));
    let asked = [(instance(B), id(A), 3600), (instance(A), id(A), 0), (instance(B), id(A), 0)];
    assert_eq!(world.services.outside.put_off, asked);
    // To put off is a change, of which few are taken in a minute; to let an update come is always taken.
    let refused = (0..CHANGES).map(|_| world.ask::<PutOff>(&b, &put_off).0).any(|reply| matches!(reply, Reply::Error(_)));
    assert!(refused && matches!(world.ask::<PutOff>(&b, &allow).0, Reply::Ok(_)));
}
