//! What a start puts in force, a line per layer: for the caller's log, and for whoever reads it at three in the morning.

use crate::{
    check::Kernel,
    plan::has,
    policy::{Command, Denials, Policy, Proc, Processes},
    seccomp::{Filter, Profile, profiles::app::JIT},
};

pub(crate) fn lines(
    kernel: &Kernel,
    policy: &Policy<'_>,
    command: &Command<'_>,
    profiles: &[&Profile],
    filter: &Filter,
) -> Vec<String> {
    let names: Vec<&str> = profiles.iter().map(|profile| profile.name).collect();
    vec![
        user(kernel, policy),
        format!("own root, read-only, the machine's detached: {}", mounts(policy)),
        "namespaces: mount, pid, ipc, uts, net (empty), cgroup".to_owned(),
        match policy.cgroup {
            Some(_) => "control group from the first instruction on".to_owned(),
            None => "NO control group".to_owned(),
        },
        "capabilities: none in any of the five sets, securebits locked".to_owned(),
        format!("no_new_privs, {}", memory(profiles)),
        format!(
            "own session and keyring; limits: {} open files, {} processes, {}, no locked memory, no real time",
            policy.limits.open_files,
            policy.limits.processes,
            core(policy.limits.core_bytes)
        ),
        format!(
            "Landlock ABI {}: files of the root, no TCP port, no device ioctl, signals and abstract sockets of its own",
            kernel.landlock_abi
        ),
        format!("seccomp filter of {} instructions: {}{}", filter.program.len(), names.join(", "), denials(policy.denials)),
        exec(kernel, policy.processes).to_owned(),
        format!("descriptors: 3 standard, {} passed, every other closed", command.descriptors.len()),
    ]
}

fn core(bytes: u64) -> String {
    if bytes == 0 { "no core".to_owned() } else { format!("a core of {} KiB of the program itself", bytes / 1024) }
}

fn user(kernel: &Kernel, policy: &Policy<'_>) -> String {
    if kernel.initial_user_namespace {
        format!("user and group {}, no other groups", policy.user)
    } else {
        format!("NO own user: user {} and the groups of the caller, in a user namespace", policy.user)
    }
}

fn mounts(policy: &Policy<'_>) -> String {
    let proc = match policy.proc {
        Proc::None => "no /proc",
        Proc::Own => "/proc of own processes",
        Proc::Full => "/proc whole, read-only",
    };
    let places: String = policy.mounts.iter().map(|mount| format!(", {}", mount.place)).collect();
    format!("/dev of five nodes, {proc}, /run, /tmp{places}")
}

fn denials(denials: Denials) -> &'static str {
    match denials {
        Denials::Logged => "",
        Denials::Told => "; who started it is told of refused calls and answers them",
    }
}

fn memory(profiles: &[&Profile]) -> &'static str {
    if has(profiles, &JIT) {
        "code can be made at run time: memory is executable once it can no longer be written (NO MDWE)"
    } else {
        "memory never both writable and executable (MDWE)"
    }
}

fn exec(kernel: &Kernel, processes: Processes) -> &'static str {
    match processes {
        Processes::Exec => "exec: programs of the root",
        _ if kernel.initial_user_namespace => "exec: once, done by the start",
        _ => "NO exec-once: an open program of the root can be executed again",
    }
}
