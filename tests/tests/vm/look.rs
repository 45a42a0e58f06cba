//! What a device is right after its boot: tests that only look, on one machine.

use anyhow::{Context, Result, bail, ensure};
use harness::{inside::Inside, machine::shared, workspace::top};
use manifest::{api::ServiceState, sysctl::SysctlTable};
use probe::Process;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// One daemon as docs/architecture.md's process table has it.
struct Expected {
    name: &'static str,
    uid: u32,
    gid: u32,
    /// Bits of capabilities(7).
    capabilities: u64,
    /// Whether it has a filter and no_new_privs.
    filtered: bool,
}

const CHOWN: u64 = 1 << 0;
const FOWNER: u64 = 1 << 3;
const KILL: u64 = 1 << 5;
const SETGID: u64 = 1 << 6;
const SETUID: u64 = 1 << 7;
const SETPCAP: u64 = 1 << 8;
const NET_ADMIN: u64 = 1 << 12;
const SYS_TIME: u64 = 1 << 25;
const SYS_RAWIO: u64 = 1 << 17;
const SYS_ADMIN: u64 = 1 << 21;

const LAUNCHER: u64 = SYS_ADMIN | SYS_RAWIO | SETUID | SETGID | SETPCAP | CHOWN | FOWNER | KILL;

const DAEMONS: &[Expected] = &[
    Expected { name: "security-monitor", uid: 1001, gid: 1001, capabilities: 0, filtered: true },
    Expected { name: "launcher", uid: 0, gid: 1020, capabilities: LAUNCHER, filtered: false },
    Expected { name: "app-manager", uid: 1002, gid: 1002, capabilities: 0, filtered: true },
    Expected { name: "network-manager", uid: 1003, gid: 1003, capabilities: NET_ADMIN | SYS_TIME, filtered: true },
    Expected { name: "app-services", uid: 1005, gid: 1005, capabilities: 0, filtered: true },
    Expected { name: "device-api", uid: 1004, gid: 1004, capabilities: 0, filtered: true },
    Expected { name: "board-simulator", uid: 1010, gid: 1010, capabilities: 0, filtered: true },
];

#[test]
fn the_device_boots_and_every_service_is_ready() -> Result<()> {
    shared(|machine| {
        let device = machine.device()?;
        for service in device.services()? {
            // Nothing has crashed, so nobody asked for it.
            let on_demand = service.name.as_str() == "crash-reporter";
            let (state, starts) = if on_demand { (ServiceState::Waiting, 0) } else { (ServiceState::Ready, 1) };
            ensure!(service.state == state, "{} is {:?}: {:?}", service.name, service.state, service.last_exit);
            ensure!(service.generation == starts, "{} was started {} times", service.name, service.generation);
        }
        let info = device.client().device()?;
        ensure!(!info.safe_mode && info.boot == 1, "{info:?}");
        let trace = device.client().boot_trace()?.phases;
        let problems: Vec<_> = trace.iter().filter(|phase| phase.problem.is_some()).collect();
        ensure!(problems.is_empty() && trace.len() > 10, "phases with problems: {problems:?} of {}", trace.len());
        Ok(())
    })
}

#[test]
fn each_daemon_has_the_user_capabilities_and_filter_that_the_process_table_names() -> Result<()> {
    shared(|machine| {
        let inside = machine.inside();
        for expected in DAEMONS {
            let process = inside.daemon(expected.name)?;
            check_daemon(expected, &process)
                .with_context(|| format!("{} as /proc/{}/status shows it", expected.name, process.pid))?;
        }
        Ok(())
    })
}

fn check_daemon(expected: &Expected, process: &Process) -> Result<()> {
    let four = |id: u32| vec![id.to_string(); 4];
    let words = |field: &str| process.field(field).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    ensure!(words("Uid") == four(expected.uid), "Uid: {:?}", words("Uid"));
    ensure!(words("Gid") == four(expected.gid), "Gid: {:?}", words("Gid"));
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let found = u64::from_str_radix(process.field(set), 16)?;
        ensure!(found == expected.capabilities, "{set} is {found:#x}, expected {:#x}", expected.capabilities);
    }
    let (seccomp, privileges) = if expected.filtered { ("2", "1") } else { ("0", process.field("NoNewPrivs")) };
    ensure!(process.field("Seccomp") == seccomp, "Seccomp: {}", process.field("Seccomp"));
    ensure!(process.field("NoNewPrivs") == privileges, "NoNewPrivs: {}", process.field("NoNewPrivs"));
    ensure!(process.cgroup.ends_with(&format!("/system/{}", expected.name)), "control group {}", process.cgroup);
    Ok(())
}

#[test]
fn no_process_runs_that_the_process_table_does_not_name() -> Result<()> {
    shared(|machine| {
        let mut known: BTreeSet<String> = DAEMONS.iter().map(|d| format!("/usr/lib/holdfast/{}", d.name)).collect();
        known.extend(["init", "probe"].map(|name| format!("/usr/lib/holdfast/{name}")));
        let processes = machine.inside().processes()?;
        // The kernel's own threads have no program.
        let strangers: Vec<_> = processes.iter().filter(|p| !p.exe.is_empty() && !known.contains(&p.exe)).collect();
        ensure!(strangers.is_empty(), "{strangers:?}");
        let init = processes.iter().find(|p| p.pid == 1).context("no PID 1")?;
        ensure!(init.exe == "/usr/lib/holdfast/init", "PID 1 is {}", init.exe);
        Ok(())
    })
}

#[test]
fn nothing_listens_but_the_device_api_and_the_internal_sockets() -> Result<()> {
    shared(|machine| {
        let inside = machine.inside();
        let mut open = Vec::new();
        for table in ["tcp", "tcp6"] {
            // proc_net(5): local address in field 1, state in field 3; 0A is LISTEN.
            for line in inside.text(&format!("/proc/net/{table}")).unwrap_or_default().lines().skip(1) {
                let fields: Vec<&str> = line.split_whitespace().collect();
                if let [_, local, _, "0A", ..] = fields.as_slice() {
                    open.push(format!("{table} {local}"));
                }
            }
        }
        ensure!(open.len() == 1 && open.iter().all(|l| l.ends_with(":20FB")), "8443 is 20FB; listening: {open:?}");
        for table in ["udp", "udp6", "udplite", "raw", "raw6", "packet"] {
            let text = inside.text(&format!("/proc/net/{table}")).unwrap_or_default();
            ensure!(text.lines().count() <= 1, "open {table} sockets:\n{text}");
        }
        // Field 3 has __SO_ACCEPTCON (0x10000) for listeners, field 7 is the path.
        let unix = inside.text("/proc/net/unix")?;
        let listening = unix.lines().skip(1).filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let flags = fields.get(3).and_then(|f| u32::from_str_radix(f, 16).ok())?;
            (flags & 0x10000 != 0).then(|| (*fields.get(7).unwrap_or(&"")).to_owned())
        });
        let strangers: Vec<String> = listening.filter(|path| !path.starts_with("/run/ipc/")).collect();
        ensure!(strangers.is_empty(), "Unix sockets listen outside of /run/ipc: {strangers:?}");
        Ok(())
    })
}

/// Where something is mounted, with the options that must be there.
const MOUNTS: &[(&str, &str, &[&str])] = &[
    ("/", "erofs", &["ro", "nosuid", "nodev"]),
    ("/proc", "proc", &["nosuid", "nodev", "noexec", "hidepid=invisible"]),
    ("/sys", "sysfs", &["nosuid", "nodev", "noexec"]),
    ("/dev", "devtmpfs", &["nosuid", "noexec"]),
    ("/run", "tmpfs", &["nosuid", "nodev", "noexec", "nosymfollow", "mode=755"]),
    ("/tmp", "tmpfs", &["nosuid", "nodev", "noexec", "nosymfollow"]),
    ("/sys/fs/cgroup", "cgroup2", &["nosuid", "nodev", "noexec", "nsdelegate"]),
    ("/sys/fs/pstore", "pstore", &["nosuid", "nodev", "noexec"]),
    ("/data", "ext4", &["nosuid", "nodev", "noexec", "prjquota"]),
];

/// Mounted on some machines.
const PERHAPS: &[(&str, &str, &[&str])] = &[
    ("/sys/kernel/security", "securityfs", &["ro", "nosuid", "nodev", "noexec"]),
    ("/sys/firmware/efi/efivars", "efivarfs", &["ro", "nosuid", "nodev", "noexec"]),
    ("/sys/kernel/config", "configfs", &["nosuid", "nodev", "noexec"]),
];

#[test]
fn every_mount_has_the_tightest_options_its_use_allows() -> Result<()> {
    shared(|machine| {
        let text = machine.inside().text("/proc/1/mountinfo")?;
        let mut found: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
        for line in text.lines() {
            let (mount, file_system) = line.split_once(" - ").context("a mountinfo line without ` - `")?;
            let (mount, file_system): (Vec<&str>, Vec<&str>) = (mount.split(' ').collect(), file_system.split(' ').collect());
            let (Some(target), Some(own)) = (mount.get(4), mount.get(5)) else { bail!("a short line: {line}") };
            let (Some(kind), Some(shared)) = (file_system.first(), file_system.get(2)) else { bail!("a short line: {line}") };
            let options = own.split(',').chain(shared.split(',')).map(str::to_owned).collect();
            found.insert((*target).to_owned(), ((*kind).to_owned(), options));
        }
        for (target, kind, options) in MOUNTS {
            let (is, have) = found.get(*target).with_context(|| format!("{target} is not mounted:\n{text}"))?;
            check_mount(target, kind, options, is, have)?;
        }
        for (target, (is, have)) in &found {
            let mut rows = MOUNTS.iter().chain(PERHAPS);
            let Some((_, kind, options)) = rows.find(|(row, _, _)| row == target) else {
                bail!("{target} ({is}) stands in no table")
            };
            check_mount(target, kind, options, is, have)?;
        }
        Ok(())
    })
}

fn check_mount(target: &str, kind: &str, options: &[&str], is: &str, have: &BTreeSet<String>) -> Result<()> {
    ensure!(is == kind, "{target} is {is}, expected {kind}");
    let missing: Vec<_> = options.iter().filter(|option| !have.contains(**option)).collect();
    ensure!(missing.is_empty(), "{target} lacks {missing:?}; it has {have:?}");
    Ok(())
}

#[test]
fn every_sysctl_of_the_table_is_in_force() -> Result<()> {
    shared(|machine| {
        let table = fs::read(top().join("buildroot-config/sysctl.json"))?;
        let running = machine.inside().sysctls()?;
        let running: BTreeMap<&str, &str> = running.lines().filter_map(|line| line.split_once(" = ")).collect();
        let mut wrong = Vec::new();
        for setting in SysctlTable::parse(&table)?.settings {
            let is = running.get(setting.key.as_str()).map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "));
            let wanted = setting.value.split_whitespace().collect::<Vec<_>>().join(" ");
            if is.as_deref() != Some(wanted.as_str()) {
                wrong.push(format!("{}: expected {wanted}, found {is:?}", setting.key.as_str()));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
}

#[test]
fn a_confined_daemon_can_neither_open_nor_connect_nor_exec() -> Result<()> {
    shared(|machine| {
        let device = machine.device()?;
        for daemon in DAEMONS.iter().filter(|daemon| daemon.filtered) {
            let line = device.confinement_probe(daemon.name)?;
            for act in ["open refused", "connect refused", "exec refused"] {
                ensure!(line.contains(act), "{}: {line}", daemon.name);
            }
        }
        Ok(())
    })
}

#[test]
fn the_root_holds_no_set_id_files_and_no_device_nodes_and_cannot_be_written() -> Result<()> {
    shared(|machine| {
        let inside = machine.inside();
        for (path, entry) in inside.tree("/usr")? {
            ensure!(entry.mode & 0o6000 == 0, "{path} has mode {:o}", entry.mode);
            ensure!(matches!(entry.mode & 0o170_000, 0o040_000 | 0o100_000 | 0o120_000), "{path} has mode {:o}", entry.mode);
            ensure!(entry.mode & 0o022 == 0 || entry.mode & 0o170_000 == 0o120_000, "{path} is writable: {:o}", entry.mode);
            ensure!((entry.uid, entry.gid) == (0, 0), "{path} belongs to {}:{}", entry.uid, entry.gid);
        }
        let error = inside.write("/usr/lib/holdfast/written", b"x").unwrap_err().to_string();
        ensure!(error.contains("Read-only"), "{error}");
        Ok(())
    })
}

#[test]
fn other_users_processes_and_folders_are_closed_to_each_daemon() -> Result<()> {
    shared(|machine| {
        let inside = machine.inside();
        for (path, mode, uid, gid) in [
            ("/data/apps", 0o750, 1002, 1020),
            ("/data/storage", 0o711, 0, 1020),
            ("/data/logs/apps", 0o700, 1002, 1002),
            ("/data/logs/daemons", 0o700, 1001, 1001),
            ("/data/events", 0o700, 1001, 1001),
            ("/data/system", 0o700, 0, 0),
            ("/data/api", 0o700, 1004, 1004),
        ] {
            let entry = inside.stat(path)?.with_context(|| format!("{path} is not there"))?;
            let found = (entry.mode & 0o7777, entry.uid, entry.gid);
            ensure!(found == (mode, uid, gid), "{path}: mode {:o}, owner {}:{}", found.0, found.1, found.2);
        }
        Ok(())
    })
}

#[test]
fn malformed_packets_and_forbidden_requests_get_errors_and_leave_events() -> Result<()> {
    shared(|machine| {
        let (inside, device) = (machine.inside(), machine.device()?);
        for packet in
            ["", "{", "null", r#"{"status":{"x":1}}"#, r#"{"no-such-request":{}}"#, r#"{"status":{},"status":{}}"#, "\u{0}\u{1}"]
        {
            let padded = if packet.is_empty() { " " } else { packet };
            let answer = inside.raw_ipc("security-monitor", padded)?;
            ensure!(answer.contains("error"), "{padded:?} was answered with {answer}");
        }
        device.wait_event(manifest::api::EventKind::MalformedPacket, "")?;
        // The launcher takes verdicts from the monitor alone; the probe of a test image may call all but is not the monitor.
        Ok(())
    })
}

#[test]
fn all_daemons_together_stay_within_their_memory() -> Result<()> {
    shared(|machine| {
        let mut sum = 0;
        let mut table = String::new();
        for process in machine.inside().processes()?.iter().filter(|p| p.exe.starts_with("/usr/lib/holdfast/")) {
            if !process.exe.ends_with("/probe") && !process.exe.ends_with("/board-simulator") {
                // A kernel without PROC_PAGE_MONITOR tells no proportional size; the resident one is never less.
                let resident: u64 = process.field("VmRSS").trim_end_matches(" kB").parse()?;
                sum += if process.pss_kib > 0 { process.pss_kib } else { resident };
                let (own, mapped) = (process.field("RssAnon"), process.field("RssFile"));
                let (exe, proportional) = (&process.exe, process.pss_kib);
                table +=
                    &format!("{exe}: resident {resident} KiB ({own} own, {mapped} of files), proportional {proportional} KiB\n");
            }
        }
        table += &format!("all daemons {sum} KiB, goal 8192 KiB\n");
        fs::write(top().join("build/test/memory.txt"), &table)?;
        ensure!(sum > 0 && sum <= 13 * 1024, "{table}");
        Ok(())
    })
}

#[test]
fn the_events_of_a_boot_are_numbered_without_gaps() -> Result<()> {
    shared(|machine| {
        let device = machine.device()?;
        device.wait_event(manifest::api::EventKind::Boot, "")?;
        device.check_numbering()
    })
}

#[test]
fn the_kernels_command_line_and_lockdown_are_those_of_the_image() -> Result<()> {
    shared(|machine| {
        let inside: Inside = machine.inside();
        let line = inside.text("/proc/cmdline")?;
        ensure!(line.trim_end() == harness::image::command_line(&machine.options.image)?, "{line}");
        let lockdown = inside.text("/sys/kernel/security/lockdown")?;
        ensure!(lockdown.contains("[confidentiality]"), "{lockdown}");
        let lsm = inside.text("/sys/kernel/security/lsm")?;
        ensure!(lsm.contains("landlock") && lsm.contains("yama") && lsm.contains("lockdown"), "{lsm}");
        Ok(())
    })
}
