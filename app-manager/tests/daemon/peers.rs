//! The stand-ins: security-monitor, launcher, and the app itself.

use crate::world::NOTIFY_FOLDER;
use ipc::{
    Incoming, Server,
    client::Answer,
    messages::{Instance, launcher, monitor},
};
use linux::poll::Poller;
use manifest::{
    api::{Done, ErrorBody, ErrorClass},
    app::AppManifest,
    service::ServiceTable,
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::MemfdFlags,
};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    os::{
        fd::AsRawFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitCode},
    sync::{Arc, Mutex},
    time::Duration,
};

/// What the monitor was told, and orders to the launcher.
#[derive(Default)]
pub struct Shared {
    pub threats: Vec<String>,
    pub launcher_dies: bool,
    pub dropped: Vec<String>,
    pub erased: Vec<u32>,
}

pub fn memfd(bytes: &[u8]) -> OwnedFd {
    let fd = rustix::fs::memfd_create("x", MemfdFlags::CLOEXEC).unwrap();
    std::fs::File::from(fd.try_clone().unwrap()).write_all(bytes).unwrap();
    fd
}

fn whole(fd: &OwnedFd) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap();
    file.take(1 << 20).read_to_end(&mut bytes).unwrap();
    bytes
}

/// A monitor that believes everything: the envelope is the manifest.
pub fn monitor(listener: OwnedFd, table: ServiceTable, shared: &Arc<Mutex<Shared>>) {
    let poller = Poller::new().unwrap();
    let mut server = Server::new(listener, "security-monitor".parse().unwrap(), table, &poller).unwrap();
    loop {
        for token in poller.wait(None).unwrap() {
            let Incoming::Request { request, descriptors, .. } = server.receive::<monitor::Request>(token, &poller) else {
                continue;
            };
            match request {
                monitor::Request::VerifyInstalled {} => {
                    let manifest = whole(&descriptors[1]);
                    server.answer(token, &Answer::Ok(verdict(&manifest, 4096)), &[memfd(&manifest).as_fd()]);
                }
                monitor::Request::VerifyBundle {} => {
                    let bundle = whole(&descriptors[0]);
                    let manifest = &bundle[4096..];
                    if manifest.first() != Some(&b'{') {
                        let body = ErrorBody { class: ErrorClass::Untrusted, message: "not signed".into(), hint: None };
                        server.answer(token, &Answer::<Done>::Error(body), &[]);
                        continue;
                    }
                    server.answer(
                        token,
                        &Answer::Ok(verdict(manifest, 4096)),
                        &[memfd(manifest).as_fd(), memfd(manifest).as_fd()],
                    );
                }
                monitor::Request::ReportThreat { kind, subject, detail } => {
                    shared.lock().unwrap().threats.push(format!("{kind:?} {subject} {detail}"));
                    server.answer(token, &Answer::Ok(Done {}), &[]);
                }
                monitor::Request::AddStorageKey { .. } => {
                    server.answer(token, &Answer::Ok(monitor::StorageKey { identifier: [7; 16] }), &[]);
                }
                monitor::Request::DropStorageKey { component } => {
                    shared.lock().unwrap().dropped.push(component.to_string());
                    server.answer(token, &Answer::Ok(Done {}), &[]);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn verdict(manifest: &[u8], image_size: u64) -> monitor::Verdict {
    let parsed = AppManifest::parse(manifest).unwrap();
    let version = parsed.holdfast.environment.get("VERSION").map_or(1, |text| text.parse().unwrap());
    let digest = format!("{version:064}");
    monitor::Verdict {
        component: parsed.component_id,
        version,
        version_name: None,
        platform_abi: 1,
        digest: digest.parse().unwrap(),
        image_size,
        envelope_size: 1,
        key_id: digest.parse().unwrap(),
    }
}

struct Running {
    child: Child,
    /// Read ends, notify socket, and in place of a filter's listener what nothing ever comes from.
    kept: [OwnedFd; 4],
    _quiet: OwnedFd,
}

/// A launcher that confines nothing and forgets everything when it is told to die.
pub fn launcher(listener: &OwnedFd, table: &ServiceTable, shared: &Arc<Mutex<Shared>>) {
    loop {
        live(listener.try_clone().unwrap(), table.clone(), shared);
    }
}

fn live(listener: OwnedFd, table: ServiceTable, shared: &Arc<Mutex<Shared>>) {
    let poller = Poller::new().unwrap();
    let mut server = Server::new(listener, "launcher".parse().unwrap(), table, &poller).unwrap();
    let (mut running, mut ended) = (BTreeMap::<Instance, Running>::new(), Vec::<launcher::Exited>::new());
    let mut subscriber = None;
    loop {
        if std::mem::take(&mut shared.lock().unwrap().launcher_dies) {
            for app in running.values_mut() {
                app.child.kill().unwrap();
                app.child.wait().unwrap();
            }
            return;
        }
        for (instance, app) in &mut running {
            let kill = format!("/sys/fs/cgroup/apps/{}-{}/cgroup.kill", instance.component, instance.generation);
            if std::fs::read(&kill).is_ok_and(|text| text.starts_with(b"1")) {
                std::fs::write(kill, "0").unwrap();
                let _ = app.child.kill();
            }
            if let Some(status) = app.child.try_wait().unwrap() {
                let how =
                    status.code().map_or_else(|| launcher::Ending::Signaled(status.signal().unwrap()), launcher::Ending::Exited);
                ended.push(launcher::Exited { instance: instance.clone(), how });
                if let Some(token) = subscriber {
                    server.push(token, ended.last().unwrap(), &[]);
                }
            }
        }
        running.retain(|instance, _| !ended.iter().any(|exited| exited.instance == *instance));
        for token in poller.wait(Some(Duration::from_millis(5))).unwrap() {
            let Incoming::Request { request, descriptors, .. } = server.receive::<launcher::Request>(token, &poller) else {
                continue;
            };
            match request {
                launcher::Request::Start { plan } => {
                    // These files have no kernel behind them: nobody else takes the order back.
                    std::fs::write(
                        format!("/sys/fs/cgroup/apps/{}-{}/cgroup.kill", plan.instance.component, plan.instance.generation),
                        "0",
                    )
                    .unwrap();
                    let app = start(&plan, &descriptors);
                    let started = launcher::Started { pid: app.child.id(), in_force: vec!["nothing: a stand-in".into()] };
                    server.answer(token, &Answer::Ok(started), &[app.kept[3].as_fd()]);
                    running.insert(plan.instance, app);
                }
                launcher::Request::Subscribe {} => {
                    subscriber = Some(token);
                    let list = running.iter().map(|(instance, app)| (instance.clone(), app.child.id())).collect();
                    let passed: Vec<_> = running.values().flat_map(|app| app.kept.each_ref().map(AsFd::as_fd)).collect();
                    server.answer(token, &Answer::Ok(launcher::Running { running: list, more: false }), &passed);
                    for exited in &ended {
                        server.push(token, exited, &[]);
                    }
                }
                launcher::Request::Terminate { instance } => {
                    let pid = i32::try_from(running[&instance].child.id()).unwrap();
                    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::TERM)
                        .unwrap();
                    server.answer(token, &Answer::Ok(Done {}), &[]);
                }
                launcher::Request::Acknowledge { instance } => {
                    ended.retain(|exited| exited.instance != instance);
                    server.answer(token, &Answer::Ok(Done {}), &[]);
                }
                launcher::Request::EraseStorage { uid, .. } => {
                    shared.lock().unwrap().erased.push(uid);
                    server.answer(token, &Answer::Ok(Done {}), &[]);
                }
                // An image here is its manifest.
                launcher::Request::OpenManifest {} => {
                    server.answer(token, &Answer::Ok(Done {}), &[memfd(&whole(&descriptors[0])).as_fd()]);
                }
                launcher::Request::PrepareStorage { .. } => server.answer(token, &Answer::Ok(Done {}), &[]),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn start(plan: &launcher::Plan, descriptors: &[OwnedFd]) -> Running {
    let at = |what: &launcher::PlanDescriptor| {
        descriptors[plan.descriptors.iter().position(|d| d == what).unwrap()].try_clone().unwrap()
    };
    let mut command = Command::new("/test");
    command.arg("app").args(&plan.arguments).env_clear().uid(plan.uid).gid(plan.uid);
    command.env("COMPONENT", plan.instance.component.as_str());
    command.envs(plan.environment.iter().map(|variable| variable.split_once('=').unwrap()));
    command
        .stdin(std::process::Stdio::null())
        .stdout(at(&launcher::PlanDescriptor::Stdout))
        .stderr(at(&launcher::PlanDescriptor::Stderr));
    let (listener, quiet) = rustix::pipe::pipe().unwrap();
    let kept = [
        at(&launcher::PlanDescriptor::StdoutRead),
        at(&launcher::PlanDescriptor::StderrRead),
        at(&launcher::PlanDescriptor::Notify),
        listener,
    ];
    Running { child: command.spawn().unwrap(), kept, _quiet: quiet }
}

/// Says READY=1 and hello, floods its log or stays mute if it is told to, and waits for a signal.
pub fn app() -> ExitCode {
    let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
    let path = format!("{NOTIFY_FOLDER}/{}/notify", std::env::var("COMPONENT").unwrap());
    // The instance's own socket, whatever has that name later: as launcher's bind mount does it.
    socket.connect(path).unwrap();
    if std::env::var("FLOOD").is_ok() {
        for i in 0..20_000 {
            println!("line {i}");
        }
    }
    println!("hello");
    eprintln!("trouble");
    if std::env::var("MUTE").is_err() {
        socket.send(b"READY=1\nSTATUS=waiting").unwrap();
    }
    for beat in 0u64.. {
        std::thread::sleep(Duration::from_millis(50));
        let _ = socket.send(format!("WATCHDOG=1\nX_BEAT={beat}").as_bytes());
        if std::fs::exists("/tmp/speak").unwrap_or(false) {
            let _ = socket.send(b"STATUS=spoke");
        }
    }
    ExitCode::SUCCESS
}
