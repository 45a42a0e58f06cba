//! A machine's console: a file that QEMU writes, waited on and judged.

use crate::wait::wait_for;
use anyhow::{Context, Result, bail};
use std::{fs, io, path::PathBuf, time::Duration};

/// What no console may show unless a test says so: the kernel or a program of ours is broken.
const ALARMS: &[&str] = &[
    "Kernel panic",
    "BUG:",
    "Oops",
    "WARNING:",
    "Call Trace",
    "general protection fault",
    "segfault at",
    "traps:",
    "rcu_sched detected",
    "soft lockup",
    "blocked for more than",
    "Out of memory",
    "oom-kill",
    "I/O error",
    "FILE CORRUPTED",
    "is corrupted",
    "panicked at",
    "stack-protector",
    "UBSAN",
    "type=1326",
    "EXT4-fs error",
    "lockup",
];

/// Words of a kernel that kills an app for want of memory.
pub const OUT_OF_MEMORY: [&str; 5] = ["oom", "Out of memory", "out of memory", "Call Trace", "z_erofs_read_folio: read error"];

/// Lines with an alarm's words that mean no harm.
const HARMLESS: &[&str] = &[
    // i8042 and ACPI tables of QEMU's machine.
    "ACPI BIOS",
    "NMI watchdog",
    // clone3 answers ENOSYS by design, because a filter cannot look into its arguments; the C library then uses clone.
    "sig=0 arch=c000003e syscall=435",
];

/// The console of one machine since it was switched on, over all its reboots.
#[derive(Debug, Clone)]
pub struct Console {
    path: PathBuf,
}

impl Console {
    /// The console that is written to `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    /// All of it up to now; nothing before the machine is switched on.
    pub fn text(&self) -> Result<String> {
        self.text_after(0)
    }

    /// What came after `mark`.
    pub fn text_after(&self, mark: usize) -> Result<String> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(bytes.get(mark..).unwrap_or_default()).into_owned()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(e) => Err(e).with_context(|| format!("cannot read the console {}", self.path.display())),
        }
    }

    /// Its length up to now: a mark for [`Console::wait_for_after`].
    pub fn mark(&self) -> usize {
        fs::metadata(&self.path).map(|m| usize::try_from(m.len()).unwrap_or(usize::MAX)).unwrap_or(0)
    }

    /// Waits for a line with `words`, anywhere on it.
    pub fn wait_for(&self, words: &str, limit: Duration) -> Result<String> {
        self.wait_for_after(0, words, limit)
    }

    /// Waits for a line with `words` that came after `mark`.
    pub fn wait_for_after(&self, mark: usize, words: &str, limit: Duration) -> Result<String> {
        let found = wait_for(format_args!("`{words}` on the console"), limit, || {
            Ok(self.text_after(mark)?.lines().find(|line| line.contains(words)).map(str::to_owned))
        });
        found.with_context(|| format!("the console ends with:\n{}", self.tail(30)))
    }

    /// Its last lines.
    pub fn tail(&self, lines: usize) -> String {
        let text = self.text().unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
    }

    /// Fails if there is a line that no healthy machine writes, `expected` words apart.
    pub fn lint(&self, expected: &[&str]) -> Result<()> {
        let found = alarms(&self.text()?, expected);
        if !found.is_empty() {
            bail!("the console {} shows what a healthy machine does not:\n{}", self.path.display(), found.join("\n"));
        }
        Ok(())
    }
}

fn alarms(text: &str, expected: &[&str]) -> Vec<String> {
    let harmless = |line: &str| is_confinement_probe(line) || HARMLESS.iter().chain(expected).any(|words| line.contains(words));
    let alarming = |line: &&str| ALARMS.iter().any(|alarm| line.contains(alarm)) && !harmless(line);
    text.lines().filter(alarming).map(str::to_owned).collect()
}

/// In a test image each daemon, once confined, tries a socket (41) and an execve (59) that its filter must refuse: these
/// records are the proof that it does. From any other program they are an alarm.
fn is_confinement_probe(line: &str) -> bool {
    line.contains("exe=\"/usr/lib/holdfast/")
        && ["41 ", "59 "].iter().any(|call| line.contains(&format!("\" sig=0 arch=c000003e syscall={call}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_alarm_unless_the_test_expects_it() {
        let text = "[    1.0] fine\n[    2.0] Kernel panic - not syncing: dm-verity device corrupted\n";
        assert_eq!(alarms(text, &[]).len(), 1);
        assert!(alarms(text, &["dm-verity device corrupted"]).is_empty());
        assert!(alarms("[    1.0] fine\n", &[]).is_empty());
    }

    #[test]
    fn a_refused_socket_is_an_alarm_unless_a_daemon_probes_its_confinement() {
        let record = |exe: &str, call: u32| {
            format!("audit: type=1326 audit(1.2:3): pid=9 exe=\"{exe}\" sig=0 arch=c000003e syscall={call} compat=0\n")
        };
        assert!(alarms(&record("/usr/lib/holdfast/app-manager", 41), &[]).is_empty());
        assert_eq!(alarms(&record("/usr/lib/holdfast/app-manager", 42), &[]).len(), 1);
        assert_eq!(alarms(&record("/bin/app", 41), &[]).len(), 1);
    }
}
