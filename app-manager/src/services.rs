//! The apps' service sockets: made here, served by app-services, which is told of each instance that has one.
//!
//! The socket lies in a folder of its own that is mounted into the app's root, so that this daemon, when it was started
//! again, can make it anew under a running app. It is kept here as long as the instance lives: while app-services is away,
//! apps that connect wait in the socket's queue.

use crate::{app::App, fault::Fault, manager::Manager};
use ipc::{
    client::Answer,
    messages::{
        Instance,
        app_manager::Serving,
        monitor::{Document, Kept},
    },
};
use linux::{
    cgroup::Cgroup,
    files::{self, FileError},
};
use manifest::{
    api::{Done, ErrorClass},
    names::ComponentId,
    services::Rights,
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{AtFlags, CWD, Mode, OFlags, chmodat},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with},
};
use std::{
    ops::Bound,
    path::{Path, PathBuf},
};

/// What an instance with a right to a service has.
pub struct Services {
    listener: OwnedFd,
    /// `memory.current` and `memory.peak`. The record of most memory begins anew for whoever writes to the very open file
    /// that is read (cgroup-v2.rst), so it is opened once and kept.
    memory: Vec<OwnedFd>,
    rights: Rights,
    memory_limit: u64,
}

/// How far app-services was told of the apps that run.
pub enum Telling {
    /// It asks on behind this one.
    After(ComponentId),
    /// Of all; it hears that it was, once that is certain.
    Completes,
    /// It knows.
    Done,
}

/// Apps that it is told of before it asks on: their packets fit into the connection, whatever their manifests list.
const TOLD_AT_ONCE: usize = 32;
/// Apps that wait to be accepted; more than app-services accepts of one app.
const BACKLOG: i32 = 8;

/// The folder of an app's service socket.
pub fn folder(run: &Path, id: &ComponentId) -> PathBuf {
    run.join(id.as_str()).join("services")
}

/// Opens what an instance gets; nothing where it has no right.
pub fn open(
    run: &Path,
    instance: &Instance,
    rights: &Rights,
    cgroup: &Cgroup,
    memory_limit: u64,
) -> Result<Option<Services>, FileError> {
    if rights.is_empty() {
        return Ok(None);
    }
    let listener = bind_socket(&folder(run, &instance.component))?;
    let mut memory = Vec::new();
    if rights.memory || rights.reset_memory_peak {
        memory.push(files::open(cgroup.path().join("memory.current"), OFlags::RDONLY)?);
        memory.push(files::open(cgroup.path().join("memory.peak"), OFlags::RDWR)?);
    }
    Ok(Some(Services { listener, memory, rights: rights.clone(), memory_limit }))
}

/// Anybody who reaches it may connect: that is the app alone, and app-services asks the kernel who it was.
fn bind_socket(folder: &Path) -> Result<OwnedFd, FileError> {
    if let Some(around) = folder.parent() {
        files::make_folder(around, 0o755)?;
    }
    files::make_folder(folder, 0o755)?;
    let path = folder.join("socket");
    files::remove(&path)?;
    let error = |e: Errno| FileError::new("listen at", &path, e);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).map_err(error)?;
    bind(&socket, &SocketAddrUnix::new(&path).map_err(error)?).map_err(error)?;
    chmodat(CWD, &path, Mode::from_raw_mode(0o666), AtFlags::empty()).map_err(|e| FileError::new("set the mode of", &path, e))?;
    listen(&socket, BACKLOG).map_err(error)?;
    Ok(socket)
}

impl App {
    fn is_served(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.services.is_some())
    }
}

impl Manager {
    /// app-services is there, or read what it was told: it is told of those that run with a right to a service.
    pub fn serve_apps(&mut self, token: u64) {
        self.server.answer(token, &Answer::Ok(Done {}), &[]);
        let after = match std::mem::replace(&mut self.telling, Telling::Done) {
            Telling::After(id) if self.served_by == Some(token) => Bound::Excluded(id),
            _ => Bound::Unbounded,
        };
        self.served_by = Some(token);
        if matches!(after, Bound::Unbounded) {
            self.tell_updates_again();
        }
        let served = self.apps.range((after, Bound::Unbounded)).filter(|(_, app)| app.is_served());
        let mut ids: Vec<ComponentId> = served.map(|(id, _)| id.clone()).take(TOLD_AT_ONCE + 1).collect();
        let more = ids.len() > TOLD_AT_ONCE;
        ids.truncate(TOLD_AT_ONCE);
        for id in &ids {
            self.begin_serving(id);
        }
        match ids.pop().filter(|_| more) {
            Some(last) => {
                self.telling = Telling::After(last);
                self.tell_services(&Serving::More {}, &[]);
            }
            None => {
                self.telling = Telling::Completes;
                self.complete_serving();
            }
        }
    }

    /// Whoever was not told of is not served any more: so this waits until each app that goes on was judged again.
    pub fn complete_serving(&mut self) {
        let judged = self.apps.values().all(|app| app.live.is_none() || !app.verdict_due);
        if matches!(self.telling, Telling::Completes) && judged && self.subscription.is_some() && !self.misses_ends() {
            self.telling = Telling::Done;
            self.tell_services(&Serving::Complete {}, &[]);
        }
    }

    /// app-services is told of an instance; when it is not there, it asks once it is.
    pub fn begin_serving(&mut self, id: &ComponentId) {
        let (Some(token), Some(app)) = (self.served_by, self.apps.get(id)) else { return };
        let Some(live) = app.live.as_ref().filter(|live| live.ended.is_none()) else { return };
        let Some(services) = &live.services else { return };
        let event = Serving::Begin {
            instance: live.instance.clone(),
            uid: app.uid,
            rights: services.rights.clone(),
            memory_limit: services.memory_limit,
        };
        let descriptors: Vec<BorrowedFd<'_>> =
            [&services.listener].into_iter().chain(&services.memory).map(AsFd::as_fd).collect();
        if !self.server.push(token, &event, &descriptors) {
            self.served_by = None;
        }
    }

    /// It is told that an instance is over.
    pub fn end_serving(&mut self, instance: &Instance) {
        self.tell_services(&Serving::End { instance: instance.clone() }, &[]);
    }

    /// An app's certificates, as app-services writes them. They go through here because only this daemon knows whether the app
    /// is still there: what is kept for one that is removed would stay for ever.
    pub fn set_certificates(&mut self, id: &ComponentId, document: &str) -> Result<Done, Fault> {
        self.keeps_certificates(id)?;
        self.monitor.set_document(id, Document::Certificates, Some(document))?;
        Ok(Done {})
    }

    /// An app's certificates, if it keeps any.
    pub fn certificates(&mut self, id: &ComponentId) -> Result<Kept, Fault> {
        self.keeps_certificates(id)?;
        self.monitor.document(id, Document::Certificates)
    }

    fn keeps_certificates(&self, id: &ComponentId) -> Result<(), Fault> {
        let app = self.apps.get(id).filter(|app| app.removal.is_none());
        let granted = app.and_then(|app| app.installed.as_ref()).is_some_and(|installed| installed.granted.services.certificates);
        let fault = || Fault::new(ErrorClass::Conflict, format!("{id} is no app that keeps certificates"));
        if granted { Ok(()) } else { Err(fault()) }
    }

    /// An instance that goes on under this daemon gets its socket again, now that its rights are known.
    pub fn serve_again(&mut self, id: &ComponentId) {
        let Some(app) = self.apps.get_mut(id) else { return };
        let (Some(installed), Some(live)) = (&app.installed, &mut app.live) else { return };
        if live.services.is_some() {
            return;
        }
        let granted = &installed.granted;
        let run = manifest::places::APP_RUN.as_ref();
        match open(run, &live.instance, &granted.services, &live.cgroup, granted.limits.memory.0) {
            Ok(services) => live.services = services,
            Err(e) => linux::log::error(format!("{id}: it has no services: {}", files::chain(&e))),
        }
        self.begin_serving(id);
    }

    /// app-services is told something, if it is there.
    pub fn tell_services(&mut self, event: &Serving, descriptors: &[BorrowedFd<'_>]) {
        if let Some(token) = self.served_by
            && !self.server.push(token, event, descriptors)
        {
            self.served_by = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::connect;

    fn instance() -> Instance {
        Instance { component: "25025d2c-66da-4448-bae1-ac26fcdd3627".parse().unwrap(), generation: 1 }
    }

    #[test]
    fn an_app_without_a_right_has_no_socket_and_one_with_a_right_gets_it_anew() {
        let run = tempfile::tempdir().unwrap();
        let cgroup = Cgroup::make(run.path().join("group")).unwrap();
        let opened = |rights: &Rights| open(run.path(), &instance(), rights, &cgroup, 1 << 20).unwrap();
        assert!(opened(&Rights::default()).is_none());
        assert!(!folder(run.path(), &instance().component).exists());
        let rights = Rights { reboot: true, ..Rights::default() };
        for _ in 0..2 {
            let services = opened(&rights).unwrap();
            assert!(services.memory.is_empty());
            let client = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
            let path = folder(run.path(), &instance().component).join("socket");
            connect(&client, &SocketAddrUnix::new(path).unwrap()).unwrap();
        }
    }

    #[test]
    fn figures_of_memory_are_opened_only_with_the_right_to_them() {
        let run = tempfile::tempdir().unwrap();
        let cgroup = Cgroup::make(run.path().join("group")).unwrap();
        let rights = Rights { memory: true, ..Rights::default() };
        assert!(open(run.path(), &instance(), &rights, &cgroup, 1).is_err(), "a group without figures");
        for file in ["memory.current", "memory.peak"] {
            files::write_durably(run.path().join("group").join(file), b"0\n", 0o600).unwrap();
        }
        assert_eq!(open(run.path(), &instance(), &rights, &cgroup, 1).unwrap().unwrap().memory.len(), 2);
    }
}
