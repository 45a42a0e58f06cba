//! The whole daemon, confined, asked over its socket; cores are read by real copies of it. The process is
//! examples/reporter.rs, whose second argument says how it reads them.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a test arranges its files as it likes")]

#[path = "../../crash-report/tests/minidump/cores.rs"]
#[expect(dead_code, reason = "crash-report's own tests forge more of a core")]
mod cores;

use cores::{CoreFile, LIBRARY, Machine, Segment};
use crash_report::{MINIDUMP_LIMIT, envelope::PROBLEM_LIMIT, open, public_key};
use ipc::{
    CallError, Client, PACKET_LIMIT,
    messages::crash_reporter::{Crash, Kept, Request},
};
use manifest::{
    api::{CrashList, CrashReport, Done, ErrorBody, ErrorClass},
    names::ComponentId,
};
use rustix::fd::{AsFd, OwnedFd};
use std::{
    fs::{self, File},
    io::Read,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const SECRET: [u8; 32] = [7; 32];
const APP: &str = "25025d2c-66da-4448-bae1-ac26fcdd3627";
const OTHER: &str = "35025d2c-66da-4448-bae1-ac26fcdd3627";
/// A core that the kernel wrote.
const CORE: &[u8] = include_bytes!("../../fuzz/corpus/core_dump/seed-real");

/// A device's files, and the daemon on them while it runs.
struct World {
    folder: TempDir,
    daemon: Option<Child>,
}

impl World {
    fn new(way: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lib = folder.path().join("usr/lib/holdfast");
        fs::create_dir_all(&lib).unwrap();
        fs::create_dir_all(folder.path().join("data/crashes")).unwrap();
        fs::write(lib.join("crash-report.pub"), public_key(&SECRET)).unwrap();
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        // The table wants a word from who runs as root.
        let capabilities = if uid == 0 { r#""capabilities":["KILL"],"# } else { "" };
        let table = format!(
            r#"{{"services":[
                {{"name":"asks","purpose":"x","exec":"/usr/lib/holdfast/asks","uid":{uid},"gid":{gid},{capabilities}"on_exit":"restart","memory":"1MiB","pids":1}},
                {{"name":"crash-reporter","purpose":"x","exec":"/usr/lib/holdfast/crash-reporter","uid":1006,"gid":1006,
                  "callers":{{"asks":["*"]}},"on_exit":"restart","memory":"40MiB","pids":4}}]}}"#
        );
        fs::write(lib.join("services.json"), table).unwrap();
        let mut world = Self { folder, daemon: None };
        world.start(way);
        world
    }

    fn start(&mut self, way: &str) {
        let own = std::env::current_exe().unwrap();
        let program = own.parent().unwrap().parent().unwrap().join("examples/reporter");
        assert!(program.exists(), "{} is missing: cargo test --examples builds it", program.display());
        let mut command = Command::new(program);
        self.daemon = Some(command.arg(self.folder.path()).arg(way).stderr(Stdio::piped()).spawn().unwrap());
        let begun = Instant::now();
        while self.try_client().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(10), "it did not start: {}", self.stop());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it, as a power cut would, and tells what it logged.
    fn stop(&mut self) -> String {
        let mut daemon = self.daemon.take().unwrap();
        let _ = daemon.kill();
        daemon.wait().unwrap();
        fs::remove_file(self.folder.path().join("crash-reporter.sock")).unwrap();
        let mut log = String::new();
        daemon.stderr.unwrap().read_to_string(&mut log).unwrap();
        log
    }

    fn try_client(&self) -> Option<Client> {
        Client::connect_in(self.folder.path(), "crash-reporter").ok()
    }

    fn client(&self) -> Client {
        let client = self.try_client().unwrap();
        client.set_timeout(Duration::from_secs(30)).unwrap();
        client
    }

    fn ask<R: serde::de::DeserializeOwned>(&self, request: &Request) -> Result<(R, Vec<OwnedFd>), ErrorBody> {
        answer(self.client().call(request, &[]))
    }

    fn report(&self, app: &str, core: &[u8]) -> Result<CrashReport, ErrorBody> {
        let file = self.core(core);
        answer(self.client().call::<_, Kept>(&crash(app), &[file.as_fd()])).map(|(kept, _)| kept.report)
    }

    fn core(&self, bytes: &[u8]) -> File {
        let path = self.folder.path().join("core");
        fs::write(&path, bytes).unwrap();
        File::open(path).unwrap()
    }

    fn list(&self) -> Vec<CrashReport> {
        self.ask::<CrashList>(&Request::List {}).unwrap().0.crashes
    }

    /// A report, opened by its owner.
    fn opened(&self, number: u64) -> (CrashReport, Vec<u8>) {
        let (_, passed) = self.ask::<Done>(&Request::Open { number }).unwrap();
        let mut bytes = Vec::new();
        File::from(passed.into_iter().next().unwrap()).read_to_end(&mut bytes).unwrap();
        open(&SECRET, &bytes).unwrap()
    }

    fn crashes(&self) -> PathBuf {
        self.folder.path().join("data/crashes")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.daemon.is_some() {
            self.stop();
        }
    }
}

fn answer<T>(result: Result<T, CallError>) -> Result<T, ErrorBody> {
    result.map_err(|error| match error {
        CallError::Refused(body) => body,
        other => panic!("{}", linux::files::chain(&other)),
    })
}

fn crash(app: &str) -> Request {
    Request::Report { crash: told(app.parse().unwrap()) }
}

fn told(component: ComponentId) -> Crash {
    Crash { component, name: "Doorbell".to_owned(), version: 3, generation: 2, signal: 11, time_ms: 1_790_000_000_000 }
}

/// What is kept where no report could be made.
fn problem(way: &str, core: &[u8]) -> String {
    let world = World::new(way);
    let report = world.report(APP, core).unwrap();
    let (opened, minidump) = world.opened(report.number);
    assert_eq!((&opened, minidump.len()), (&report, 0));
    report.problem.unwrap()
}

#[test]
fn a_core_becomes_a_report_that_its_owner_alone_can_read() {
    let world = World::new("minidump");
    let report = world.report(APP, CORE).unwrap();
    assert_eq!((report.number, report.name.as_str(), report.signal, &report.problem), (1, "Doorbell", 11, &None));
    let (opened, minidump) = world.opened(1);
    assert_eq!((world.list(), &opened), (vec![report.clone()], &report));
    assert!(minidump == crash_report::minidump(&CORE).unwrap(), "another minidump");
    let file = fs::read(world.crashes().join(format!("1-{APP}.sealed"))).unwrap();
    assert_eq!(report.size, file.len() as u64);
    assert!(!file.windows(4).any(|four| four == b"MDMP"));
    assert!(open(&[8; 32], &file).is_err());
}

#[test]
fn a_core_that_cannot_be_read_leaves_a_report_that_says_why() {
    assert_eq!(problem("minidump", &CORE[..0x300]), "the core file is cut before its notes");
    assert_eq!(problem("minidump", b""), "the core file is cut before its notes");
    assert_eq!(problem("minidump", &[0; 4096]), "the core file is no 64-bit little-endian ELF core");
}

#[test]
fn the_largest_core_that_is_read_and_the_largest_minidump_fit_a_readers_memory() {
    let mut core = CoreFile::new(Machine::X86_64, 64);
    // Each path becomes three times as long in the reader, and the notes are as long as any that are read.
    for row in 0..3900 {
        let start = LIBRARY + 0x100_0000 + row * 0x2000;
        core.segments.push(Segment::new(start, vec![], 5));
        core.files.push((start, start + 0x1000, 0, format!("/{}", "\u{7f}".repeat(235))));
    }
    let world = World::new("minidump");
    let report = world.report(APP, &core.bytes()).unwrap();
    assert_eq!(report.problem, None);
    assert!(report.size > MINIDUMP_LIMIT as u64 * 9 / 10, "{} bytes", report.size);
}

#[test]
fn a_reader_that_dies_leaves_a_report_that_says_how() {
    assert_eq!(problem("abort", CORE), "the reader was killed by signal 6");
    assert_eq!(problem("memory", CORE), "the reader was killed by signal 6");
    assert_eq!(problem("panic", CORE), "the reader was killed by signal 6");
}

#[test]
fn a_reader_that_hangs_is_killed_and_keeps_nobody_waiting_meanwhile() {
    let world = World::new("hang");
    let core = world.core(CORE);
    let begun = Instant::now();
    let asked = std::thread::scope(|scope| {
        let report = scope.spawn(|| answer(world.client().call::<_, Kept>(&crash(APP), &[core.as_fd()])).unwrap().0.report);
        let mut listed = 0;
        while !report.is_finished() {
            assert!(world.list().len() <= 1);
            listed += 1;
        }
        assert!(listed > 5, "only {listed} lists while a core was read");
        report.join().unwrap()
    });
    assert_eq!(asked.problem.unwrap(), "the core file was not read within 0.3 s");
    assert!((300..5000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[test]
fn a_reader_that_writes_something_else_is_not_believed() {
    assert_eq!(problem("flood", CORE), "the reader was killed by signal 25");
    assert_eq!(problem("other", CORE), "the reader wrote something else than a report");
}

#[test]
fn a_reader_reaches_no_file_no_socket_no_process_and_no_log() {
    assert_eq!(problem("reach", CORE), "the core file's notes hold no thread's registers");
}

#[test]
fn numbers_rise_over_deletions_and_restarts_and_what_a_power_cut_left_is_gone() {
    let mut world = World::new("minidump");
    assert_eq!(world.report(APP, CORE).unwrap().number, 1);
    assert_eq!(world.report(OTHER, CORE).unwrap().number, 2);
    world.ask::<Done>(&Request::Delete { number: 2 }).unwrap();
    fs::write(world.crashes().join(format!("3-{APP}.sealed.new")), &CORE[..100]).unwrap();
    world.stop();
    world.start("minidump");
    assert_eq!(world.list().len(), 1);
    assert_eq!(world.report(OTHER, CORE).unwrap().number, 3);
    let names: Vec<_> = linux::files::list(world.crashes(), 10).unwrap();
    assert_eq!(names, [format!("1-{APP}.sealed"), format!("3-{OTHER}.sealed"), "next".to_owned()]);
}

#[test]
fn what_is_not_there_is_said_not_to_be() {
    let world = World::new("minidump");
    for request in [Request::Open { number: 7 }, Request::Delete { number: 7 }] {
        let refusal = world.ask::<Done>(&request).unwrap_err();
        assert_eq!((refusal.class, refusal.message.as_str()), (ErrorClass::NotFound, "there is no crash report 7"));
        assert!(refusal.hint.is_some());
    }
    world.ask::<Done>(&Request::Forget { component: APP.parse().unwrap() }).unwrap();
}

#[test]
fn a_report_needs_one_file_that_is_open_for_reading_alone() {
    let world = World::new("minidump");
    let (reads, _writes) = rustix::pipe::pipe().unwrap();
    let core = world.core(CORE);
    let written = File::options().read(true).write(true).open(world.folder.path().join("core")).unwrap();
    for descriptors in [vec![], vec![reads.as_fd()], vec![written.as_fd()], vec![core.as_fd(), core.as_fd()]] {
        let refusal = answer(world.client().call::<_, Kept>(&crash(APP), &descriptors)).unwrap_err();
        assert_eq!(refusal.class, ErrorClass::BadInput, "{refusal:?}");
    }
    let nameless = Request::Report { crash: Crash { name: "\u{1b}[2J".to_owned(), ..told(APP.parse().unwrap()) } };
    let refusal = answer(world.client().call::<_, Kept>(&nameless, &[core.as_fd()])).unwrap_err();
    assert_eq!(refusal.class, ErrorClass::BadInput);
    assert!(world.list().is_empty());
}

#[test]
fn an_app_in_a_loop_of_crashes_gets_its_reports_and_no_more_for_an_hour() {
    let world = World::new("minidump");
    for number in 1..=8 {
        assert_eq!(world.report(APP, CORE).unwrap().number, number);
    }
    let refusal = world.report(APP, CORE).unwrap_err();
    assert_eq!(refusal.class, ErrorClass::Conflict);
    assert_eq!(world.report(OTHER, CORE).unwrap().number, 9);
}

#[test]
fn an_app_that_is_removed_takes_its_reports_along_also_the_one_that_is_being_made() {
    let world = World::new("hang");
    let core = world.core(CORE);
    std::thread::scope(|scope| {
        let report = || answer(world.client().call::<_, Kept>(&crash(APP), &[core.as_fd()])).unwrap_err();
        let (first, second) = (scope.spawn(report), scope.spawn(report));
        // Both are told before the first one's time is over.
        std::thread::sleep(Duration::from_millis(150));
        world.ask::<Done>(&Request::Forget { component: APP.parse().unwrap() }).unwrap();
        assert_eq!(first.join().unwrap().class, ErrorClass::Conflict);
        assert_eq!(second.join().unwrap().class, ErrorClass::Conflict);
    });
    assert!(world.list().is_empty());
}

#[test]
fn it_ends_by_itself_when_nobody_wants_anything() {
    let mut world = World::new("minidump");
    let client = world.client();
    let begun = Instant::now();
    assert!(client.call::<_, CrashList>(&Request::List {}, &[]).is_ok());
    std::thread::sleep(Duration::from_secs(11));
    assert!(world.daemon.as_mut().unwrap().try_wait().unwrap().is_none(), "it left while a connection was open");
    drop(client);
    let status = loop {
        if let Some(status) = world.daemon.as_mut().unwrap().try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(40), "it does not end");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success() && begun.elapsed() > Duration::from_secs(20), "{status} after {:?}", begun.elapsed());
}

#[test]
fn the_longest_list_fits_a_packet() {
    let report = CrashReport {
        number: u64::MAX,
        component: APP.parse().unwrap(),
        name: "\u{1f514}".repeat(64),
        version: u64::MAX,
        generation: u64::MAX,
        signal: i32::MIN,
        time_ms: u64::MAX,
        size: u64::MAX,
        problem: Some("\"".repeat(PROBLEM_LIMIT)),
    };
    let list = ipc::client::Answer::Ok(CrashList { crashes: vec![report; crash_reporter::displaced::IN_ALL] });
    assert!(serde_json::to_vec(&list).unwrap().len() < PACKET_LIMIT);
}
