//! What crash-reporter answers.

use super::requests;
use manifest::{api::CrashReport, names::ComponentId};
use serde::{Deserialize, Serialize};

requests! {
    /// Requests to crash-reporter.
    Request {
        /// From app-manager: make a report of what the kernel dumped of an app. Descriptor: the core file, readable.
        /// Reply, when the report is kept: [`Kept`].
        Report "report" {
            /// Whose, and how it ended.
            crash: Crash,
        },
        /// From app-manager: an app was removed, and its reports go with it. Reply: [`manifest::api::Done`].
        Forget "forget" {
            /// The app.
            component: ComponentId,
        },
        /// The reports that are kept. Reply: [`manifest::api::CrashList`].
        List "list" {},
        /// One sealed report. Reply: [`manifest::api::Done`] with its file, readable.
        Open "open" {
            /// Which.
            number: u64,
        },
        /// Delete a report. Reply: [`manifest::api::Done`].
        Delete "delete" {
            /// Which.
            number: u64,
        },
    }
}

/// What app-manager knows of a crash: [`CrashReport`] without what only crash-reporter can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// The app.
    pub component: ComponentId,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// Which start of it.
    pub generation: u64,
    /// The signal that ended it.
    pub signal: i32,
    /// When, in milliseconds since 1970 by the device's clock.
    pub time_ms: u64,
}

/// Reply to [`Request::Report`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The report.
    pub report: CrashReport,
}
