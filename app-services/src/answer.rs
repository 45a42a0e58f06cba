//! One request, one reply.

use crate::{
    app::Waits,
    certificates::Change,
    figures::Figures,
    outside::{Outside, Power},
    peers::lets_in,
    request,
    services::Services,
};
use ipc::packet;
use manifest::{
    api::{Done, ErrorBody, ErrorClass},
    names::ComponentId,
    services::{Certificate, Peer, Reply, Request, Rights},
};
use rustix::fd::{AsFd, BorrowedFd};
use serde::Serialize;
use std::io;

/// A refusal.
pub fn refused(class: ErrorClass, message: String, hint: Option<String>) -> ErrorBody {
    ErrorBody { class, message, hint }
}

impl<O: Outside> Services<O> {
    /// Answers a packet that came in on this connection of an app.
    pub fn answer(&mut self, id: &ComponentId, token: u64, packet: &[u8]) {
        let Some(app) = self.apps.get_mut(id) else { return };
        if let Some(connection) = app.connections.get_mut(&token)
            && connection.waits.take().is_some()
        {
            // Replies come in the order of asking: whoever asks something else no longer waits.
            let message = "another request was sent before the reply to this one came".to_owned();
            self.reply::<Done>(id, token, Err(refused(ErrorClass::Conflict, message, None)), &[]);
        }
        match request::parse(packet) {
            Ok(request) => self.carry_out(id, token, request),
            Err(error) => self.malformed(id, token, linux::files::chain(&error)),
        }
    }

    /// What is no request gets an error, and the monitor hears of the first one.
    pub fn malformed(&mut self, id: &ComponentId, token: u64, why: String) {
        let Some(app) = self.apps.get_mut(id) else { return };
        if !std::mem::replace(&mut app.reported, true) {
            self.outside.report(id, &why);
        }
        self.reply::<Done>(id, token, Err(refused(ErrorClass::BadInput, why, None)), &[]);
    }

    fn carry_out(&mut self, id: &ComponentId, token: u64, request: Request) {
        let Some(app) = self.apps.get(id) else { return };
        if let Some(line) = request::missing(&app.rights, &request) {
            let message = "the app's manifest does not list this".to_owned();
            return self.reply::<Done>(id, token, Err(refused(ErrorClass::NotGranted, message, Some(line))), &[]);
        }
        match request {
            Request::Memory {} => {
                let figures = with_figures(app.figures.as_ref(), Figures::read);
                self.reply(id, token, figures, &[]);
            }
            Request::ResetMemoryPeak {} => {
                let done = with_figures(app.figures.as_ref(), Figures::reset_peak).map(|()| Done {});
                self.reply(id, token, done, &[]);
            }
            Request::Reboot {} => self.go_down(id, token, Power::Reboot),
            Request::PowerOff {} => self.go_down(id, token, Power::Off),
            Request::SetClock { unix_ms } => {
                let done = self.may_change(id).and_then(|()| self.outside.set_clock(id, unix_ms));
                self.reply(id, token, done, &[]);
            }
            Request::SetTimeZone { zone } => {
                let by = app.instance.clone();
                let done = self.may_change(id).and_then(|()| self.outside.set_time_zone(&by, zone));
                self.reply(id, token, done, &[]);
            }
            Request::Updates { seen } => {
                self.wait(id, token, Waits::Updates(seen));
                self.tell_updates();
            }
            Request::PutOffUpdate { app: of, seconds } => self.put_off(id, token, of, seconds),
            Request::AllowUpdate { app: of } => self.put_off(id, token, of, 0),
            Request::Network {} => {
                let network = self.outside.network();
                self.reply(id, token, network, &[]);
            }
            Request::PutCertificate { name, certificate, private_key } => {
                self.change(id, token, Change::Put(name, Certificate { certificate, private_key }));
            }
            Request::RenameCertificate { from, to } => self.change(id, token, Change::Rename(from, to)),
            Request::RemoveCertificate { name } => self.change(id, token, Change::Remove(name)),
            Request::Certificates {} => {
                let list = self.certificates(id, |store| Ok(store.list()));
                self.reply(id, token, list, &[]);
            }
            Request::Certificate { name } => {
                let one = self.certificates(id, |store| store.get(&name));
                self.reply(id, token, one, &[]);
            }
            Request::Connect { app } => self.connect(id, token, app),
            Request::Accept {} => {
                self.wait(id, token, Waits::Peer);
                self.hand_over(id);
            }
        }
    }

    /// The reply comes when something happens.
    fn wait(&mut self, id: &ComponentId, token: u64, what: Waits) {
        if let Some(connection) = self.apps.get_mut(id).and_then(|app| app.connections.get_mut(&token)) {
            connection.waits = Some(what);
        }
    }

    fn put_off(&mut self, id: &ComponentId, token: u64, of: ComponentId, seconds: u32) {
        let Some(by) = self.apps.get(id).map(|app| app.instance.clone()) else { return };
        // Each is written down, and wakes all that are told of updates. To let one come is never held back.
        let paced = if seconds > 0 { self.may_change(id) } else { Ok(()) };
        let done = paced.and_then(|()| self.outside.put_off_update(&by, of, seconds));
        self.reply(id, token, done, &[]);
    }

    fn change(&mut self, id: &ComponentId, token: u64, change: Change) {
        let done = self.may_change(id).and_then(|()| self.change_certificates(id, change));
        self.reply(id, token, done, &[]);
    }

    /// Changes of what the device keeps: each is a write to a disk that wears out, so an app has few of them in a while.
    fn may_change(&mut self, id: &ComponentId) -> Result<(), ErrorBody> {
        let now = linux::clock::since_boot();
        match self.apps.get_mut(id).and_then(|app| app.changes.count(now)) {
            Some(_) => Err(refused(ErrorClass::Conflict, "too many changes in a minute".into(), Some("try again later".into()))),
            None => Ok(()),
        }
    }

    fn go_down(&mut self, id: &ComponentId, token: u64, power: Power) {
        linux::log::notice(format!("{id} has the device go down: {power:?}"));
        let done = self.outside.go_down(power, id).map(|()| Done {});
        self.reply(id, token, done, &[]);
    }

    fn connect(&mut self, id: &ComponentId, token: u64, to: ComponentId) {
        let target = self.apps.get_mut(&to);
        let rights: Option<&Rights> = target.as_ref().map(|target| &target.rights);
        let own = lets_in(&to, rights, id).and_then(|()| match target {
            Some(target) => target.arriving.connect(id),
            None => Err(refused(ErrorClass::Conflict, format!("app {to} does not run"), None)),
        });
        match own {
            Ok(own) => {
                self.reply(id, token, Ok(Peer { app: to.clone() }), &[own.as_fd()]);
                self.hand_over(&to);
            }
            Err(body) => self.reply::<Peer>(id, token, Err(body), &[]),
        }
    }

    /// Gives peers that arrived to whoever of the app accepts.
    fn hand_over(&mut self, id: &ComponentId) {
        while let Some(app) = self.apps.get_mut(id) {
            let Some((token, connection)) = app.connections.iter_mut().find(|(_, one)| one.waits == Some(Waits::Peer)) else {
                return;
            };
            let Some((from, end)) = app.arriving.oldest() else { return };
            connection.waits = None;
            let token = *token;
            if !self.delivers(id, token, Ok(Peer { app: from.clone() }), &[end.as_fd()])
                && let Some(app) = self.apps.get_mut(id)
            {
                app.arriving.put_back((from, end));
            }
        }
    }

    /// Replies without waiting: an app that does not read what it asked for loses the connection.
    pub fn reply<T: Serialize>(
        &mut self,
        id: &ComponentId,
        token: u64,
        result: Result<T, ErrorBody>,
        descriptors: &[BorrowedFd<'_>],
    ) {
        self.delivers(id, token, result, descriptors);
    }

    /// The same; false if the connection was lost.
    fn delivers<T: Serialize>(
        &mut self,
        id: &ComponentId,
        token: u64,
        result: Result<T, ErrorBody>,
        descriptors: &[BorrowedFd<'_>],
    ) -> bool {
        let Some(connection) = self.apps.get(id).and_then(|app| app.connections.get(&token)) else { return false };
        let reply = result.map_or_else(Reply::Error, Reply::Ok);
        let sent = packet::send(&connection.socket, &reply, descriptors).is_ok();
        if !sent {
            self.close(id, token);
        }
        sent
    }
}

fn with_figures<T>(figures: Option<&Figures>, act: impl Fn(&Figures) -> io::Result<T>) -> Result<T, ErrorBody> {
    let missing = || refused(ErrorClass::Internal, "app-manager passed no figures of memory".into(), None);
    act(figures.ok_or_else(missing)?)
        .map_err(|e| refused(ErrorClass::Internal, format!("the kernel does not tell or reset the figures of memory: {e}"), None))
}
