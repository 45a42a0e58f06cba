//! What network-manager answers.

use super::requests;
use serde::{Deserialize, Serialize};

requests! {
    /// Requests to network-manager.
    Request {
        /// Links and addresses. Reply: [`Links`].
        Links "links" {},
    }
}

/// Reply to [`Request::Links`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Links {
    /// One line per link: name, state, addresses.
    pub links: Vec<String>,
}
