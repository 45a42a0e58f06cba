//! Requests and replies, a module per service that answers them.

pub mod app_manager;
pub mod crash_reporter;
pub mod init;
pub mod launcher;
pub mod monitor;
pub mod network;

use serde::de::DeserializeOwned;

/// A request that a service answers.
pub trait Request: DeserializeOwned {
    /// Its name, as the service table's `callers` has it: the tag it travels under.
    fn name(&self) -> &'static str;
}

/// Declares a service's requests: a closed enum, externally tagged in kebab-case, with each one's name.
macro_rules! requests {
    ($(#[$doc:meta])* $type:ident { $($(#[$vdoc:meta])* $variant:ident $name:literal { $($(#[$fdoc:meta])* $field:ident : $kind:ty),* $(,)? }),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub enum $type {
            $($(#[$vdoc])* #[serde(rename = $name)] $variant { $($(#[$fdoc])* $field: $kind),* }),*
        }

        impl $crate::messages::Request for $type {
            fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name),* }
            }
        }
    };
}
pub(crate) use requests;

/// An instance of an app or a service: a message to one that was restarted since fails.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// The app.
    pub component: manifest::names::ComponentId,
    /// Which start of it.
    pub generation: u64,
}

impl std::fmt::Display for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (generation {})", self.component, self.generation)
    }
}
