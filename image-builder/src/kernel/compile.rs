//! The kernel's build. Whatever could differ between two machines is pinned: time, user, host, seeds of the compiler
//! and of structure randomization (Documentation/kbuild/reproducible-builds.rst). The source folder's own path does
//! not reach the result: kbuild compiles with relative names.

use super::{KernelError, Recipe, Seeds};
use crate::{
    command::Outside,
    files,
    progress::{Advance, Progress},
};
use sha2::{Digest, Sha256};
use std::{path::Path, time::Instant};

/// Builds the kernel into `place`, by way of a folder beside it that is renamed when all is done. A build that was
/// interrupted goes on where it was: kbuild notes each object only after it is whole.
pub fn compile(recipe: &Recipe, place: &Path, jobs: Option<usize>, progress: &mut dyn Progress) -> Result<(), KernelError> {
    let work = place.with_extension("building");
    let source = work.join("source");
    let prepared = work.join("prepared");
    if prepared.exists() {
        progress.note(&format!("an interrupted build of this kernel goes on: {}", work.display()));
    } else {
        prepare(recipe, &work, &source, progress)?;
        files::write(&prepared, b"")?;
    }
    make_image(recipe, &source, jobs, progress)?;
    check_seed(recipe, &source)?;

    let done = work.join("done");
    files::make_folder(&done)?;
    files::copy(&source.join("arch/x86/boot/bzImage"), &done.join("bzImage"), 0o644)?;
    files::copy(&source.join(".config"), &done.join("config"), 0o644)?;
    files::copy(&source.join("System.map"), &done.join("System.map"), 0o644)?;
    files::remove_folder(place)?;
    std::fs::rename(&done, place).map_err(files::FileError::of("rename to", place))?;
    Ok(files::remove_folder(&work)?)
}

/// Lays out the source and configures it.
fn prepare(recipe: &Recipe, work: &Path, source: &Path, progress: &mut dyn Progress) -> Result<(), KernelError> {
    files::remove_folder(work)?;
    files::make_folder(source)?;
    recipe.source.lay_into(source, progress)?;
    let fragment = work.join("fragment");
    files::write(&fragment, (recipe.fragment.settings.join("\n") + "\n").as_bytes())?;
    files::write(&source.join(SEED_SCRIPT), seed_script(&recipe.seeds).as_bytes())?;
    make(source, &recipe.seeds).env("KCONFIG_ALLCONFIG", &fragment).arg("allnoconfig").run(progress)?;
    let config = files::read_text(&source.join(".config"))?;
    Ok(recipe.fragment.check(&config)?)
}

/// What takes the place of kbuild's script for the seed of structure randomization, which draws a random one. A seed file
/// laid beforehand, as kbuild's documentation has it, is overwritten by that script.
fn seed_script(seeds: &Seeds) -> String {
    let seed = seeds.randstruct.as_str();
    let digest = files::hex(&Sha256::digest(seed));
    format!("#!/bin/sh\necho {seed} >\"$1\"\necho '#define RANDSTRUCT_HASHED_SEED \"{digest}\"' >\"$2\"\n")
}

/// Our seed was the one that was used: with another one the kernel would work all the same, and nobody would know.
fn check_seed(recipe: &Recipe, source: &Path) -> Result<(), KernelError> {
    let found = files::read_text(&source.join("scripts/basic/randstruct.seed"))?;
    if found.trim() == recipe.seeds.randstruct.as_str() { Ok(()) } else { Err(KernelError::Seed) }
}

fn make_image(recipe: &Recipe, source: &Path, jobs: Option<usize>, progress: &mut dyn Progress) -> Result<(), KernelError> {
    let jobs = jobs.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
    let expected = EXPECTED_OBJECTS.saturating_sub(objects_in(source)?);
    let begun = Instant::now();
    let mut objects = 0;
    // Niced, because for ten minutes the machine should still be good for something else.
    // It ends with its parent: left behind, it would write into the folder that the next build goes on in.
    let command = Outside::new("setpriv", "util-linux").args(["--pdeathsig", "TERM", "nice", "-n", "10"]);
    let command = command.args(make_words(&recipe.seeds));
    let command = command.arg(format!("-j{jobs}")).arg("bzImage").current_dir(source);
    pinned(command, &recipe.seeds).run_lines(progress, |progress, line| {
        if COMPILES.iter().any(|word| line.starts_with(word)) {
            objects += 1;
            progress.advance(Advance::estimate(objects, expected.max(objects), begun.elapsed()));
        }
    })?;
    Ok(())
}

/// Objects that an interrupted build has left.
fn objects_in(folder: &Path) -> Result<usize, files::FileError> {
    let mut count = 0;
    for path in files::list(folder)? {
        if path.is_dir() && !path.is_symlink() {
            count += objects_in(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "o" || extension == "a") {
            count += 1;
        }
    }
    Ok(count)
}

fn make(source: &Path, seeds: &Seeds) -> Outside {
    let mut words = make_words(seeds).into_iter();
    let command = Outside::new(words.next().unwrap_or_default(), "make").args(words).current_dir(source);
    pinned(command, seeds)
}

fn make_words(seeds: &Seeds) -> Vec<String> {
    let mut words = vec!["make".into(), "ARCH=x86".into(), format!("KCFLAGS=-frandom-seed={}", seeds.compiler)];
    // Of use to no kernel of ours; where they are installed their versions would come into its configuration.
    words.extend(["RUSTC", "BINDGEN", "PAHOLE"].map(|tool| format!("{tool}=none")));
    words
}

fn pinned(command: Outside, seeds: &Seeds) -> Outside {
    let command = command.env("KBUILD_BUILD_TIMESTAMP", format!("@{}", seeds.build_time)).env("KBUILD_BUILD_VERSION", "1");
    let command = command.env("KBUILD_BUILD_USER", &seeds.user).env("KBUILD_BUILD_HOST", &seeds.host);
    ["MAKEFLAGS", "CFLAGS", "LDFLAGS", "CROSS_COMPILE", "CC", "KBUILD_OUTPUT"].into_iter().fold(command, Outside::without)
}

/// kbuild's script for the seed, with the two files it writes as arguments (scripts/basic/Makefile).
const SEED_SCRIPT: &str = "scripts/gen-randstruct-seed.sh";
/// What kbuild prints for an object.
const COMPILES: [&str; 4] = ["  CC ", "  AS ", "  LD ", "  AR "];
/// Lines of that kind in a whole build of this configuration; for the time estimate alone.
const EXPECTED_OBJECTS: usize = 2030;

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_seed_script_writes_the_declared_seed_and_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let (script, seed, header) = (folder.path().join("script"), folder.path().join("seed"), folder.path().join("header"));
        let randstruct = "ab".repeat(32);
        let seeds = Seeds {
            randstruct: randstruct.parse().unwrap(),
            compiler: "c".into(),
            build_time: 1,
            user: "u".into(),
            host: "h".into(),
        };
        files::write(&script, seed_script(&seeds).as_bytes()).unwrap();
        assert!(Command::new("sh").args([&script, &seed, &header]).status().unwrap().success());
        assert_eq!(files::read_text(&seed).unwrap(), format!("{randstruct}\n"));
        let digest = "271a413bd339c5709fdceaec41f14f11e9fbfb5042d72d331c65f32b284cd09a"; // of sha256sum(1)
        assert_eq!(files::read_text(&header).unwrap(), format!("#define RANDSTRUCT_HASHED_SEED \"{digest}\"\n"));
    }
}
