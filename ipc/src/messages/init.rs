//! What init answers.

use super::requests;
use manifest::api::{BootPhase, ServiceStatus};
use serde::{Deserialize, Serialize};

requests! {
    /// Requests to init.
    Request {
        /// The daemons and what they are doing. Reply: [`Services`].
        Services "services" {},
        /// The phases of this boot. Reply: [`BootTrace`].
        BootTrace "boot-trace" {},
        /// Go down in order and start again. Reply: [`manifest::api::Done`], before it happens.
        Reboot "reboot" {
            /// Why; goes to the event log and the console.
            reason: String,
        },
        /// Go down in order and power off. Reply: [`manifest::api::Done`], before it happens.
        PowerOff "power-off" {
            /// Why; goes to the event log and the console.
            reason: String,
        },
    }
}

/// Reply to [`Request::Services`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Services {
    /// The daemons in starting order.
    pub services: Vec<ServiceStatus>,
    /// Whether the device is in safe mode.
    pub safe_mode: bool,
    /// Number of this boot.
    pub boot: u64,
}

/// Reply to [`Request::BootTrace`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootTrace {
    /// The phases in order.
    pub phases: Vec<BootPhase>,
}
