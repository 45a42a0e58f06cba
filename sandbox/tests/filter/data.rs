//! The tables themselves: complete, justified, and without a line that does nothing.

use crate::{
    interpreter::{Seen, run},
    tables::{ALLOWED, ARCHITECTURES, DEBUGGED, daemons, expected, filters, lines_of, tried},
};
use sandbox::seccomp::{
    Architecture, Profile,
    call::{Call, KNOWN},
    compile,
    profiles::{self, app, forbidden, reader, reaper},
    rule::When,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

fn everything() -> Vec<&'static Profile> {
    [&profiles::ALWAYS[..], profiles::APPS, profiles::DAEMONS, &[&reader::READER, &reaper::REAPER]].concat()
}

#[test]
fn every_call_that_linux_has_is_judged_in_every_filter() {
    for call in KNOWN {
        let number = call.number(Architecture::X86_64).unwrap();
        let judged = lines_of(Architecture::X86_64, &profiles::ALWAYS, number).count();
        assert_eq!(judged, 1, "{} stands in {judged} lines of base, forbidden and unneeded", call.name);
    }
}

#[test]
fn every_line_has_calls_and_a_reason_and_no_call_is_judged_twice_in_a_profile() {
    for profile in everything() {
        let mut seen = BTreeSet::new();
        assert!(!profile.lines.is_empty() && profile.purpose.len() > 5);
        for line in profile.lines {
            assert!(!line.calls.is_empty() && line.reason.len() > 5, "{}", profile.name);
            for call in line.calls {
                assert!(seen.insert(call.name), "{} stands twice in `{}`", call.name, profile.name);
            }
        }
    }
    let names: BTreeSet<_> = everything().iter().map(|profile| profile.name).collect();
    assert_eq!(names.len(), everything().len(), "two profiles of one name");
}

/// What the compiler enforces, judged once more for lines that are made in another way than by its constructors.
#[test]
fn a_dangerous_call_is_allowed_with_a_justification_or_not_at_all() {
    let mut dangerous = 0;
    for line in everything().iter().flat_map(|profile| profile.lines).filter(|line| !matches!(line.when, When::Never(_))) {
        for call in line.calls {
            assert_eq!(call.dangerous, line.justification.is_some(), "{}", call.name);
            dangerous += usize::from(call.dangerous);
        }
        assert!(line.justification.is_none_or(|text| text.len() > 5));
        assert!(line.justification.is_some() || matches!(line.when, When::Always), "checked calls are dangerous: {line:?}");
    }
    assert!(dangerous > 20);
    let forbidden = forbidden::FORBIDDEN.lines.iter().flat_map(|line| line.calls);
    assert!(forbidden.clone().count() > 100 && forbidden.clone().all(|call| call.dangerous));
}

/// What an alternative allows must be refused without it, or nobody needs it.
#[test]
fn no_alternative_is_covered_by_the_others() {
    for profile in everything() {
        for line in profile.lines {
            let When::Only(alternatives, _) = line.when else { continue };
            for (at, checks) in alternatives.iter().enumerate() {
                let others: Vec<_> =
                    alternatives.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, all)| all).collect();
                let one = crate::tables::around(checks).0;
                let covered = one
                    .iter()
                    .all(|arguments| others.iter().any(|all| all.iter().all(|check| crate::tables::holds(check, *arguments))));
                assert!(!covered, "`{}`, {}: {checks:?} allows nothing that others do not", profile.name, line.reason);
            }
        }
    }
}

/// Each entry of a profile that is added to others allows something that they refuse.
#[test]
fn a_profile_allows_nothing_that_every_filter_allows() {
    for profile in profiles::APPS.iter().chain(profiles::DAEMONS) {
        for line in profile.lines {
            for call in line.calls {
                let number = call.number(Architecture::X86_64).unwrap();
                let anything = [u64::MAX; 6];
                let refused = |arguments| expected(Architecture::X86_64, &profiles::ALWAYS, number, arguments) != ALLOWED;
                let of_it = tried(&[profile]).into_iter().filter(|tried| tried.call == *call);
                let alternatives: Vec<Vec<[u64; 6]>> = match line.when {
                    When::Always => vec![vec![anything]],
                    When::Only(..) => of_it.map(|tried| tried.allowed).collect(),
                    When::Never(_) => panic!("`{}` refuses {}: that is for forbidden and unneeded", profile.name, call.name),
                };
                for allowed in alternatives {
                    assert!(
                        allowed.into_iter().any(refused),
                        "`{}` allows {}, which every filter allows",
                        profile.name,
                        call.name
                    );
                }
            }
        }
    }
}

/// A check decides something: there are arguments that only it refuses.
#[test]
fn every_check_refuses_what_nothing_else_refuses() {
    for profile in everything() {
        let alone = ["reader", "reaper"].contains(&profile.name);
        let with = if alone { vec![profile] } else { [&profiles::ALWAYS[..], &[profile]].concat() };
        for tried in tried(&[profile]) {
            let number = tried.call.number(Architecture::X86_64).unwrap();
            for (check, missed) in tried.missed {
                let decides = missed.iter().any(|arguments| expected(Architecture::X86_64, &with, number, *arguments) != ALLOWED);
                assert!(decides, "`{}`, {}: {check:?} refuses nothing", profile.name, tried.call.name);
            }
        }
    }
}

/// Profiles that no manifest and no daemon asks for yet: they are for users of this library, and shown to work by tests.
const FOR_THE_LIBRARYS_USERS: [(&str, &str); 2] = [
    ("network", "apps get it with the network rights of their manifest, which this release does not grant yet"),
    ("jit", "programs that compile while they run; no field of a manifest grants it"),
];

#[test]
fn every_profile_has_a_user() {
    // What looks whether a profile is there gives it to nobody.
    let gives = |text: &str, form: &str| text.lines().any(|line| line.contains(form) && !line.contains("has("));
    let sources = ["src/plan.rs", "../grant/src/policy.rs", "../grant/src/peripherals.rs"]
        .map(|path| fs::read_to_string(here(path)).unwrap())
        .concat();
    let daemons = daemons();
    for profile in profiles::APPS.iter().chain(profiles::DAEMONS) {
        let constant = profile.name.replace('-', "_").to_uppercase();
        let given = ["&app::X)", "&app::X]", "[&app::X,", "Some(&X)"];
        let used = profile.name == "daemon"
            || given.iter().any(|form| gives(&sources, &form.replace('X', &constant)))
            || daemons.values().flatten().any(|used| used.name == profile.name);
        let excused = FOR_THE_LIBRARYS_USERS.iter().any(|(name, _)| *name == profile.name);
        assert!(used || excused, "nobody needs `{}`", profile.name);
        assert!(!(used && excused), "`{}` has a user now: take it off the list", profile.name);
    }
}

/// Calls that a C library does not make, and who does.
const NOT_IN_THE_C_LIBRARY: &[(&str, &str)] = &[
    ("exit_group", "every C library; this one has the number in another register"),
    ("fchmodat2", "glibc from 2.39 on"),
    ("fork", "musl"),
    ("landlock_add_rule", "what confines itself"),
    ("landlock_create_ruleset", "what confines itself"),
    ("landlock_restrict_self", "what confines itself"),
    ("membarrier", "musl"),
    ("nanosleep", "Go"),
    ("open", "musl, Go"),
    ("openat2", "libraries that open beneath a folder and never outside"),
    ("pipe", "musl"),
    ("restart_syscall", "the kernel itself, after a stop in a call with a time-out"),
    ("seccomp", "a daemon's copy that reads what somebody forged"),
    ("select", "musl"),
    ("set_tid_address", "loaders, when the program starts"),
    ("tkill", "musl"),
];

/// An entry is needed if the C library of this machine can make the call: it is found in its code.
#[test]
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
fn every_allowed_call_is_one_that_the_c_library_makes_or_has_a_named_user() {
    let made = calls_in_the_c_library();
    assert!(made.len() > 250, "only {} calls found in the C library: it was not read rightly", made.len());
    let allowed = profiles::ALWAYS.iter().chain(profiles::APPS).chain(profiles::DAEMONS).flat_map(|profile| profile.lines);
    let allowed: BTreeMap<u32, &str> = allowed
        .filter(|line| !matches!(line.when, When::Never(_)))
        .flat_map(|line| line.calls)
        .map(|call| (call.number(Architecture::X86_64).unwrap(), call.name))
        .collect();
    let without: BTreeSet<&str> = allowed.iter().filter(|(number, _)| !made.contains(number)).map(|(_, name)| *name).collect();
    let named: BTreeSet<&str> = NOT_IN_THE_C_LIBRARY.iter().map(|(name, _)| *name).collect();
    assert_eq!(without, named, "left: not made by the C library; right: those with a named user");
}

/// Numbers that are loaded into eax shortly before a `syscall` instruction.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
fn calls_in_the_c_library() -> BTreeSet<u32> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps.split_whitespace().find(|word| word.contains("libc.so") || word.contains("libc-2")).unwrap();
    let code = fs::read(path).unwrap();
    let mut found = BTreeSet::new();
    for at in (64..code.len() - 1).filter(|at| code[*at..*at + 2] == [0x0f, 0x05]) {
        let before = &code[at - 64..at];
        // mov $number, %eax, or xor %eax, %eax: whichever is nearest.
        let loaded = (0..=59).rev().find_map(|from| match before[from..from + 5] {
            [0xb8, a, b, 0, 0] | [0xc7, 0xc0, a, b, 0] => Some(u32::from_le_bytes([a, b, 0, 0])),
            [0x31, 0xc0, ..] => Some(0),
            _ => None,
        });
        found.extend(loaded);
    }
    found
}

/// The table of numbers against the headers of this machine (Debian's `linux-libc-dev`), which may be older.
#[test]
fn call_numbers_are_those_of_the_kernels_headers() {
    // What arch/arm64/include/uapi/asm/unistd.h chooses of the generic table.
    const ARM: &str = "#define __ARCH_WANT_RENAMEAT\n#define __ARCH_WANT_NEW_STAT\n#define __ARCH_WANT_SET_GET_RLIMIT\n\
                       #define __ARCH_WANT_SYS_CLONE3\n#define __ARCH_WANT_MEMFD_SECRET\n#include <asm-generic/unistd.h>\n";
    let headers = [(Architecture::X86_64, "#include <asm/unistd_64.h>\n"), (Architecture::Aarch64, ARM)];
    for (architecture, source) in headers {
        let header = numbers_in(source);
        let ours: BTreeMap<String, u32> =
            KNOWN.iter().filter_map(|call| Some((call.name.to_owned(), call.number(architecture)?))).collect();
        for (name, number) in &header {
            assert_eq!(ours.get(name), Some(number), "{architecture:?}, {name}");
        }
        let newer: Vec<_> = ours.iter().filter(|(name, _)| !header.contains_key(*name)).collect();
        assert!(
            newer.iter().all(|(_, number)| **number > 450 || **number == 335),
            "{architecture:?}: not in the headers: {newer:?}"
        );
    }
}

/// The calls that the preprocessor finds behind these lines.
fn numbers_in(source: &str) -> BTreeMap<String, u32> {
    let mut child = Command::new("cc")
        .args(["-E", "-dM", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cc reads the kernel's headers: install Debian's `gcc` and `linux-libc-dev`");
    child.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let defined: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' ')).collect();
    let not_calls = ["syscalls", "arch_specific_syscall"];
    let value = |word: &str| defined.get(word).copied().unwrap_or(word).parse().ok();
    let calls = defined.iter().filter_map(|(name, word)| Some((name.strip_prefix("__NR_")?.to_owned(), value(word)?)));
    calls.filter(|(name, _)| !not_calls.contains(&name.as_str())).collect()
}

/// One allow-list: no filter lets a known call through that its tables do not, on either architecture.
#[test]
fn no_filter_allows_ways_to_more_rights() {
    let never = [
        "mount",
        "bpf",
        "ptrace",
        "setns",
        "unshare",
        "io_uring_setup",
        "keyctl",
        "init_module",
        "kexec_load",
        "personality",
        "clone3",
    ];
    for (name, profiles) in filters() {
        for architecture in ARCHITECTURES {
            let program = compile(architecture, &profiles, &[]).unwrap().program;
            let debugs = name == DEBUGGED;
            for call in KNOWN.iter().filter(|call| never.contains(&call.name) && !(debugs && call.name == "ptrace")) {
                let number = call.number(architecture).unwrap();
                for arguments in [[0; 6], [u64::MAX; 6]] {
                    let seen = Seen { number, architecture: architecture.audit(), arguments };
                    assert_ne!(run(&program, &seen), Ok(ALLOWED), "`{name}` allows {}", call.name);
                }
            }
        }
    }
}

/// The profiles' own promises, by number and argument.
#[test]
fn what_profiles_promise_in_words_holds() {
    let answers = |profiles: &[&'static Profile], name: &str, arguments: [u64; 6]| {
        let call: &Call = KNOWN.iter().find(|call| call.name == name).unwrap();
        expected(
            Architecture::X86_64,
            &[&profiles::ALWAYS[..], profiles].concat(),
            call.number(Architecture::X86_64).unwrap(),
            arguments,
        )
    };
    let ioctl = |profiles: &[&'static Profile], request: u64| answers(profiles, "ioctl", [3, request, 0, 0, 0, 0]) == ALLOWED;
    // FS_IOC_FSSETXATTR, FS_IOC_SETFLAGS, TIOCSTI, TIOCLINUX, TIOCSCTTY.
    for request in [0x401c_5820, 0x4008_6602, 0x5412, 0x541c, 0x540e] {
        assert!(filters().values().all(|profiles| !ioctl(profiles, request)), "{request:#x}");
    }
    // GPIO_V2_LINE_GET_VALUES and _SET_VALUES; not _SET_CONFIG and GPIO_V2_GET_LINE.
    let granted = |request| ioctl(&[&app::GPIO], request);
    assert!(granted(0xc010_b40e) && granted(0xc010_b40f) && !granted(0xc110_b40d) && !granted(0xc250_b407));
    // What would lead from a device to another one, or switch it off.
    for (profile, allowed, refused) in [
        (&app::UART, &[0x5402, 0x5404, 0x402c_542b, 0x540b, 0x5418][..], &[0x5423, 0x541f, 0x541d, 0x540e, 0x5412][..]),
        (&app::I2C, &[0x0705, 0x0720], &[0x0703, 0x0706, 0x0704, 0x0707, 0x0708]),
        (&app::SPI, &[0x4020_6b00, 0x41e0_6b00, 0x8001_6b01], &[0x4001_6b01, 0x4004_6b05, 0x4004_6b04, 0x4200_6b00, 0xc020_6b00]),
        (&app::RTC, &[0x8024_7009, 0x4028_700f, 0x7001], &[0x4024_700a, 0x4008_700c, 0x4008_700e]),
        (&app::WATCHDOG, &[0x8004_5705, 0xc004_5706], &[0x8004_5704, 0xc004_5708]),
    ] {
        let is_allowed = |request: &u64| ioctl(&[profile], *request);
        assert!(allowed.iter().all(is_allowed) && !refused.iter().any(is_allowed), "{}", profile.name);
    }
    for name in ["fsync", "fdatasync"] {
        assert_eq!(answers(&[], name, [3, 0, 0, 0, 0, 0]), ALLOWED);
    }
    for name in ["sync", "syncfs"] {
        assert_ne!(answers(&[], name, [3, 0, 0, 0, 0, 0]), ALLOWED);
    }
    let inet = |kind: i32, protocol: i32| {
        answers(&[&app::NETWORK], "socket", [libc::AF_INET as u64, kind as u64, protocol as u64, 0, 0, 0]) == ALLOWED
    };
    assert!(inet(libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) && inet(libc::SOCK_DGRAM | libc::SOCK_NONBLOCK, libc::IPPROTO_UDP));
    assert!(!inet(libc::SOCK_STREAM, libc::IPPROTO_MPTCP) && !inet(libc::SOCK_STREAM, libc::IPPROTO_SCTP));
    // IPPROTO_SMC.
    assert!(!inet(libc::SOCK_STREAM, 256) && !inet(libc::SOCK_RAW, 0) && !inet(libc::SOCK_DGRAM, libc::IPPROTO_ICMP));
    let option = |name: i32| {
        answers(&[&app::NETWORK, &app::LISTEN], "setsockopt", [3, libc::SOL_SOCKET as u64, name as u64, 0, 0, 0]) == ALLOWED
    };
    assert!(option(libc::SO_KEEPALIVE) && !option(libc::SO_LINGER));
    assert_ne!(answers(&[&app::NETWORK], "listen", [3, 1, 0, 0, 0, 0]), ALLOWED);
}

fn here(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
