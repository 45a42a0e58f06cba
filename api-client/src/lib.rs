//! Client of the device API: mutual TLS with a pinned device, in plain blocking calls.
//!
//! For tools and tests on the owner's side. A device is known by the SHA-256 of its certificate, shown on its console at
//! each start; the client is known by a certificate of the owner's CA with its role in it.
//!
//! ```no_run
//! use api_client::{Client, Credentials};
//!
//! let credentials = Credentials { certificate: std::fs::read("client.pem")?, key: std::fs::read("client.key")? };
//! let pin = "0000000000000000000000000000000000000000000000000000000000000000".parse()?;
//! let client = Client::new("127.0.0.1:8443", pin, &credentials)?;
//! for app in client.apps()?.apps {
//!     let _ = (app.component_id, app.state);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`calls`]: one method per row of the API's table, with the types of `manifest::api`.
//! - [`connection`]: one TLS connection, kept between calls and made anew when it has gone.
//! - [`pin`]: accepts the device's certificate by its digest and nothing else, and still checks that the device has its key.
//! - [`upload`]: a bundle as a request's body, read piece by piece, with progress.
//! - [`error`]: what can fail, with the device's own words where it refused.
//!
//! Invariants: every wait has a limit; nothing is sent before the pin holds; an answer is bounded before it is parsed.
//! A request that changes something is sent once; only a GET on a connection that had gone is sent again.

#![forbid(unsafe_code)]

pub mod calls;
pub mod connection;
pub mod error;
pub mod pin;
pub mod upload;

pub use calls::Client;
pub use connection::Credentials;
pub use error::ClientError;
