//! Real sandboxes on this machine: what a program in one can do, and what a hostile one cannot.
//!
//! Needs root and a kernel with Landlock; control groups are not used. The program is examples/attack.rs, dynamically
//! linked, in a root of its own that holds it and its libraries.
#![expect(clippy::disallowed_methods, reason = "test set-up")]
#![expect(unsafe_code, reason = "takes a call as a listener does that dies in the middle")]

mod stage;

use linux::pidfd;
use rustix::pipe::{PipeFlags, pipe_with};
use sandbox::{
    Denials, Processes, SpawnError, denials,
    plan::PlanError,
    policy::PolicyError,
    ready::Networks,
    seccomp::{Profile, profiles},
    step::Step,
};
use stage::{End, Stage, Start};
use std::{
    fs,
    io::Read,
    os::{linux::net::SocketAddrExt, unix::net},
};

/// Acts that work unconfined and must not work in a sandbox.
fn refused(stage: &Stage, act: &[&str]) {
    assert_eq!(stage.unconfined(act), End::Exited(0), "{act:?} cannot work anywhere, so it shows nothing");
    let end = stage.confined(act);
    let refused = matches!(end, End::Exited(errno) if (1..134).contains(&errno)) || end == End::Signaled(libc::SIGSYS);
    assert!(refused, "{act:?} ended with {end:?} in the sandbox");
}

fn works(stage: &Stage, act: &[&str]) {
    assert_eq!(stage.confined(act), End::Exited(0), "{act:?}");
}

#[test]
fn files_outside_of_the_root_cannot_be_reached() {
    let stage = Stage::new();
    let canary = stage.canary();
    for act in ["read", "write", "dotdot", "proc-self-root", "link-out"] {
        refused(&stage, &[act, &canary]);
    }
    assert_eq!(fs::read_to_string(canary).unwrap(), "was here", "written by the unconfined arm");
}

#[test]
fn the_root_cannot_be_written_and_nothing_of_the_machine_is_in_proc_or_dev() {
    let stage = Stage::new();
    for act in
        [["write", "/bin/new"], ["read", "/proc/version"], ["list", "/proc/sys"], ["read", "/proc/cpuinfo"], ["list", "/sys"]]
    {
        let end = stage.confined(&act);
        assert!(matches!(end, End::Exited(errno) if errno != 0), "{act:?}: {end:?}");
    }
    for act in [["read", "/proc/version"], ["list", "/proc/sys"], ["list", "/sys"], ["list", "/dev/pts"]] {
        refused(&stage, &act);
    }
    works(&stage, &["list", "/dev"]);
    works(&stage, &["write", "/dev/null"]);
    works(&stage, &["read", "/proc/self/status"]);
}

#[test]
fn other_processes_cannot_be_seen_signalled_traced_or_read() {
    let stage = Stage::new();
    let mut canary = std::process::Command::new("sleep").arg("100").spawn().unwrap();
    let pid = canary.id().to_string();
    for act in ["signal", "ptrace", "read-memory", "see-process"] {
        refused(&stage, &[act, &pid]);
    }
    canary.kill().unwrap();
    canary.wait().unwrap();
    for act in ["signal", "ptrace", "read-memory"] {
        assert_ne!(stage.confined(&[act, "1"]), End::Exited(0), "{act} on the reaping init");
    }
}

#[test]
fn no_network_and_no_abstract_socket_is_reached() {
    let stage = Stage::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    refused(&stage, &["connect-tcp", &port]);
    let name = format!("holdfast-canary-{}", std::process::id());
    let _abstract = net::UnixListener::bind_addr(&net::SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    refused(&stage, &["connect-abstract", &name]);
    for family in ["netlink", "packet", "inet"] {
        refused(&stage, &[family]);
    }
}

#[test]
fn a_network_that_was_made_ready_is_empty_and_used_once() {
    let stage = Stage::new();
    let mut networks = Networks::new(2);
    while networks.lacks() {
        networks.make().unwrap();
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut seen = vec![fs::read_link("/proc/self/ns/net").unwrap()];
    while let Some(network) = networks.take() {
        let running = stage
            .start(Start::of(&["sleep"]).with(|start| {
                start.network = Some(network);
                start.processes = Processes::Single;
            }))
            .unwrap();
        seen.push(fs::read_link(format!("/proc/{}/ns/net", running.child.pid)).unwrap());
        let devices = fs::read_to_string(format!("/proc/{}/net/dev", running.child.pid)).unwrap();
        assert_eq!(devices.lines().skip(2).filter(|line| !line.trim_start().starts_with("lo:")).count(), 0, "{devices}");
        pidfd::signal(&running.child.pidfd, linux::process::Signal::KILL).unwrap();
        running.end();
    }
    assert!(seen.len() == 3 && seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2], "{seen:?}");
    networks.make().unwrap();
    let connect = Start::of(&["connect-tcp", &port]).with(|start| start.network = networks.take());
    assert_ne!(stage.start(connect).unwrap().end(), End::Exited(0));
}

#[test]
fn a_caller_with_more_descriptors_than_the_program_may_have_starts_it() {
    let stage = Stage::new();
    let null = fs::File::open("/dev/null").unwrap();
    let many: Vec<_> = (0..300).map(|_| null.try_clone().unwrap()).collect();
    for denials in [Denials::Logged, Denials::Told] {
        let start = Start::of(&["open-many"]).with(|start| start.denials = denials);
        assert_eq!(stage.start(start).unwrap().end(), End::Exited(libc::EMFILE));
    }
    drop(many);
}

#[test]
fn nothing_is_executed_a_second_time() {
    let stage = Stage::new();
    refused(&stage, &["exec-again"]);
    refused(&stage, &["exec-copy", stage.storage().to_str().unwrap()]);
    assert_eq!(stage.confined(&["exec-raw"]), End::Exited(libc::EPERM));
    let page = (stage.kernel.lowest_address - 4096).to_string();
    assert_eq!(stage.confined(&["exec-by-the-page", &page]), End::Exited(libc::EFAULT), "the page is gone for good");
    assert_eq!(stage.confined(&["map-page", &page]), End::Exited(libc::EPERM), "and cannot be mapped again");
}

#[test]
fn with_exec_granted_programs_of_the_root_run_and_data_does_not() {
    let stage = Stage::new();
    let exec = |act: &[&str]| stage.start(Start::of(act).with(|start| start.processes = Processes::Exec)).unwrap().end();
    assert_eq!(exec(&["exec-again"]), End::Exited(0));
    assert_eq!(exec(&["exec-copy", "/data"]), End::Exited(libc::EACCES));
    assert_eq!(exec(&["exec-copy", "/tmp"]), End::Exited(libc::EACCES));
}

#[test]
fn memory_is_never_writable_and_executable() {
    let stage = Stage::new();
    for act in ["map-write-exec", "map-anonymous-exec", "write-then-exec", "memfd"] {
        refused(&stage, &[act]);
    }
}

#[test]
fn with_the_profile_jit_code_is_written_then_run_and_never_both_at_once() {
    let stage = Stage::new();
    let jit = |act| stage.start(Start::of(act).with(|start| start.profiles = vec![&profiles::app::JIT])).unwrap().end();
    assert_eq!(stage.confined(&["write-then-exec"]), End::Exited(libc::EPERM));
    assert_eq!(jit(&["write-then-exec"]), End::Exited(0));
    assert_eq!(jit(&["map-write-exec"]), End::Exited(libc::EPERM));
}

#[test]
fn with_the_network_a_program_listens_only_if_the_policy_says_so() {
    let stage = Stage::new();
    let listens = |named: &[&'static Profile]| {
        let running = stage.start(Start::of(&["nothing"]).with(|start| start.profiles = named.to_vec())).unwrap();
        let listens = running.child.in_force.iter().any(|layer| layer.contains("seccomp filter") && layer.contains(" listen"));
        running.end();
        listens
    };
    assert!(listens(&[]), "on Unix sockets");
    assert!(!listens(&[&profiles::app::NETWORK]));
    assert!(listens(&[&profiles::app::NETWORK, &profiles::app::LISTEN]));
}

#[test]
fn there_is_no_way_to_more_rights() {
    let stage = Stage::new();
    for act in [
        "be-root",
        "become-root",
        "become-nobody",
        "have-capability",
        "no-seccomp",
        "no-nnp",
        "unshare",
        "clone-namespace",
        "chroot",
        "fsopen",
        "set-clock",
        "personality",
        "keyring",
        "kernel-log",
    ] {
        if act == "set-clock" {
            // Unconfined it would get as far as its null pointer.
            assert_eq!(stage.unconfined(&[act]), End::Exited(libc::EFAULT));
            assert_eq!(stage.confined(&[act]), End::Exited(libc::EPERM));
        } else {
            refused(&stage, &[act]);
        }
    }
    for act in ["mknod", "set-id", "file-flags"] {
        assert_eq!(stage.unconfined(&[act, stage.storage().to_str().unwrap()]), End::Exited(0), "{act}");
        assert_eq!(stage.confined(&[act, "/data"]), End::Exited(libc::EPERM), "{act}");
    }
    refused(&stage, &["core-limit"]);
}

#[test]
fn a_high_half_does_not_slip_a_call_past_the_filter() {
    let stage = Stage::new();
    refused(&stage, &["type-for-others"]);
    refused(&stage, &["type-for-others-high-bits"]);
    let end = stage.confined(&["x32"]);
    assert_eq!(end, End::Signaled(libc::SIGSYS), "the x32 table is refused by death");
}

#[test]
fn only_what_was_passed_is_open() {
    let stage = Stage::new();
    let (_read, leaked) = rustix::pipe::pipe().unwrap();
    assert_eq!(stage.unconfined(&["leaked-descriptor", "3"]), End::Exited(0), "a leaked descriptor is seen");
    assert_eq!(stage.confined(&["leaked-descriptor", "3"]), End::Exited(libc::EBADF));
    drop(leaked);

    let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let running = stage.start(Start::of(&["passed"]).with(|start| start.passed = vec![("GREETING", &write)])).unwrap();
    assert_eq!(running.end(), End::Exited(0));
    drop(write);
    let mut text = String::new();
    fs::File::from(read).read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
}

#[test]
fn the_environment_is_exactly_what_was_given() {
    let stage = Stage::new();
    let start = |expected| {
        Start::of(&["environment", expected]).with(|start| start.environment = vec!["A=1".to_owned(), "B=".to_owned()])
    };
    assert_eq!(stage.start(start("A=1,B=")).unwrap().end(), End::Exited(0));
    assert_ne!(stage.start(start("A=1")).unwrap().end(), End::Exited(0));
}

#[test]
fn a_refused_call_is_told_with_number_arguments_and_line_and_fails_as_it_would_untold() {
    let stage = Stage::new();
    let told = |act: &[&str], processes| {
        let start = Start::of(act).with(|start| (start.denials, start.processes) = (Denials::Told, processes));
        let mut running = stage.start(start).unwrap();
        running.answer_until_end();
        (std::mem::take(&mut running.denials), running.end())
    };
    for (act, call, profile) in [
        ("inet", libc::SYS_socket, Some("network")),
        ("packet", libc::SYS_socket, None),
        ("exec-again", libc::SYS_execve, Some("exec")),
        ("unshare", libc::SYS_unshare, None),
        ("memfd", libc::SYS_memfd_create, None),
        ("become-root", libc::SYS_setresuid, None),
        ("map-anonymous-exec", libc::SYS_mmap, Some("jit")),
    ] {
        let (denials, end) = told(&[act], Processes::Fork);
        assert_eq!(end, stage.confined(&[act]), "{act}");
        let denial =
            denials.iter().find(|denial| i64::from(denial.number) == call).unwrap_or_else(|| panic!("{act}: {denials:?}"));
        assert_eq!(denial.missing_profile().map(|profile| profile.name), profile, "{act}");
        assert!(denial.thread > 0 && denial.line().is_some(), "{act}: {denial:?}");
    }
    let (denials, _) = told(&["inet"], Processes::Fork);
    let expected = [libc::AF_INET as u64, libc::SOCK_STREAM as u64, 0, 0, 0, 0];
    assert!(denials.iter().any(|denial| denial.looked_at() == expected), "{denials:?}");
    assert_eq!(told(&["fork"], Processes::Single).1, End::Exited(libc::EPERM));
    let (denials, end) = told(&["refused-by-many", "20"], Processes::Fork);
    let many = denials.iter().filter(|denial| i64::from(denial.number) == libc::SYS_chroot).count();
    assert_eq!((end, many), (End::Exited(0), 20));
    // What is not refused is not told either: the whole life of a program with threads, files and children.
    for act in [&["nothing"][..], &["thread"], &["fork"], &["write", "/tmp/file"], &["list", "/"]] {
        let (denials, end) = told(act, Processes::Fork);
        assert!(denials.is_empty() && end == End::Exited(0), "{act:?}: {end:?}, {denials:?}");
    }
}

#[test]
fn where_nobody_listens_any_more_a_refused_call_is_not_there() {
    let stage = Stage::new();
    let mut running = stage.start(Start::of(&["unshare"]).with(|start| start.denials = Denials::Told)).unwrap();
    running.child.denials = None;
    assert_eq!(running.end(), End::Exited(libc::ENOSYS));
}

/// Whoever takes over from a listener that died in the middle of an answer finds that out, and a freeze makes the caller
/// ask anew.
#[test]
fn a_call_that_was_taken_and_left_is_asked_anew_after_a_freeze() {
    let stage = Stage::new();
    let running = stage.start(Start::of(&["unshare"]).with(|start| start.denials = Denials::Told)).unwrap();
    let listener = running.child.denials.as_ref().unwrap();
    wait_until(|| {
        // SECCOMP_IOCTL_NOTIF_RECV, and no answer.
        let mut taken = [0u64; 10];
        // SAFETY: the kernel writes one seccomp_notif, which is 80 bytes long.
        unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(listener), 0xc050_2100, &raw mut taken) == 0 }
    });
    assert!(denials::is_left_unanswered(listener) && running.answer_one().is_none());

    let group = Group::with(running.child.pid);
    for state in ["1", "0"] {
        fs::write(group.0.join("cgroup.freeze"), state).unwrap();
    }
    let mut again = None;
    wait_until(|| {
        again = running.answer_one();
        again.is_some()
    });
    assert_eq!(again.map(|denial| i64::from(denial.number)), Some(libc::SYS_unshare));
    assert!(!denials::is_left_unanswered(running.child.denials.as_ref().unwrap()));
    assert_eq!(running.end(), End::Exited(libc::EPERM));
}

/// A control group of version 2, wherever this machine has them, with a process and its children in it.
struct Group(std::path::PathBuf);

impl Group {
    fn with(pid: u32) -> Self {
        let root =
            ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].into_iter().find(|at| fs::exists(format!("{at}/cgroup.procs")).unwrap());
        let folder = std::path::Path::new(root.expect("control groups of version 2")).join(format!("holdfast-test-{pid}"));
        fs::create_dir(&folder).unwrap();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        for process in children.split_whitespace() {
            fs::write(folder.join("cgroup.procs"), process).unwrap();
        }
        Self(folder)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_program_does_not_hold_the_listener_of_its_own_filter() {
    let stage = Stage::new();
    let running = stage.start(Start::of(&["own-listener"]).with(|start| start.denials = Denials::Told)).unwrap();
    assert_eq!(running.end(), End::Exited(libc::EBADF));
    // It would see it: passed by name, as any descriptor, the listener of another sandbox is found.
    let other = stage.start(Start::of(&["sleep"]).with(|start| start.denials = Denials::Told)).unwrap();
    let listener = other.child.denials.as_ref().unwrap();
    let running = stage.start(Start::of(&["own-listener"]).with(|start| start.passed = vec![("LISTENER", listener)])).unwrap();
    assert_eq!(running.end(), End::Exited(0));
    pidfd::signal(&other.child.pidfd, linux::process::Signal::KILL).unwrap();
    other.end();
}

#[test]
fn threads_children_own_data_and_a_granted_socket_work() {
    let stage = Stage::new();
    for act in [
        &["thread"][..],
        &["fork"],
        &["orphan"],
        &["write", "/data/file"],
        &["read", "/data/file"],
        &["write", "/tmp/file"],
        &["list", "/"],
        &["list", "/bin"],
    ] {
        works(&stage, act);
    }
    let path = stage.storage().parent().unwrap().join("socket");
    let socket = net::UnixDatagram::bind(&path).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let running = stage.start(Start::of(&["connect-unix", "/run/notify"]).with(|start| start.socket = Some(&path))).unwrap();
    assert_eq!(running.end(), End::Exited(0));
    drop(socket);
}

#[test]
fn a_single_process_has_no_threads_and_no_children() {
    let stage = Stage::new();
    let single = |act: &[&str]| stage.start(Start::of(act).with(|start| start.processes = Processes::Single)).unwrap().end();
    assert_eq!(single(&["nothing"]), End::Exited(0));
    assert_ne!(single(&["thread"]), End::Exited(0));
    assert_eq!(single(&["fork"]), End::Exited(libc::EPERM));
    assert_eq!(single(&["exec-raw"]), End::Exited(libc::EPERM));
}

#[test]
fn sigterm_reaches_the_program_and_its_ending_is_told_whole() {
    let stage = Stage::new();
    let mut running = stage.start(Start::of(&["wait-for-term"])).unwrap();
    let mut ready = [0; 6];
    running.output.read_exact(&mut ready).unwrap();
    pidfd::signal(&running.child.pidfd, linux::process::Signal::TERM).unwrap();
    assert_eq!(running.end(), End::Exited(0));
    assert_eq!(stage.confined(&["die", "6"]), End::Signaled(6));
    assert_eq!(stage.confined(&["die", "9"]), End::Signaled(9));

    let running = stage.start(Start::of(&["sleep"])).unwrap();
    pidfd::signal(&running.child.pidfd, linux::process::Signal::KILL).unwrap();
    assert_eq!(running.end(), End::Signaled(9));
}

#[test]
fn success_says_what_is_in_force() {
    let stage = Stage::new();
    let running = stage.start(Start::of(&["nothing"])).unwrap();
    let text = running.child.in_force.join("\n");
    for word in [
        "user and group 123456",
        "own root",
        "namespaces",
        "capabilities: none",
        "no_new_privs",
        "Landlock ABI",
        "seccomp filter",
        "descriptors: 3",
    ] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
    running.end();
}

#[test]
fn hostile_or_impossible_starts_are_refused_in_words() {
    let stage = Stage::new();
    let refusal = |change: &dyn Fn(&mut Start<'_>)| {
        let error = stage.start(Start::of(&["nothing"]).with(|start| change(start))).map(|running| running.end()).unwrap_err();
        linux::files::chain(&error)
    };
    let expect = |change: &dyn Fn(&mut Start<'_>), words: &str| {
        let found = refusal(change);
        assert!(found.contains(words), "`{found}` does not say `{words}`");
    };
    expect(&|start| start.user = 0, "user id 0");
    expect(&|start| start.user = u32::MAX, "user id 4294967295");
    expect(&|start| start.user = 99_999, "belongs to user 123456, not to 99999");
    expect(&|start| start.program = "/bin/script", "a script is none");
    expect(&|start| start.program = "/bin/text", "could not find an ELF program");
    expect(&|start| start.program = "/bin/link-out", "could not open the program");
    expect(&|start| start.program = "/bin/absent", "No such file");
    expect(&|start| start.program = "/bin", "Is a directory");
    expect(&|start| start.program = "/dev/null", "could not find an ELF program");
    for path in ["bin/attack", "/bin/../bin/attack", "/bin//attack", "/bin/./attack", "", "/", "/bin/attack\0"] {
        expect(&|start| start.program = path, "not an absolute path");
    }
    expect(&|start| start.arguments = vec!["a\0b".to_owned()], "argument 1 holds a NUL");
    expect(&|start| start.arguments = vec!["a".repeat(4097)], "longer than 4096");
    expect(&|start| start.arguments = vec![String::new(); 257], "257 arguments, at most 256");
    for variable in ["NAME", "=value", "LISTEN_FDS=9"] {
        expect(&|start| start.environment = vec![variable.to_owned()], "not an environment variable");
    }
    expect(&|start| start.environment = vec!["A=1".to_owned(), "A=2".to_owned()], "not an environment variable");
    expect(&|start| start.profiles = vec![&profiles::daemon::VERITY], "is for daemons");
    expect(&|start| start.profiles = vec![&profiles::app::EXEC], "contradicts");
    expect(
        &|start| {
            start.processes = Processes::Single;
            start.profiles = vec![&profiles::app::THREADS];
        },
        "contradicts",
    );
}

#[test]
fn a_descriptors_name_must_fit_and_be_single() {
    let stage = Stage::new();
    let (_read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    for names in [&["a:b"][..], &[""], &["a", "a"]] {
        let start = Start::of(&["nothing"]).with(|start| start.passed = names.iter().map(|&name| (name, &write)).collect());
        let error = stage.start(start).map(|running| running.end()).unwrap_err();
        assert!(matches!(error, SpawnError::Plan(PlanError::Policy(PolicyError::DescriptorName(_)))), "{error}");
    }
}

#[test]
fn an_image_whose_mount_point_is_a_link_or_missing_is_refused() {
    for spoil in [|path: &std::path::Path| std::os::unix::fs::symlink("/etc", path).unwrap(), |_: &std::path::Path| ()] {
        for name in ["dev", "proc", "run", "tmp", "data"] {
            let stage = Stage::new();
            let path = stage.root().join(name);
            fs::remove_dir(&path).unwrap();
            spoil(&path);
            let error = stage.start(Start::of(&["nothing"])).map(|running| running.end()).unwrap_err();
            let words = linux::files::chain(&error);
            assert!(words.contains(&format!("cannot open `{name}`")), "{words}");
        }
    }
}

#[test]
fn a_step_that_fails_in_the_child_is_told_in_words_and_leaves_nothing() {
    let stage = Stage::new();
    // An ELF file by its first bytes, and nothing behind them.
    let path = stage.root().join("bin/torn");
    fs::write(&path, b"\x7fELFtorn").unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let error = stage.start(Start::of(&[]).with(|start| start.program = "/bin/torn")).map(|running| running.end()).unwrap_err();
    assert!(matches!(error, SpawnError::Step { step: Step::Exec, .. }), "{}", linux::files::chain(&error));
    assert!(linux::files::chain(&error).starts_with("the new process could not execute the program: "));
}

#[test]
fn nothing_of_a_sandbox_is_mounted_in_the_callers_namespace() {
    let stage = Stage::new();
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    let running = stage.start(Start::of(&["sleep"])).unwrap();
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count(), before);
    pidfd::signal(&running.child.pidfd, linux::process::Signal::KILL).unwrap();
    running.end();
}

#[test]
fn a_sandbox_dies_with_whoever_started_it() {
    let stage = Stage::new();
    let own = std::env::current_exe().unwrap();
    let starter = own.parent().unwrap().parent().unwrap().join("examples/run_confined");
    let mark = format!("{}", std::process::id());
    let mut starter =
        std::process::Command::new(starter).arg(stage.root()).args(["/bin/attack", "sleep", &mark]).spawn().unwrap();
    let runs = || {
        fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == format!("/bin/attack\0sleep\0{mark}\0").as_bytes())
        })
    };
    wait_until(runs);
    starter.kill().unwrap();
    starter.wait().unwrap();
    wait_until(|| !runs());
}

/// Waits for a condition, with a limit.
fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "it did not happen");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
