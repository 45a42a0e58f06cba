//! Finds the files that belong to a crash report's modules, by build id and nothing else.
//!
//! Paths and names in a report come from the device and name nothing here: of a library only its file's name is looked up,
//! in the folders that libraries are packed from.

use super::{
    build_id::BuildId,
    dump::Module,
    store::{DEV, PROGRAM_LIMIT, files_below},
};
use crate::{bundle::program::library_folders, files};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Files of one module: a stripped one, its symbols, and one to spare.
const FILES_LIMIT: usize = 3;
/// Where distributions put the symbols of what they build.
const DEBUG_FILES: &str = "/usr/lib/debug";

/// Where to look.
#[derive(Debug, Default)]
pub struct Search {
    /// Files and folders that somebody named.
    pub given: Vec<PathBuf>,
    /// Folders of symbols by build id.
    pub stores: Vec<PathBuf>,
    /// Also among this machine's own libraries.
    pub system: bool,
}

/// A file that belongs to a module.
#[derive(Debug)]
pub struct Found {
    /// Index of the module.
    pub module: usize,
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Why symbols that somebody named are of no use.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Could not look.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file without a build id.
    #[error("{} has no build id, so nothing says whether it belongs to the report", .0.display())]
    NoBuildId(PathBuf),
    /// A file of another build.
    #[error("{} has the build id {found}, and the report has {expected}", file.display())]
    OtherBuild {
        /// The file.
        file: PathBuf,
        /// Its build id.
        found: BuildId,
        /// Modules of the report with theirs.
        expected: String,
    },
}

/// Finds and reads the files of all modules.
pub fn find(modules: &[Module], search: &Search) -> Result<Vec<Found>, FindError> {
    let mut found = Finds { modules, found: Vec::new() };
    for given in &search.given {
        if fs_err::metadata(given)?.is_dir() {
            for path in files_below(given)? {
                if let Some(id) = BuildId::of_file(&path)? {
                    found.take(&path, &id)?;
                }
            }
        } else {
            let id = BuildId::of_file(given)?.ok_or_else(|| FindError::NoBuildId(given.clone()))?;
            if !found.take(given, &id)? {
                return Err(FindError::OtherBuild { file: given.clone(), found: id, expected: expected(modules) });
            }
        }
    }
    for module in modules {
        let Some(id) = &module.build_id else { continue };
        for path in candidates(module, id, search).into_iter().filter(|path| path.is_file()) {
            if BuildId::of_file(&path)?.as_ref() == Some(id) {
                found.take(&path, id)?;
            }
        }
    }
    Ok(found.found)
}

/// Where a module's files may be.
fn candidates(module: &Module, id: &BuildId, search: &Search) -> Vec<PathBuf> {
    let file = id.place();
    let mut paths: Vec<PathBuf> =
        search.stores.iter().flat_map(|store| [store.join(&file), store.join(DEV).join(&file)]).collect();
    if search.system {
        let name = Path::new(&module.name).file_name().unwrap_or_default();
        paths.extend(library_folders().map(|folder| Path::new(folder).join(name)));
        paths.push(Path::new(DEBUG_FILES).join(file));
    }
    paths
}

fn expected(modules: &[Module]) -> String {
    let mut words: Vec<String> =
        modules.iter().filter_map(|module| Some(format!("{} of {}", module.build_id.as_ref()?, module.name))).collect();
    let more = words.len().saturating_sub(3);
    words.truncate(3);
    if more > 0 {
        words.push(format!("{more} more"));
    }
    if words.is_empty() { "none".into() } else { words.join(", ") }
}

struct Finds<'a> {
    modules: &'a [Module],
    found: Vec<Found>,
}

impl Finds<'_> {
    /// Whether a file belongs to a module; it is kept unless the module has enough.
    fn take(&mut self, path: &Path, id: &BuildId) -> io::Result<bool> {
        let Some(module) = self.modules.iter().position(|module| module.build_id.as_ref() == Some(id)) else { return Ok(false) };
        let path = fs_err::canonicalize(path)?;
        let of_it = self.found.iter().filter(|found| found.module == module);
        if of_it.clone().all(|found| found.path != path) && of_it.count() < FILES_LIMIT {
            let bytes = files::read(&path, PROGRAM_LIMIT)?;
            self.found.push(Found { module, path, bytes });
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, build_id: &BuildId) -> Module {
        Module { name: name.into(), range: 0..1, build_id: Some(build_id.clone()) }
    }

    #[test]
    fn a_named_file_of_another_build_is_refused_with_both_ids_and_one_in_a_folder_is_passed_over() {
        let place = tempfile::tempdir().unwrap();
        fs_err::copy("/bin/true", place.path().join("a-copy")).unwrap();
        fs_err::copy("/bin/ls", place.path().join("another")).unwrap();
        let (id, other) = ["/bin/true", "/bin/ls"].map(|path| BuildId::of_file(Path::new(path)).unwrap().unwrap()).into();
        let modules = [module("/bin/app", &id)];
        let search = |given: &Path| Search { given: vec![given.to_owned()], ..Search::default() };
        let found = find(&modules, &search(place.path())).unwrap();
        assert_eq!(found.iter().map(|found| found.path.file_name().unwrap()).collect::<Vec<_>>(), ["a-copy"]);
        let refused = find(&modules, &search(Path::new("/bin/ls"))).unwrap_err().to_string();
        assert!(refused.contains(&other.to_string()) && refused.contains(&format!("{id} of /bin/app")), "{refused}");
        assert!(matches!(find(&modules, &search(Path::new("/etc/passwd"))), Err(FindError::NoBuildId(_))));
        assert!(matches!(find(&modules, &search(Path::new("/nonexistent"))), Err(FindError::Io(_))));
    }

    #[test]
    fn stores_are_looked_into_by_build_id_and_this_machines_libraries_by_name() {
        let place = tempfile::tempdir().unwrap();
        let id = BuildId::of_file(Path::new("/bin/true")).unwrap().unwrap();
        let kept = place.path().join(DEV).join(id.place());
        fs_err::create_dir_all(kept.parent().unwrap()).unwrap();
        fs_err::copy("/bin/true", kept).unwrap();
        let libc = library_folders().map(|folder| Path::new(folder).join("libc.so.6")).find(|path| path.is_file()).unwrap();
        let modules = [
            module("/bin/app", &id),
            module("/lib/x86_64-linux-gnu/libc.so.6", &BuildId::of_file(&libc).unwrap().unwrap()),
            module("/lib/../../etc/libc.so.6", &id),
        ];
        let search = Search { stores: vec![place.path().to_owned()], system: true, ..Search::default() };
        let mut found: Vec<usize> = find(&modules, &search).unwrap().iter().map(|found| found.module).collect();
        // Where the distribution's symbols are installed, there are two files of the library.
        found.dedup();
        assert_eq!(found, [0, 1]);
    }
}
