//! The device's time zone, which an app with the right to it sets, and every app that is started gets.

use crate::{fault::Fault, manager::Manager};
use ipc::messages::Instance;
use linux::files::{self, FileError};
use manifest::{
    api::{Done, ErrorClass},
    names::TimeZone,
    places,
};
use std::path::Path;

/// Name of its file beside the table of apps.
const FILE: &str = "time-zone";
/// Longest file that is read.
const LIMIT: usize = 256;

/// The one that was set; what cannot be read or understood was not: clocks that are off are no reason to run no app.
pub fn load(folder: &Path) -> Option<TimeZone> {
    let read = files::read(folder.join(FILE), LIMIT);
    if read.as_ref().is_err_and(FileError::is_missing) {
        return None;
    }
    let text = read.map_err(|e| files::chain(&e)).and_then(|bytes| String::from_utf8(bytes).map_err(|e| e.to_string()));
    let zone = text.and_then(|text| text.trim_end().parse::<TimeZone>().map_err(|e| e.to_string()));
    zone.inspect_err(|why| linux::log::error(format!("{FILE}: no time zone is set: {why}"))).ok()
}

impl Manager {
    /// An app sets it: on the disk when this returns, and in the environment of apps from their next start on.
    pub fn set_time_zone(&mut self, by: &Instance, zone: TimeZone) -> Result<Done, Fault> {
        let app = self.apps.get(&by.component).filter(|app| app.is(by)).and_then(|app| app.installed.as_ref());
        if !app.is_some_and(|installed| installed.granted.services.set_clock) {
            return Err(Fault::new(ErrorClass::NotGranted, format!("{by} has no right to set the time zone")));
        }
        files::write_durably(Path::new(places::APPS).join(FILE), format!("{zone}\n").as_bytes(), 0o600)?;
        linux::log::notice(format!("{by} set the time zone to {zone}"));
        self.time_zone = Some(zone);
        Ok(Done {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_time_zone_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        assert_eq!(load(folder.path()), None);
        files::write_durably(&file, b"CET-1CEST,M3.5.0,M10.5.0/3\n", 0o600).unwrap();
        assert_eq!(load(folder.path()).unwrap().as_str(), "CET-1CEST,M3.5.0,M10.5.0/3");
        for odd in [&[0xff; 8][..], &[b'A'; LIMIT + 1]] {
            files::write_durably(&file, odd, 0o600).unwrap();
            assert_eq!(load(folder.path()), None);
        }
        files::remove(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert_eq!(load(folder.path()), None);
    }
}
