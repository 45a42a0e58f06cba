//! What pstore kept of a kernel that died: init left it as files, here it becomes one event, and the text is kept.

use linux::{
    files::{self, FileError},
    log::printable,
};
use std::path::Path;

/// Most files: EFI's pstore makes one per KiB.
const FILES_LIMIT: usize = 256;
/// Longest text that is kept of one panic; init leaves no longer file.
const KEPT_LIMIT: usize = 256 * 1024;
/// How the names of a dying kernel's dumps begin.
const DUMP: &str = "dmesg-";
/// Longest reason that is told, in characters.
const REASON_LIMIT: usize = 300;
/// How the lines begin that say why, the best one first.
const REASONS: [&str; 5] = ["Kernel panic - ", "kernel BUG at ", "BUG: ", "Oops: ", "general protection fault"];

/// Takes what init left in `pstore`, keeps its text as `panic-1.log` in `kept` (an older one as `panic-2.log`), and
/// says why the kernel died; none if it did not.
pub fn take(pstore: &Path, kept: &Path) -> Result<Option<String>, FileError> {
    let mut names = match files::list(pstore, FILES_LIMIT) {
        Ok(names) => names,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    // Dumps before consoles, for where there is no room for both.
    names.sort_by_key(|name| !name.starts_with(DUMP));
    let mut text = Vec::new();
    for name in &names {
        match files::read(pstore.join(name), KEPT_LIMIT) {
            Ok(bytes) if text.len() + bytes.len() <= KEPT_LIMIT => text.extend(bytes),
            Ok(_) => {}
            Err(error) => linux::log::warning(files::chain(&error)),
        }
    }
    let reason = reason(&String::from_utf8_lossy(&text));
    // ramoops keeps the console of an orderly reboot too: only a dump, or a reason in it, is a death.
    let died = reason.is_some() || names.iter().any(|name| name.starts_with(DUMP));
    if died {
        let (newer, older) = (kept.join("panic-1.log"), kept.join("panic-2.log"));
        match files::read(&newer, KEPT_LIMIT) {
            Ok(before) => files::write_durably(older, &before, 0o600)?,
            Err(error) if error.is_missing() => {}
            Err(error) => linux::log::warning(files::chain(&error)),
        }
        files::write_durably(newer, &text, 0o600)?;
    }
    for name in names {
        files::remove(pstore.join(name))?;
    }
    let unknown = || "the kernel died and left a dump without a reason that is known here".to_owned();
    Ok(died.then(|| reason.unwrap_or_else(unknown)))
}

/// The line that says why, without its time stamp.
fn reason(text: &str) -> Option<String> {
    REASONS.iter().find_map(|beginning| {
        let line = text.lines().find_map(|line| line.find(beginning).and_then(|at| line.get(at..)))?;
        Some(printable(line, REASON_LIMIT))
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test arranges its files as it likes")]
mod tests {
    use super::*;
    use std::fs;

    fn left(files: &[(&str, &str)]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let pstore = folder.path().join("pstore");
        fs::create_dir(&pstore).unwrap();
        files.iter().for_each(|(name, text)| fs::write(pstore.join(name), text).unwrap());
        (folder, pstore)
    }

    #[test]
    fn the_reason_of_a_panic_is_told_once_and_its_text_kept() {
        let text = "Panic#1 Part1\n<4>[ 3.1] BUG: x\n<0>[    3.14] Kernel panic - not syncing: dm-verity device corrupted\n";
        let (folder, pstore) = left(&[("dmesg-ramoops-0", text), ("console-ramoops-0", "x")]);
        assert_eq!(take(&pstore, folder.path()).unwrap().unwrap(), "Kernel panic - not syncing: dm-verity device corrupted");
        assert_eq!(take(&pstore, folder.path()).unwrap(), None);
        assert!(fs::read_to_string(folder.path().join("panic-1.log")).unwrap().contains("dm-verity"));
        fs::write(pstore.join("dmesg-ramoops-0"), "Oops: second").unwrap();
        assert_eq!(take(&pstore, folder.path()).unwrap().unwrap(), "Oops: second");
        assert!(fs::read_to_string(folder.path().join("panic-2.log")).unwrap().contains("dm-verity"));
    }

    #[test]
    fn the_console_of_an_orderly_reboot_is_no_panic_and_nothing_left_is_none() {
        let (folder, pstore) = left(&[("console-ramoops-0", "[ 9.0] reboot: Restarting system\n")]);
        assert_eq!(take(&pstore, folder.path()).unwrap(), None);
        assert!(!folder.path().join("panic-1.log").exists());
        assert_eq!(take(&folder.path().join("none"), folder.path()).unwrap(), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_survived() {
        let (folder, pstore) = left(&[]);
        fs::write(pstore.join("dmesg-efi-1.enc.z"), [0xff; 1000]).unwrap();
        assert!(take(&pstore, folder.path()).unwrap().unwrap().contains("without a reason"));
    }
}
