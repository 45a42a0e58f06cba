//! One packet: a JSON object and the descriptors beside it.

use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::{Errno, IoSlice, IoSliceMut},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
        recvmsg, sendmsg,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use std::{io, mem::MaybeUninit};

/// Longest packet in bytes. What is longer travels in a sealed memfd.
pub const PACKET_LIMIT: usize = 64 * 1024;
/// Most descriptors of one packet.
pub const DESCRIPTORS_LIMIT: usize = 28;

/// Why a packet could not be sent or was refused.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// The message does not fit.
    #[error("a packet of {0} bytes, at most {PACKET_LIMIT} are allowed")]
    TooLong(usize),
    /// More descriptors than allowed, or than this process could take.
    #[error("too many descriptors in one packet, at most {DESCRIPTORS_LIMIT} are allowed")]
    TooManyDescriptors,
    /// Not a message of this protocol.
    #[error(transparent)]
    Malformed(#[from] manifest::read::ReadError),
    /// A value that JSON cannot hold.
    #[error("cannot write the message: {0}")]
    Unwritable(String),
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    Closed,
    /// The kernel refused.
    #[error("the socket failed")]
    Socket(#[source] io::Error),
}

impl PacketError {
    /// Whether the time-out of the socket ran out.
    pub fn is_time_out(&self) -> bool {
        matches!(self, Self::Socket(e) if e.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Sends one message with descriptors.
pub fn send<T: Serialize>(socket: impl AsFd, message: &T, descriptors: &[BorrowedFd<'_>]) -> Result<(), PacketError> {
    let bytes = serde_json::to_vec(message).map_err(|e| PacketError::Unwritable(e.to_string()))?;
    if bytes.len() > PACKET_LIMIT {
        return Err(PacketError::TooLong(bytes.len()));
    }
    if descriptors.len() > DESCRIPTORS_LIMIT {
        return Err(PacketError::TooManyDescriptors);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_LIMIT))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(PacketError::TooManyDescriptors);
    }
    loop {
        match sendmsg(&socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::PIPE | Errno::CONNRESET) => return Err(PacketError::Closed),
            Err(e) => return Err(PacketError::Socket(e.into())),
        }
    }
}

/// A packet as it came: its bytes are foreign until [`Raw::parse`].
pub struct Raw {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

/// Receives one packet. Its descriptors are close-on-exec, and closed if the packet is refused.
pub fn receive(socket: impl AsFd) -> Result<Raw, PacketError> {
    let mut bytes = vec![0; PACKET_LIMIT + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_LIMIT))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => break received,
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Err(PacketError::Closed),
            Err(e) => return Err(PacketError::Socket(e.into())),
        }
    };
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            descriptors.extend(passed);
        }
    }
    if received.bytes == 0 {
        return Err(PacketError::Closed);
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(PacketError::TooManyDescriptors);
    }
    if received.flags.contains(ReturnFlags::TRUNC) || received.bytes > PACKET_LIMIT {
        return Err(PacketError::TooLong(received.bytes));
    }
    bytes.truncate(received.bytes);
    Ok(Raw { bytes, descriptors })
}

impl Raw {
    /// Reads the packet as a message.
    pub fn parse<T: DeserializeOwned>(self) -> Result<(T, Vec<OwnedFd>), PacketError> {
        let message = parse(&self.bytes)?;
        Ok((message, self.descriptors))
    }
}

/// Reads a message from a packet's bytes: what the fuzz target drives.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PacketError> {
    Ok(manifest::read::json("packet", bytes, PACKET_LIMIT)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn a_message_arrives_with_its_descriptors() {
        let (a, b) = pair();
        let (passed, _other) = pair();
        send(&a, &vec![1, 2, 3], &[passed.as_fd(), passed.as_fd()]).unwrap();
        let (message, descriptors): (Vec<u8>, _) = receive(&b).unwrap().parse().unwrap();
        assert_eq!((message, descriptors.len()), (vec![1, 2, 3], 2));
    }

    #[test]
    fn long_packets_are_refused_on_both_sides() {
        let (a, b) = pair();
        assert!(matches!(send(&a, &"x".repeat(PACKET_LIMIT), &[]), Err(PacketError::TooLong(_))));
        rustix::net::send(&a, &vec![b' '; PACKET_LIMIT + 10], SendFlags::empty()).unwrap();
        assert!(matches!(receive(&b), Err(PacketError::TooLong(_))));
    }

    #[test]
    fn a_peer_that_closed_is_no_panic() {
        let (a, b) = pair();
        drop(b);
        assert!(matches!(send(&a, &1, &[]), Err(PacketError::Closed)));
        assert!(matches!(receive(&a), Err(PacketError::Closed)));
    }
}
