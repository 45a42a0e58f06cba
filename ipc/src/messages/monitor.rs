//! What security-monitor answers.

use super::requests;
use manifest::{
    api::{Event, EventKind, LogLine},
    names::{ComponentId, DisplayName, ServiceName, Sha256Hex},
};
use serde::{Deserialize, Serialize};

requests! {
    /// Requests to security-monitor.
    Request {
        /// Judge a bundle. Descriptor: the file, readable, position ignored.
        /// Reply: [`Verdict`] with two sealed memfds, envelope and manifest. launcher gets the verdict from the monitor itself.
        VerifyBundle "verify-bundle" {},
        /// Judge an installed app again, after a start of the device, of app-manager or of launcher.
        /// Descriptors: image with fs-verity on, envelope. Reply: [`Verdict`] with the manifest in a sealed memfd.
        VerifyInstalled "verify-installed" {},
        /// Give the kernel the key of an app's storage, made at the first time. Reply: [`StorageKey`].
        AddStorageKey "add-storage-key" {
            /// The app.
            component: ComponentId,
        },
        /// Keep a document of an app in place of the one before. Reply: [`manifest::api::Done`].
        SetDocument "set-document" {
            /// The app.
            component: ComponentId,
            /// Which of its documents.
            which: Document,
            /// It in Base64, of at most [`manifest::api::CONFIG_LIMIT`] bytes; absent: there is none any more.
            document: Option<String>,
        },
        /// A document of an app. Reply: [`Kept`].
        Document "document" {
            /// The app.
            component: ComponentId,
            /// Which of its documents.
            which: Document,
        },
        /// Forget the key of an app's storage and its documents for good: what is in them can never be read again.
        /// Reply: [`manifest::api::Done`], also where there was none.
        DropStorageKey "drop-storage-key" {
            /// The app.
            component: ComponentId,
        },
        /// Record what a daemon noticed. Reply: [`manifest::api::Done`].
        ReportThreat "report-threat" {
            /// What.
            kind: EventKind,
            /// About whom.
            subject: String,
            /// In words.
            detail: String,
        },
        /// The event log. Reply: [`Events`].
        Events "events" {
            /// Only events with a higher sequence number.
            after: u64,
            /// At most this many; the oldest first.
            limit: u32,
        },
        /// A daemon's log. Reply: [`LogLines`].
        ServiceLog "service-log" {
            /// Whose.
            service: ServiceName,
            /// Only lines with a higher sequence number.
            after: u64,
            /// At most this many; the oldest first.
            limit: u32,
        },
        /// The kernel's log. Reply: [`LogLines`].
        KernelLog "kernel-log" {
            /// Only lines with a higher sequence number.
            after: u64,
            /// At most this many; the oldest first.
            limit: u32,
        },
        /// How the monitor itself is doing. Reply: [`Status`].
        Status "status" {},
    }
}

/// What the monitor found of a bundle or an installed app: it is what its signer signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The app.
    pub component: ComponentId,
    /// Its version.
    pub version: u64,
    /// Its version as people write it.
    pub version_name: Option<DisplayName>,
    /// Platform ABI it needs.
    pub platform_abi: u32,
    /// fs-verity digest of the image.
    pub digest: Sha256Hex,
    /// Size of the image in bytes.
    pub image_size: u64,
    /// Length of the envelope in bytes.
    pub envelope_size: u64,
    /// Key that signed.
    pub key_id: Sha256Hex,
}

/// Reply to [`Request::AddStorageKey`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageKey {
    /// What the kernel calls it: a digest of it, which tells nothing of it.
    pub identifier: [u8; 16],
}

/// What is kept for an app beside its storage, encrypted like that and gone with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    /// What its owner gives it to read.
    Config,
    /// Its certificates, as app-services writes them.
    Certificates,
}

/// Reply to [`Request::Document`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The document in Base64, if there is one.
    pub document: Option<String>,
}

/// Reply to [`Request::Events`]: as many as a packet holds; ask again after the last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// The events, oldest first.
    pub events: Vec<Event>,
}

/// Reply to [`Request::ServiceLog`] and [`Request::KernelLog`]: as many as a packet holds; ask again after the last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLines {
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
}

/// Reply to [`Request::Status`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Keys in the trust store.
    pub trusted_keys: u32,
    /// Sequence number of the newest event.
    pub last_event: u64,
    /// What weakens this device, in plain words.
    pub warnings: Vec<String>,
}
