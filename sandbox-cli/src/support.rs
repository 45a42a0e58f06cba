//! What this kernel and its settings can enforce, one line each, for people and for `--json`. [`sandbox::Kernel::check`]
//! decides; this explains, and changes nothing.

use linux::files;
use rustix::fs::OFlags;
use sandbox::{check, layers::landlock, user_namespace};

/// Something that confinement stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Support {
    /// What it is.
    pub name: &'static str,
    /// What was found.
    pub found: String,
    /// Whether that is enough.
    pub enough: bool,
    /// Who needs it.
    pub need: Need,
    /// What it protects from.
    pub protects: &'static str,
}

/// Who needs a support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Every start: without it nothing is started.
    Always,
    /// Starts by an ordinary user.
    OrdinaryUser,
    /// Nobody: it holds where another layer has failed.
    SecondLayer,
}

/// Looks at everything.
pub fn survey() -> Vec<Support> {
    let mut all = vec![landlock_abi(), landlock_errata(), lowest_address(), write_execute()];
    all.extend(["mnt", "pid", "ipc", "uts", "net", "cgroup"].map(namespace));
    all.extend([filters(), user_namespaces(), control_groups(), forced_writes()]);
    all.extend(SETTINGS.iter().map(setting));
    all
}

/// A setting that is a second layer: its file, the least value that protects, and from what.
struct Setting {
    name: &'static str,
    least: u32,
    protects: &'static str,
}

/// Documentation/admin-guide/sysctl/*.rst
const SETTINGS: &[Setting] = &[
    Setting { name: "vm.memfd_noexec", least: 2, protects: "code written into a memory file and run from there" },
    Setting { name: "kernel.yama.ptrace_scope", least: 1, protects: "one process of a user tracing another" },
    Setting { name: "kernel.io_uring_disabled", least: 1, protects: "work that no filter sees (io_uring)" },
    Setting { name: "kernel.unprivileged_bpf_disabled", least: 1, protects: "kernel bugs in the verifier of BPF programs" },
    Setting { name: "kernel.perf_event_paranoid", least: 2, protects: "watching the kernel by performance counters" },
    Setting { name: "kernel.kptr_restrict", least: 1, protects: "kernel addresses in /proc" },
    Setting { name: "kernel.dmesg_restrict", least: 1, protects: "the kernel's log" },
    Setting { name: "fs.protected_symlinks", least: 1, protects: "links planted in /tmp" },
    Setting { name: "fs.protected_hardlinks", least: 1, protects: "hard links to files of others" },
];

fn setting(setting: &Setting) -> Support {
    let value = files::read_line(format!("/proc/sys/{}", setting.name.replace('.', "/"))).ok();
    let enough = value.as_ref().and_then(|text| text.parse::<u32>().ok()).is_some_and(|value| value >= setting.least);
    Support {
        name: setting.name,
        found: format!("{}, protects from {} on", value.as_deref().unwrap_or("not in this kernel"), setting.least),
        // What the kernel has not built in cannot be used.
        enough: enough || value.is_none(),
        need: Need::SecondLayer,
        protects: setting.protects,
    }
}

fn landlock_abi() -> Support {
    let found = check::landlock();
    let words = match found {
        Ok((abi, _)) => format!("ABI {abi}, at least {} is needed", landlock::OLDEST),
        Err(error) => format!("none: {error}"),
    };
    always(
        "Landlock",
        words,
        found.is_ok_and(|(abi, _)| abi >= landlock::OLDEST),
        "files, ports, sockets and signals out of reach",
    )
}

fn landlock_errata() -> Support {
    let found = check::landlock().map_or(0, |(_, errata)| errata);
    let fixed: Vec<String> = (0..32).filter(|bit| found & 1 << bit != 0).map(|bit| (bit + 1).to_string()).collect();
    let words = format!("fixed: {}; 3 is needed", if fixed.is_empty() { "none".to_owned() } else { fixed.join(", ") });
    always("Landlock errata", words, landlock::is_fixed(found), "rights that widen for folders moved out of a mount")
}

fn lowest_address() -> Support {
    let text = files::read_line("/proc/sys/vm/mmap_min_addr").unwrap_or_default();
    let enough = text.parse::<u64>().is_ok_and(|address| address >= 4096);
    always("vm.mmap_min_addr", format!("{text}, at least 4096 is needed"), enough, "a second exec")
}

fn write_execute() -> Support {
    let found = check::write_execute();
    let words = if found.is_ok() { "there" } else { "not in this kernel (Linux 6.3)" };
    always("PR_SET_MDWE", words.to_owned(), found.is_ok(), "memory that is written and then executed")
}

fn namespace(kind: &'static str) -> Support {
    let there = rustix::fs::stat(format!("/proc/self/ns/{kind}")).is_ok();
    let (name, protects) = match kind {
        "mnt" => ("mount namespace", "the machine's files"),
        "pid" => ("pid namespace", "other processes"),
        "ipc" => ("ipc namespace", "shared memory and queues of others"),
        "uts" => ("uts namespace", "the machine's name"),
        "net" => ("net namespace", "the network, and this machine's own services"),
        _ => ("cgroup namespace", "the layout of control groups"),
    };
    always(name, if there { "there" } else { "not in this kernel" }.to_owned(), there, protects)
}

fn filters() -> Support {
    let actions = files::read_line("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    let enough = actions.split(' ').any(|action| action == "errno");
    always("seccomp filters", if enough { actions } else { "none".to_owned() }, enough, "system calls that nobody needs")
}

fn user_namespaces() -> Support {
    let number = |path| files::read_line(path).ok().and_then(|text| text.parse::<u64>().ok());
    let most = number("/proc/sys/user/max_user_namespaces").unwrap_or(0);
    let allowed = number("/proc/sys/kernel/unprivileged_userns_clone") != Some(0);
    let restricted = number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1);
    let own = if user_namespace::is_initial().unwrap_or(true) { "" } else { "; this process is in one" };
    Support {
        name: "user namespaces",
        found: format!("at most {most}{}{own}", if allowed && !restricted { "" } else { ", not for ordinary users" }),
        enough: most > 0 && allowed && !restricted,
        need: Need::OrdinaryUser,
        protects: "nothing; an ordinary user needs one to confine a program, and a device is safer without",
    }
}

fn control_groups() -> Support {
    let controllers = files::read_line("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    let enough = ["memory", "pids", "cpu"].iter().all(|needed| controllers.split(' ').any(|found| found == *needed));
    Support {
        name: "control groups v2",
        found: if controllers.is_empty() { "no controllers at /sys/fs/cgroup".to_owned() } else { controllers },
        enough,
        need: Need::SecondLayer,
        protects: "memory, processor time and process ids of the machine, unless the policy names `control-group` optional",
    }
}

/// Whether /proc/self/mem lets this process change its own read-only memory, which takes W^X apart
/// (proc_mem.force_override, Linux 6.12). Writes the byte that is there already.
fn forced_writes() -> Support {
    static CONSTANT: [u8; 1] = [b'c'];
    let tried = files::open("/proc/self/mem", OFlags::WRONLY)
        .map(|memory| rustix::io::pwrite(&memory, &CONSTANT, CONSTANT.as_ptr().addr() as u64).is_err());
    let refused = tried.unwrap_or(true);
    Support {
        name: "forced writes",
        found: if refused { "refused" } else { "possible; proc_mem.force_override=never in the kernel's command line" }
            .to_owned(),
        enough: refused,
        need: Need::SecondLayer,
        protects: "code changed through /proc/PID/mem, where /proc is writable",
    }
}

fn always(name: &'static str, found: String, enough: bool, protects: &'static str) -> Support {
    Support { name, found, enough, need: Need::Always, protects }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_always_must_be_there_is_what_the_check_asks_for() {
        let lacking: Vec<Support> = survey().into_iter().filter(|one| one.need == Need::Always && !one.enough).collect();
        assert_eq!(lacking.is_empty(), sandbox::Kernel::check().is_ok(), "{lacking:?}");
    }
}
