//! Accepting: how many at once, how fast, how long, whoever they are.
//!
//! A connection goes through two stages with a limit each. In the first it shakes hands: anybody on the network can be
//! there, so when it is full the one that has been there longest goes. In the second are clients of the owner's CA.

use crate::{
    answer::{Outcome, Refusal, response},
    install,
    operations::{self, Device},
    role::Client,
    session,
    throttle::Throttle,
};
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Body, Bytes, Incoming},
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use linux::{files::chain, log};
use manifest::api::ErrorClass;
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle, set_tcp_keepintvl, set_tcp_nodelay, set_tcp_user_timeout};
use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Serves clients.
pub struct Server {
    tls: TlsAcceptor,
    device: Device,
    connections: Arc<Semaphore>,
    requests: Throttle,
    limits: Limits,
}

/// Bounds in time and number.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections that are shaking hands.
    pub handshakes: usize,
    /// Connections of known clients.
    pub connections: usize,
    /// Time for the handshake.
    pub handshake: Duration,
    /// Time for the head of a request, and for the silence between two.
    pub head: Duration,
    /// Longest life of a connection.
    pub life: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshakes: 8,
            connections: 16,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            life: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// A place among the connections of known clients.
type Place = Arc<OwnedSemaphorePermit>;

impl Server {
    /// Serves `device` over `tls`.
    pub fn new(tls: TlsAcceptor, device: Device, limits: Limits) -> Arc<Self> {
        let connections = Arc::new(Semaphore::new(limits.connections));
        Arc::new(Self { tls, device, connections, requests: Throttle::new(REQUEST_BURST, REQUEST_INTERVAL), limits })
    }

    /// Accepts for ever.
    pub async fn run(self: Arc<Self>, listener: TcpListener) -> Infallible {
        let pace = Throttle::new(HANDSHAKE_BURST, HANDSHAKE_INTERVAL);
        let mut shaking: VecDeque<AbortHandle> = VecDeque::new();
        loop {
            pace.turn().await;
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    log::warning(format!("cannot accept a connection: {error}"));
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            shaking.retain(|handshake| !handshake.is_finished());
            if shaking.len() >= self.limits.handshakes
                && let Some(oldest) = shaking.pop_front()
            {
                oldest.abort();
            }
            shaking.push_back(tokio::spawn(self.clone().shake_hands(stream)).abort_handle());
        }
    }

    /// The first stage. What fails here is said to nobody: it may be anybody.
    async fn shake_hands(self: Arc<Self>, stream: TcpStream) {
        let Ok(Ok(stream)) = timeout(self.limits.handshake, self.tls.accept(stream)).await else { return };
        let (admitted, life) = match client(&stream) {
            Ok(client) => match self.connections.clone().try_acquire_owned() {
                Ok(place) => (Ok((client, Arc::new(place))), self.limits.life),
                Err(_) => (Err(Refusal::new(ErrorClass::Unavailable, "too many connections are open")), FAREWELL),
            },
            Err(refusal) => (Err(refusal), FAREWELL),
        };
        let limits = self.limits;
        let service = service_fn(move |request: Request<Incoming>| {
            let server = self.clone();
            let client = admitted.clone();
            async move { Ok::<_, Infallible>(server.answer(client, request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_headers(HEADERS)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        // The second stage is a task of its own, so that ending the first one does not end it.
        tokio::spawn(timeout(life, connection));
    }

    async fn answer(&self, client: Result<(Client, Place), Refusal>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (mut head, mut body) = request.into_parts();
        let mut response = match client {
            Ok((client, place)) => {
                self.requests.turn().await;
                match operations::answer(&self.device, &client, &head, &mut body).await {
                    Ok(Outcome::Switched(socket)) => {
                        return session::begin(head.extensions.remove::<OnUpgrade>(), socket, place, self.limits.life);
                    }
                    Ok(Outcome::Answered(content)) => response(Ok(content)),
                    Err(refusal) => response(Err(refusal)),
                }
            }
            Err(refusal) => {
                let mut response = response(Err(refusal));
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                response
            }
        };
        if !body.is_end_stream() {
            // After a body that was not wanted nothing more is wanted on this connection.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            tokio::spawn(install::discard(body));
        }
        response
    }
}

/// Who is at the other end.
fn client(stream: &TlsStream<TcpStream>) -> Result<Client, Refusal> {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.ok_or_else(|| Refusal::new(ErrorClass::Forbidden, "no client certificate"))?;
    Client::of(certificate).map_err(|error| Refusal::new(ErrorClass::Forbidden, chain(&error)))
}

/// Listens on all addresses, of both families where the kernel has both.
pub async fn listen(port: u16) -> io::Result<TcpListener> {
    let listener = match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?,
    };
    set_options(&listener)?;
    Ok(listener)
}

/// Options that accepted connections inherit. A client that takes nothing of an answer is given up by the kernel, even while
/// its machine still says that it is there (TCP_USER_TIMEOUT, tcp(7)).
pub fn set_options(listener: &TcpListener) -> io::Result<()> {
    set_tcp_user_timeout(listener, UNREAD_MS)?;
    // A debugger may be silent as long as its user likes; its machine may not be gone.
    set_socket_keepalive(listener, true)?;
    set_tcp_keepidle(listener, SILENCE)?;
    set_tcp_keepintvl(listener, SILENCE)?;
    set_tcp_nodelay(listener, true)?;
    Ok(())
}

/// Time that written bytes may wait for the client to take them.
const UNREAD_MS: u32 = 30_000;
/// Time without a byte after which the kernel asks the client's machine whether it is there; [`UNREAD_MS`] later it is not.
const SILENCE: Duration = Duration::from_secs(30);
/// Headers of a request.
const HEADERS: usize = 32;
/// Bytes of a request's head, and of a connection's read buffer.
const BUFFER: usize = 16 * 1024;
/// Handshakes cost signatures: after a burst, one per interval.
const HANDSHAKE_BURST: u32 = 32;
const HANDSHAKE_INTERVAL: Duration = Duration::from_millis(50);
/// Requests of all clients together: after a burst, one per interval.
const REQUEST_BURST: u32 = 100;
const REQUEST_INTERVAL: Duration = Duration::from_millis(10);
/// How long a client that gets no place may take to read why.
const FAREWELL: Duration = Duration::from_secs(5);
/// Pause after accept(2) failed, as it does while no descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
