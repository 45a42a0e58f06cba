//! What app-manager answers.

use super::requests;
use manifest::{
    api::{AppStatus, Downgrade, LogLine},
    names::ComponentId,
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
            /// Whether it may be an older version than the one that is there.
            downgrade: Downgrade,
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

/// Reply to [`Request::Policy`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What the manifest grants, in plain words, from `grant`.
    pub grants: Vec<String>,
    /// What launcher put in force for the running instance; empty while it does not run.
    pub in_force: Vec<String>,
}
