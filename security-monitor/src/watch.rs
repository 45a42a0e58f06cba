//! Step 10 of the README's path: what the kernel says, sorted into events.
//!
//! Only records that the kernel itself wrote count: what a process writes to `/dev/kmsg` (our own mirrored lines among
//! them) has another facility and could otherwise pretend an event. Names that an app chose (`comm`, `exe`) appear in
//! details only, escaped by the kernel.

use crate::audit;
use linux::kernel_log::{KERNEL, Record};
use manifest::api::EventKind;

/// Something the kernel reported, before it has a number and a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What.
    pub kind: EventKind,
    /// About whom: nothing an app can choose.
    pub subject: String,
    /// In words.
    pub detail: String,
    /// The number of an audit record, which the kernel tells twice: in its log and on the audit socket.
    pub serial: Option<String>,
}

impl Sighting {
    /// Something without an audit number.
    pub fn new(kind: EventKind, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, subject: subject.into(), detail: detail.into(), serial: None }
    }
}

/// What a record of the kernel's log reports, if it is one to keep.
pub fn kernel_record(record: &Record) -> Option<Sighting> {
    if record.facility != KERNEL || begins_with_a_process(&record.text) {
        return None;
    }
    let text = record.text.as_str();
    verity(text).or_else(|| fs_verity(text)).or_else(|| out_of_memory(text)).or_else(|| audit_line(text)).or_else(|| oops(text))
}

/// `NAME[2]: segfault at 0 …`, `NAME (2): …`: the kernel tells of a process beginning with its name, which the process
/// chose (PR_SET_NAME). One that calls itself `kernel BUG at ` would else report an oops by falling over.
fn begins_with_a_process(text: &str) -> bool {
    let numbered = |rest: &str, end: char| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && rest.get(digits..).is_some_and(|rest| rest.starts_with(end))
    };
    let mut name_length = 0;
    let mut rest = text;
    while name_length <= NAME_LIMIT {
        let number_follows = rest.strip_prefix('[').is_some_and(|rest| numbered(rest, ']'))
            || rest.strip_prefix(" (").is_some_and(|rest| numbered(rest, ')'));
        if number_follows {
            return true;
        }
        // What the kernel has escaped was one byte of the name.
        let escaped = rest.strip_prefix("\\x").and_then(|rest| rest.get(2..));
        let mut characters = rest.chars();
        rest = match escaped {
            Some(after) => after,
            None if characters.next().is_some() => characters.as_str(),
            None => return false,
        };
        name_length += 1;
    }
    false
}

/// Longest name of a process, in bytes (TASK_COMM_LEN without its NUL).
const NAME_LIMIT: usize = 15;

/// `device-mapper: verity: 254:2: data block 7 is corrupted`
fn verity(text: &str) -> Option<Sighting> {
    let rest = text.strip_prefix("device-mapper: verity: ")?;
    if !rest.contains("is corrupted") && !rest.contains("verity device corrupted") {
        return None;
    }
    let device = rest.split(": ").next().unwrap_or_default();
    Some(Sighting::new(EventKind::VerityCorruption, device, text))
}

/// `fs-verity (vda5, inode 14): FILE CORRUPTED! pos=1638400, level=-1, want_hash=…`
fn fs_verity(text: &str) -> Option<Sighting> {
    let (place, rest) = text.strip_prefix("fs-verity (")?.split_once("): ")?;
    rest.starts_with("FILE CORRUPTED").then(|| Sighting::new(EventKind::FsVerityCorruption, place, text))
}

/// `oom-kill:constraint=…,oom_memcg=/apps/X,task_memcg=/apps/X,task=NAME,pid=7,uid=100000`
///
/// The groups stand before the name, so that a name with commas in it moves nothing.
fn out_of_memory(text: &str) -> Option<Sighting> {
    let rest = text.strip_prefix("oom-kill:")?;
    let (before, task) = rest.split_once(",task=").unwrap_or((rest, "unknown: the line was cut"));
    let group = before.split(',').find_map(|field| field.strip_prefix("task_memcg=")).unwrap_or("unknown");
    let subject = group.rsplit('/').next().unwrap_or(group);
    Some(Sighting::new(EventKind::OomKill, subject, format!("killed for want of memory in group {group}: {task}")))
}

/// `audit: type=1326 audit(1700000000.123:45): …`: how the kernel writes audit records while nobody has taken them.
fn audit_line(text: &str) -> Option<Sighting> {
    let (kind, record) = text.strip_prefix("audit: type=")?.split_once(' ')?;
    audit::record(kind.parse().ok()?, record)
}

fn oops(text: &str) -> Option<Sighting> {
    let is_one = OOPSES.iter().any(|(beginning, also)| text.strip_prefix(beginning).is_some_and(|rest| rest.contains(also)));
    is_one.then(|| Sighting::new(EventKind::KernelOops, "kernel", text))
}

/// How the kernel's reports of its own bugs begin, and what else stands in them: it begins other lines alike.
const OOPSES: [(&str, &str); 18] = [
    ("BUG: ", ""),
    ("Oops: ", ""),
    ("Oops - ", ""),
    ("Internal error: ", ""),
    ("kernel BUG at ", ""),
    ("Kernel panic - ", ""),
    ("Unable to handle kernel ", ""),
    ("general protection fault", ""),
    ("double fault: ", ""),
    ("WARNING: ", " at "),
    ("UBSAN: ", ""),
    ("KASAN: ", ""),
    ("watchdog: BUG: ", ""),
    ("rcu: INFO: ", "stall"),
    ("INFO: task ", "blocked for more than"),
    ("list_add corruption", ""),
    ("list_del corruption", ""),
    ("refcount_t: ", ""),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn sighted(text: &str) -> Option<(EventKind, String)> {
        let record = Record { facility: KERNEL, priority: 3, sequence: 1, since_boot: Duration::ZERO, text: text.to_owned() };
        kernel_record(&record).map(|sighting| (sighting.kind, sighting.subject))
    }

    #[test]
    fn records_of_the_kernel_become_events_with_a_subject_no_app_chose() {
        let expect = |text: &str, kind, subject: &str| assert_eq!(sighted(text), Some((kind, subject.to_owned())), "{text}");
        expect("device-mapper: verity: 254:2: data block 7 is corrupted", EventKind::VerityCorruption, "254:2");
        expect("device-mapper: verity: 254:2: metadata block 12 is corrupted", EventKind::VerityCorruption, "254:2");
        expect(
            "fs-verity (vda5, inode 14): FILE CORRUPTED! pos=1638400, level=-1, want_hash=a, real_hash=b",
            EventKind::FsVerityCorruption,
            "vda5, inode 14",
        );
        expect(
            "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/apps/x-1,task_memcg=/apps/x-1,task=a,task_memcg=/y,pid=99,uid=100000",
            EventKind::OomKill,
            "x-1",
        );
        expect("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null)", EventKind::OomKill, "unknown");
        expect(
            "audit: type=1326 audit(1700000000.123:45): auid=1 uid=100001 gid=100001 ses=1 pid=9 comm=\"app\" exe=\"/bin/app\" sig=31 arch=c000003e syscall=101 compat=0 ip=0x1 code=0x80000000",
            EventKind::SeccompKill,
            "uid 100001",
        );
        for text in [
            "BUG: kernel NULL pointer dereference, address: 0",
            "WARNING: CPU: 0 PID: 1 at mm/x.c:1",
            "Oops: 0000 [#1]",
            "Kernel panic - not syncing: x",
        ] {
            expect(text, EventKind::KernelOops, "kernel");
        }
    }

    #[test]
    fn ordinary_records_are_none() {
        for text in [
            "Linux version 6.12",
            "device-mapper: verity: sha256 using shash",
            "EXT4-fs (vda5): mounted",
            "fs-verity: BUG",
            "",
            "INFO: task ready",
            "WARNING: boot command line memory mapping is odd",
            "audit: type=2000 audit(1.2:1): state=initialized audit_enabled=0 res=1",
        ] {
            assert_eq!(sighted(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_process_wrote_into_the_kernels_log_is_no_event() {
        let record = Record {
            facility: 1,
            priority: 3,
            sequence: 1,
            since_boot: Duration::ZERO,
            text: "Kernel panic - not syncing: forged".to_owned(),
        };
        assert_eq!(kernel_record(&record), None);
    }

    #[test]
    fn a_process_that_bears_the_name_of_an_event_is_none() {
        for text in [
            "BUG: x[2]: segfault at 0 ip 0000000000401000 sp 00007ffe error 4 in app[401000+1000]",
            "Kernel panic - [2]: segfault at 0 ip 0000000000401000",
            "kernel BUG at [31]: bad frame in rt_sigreturn frame:1 ip:2 sp:3 orax:4",
            "WARNING: [x][2]: segfault at 0 ip 0000000000401000",
            "BUG: \\x5c\\x5c\\x1b\\x1b\\x1b\\x1b\\x1b\\x1b\\x1b\\x1b[2]: segfault at 0",
            "oom-kill:[2]: segfault at 0",
            "BUG: x (2): attempted to duplicate a private mapping with mremap.  This is not supported.",
        ] {
            assert_eq!(sighted(text), None, "{text}");
        }
        for text in ["BUG: soft lockup [x:2]", "Oops: 0002 [#1] PREEMPT SMP", "BUG: unable to handle page fault [1]"] {
            assert_eq!(sighted(text).map(|(kind, _)| kind), Some(EventKind::KernelOops), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_sorted_without_a_panic(text in ".{0,200}", kind in 0usize..5) {
            let beginnings = ["", "oom-kill:task_memcg=/a", "fs-verity (", "device-mapper: verity: ", "audit: type=1326 audit("];
            let _ = sighted(&format!("{}{text}", beginnings[kind]));
        }
    }
}
