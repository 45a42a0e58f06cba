//! The same API in a process that is confined as on the device: what it gave up, it does not need.
//!
//! Without libtest's threads: a process confines itself while it has one. This program is its own child.

#[expect(dead_code, reason = "the part of it that attacks is the other test's")]
#[path = "over_tls/world.rs"]
mod world;

use std::{
    io::{BufRead, BufReader, Cursor, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
};
use world::{APP, World};

type Check = fn(&World);

const CHECKS: &[(&str, Check)] = &[
    ("a_confined_api_answers_every_question", answers_every_question),
    ("a_confined_api_takes_a_bundle", takes_a_bundle),
    ("a_confined_api_serves_many_clients_at_once", serves_many_clients),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, folder, authority] = arguments.as_slice()
        && mode == "serve"
    {
        serve_confined(Path::new(folder), authority);
        return ExitCode::FAILURE;
    }
    let mut child = None;
    let world = World::served(|folder, authority| {
        let (process, address) = start(folder, authority);
        child = Some(process);
        address
    });
    for (name, check) in CHECKS {
        check(&world);
        say(&format!("test {name} ... ok"));
    }
    if let Some(mut child) = child {
        let _ = child.kill();
        let _ = child.wait();
    }
    say(&format!("\ntest result: ok. {} passed; 0 failed", CHECKS.len()));
    ExitCode::SUCCESS
}

fn start(folder: &Path, authority: &str) -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["serve", folder.to_str().unwrap(), authority])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().parse().unwrap())
}

fn serve_confined(folder: &Path, authority: &str) {
    world::serve(folder, authority.as_bytes(), device_api::server::Limits::default(), |address| {
        device_api::confine::confine().unwrap();
        assert!(std::fs::File::open("/proc/version").is_err(), "not confined: a file can be opened");
        assert!(std::net::UdpSocket::bind("127.0.0.1:0").is_err(), "not confined: a socket can be made");
        assert!(Command::new("/bin/true").status().is_err(), "not confined: a program can be run");
        say(&address.to_string());
    });
}

fn answers_every_question(world: &World) {
    let client = world.client("developer");
    let app = APP.parse().unwrap();
    client.device().unwrap();
    client.services().unwrap();
    client.events(0, 1).unwrap();
    client.service_log(&"init".parse().unwrap(), 0, 1).unwrap();
    client.kernel_log(0, 1).unwrap();
    client.boot_trace().unwrap();
    client.network().unwrap();
    client.apps().unwrap();
    client.stop(&app).unwrap();
    client.policy(&app).unwrap();
    client.crashes().unwrap();
    assert_eq!(client.crash(7).unwrap().len(), world::REPORT);
    client.reboot().unwrap();
}

fn takes_a_bundle(world: &World) {
    let bundle = vec![7; 3_000_000];
    world.client("developer").install(Cursor::new(bundle.clone()), 3_000_000, |_| ()).unwrap();
    assert!(world.played.installed.lock().unwrap().as_ref() == Some(&bundle));
}

fn serves_many_clients(world: &World) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..5).for_each(|_| drop(world.client("viewer").device().unwrap())));
        }
    });
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
