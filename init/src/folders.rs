//! Folders that services own: made before anything starts, with owner and mode as the service table says.

use crate::{phases::Boot, problem::Problem, say};
use linux::files::{self, FileError};
use manifest::places;
use rustix::fs::{AtFlags, CWD, Gid, Mode, Uid, chmodat, chownat};
use std::path::Path;

/// Makes init's own folders below `/run`, then those of the table.
pub fn make(boot: &mut Boot) -> Result<(), Problem> {
    files::make_folder(places::IPC, 0o755)?;
    files::make_folder(places::NOTIFY, 0o711)?;
    for service in &boot.table()?.services {
        for folder in &service.folders {
            let path = Path::new(folder.path.as_str());
            parents(path)?;
            in_place_of_all_else(path, folder.mode.0)?;
            let what = || format!("give {} to {}", path.display(), service.name);
            let gid = folder.gid.unwrap_or(service.gid);
            chownat(CWD, path, Some(Uid::from_raw(service.uid)), Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(Problem::kernel(what()))?;
            // Again, for a folder that an earlier image made with another mode.
            chmodat(CWD, path, Mode::from_raw_mode(folder.mode.0), AtFlags::empty()).map_err(Problem::kernel(what()))?;
        }
    }
    Ok(())
}

/// Makes what is above, owned by root.
fn parents(path: &Path) -> Result<(), Problem> {
    let above: Vec<&Path> = path.ancestors().skip(1).filter(|folder| !folder.is_dir()).collect();
    above.into_iter().rev().try_for_each(|folder| Ok(in_place_of_all_else(folder, 0o755)?))
}

/// Makes a folder if it is not there. A file or a link at its place is nobody's, and with it the device would restart for ever.
pub fn in_place_of_all_else(path: impl AsRef<Path>, mode: u32) -> Result<(), FileError> {
    let path = path.as_ref();
    if path.is_symlink() || (path.exists() && !path.is_dir()) {
        say::error(format_args!("{} is no folder: it goes, and a folder takes its place", path.display()));
        files::remove(path)?;
    }
    files::make_folder(path, mode)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test arranges its files as it likes")]
mod tests {
    use super::*;

    #[test]
    fn a_file_or_a_link_gives_way_to_a_folder_and_a_folder_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name| folder.path().join(name);
        std::fs::create_dir(at("folder")).unwrap();
        std::fs::write(at("folder/kept"), "").unwrap();
        std::fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink(at("folder"), at("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        for name in ["folder", "file", "link", "dangling", "new"] {
            in_place_of_all_else(at(name), 0o700).unwrap();
            let about = std::fs::symlink_metadata(at(name)).unwrap();
            assert!(about.is_dir(), "{name}");
        }
        assert!(at("folder/kept").exists());
        parents(&at("file/below/it")).unwrap();
        std::fs::write(at("file/below/it"), "").unwrap();
        parents(&at("file/below/it/again")).unwrap();
        assert!(at("file/below/it").is_dir());
    }
}
