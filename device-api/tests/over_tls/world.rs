//! A device API on this machine: real TLS on 127.0.0.1, real ipc sockets, and daemons that are played.

use api_client::{Client, Credentials};
use device_api::{
    identity::{Identity, SERVER_NAME},
    install::Uploads,
    operations::{Device, Facts},
    peers::{self, Peers},
    server::{self, Limits, Server},
    tls,
};
use ipc::{
    client::Answer,
    messages::{app_manager, crash_reporter, init, monitor, network},
    packet,
};
use manifest::{
    api::{AppState, AppStatus, CrashList, CrashReport, Done, ErrorBody, ErrorClass, InstallResult},
    names::{ComponentId, Sha256Hex},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::OFlags,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept, bind, listen, socket_with},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    thread,
};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::TLS13,
};

pub const APP: &str = "25025d2c-66da-4448-bae1-ac26fcdd3627";
/// Another one.
pub const ANOTHER_APP: &str = "35025d2c-66da-4448-bae1-ac26fcdd3627";

/// The machine that a test runs against.
pub struct World {
    pub address: SocketAddr,
    pub pin: Sha256Hex,
    pub authority: Authority,
    pub played: Arc<Played>,
    folder: tempfile::TempDir,
}

/// What the played daemons saw.
#[derive(Default)]
pub struct Played {
    pub requests: Mutex<Vec<String>>,
    pub uploads: Mutex<BTreeMap<u64, PathBuf>>,
    pub installed: Mutex<Option<Vec<u8>>>,
}

impl Played {
    /// Waits until a request with this text came.
    pub fn wait_for(&self, text: &str) {
        for _ in 0..1000 {
            if self.requests.lock().unwrap().iter().any(|request| request.contains(text)) {
                return;
            }
            thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("no request {text}: {:?}", self.requests.lock().unwrap());
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        Self::served(|folder, authority| {
            let (folder, authority) = (folder.to_owned(), authority.to_owned());
            let (sender, receiver) = mpsc::channel();
            thread::spawn(move || serve(&folder, authority.as_bytes(), limits, |address| sender.send(address).unwrap()));
            receiver.recv().unwrap()
        })
    }

    /// With the API as `start` starts it, given the folder with sockets and identity, and the owner's CA.
    pub fn served(start: impl FnOnce(&Path, &str) -> SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let played = Arc::new(Played::default());
        play(folder.path(), "init", played.clone(), init_answers);
        play(folder.path(), "security-monitor", played.clone(), monitor_answers);
        play(folder.path(), "network-manager", played.clone(), network_answers);
        play(folder.path(), "app-manager", played.clone(), app_manager_answers);
        play(folder.path(), "crash-reporter", played.clone(), crash_reporter_answers);
        let authority = Authority::new();
        let pin = Identity::load_or_make(folder.path()).unwrap().fingerprint();
        let address = start(folder.path(), &authority.pem);
        Self { address, pin, authority, played, folder }
    }

    /// As on a device whose image has no such service.
    pub fn without(self, service: &str) -> Self {
        std::fs::remove_file(self.folder.path().join(format!("{service}.sock"))).unwrap();
        self
    }

    /// A client with a certificate of this role.
    pub fn client(&self, role: &str) -> Client {
        Client::new(&self.address.to_string(), self.pin.clone(), &self.authority.credentials(role)).unwrap()
    }

    /// Still answers a known client.
    pub fn assert_alive(&self) {
        self.client("viewer").device().unwrap();
    }

    /// A TLS connection, for tests that write what no client would.
    pub fn tls(&self, credentials: Option<&Credentials>) -> StreamOwned<ClientConnection, std::net::TcpStream> {
        let provider = Arc::new(ring::default_provider());
        let pin = Arc::new(api_client::pin::Pin::new(self.pin.clone(), provider.clone()));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(pin);
        let config = match credentials {
            None => builder.with_no_client_auth(),
            Some(credentials) => {
                let chain = CertificateDer::pem_slice_iter(&credentials.certificate).map(Result::unwrap).collect();
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(&credentials.key).unwrap()).unwrap()
            }
        };
        let socket = std::net::TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), SERVER_NAME.try_into().unwrap()).unwrap(), socket)
    }
}

/// Serves the API of the world in `folder`; `ready` is told where, when all is open and nothing accepted yet.
pub fn serve(folder: &Path, authority: &[u8], limits: Limits, ready: impl FnOnce(SocketAddr)) {
    let tls = tls::acceptor(Identity::load_or_make(folder).unwrap(), authority).unwrap();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_io().enable_time().max_blocking_threads(peers::THREADS).build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    server::set_options(&listener).unwrap();
    ready(listener.local_addr().unwrap());
    let facts = Facts {
        name: "Test".parse().unwrap(),
        version: "1.0".into(),
        platform_abi: 1,
        board: "qemu".parse().unwrap(),
        machine_id: "0".repeat(32),
        kernel: "6.12".into(),
        downgrade: None,
        debug: None,
    };
    let device = Device { facts, peers: Arc::new(Peers::new(folder)), uploads: Uploads::default() };
    runtime.block_on(async { match Server::new(tls, device, limits).run(listener).await {} });
}

/// An owner's CA.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut wanted = CertificateParams::default();
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        wanted.distinguished_name.push(DnType::CommonName, "Owner");
        let issuer = CertifiedIssuer::self_signed(wanted, KeyPair::generate().unwrap()).unwrap();
        let pem = issuer.pem();
        Self { issuer, pem }
    }

    pub fn credentials(&self, role: &str) -> Credentials {
        self.issue(Some(role), 1970, 9999)
    }

    /// A client certificate, with this OU, for the time from the first day of one year to that of the other.
    pub fn issue(&self, role: Option<&str>, from: i32, until: i32) -> Credentials {
        let mut wanted = CertificateParams::default();
        wanted.distinguished_name.push(DnType::CommonName, "tester");
        if let Some(role) = role {
            wanted.distinguished_name.push(DnType::OrganizationalUnitName, role);
        }
        wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        (wanted.not_before, wanted.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = wanted.signed_by(&key, &self.issuer).unwrap();
        Credentials { certificate: certificate.pem().into_bytes(), key: key.serialize_pem().into_bytes() }
    }
}

/// Plays a daemon: each request on each connection is answered by `answers`.
fn play<Q, F>(folder: &Path, name: &str, played: Arc<Played>, answers: F)
where
    Q: DeserializeOwned + std::fmt::Debug,
    F: Fn(&Played, Q) -> (Answer<serde_json::Value>, Option<OwnedFd>) + Send + Clone + 'static,
{
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    bind(&socket, &SocketAddrUnix::new(folder.join(format!("{name}.sock"))).unwrap()).unwrap();
    listen(&socket, 16).unwrap();
    thread::spawn(move || {
        while let Ok(connection) = accept(&socket) {
            let (played, answers) = (played.clone(), answers.clone());
            thread::spawn(move || {
                while let Ok((request, _)) = packet::receive(&connection).and_then(packet::Raw::parse::<Q>) {
                    played.requests.lock().unwrap().push(format!("{request:?}"));
                    let (answer, passed) = answers(&played, request);
                    let passed: Vec<BorrowedFd<'_>> = passed.iter().map(AsFd::as_fd).collect();
                    let _ = packet::send(&connection, &answer, &passed);
                }
            });
        }
    });
}

fn ok(value: impl Serialize) -> (Answer<serde_json::Value>, Option<OwnedFd>) {
    (Answer::Ok(serde_json::to_value(value).unwrap()), None)
}

fn refused(class: ErrorClass, message: &str) -> (Answer<serde_json::Value>, Option<OwnedFd>) {
    (Answer::Error(ErrorBody { class, message: message.into(), hint: Some("a hint".into()) }), None)
}

fn init_answers(_: &Played, request: init::Request) -> (Answer<serde_json::Value>, Option<OwnedFd>) {
    match request {
        init::Request::Services {} => ok(init::Services { services: vec![], safe_mode: false, boot: 7 }),
        init::Request::BootTrace {} => ok(init::BootTrace { phases: vec![] }),
        init::Request::Reboot { .. } | init::Request::PowerOff { .. } => ok(Done {}),
    }
}

fn monitor_answers(_: &Played, request: monitor::Request) -> (Answer<serde_json::Value>, Option<OwnedFd>) {
    match request {
        monitor::Request::Status {} => ok(monitor::Status { trusted_keys: 1, last_event: 3, warnings: vec!["no TPM".into()] }),
        monitor::Request::Events { .. } => ok(monitor::Events { events: vec![] }),
        _ => ok(monitor::LogLines { lines: vec![] }),
    }
}

fn network_answers(_: &Played, request: network::Request) -> (Answer<serde_json::Value>, Option<OwnedFd>) {
    match request {
        network::Request::Links {} => ok(network::Links { links: vec!["eth0: up".into()] }),
        other => panic!("device-api may not ask for {other:?}"),
    }
}

/// Report 7 is a file of this many bytes, report 8 one that is too long; an answer for report 9 forgets its file,
/// and report 10 is a stream that never ends.
pub const REPORT: usize = 300_000;

fn crash_reporter_answers(_: &Played, request: crash_reporter::Request) -> (Answer<serde_json::Value>, Option<OwnedFd>) {
    use crash_reporter::Request;
    match request {
        Request::List {} => ok(CrashList { crashes: vec![crash()] }),
        Request::Open { number: number @ (7 | 8) } => {
            let file = tempfile::tempfile().unwrap();
            file.set_len(if number == 7 { REPORT as u64 } else { (1 << 20) + 1 }).unwrap();
            (ok(Done {}).0, Some(file.into()))
        }
        Request::Open { number: 10 } => {
            let (reads, writes) = std::os::unix::net::UnixStream::pair().unwrap();
            std::mem::forget(writes);
            (ok(Done {}).0, Some(reads.into()))
        }
        Request::Open { number: 9 } | Request::Delete { number: 7 } => ok(Done {}),
        _ => refused(ErrorClass::NotFound, "no such crash report"),
    }
}

fn crash() -> CrashReport {
    CrashReport {
        number: 7,
        component: APP.parse().unwrap(),
        name: "Doorbell".into(),
        version: 1,
        generation: 1,
        signal: 11,
        time_ms: 0,
        size: REPORT as u64,
        problem: None,
    }
}

fn app_manager_answers(played: &Played, request: app_manager::Request) -> (Answer<serde_json::Value>, Option<OwnedFd>) {
    use app_manager::Request;
    match request {
        // Two pages of one app each.
        Request::List { after } => {
            let id: ComponentId = if after.is_none() { APP } else { ANOTHER_APP }.parse().unwrap();
            ok(app_manager::Apps { apps: vec![status(id)], more: after.is_none() })
        }
        Request::BeginInstall { .. } => {
            let (_, path) = tempfile::NamedTempFile::new().unwrap().keep().unwrap();
            let file = linux::files::open(&path, OFlags::WRONLY).unwrap();
            let mut uploads = played.uploads.lock().unwrap();
            let token = uploads.len() as u64 + 1;
            uploads.insert(token, path);
            let (answer, _) = ok(app_manager::Upload { token });
            (answer, Some(file))
        }
        Request::CommitInstall { token, .. } => {
            let path = played.uploads.lock().unwrap().remove(&token).unwrap();
            // What the kernel demands of fs-verity, a lease demands too: nobody may have the file open for writing.
            let file = File::from(linux::files::open(&path, OFlags::RDONLY).unwrap());
            *played.installed.lock().unwrap() = Some(linux::files::read_from(&file, 1 << 30).unwrap());
            std::fs::remove_file(path).unwrap();
            ok(InstallResult { app: status(APP.parse().unwrap()), replaced: None })
        }
        Request::AbortInstall { token } => {
            std::fs::remove_file(played.uploads.lock().unwrap().remove(&token).unwrap()).unwrap();
            ok(Done {})
        }
        // The daemon hangs when it is asked to restart an app.
        Request::Restart { .. } => loop {
            thread::park();
        },
        Request::Remove { .. } => ok(Done {}),
        Request::Log { .. } => ok(app_manager::AppLog { lines: vec![] }),
        Request::Denials { .. } => ok(manifest::api::AppDenials { calls: vec![], unrecorded: 0, paths: vec!["none".into()] }),
        Request::Policy { .. } => ok(app_manager::Policy { grants: vec!["nothing".into()], in_force: vec![] }),
        Request::Status { component } | Request::Start { component } | Request::Stop { component }
            if component.as_str() == APP =>
        {
            ok(status(component))
        }
        _ => refused(ErrorClass::NotFound, "no such app"),
    }
}

fn status(component_id: ComponentId) -> AppStatus {
    AppStatus {
        component_id,
        name: "Doorbell".into(),
        version: 1,
        version_name: None,
        state: AppState::Running,
        generation: 1,
        pid: Some(100),
        status: None,
        last_exit: None,
        starts: 1,
        failures: 0,
        next_try_seconds: None,
        storage: None,
        uid: 100_000,
        ready_at_ms: None,
        returns_to: None,
        failed_update: None,
        waiting_update: None,
    }
}
