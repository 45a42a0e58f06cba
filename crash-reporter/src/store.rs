//! The reports that are kept: a file each, `<number>-<component id>.sealed`, beside the file `next`.
//!
//! After a power cut a report is there, whole, or not at all. What is no report of that name goes at the next start, with what
//! a write left half done. Numbers rise: `next` is written before the report that takes a number, so no report is written
//! twice for one. Removing writes nothing, and works on a disk that is full.

use crate::displaced::displaced;
use crash_report::envelope::{self, HEADER_LIMIT, PROBLEM_LIMIT};
use linux::{
    files::{self, FileError},
    log,
};
use manifest::{
    api::CrashReport,
    names::{ComponentId, DisplayName},
};
use rustix::{fd::OwnedFd, fs::OFlags};
use std::{
    ffi::OsStr,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Files that are looked at in one go: reports, and what power cuts or somebody else left beside them. Where there are more,
/// those that may stay are looked at again beside others, until nothing goes.
const FILES_AT_ONCE: usize = 1024;
/// The next number's file.
const NEXT: &str = "next";
/// Longest text in it.
const NEXT_LIMIT: usize = 32;
/// What a report's file ends with.
const SEALED: &str = ".sealed";
/// No report has it: there would be no next one.
const NO_NUMBER: u64 = u64::MAX;

/// Where reports are kept.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    next: u64,
    /// What the file `next` says.
    written: u64,
    /// Oldest first.
    kept: Vec<CrashReport>,
}

impl Store {
    /// Looks at what there is, and removes what is no report.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, FileError> {
        let folder = folder.into();
        let written = next(&folder.join(NEXT));
        let mut store = Self { next: written.max(1), written, kept: Vec::new(), folder };
        while store.look()? {}
        // On a full disk it has to wait for room: `remove` makes some.
        store.write_next().unwrap_or_else(|e| log::warning(files::chain(&e)));
        Ok(store)
    }

    /// Looks at some of what there is, all if it is not too much, and removes what may not stay; whether to look again.
    fn look(&mut self) -> Result<bool, FileError> {
        self.kept.clear();
        let names = files::some(&self.folder, FILES_AT_ONCE)?;
        let (mut foreign, mut removed) = (Vec::new(), 0);
        for name in names.iter().filter(|name| *name != NEXT) {
            match load(&self.folder.join(name), name) {
                Ok(report) => self.kept.push(report),
                Err(why) => foreign.push((name, why)),
            }
        }
        if let Some((name, why)) = foreign.first() {
            let (count, name) = (foreign.len(), name.display());
            log::warning(format!("{count} files are no reports that were kept, and go; the first is {name}: {why}"));
        }
        for (name, _) in foreign {
            match files::remove(self.folder.join(name)) {
                Ok(()) => removed += 1,
                Err(e) => log::warning(files::chain(&e)),
            }
        }
        self.kept.sort_by_key(|report| report.number);
        self.next = self.next.max(self.after_newest());
        let displaced = displaced(&self.kept);
        self.remove(&displaced)?;
        Ok(names.len() == FILES_AT_ONCE && removed + displaced.len() > 0)
    }

    /// Number of the next report.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// What is kept, oldest first.
    pub fn reports(&self) -> &[CrashReport] {
        &self.kept
    }

    /// Keeps a report that has the number [`Store::next`], for which others may have to go.
    pub fn keep(&mut self, report: CrashReport, sealed: &[u8]) -> Result<CrashReport, FileError> {
        let report = CrashReport { size: sealed.len() as u64, ..report };
        let none_left = || FileError::new("number", self.path(&report), io::Error::other("no number is left"));
        let after = report.number.checked_add(1).ok_or_else(none_left)?;
        write_next(&self.folder, after)?;
        self.written = after;
        files::write_durably(self.path(&report), sealed, 0o600)?;
        self.next = after;
        self.kept.push(report.clone());
        self.remove(&displaced(&self.kept))?;
        Ok(report)
    }

    /// A report's file, to read; none if there is no such report.
    pub fn file(&self, number: u64) -> Result<Option<OwnedFd>, FileError> {
        let report = self.kept.iter().find(|report| report.number == number);
        report.map(|report| files::open(self.path(report), OFlags::RDONLY)).transpose()
    }

    /// Deletes a report; false if there is none.
    pub fn delete(&mut self, number: u64) -> Result<bool, FileError> {
        let is_there = self.kept.iter().any(|report| report.number == number);
        self.remove(&[number])?;
        Ok(is_there)
    }

    /// Deletes all reports of an app.
    pub fn forget(&mut self, component: &ComponentId) -> Result<(), FileError> {
        let own = self.kept.iter().filter(|report| report.component == *component);
        self.remove(&own.map(|report| report.number).collect::<Vec<_>>())
    }

    fn remove(&mut self, numbers: &[u64]) -> Result<(), FileError> {
        let go: Vec<_> = self.kept.iter().filter(|report| numbers.contains(&report.number)).cloned().collect();
        if go.is_empty() {
            return Ok(());
        }
        for report in go {
            files::remove(self.path(&report))?;
            self.kept.retain(|kept| kept.number != report.number);
        }
        files::sync_folder(&self.folder)?;
        // They are gone, whatever becomes of the number.
        self.write_next().unwrap_or_else(|e| log::warning(files::chain(&e)));
        Ok(())
    }

    /// Writes down what the newest report's number told and the file `next` did not, where that was lost.
    fn write_next(&mut self) -> Result<(), FileError> {
        if self.written < self.next {
            write_next(&self.folder, self.next)?;
            self.written = self.next;
        }
        Ok(())
    }

    fn after_newest(&self) -> u64 {
        self.kept.last().map_or(1, |report| report.number.saturating_add(1))
    }

    fn path(&self, report: &CrashReport) -> PathBuf {
        self.folder.join(name(report.number, &report.component))
    }
}

fn write_next(folder: &Path, number: u64) -> Result<(), FileError> {
    files::write_durably(folder.join(NEXT), number.to_string().as_bytes(), 0o600)
}

fn name(number: u64, component: &ComponentId) -> String {
    format!("{number}-{component}{SEALED}")
}

/// What a file of this name says it is, if that is what the name says.
fn load(path: &Path, found: &OsStr) -> Result<CrashReport, String> {
    let found = found.to_str().ok_or("its name is none of a report")?;
    let stem = found.strip_suffix(SEALED).and_then(|stem| stem.split_once('-'));
    let (number, component) = stem.ok_or("its name is none of a report")?;
    let number: u64 = number.parse().map_err(|_| "its name has no number")?;
    let component = component.parse().map_err(|_| "its name has no component id")?;
    if name(number, &component) != found {
        return Err("its name is written another way".to_owned());
    }
    if number == NO_NUMBER {
        return Err("its number is none that a report has".to_owned());
    }
    let (beginning, size) = beginning(path).map_err(|e| files::chain(&e))?;
    let report = envelope::envelope(&beginning).map_err(|e| files::chain(&e))?.report;
    if (report.number, &report.component) != (number, &component) {
        return Err("its header is another report's".to_owned());
    }
    if report.name.parse::<DisplayName>().is_err() || report.problem.as_deref().is_some_and(is_no_sentence) {
        return Err("its header says what no report of this device says".to_owned());
    }
    Ok(CrashReport { size, ..report })
}

/// A control character is six bytes long in a list.
fn is_no_sentence(problem: &str) -> bool {
    problem.len() > PROBLEM_LIMIT || problem.contains(char::is_control)
}

/// The beginning of a file, which holds its header, and its size.
fn beginning(path: &Path) -> Result<(Vec<u8>, u64), FileError> {
    let failed = |e: io::Error| FileError::new("read", path, e);
    let file = files::open_regular(path, OFlags::RDONLY | OFlags::NOFOLLOW)?;
    let about = file.metadata().map_err(failed)?;
    let mut bytes = Vec::new();
    (&file).take(HEADER_LIMIT as u64 + 64).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes, about.len()))
}

/// What the file says; 0 where there is none. A damaged one is as good as none: the newest report's number counts too.
fn next(path: &Path) -> u64 {
    let text = match files::read(path, NEXT_LIMIT) {
        Err(e) if e.is_missing() => return 0,
        text => text.map_err(|e| files::chain(&e)),
    };
    let number = text.and_then(|text| String::from_utf8_lossy(&text).parse::<u64>().map_err(|e| e.to_string()));
    let number = number.and_then(|number| if number < NO_NUMBER { Ok(number) } else { Err("there is none".to_owned()) });
    number.unwrap_or_else(|why| {
        log::warning(format!("the next report's number is lost: {why}"));
        0
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test arranges its files as it likes")]
mod tests {
    use super::*;
    use crate::displaced::OF_AN_APP;
    use crash_report::{public_key, seal};
    use std::fs;

    fn report(number: u64, app: u8) -> CrashReport {
        CrashReport {
            number,
            component: format!("25025d2c-66da-4448-bae1-ac26fcdd{app:04x}").parse().unwrap(),
            name: "doorbell".to_owned(),
            version: 1,
            generation: 1,
            signal: 11,
            time_ms: 0,
            size: 0,
            problem: None,
        }
    }

    fn keep(store: &mut Store, app: u8) -> CrashReport {
        let report = report(store.next(), app);
        store.keep(report.clone(), &seal(&public_key(&[7; 32]), &report, b"minidump").unwrap()).unwrap()
    }

    fn numbers(store: &Store) -> Vec<u64> {
        store.reports().iter().map(|report| report.number).collect()
    }

    #[test]
    fn reports_are_there_again_after_a_restart_with_size_and_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let kept: Vec<_> = (0..12).map(|n| keep(&mut store, n % 3)).collect();
        assert!(kept[0].size > 100);
        let again = Store::open(folder.path()).unwrap();
        assert_eq!((again.reports(), again.next()), (&kept[..], 13));
    }

    #[test]
    fn a_number_is_never_used_twice_whatever_was_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let component = keep(&mut store, 1).component;
        keep(&mut store, 2);
        assert!(store.delete(2).unwrap() && !store.delete(2).unwrap());
        assert_eq!(Store::open(folder.path()).unwrap().next(), 3);
        assert_eq!(keep(&mut store, 1).number, 3);
        store.forget(&component).unwrap();
        let mut again = Store::open(folder.path()).unwrap();
        assert_eq!((numbers(&again), keep(&mut again, 1).number), (vec![], 4));
        // Where the counter is damaged, the newest report still counts.
        fs::write(folder.path().join("next"), "many").unwrap();
        assert_eq!(Store::open(folder.path()).unwrap().next(), 5);
    }

    #[test]
    fn reports_are_removed_where_nothing_can_be_written_and_their_numbers_stay_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let component = keep(&mut store, 1).component;
        keep(&mut store, 2);
        keep(&mut store, 2);
        // As on a full disk: what is to replace `next` cannot be made.
        fs::create_dir(folder.path().join("next.new")).unwrap();
        store.forget(&component).unwrap();
        assert!(store.delete(3).unwrap());
        let again = Store::open(folder.path()).unwrap();
        assert_eq!((numbers(&again), again.next()), (vec![2], 4));
        let (refused, is_there) = (report(4, 1), |number| folder.path().join(name(number, &component)).exists());
        assert!(store.keep(refused, b"sealed").is_err() && !is_there(4));
    }

    #[test]
    fn a_lost_next_number_is_written_down_before_the_newest_report_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        keep(&mut store, 1);
        fs::remove_file(folder.path().join(NEXT)).unwrap();
        assert!(Store::open(folder.path()).unwrap().delete(1).unwrap());
        assert_eq!(Store::open(folder.path()).unwrap().next(), 2);
    }

    #[test]
    fn the_last_number_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NEXT), u64::MAX.to_string()).unwrap();
        let last = report(u64::MAX, 1);
        let sealed = seal(&public_key(&[7; 32]), &last, b"minidump").unwrap();
        fs::write(folder.path().join(name(u64::MAX, &last.component)), &sealed).unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        assert_eq!((numbers(&store), store.next()), (vec![], 1));
        assert!(store.keep(last, &sealed).is_err());
        assert_eq!(keep(&mut store, 1).number, 1);
    }

    #[test]
    fn a_folder_that_somebody_filled_is_emptied_of_it_and_keeps_its_reports() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let kept = [keep(&mut store, 1), keep(&mut store, 2)];
        (0..FILES_AT_ONCE * 2).for_each(|n| fs::write(folder.path().join(format!("{n}.core")), b"").unwrap());
        let odd = <OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff.sealed");
        fs::write(folder.path().join(odd), b"").unwrap();
        let again = Store::open(folder.path()).unwrap();
        assert_eq!((again.reports(), again.next()), (&kept[..], 3));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2 + 1);
    }

    #[test]
    fn a_report_whose_words_no_device_wrote_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let plant = |number, name: &str, problem: Option<String>| {
            let planted = CrashReport { name: name.to_owned(), problem, ..report(number, 1) };
            let sealed = seal(&public_key(&[7; 32]), &planted, b"").unwrap();
            fs::write(store.folder.join(super::name(number, &planted.component)), sealed).unwrap();
        };
        plant(1, &"\u{1f514}".repeat(64), Some("x".repeat(PROBLEM_LIMIT)));
        plant(2, &"\u{1f514}".repeat(65), None);
        plant(3, "\u{1b}[2J", None);
        plant(4, "doorbell", Some("x".repeat(PROBLEM_LIMIT + 1)));
        plant(5, "doorbell", Some("\u{1b}".to_owned()));
        assert_eq!(numbers(&Store::open(folder.path()).unwrap()), [1]);
    }

    #[test]
    fn an_apps_oldest_goes_when_it_has_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        keep(&mut store, 1);
        (0..OF_AN_APP + 2).for_each(|_| drop(keep(&mut store, 2)));
        assert_eq!(numbers(&store), [1, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 9 + 1);
    }

    #[test]
    fn what_a_power_cut_or_somebody_else_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let first = keep(&mut store, 1);
        let own = name(1, &first.component);
        let bytes = fs::read(folder.path().join(&own)).unwrap();
        for (name, bytes) in [
            (format!("{own}.new"), &bytes[..40]),
            (name(2, &first.component), &bytes[..]),
            (name(1, &report(1, 2).component), &bytes[..]),
            (format!("01-{}.sealed", first.component), &bytes[..]),
            (format!("+1-{}.sealed", first.component), &bytes[..]),
            (name(3, &first.component), &bytes[..40]),
            (name(4, &first.component), &b""[..]),
            ("core".to_owned(), &b"x"[..]),
        ] {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        std::os::unix::fs::symlink(folder.path().join(&own), folder.path().join(name(5, &first.component))).unwrap();
        let again = Store::open(folder.path()).unwrap();
        assert_eq!((again.reports(), again.next()), (&[first][..], 2));
        assert_eq!(files::list(folder.path(), 10).unwrap(), [own, NEXT.to_owned()]);
    }

    #[test]
    fn a_reports_file_is_opened_to_read_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        keep(&mut store, 1);
        let file = store.file(1).unwrap().unwrap();
        assert_eq!(rustix::fs::fcntl_getfl(&file).unwrap() & OFlags::RWMODE, OFlags::RDONLY);
        assert!(store.file(2).unwrap().is_none());
    }
}
