//! Answering other daemons: accept, know the caller, check its right, answer.

use crate::{
    client::Answer,
    messages::Request,
    packet::{self, PacketError},
};
use linux::{descriptors, poll::Poller};
use manifest::{
    api::{ErrorBody, ErrorClass},
    names::ServiceName,
    service::ServiceTable,
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    net::{Shutdown, SocketFlags, accept_with, shutdown, sockopt},
};
use serde::Serialize;
use std::{collections::BTreeMap, io};

/// Most connections a service holds: each daemon has one or two, so only a runaway peer meets it.
pub const CONNECTIONS_LIMIT: usize = 64;
/// Most of them that one caller holds (all who are no service count as one), so that a runaway peer locks nobody else out.
pub const CONNECTIONS_OF_A_CALLER: usize = 16;
/// Most descriptors that one caller has not read. The kernel counts what nobody has read against the sender's RLIMIT_NOFILE
/// (usually 1024, unix(7)), of all its callers together, and above it the sender can pass none to anybody.
pub const UNREAD_DESCRIPTORS: usize = 256;

/// A service's IPC socket and its open connections.
///
/// Tokens: the listener is told as [`Server::LISTENER`], a connection as `Server::LISTENER + n`; a daemon's own
/// descriptors use tokens below [`Server::LISTENER`].
pub struct Server {
    listener: OwnedFd,
    table: ServiceTable,
    name: ServiceName,
    connections: BTreeMap<u64, Connection>,
    next: u64,
}

struct Connection {
    socket: OwnedFd,
    caller: Caller,
    /// Descriptors that were sent since all had been read.
    passed: usize,
    /// Given up, and kept for what its peer can still read: it is nobody's but counts among its caller's connections.
    over: bool,
}

impl Connection {
    /// Descriptors that its peer may not have read.
    fn unread(&self) -> usize {
        let all_read = self.passed == 0 || descriptors::wait_for_peer(&self.socket).is_ok_and(|waits| !waits);
        if all_read { 0 } else { self.passed }
    }
}

/// Who sent a request, as the kernel and the service table say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The service, `init`, or nobody we know.
    pub service: Option<ServiceName>,
    /// Its user id.
    pub uid: u32,
    /// Its process id when it connected.
    pub pid: i32,
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.service {
            Some(name) => write!(f, "{name}"),
            None => write!(f, "uid {} (pid {})", self.uid, self.pid),
        }
    }
}

/// What a readable token brought.
pub enum Incoming<Q> {
    /// A request that its caller may send.
    Request {
        /// Who sent it.
        caller: Caller,
        /// What it asks for.
        request: Q,
        /// Descriptors beside it.
        descriptors: Vec<OwnedFd>,
    },
    /// Not a message of the protocol; the caller got an error. Report it.
    Malformed {
        /// Who sent it.
        caller: Caller,
        /// What was wrong.
        error: PacketError,
    },
    /// A request that the service table does not allow its caller; it got an error. Report it.
    Forbidden {
        /// Who sent it.
        caller: Caller,
        /// The request's name.
        request: &'static str,
    },
    /// Nothing to do: a connection came or was refused, or there was nothing to read.
    Nothing,
    /// The connection with this token ended.
    Closed,
}

impl Server {
    /// The listener's token; connections have higher ones.
    pub const LISTENER: u64 = 1 << 32;

    /// Serves `listener` as service `name` of `table`, and adds it to `poller`.
    pub fn new(listener: OwnedFd, name: ServiceName, table: ServiceTable, poller: &Poller) -> io::Result<Self> {
        poller.add(&listener, Self::LISTENER)?;
        Ok(Self { listener, table, name, connections: BTreeMap::new(), next: Self::LISTENER + 1 })
    }

    /// Whether a token of the poller is this server's.
    pub fn owns(token: u64) -> bool {
        token >= Self::LISTENER
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.connections.values().filter(|one| !one.over).count()
    }

    /// Handles a readable token: accepts, or receives one packet.
    pub fn receive<Q: Request>(&mut self, token: u64, poller: &Poller) -> Incoming<Q> {
        if token == Self::LISTENER {
            self.accept(poller);
            return Incoming::Nothing;
        }
        let Some(connection) = self.connections.get(&token) else { return Incoming::Nothing };
        if connection.over {
            return self.close(token, poller);
        }
        let caller = connection.caller.clone();
        let (request, descriptors) = match packet::receive(&connection.socket).and_then(packet::Raw::parse::<Q>) {
            Ok(received) => received,
            // Readable, but there was nothing.
            Err(error) if error.is_time_out() => return Incoming::Nothing,
            Err(PacketError::Closed | PacketError::Socket(_)) => return self.close(token, poller),
            Err(error) => {
                self.refuse(token, ErrorClass::BadInput, error.to_string());
                return Incoming::Malformed { caller, error };
            }
        };
        if !self.allows(&caller, request.name()) {
            let message = format!(
                "{caller} may not send `{}` to {}; the service table's `callers` says who may",
                request.name(),
                self.name
            );
            self.refuse(token, ErrorClass::Forbidden, message);
            return Incoming::Forbidden { caller, request: request.name() };
        }
        Incoming::Request { caller, request, descriptors }
    }

    /// Answers the request that `token` brought.
    pub fn answer<R: Serialize>(&mut self, token: u64, answer: &Answer<R>, descriptors: &[BorrowedFd<'_>]) {
        self.push(token, answer, descriptors);
    }

    /// Sends an event to a connection that subscribed. False when it is gone.
    ///
    /// Never waits: the kernel holds more than the one answer and the few events that a peer may have unread. One that
    /// reads nothing is given up, or it could stop this daemon, turn after turn, until the watchdog resets the device.
    pub fn push<E: Serialize>(&mut self, token: u64, event: &E, descriptors: &[BorrowedFd<'_>]) -> bool {
        let Some(to) = self.connections.get(&token).map(|one| one.caller.service.clone()) else { return false };
        let unread: usize = self.connections.values().filter(|one| one.caller.service == to).map(Connection::unread).sum();
        let Some(connection) = self.connections.get_mut(&token).filter(|one| !one.over) else { return false };
        let passed = connection.unread() + descriptors.len();
        let may = descriptors.is_empty() || unread + descriptors.len() <= UNREAD_DESCRIPTORS;
        if may && packet::send(&connection.socket, event, descriptors).is_ok() {
            connection.passed = passed;
            return true;
        }
        if !may {
            linux::log::warning(format!("{} has {unread} descriptors unread: its connection ends", connection.caller));
        }
        // Its peer reads what it was sent and then the end; here it is readable as closed, and leaves the poller.
        connection.over = true;
        let _ = shutdown(&connection.socket, Shutdown::Both);
        false
    }

    /// A connection ended. Were it closed while its peer holds descriptors unread, nobody could count them any more.
    fn close<Q>(&mut self, token: u64, poller: &Poller) -> Incoming<Q> {
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.over = true;
            let _ = poller.remove(&connection.socket);
            let _ = shutdown(&connection.socket, Shutdown::Both);
        }
        self.forget_read();
        Incoming::Closed
    }

    fn forget_read(&mut self) {
        self.connections.retain(|_, one| !one.over || one.unread() > 0);
    }

    fn refuse(&mut self, token: u64, class: ErrorClass, message: String) {
        let body = ErrorBody { class, message, hint: None };
        self.push(token, &Answer::<()>::Error(body), &[]);
    }

    fn accept(&mut self, poller: &Poller) {
        let Ok(socket) = accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) else { return };
        let Ok(peer) = sockopt::socket_peercred(&socket) else { return };
        let (uid, gid, pid) = (peer.uid.as_raw(), peer.gid.as_raw(), peer.pid.as_raw_nonzero().get());
        let service =
            if pid == 1 { "init".parse().ok() } else { self.table.by_ids(uid, gid).map(|service| service.name.clone()) };
        let caller = Caller { service, uid, pid };
        self.forget_read();
        let of_this_caller = self.connections.values().filter(|one| one.caller.service == caller.service).count();
        if self.connections.len() >= CONNECTIONS_LIMIT || of_this_caller >= CONNECTIONS_OF_A_CALLER {
            let open = self.connections.len();
            linux::log::warning(format!(
                "refused a connection of {caller}: {of_this_caller} of its own and {open} in all are open or not read"
            ));
            return;
        }
        if poller.add(socket.as_fd(), self.next).is_err() {
            return;
        }
        self.connections.insert(self.next, Connection { socket, caller, passed: 0, over: false });
        self.next += 1;
    }

    /// The service table's `callers` of this service: a list of request names, or `*` for all.
    fn allows(&self, caller: &Caller, request: &str) -> bool {
        let own = self.table.get(&self.name);
        let listed = caller.service.as_ref().and_then(|name| own.and_then(|service| service.callers.get(name)));
        listed.is_some_and(|requests| requests.iter().any(|allowed| allowed == request || allowed == "*"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType, bind, connect, listen, socket_with};
    use serde::Deserialize;
    use std::time::{Duration, Instant};

    #[derive(Deserialize)]
    enum Nothing {}

    impl Request for Nothing {
        fn name(&self) -> &'static str {
            match *self {}
        }
    }

    struct World {
        address: SocketAddrUnix,
        poller: Poller,
        server: Server,
    }

    impl World {
        fn new(name: &str) -> Self {
            let address = SocketAddrUnix::new_abstract_name(format!("{name}-{}", std::process::id()).as_bytes()).unwrap();
            let listener = socket();
            bind(&listener, &address).unwrap();
            listen(&listener, 32).unwrap();
            let poller = Poller::new().unwrap();
            let table = ServiceTable { services: Vec::new() };
            let server = Server::new(listener, "x".parse().unwrap(), table, &poller).unwrap();
            Self { address, poller, server }
        }

        fn connect(&mut self) -> OwnedFd {
            let client = socket();
            connect(&client, &self.address).unwrap();
            self.turn();
            client
        }

        fn turn(&mut self) {
            for token in self.poller.wait(Some(Duration::ZERO)).unwrap() {
                let _ = self.server.receive::<Nothing>(token, &self.poller);
            }
        }
    }

    fn socket() -> OwnedFd {
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn a_peer_that_reads_no_answer_is_given_up_and_keeps_nobody_waiting() {
        let mut world = World::new("holdfast-unread");
        let client = world.connect();
        let begun = Instant::now();
        let mut sent = 0;
        while world.server.connections.len() == 1 && sent < 100_000 {
            let _ = rustix::net::send(&client, b"no message", SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
            sent += 1;
            world.turn();
        }
        assert!(world.server.connections.is_empty(), "still there after {sent} unread answers");
        assert!(begun.elapsed() < Duration::from_secs(1), "it kept the service waiting for {:?}", begun.elapsed());
    }

    /// Sends descriptors on the newest connection until it is given up; how many went.
    fn pass_to_the_newest(world: &mut World) -> usize {
        let token = world.server.next - 1;
        let passed = std::io::stdin();
        let three = [passed.as_fd(); 3];
        let sent = (0..1000).take_while(|_| world.server.push(token, &"begin", &three)).count();
        world.turn();
        sent * three.len()
    }

    #[test]
    fn descriptors_that_a_caller_does_not_read_are_bounded_whatever_becomes_of_its_connections() {
        let mut world = World::new("holdfast-in-flight");
        let mut in_flight = 0;
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS_OF_A_CALLER * 2 {
            held.push(world.connect());
            in_flight += pass_to_the_newest(&mut world);
            assert_eq!(world.server.connections(), 0, "it is still served");
        }
        assert!((UNREAD_DESCRIPTORS - 3..=UNREAD_DESCRIPTORS).contains(&in_flight), "{in_flight}");
        // It is told, and whoever reads what it was sent, or closes its end, begins anew.
        while packet::receive(&held[0]).is_ok() {}
        let reader = world.connect();
        assert_eq!(world.server.connections(), 1);
        let token = world.server.next - 1;
        for _ in 0..UNREAD_DESCRIPTORS * 2 {
            assert!(world.server.push(token, &"begin", &[std::io::stdin().as_fd()]));
            assert!(packet::receive(&reader).is_ok());
        }
        assert!(pass_to_the_newest(&mut world) > 0);
        drop(reader);
        let _again = world.connect();
        assert!(pass_to_the_newest(&mut world) > 0);
    }

    #[test]
    fn a_connection_whose_descriptors_are_not_read_counts_when_its_peer_has_stopped_sending() {
        let mut world = World::new("holdfast-in-flight-shut");
        let held: Vec<OwnedFd> = (0..CONNECTIONS_OF_A_CALLER + 1)
            .map(|_| {
                let client = world.connect();
                let _ = world.server.push(world.server.next - 1, &"begin", &[std::io::stdin().as_fd()]);
                shutdown(&client, Shutdown::Write).unwrap();
                world.turn();
                client
            })
            .collect();
        assert_eq!((world.server.connections(), world.server.connections.len()), (0, CONNECTIONS_OF_A_CALLER));
        drop(held);
        let _again = world.connect();
        assert_eq!((world.server.connections(), world.server.connections.len()), (1, 1));
    }

    #[test]
    fn one_caller_does_not_take_all_connections() {
        let mut world = World::new("holdfast-many");
        let clients: Vec<OwnedFd> = (0..CONNECTIONS_OF_A_CALLER + 3).map(|_| world.connect()).collect();
        assert_eq!(world.server.connections.len(), CONNECTIONS_OF_A_CALLER);
        let refused = rustix::net::recv(clients.last().unwrap(), &mut [0; 1][..], RecvFlags::DONTWAIT);
        assert_eq!(refused.map(|(length, _)| length), Ok(0));
    }
}
