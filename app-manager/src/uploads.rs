//! Bundles that are on their way in: unnamed files on the data partition, which vanish by themselves when anything breaks.
//!
//! Whoever uploads writes into a pipe, and this daemon from there into the file, unread, as much as was announced and no
//! byte more: what meets the network never holds a descriptor by which it could fill the disk.

use crate::{fault::Fault, launch::pipe};
use linux::files::{self, FileError};
use manifest::{
    api::ErrorClass,
    bundle::{BLOCK, BUNDLE_LIMIT, TRAILER_LEN},
    quantity::Bytes,
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{FallocateFlags, Mode, OFlags, fallocate, fchmod, fstatvfs},
    io::Errno,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// Uploads at once: one owner's tool, and one that was forgotten.
pub const UPLOADS_LIMIT: usize = 2;
/// An upload that does not grow for this long is forgotten.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(60);
/// Bytes that are taken at once: what a pipe holds (pipe(7)).
const TAKEN_AT_ONCE: usize = 64 * 1024;
/// Pieces that may wait when an upload is committed: its writer may have made the pipe larger, up to a MiB (pipe(7)).
const LAST_PIECES: usize = 16;
/// What stays free for logs, events and the apps' own storage.
const RESERVE: u64 = 4 * 1024 * 1024;

/// The open uploads.
pub struct Uploads {
    folder: PathBuf,
    open: BTreeMap<u64, Upload>,
    next: u64,
}

struct Upload {
    file: OwnedFd,
    /// Where the bytes come from; none when no more are taken.
    pipe: Option<OwnedFd>,
    size: u64,
    written: u64,
    grew_at: Duration,
    /// Why no more are taken, where that is not the end.
    fault: Option<Fault>,
}

impl Uploads {
    /// Uploads into `folder`; `first` is the first token, so that one of an earlier process means nothing.
    pub fn new(folder: impl Into<PathBuf>, first: u64) -> Self {
        Self { folder: folder.into(), open: BTreeMap::new(), next: first }
    }

    /// Makes room for a bundle of `size` bytes. Returns the token and the end of the pipe to write it to.
    pub fn begin(&mut self, size: u64, now: Duration) -> Result<(u64, OwnedFd), Fault> {
        let least = BLOCK + TRAILER_LEN as u64;
        if !(least..=BUNDLE_LIMIT).contains(&size) {
            let message = format!("a bundle of {size} bytes cannot be installed: {least} to {BUNDLE_LIMIT} are allowed");
            return Err(Fault::new(ErrorClass::BadInput, message));
        }
        self.expire(now);
        if self.open.len() >= UPLOADS_LIMIT {
            let message = format!("{UPLOADS_LIMIT} installations are under way, that is the limit");
            let hint = format!("wait for one to end; an abandoned one is forgotten after {} s", ABANDONED_AFTER.as_secs());
            return Err(Fault::with_hint(ErrorClass::Conflict, message, hint));
        }
        let file = unnamed(&self.folder)?;
        reserve(&file, size, &self.folder)?;
        let (pipe, writer) = pipe()?;
        let token = self.next;
        self.next += 1;
        self.open.insert(token, Upload { file, pipe: Some(pipe), size, written: 0, grew_at: now, fault: None });
        Ok((token, writer))
    }

    /// The end of an upload's pipe to wait at; none when no more is taken.
    pub fn pipe(&self, token: u64) -> Option<&OwnedFd> {
        self.open.get(&token)?.pipe.as_ref()
    }

    /// Takes what waits in an upload's pipe, at most [`TAKEN_AT_ONCE`].
    pub fn receive(&mut self, token: u64, now: Duration) {
        if let Some(upload) = self.open.get_mut(&token) {
            upload.take(&self.folder, now);
        }
    }

    /// Takes a finished upload over for reading. Our own writable descriptor is closed here.
    pub fn commit(&mut self, token: u64) -> Result<OwnedFd, Fault> {
        let mut upload = self.open.remove(&token).ok_or_else(|| unknown(token))?;
        for _ in 0..=LAST_PIECES {
            upload.take(&self.folder, Duration::ZERO);
        }
        if let Some(fault) = upload.fault {
            return Err(fault);
        }
        if upload.written != upload.size {
            let message = format!("the upload has {} bytes, {} were announced: it broke off", upload.written, upload.size);
            return Err(Fault::with_hint(ErrorClass::BadInput, message, "upload the bundle again"));
        }
        Ok(files::reopen(upload.file.as_fd(), OFlags::RDONLY)?)
    }

    /// Forgets an upload; its space is free at once.
    pub fn abort(&mut self, token: u64) -> Result<(), Fault> {
        self.open.remove(&token).map(drop).ok_or_else(|| unknown(token))
    }

    /// Forgets uploads that do not grow any more.
    pub fn expire(&mut self, now: Duration) {
        self.open.retain(|token, upload| {
            let alive = now.saturating_sub(upload.grew_at) < ABANDONED_AFTER;
            if !alive {
                linux::log::notice(format!("upload {token} was abandoned at {} of {} bytes", upload.written, upload.size));
            }
            alive
        });
    }

    /// Whether [`Uploads::expire`] has anything to look after.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

impl Upload {
    /// Takes a piece, if one waits.
    fn take(&mut self, folder: &Path, now: Duration) {
        let Some(pipe) = &self.pipe else { return };
        let mut bytes = vec![0; TAKEN_AT_ONCE];
        let count = match rustix::io::read(pipe, &mut bytes) {
            Err(Errno::AGAIN | Errno::INTR) => return,
            Ok(0) | Err(_) => return self.pipe = None,
            Ok(count) => count,
        };
        self.written += count as u64;
        self.grew_at = now;
        if self.written > self.size {
            let message = format!("the upload is longer than the {} bytes that were announced", self.size);
            self.fault = Some(Fault::new(ErrorClass::BadInput, message));
        } else if let Err(e) = write_all(&self.file, bytes.get(..count).unwrap_or_default()) {
            self.fault = Some(FileError::new("write an upload to", folder, e).into());
        }
        if self.fault.is_some() {
            self.pipe = None;
        }
    }
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// A file without a name (O_TMPFILE), readable for launcher, which will mount it by its descriptor: only app-manager and
/// launcher can enter the folder where it gets its name.
fn unnamed(folder: &Path) -> Result<OwnedFd, FileError> {
    let file = files::open(folder, OFlags::RDWR | OFlags::TMPFILE)?;
    fchmod(&file, Mode::from_raw_mode(0o644)).map_err(|e| FileError::new("set the mode of an upload in", folder, e))?;
    Ok(file)
}

/// Refuses what does not fit beside the reserve, and takes the space, so that a full disk is told now and not halfway.
fn reserve(file: &OwnedFd, size: u64, folder: &Path) -> Result<(), Fault> {
    let disk = fstatvfs(file).map_err(|e| FileError::new("measure", folder, e))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    // The Merkle tree of fs-verity: 32 bytes per block, on each level of it.
    let needed = size + size / 100 + RESERVE;
    if needed > free {
        return Err(no_space(size, free));
    }
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
        Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
        Err(Errno::NOSPC | Errno::DQUOT) => Err(no_space(size, free)),
        Err(e) => Err(FileError::new("reserve space in", folder, e).into()),
    }
}

fn no_space(size: u64, free: u64) -> Fault {
    let message = format!(
        "a bundle of {size} bytes does not fit: {free} bytes are free, {} of them are kept for logs and events",
        Bytes(RESERVE)
    );
    Fault::with_hint(ErrorClass::NoSpace, message, "remove an app that is not needed any more")
}

fn unknown(token: u64) -> Fault {
    Fault::with_hint(
        ErrorClass::NotFound,
        format!("there is no upload {token}: it was committed, aborted or abandoned"),
        "upload the bundle again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::{pread, read, write};

    const NOW: Duration = Duration::ZERO;

    fn uploads() -> (tempfile::TempDir, Uploads) {
        let folder = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(folder.path(), 7);
        (folder, uploads)
    }

    #[test]
    fn an_upload_is_written_by_the_one_and_read_by_the_other() {
        let (folder, mut uploads) = uploads();
        let (token, writer) = uploads.begin(5000, NOW).unwrap();
        assert!(read(&writer, &mut [0; 1]).is_err());
        write(&writer, &[1; 3000]).unwrap();
        uploads.receive(token, NOW);
        write(&writer, &[1; 2000]).unwrap();
        drop(writer);
        let reader = uploads.commit(token).unwrap();
        assert_eq!(pread(&reader, &mut [0; 9000], 0).unwrap(), 5000);
        assert!(write(&reader, b"x").is_err());
        assert!(uploads.commit(token).is_err());
        assert!(files::list(folder.path(), 10).unwrap().is_empty());
    }

    #[test]
    fn who_uploads_cannot_write_more_than_was_announced_nor_take_disk_space_otherwise() {
        let (_folder, mut uploads) = uploads();
        let (token, writer) = uploads.begin(5000, NOW).unwrap();
        // Whatever one may do with a file: it is none.
        assert!(fallocate(&writer, FallocateFlags::empty(), 0, 1 << 30).is_err());
        assert!(rustix::fs::ftruncate(&writer, 1 << 30).is_err());
        assert!(rustix::fs::seek(&writer, rustix::fs::SeekFrom::Start(1 << 30)).is_err());
        for _ in 0..16 {
            let _ = write(&writer, &[1; 4096]);
            uploads.receive(token, NOW);
        }
        let size = rustix::fs::fstat(&uploads.open[&token].file).unwrap().st_size;
        assert!(size <= 5000, "{size} bytes lie on the disk, 5000 were announced");
        assert_eq!(write(&writer, &[1]), Err(Errno::PIPE));
        let fault = uploads.commit(token).unwrap_err();
        assert!(fault.class() == ErrorClass::BadInput && fault.to_string().contains("longer than the 5000 bytes"), "{fault}");
    }

    #[test]
    fn what_waits_in_the_pipe_beyond_the_size_is_found_when_the_upload_is_committed() {
        let (_folder, mut uploads) = uploads();
        let (token, writer) = uploads.begin(5000, NOW).unwrap();
        write(&writer, &[1; 5001]).unwrap();
        assert_eq!(uploads.commit(token).unwrap_err().class(), ErrorClass::BadInput);
    }

    #[test]
    fn sizes_out_of_bounds_and_uploads_that_broke_off_are_refused() {
        let (_folder, mut uploads) = uploads();
        for size in [0, 4096, BUNDLE_LIMIT + 1, u64::MAX] {
            assert_eq!(uploads.begin(size, NOW).unwrap_err().class(), ErrorClass::BadInput);
        }
        let (token, writer) = uploads.begin(5000, NOW).unwrap();
        write(&writer, &[1; 4999]).unwrap();
        assert_eq!(uploads.commit(token).unwrap_err().class(), ErrorClass::BadInput);
    }

    #[test]
    fn a_third_upload_waits_until_one_is_abandoned() {
        let (_folder, mut uploads) = uploads();
        let (first, writer) = uploads.begin(5000, NOW).unwrap();
        uploads.begin(5000, NOW).unwrap();
        assert_eq!(uploads.begin(5000, NOW).unwrap_err().class(), ErrorClass::Conflict);
        write(&writer, b"grows").unwrap();
        uploads.receive(first, ABANDONED_AFTER / 2);
        uploads.begin(5000, ABANDONED_AFTER).unwrap();
        uploads.abort(first).unwrap();
        assert_eq!(uploads.abort(first).unwrap_err().class(), ErrorClass::NotFound);
    }
}
