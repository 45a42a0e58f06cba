//! The part of init: files, sockets, and the daemon's process; and the owner's questions.

use crate::{
    act,
    peers::{self, Shared},
};
use ipc::{
    CallError, Client,
    messages::app_manager::{AppLog, Apps, Request},
};
use manifest::{
    api::{AppState, AppStatus, LogLine},
    names::ComponentId,
    service::ServiceTable,
};
use rustix::{
    fd::OwnedFd,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with},
};
use std::{
    os::unix::{
        fs::{PermissionsExt, chown},
        net::UnixDatagram,
        process::CommandExt,
    },
    process::{Child, Command, ExitCode},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

pub const NOTIFY_FOLDER: &str = "/run/apps";
pub const APP_MANAGER: u32 = 1002;
const LONGEST: Duration = Duration::from_secs(20);

pub struct World {
    pub shared: Arc<Mutex<Shared>>,
    listener: OwnedFd,
    notify: UnixDatagram,
    pub daemon: Child,
}

/// Sets the stage, runs every act, and counts.
pub fn play() -> ExitCode {
    files();
    let table = ServiceTable::parse(SERVICES.as_bytes()).expect("service table");
    let shared = Arc::new(Mutex::new(Shared::default()));
    let (monitor, launcher) = (listener("security-monitor"), listener("launcher"));
    let (table_of_monitor, known) = (table.clone(), Arc::clone(&shared));
    std::thread::spawn(move || peers::monitor(monitor, table_of_monitor, &known));
    let known = Arc::clone(&shared);
    std::thread::spawn(move || peers::launcher(&launcher, &table, &known));
    let notify = UnixDatagram::bind("/run/notify/app-manager").expect("notify socket");
    std::fs::set_permissions("/run/notify/app-manager", std::fs::Permissions::from_mode(0o666)).expect("mode");
    notify.set_read_timeout(Some(LONGEST)).expect("time-out");
    let listener = listener("app-manager");
    let daemon = start(&listener);
    let mut world = World { shared, listener, notify, daemon };
    world.wait_ready();
    for (name, act) in act::ACTS {
        act(&mut world);
        eprintln!("test {name} ... ok");
    }
    eprintln!("{} passed, 0 failed", act::ACTS.len());
    ExitCode::SUCCESS
}

impl World {
    /// Kills app-manager and starts it again.
    pub fn restart_daemon(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
        self.daemon = start(&self.listener);
        self.wait_ready();
    }

    fn wait_ready(&self) {
        let mut bytes = [0; 4096];
        loop {
            let count = self.notify.recv(&mut bytes).expect("READY=1 of app-manager");
            if bytes[..count].starts_with(b"READY=1") {
                return;
            }
        }
    }
}

pub fn call<R: serde::de::DeserializeOwned>(request: &Request) -> Result<R, CallError> {
    Client::connect("app-manager").unwrap().call(request, &[]).map(|(reply, _)| reply)
}

pub fn id() -> ComponentId {
    ID.parse().unwrap()
}

pub fn status() -> AppStatus {
    call(&Request::Status { component: id() }).unwrap()
}

pub fn list() -> Vec<AppStatus> {
    call::<Apps>(&Request::List { after: None }).unwrap().apps
}

pub fn log(after: u64) -> Vec<LogLine> {
    call::<AppLog>(&Request::Log { component: id(), after, limit: 1000 }).unwrap().lines
}

/// Waits until the app is in this state, in a generation of at least this number.
pub fn wait_state(state: AppState, generation: u64) -> AppStatus {
    wait(&format!("{state:?} in generation {generation}"), || {
        Some(status()).filter(|status| status.state == state && status.generation >= generation)
    })
}

pub fn wait<T>(what: &str, condition: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < LONGEST, "waited in vain for {what}; status {:?}", list());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What init and an earlier installation left, and control group files without a kernel behind them.
fn files() {
    let write = |path: &str, text: &str| {
        std::fs::write(path, text).expect(path);
        chown(path, Some(APP_MANAGER), Some(APP_MANAGER)).expect(path);
    };
    let folder = |path: &str, mode: u32| {
        std::fs::create_dir_all(path).expect(path);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect(path);
        chown(path, Some(APP_MANAGER), Some(APP_MANAGER)).expect(path);
    };
    for (path, mode) in [("/data/apps", 0o750), ("/data/logs/apps", 0o700), ("/run/apps", 0o755), ("/sys/fs/cgroup/apps", 0o755)]
    {
        folder(path, mode);
    }
    write("/usr/lib/holdfast/services.json", SERVICES);
    write(
        "/usr/lib/holdfast/image.json",
        r#"{"name":"Test","version":"1","build_time":0,"platform_abi":1,"downgrade":"developer","debug":"developer"}"#,
    );
    write("/usr/lib/holdfast/board.json", r#"{"name":"Test"}"#);
    write("/sys/fs/cgroup/apps/cgroup.subtree_control", "cpu io memory pids");
    for generation in 1..=50 {
        let group = format!("/sys/fs/cgroup/apps/{ID}-{generation}");
        folder(&group, 0o755);
        for file in [
            "memory.max",
            "memory.swap.max",
            "memory.oom.group",
            "pids.max",
            "cpu.max",
            "cpu.weight",
            "io.max",
            "cgroup.procs",
            "cgroup.kill",
            "memory.events",
        ] {
            write(&format!("{group}/{file}"), "0");
        }
        write(&format!("{group}/cgroup.events"), "populated 0\nfrozen 0\n");
    }
    let table =
        format!(r#"{{"schema":1,"next_uid":100001,"components":{{"{ID}":{{"uid":100000,"wanted":"running","floor":1}}}}}}"#);
    write("/data/apps/table.json", &table);
    for path in [format!("/data/apps/{ID}"), format!("/data/apps/{ID}/current"), format!("/data/apps/{ID}/incoming")] {
        folder(&path, 0o700);
    }
    write(&format!("/data/apps/{ID}/current/image.erofs"), &"\0".repeat(4096));
    write(&format!("/data/apps/{ID}/current/envelope"), &manifest(ID, ""));
    write(&format!("/data/apps/{ID}/incoming/image.erofs"), "half");
}

/// An app's manifest with these environment variables.
pub fn manifest(id: &str, environment: &str) -> String {
    format!(
        r#"{{"SchemaVersion":1,"Name":"Test app","ComponentId":"{id}","EntryPoint":"/bin/app","Capabilities":{{"MutableStorage":{{"SizeKB":64}}}},
        "Holdfast":{{"ReadyTimeout":10,"StopGrace":1,"Environment":{{{environment}}}}}}}"#
    )
}

fn listener(service: &str) -> OwnedFd {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let path = format!("/run/ipc/{service}.sock");
    bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).unwrap();
    listen(&socket, 16).unwrap();
    socket
}

/// Starts app-manager as init does: own uid, the listener as descriptor 3.
fn start(listener: &OwnedFd) -> Child {
    let mut command = Command::new("/usr/bin/sh");
    command.args(["-c", "exec /app-manager 3<&0 </dev/null"]).stdin(listener.try_clone().unwrap());
    command.env_clear().uid(APP_MANAGER).gid(APP_MANAGER);
    command
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", "ipc")
        .env("NOTIFY_SOCKET", "/run/notify/app-manager")
        .env("WATCHDOG_USEC", "15000000");
    command.spawn().unwrap()
}

pub const ID: &str = "25025d2c-66da-4448-bae1-ac26fcdd3627";

const SERVICES: &str = r#"{"services":[
    {"name":"security-monitor","purpose":"p","exec":"/x","uid":1001,"gid":1001,"callers":{"app-manager":["*"],"owner":["*"]},"on_exit":"restart","memory":"8MiB","pids":4},
    {"name":"launcher","purpose":"p","exec":"/x","uid":1003,"gid":1020,"callers":{"app-manager":["*"]},"on_exit":"restart","memory":"8MiB","pids":4},
    {"name":"app-manager","purpose":"p","exec":"/x","uid":1002,"gid":1002,"callers":{"owner":["*"]},"on_exit":"restart","memory":"8MiB","pids":4},
    {"name":"owner","purpose":"p","exec":"/x","uid":0,"gid":0,"capabilities":["ALL"],"on_exit":"restart","memory":"8MiB","pids":4}]}"#;
