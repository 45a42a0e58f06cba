//! What can fail between a client and its device.

use manifest::{
    api::{ErrorBody, ErrorClass},
    names::Sha256Hex,
    read::ReadError,
};
use std::{io, time::Duration};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Certificate or key of the client are not what they should be.
    #[error("the client's certificate or key cannot be used: {0}")]
    Credentials(String),
    /// Nobody answers there.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where.
        address: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Somebody answers, but it is not the device.
    #[error("{address} is not the device that was pinned: its certificate is {found}, expected {expected}")]
    WrongDevice {
        /// Where.
        address: String,
        /// Digest of its certificate.
        found: Sha256Hex,
        /// Digest that was pinned.
        expected: Sha256Hex,
    },
    /// The handshake failed.
    #[error("no TLS connection to {address}")]
    Handshake {
        /// Where.
        address: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The device does not accept the client's certificate.
    #[error(
        "the device refuses the client's certificate ({alert}): is it of the CA in the device's image, and valid by the device's clock?"
    )]
    NotAdmitted {
        /// TLS alert.
        alert: String,
    },
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The device refused, or failed.
    #[error("{}", .body.message)]
    Refused {
        /// HTTP status.
        status: u16,
        /// The device's own words.
        body: ErrorBody,
    },
    /// The answer is not one of this API.
    #[error("the device's answer (HTTP {status}) cannot be read")]
    Unreadable {
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        #[source]
        source: ReadError,
    },
    /// The client's own machine failed.
    #[error("cannot make a connection")]
    Local(#[source] io::Error),
}

impl ClientError {
    /// Whose fault it is; decides a tool's exit code.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Credentials(_) => ErrorClass::BadInput,
            Self::Connect { .. } | Self::Handshake { .. } | Self::TimedOut(_) | Self::Broken(_) => ErrorClass::Unavailable,
            Self::WrongDevice { .. } => ErrorClass::Untrusted,
            Self::NotAdmitted { .. } => ErrorClass::Forbidden,
            Self::Refused { body, .. } => body.class,
            Self::Unreadable { .. } | Self::Local(_) => ErrorClass::Internal,
        }
    }
}
