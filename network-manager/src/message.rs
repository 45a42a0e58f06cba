//! The three messages of rtnetlink(7) that we speak, with their attributes uninterpreted.
//!
//! `netlink-packet-route` reads and writes the headers, `netlink-packet-core` the frames and attributes. Its own message types
//! would carry a parser for each of some two hundred attributes into a process with CAP_NET_ADMIN; we look at five.

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable, NlasIterator,
};
use netlink_packet_route::{address::AddressHeader, link::LinkHeader, route::RouteHeader};

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One of the `RTM_` numbers below.
    pub kind: u16,
    /// What it is about.
    pub subject: Subject,
    /// Attributes by number.
    pub attributes: Vec<(u16, Vec<u8>)>,
}

/// Header of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A link.
    Link(LinkHeader),
    /// An address.
    Address(AddressHeader),
    /// A route.
    Route(RouteHeader),
    /// Something that we do not look at.
    Other,
}

impl Message {
    /// Value of the first attribute with this number.
    pub fn attribute(&self, number: u16) -> Option<&[u8]> {
        self.attributes.iter().find(|(found, _)| *found == number).map(|(_, value)| value.as_slice())
    }

    fn attributes_to_write(&self) -> Vec<DefaultNla> {
        self.attributes.iter().map(|(number, value)| DefaultNla::new(*number, value.clone())).collect()
    }
}

impl Subject {
    fn header(&self) -> Option<&dyn Emitable> {
        match self {
            Self::Link(header) => Some(header),
            Self::Address(header) => Some(header),
            Self::Route(header) => Some(header),
            Self::Other => None,
        }
    }

    fn length(&self) -> usize {
        self.header().map_or(0, Emitable::buffer_len)
    }
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.subject.length() + self.attributes_to_write().as_slice().buffer_len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        let Some((header, attributes)) = buffer.split_at_mut_checked(self.subject.length()) else { return };
        if let Some(subject) = self.subject.header() {
            subject.emit(header);
        }
        self.attributes_to_write().as_slice().emit(attributes);
    }
}

impl NetlinkDeserializable for Message {
    type Error = DecodeError;

    fn deserialize(frame: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        let kind = frame.message_type;
        let subject = match kind {
            RTM_NEWLINK..=RTM_SETLINK => Subject::Link(LinkHeader::parse(payload)?),
            RTM_NEWADDR..=RTM_GETADDR => Subject::Address(AddressHeader::parse(payload)?),
            RTM_NEWROUTE..=RTM_GETROUTE => Subject::Route(RouteHeader::parse(payload)?),
            _ => Subject::Other,
        };
        let mut attributes = Vec::new();
        if subject != Subject::Other {
            for attribute in NlasIterator::new(payload.get(subject.length()..).unwrap_or_default()) {
                let attribute = attribute?;
                attributes.push((attribute.kind(), attribute.value().to_vec()));
            }
        }
        Ok(Self { kind, subject, attributes })
    }
}

/// Message types (linux/rtnetlink.h).
pub const RTM_NEWLINK: u16 = 16;
/// Ask for links.
pub const RTM_GETLINK: u16 = 18;
/// Change a link.
pub const RTM_SETLINK: u16 = 19;
/// A new address.
pub const RTM_NEWADDR: u16 = 20;
/// Ask for addresses.
pub const RTM_GETADDR: u16 = 22;
/// A new route.
pub const RTM_NEWROUTE: u16 = 24;
/// Ask for routes.
pub const RTM_GETROUTE: u16 = 26;

/// A link's name (linux/if_link.h).
pub const IFLA_IFNAME: u16 = 3;
/// The peer's address, which is the own one on all but point-to-point links (linux/if_addr.h).
pub const IFA_ADDRESS: u16 = 1;
/// The own address; IPv6 has [`IFA_ADDRESS`] alone.
pub const IFA_LOCAL: u16 = 2;
/// Link that a route leads over (linux/rtnetlink.h).
pub const RTA_OIF: u16 = 4;
/// Gateway of a route.
pub const RTA_GATEWAY: u16 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::{NetlinkMessage, NetlinkPayload};

    fn written(message: Message) -> Vec<u8> {
        let mut packet = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::InnerMessage(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        bytes
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let subject = Subject::Address(AddressHeader { index: 7, prefix_len: 24, ..AddressHeader::default() });
        let attributes = vec![(IFA_LOCAL, vec![10, 0, 2, 15]), (IFLA_IFNAME, b"eth0\0".to_vec())];
        let message = Message { kind: RTM_NEWADDR, subject, attributes };
        let read = NetlinkMessage::<Message>::deserialize(&written(message.clone())).unwrap();
        assert_eq!(read.payload, NetlinkPayload::InnerMessage(message));
    }

    #[test]
    fn a_message_that_is_cut_off_is_an_error_and_no_panic() {
        let message =
            Message { kind: RTM_NEWLINK, subject: Subject::Link(LinkHeader::default()), attributes: vec![(3, vec![1; 9])] };
        let bytes = written(message);
        for length in 0..bytes.len() - 3 {
            assert!(NetlinkMessage::<Message>::deserialize(&bytes[..length]).is_err(), "{length}");
        }
    }
}
