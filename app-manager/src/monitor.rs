//! The link to security-monitor: who says that an app is what its signer signed.

use crate::fault::Fault;
use base64::{Engine, engine::general_purpose::STANDARD};
use ipc::{
    CallError, Client, PacketError,
    client::Answer,
    messages::monitor::{Document, Kept, Request, StorageKey, Verdict},
    packet,
};
use manifest::{
    api::{Done, ErrorClass, EventKind},
    app::MANIFEST_LIMIT,
    bundle::ENVELOPE_LIMIT,
    names::ComponentId,
};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

const MONITOR: &str = "security-monitor";
/// Longest wait for an answer in the loop: two of them stay below the watchdog.
const TIMEOUT: Duration = Duration::from_secs(4);

/// The connection, made when it is needed and again when it broke.
#[derive(Default)]
pub struct Monitor {
    client: Option<Client>,
}

/// What the monitor found, with the manifest it found it for.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Component, version, digest and size.
    pub verdict: Verdict,
    /// The signed bytes of the manifest.
    pub manifest: Vec<u8>,
}

impl Monitor {
    /// Asks for a verdict on an installed app; launcher gets it too.
    pub fn verify_installed(&mut self, image: BorrowedFd<'_>, envelope: BorrowedFd<'_>) -> Result<Judged, Fault> {
        let (verdict, descriptors) = self.call(&Request::VerifyInstalled {}, &[image, envelope])?;
        let [manifest] = <[OwnedFd; 1]>::try_from(descriptors).map_err(|_| odd("verify-installed"))?;
        Ok(Judged { verdict, manifest: contents(&manifest, MANIFEST_LIMIT)? })
    }

    /// Has the kernel know the key of an app's storage; what it calls it.
    pub fn add_storage_key(&mut self, component: &ComponentId) -> Result<[u8; 16], Fault> {
        let (key, _) = self.call::<StorageKey>(&Request::AddStorageKey { component: component.clone() }, &[])?;
        Ok(key.identifier)
    }

    /// Has a document of an app kept, in Base64, or removed.
    pub fn set_document(&mut self, component: &ComponentId, which: Document, document: Option<&str>) -> Result<(), Fault> {
        let request = Request::SetDocument { component: component.clone(), which, document: document.map(str::to_owned) };
        let (Done {}, _) = self.call(&request, &[])?;
        Ok(())
    }

    /// A document of an app in Base64, if there is one.
    pub fn document(&mut self, component: &ComponentId, which: Document) -> Result<Kept, Fault> {
        Ok(self.call(&Request::Document { component: component.clone(), which }, &[])?.0)
    }

    /// An app's configuration, if it has one.
    pub fn config(&mut self, component: &ComponentId) -> Result<Option<Vec<u8>>, Fault> {
        let Kept { document } = self.document(component, Document::Config)?;
        let document = document.map(|text| STANDARD.decode(text)).transpose();
        document.map_err(|e| Fault::new(ErrorClass::Internal, format!("security-monitor sent no Base64: {e}")))
    }

    /// Has the key of an app's storage and its documents forgotten for good.
    pub fn drop_storage_key(&mut self, component: &ComponentId) -> Result<(), Fault> {
        let (Done {}, _) = self.call(&Request::DropStorageKey { component: component.clone() }, &[])?;
        Ok(())
    }

    /// Records what was noticed; a monitor that cannot be reached leaves it to this daemon's own log.
    pub fn report(&mut self, kind: EventKind, subject: &str, detail: &str) {
        let request = Request::ReportThreat { kind, subject: subject.to_owned(), detail: detail.to_owned() };
        if let Err(e) = self.call::<Done>(&request, &[]) {
            linux::log::warning(format!("{subject}: {detail} (not recorded as an event: {e})"));
        }
    }

    fn call<R: serde::de::DeserializeOwned>(
        &mut self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(R, Vec<OwnedFd>), Fault> {
        call(&mut self.client, MONITOR, request, descriptors)
    }
}

/// Calls over a kept connection; one that broke is made again once. A peer that did not answer in time is not asked
/// twice, and its late answer dies with the connection.
pub fn call<Q: serde::Serialize, R: serde::de::DeserializeOwned>(
    kept: &mut Option<Client>,
    service: &str,
    request: &Q,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(R, Vec<OwnedFd>), Fault> {
    let was_kept = kept.is_some();
    let result = call_once(kept, service, request, descriptors);
    let closed = matches!(&result, Err(CallError::Broken { source: PacketError::Closed, .. }));
    let result = if was_kept && closed { call_once(kept, service, request, descriptors) } else { result };
    Ok(result?)
}

fn call_once<Q: serde::Serialize, R: serde::de::DeserializeOwned>(
    kept: &mut Option<Client>,
    service: &str,
    request: &Q,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(R, Vec<OwnedFd>), CallError> {
    let client = match kept.take() {
        Some(client) => client,
        None => connect(service)?,
    };
    let result = client.call(request, descriptors);
    if matches!(result, Ok(_) | Err(CallError::Refused(_))) {
        *kept = Some(client);
    }
    result
}

fn connect(service: &str) -> Result<Client, CallError> {
    let client = Client::connect(service)?;
    client.set_timeout(TIMEOUT)?;
    Ok(client)
}

/// A verdict on a bundle that was asked for and has not come yet. The monitor reads the whole image for it, which takes
/// longer than this daemon's loop may stand still: so the answer is waited for like any other event.
pub struct Verification {
    client: Client,
}

impl Verification {
    /// Asks, on a connection of its own.
    pub fn ask(bundle: BorrowedFd<'_>) -> Result<Self, Fault> {
        let client = connect(MONITOR)?;
        let sent = packet::send(&client, &Request::VerifyBundle {}, &[bundle]);
        sent.map_err(|source| CallError::Broken { service: MONITOR.to_owned(), source })?;
        Ok(Self { client })
    }

    /// Takes the answer, once the connection is readable: what was found, and the envelope's bytes.
    pub fn answer(&self) -> Result<(Judged, Vec<u8>), Fault> {
        let received = self.client.event::<Answer<Verdict>>();
        let (answer, descriptors) = received.map_err(|source| CallError::Broken { service: MONITOR.to_owned(), source })?;
        let verdict = match answer {
            Answer::Ok(verdict) => verdict,
            Answer::Error(body) => return Err(Fault(body)),
        };
        let [envelope, manifest] = <[OwnedFd; 2]>::try_from(descriptors).map_err(|_| odd("verify-bundle"))?;
        Ok((Judged { verdict, manifest: contents(&manifest, MANIFEST_LIMIT)? }, contents(&envelope, ENVELOPE_LIMIT)?))
    }
}

impl AsFd for Verification {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.client.as_fd()
    }
}

fn odd(request: &str) -> Fault {
    Fault::new(ErrorClass::Internal, format!("security-monitor answered `{request}` without the descriptors that belong to it"))
}

/// A descriptor's whole content from its beginning, at most `limit` bytes.
pub fn contents(file: &OwnedFd, limit: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; limit + 1];
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
        match rustix::io::pread(file, room, filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(Fault::new(ErrorClass::BadInput, format!("cannot read a document that was passed: {e}"))),
        }
    }
    if filled > limit {
        return Err(Fault::new(ErrorClass::BadInput, format!("a document that was passed is longer than {limit} bytes")));
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_passed_document_is_read_from_its_beginning_and_bounded() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"12345").unwrap();
        let file = OwnedFd::from(file);
        assert_eq!(contents(&file, 5).unwrap(), b"12345");
        assert_eq!(contents(&file, 4).unwrap_err().class(), ErrorClass::BadInput);
    }
}
