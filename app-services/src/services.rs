//! The apps that are served, and one turn of the loop.

use crate::{
    app::{App, Connection, Received},
    figures::Figures,
    outside::Outside,
    pace::Pace,
    peers::Arriving,
    updates::Coming,
};
use ipc::messages::Instance;
use linux::{clock, poll::Poller};
use manifest::{
    names::ComponentId,
    services::{Rights, SERVICE_PACKET_LIMIT},
};
use rustix::fd::OwnedFd;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::Duration,
};

/// Everything that is served.
pub struct Services<O> {
    /// What is waited for.
    pub poller: Poller,
    /// init and security-monitor.
    pub outside: O,
    /// The apps.
    pub apps: BTreeMap<ComponentId, App>,
    /// Whose a token is.
    owners: BTreeMap<u64, ComponentId>,
    next_token: u64,
    /// Apps that app-manager told of since the link to it was made.
    told: BTreeSet<ComponentId>,
    /// The updates that are coming, as app-manager told last.
    pub coming: Coming,
}

/// The first token of apps; the caller's own are below.
pub const FIRST_TOKEN: u64 = 16;

impl<O: Outside> Services<O> {
    /// Nobody is served yet.
    pub fn new(outside: O) -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            outside,
            apps: BTreeMap::new(),
            owners: BTreeMap::new(),
            next_token: FIRST_TOKEN,
            told: BTreeSet::new(),
            coming: Coming::default(),
        })
    }

    /// app-manager will tell of all apps anew.
    pub fn begin_telling(&mut self) {
        self.told.clear();
    }

    /// Serves an instance. What app-manager tells of again, after its own restart, keeps its connections.
    pub fn begin(
        &mut self,
        instance: Instance,
        uid: u32,
        rights: Rights,
        memory_limit: u64,
        descriptors: Vec<OwnedFd>,
    ) -> io::Result<()> {
        let mut descriptors = descriptors.into_iter();
        let Some(listener) = descriptors.next() else { return Err(io::Error::other("no socket came with it")) };
        let figures = Figures::new(descriptors.collect(), memory_limit);
        let id = instance.component.clone();
        let token = self.new_token(&id);
        self.told.insert(id.clone());
        match self.apps.get_mut(&id) {
            Some(app) if app.instance == instance => {
                let _ = self.poller.remove(&app.listener);
                self.owners.remove(&app.token);
                (app.uid, app.rights, app.figures, app.listener, app.token) = (uid, rights, figures, listener, token);
                // An app that waits is given its place in the loop when it has waited.
                if app.paused_until.is_some() {
                    return Ok(());
                }
            }
            _ => {
                self.end(&id);
                let app = App {
                    instance,
                    uid,
                    rights,
                    figures,
                    listener,
                    token,
                    connections: BTreeMap::new(),
                    arriving: Arriving::default(),
                    pace: Pace::of_requests(),
                    changes: Pace::of_changes(),
                    store: None,
                    paused_until: None,
                    reported: false,
                };
                self.owners.insert(token, id.clone());
                self.apps.insert(id.clone(), app);
            }
        }
        self.apps.get(&id).map_or(Ok(()), |app| self.poller.add(&app.listener, token))
    }

    /// An instance is over.
    pub fn ended(&mut self, instance: &Instance) {
        if self.apps.get(&instance.component).is_some_and(|app| app.instance == *instance) {
            self.end(&instance.component);
        }
    }

    /// All that run were told: the others run no more.
    pub fn complete(&mut self) {
        let gone: Vec<ComponentId> = self.apps.keys().filter(|id| !self.told.contains(*id)).cloned().collect();
        for id in gone {
            self.end(&id);
        }
    }

    /// Handles a readable token of an app: a connection, or one packet.
    pub fn handle(&mut self, token: u64) {
        // Its app may be gone by an event before this one in the same round.
        let Some(id) = self.owners.get(&token).cloned() else { return };
        let Some(app) = self.apps.get_mut(&id) else { return };
        app.count(&self.poller, clock::since_boot());
        if token == app.token {
            return self.accept(&id);
        }
        let Some(connection) = app.connections.get(&token) else { return };
        match connection.receive() {
            Received::Packet(packet) => self.answer(&id, token, &packet),
            Received::TooLong => {
                self.malformed(&id, token, format!("a packet of more than {SERVICE_PACKET_LIMIT} bytes"));
            }
            Received::Nothing => {}
            Received::End => self.close(&id, token),
        }
    }

    /// Listens again to apps whose pause is over.
    pub fn resume(&mut self, now: Duration) {
        for app in self.apps.values_mut() {
            if let Err(e) = app.resume(&self.poller, now) {
                linux::log::error(format!("{}: it is not listened to any more: {e}", app.instance));
            }
        }
    }

    /// When the first pause is over.
    pub fn deadline(&self) -> Option<Duration> {
        self.apps.values().filter_map(|app| app.paused_until).min()
    }

    /// Closes a connection.
    pub fn close(&mut self, id: &ComponentId, token: u64) {
        self.owners.remove(&token);
        if let Some(app) = self.apps.get_mut(id) {
            app.connections.remove(&token);
        }
    }

    fn accept(&mut self, id: &ComponentId) {
        let token = self.new_token(id);
        let Some(app) = self.apps.get_mut(id) else { return };
        let Some(socket) = app.accept() else { return drop(self.owners.remove(&token)) };
        // One that asks too fast gets its place in the loop when it has waited.
        let added = if app.paused_until.is_some() { Ok(()) } else { self.poller.add(&socket, token) };
        match added {
            Ok(()) => drop(app.connections.insert(token, Connection { socket, waits: None })),
            Err(e) => {
                self.owners.remove(&token);
                linux::log::warning(format!("{id}: a connection cannot be waited for: {e}"));
            }
        }
    }

    fn end(&mut self, id: &ComponentId) {
        if let Some(app) = self.apps.remove(id) {
            app.leave(&self.poller);
            self.owners.retain(|_, owner| owner != id);
            self.apps.values_mut().for_each(|other| other.arriving.forget(id));
        }
    }

    fn new_token(&mut self, id: &ComponentId) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        self.owners.insert(token, id.clone());
        token
    }
}

#[cfg(test)]
mod tests;
