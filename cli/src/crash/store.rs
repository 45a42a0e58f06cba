//! The symbols of what was built, by build id: bundles are stripped, and who reads a crash of one needs what was taken out.
//!
//! A store is a folder of unstripped programs, `.build-id/ab/cdef….debug`, as gdb wants it (`set debug-file-directory`). What `holdfast app build` puts there stays: it belongs to
//! the bundle as long as a device runs it. What `holdfast app dev` builds all day is pruned.

use super::build_id::BuildId;
use crate::{
    bundle::tree::{Entry, Source, Tree},
    files,
};
use object::{Object, ObjectSection, read::elf::ElfFile64};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// How long symbols are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Until somebody deletes them.
    Always,
    /// Until so many newer ones are there.
    Newest(usize),
}

/// The symbols of a project.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    keep: Keep,
}

impl Store {
    /// Below the project's folder for symbols.
    pub fn new(symbols: &Path, keep: Keep) -> Self {
        let folder = match keep {
            Keep::Always => symbols.to_owned(),
            Keep::Newest(_) => symbols.join(DEV),
        };
        Self { folder, keep }
    }

    /// Keeps an unstripped program. One without a build id is not kept: nothing could find it.
    pub fn add(&self, program: &Path) -> io::Result<Option<PathBuf>> {
        let Some(id) = BuildId::of_file(program)? else { return Ok(None) };
        let kept = self.folder.join(id.place());
        fs_err::create_dir_all(kept.parent().unwrap_or(&self.folder))?;
        let mut from = fs_err::File::open(program)?;
        files::replace(&kept, |to| io::copy(&mut from, to).map(drop))?;
        if let Keep::Newest(count) = self.keep {
            prune(&self.folder, count)?;
        }
        Ok(Some(kept))
    }

    /// Keeps several; where they are.
    pub fn add_all(&self, programs: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
        programs.iter().filter_map(|path| self.add(path).transpose()).collect()
    }
}

/// The unstripped program for each one in `tree`, as they lie below the folder `built`, or in the tree itself.
pub fn unstripped(tree: &Tree, built: &Path) -> io::Result<Vec<PathBuf>> {
    let mut wanted = BTreeMap::new();
    for (_, entry) in tree.iter() {
        if let Entry::File { source: Source::Host(path), .. } = entry
            && let Some(id) = BuildId::of_file(path)?
        {
            wanted.insert(id, None);
        }
    }
    for path in files_below(built)? {
        if let Some(id) = BuildId::of_file(&path)?
            && let Some(found @ None) = wanted.get_mut(&id)
            && has_symbols(&path)?
        {
            *found = Some(path);
        }
    }
    Ok(wanted.into_values().flatten().collect())
}

/// Whether a debugger finds more in this file than in a stripped one.
fn has_symbols(path: &Path) -> io::Result<bool> {
    let bytes = files::read(path, PROGRAM_LIMIT)?;
    let Ok(file) = ElfFile64::<object::Endianness>::parse(bytes.as_slice()) else { return Ok(false) };
    Ok(file.sections().any(|section| matches!(section.name(), Ok(".debug_line" | ".zdebug_line" | ".symtab"))))
}

/// Regular files below a folder, sorted; no link is followed. More than any build makes are not looked at.
pub fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut folders, mut found, mut seen) = (vec![(folder.to_owned(), 0)], Vec::new(), 0);
    'all: while let Some((folder, depth)) = folders.pop() {
        for entry in fs_err::read_dir(&folder)? {
            let entry = entry?;
            seen += 1;
            if seen > ENTRIES_LIMIT {
                break 'all;
            }
            let kind = entry.file_type()?;
            if kind.is_file() {
                found.push(entry.path());
            } else if kind.is_dir() && depth < DEPTH_LIMIT {
                folders.push((entry.path(), depth + 1));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Removes all but the newest.
fn prune(folder: &Path, count: usize) -> io::Result<()> {
    let mut kept = Vec::new();
    for path in files_below(folder)?.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "debug")) {
        kept.push((fs_err::metadata(&path)?.modified()?, path));
    }
    kept.sort();
    let too_many = kept.len().saturating_sub(count);
    kept.into_iter().take(too_many).try_for_each(|(_, path)| fs_err::remove_file(path))
}

/// Folder inside a store of what is not kept for long.
pub const DEV: &str = "dev";
/// Largest program with symbols that is read.
pub const PROGRAM_LIMIT: u64 = 1 << 30;
/// Entries of a folder, and of those in it, that are looked at.
const ENTRIES_LIMIT: usize = 50_000;
/// How deep folders are looked into.
const DEPTH_LIMIT: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(to: &Path, flags: &[&str]) {
        let source = to.with_extension("c");
        fs_err::write(&source, "int main(void) { return 0; }").unwrap();
        let made = std::process::Command::new("cc").args(flags).args(["-Wl,--build-id", "-o"]).arg(to).arg(&source).output();
        assert!(made.as_ref().unwrap().status.success(), "{made:?}");
    }

    #[test]
    fn symbols_are_found_beside_a_stripped_program_by_its_build_id() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs_err::create_dir_all(at("build/out/root")).unwrap();
        compile(&at("build/out/app"), &["-g1"]);
        compile(&at("build/out/other"), &["-g1", "-O2"]);
        let strip = std::process::Command::new("strip").arg("-o").arg(at("build/out/root/app")).arg(at("build/out/app")).status();
        assert!(strip.unwrap().success());
        let tree = crate::bundle::folder::read(&at("build/out/root")).unwrap();
        let kept = Store::new(&at("symbols"), Keep::Always).add_all(&unstripped(&tree, &at("build")).unwrap()).unwrap();
        let id = BuildId::of_file(&at("build/out/app")).unwrap().unwrap();
        assert_eq!(kept, [at("symbols").join(id.place())]);
        assert_eq!(fs_err::read(&kept[0]).unwrap(), fs_err::read(at("build/out/app")).unwrap());
    }

    #[test]
    fn what_is_built_all_day_does_not_fill_the_disk() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::new(place.path(), Keep::Newest(2));
        for (n, constant) in ["-DA=1", "-O1", "-O2"].into_iter().enumerate() {
            let program = place.path().join(format!("app{n}"));
            compile(&program, &["-g1", constant]);
            store.add(&program).unwrap().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let left = files_below(&place.path().join("dev")).unwrap();
        let last = BuildId::of_file(&place.path().join("app2")).unwrap().unwrap();
        assert!(left.len() == 2 && left.iter().any(|path| path.ends_with(last.place())), "{left:?}");
    }
}
