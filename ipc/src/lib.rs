//! The one internal protocol of the device: how our daemons speak with each other, and what they may say.
//!
//! Unix SOCK_SEQPACKET at `/run/ipc/<service>.sock`, opened by init. One JSON object per packet, [`PACKET_LIMIT`] at
//! most, descriptors beside it (SCM_RIGHTS). A request gets exactly one reply; a connection that subscribed gets
//! events too. A caller is known by what the kernel says of it (SO_PEERCRED), never by what it says of itself, and the
//! service table says which requests it may send.
//!
//! - [`packet`]: one packet with its descriptors, sent and received.
//! - [`client`]: connect, call, with a time-out: nothing on the device waits for ever for a peer.
//! - [`server`]: accept, know the caller, check its right, answer.
//! - [`messages`]: requests and replies, a module per service that answers them.
//!
//! Trust: a packet is foreign until it is parsed into a closed enum. A malformed one gets an error reply and is handed
//! to the daemon as [`server::Incoming::Malformed`], which reports it to security-monitor; never a panic. Instances
//! are addressed by id *and* generation, so that a message to a restarted app fails instead of reaching its successor.

#![forbid(unsafe_code)]

pub mod client;
pub mod messages;
pub mod packet;
pub mod server;

pub use client::{CallError, Client};
pub use packet::{PACKET_LIMIT, PacketError};
pub use server::{Caller, Incoming, Server};
