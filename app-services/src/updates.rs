//! Which updates are coming: what app-manager told last, and the apps that wait for something else to be told.
//!
//! A state, not a queue of events: an app that was slow, or started again, hears what is true now, and nothing is lost.

use crate::{app::Waits, outside::Outside, services::Services};
use ipc::messages::app_manager;
use linux::clock;
use manifest::{
    names::ComponentId,
    services::{Update, Updates},
};
use std::time::Duration;

/// What app-manager told last.
#[derive(Default)]
pub struct Coming {
    /// 0 before it told anything.
    serial: u64,
    updates: Vec<app_manager::Update>,
}

impl Coming {
    /// As apps hear it: with the seconds that are left.
    fn told(&self, now: Duration) -> Updates {
        let left = |at_ms: u64| Duration::from_millis(at_ms).saturating_sub(now).as_secs_f64().ceil();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number of seconds, of some days at most"
        )]
        let seconds = |at_ms| left(at_ms) as u64;
        let update = |update: &app_manager::Update| Update {
            app: update.component.clone(),
            from: update.from,
            to: update.to,
            state: update.state,
            seconds: seconds(update.at_ms),
            at_most_seconds: seconds(update.at_most_ms),
        };
        Updates { serial: self.serial, updates: self.updates.iter().map(update).collect() }
    }
}

impl<O: Outside> Services<O> {
    /// app-manager told what is coming now.
    pub fn set_updates(&mut self, serial: u64, updates: Vec<app_manager::Update>) {
        self.coming = Coming { serial, updates };
        self.tell_updates();
    }

    /// Replies to those that have seen something else.
    pub fn tell_updates(&mut self) {
        let told = self.coming.told(clock::since_boot());
        if told.serial == 0 {
            return;
        }
        let news = |waits| matches!(waits, Some(Waits::Updates(seen)) if seen != told.serial);
        let mut due: Vec<(ComponentId, u64)> = Vec::new();
        for (id, app) in &mut self.apps {
            for (token, connection) in app.connections.iter_mut().filter(|(_, one)| news(one.waits)) {
                connection.waits = None;
                due.push((id.clone(), *token));
            }
        }
        for (id, token) in due {
            self.reply(&id, token, Ok(&told), &[]);
        }
    }
}
