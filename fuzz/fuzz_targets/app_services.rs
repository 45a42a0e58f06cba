//! Packets of one app, a line each, to a daemon that serves two: it never gets what its manifest does not list, and the other
//! one is answered as ever.
#![no_main]

use app_services::{
    outside::{Outside, Power},
    services::Services,
};
use ipc::messages::Instance;
use libfuzzer_sys::fuzz_target;
use manifest::{
    api::{CONFIG_LIMIT, Done, ErrorBody},
    names::{ComponentId, TimeZone},
    services::{Network, PutOff, Rights},
};
use rustix::{
    fd::OwnedFd,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, recv, send,
        socket_with,
    },
    process::getuid,
};
use std::time::Duration;

const HOSTILE: &str = "aaaaaaaa-66da-4448-bae1-ac26fcdd3627";
const OTHER: &str = "bbbbbbbb-66da-4448-bae1-ac26fcdd3627";

/// Keeps what the hostile app had kept.
#[derive(Default)]
struct Nobody(Option<Vec<u8>>);

impl Outside for Nobody {
    fn go_down(&mut self, power: Power, app: &ComponentId) -> Result<(), ErrorBody> {
        assert!(power == Power::Reboot && app.to_string() == OTHER, "{app} has the device go down");
        Ok(())
    }

    fn report(&mut self, app: &ComponentId, _: &str) {
        assert_eq!(app.to_string(), HOSTILE);
    }

    fn set_clock(&mut self, app: &ComponentId, _: u64) -> Result<Done, ErrorBody> {
        panic!("{app} has no right to it");
    }

    fn set_time_zone(&mut self, by: &Instance, _: TimeZone) -> Result<Done, ErrorBody> {
        panic!("{by} has no right to it");
    }

    fn put_off_update(&mut self, by: &Instance, _: ComponentId, seconds: u32) -> Result<PutOff, ErrorBody> {
        assert_eq!(by.component.to_string(), HOSTILE);
        Ok(PutOff { seconds: seconds.into() })
    }

    fn network(&mut self) -> Result<Network, ErrorBody> {
        Ok(Network { links: Vec::new() })
    }

    fn certificates(&mut self, app: &ComponentId) -> Result<Option<Vec<u8>>, ErrorBody> {
        assert_eq!(app.to_string(), HOSTILE);
        Ok(self.0.clone())
    }

    fn set_certificates(&mut self, app: &ComponentId, document: &[u8]) -> Result<(), ErrorBody> {
        assert!(app.to_string() == HOSTILE && document.len() <= CONFIG_LIMIT);
        self.0 = Some(document.to_vec());
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut services = Services::new(Nobody::default()).unwrap();
    let peers = |id: &str| vec![id.parse().unwrap()];
    let rights = Rights { certificates: true, updates: true, put_off_updates: true, ..Rights::default() };
    let hostile = serve(&mut services, HOSTILE, Rights { peers: peers(OTHER), ..rights });
    let other = serve(&mut services, OTHER, Rights { reboot: true, peers: peers(HOSTILE), ..Rights::default() });
    for packet in bytes.split(|byte| *byte == b'\n').take(64) {
        let _ = send(&hostile, packet, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        turns(&mut services);
        while recv(&hostile, &mut [0; 16][..], RecvFlags::DONTWAIT).is_ok_and(|(_, length)| length > 0) {}
    }
    send(&other, br#"{"reboot":{}}"#, SendFlags::NOSIGNAL).unwrap();
    turns(&mut services);
    let mut reply = [0; 64];
    let (_, length) = recv(&other, &mut reply[..], RecvFlags::DONTWAIT).unwrap();
    assert_eq!(&reply[..length], br#"{"ok":{}}"#);
});

fn serve(services: &mut Services<Nobody>, id: &str, rights: Rights) -> OwnedFd {
    let name = format!("holdfast-fuzz-{}-{id}", std::process::id());
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
    let listener = socket();
    bind(&listener, &address).unwrap();
    listen(&listener, 8).unwrap();
    let instance = Instance { component: id.parse().unwrap(), generation: 1 };
    services.begin(instance, getuid().as_raw(), rights, 1 << 20, vec![listener]).unwrap();
    let client = socket();
    connect(&client, &address).unwrap();
    turns(services);
    client
}

fn socket() -> OwnedFd {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

fn turns(services: &mut Services<Nobody>) {
    loop {
        let tokens = services.poller.wait(Some(Duration::ZERO)).unwrap();
        if tokens.is_empty() {
            return;
        }
        tokens.into_iter().for_each(|token| services.handle(token));
    }
}
