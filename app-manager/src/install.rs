//! Step 5 of the README's path: a judged bundle becomes the installed app.
//!
//! Two halves. [`seal`] and [`compare_manifest`] make sure that what lies on the disk is what was judged, on a file that
//! has no name in an app's folder yet. [`STEPS`] then give it names, one durable change per step: a power cut after any of them leaves
//! either the old version or the new one installed, whole, and [`clear`] clears away what was laid beside it.
//!
//! A version that took another's place is on trial while its folder holds a mark, [`Trial`]: [`keep`] removes that, and
//! [`RETURN_STEPS`] bring the one before back, as durably. The mark that lies in `previous` tells of the one that failed.

use crate::{
    fault::Fault,
    folders,
    monitor::{Judged, contents},
};
use linux::files::{self, FileError};
use manifest::{api::ErrorClass, app::MANIFEST_LIMIT, names::Sha256Hex, read};
use rustix::{
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    fs::{AtFlags, CWD, OFlags, RenameFlags, fsync, ftruncate, linkat, renameat_with},
    io::Errno,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Names inside an app's folder.
pub const CURRENT: &str = "current";
/// The version before.
pub const PREVIOUS: &str = "previous";
/// The version that waits to take the place of `current`.
pub const WAITING: &str = "waiting";
/// Name of the image in each of them.
pub const IMAGE: &str = "image.erofs";
/// Name of the envelope in each of them.
pub const ENVELOPE: &str = "envelope";
/// Name of the mark of one that is on trial.
const TRIAL: &str = "trial";
/// The new version while it is laid; the old one for a moment after the switch.
const INCOMING: &str = "incoming";
/// The old version on its way to `previous`.
const RETIRED: &str = "retired";

/// Longest mark that is read.
const TRIAL_LIMIT: usize = 16 * 1024;

/// fs-verity, as the kernel does it or as a test wants it.
pub trait Verity {
    /// Turns it on.
    fn enable(&self, file: BorrowedFd<'_>) -> std::io::Result<()>;
    /// The digest in force.
    fn measure(&self, file: BorrowedFd<'_>) -> std::io::Result<[u8; 32]>;
}

/// The kernel's.
pub struct KernelVerity;

impl Verity for KernelVerity {
    fn enable(&self, file: BorrowedFd<'_>) -> std::io::Result<()> {
        linux::verity::enable(file).map_err(Into::into)
    }

    fn measure(&self, file: BorrowedFd<'_>) -> std::io::Result<[u8; 32]> {
        linux::verity::measure(file).map_err(Into::into)
    }
}

/// Cuts the envelope off, turns fs-verity on, and compares the kernel's digest with the one that was judged: from then
/// on nobody can change the file, and every read of it is checked.
pub fn seal(image: &OwnedFd, judged: &Judged, verity: &dyn Verity) -> Result<(), Fault> {
    let internal = |what: &str, e: std::io::Error| Fault::new(ErrorClass::Internal, format!("cannot {what} the image: {e}"));
    let writer = files::reopen(image.as_fd(), OFlags::WRONLY)?;
    ftruncate(&writer, judged.verdict.image_size).map_err(|e| internal("cut", e.into()))?;
    drop(writer);
    match verity.enable(image.as_fd()) {
        Err(e) if Errno::from_io_error(&e) == Some(Errno::TXTBSY) => {
            let message = "the upload is still open for writing; it must be closed before it is committed";
            return Err(Fault::new(ErrorClass::Conflict, message));
        }
        enabled => enabled.map_err(|e| internal("turn fs-verity on for", e))?,
    }
    let digest = verity.measure(image.as_fd()).map_err(|e| internal("measure", e))?;
    let digest = Sha256Hex::from(digest);
    if digest != judged.verdict.digest {
        let message =
            format!("the image was changed after it was verified: its digest is {digest}, {} was signed", judged.verdict.digest);
        return Err(Fault::new(ErrorClass::Untrusted, message));
    }
    fsync(image).map_err(|e| internal("sync", e.into()))
}

/// Compares the image's own `/manifest.json` with the signed one, byte by byte.
pub fn compare_manifest(in_image: &OwnedFd, signed: &[u8]) -> Result<(), Fault> {
    if contents(in_image, MANIFEST_LIMIT)? == signed {
        return Ok(());
    }
    let message = "the image's /manifest.json is not the manifest that was signed";
    Err(Fault::with_hint(ErrorClass::Untrusted, message, "pack the app again: `holdfast app pack` writes both from one file"))
}

/// A sealed image that gets its names.
pub struct Incoming<'a> {
    /// `/data/apps/<component id>`.
    pub folder: PathBuf,
    /// The image.
    pub image: BorrowedFd<'a>,
    /// The envelope's bytes.
    pub envelope: &'a [u8],
    /// What becomes of the version that is there.
    pub old: Old,
    /// The trial it begins.
    pub trial: Option<Trial>,
    /// Whether it is the version that waited.
    pub waited: Waited,
}

/// Whether a version waited before it is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// It did: what waits is cleared away after the switch.
    Yes,
    /// It did not: what waits gives way to it, and is cleared away before the switch, or a power cut behind it would leave a
    /// third version to come.
    No,
}

/// The mark of a version that has not proved itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The version.
    pub version: u64,
    /// The one that comes back if it fails.
    pub returns_to: u64,
    /// Why it failed, once it has.
    pub failed: Option<String>,
}

/// What becomes of the version that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old {
    /// It becomes `previous`.
    Kept,
    /// The same image is laid again, or the one there is on trial: `previous` stays what it is.
    Dropped,
}

type Step = fn(&Incoming<'_>) -> Result<(), FileError>;

/// The steps, each durable when it returns.
pub const STEPS: [(&str, Step); 7] = [
    ("make the app's folder", make_folder),
    ("clear what a broken installation left", |incoming| recover(&incoming.folder)),
    ("lay image and envelope", lay),
    ("set the old version aside", set_aside),
    ("clear a version away that gives way", |incoming| match incoming.waited {
        Waited::Yes => Ok(()),
        Waited::No => drop_waiting(&incoming.folder),
    }),
    ("switch", |incoming| put(incoming, CURRENT)),
    ("clear away the old version, and one that waited", |incoming| {
        recover(&incoming.folder)?;
        drop_waiting(&incoming.folder)
    }),
];

/// Does all steps.
pub fn install(incoming: &Incoming<'_>) -> Result<(), FileError> {
    for (_, step) in STEPS {
        step(incoming)?;
    }
    Ok(())
}

/// Has a sealed version wait beside the installed one, in place of another that waits: durable when it returns, and a power cut
/// leaves one of the two.
pub fn set_waiting(incoming: &Incoming<'_>) -> Result<(), FileError> {
    recover(&incoming.folder)?;
    lay(incoming)?;
    put(incoming, WAITING)?;
    recover(&incoming.folder)
}

/// Clears a version away that waits, if one does.
pub fn drop_waiting(folder: &Path) -> Result<(), FileError> {
    folders::remove_flat(&folder.join(WAITING))?;
    files::sync_folder(folder)
}

/// Image and envelope of a version that lies in this folder.
pub fn open(version: &Path) -> Result<(OwnedFd, OwnedFd), FileError> {
    let part = |name| files::open_regular(version.join(name), OFlags::RDONLY | OFlags::NOFOLLOW);
    Ok((part(IMAGE)?.into(), part(ENVELOPE)?.into()))
}

/// Clears away what an installation or a return that was cut off left in an app's folder. Also the last step of one that was
/// not.
pub fn recover(folder: &Path) -> Result<(), FileError> {
    folders::remove_flat(&folder.join(INCOMING))?;
    folders::remove_flat(&folder.join(RETIRED))?;
    if failed(folder).is_some() {
        [IMAGE, ENVELOPE].iter().try_for_each(|name| files::remove(folder.join(PREVIOUS).join(name)))?;
    }
    files::sync_folder(folder)
}

/// [`recover`], and what was never installed leaves no folder: nobody could have it removed.
pub fn clear(folder: &Path) -> Result<(), FileError> {
    if !folders::exists(folder) {
        return Ok(());
    }
    recover(folder)?;
    if folders::exists(&folder.join(CURRENT)) { Ok(()) } else { folders::remove_empty(folder) }
}

/// The trial that the installed version is on.
pub fn trial(folder: &Path) -> Option<Trial> {
    mark(&folder.join(CURRENT))
}

/// The update that failed last, if nothing was installed since.
pub fn failed(folder: &Path) -> Option<Trial> {
    mark(&folder.join(PREVIOUS))
}

/// One that cannot be read is a mark all the same.
fn mark(version: &Path) -> Option<Trial> {
    match files::read(version.join(TRIAL), TRIAL_LIMIT) {
        Err(e) if e.is_missing() => None,
        read => Some(read::json("trial", &read.unwrap_or_default(), TRIAL_LIMIT).unwrap_or_default()),
    }
}

/// The installed version has proved itself.
pub fn keep(folder: &Path) -> Result<(), FileError> {
    files::remove(folder.join(CURRENT).join(TRIAL))?;
    files::sync_folder(folder.join(CURRENT))
}

type ReturnStep = fn(&Path, &Trial) -> Result<(), FileError>;

/// The steps of a return, each durable when it returns. Before the second the trial goes on after a power cut.
pub const RETURN_STEPS: [(&str, ReturnStep); 3] = [
    ("write down why", |folder, trial| write_mark(&folder.join(CURRENT), trial)),
    ("switch back", |folder, _| {
        rename(&folder.join(PREVIOUS), &folder.join(CURRENT), RenameFlags::EXCHANGE)?;
        files::sync_folder(folder)
    }),
    ("clear the failed version away", |folder, _| recover(folder)),
];

/// Brings the version before back; `trial` tells why.
pub fn go_back(folder: &Path, trial: &Trial) -> Result<(), FileError> {
    RETURN_STEPS.iter().try_for_each(|(_, step)| step(folder, trial))
}

fn write_mark(version: &Path, trial: &Trial) -> Result<(), FileError> {
    let path = version.join(TRIAL);
    let bytes = serde_json::to_vec(trial).map_err(|e| FileError::new("write", &path, std::io::Error::other(e)))?;
    files::write_durably(path, &bytes, 0o600)
}

/// Removes an app's folder with both versions.
pub fn remove(folder: &Path) -> Result<(), FileError> {
    if !folders::exists(folder) {
        return Ok(());
    }
    // The order matters for a power cut: without `current` the app is gone.
    for name in [CURRENT, WAITING, PREVIOUS, INCOMING, RETIRED] {
        folders::remove_flat(&folder.join(name))?;
        files::sync_folder(folder)?;
    }
    folders::remove_empty(folder)?;
    folder.parent().map_or(Ok(()), files::sync_folder)
}

fn make_folder(incoming: &Incoming<'_>) -> Result<(), FileError> {
    files::make_folder(&incoming.folder, 0o700)?;
    incoming.folder.parent().map_or(Ok(()), files::sync_folder)
}

fn lay(incoming: &Incoming<'_>) -> Result<(), FileError> {
    let laid = incoming.folder.join(INCOMING);
    files::make_folder(&laid, 0o700)?;
    name(incoming.image, &laid.join(IMAGE))?;
    files::write_durably(laid.join(ENVELOPE), incoming.envelope, 0o600)?;
    incoming.trial.iter().try_for_each(|trial| write_mark(&laid, trial))?;
    files::sync_folder(&incoming.folder)
}

/// Gives an open file a name, the first one or another, by its place in /proc (open(2), O_TMPFILE).
pub fn name(file: BorrowedFd<'_>, path: &Path) -> Result<(), FileError> {
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW).map_err(|e| FileError::new("link", path, e))
}

/// `previous` becomes a second name of the files of `current`, which stays in place until the switch.
fn set_aside(incoming: &Incoming<'_>) -> Result<(), FileError> {
    let (current, retired, previous) =
        (incoming.folder.join(CURRENT), incoming.folder.join(RETIRED), incoming.folder.join(PREVIOUS));
    if incoming.old == Old::Dropped || !folders::exists(&current) {
        return Ok(());
    }
    files::make_folder(&retired, 0o700)?;
    for name in [IMAGE, ENVELOPE] {
        let (from, to) = (current.join(name), retired.join(name));
        linkat(CWD, &from, CWD, &to, AtFlags::empty()).map_err(|e| FileError::new("link", &to, e))?;
    }
    files::sync_folder(&retired)?;
    folders::remove_flat(&previous)?;
    rename(&retired, &previous, RenameFlags::NOREPLACE)?;
    files::sync_folder(&incoming.folder)
}

/// The moment of truth: one rename, which exchanges what is laid and what has this name, if anything has.
fn put(incoming: &Incoming<'_>, name: &str) -> Result<(), FileError> {
    let (laid, place) = (incoming.folder.join(INCOMING), incoming.folder.join(name));
    let how = if folders::exists(&place) { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
    rename(&laid, &place, how)?;
    files::sync_folder(&incoming.folder)
}

fn rename(from: &Path, to: &Path, how: RenameFlags) -> Result<(), FileError> {
    renameat_with(CWD, from, CWD, to, how).map_err(|e| FileError::new("rename", from, e))
}

#[cfg(test)]
mod tests;
