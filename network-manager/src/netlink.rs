//! Links, addresses and routes over NETLINK_ROUTE (rtnetlink(7)): which messages, and what their answers mean.

use crate::{
    message::{
        IFA_ADDRESS, IFA_LOCAL, IFLA_IFNAME, Message, RTA_GATEWAY, RTA_OIF, RTM_GETADDR, RTM_GETLINK, RTM_GETROUTE, RTM_NEWADDR,
        RTM_NEWLINK, RTM_NEWROUTE, RTM_SETLINK, Subject,
    },
    plan::{Kernel, KernelLink},
};
use manifest::network::AddressWithPrefix;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload, parse_ip,
    parse_string, parse_u32,
};
use netlink_packet_route::{
    AddressFamily,
    address::AddressHeader,
    link::{LinkFlags, LinkHeader},
    route::{RouteHeader, RouteProtocol, RouteScope, RouteType},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsFd, BorrowedFd},
};

/// Why the kernel could not be asked, or would not.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The socket could not be made.
    #[error("cannot open a netlink socket")]
    Open(#[source] io::Error),
    /// A request could not be sent, or no answer came.
    #[error("netlink gives no answer to `{request}`")]
    Broken {
        /// What was asked.
        request: &'static str,
        /// What failed.
        #[source]
        source: io::Error,
    },
    /// The kernel refused.
    #[error("the kernel refuses to {request}")]
    Refused {
        /// What was asked.
        request: &'static str,
        /// Its reason.
        #[source]
        source: io::Error,
    },
    /// The answer is not one of netlink.
    #[error("the kernel's answer to `{request}` cannot be read: {reason}")]
    Unreadable {
        /// What was asked.
        request: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Asks and changes.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens the socket in this process's network namespace.
    pub fn open() -> Result<Self, NetlinkError> {
        let open = || {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            // The kernel's answer is queued before the request's send returns, and each part of a dump before the read
            // of the part before it does: an empty queue is an error and nothing to wait for.
            socket.set_non_blocking(true)?;
            Ok(socket)
        };
        Ok(Self { socket: open().map_err(NetlinkError::Open)?, sequence: 0 })
    }

    /// All links, addresses and IPv4 default routes.
    pub fn look(&mut self) -> Result<Kernel, NetlinkError> {
        let mut kernel = Kernel::default();
        let links = Message { kind: RTM_GETLINK, subject: Subject::Link(LinkHeader::default()), attributes: vec![] };
        self.ask("list links", links, NLM_F_DUMP, |message| kernel.links.extend(link(&message)))?;
        let addresses = Message { kind: RTM_GETADDR, subject: Subject::Address(AddressHeader::default()), attributes: vec![] };
        self.ask("list addresses", addresses, NLM_F_DUMP, |message| kernel.addresses.extend(address(&message)))?;
        let inet = RouteHeader { address_family: AddressFamily::Inet, ..RouteHeader::default() };
        let routes = Message { kind: RTM_GETROUTE, subject: Subject::Route(inet), attributes: vec![] };
        self.ask("list routes", routes, NLM_F_DUMP, |message| kernel.gateways.extend(gateway(&message)))?;
        Ok(kernel)
    }

    /// Puts an address on a link; one that is there already stays.
    pub fn add_address(&mut self, index: u32, wanted: AddressWithPrefix) -> Result<(), NetlinkError> {
        let family = if wanted.address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let subject = Subject::Address(AddressHeader { family, prefix_len: wanted.prefix, index, ..AddressHeader::default() });
        let address = octets(wanted.address);
        let attributes = vec![(IFA_LOCAL, address.clone()), (IFA_ADDRESS, address)];
        let message = Message { kind: RTM_NEWADDR, subject, attributes };
        self.change("add an address", message, NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Sets a link up.
    pub fn set_up(&mut self, index: u32) -> Result<(), NetlinkError> {
        let (flags, change_mask) = (LinkFlags::Up, LinkFlags::Up);
        let subject = Subject::Link(LinkHeader { index, flags, change_mask, ..LinkHeader::default() });
        self.change("set a link up", Message { kind: RTM_SETLINK, subject, attributes: vec![] }, 0)
    }

    /// Sets the IPv4 default route.
    pub fn set_gateway(&mut self, index: u32, gateway: Ipv4Addr) -> Result<(), NetlinkError> {
        let subject = Subject::Route(RouteHeader {
            address_family: AddressFamily::Inet,
            table: RouteHeader::RT_TABLE_MAIN,
            protocol: RouteProtocol::Static,
            scope: RouteScope::Universe,
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        });
        let attributes = vec![(RTA_GATEWAY, gateway.octets().to_vec()), (RTA_OIF, index.to_ne_bytes().to_vec())];
        let message = Message { kind: RTM_NEWROUTE, subject, attributes };
        self.change("set the default route", message, NLM_F_CREATE | NLM_F_REPLACE)
    }

    fn change(&mut self, request: &'static str, message: Message, flags: u16) -> Result<(), NetlinkError> {
        self.ask(request, message, NLM_F_ACK | flags, |_| ())
    }

    /// Sends one request and hands each part of its answer on, until the kernel says that this was all.
    fn ask(
        &mut self,
        request: &'static str,
        message: Message,
        flags: u16,
        mut part: impl FnMut(Message),
    ) -> Result<(), NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map_err(|source| NetlinkError::Broken { request, source })?;
        loop {
            let mut received = Vec::with_capacity(RECEIVE_SIZE);
            self.socket.recv(&mut received, 0).map_err(|source| NetlinkError::Broken { request, source })?;
            let mut rest = received.as_slice();
            while !rest.is_empty() {
                let unreadable = |reason: String| NetlinkError::Unreadable { request, reason };
                let reply = NetlinkMessage::<Message>::deserialize(rest).map_err(|e| unreadable(e.to_string()))?;
                // Messages are aligned to four bytes, the last one's padding may be missing.
                let length = usize::try_from(reply.header.length).unwrap_or(usize::MAX).next_multiple_of(4).max(HEADER_SIZE);
                rest = rest.get(length..).unwrap_or_default();
                if reply.header.sequence_number != self.sequence {
                    continue; // left over from a request that was given up
                }
                match reply.payload {
                    NetlinkPayload::Done(_) => return Ok(()),
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(()),
                    NetlinkPayload::Error(error) => return Err(NetlinkError::Refused { request, source: error.to_io() }),
                    NetlinkPayload::InnerMessage(message) => part(message),
                    NetlinkPayload::Overrun(_) => return Err(unreadable("the queue ran over".into())),
                    _ => {}
                }
            }
        }
    }
}

/// Tells that something about links changed: what, the next [`Netlink::look`] shows.
pub struct Changes {
    socket: Socket,
}

impl Changes {
    /// Subscribes to links, IPv4 addresses and IPv4 routes.
    pub fn subscribe() -> Result<Self, NetlinkError> {
        let open = || {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind(&SocketAddr::new(0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE))?;
            socket.set_non_blocking(true)?;
            Ok(socket)
        };
        Ok(Self { socket: open().map_err(NetlinkError::Open)? })
    }

    /// Empties the queue. A queue that ran over (ENOBUFS) means the same as one that did not: look again.
    pub fn drain(&self) {
        for _ in 0..DRAINED_AT_ONCE {
            let mut ignored = Vec::with_capacity(RECEIVE_SIZE);
            match self.socket.recv(&mut ignored, 0) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn link(message: &Message) -> Option<KernelLink> {
    let (RTM_NEWLINK, Subject::Link(header)) = (message.kind, &message.subject) else { return None };
    let name = parse_string(message.attribute(IFLA_IFNAME)?).ok()?;
    let (up, carrier) = (header.flags.contains(LinkFlags::Up), header.flags.contains(LinkFlags::LowerUp));
    Some(KernelLink { index: header.index, name, up, carrier })
}

fn address(message: &Message) -> Option<(u32, AddressWithPrefix)> {
    let (RTM_NEWADDR, Subject::Address(header)) = (message.kind, &message.subject) else { return None };
    let address = parse_ip(message.attribute(IFA_LOCAL).or_else(|| message.attribute(IFA_ADDRESS))?).ok()?;
    Some((header.index, AddressWithPrefix { address, prefix: header.prefix_len }))
}

fn gateway(message: &Message) -> Option<(u32, Ipv4Addr)> {
    let (RTM_NEWROUTE, Subject::Route(header)) = (message.kind, &message.subject) else { return None };
    let is_default = header.destination_prefix_length == 0 && header.table == RouteHeader::RT_TABLE_MAIN;
    match parse_ip(message.attribute(RTA_GATEWAY)?).ok()? {
        IpAddr::V4(gateway) if is_default => Some((parse_u32(message.attribute(RTA_OIF)?).ok()?, gateway)),
        _ => None,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Multicast groups of rtnetlink (linux/rtnetlink.h).
const RTMGRP_LINK: u32 = 0x1;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV4_ROUTE: u32 = 0x40;
/// Size of a netlink header.
const HEADER_SIZE: usize = 16;
/// The kernel never makes a part of a dump longer than this (NLMSG_GOODSIZE and af_netlink.c: at most 32 KiB).
const RECEIVE_SIZE: usize = 32 * 1024;
/// Messages that are thrown away before the loop goes on: the rest comes with the next wait.
const DRAINED_AT_ONCE: usize = 256;
