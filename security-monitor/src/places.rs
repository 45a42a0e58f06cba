//! Where the monitor finds things: the device's places below a root, which is `/` except in tests.

use manifest::places;
use std::path::{Path, PathBuf};

/// What the monitor opens by path.
#[derive(Debug, Clone)]
pub struct Places {
    /// The trust store.
    pub trust: PathBuf,
    /// The service table.
    pub services: PathBuf,
    /// What the image says of itself.
    pub image: PathBuf,
    /// The event log's folder.
    pub events: PathBuf,
    /// What the keys of the apps' storage are made from.
    pub storage_keys: PathBuf,
    /// The apps' configuration.
    pub config: PathBuf,
    /// What pstore kept.
    pub pstore: PathBuf,
    /// The daemons' logs.
    pub daemon_logs: PathBuf,
    /// Exists in safe mode.
    pub safe_mode: PathBuf,
    /// Exists where there is a TPM.
    pub tpm: PathBuf,
    /// EFI variable that says whether the firmware verified what it started.
    pub secure_boot: PathBuf,
}

impl Places {
    /// All places below `root`.
    pub fn below(root: &Path) -> Self {
        let at = |path: &str| root.join(path.trim_start_matches('/'));
        Self {
            trust: at(places::TRUST),
            services: at(places::SERVICES),
            image: at(places::IMAGE),
            events: at(places::EVENTS),
            storage_keys: at(places::STORAGE_KEYS),
            config: at(places::CONFIG),
            pstore: at(places::PSTORE_KEPT),
            daemon_logs: at(places::DAEMON_LOGS),
            safe_mode: at(places::SAFE_MODE),
            tpm: at("/sys/class/tpm/tpm0"),
            secure_boot: at("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"),
        }
    }
}
