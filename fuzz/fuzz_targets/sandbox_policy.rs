//! A sandbox policy: what is read is written and read again the same; one without problems names only clean paths, and
//! can be explained.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandbox_cli::{explain, policy::PolicyFile};

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = PolicyFile::parse(bytes) else { return };
    let written = serde_json::to_vec(&read).unwrap();
    if written.len() <= sandbox_cli::policy::LENGTH_LIMIT {
        assert_eq!(PolicyFile::parse(&written).unwrap(), read);
    }
    if read.check().is_empty() {
        for mount in &read.mounts {
            for path in [mount.at.as_str(), mount.source()] {
                assert!(path.starts_with('/') && !path.contains("/../") && !path.ends_with("/..") && !path.contains('\0'));
            }
        }
        assert!(explain::lines(&read).iter().all(|line| !line.chars().any(char::is_control)), "{read:?}");
    }
});
