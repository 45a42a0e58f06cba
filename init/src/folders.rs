//! Folders that services own: made before anything starts, with owner and mode as the service table says.

use crate::{phases::Boot, problem::Problem};
use linux::files;
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
            files::make_folder(path, folder.mode.0)?;
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
    above.into_iter().rev().try_for_each(|folder| Ok(files::make_folder(folder, 0o755)?))
}
