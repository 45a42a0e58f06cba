//! What the monitor answers, request by request.

use crate::{
    bundle::{self, Accepted, Judging},
    configurations::Configurations,
    event_log::EventLog,
    monitor::{Monitor, NAME},
    sealed,
    storage_keys::{StorageKeyError, StorageKeys},
    verdict::Refusal,
    watch::Sighting,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ipc::{
    CallError, Client,
    client::Answer,
    messages::{
        launcher,
        monitor::{Document, Events, Kept, LogLines, Request, Status, StorageKey, Verdict},
    },
    server::Caller,
};
use linux::{
    clock,
    files::{self, FileError},
};
use manifest::{
    api::{CONFIG_LIMIT, Done, ErrorBody, ErrorClass, EventKind},
    names::{ComponentId, ServiceName},
};
use rustix::fd::{AsFd, OwnedFd};
use serde::Serialize;
use std::{io, time::Duration};

/// Bundles that may wait to be hashed: app-manager installs one at a time.
const JUDGING_LIMIT: usize = 4;
/// Bytes of items in one reply; the rest of a packet is room for the frame around them.
const PAGE: usize = 56 * 1024;
/// How long launcher may take to note a verdict. Shorter than any watchdog: while waiting, the monitor answers nobody.
const LAUNCHER_TIMEOUT: Duration = Duration::from_secs(3);

type Reply<T> = Result<T, ErrorBody>;

/// Answers a request that its caller may send.
pub(crate) fn answer(monitor: &mut Monitor, token: u64, caller: &Caller, request: Request, descriptors: Vec<OwnedFd>) {
    match request {
        Request::VerifyBundle {} => {
            if let Err(refused) = begin(monitor, token, descriptors) {
                reply::<Verdict>(monitor, token, Err(refused));
            }
        }
        Request::VerifyInstalled {} => {
            let accepted = installed(monitor, descriptors);
            hand_out(monitor, token, accepted, Handed::Manifest);
        }
        Request::AddStorageKey { component } => {
            let key = with_storage_keys(monitor, |keys, _| keys.add(&component));
            reply(monitor, token, key.map(|identifier| StorageKey { identifier }));
        }
        Request::DropStorageKey { component } => {
            let dropped = with_storage_keys(monitor, |keys, configurations| {
                configurations.remove(&component)?;
                keys.drop(&component)
            });
            reply(monitor, token, dropped.map(|()| Done {}));
        }
        Request::SetDocument { component, which, document } => {
            let done = set_document(monitor, &component, which, document.as_deref());
            reply(monitor, token, done);
        }
        Request::Document { component, which } => {
            let document = with_storage_keys(monitor, |keys, configurations| configurations.get(keys, &component, which));
            let kept = document.map(|document| Kept { document: document.map(|bytes| STANDARD.encode(bytes)) });
            reply(monitor, token, kept);
        }
        Request::ReportThreat { kind, subject, detail } => {
            let done = report(monitor, caller, Sighting::new(kind, subject, detail));
            reply(monitor, token, done);
        }
        Request::Events { after, limit } => {
            let events = events(monitor, after, count(limit));
            reply(monitor, token, events);
        }
        Request::ServiceLog { service, after, limit } => {
            let lines = service_log(monitor, &service, after, count(limit));
            reply(monitor, token, lines);
        }
        Request::KernelLog { after, limit } => {
            let lines = kernel_log(monitor, after, count(limit));
            reply(monitor, token, lines);
        }
        Request::Status {} => {
            let status = status(monitor);
            reply(monitor, token, Ok(status));
        }
    }
}

/// Hashes a slice of the first bundle that waits, and answers when it is through.
pub(crate) fn judge_a_slice(monitor: &mut Monitor) {
    let Some((token, mut judging)) = monitor.judging.pop_front() else { return };
    let subject = judging.component().to_string();
    let accepted = match judging.step() {
        Ok(false) => return monitor.judging.push_front((token, judging)),
        Ok(true) => judging.finish(),
        Err(refusal) => Err(refusal),
    };
    let accepted = accepted.map_err(|refusal| refuse(monitor, &subject, &refusal));
    if let Ok(Accepted { verdict, .. }) = &accepted {
        let detail = format!("version {}, signed by {}, image {}", verdict.version, verdict.key_id, verdict.digest);
        monitor.threats.note(clock::since_boot(), EventKind::BundleAccepted, subject, detail);
    }
    hand_out(monitor, token, accepted, Handed::EnvelopeAndManifest);
}

fn begin(monitor: &mut Monitor, token: u64, descriptors: Vec<OwnedFd>) -> Reply<()> {
    let [file] = exactly(descriptors, "the bundle")?;
    if monitor.judging.len() >= JUDGING_LIMIT {
        return Err(error(ErrorClass::Conflict, format!("{JUDGING_LIMIT} bundles are being judged already")));
    }
    match Judging::begin(file, &monitor.keys) {
        Ok(judging) => {
            monitor.judging.push_back((token, judging));
            Ok(())
        }
        Err(refusal) => Err(refuse(monitor, "bundle", &refusal)),
    }
}

fn installed(monitor: &mut Monitor, descriptors: Vec<OwnedFd>) -> Reply<Accepted> {
    let [image, envelope] = exactly(descriptors, "image and envelope")?;
    bundle::installed(image, envelope, &monitor.keys).map_err(|refusal| refuse(monitor, "installed app", &refusal))
}

fn refuse(monitor: &mut Monitor, subject: &str, refusal: &Refusal) -> ErrorBody {
    let message = files::chain(refusal);
    monitor.threats.note(clock::since_boot(), EventKind::BundleRefused, subject, &message);
    ErrorBody { class: refusal.class(), message, hint: refusal.hint().map(str::to_owned) }
}

/// What a verdict's asker gets beside it.
#[derive(Clone, Copy)]
enum Handed {
    Manifest,
    EnvelopeAndManifest,
}

/// Tells launcher, then answers the asker: whoever has the answer can count on launcher knowing it.
fn hand_out(monitor: &mut Monitor, token: u64, accepted: Reply<Accepted>, handed: Handed) {
    let ready = accepted.and_then(|accepted| {
        (monitor.deliver)(&accepted.verdict)
            .map_err(|e| error(ErrorClass::Unavailable, format!("launcher did not take the verdict: {}", files::chain(&e))))?;
        let no_memory = |e: io::Error| error(ErrorClass::NoSpace, format!("no memory for the reply: {e}"));
        let manifest = sealed::memfd("manifest", &accepted.manifest).map_err(no_memory)?;
        let descriptors = match handed {
            Handed::Manifest => vec![manifest],
            Handed::EnvelopeAndManifest => vec![sealed::memfd("envelope", &accepted.envelope).map_err(no_memory)?, manifest],
        };
        Ok((accepted.verdict, descriptors))
    });
    match ready {
        Ok((verdict, descriptors)) => {
            let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            monitor.server.answer(token, &Answer::Ok(verdict), &descriptors);
        }
        Err(refused) => reply::<Verdict>(monitor, token, Err(refused)),
    }
}

/// Sends a verdict to launcher. It never calls the monitor while it serves one, so that neither waits for the other.
pub fn tell_launcher(verdict: &Verdict) -> Result<(), CallError> {
    let request = launcher::Request::Verdict {
        digest: verdict.digest.clone(),
        component: verdict.component.clone(),
        version: verdict.version,
    };
    let client = Client::connect("launcher")?;
    client.set_timeout(LAUNCHER_TIMEOUT)?;
    client.call::<_, Done>(&request, &[]).map(|_| ())
}

fn set_document(monitor: &Monitor, component: &ComponentId, which: Document, document: Option<&str>) -> Reply<Done> {
    let document = document.map(|text| STANDARD.decode(text)).transpose();
    let document = document.map_err(|e| error(ErrorClass::Usage, format!("the document is not Base64: {e}")))?;
    if document.as_ref().is_some_and(|bytes| bytes.len() > CONFIG_LIMIT) {
        return Err(error(ErrorClass::Usage, format!("a document has at most {CONFIG_LIMIT} bytes")));
    }
    let set = with_storage_keys(monitor, |keys, configurations| match &document {
        Some(bytes) => configurations.set(keys, component, which, bytes),
        None => configurations.unset(keys, component, which),
    });
    set.map(|()| Done {})
}

fn with_storage_keys<T>(
    monitor: &Monitor,
    act: impl FnOnce(&StorageKeys, &Configurations) -> Result<T, StorageKeyError>,
) -> Reply<T> {
    let none = || error(ErrorClass::Internal, "no storage has a key: the data partition cannot be used".to_owned());
    let keys = monitor.storage_keys.as_ref().ok_or_else(none)?;
    act(keys, &monitor.configurations).map_err(|e| error(ErrorClass::Internal, files::chain(&e)))
}

fn report(monitor: &mut Monitor, caller: &Caller, seen: Sighting) -> Reply<Done> {
    if !may_report(caller.service.as_ref(), seen.kind) {
        let detail = format!("tried to report an event that is not its to report: {:?} about {}", seen.kind, seen.subject);
        monitor.threats.note(clock::since_boot(), EventKind::ForbiddenRequest, caller, detail);
        return Err(error(ErrorClass::Forbidden, format!("{caller} may not report events of this kind")));
    }
    monitor.threats.record(clock::since_boot(), &seen).map(|()| Done {}).map_err(|error| unreadable(&error))
}

/// Who may report what. What the monitor sees for itself nobody reports, so that a taken-over daemon cannot invent it.
fn may_report(caller: Option<&ServiceName>, kind: EventKind) -> bool {
    use EventKind::*;
    match caller.map(ServiceName::as_str) {
        Some("init") => matches!(
            kind,
            Boot | PreviousPanic | ServiceExit | SafeMode | DataPartition | GoingDown | MalformedPacket | ForbiddenRequest
        ),
        Some("app-manager") => matches!(
            kind,
            CallRefused
                | BundleRefused
                | BundleAccepted
                | AppFailed
                | UpdateFailed
                | DataPartition
                | MalformedPacket
                | ForbiddenRequest
        ),
        Some("network-manager") => matches!(kind, ClockSet | MalformedPacket | ForbiddenRequest),
        // Only a test image has it, and there it stands for all of them.
        Some("probe") => true,
        _ => matches!(kind, MalformedPacket | ForbiddenRequest),
    }
}

fn events(monitor: &Monitor, after: u64, limit: usize) -> Reply<Events> {
    let events = monitor.threats.log().map_or(Ok(Vec::new()), |log| log.page(after, limit, room()));
    Ok(Events { events: events.map_err(|error| unreadable(&error))? })
}

fn service_log(monitor: &Monitor, service: &ServiceName, after: u64, limit: usize) -> Reply<LogLines> {
    let Some(lines) = monitor.logs.after(service, after) else {
        let hint = (service.as_str() == NAME).then(|| "the monitor's own lines are in the kernel's log".to_owned());
        return Err(ErrorBody { class: ErrorClass::NotFound, message: format!("no log is kept of `{service}`"), hint });
    };
    let mut fits = room();
    let lines = lines.map_err(|error| unreadable(&error))?.into_iter().take(limit).take_while(|line| fits(line)).collect();
    Ok(LogLines { lines })
}

fn kernel_log(monitor: &mut Monitor, after: u64, limit: usize) -> Reply<LogLines> {
    let (mut fits, mut left) = (room(), limit);
    let page = monitor.kernel_log.page(after, |line| {
        let takes = left > 0 && fits(line);
        left = left.saturating_sub(1);
        takes
    });
    let (lines, seen) = page.map_err(|e| error(ErrorClass::Internal, format!("cannot read the kernel's log: {e}")))?;
    seen.into_iter().for_each(|seen| monitor.sighted(seen));
    Ok(LogLines { lines })
}

fn status(monitor: &Monitor) -> Status {
    let mut warnings = monitor.warnings.clone();
    if monitor.threats.has_failed() {
        warnings.push("events were lost: the event log could not be written".to_owned());
    }
    let trusted_keys = u32::try_from(monitor.keys.count()).unwrap_or(u32::MAX);
    Status { trusted_keys, last_event: monitor.threats.log().map_or(0, EventLog::last), warnings }
}

fn reply<T: Serialize>(monitor: &mut Monitor, token: u64, result: Reply<T>) {
    let answer = match result {
        Ok(value) => Answer::Ok(value),
        Err(body) => Answer::Error(body),
    };
    monitor.server.answer(token, &answer, &[]);
}

/// Takes items of a page until it is full.
fn room<T: Serialize>() -> impl FnMut(&T) -> bool {
    let mut left = PAGE;
    move |item| {
        let needed = serde_json::to_vec(item).map_or(usize::MAX, |bytes| bytes.len() + 1);
        let fits = needed <= left;
        left = left.saturating_sub(needed);
        fits
    }
}

fn exactly<const N: usize>(descriptors: Vec<OwnedFd>, what: &str) -> Reply<[OwnedFd; N]> {
    let found = descriptors.len();
    let wrong = |_| error(ErrorClass::Usage, format!("{found} descriptors, expected {N}: {what}"));
    descriptors.try_into().map_err(wrong)
}

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn unreadable(error: &FileError) -> ErrorBody {
    self::error(ErrorClass::Internal, files::chain(error))
}

fn error(class: ErrorClass, message: String) -> ErrorBody {
    ErrorBody { class, message, hint: None }
}
