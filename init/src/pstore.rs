//! What a crashed kernel left in pstore (Documentation/admin-guide/ramoops.rst): kept for the monitor, bounded, and
//! removed at its source, or firmware's variable store would fill.

use crate::{
    phases::Boot,
    problem::{self, Problem},
    say,
};
use linux::files;
use manifest::places;
use rustix::fs::{AtFlags, CWD, Gid, Uid, chownat};
use std::path::Path;

/// Where the kernel shows records.
const SOURCE: &str = "/sys/fs/pstore";
/// Longest record that is kept; ramoops' are 32 KiB, firmware's 1 KiB.
const RECORD_LIMIT: usize = 256 * 1024;
/// Most records that are kept for a monitor that has not yet read those of an earlier crash.
const RECORDS_LIMIT: usize = 64;
/// Most names that are looked at.
const NAMES_LIMIT: usize = 1024;
/// Records of a crash begin so; the others, of the console, exist after an orderly restart too.
const CRASH: &str = "dmesg-";

/// Moves records to [`places::PSTORE_KEPT`].
pub fn keep(boot: &mut Boot) -> Result<(), Problem> {
    let source = Path::new(SOURCE);
    if !source.is_dir() {
        return Ok(());
    }
    let names = files::list(source, NAMES_LIMIT)?;
    boot.crash_records = names.iter().filter(|name| name.starts_with(CRASH)).count();
    if boot.crash_records == 0 {
        return problem::all(&names, |name| Ok(files::remove(source.join(name))?));
    }
    let target = Path::new(places::PSTORE_KEPT);
    let (uid, gid) = owner(boot)?;
    for folder in [places::EVENTS, places::PSTORE_KEPT] {
        files::make_folder(folder, 0o700)?;
        own(Path::new(folder), uid, gid)?;
    }
    let mut room = RECORDS_LIMIT.saturating_sub(files::list(target, NAMES_LIMIT)?.len());
    problem::all(&names, |name| {
        if room > 0 {
            let bytes = files::read(source.join(name), RECORD_LIMIT)?;
            let kept = target.join(name);
            files::write_durably(&kept, &bytes, 0o600)?;
            own(&kept, uid, gid)?;
            room -= 1;
        } else {
            say::warning(format_args!("{name} is not kept: {RECORDS_LIMIT} records lie unread"));
        }
        Ok(files::remove(source.join(name))?)
    })
}

/// The service whose folder events lie in.
fn owner(boot: &Boot) -> Result<(u32, u32), Problem> {
    let has_events =
        |service: &&manifest::service::Service| service.folders.iter().any(|folder| folder.path.as_str() == places::EVENTS);
    let service = boot.table()?.services.iter().find(has_events);
    service
        .map(|service| (service.uid, service.gid))
        .ok_or_else(|| Problem::Missing(format!("service with the folder {}", places::EVENTS)))
}

fn own(path: &Path, uid: u32, gid: u32) -> Result<(), Problem> {
    chownat(CWD, path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(Problem::kernel(format!("change the owner of {}", path.display())))
}
