//! An app's configuration: kept by security-monitor, handed to the app as a descriptor that it can only read.

use crate::{app::App, fault::Fault, life::Event, manager::Manager, state::Wanted};
use ipc::messages::monitor::Document;
use linux::files;
use manifest::{
    api::{AppConfig, ErrorClass},
    holdfast::ConfigChange,
    names::ComponentId,
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{MemfdFlags, Mode, OFlags, fchmod, ftruncate, memfd_create},
    io::{Errno, pread, pwrite, write},
    pipe::{PipeFlags, pipe_with},
};

/// Names of an app's descriptors.
const DOCUMENT: &str = "config";
const CHANGED: &str = "config-changed";

/// A running app's configuration, as long as this process writes it.
pub struct Delivered {
    document: OwnedFd,
    /// By which the app is told of a change; one without it is started again. A pipe has two sides that are open by
    /// themselves: of an eventfd the app could make writing wait, and with it this daemon.
    changed: Option<OwnedFd>,
}

/// What an app is passed, by name.
type Passed = Vec<(String, OwnedFd)>;

/// What an app is passed, and what is kept to know what it has and to tell it of a change.
pub fn deliver(document: &[u8], change: ConfigChange) -> Result<(Passed, Delivered), Fault> {
    let memory = memfd_create(DOCUMENT, MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL).map_err(fault)?;
    // The app's user could otherwise open it anew for writing, by its place in /proc.
    fchmod(&memory, Mode::RUSR).map_err(fault)?;
    fill(&memory, document)?;
    let mut passed = vec![(DOCUMENT.to_owned(), files::reopen(memory.as_fd(), OFlags::RDONLY)?)];
    if change == ConfigChange::Restart {
        return Ok((passed, Delivered { document: memory, changed: None }));
    }
    let (told, changed) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(fault)?;
    // It writes too, so that it hears of no end when this daemon ends and another one comes.
    passed.push((CHANGED.to_owned(), files::reopen(told.as_fd(), OFlags::RDWR | OFlags::NONBLOCK)?));
    Ok((passed, Delivered { document: memory, changed: Some(changed) }))
}

impl Delivered {
    /// Whether the app has this content now: it had it before, which is no change, or it was told. Whoever reads after having
    /// been told reads the new content whole.
    fn replace(&self, document: &[u8]) -> bool {
        // Full of what it has not read yet: it was told already.
        let tell = |changed| matches!(write(changed, b"\n"), Ok(_) | Err(Errno::AGAIN));
        self.holds(document)
            || self.changed.as_ref().is_some_and(|changed| fill(&self.document, document).is_ok() && tell(changed))
    }

    fn holds(&self, document: &[u8]) -> bool {
        let mut found = vec![0; document.len() + 1];
        pread(&self.document, &mut found, 0).is_ok_and(|length| found.get(..length) == Some(document))
    }
}

fn fill(memory: &OwnedFd, document: &[u8]) -> Result<(), Fault> {
    ftruncate(memory, 0).map_err(fault)?;
    let written = if document.is_empty() { 0 } else { pwrite(memory, document, 0).map_err(fault)? };
    if written == document.len() { Ok(()) } else { Err(Fault::new(ErrorClass::NoSpace, "no memory for a configuration")) }
}

fn fault(errno: Errno) -> Fault {
    Fault::new(ErrorClass::Internal, format!("cannot hand a configuration over: {errno}"))
}

impl Manager {
    /// Whether an app has a configuration.
    pub fn config(&mut self, id: &ComponentId) -> Result<AppConfig, Fault> {
        self.known(id)?;
        let document = self.monitor.config(id)?;
        Ok(AppConfig { size: document.map(|bytes| bytes.len() as u64) })
    }

    /// Keeps an app's configuration, then has the app read it: what is acknowledged is on the disk. The same once more changes
    /// nothing.
    pub fn set_config(&mut self, id: &ComponentId, document: Option<&str>) -> Result<AppConfig, Fault> {
        takes_config(self.known(id)?)?;
        self.monitor.set_document(id, Document::Config, document)?;
        let kept = self.monitor.config(id)?;
        let size = kept.as_ref().map(|bytes| bytes.len() as u64);
        let live = self.apps.get(id).and_then(|app| app.live.as_ref());
        // One that an app-manager before this one started is started again: that one alone could write what it reads.
        let delivered = live.and_then(|live| live.config.as_ref());
        let told = delivered.is_some_and(|delivered| delivered.replace(&kept.unwrap_or_default()));
        let is_up = live.is_some() && self.table.get(id).is_some_and(|entry| entry.wanted == Wanted::Running);
        if is_up && !told {
            self.feed(id, Event::Restart);
        }
        linux::log::notice(format!("{id} was given a configuration"));
        Ok(AppConfig { size })
    }
}

fn takes_config(app: &App) -> Result<(), Fault> {
    if app.removal.is_some() {
        return Err(Fault::new(ErrorClass::Conflict, format!("{} is being removed", app.id)));
    }
    let takes = app.installed.as_ref().and_then(|installed| installed.granted.config);
    takes.map(drop).ok_or_else(|| {
        Fault::with_hint(
            ErrorClass::NotGranted,
            format!("{} takes no configuration", app.id),
            r#"its manifest lacks the line "Holdfast": { "Config": "restart" } or { "Config": "notify" }"#,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, io::Read, os::fd::AsRawFd};

    fn content(fd: &OwnedFd) -> String {
        let mut text = String::new();
        let mut file = File::from(files::reopen(fd.as_fd(), OFlags::RDONLY).unwrap());
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn an_app_reads_its_configuration_and_cannot_write_it() {
        let (passed, kept) = deliver(b"secret", ConfigChange::Restart).unwrap();
        assert!(!kept.replace(b"other"), "it is told of a change only by another start");
        let names: Vec<&str> = passed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names, content(&passed[0].1)), (vec!["config"], "secret".to_owned()));
        assert!(pwrite(&passed[0].1, b"x", 0).is_err());
        // As the app's user: the owner of everything here may do anything.
        let path = format!("/proc/self/fd/{}", passed[0].1.as_raw_fd());
        assert!(std::fs::metadata(path).unwrap().permissions().readonly());
    }

    #[test]
    fn a_change_is_read_whole_after_it_was_told() {
        let (passed, kept) = deliver(b"the longer first one", ConfigChange::Notify).unwrap();
        assert!(kept.replace(b"second"));
        let told = rustix::io::read(&passed[1].1, &mut [0; 8]).unwrap();
        assert_eq!((told, content(&passed[0].1)), (1, "second".to_owned()));
    }

    #[test]
    fn an_app_that_reads_no_changes_cannot_make_telling_wait() {
        let (passed, kept) = deliver(b"", ConfigChange::Notify).unwrap();
        // What an app may do to its own side.
        rustix::fs::fcntl_setfl(&passed[1].1, OFlags::empty()).unwrap();
        let changes = (0..70_000_u32).filter(|change| kept.replace(&change.to_ne_bytes())).count();
        assert_eq!((changes, content(&passed[0].1).len()), (70_000, 4));
        drop(passed);
        assert!(!kept.replace(b"nobody hears of it"), "it is started again");
    }

    #[test]
    fn the_same_configuration_once_more_is_no_change() {
        for change in [ConfigChange::Notify, ConfigChange::Restart] {
            let (passed, kept) = deliver(b"the same", change).unwrap();
            assert!(kept.replace(b"the same"));
            assert!(!kept.holds(b"the sam") && !kept.holds(b"the same "));
            let told = passed.get(1).map(|(_, changed)| rustix::io::read(changed, &mut [0; 8]));
            assert!(matches!(told, None | Some(Err(Errno::AGAIN))), "{told:?}");
        }
    }
}
