//! What network-manager answers.

use super::requests;
use manifest::names::ComponentId;
use serde::{Deserialize, Serialize};

requests! {
    /// Requests to network-manager.
    Request {
        /// Links and addresses. Reply: [`Links`].
        Links "links" {},
        /// From app-services: the same for programs. Reply: [`manifest::services::Network`].
        Status "status" {},
        /// From app-services: set the clock for an app whose manifest allows it. Reply: [`manifest::api::Done`].
        SetClock "set-clock" {
            /// Milliseconds since 1970.
            unix_ms: u64,
            /// For whom; goes to the event log.
            app: ComponentId,
        },
    }
}

/// Reply to [`Request::Links`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Links {
    /// One line per link: name, state, addresses.
    pub links: Vec<String>,
}
