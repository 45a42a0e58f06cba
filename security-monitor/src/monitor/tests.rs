//! The whole monitor but its confinement, driven as the other daemons, the kernel and audit drive it.

use super::*;
use crate::tests::samples::{self, Sample};
use ipc::{
    client::Answer,
    messages::monitor::{Events, LogLines, Request, Status},
    packet::{self, PACKET_LIMIT},
};
use manifest::api::{Done, ErrorBody, ErrorClass, Event};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    net::{
        AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, send, socket_with, socketpair,
    },
};
use serde::de::DeserializeOwned;
use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

/// A monitor in a folder of its own, and the other ends of all that it holds.
struct Rig {
    root: tempfile::TempDir,
    monitor: Monitor,
    kernel: OwnedFd,
    audit: OwnedFd,
    log: io::PipeWriter,
    client: OwnedFd,
}

fn accepts(_: &Verdict) -> Result<(), CallError> {
    Ok(())
}

fn is_away(_: &Verdict) -> Result<(), CallError> {
    Err(CallError::Unreachable { service: "launcher".to_owned(), source: io::Error::from(io::ErrorKind::ConnectionRefused) })
}

/// Whoever runs this test is `caller` of the table.
fn rig(caller: &str, deliver: Deliver) -> Rig {
    let root = tempfile::tempdir().unwrap();
    let places = Places::below(root.path());
    arrange(&places, caller);
    with(&places, root, deliver)
}

fn arrange(places: &Places, caller: &str) {
    for folder in [&places.events, &places.pstore, &places.daemon_logs, &places.trust.parent().unwrap().to_owned()] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(&places.trust, samples::trust_store(&samples::key(1))).unwrap();
    fs::write(&places.services, table(caller)).unwrap();
}

/// A monitor with these places, and its sockets in `root`.
fn with(places: &Places, root: tempfile::TempDir, deliver: Deliver) -> Rig {
    let socket = |kind, flags| socket_with(AddressFamily::UNIX, kind, flags, None).unwrap();
    let address = SocketAddrUnix::new(root.path().join("ipc")).unwrap();
    let listener = socket(SocketType::SEQPACKET, SocketFlags::CLOEXEC);
    bind(&listener, &address).unwrap();
    listen(&listener, 8).unwrap();
    let pair = || socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap();
    let ((kernel, kernel_log), (audit, audit_here), (reader, log)) = (pair(), pair(), io::pipe().unwrap());
    let passed = [("ipc", listener), ("kernel-log", kernel_log), ("audit", audit_here), ("log-launcher", reader.into())];
    let passed: Passed = passed.into_iter().map(|(name, fd)| (name.to_owned(), fd)).collect();
    let monitor = Monitor::open(passed, places, 9, deliver).unwrap();
    let client = socket(SocketType::SEQPACKET, SocketFlags::CLOEXEC);
    connect(&client, &address).unwrap();
    Rig { root, monitor, kernel, audit, log, client }
}

fn table(caller: &str) -> String {
    let own = fs::metadata("/proc/self").unwrap();
    let (uid, gid) = (own.uid(), own.gid());
    let rest = r#""on_exit":"restart","memory":"8MiB","pids":4"#;
    let requests = r#"["verify-bundle","verify-installed","report-threat","events","service-log","status"]"#;
    format!(
        r#"{{"services":[{{"name":"security-monitor","purpose":"p","exec":"/x","uid":54321,"gid":1,"callers":{{"{caller}":{requests}}},{rest}}},
        {{"name":"{caller}","purpose":"p","exec":"/x","uid":{uid},"gid":{gid},"capabilities":["KILL"],{rest}}}]}}"#
    )
}

impl Rig {
    /// Lets the loop turn until it has nothing to do.
    fn settle(&mut self) {
        for _ in 0..40 {
            self.monitor.turn(Duration::ZERO).unwrap();
        }
    }

    fn send(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) {
        packet::send(&self.client, request, descriptors).unwrap();
    }

    fn receive<T: DeserializeOwned>(&self) -> (Result<T, ErrorBody>, Vec<OwnedFd>) {
        let (answer, descriptors) = packet::receive(&self.client).unwrap().parse().unwrap();
        match answer {
            Answer::Ok(value) => (Ok(value), descriptors),
            Answer::Error(body) => (Err(body), descriptors),
        }
    }

    fn call<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, ErrorBody> {
        self.send(request, &[]);
        self.settle();
        self.receive().0
    }

    fn verify(&mut self, bundle: &[u8]) -> (Result<Verdict, ErrorBody>, Vec<OwnedFd>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bundle).unwrap();
        self.send(&Request::VerifyBundle {}, &[file.as_fd()]);
        self.settle();
        self.receive()
    }

    fn events(&mut self) -> Vec<Event> {
        self.call::<Events>(&Request::Events { after: 0, limit: 1000 }).unwrap().events
    }

    fn places(&self) -> Places {
        Places::below(self.root.path())
    }
}

#[test]
fn a_good_bundle_gets_a_verdict_and_two_sealed_files_and_an_event() {
    let mut rig = rig("app-manager", accepts);
    let sample = Sample::new(5);
    let (verdict, descriptors) = rig.verify(&sample.bundle());
    let verdict = verdict.unwrap();
    assert_eq!((verdict.component.as_str(), verdict.image_size), (samples::COMPONENT, 5 * 4096));
    let contents: Vec<Vec<u8>> = descriptors
        .into_iter()
        .map(|fd| {
            let mut file = File::from(fd);
            assert!(file.write_all(b"x").is_err());
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        })
        .collect();
    assert_eq!(contents, [sample.envelope, samples::MANIFEST.as_bytes().to_vec()]);
    let events = rig.events();
    assert_eq!((events.len(), events[0].kind, events[0].boot), (1, EventKind::BundleAccepted, 9));
}

#[test]
fn a_bad_bundle_is_refused_with_its_reason_and_an_event() {
    let mut rig = rig("app-manager", accepts);
    let sample = Sample::new(2);
    let mut flipped = sample.bundle();
    flipped[100] ^= 1;
    let refused = rig.verify(&flipped).0.unwrap_err();
    assert!(refused.class == ErrorClass::Untrusted && refused.message.contains("digest"), "{refused:?}");
    let stranger = samples::envelope(&samples::statement(&sample.image), &samples::key(2), "");
    assert_eq!(rig.verify(&samples::bundle(&sample.image, &stranger)).0.unwrap_err().class, ErrorClass::Untrusted);
    assert_eq!(rig.verify(b"no bundle").0.unwrap_err().class, ErrorClass::BadInput);
    let kinds: Vec<EventKind> = rig.events().iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::BundleRefused; 3]);
}

#[test]
fn without_launcher_there_is_no_verdict() {
    let mut rig = rig("app-manager", is_away);
    let (verdict, descriptors) = rig.verify(&Sample::new(1).bundle());
    assert_eq!((verdict.unwrap_err().class, descriptors.len()), (ErrorClass::Unavailable, 0));
}

#[test]
fn a_wrong_number_of_descriptors_is_the_callers_fault() {
    let mut rig = rig("app-manager", accepts);
    for request in [Request::VerifyBundle {}, Request::VerifyInstalled {}] {
        assert_eq!(rig.call::<Verdict>(&request).unwrap_err().class, ErrorClass::Usage);
    }
}

#[test]
fn requests_are_answered_while_a_large_image_is_hashed() {
    let mut rig = rig("app-manager", accepts);
    let sample = Sample::new(8 * 256);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&sample.bundle()).unwrap();
    rig.send(&Request::VerifyBundle {}, &[file.as_fd()]);
    rig.monitor.turn(Duration::ZERO).unwrap();
    rig.monitor.turn(Duration::ZERO).unwrap();
    rig.send(&Request::Status {}, &[]);
    rig.monitor.turn(Duration::ZERO).unwrap();
    assert_eq!(rig.receive::<Status>().0.unwrap().trusted_keys, 1);
    rig.settle();
    assert!(rig.receive::<Verdict>().0.is_ok());
}

#[test]
fn what_the_kernel_reports_becomes_an_event_once() {
    let mut rig = rig("device-api", accepts);
    let kill = "audit(1.2:3): uid=100001 pid=9 comm=\"app\" exe=\"/bin/app\" sig=31 arch=c000003e syscall=101";
    let length = u32::try_from(16 + kill.len()).unwrap();
    let message = [&length.to_le_bytes()[..], &1326u16.to_le_bytes(), &[0; 10], kill.as_bytes()].concat();
    send(&rig.audit, &message, SendFlags::empty()).unwrap();
    let records = [
        format!("5,1,1000,-;audit: type=1326 {kill}\n"),
        "3,2,1000,-;device-mapper: verity: 254:2: data block 7 is corrupted\n".to_owned(),
        "11,3,1000,-;Kernel panic - not syncing: written by a process\n".to_owned(),
    ];
    for record in records {
        send(&rig.kernel, record.as_bytes(), SendFlags::empty()).unwrap();
    }
    rig.settle();
    let mut kinds: Vec<EventKind> = rig.events().iter().map(|event| event.kind).collect();
    kinds.sort_by_key(|kind| *kind as u8);
    assert_eq!(kinds, [EventKind::SeccompKill, EventKind::VerityCorruption]);
}

#[test]
fn packets_that_are_none_and_reports_out_of_turn_are_refused_and_recorded() {
    let mut rig = rig("device-api", accepts);
    send(&rig.client, b"{\"Statsu\":{}}", SendFlags::empty()).unwrap();
    rig.settle();
    assert_eq!(rig.receive::<Done>().0.unwrap_err().class, ErrorClass::BadInput);
    let forged = Request::ReportThreat { kind: EventKind::OomKill, subject: "x".to_owned(), detail: "invented".to_owned() };
    assert_eq!(rig.call::<Done>(&forged).unwrap_err().class, ErrorClass::Forbidden);
    assert_eq!(rig.call::<LogLines>(&Request::KernelLog { after: 0, limit: 1 }).unwrap_err().class, ErrorClass::Forbidden);
    let own = Request::ReportThreat { kind: EventKind::MalformedPacket, subject: "owner".to_owned(), detail: "x".to_owned() };
    rig.call::<Done>(&own).unwrap();
    let events: Vec<(EventKind, String)> = rig.events().into_iter().map(|event| (event.kind, event.subject)).collect();
    let by = |kind, who: &str| (kind, who.to_owned());
    let expected = [
        by(EventKind::MalformedPacket, "device-api"),
        by(EventKind::ForbiddenRequest, "device-api"),
        by(EventKind::ForbiddenRequest, "device-api"),
        by(EventKind::MalformedPacket, "owner"),
    ];
    assert_eq!(events, expected);
}

#[test]
fn long_logs_come_in_pages_that_fit_into_packets() {
    let mut rig = rig("device-api", accepts);
    for n in 0..150 {
        rig.log.write_all(format!("<6>{n} {}\n", "\\\"x".repeat(300)).as_bytes()).unwrap();
        rig.monitor.turn(Duration::ZERO).unwrap();
    }
    let service: ServiceName = "launcher".parse().unwrap();
    let (mut after, mut pages, mut texts) = (0, 0, Vec::new());
    loop {
        rig.send(&Request::ServiceLog { service: service.clone(), after, limit: 1000 }, &[]);
        rig.settle();
        let lines = rig.receive::<LogLines>().0.unwrap().lines;
        let Some(last) = lines.last() else { break };
        assert!(serde_json::to_vec(&lines).unwrap().len() < PACKET_LIMIT);
        after = last.sequence;
        pages += 1;
        texts.extend(lines.into_iter().map(|line| line.text));
    }
    // Two files of 64 KiB hold the newest of them.
    assert!(pages > 1 && texts.len() > 50 && texts.last().unwrap().starts_with("149 "), "{pages} pages, {} lines", texts.len());
    let unknown = Request::ServiceLog { service: "nobody".parse().unwrap(), after: 0, limit: 1 };
    assert_eq!(rig.call::<LogLines>(&unknown).unwrap_err().class, ErrorClass::NotFound);
}

#[test]
fn a_torn_log_and_a_previous_panic_are_told_of_at_the_start() {
    let mut rig = rig("device-api", accepts);
    rig.monitor.sighted(Sighting::new(EventKind::OomKill, "x", "before"));
    let places = rig.places();
    let segment: PathBuf =
        fs::read_dir(&places.events).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_file()).unwrap();
    File::options().append(true).open(segment).unwrap().write_all(b"{\"sequence\":2").unwrap();
    fs::write(places.pstore.join("dmesg-ramoops-0"), "Panic#1 Part1\n<0>[1.0] Kernel panic - not syncing: rot\n").unwrap();
    let (log, finding) = EventLog::open(&places.events).unwrap();
    assert!(finding.unwrap().contains("cut off") && log.last() == 1);
    assert!(previous_panic::take(&places.pstore, &places.events).unwrap().unwrap().ends_with("rot"));
}

#[test]
fn a_data_partition_that_cannot_be_written_stops_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let places = Places::below(root.path());
    arrange(&places, "device-api");
    for folder in [&places.events, &places.daemon_logs] {
        fs::remove_dir_all(folder).unwrap();
    }
    let mut rig = with(&places, root, accepts);
    rig.monitor.sighted(Sighting::new(EventKind::OomKill, "x", "x"));
    rig.log.write_all(b"<6>a line\n").unwrap();
    assert_eq!(rig.events(), []);
    let status: Status = rig.call(&Request::Status {}).unwrap();
    assert!(status.warnings.iter().any(|warning| warning.contains("no event log")), "{:?}", status.warnings);
}

#[test]
fn an_event_log_of_garbage_is_kept_aside_and_begun_anew() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("events-00000000000000000000.jsonl"), "garbage\n").unwrap();
    File::create(root.path().join("events-00000000000000000009.jsonl")).unwrap().set_len(1 << 32).unwrap();
    let (log, finding) = EventLog::open(root.path()).unwrap();
    assert!(finding.unwrap().contains("does not hold") && log.last() == 0);
    assert_eq!(EventLog::open(root.path()).unwrap().1, None);
}

#[test]
fn status_names_what_is_missing() {
    let mut rig = rig("device-api", accepts);
    let status: Status = rig.call(&Request::Status {}).unwrap();
    assert!(status.warnings.iter().any(|warning| warning.contains("no TPM")));
}
