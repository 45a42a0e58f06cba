//! What the tables say, read without the compiler; and the filters that there are.

use sandbox::seccomp::{
    Architecture, Line, Profile,
    call::Call,
    profiles::{self, app, daemon, reader, reaper},
    rule::{Check, When},
};
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp};
use std::{collections::BTreeMap, fs, path::Path};

pub const ARCHITECTURES: [Architecture; 2] = [Architecture::X86_64, Architecture::Aarch64];

pub const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;

pub fn failed(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

/// The answer to a call: allowed if any line allows it, else the errno of the first line that checks it, else of the
/// first that refuses it, else ENOSYS.
pub fn expected(architecture: Architecture, profiles: &[&'static Profile], number: u32, arguments: [u64; 6]) -> u32 {
    let (mut checked, mut refused) = (None, None);
    for line in lines_of(architecture, profiles, number) {
        match &line.when {
            When::Always => return ALLOWED,
            When::Only(alternatives, errno) => {
                if alternatives.iter().any(|checks| checks.iter().all(|check| holds(check, arguments))) {
                    return ALLOWED;
                }
                checked = checked.or(Some(*errno));
            }
            When::Never(errno) => refused = refused.or(Some(*errno)),
        }
    }
    failed(checked.or(refused).unwrap_or(libc::ENOSYS))
}

pub fn lines_of(architecture: Architecture, profiles: &[&'static Profile], number: u32) -> impl Iterator<Item = &'static Line> {
    let lines = profiles.iter().flat_map(|profile| profile.lines).collect::<Vec<_>>();
    lines.into_iter().filter(move |line| line.calls.iter().any(|call| call.number(architecture) == Some(number)))
}

pub fn holds(check: &Check, arguments: [u64; 6]) -> bool {
    let whole = arguments[usize::from(check.argument)];
    let value = match check.length {
        SeccompCmpArgLen::Dword => whole & 0xffff_ffff,
        SeccompCmpArgLen::Qword => whole,
    };
    match check.operator {
        SeccompCmpOp::Eq => value == check.value,
        SeccompCmpOp::Ge => value >= check.value,
        SeccompCmpOp::Le => value <= check.value,
        SeccompCmpOp::MaskedEq(mask) => value & mask == check.value & mask,
        _ => panic!("no constructor of Check makes {check:?}"),
    }
}

/// The one filter that lets ptrace through.
pub const DEBUGGED: &str = "app exec debug";

/// The filters of this product by name: what plan.rs and confine_self.rs put together.
pub fn filters() -> BTreeMap<String, Vec<&'static Profile>> {
    let mut filters = BTreeMap::from([
        ("base".to_owned(), profiles::ALWAYS.to_vec()),
        ("reaper".to_owned(), vec![&reaper::REAPER]),
        ("reader".to_owned(), vec![&reader::READER]),
    ]);
    let apps: [(&str, &[&'static Profile]); 9] = [
        ("app single", &[&app::LISTEN]),
        ("app single gpio", &[&app::LISTEN, &app::GPIO]),
        ("app fork", &[&app::FORK, &app::LISTEN]),
        ("app fork gpio", &[&app::FORK, &app::LISTEN, &app::GPIO]),
        ("app single peripherals", &[&app::LISTEN, &app::UART, &app::I2C, &app::SPI, &app::RTC, &app::WATCHDOG]),
        ("app exec", &[&app::FORK, &app::EXEC, &app::LISTEN]),
        (DEBUGGED, &[&app::FORK, &app::EXEC, &app::DEBUG, &app::LISTEN]),
        ("app fork network", &[&app::FORK, &app::NETWORK]),
        ("app with everything", profiles::APPS),
    ];
    for (name, more) in apps {
        filters.insert(name.to_owned(), [&profiles::ALWAYS[..], &[&app::APP], more].concat());
    }
    for (name, more) in daemons() {
        filters.insert(name, [&profiles::ALWAYS[..], &[&daemon::DAEMON], &more].concat());
    }
    filters
}

/// The daemons, and the profiles that each names in its `.profile(&…)` calls.
pub fn daemons() -> BTreeMap<String, Vec<&'static Profile>> {
    let named = |crate_name: &str| {
        let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crate_name).join("src"));
        let known = profiles::APPS.iter().chain(profiles::DAEMONS).copied();
        let is_named = |profile: &&'static Profile| {
            let constant = profile.name.replace('-', "_").to_uppercase();
            ["", "app::", "daemon::"].iter().any(|module| sources.contains(&format!(".profile(&{module}{constant})")))
        };
        assert!(sources.contains("confine_self("), "{crate_name} no longer confines itself");
        (crate_name.to_owned(), known.filter(is_named).collect())
    };
    ["security-monitor", "app-manager", "network-manager", "app-services", "crash-reporter", "device-api", "boards/simulator"]
        .into_iter()
        .map(named)
        .collect()
}

/// The texts of all Rust files below a folder.
pub fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|e| e == "rs") {
            text += &fs::read_to_string(&path).unwrap();
        }
    }
    text
}

/// Calls that a rule allows, and calls beside them: for each check alone, values that just miss it.
#[derive(Debug)]
pub struct Tried {
    pub call: Call,
    /// What all checks hold for.
    pub allowed: Vec<[u64; 6]>,
    /// For each check, what misses it and no other.
    pub missed: Missed,
}

/// One for each alternative of each call that these profiles check.
pub fn tried(profiles: &[&'static Profile]) -> Vec<Tried> {
    let mut all = Vec::new();
    for line in profiles.iter().flat_map(|profile| profile.lines) {
        let When::Only(alternatives, _) = &line.when else { continue };
        for checks in *alternatives {
            let (allowed, missed) = around(checks);
            all.extend(line.calls.iter().map(|call| Tried { call: *call, allowed: allowed.clone(), missed: missed.clone() }));
        }
    }
    all
}

/// Checks, each with arguments that miss it alone.
pub type Missed = Vec<(Check, Vec<[u64; 6]>)>;

/// Arguments that all these checks hold for, and those that just miss one.
pub fn around(checks: &[Check]) -> (Vec<[u64; 6]>, Missed) {
    let mut allowed = Vec::new();
    let mut missed: Vec<_> = checks.iter().map(|check| (check.clone(), Vec::new())).collect();
    for others in [0, 0xffff_ffff] {
        // Arguments that no check looks at are no numbers that a rule could compare with.
        let mut base = [0x6b6b_6b6bu64; 6];
        for check in checks {
            base[usize::from(check.argument)] = match check.operator {
                SeccompCmpOp::MaskedEq(mask) => check.value & mask | others & !mask,
                _ => check.value,
            };
        }
        assert!(checks.iter().all(|check| holds(check, base)), "no arguments found that {checks:?} allow");
        allowed.push(base);
        for (check, missed) in &mut missed {
            for value in neighbours(check, base[usize::from(check.argument)]) {
                let mut arguments = base;
                arguments[usize::from(check.argument)] = value;
                if checks.iter().all(|check| holds(check, arguments)) {
                    allowed.push(arguments);
                } else if checks.iter().all(|other| holds(other, arguments) != (other == check)) {
                    missed.push(arguments);
                }
            }
        }
    }
    (allowed, missed)
}

/// Values at the edges of a check, and each bit that it looks at turned.
fn neighbours(check: &Check, value: u64) -> Vec<u64> {
    let width = if check.length == SeccompCmpArgLen::Dword { 32 } else { 64 };
    let most = u64::MAX >> (64 - width);
    let near = [check.value.wrapping_sub(1) & most, check.value.wrapping_add(1) & most, 0, most];
    near.into_iter().chain((0..width).map(|bit| value ^ 1 << bit)).collect()
}
