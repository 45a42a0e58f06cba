//! The link to app-manager: it says which instances there are, and what each may ask for.

use crate::{outside::Outside, services::Services};
use ipc::{
    Client, PacketError,
    client::Answer,
    messages::app_manager::{Request, Serving},
    packet,
};
use linux::{clock, files::chain, log};
use manifest::api::Done;
use serde::Deserialize;
use std::{io, time::Duration};

/// Pause before app-manager is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// The link, made again whenever it broke. Apps are served meanwhile as they were.
#[derive(Default)]
pub struct Manager {
    client: Option<Client>,
    retry_at: Duration,
    misses: bool,
}

impl Manager {
    /// Makes the link if it is due. It waits for nobody: the answer comes like any other packet.
    pub fn tend<O: Outside>(&mut self, services: &mut Services<O>, token: u64, now: Duration) {
        if self.client.is_some() || self.retry_at > now {
            return;
        }
        self.retry_at = now + RETRY;
        match ask(services, token) {
            Ok(client) => {
                self.client = Some(client);
                services.begin_telling();
            }
            Err(e) => {
                if !std::mem::replace(&mut self.misses, true) {
                    log::warning(format!("waiting for app-manager: {e}"));
                }
            }
        }
    }

    /// When the link is to be made again.
    pub fn deadline(&self) -> Option<Duration> {
        self.client.is_none().then_some(self.retry_at)
    }

    /// app-manager's connection is readable.
    pub fn event<O: Outside>(&mut self, services: &mut Services<O>) {
        let Some(client) = &self.client else { return };
        match told(client, services) {
            Ok(()) => self.misses = false,
            Err(why) => {
                log::warning(format!("the link to app-manager is made again: {why}"));
                self.client = None;
                self.retry_at = clock::since_boot() + RETRY;
            }
        }
    }
}

/// What comes over the link.
#[derive(Deserialize)]
#[serde(untagged)]
enum Packet {
    Event(Serving),
    Answer(Answer<Done>),
}

fn ask<O: Outside>(services: &Services<O>, token: u64) -> Result<Client, String> {
    let client = Client::connect("app-manager").map_err(|e| chain(&e))?;
    packet::send(&client, &Request::ServeApps {}, &[]).map_err(|e| chain(&e))?;
    services.poller.add(&client, token).map_err(|e| e.to_string())?;
    Ok(client)
}

fn told<O: Outside>(client: &Client, services: &mut Services<O>) -> Result<(), String> {
    let (packet, descriptors) = match client.event::<Packet>() {
        Ok(received) => received,
        Err(e) if e.is_time_out() => return Ok(()),
        Err(e @ (PacketError::Closed | PacketError::Socket(_))) => return Err(chain(&e)),
        Err(e) => return Err(format!("it says what this daemon does not know: {}", chain(&e))),
    };
    let event = match packet {
        Packet::Event(event) => event,
        Packet::Answer(Answer::Ok(Done {})) => return Ok(()),
        Packet::Answer(Answer::Error(body)) => return Err(body.message),
    };
    match event {
        Serving::Begin { instance, uid, rights, memory_limit } => {
            let words = instance.to_string();
            let served: io::Result<()> = services.begin(instance, uid, rights, memory_limit, descriptors);
            match served {
                Ok(()) => log::info(format!("{words} is served")),
                Err(e) => log::error(format!("{words} cannot be served: {e}")),
            }
        }
        Serving::End { instance } => services.ended(&instance),
        Serving::Updates { serial, updates } => services.set_updates(serial, updates),
        Serving::More {} => packet::send(client, &Request::ServeApps {}, &[]).map_err(|e| chain(&e))?,
        Serving::Complete {} => services.complete(),
    }
    Ok(())
}
