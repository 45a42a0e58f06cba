//! One TLS connection to a device, kept between calls.

use crate::{error::ClientError, pin::Pin, upload::Upload};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
    header::{CONNECTION, HOST, UPGRADE},
};
use hyper_util::rt::TokioIo;
use manifest::names::Sha256Hex;
use std::{
    error::Error,
    io,
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, split},
    net::TcpStream,
    runtime::Runtime,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, CertificateError, ClientConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
        version::TLS13,
    },
};

/// Certificate (chain) and key of a client, as PEM.
#[derive(Clone)]
pub struct Credentials {
    /// The certificate, and those between it and the CA if there are any.
    pub certificate: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
}

/// Where a device is, how it is known, and the connection if there is one.
pub struct Connection {
    address: String,
    pin: Arc<Pin>,
    tls: TlsConnector,
    runtime: Runtime,
    open: Option<Open>,
}

struct Open {
    line: Line,
    used: Instant,
}

/// One connection and the task that moves its bytes, which ends with it: the rest of a refused upload is not sent.
struct Line {
    sender: SendRequest<Upload>,
    task: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    /// Prepares a connection; nothing is sent yet.
    pub fn new(address: &str, pin: Sha256Hex, credentials: &Credentials) -> Result<Self, ClientError> {
        let unusable = |what: &str, error: &dyn std::fmt::Display| ClientError::Credentials(format!("{what}: {error}"));
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&credentials.certificate).collect();
        let chain = chain.map_err(|e| unusable("certificate", &e))?;
        let key = PrivateKeyDer::from_pem_slice(&credentials.key).map_err(|e| unusable("key", &e))?;
        let provider = Arc::new(ring::default_provider());
        let pin = Arc::new(Pin::new(pin, provider.clone()));
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|e| unusable("TLS", &e))?
            .dangerous()
            .with_custom_certificate_verifier(pin.clone())
            .with_client_auth_cert(chain, key)
            .map_err(|e| unusable("certificate", &e))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        Ok(Self {
            address: address.to_owned(),
            pin,
            tls: TlsConnector::from(Arc::new(config)),
            runtime: runtime.map_err(ClientError::Local)?,
            open: None,
        })
    }

    /// Where the device is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends a request and takes the whole answer, within `patience`.
    pub fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: Upload,
        patience: Duration,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let kept = self.open.take().filter(|open| open.used.elapsed() < KEPT && !open.line.sender.is_closed());
        let may_repeat = kept.is_some() && method == Method::GET;
        let Self { address, pin, tls, runtime, open } = self;
        runtime.block_on(async {
            let once = async {
                let line = match kept {
                    Some(kept) => kept.line,
                    None => connect(address, pin, tls).await?,
                };
                match send(line, method.clone(), path, address, body).await {
                    // The device closed a connection that was kept too long; nothing was carried out.
                    Err(ClientError::Broken(_)) if may_repeat => {
                        let line = connect(address, pin, tls).await?;
                        send(line, method, path, address, Upload::default()).await
                    }
                    result => result,
                }
            };
            let (line, status, bytes) = timeout(patience, once).await.map_err(|_| ClientError::TimedOut(patience))??;
            *open = line.map(|line| Open { line, used: Instant::now() });
            Ok((status, bytes))
        })
    }
}

impl Connection {
    /// Asks on a connection of its own for another protocol, and carries bytes between that and whoever connects to
    /// `listener` first, until one side has ended. `begun` is told when the device has switched.
    pub fn switch(&self, path: &str, protocol: &str, listener: TcpListener, begun: impl FnOnce()) -> Result<(), Switch> {
        self.runtime.block_on(async {
            let mut line = connect(&self.address, &self.pin, &self.tls).await?;
            let request = Request::builder().method(Method::POST).uri(path).header(HOST, &self.address);
            let request = request.header(CONNECTION, "upgrade").header(UPGRADE, protocol).body(Upload::default());
            let request = request.map_err(|e| ClientError::Broken(e.to_string()))?;
            let response = timeout(SWITCH, line.sender.send_request(request)).await;
            let response = response.map_err(|_| ClientError::TimedOut(SWITCH))?.map_err(|e| broken(&e))?;
            let status = response.status();
            if status != StatusCode::SWITCHING_PROTOCOLS {
                let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await;
                return Err(Switch::Answered(status, body.map_err(|e| broken(e.as_ref()))?.to_bytes()));
            }
            let mut device = TokioIo::new(hyper::upgrade::on(response).await.map_err(|e| broken(&e))?);
            begun();
            listener.set_nonblocking(true).map_err(ClientError::Local)?;
            let listener = tokio::net::TcpListener::from_std(listener).map_err(ClientError::Local)?;
            let mut first = [0; 4096];
            // What the device says before anybody listens is not lost; and it may end before.
            let (mut local, said) = tokio::select! {
                accepted = listener.accept() => (accepted.map_err(ClientError::Local)?.0, 0),
                said = device.read(&mut first) => match said.unwrap_or(0) {
                    0 => return Ok(()),
                    said => (listener.accept().await.map_err(ClientError::Local)?.0, said),
                },
            };
            local.set_nodelay(true).map_err(ClientError::Local)?;
            let carried = async {
                local.write_all(first.get(..said).unwrap_or_default()).await?;
                let (mut from_local, mut to_local) = split(local);
                let (mut from_device, mut to_device) = split(device);
                tokio::select! {
                    ended = copy(&mut from_local, &mut to_device) => ended,
                    ended = copy(&mut from_device, &mut to_local) => ended,
                }
            };
            // How it ended is nobody's concern: either side may just go, and with one the other.
            let _ = carried.await;
            Ok(())
        })
    }
}

/// Why a device did not switch.
pub enum Switch {
    /// It was not reached, or not understood.
    Failed(ClientError),
    /// It answered something else.
    Answered(StatusCode, Bytes),
}

impl From<ClientError> for Switch {
    fn from(error: ClientError) -> Self {
        Self::Failed(error)
    }
}

async fn connect(address: &str, pin: &Pin, tls: &TlsConnector) -> Result<Line, ClientError> {
    let refused = |source| ClientError::Connect { address: address.to_owned(), source };
    let stream = timeout(CONNECT, TcpStream::connect(address)).await;
    let stream = stream.map_err(|_| refused(io::ErrorKind::TimedOut.into()))?.map_err(refused)?;
    stream.set_nodelay(true).map_err(refused)?;
    // The name is not looked at: the pin stands for it. Without SNI the device does not learn how it was found either.
    let name = ServerName::from(std::net::IpAddr::from(std::net::Ipv4Addr::UNSPECIFIED));
    let stream = timeout(CONNECT, tls.connect(name, stream)).await;
    let stream =
        stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|source| not_shaken(address, pin, source))?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| broken(&e))?;
    let task = tokio::spawn(async move {
        // How a connection ended is told by the request that was on it.
        let _ = connection.with_upgrades().await;
    });
    Ok(Line { sender, task })
}

/// The connection comes back unless the device said that it closes it: after a refused upload it does.
async fn send(
    mut line: Line,
    method: Method,
    path: &str,
    address: &str,
    body: Upload,
) -> Result<(Option<Line>, StatusCode, Bytes), ClientError> {
    let request = Request::builder().method(method).uri(path).header(HOST, address).body(body);
    let request = request.map_err(|e| ClientError::Broken(e.to_string()))?;
    line.sender.ready().await.map_err(|e| broken(&e))?;
    let response = line.sender.send_request(request).await.map_err(|e| broken(&e))?;
    let status = response.status();
    let closes = response.headers().get(CONNECTION).is_some_and(|value| value == "close");
    let bytes = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await.map_err(|e| {
        if e.is::<LengthLimitError>() {
            ClientError::Broken(format!("an answer of more than {ANSWER_LIMIT} bytes"))
        } else {
            broken(e.as_ref())
        }
    })?;
    Ok(((!closes).then_some(line), status, bytes.to_bytes()))
}

fn not_shaken(address: &str, pin: &Pin, source: io::Error) -> ClientError {
    let address = address.to_owned();
    match (tls_error(&source), pin.refused()) {
        (Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)), Some(found)) => {
            ClientError::WrongDevice { address, found, expected: pin.expected().clone() }
        }
        (Some(rustls::Error::AlertReceived(alert)), _) => ClientError::NotAdmitted { alert: format!("{alert:?}") },
        _ => ClientError::Handshake { address, source },
    }
}

/// In TLS 1.3 a client learns only with its first read that its certificate was refused.
fn broken(error: &(dyn Error + 'static)) -> ClientError {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(rustls::Error::AlertReceived(alert)) = error.downcast_ref::<io::Error>().and_then(tls_error) {
            return ClientError::NotAdmitted { alert: format!("{alert:?}") };
        }
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    ClientError::Broken(words)
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// Time for the TCP connection, and for the handshake.
const CONNECT: Duration = Duration::from_secs(10);
/// Time for a device to switch: it may have to end an app first, which has its grace for that.
const SWITCH: Duration = Duration::from_secs(90);
/// How long an idle connection is used again: shorter than the device keeps it.
const KEPT: Duration = Duration::from_secs(20);
/// Longest answer: a crash report; an ipc packet is 64 KiB.
const ANSWER_LIMIT: usize = 1024 * 1024;
