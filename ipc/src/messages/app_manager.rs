//! What app-manager answers.

use super::{Instance, requests};
use manifest::{
    api::{AppStatus, Downgrade, LogLine, When},
    names::{ComponentId, TimeZone},
    services::{Rights, UpdateState},
};
use serde::{Deserialize, Serialize};

requests! {
    /// Requests to app-manager.
    Request {
        /// The installed apps. Reply: [`Apps`].
        List "list" {
            /// Only those behind this one.
            after: Option<ComponentId>,
        },
        /// One app. Reply: [`AppStatus`].
        Status "status" {
            /// Which.
            component: ComponentId,
        },
        /// Begin to install a bundle of this size. Reply: [`Upload`] with the end of a pipe to write it to.
        BeginInstall "begin-install" {
            /// Bytes that will be written.
            size: u64,
        },
        /// The bundle is written and the descriptor closed. Reply: [`manifest::api::InstallResult`].
        CommitInstall "commit-install" {
            /// The upload's token.
            token: u64,
            /// Whether it may be an older version than the one that is there. One that was wished for on purpose is installed
            /// at once.
            downgrade: Downgrade,
            /// Whether apps may put it off.
            when: When,
        },
        /// Install the update that waits. Reply: [`manifest::api::InstallResult`].
        UpdateNow "update-now" {
            /// Of which app.
            component: ComponentId,
        },
        /// The upload broke off; forget it. Reply: [`manifest::api::Done`].
        AbortInstall "abort-install" {
            /// The upload's token.
            token: u64,
        },
        /// Start an app. Reply: [`AppStatus`].
        Start "start" {
            /// Which.
            component: ComponentId,
        },
        /// Stop an app, over reboots too. Reply: [`AppStatus`].
        Stop "stop" {
            /// Which.
            component: ComponentId,
        },
        /// Stop and start an app. Reply: [`AppStatus`].
        Restart "restart" {
            /// Which.
            component: ComponentId,
        },
        /// End an app and have a debugger start it again, where the image lets apps be debugged. Which role that takes is
        /// device-api's to hold. Reply, once it waits for its first instruction: [`manifest::api::Done`] with a socket that
        /// gdbserver's protocol is spoken over; when that closes the app is started again without.
        Debug "debug" {
            /// Which.
            component: ComponentId,
        },
        /// Remove an app with its data. Reply: [`manifest::api::Done`].
        Remove "remove" {
            /// Which.
            component: ComponentId,
        },
        /// An app's log. Reply: [`AppLog`].
        Log "log" {
            /// Whose.
            component: ComponentId,
            /// Only lines with a higher sequence number.
            after: u64,
            /// At most this many; the oldest first.
            limit: u32,
        },
        /// Give an app a configuration in place of the one before. Reply: [`manifest::api::AppConfig`].
        SetConfig "set-config" {
            /// Which.
            component: ComponentId,
            /// The document in Base64, of at most [`manifest::api::CONFIG_LIMIT`] bytes; absent: it has none any more.
            document: Option<String>,
        },
        /// Whether an app has a configuration. Reply: [`manifest::api::AppConfig`].
        Config "config" {
            /// Which.
            component: ComponentId,
        },
        /// From app-services: keep an app's certificates in place of those before. Reply: [`manifest::api::Done`].
        SetCertificates "set-certificates" {
            /// Which.
            component: ComponentId,
            /// They, in Base64, of at most [`manifest::api::CONFIG_LIMIT`] bytes.
            document: String,
        },
        /// From app-services: an app's certificates. Reply: [`super::monitor::Kept`].
        Certificates "certificates" {
            /// Whose.
            component: ComponentId,
        },
        /// From app-services: an app puts an update off, or lets it come. Reply: [`manifest::services::PutOff`].
        PutOffUpdate "put-off-update" {
            /// Who.
            by: Instance,
            /// The update of which app.
            component: ComponentId,
            /// For so long; 0: it may come.
            seconds: u32,
        },
        /// From app-services: an app sets the device's time zone. Reply: [`manifest::api::Done`].
        SetTimeZone "set-time-zone" {
            /// Who.
            by: Instance,
            /// The zone.
            zone: TimeZone,
        },
        /// What an app was refused. Reply: [`manifest::api::AppDenials`].
        Denials "denials" {
            /// Which.
            component: ComponentId,
        },
        /// What is in force for an app, layer by layer. Reply: [`Policy`].
        Policy "policy" {
            /// Whose.
            component: ComponentId,
        },
        /// From app-services: become the one that serves the apps' sockets. Reply: [`manifest::api::Done`]; then, on the same
        /// connection, a [`Serving`] event for each app that runs with a right to a service, and for what changes. Sent again
        /// on the same connection, it goes on behind a [`Serving::More`].
        ServeApps "serve-apps" {},
    }
}

/// Reply to [`Request::List`]: as many as a packet holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apps {
    /// The apps, by component id.
    pub apps: Vec<AppStatus>,
    /// Whether there are others behind the last one.
    pub more: bool,
}

/// Reply to [`Request::BeginInstall`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// Names the upload.
    pub token: u64,
}

/// Reply to [`Request::Log`]: as many as a packet holds; ask again after the last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppLog {
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
}

/// What comes after [`Request::ServeApps`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Serving {
    /// Serve this instance from now on. Descriptors: its listening socket; with a right to figures of memory also
    /// `memory.current` for reading and `memory.peak` for reading and writing.
    Begin {
        /// Which.
        instance: Instance,
        /// Its uid: nobody else speaks on its socket.
        uid: u32,
        /// What it may ask for.
        rights: Rights,
        /// Its limit of memory in bytes.
        memory_limit: u64,
    },
    /// It ended.
    End {
        /// Which.
        instance: Instance,
    },
    /// The updates that are coming, in place of those before.
    Updates {
        /// Rises with every change.
        serial: u64,
        /// By app; at most [`manifest::services::UPDATES_LIMIT`].
        updates: Vec<Update>,
    },
    /// There are others: as many were told as the connection surely holds.
    More {},
    /// All that run now were told.
    Complete {},
}

/// A version that is about to take the place of another. Times are since the kernel's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// The app.
    pub component: ComponentId,
    /// The version that is there.
    pub from: u64,
    /// The version that comes.
    pub to: u64,
    /// How far it is.
    pub state: UpdateState,
    /// When it is installed, in milliseconds.
    pub at_ms: u64,
    /// When it is installed at the latest, in milliseconds.
    pub at_most_ms: u64,
}

/// Reply to [`Request::Policy`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What the manifest grants, in plain words, from `grant`.
    pub grants: Vec<String>,
    /// What launcher put in force for the running instance; empty while it does not run.
    pub in_force: Vec<String>,
}
