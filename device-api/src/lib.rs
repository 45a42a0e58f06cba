//! HTTPS for the owner's tools: mutual TLS, a role in the client's certificate, JSON in and out.
//!
//! This daemon reads bytes from the network, so it holds no capability and decides nothing: it knows who asks, checks
//! that the role may, and passes the question on over `ipc` to the daemon that does decide.
//!
//! Flow of a request, module by module:
//!
//! - [`server`]: accepts; how many at once, how fast, how long, whoever they are.
//! - [`tls`], [`identity`]: TLS 1.3 with the device's own certificate; a client's must come from the owner's CA.
//! - [`role`]: what the client's certificate says it may do.
//! - [`routes`]: the table of the API: method, path, role, answer. The OpenAPI document is generated from it.
//! - [`operations`]: what each row does; [`install`] is the one that takes a body.
//! - [`peers`]: calls to other daemons, on threads, with a time-out and a limit per daemon.
//! - [`confine`]: what this process gives up before it answers anybody.
//! - [`answer`]: the class of an error → HTTP status; every refusal is an `ErrorBody`.
//!
//! Trust: the CA file and the image's facts come from the verified root. A client's certificate is read for its role
//! only after rustls has verified its chain and that the client has its key. Bundles and crash reports are passed through
//! unread: judging the first is security-monitor's, opening the second the owner's. What other daemons answer is typed by `ipc`.
//!
//! Time: the device's clock may be wrong before it has heard a time server, so the device's certificate never expires,
//! and a client's that begins later than the clock says is judged at its beginning ([`client_certificates`]): who issues
//! client certificates lets them last as long as the device shall be reachable without network time.
//!
//! Invariants: one thread runs the loop and no peer, slow client or hanging daemon stops it; every queue, body, header
//! and wait is bounded by a named constant; nothing a client sends can make this process panic.

#![forbid(unsafe_code)]

pub mod answer;
pub mod client_certificates;
pub mod confine;
pub mod identity;
pub mod install;
pub mod operations;
pub mod peers;
pub mod role;
pub mod routes;
pub mod server;
pub mod session;
pub mod throttle;
pub mod tls;
