//! `holdfast app build` of a cargo package: a static program without symbols, and the same one with them.
//!
//! Both are one link: the program is built with line tables and a build id, and stripped afterwards. The id is a digest of all
//! of it, so paths of this machine are mapped away: symbols, id and bundle are the same wherever they are built.

use super::build::Purpose;
use crate::{
    failure::{Failure, Result},
    files,
    image::progress::Shown,
};
use image_builder::{
    command::Outside,
    device_build::{TARGET, mapped_paths, target_flags},
};
use manifest::api::ErrorClass;
use serde::{Deserialize, de::IgnoredAny};
use std::path::{Path, PathBuf};

/// A program that was built.
pub(super) struct Program {
    /// What is packed.
    pub(super) stripped: PathBuf,
    /// The same with its symbols.
    pub(super) whole: PathBuf,
}

/// Builds the package in `folder`.
pub(super) fn build(folder: &Path, purpose: Purpose, progress: &mut Shown) -> Result<Program> {
    let cargo = || Outside::new("cargo", "cargo-web").current_dir(folder);
    let metadata = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).run(progress)?;
    let metadata: Metadata =
        serde_json::from_slice(&metadata).map_err(|e| Failure::of(ErrorClass::Internal, &e).while_doing("`cargo metadata`"))?;
    let here = fs_err::canonicalize(folder.join("Cargo.toml"))?;
    let package = metadata.packages.iter().find(|package| package.manifest_path == here);
    let bins = package.iter().flat_map(|p| &p.targets).filter(|t| t.kind.iter().any(|kind| kind == "bin")).collect::<Vec<_>>();
    let [bin] = bins.as_slice() else {
        let text = format!("{} makes {} programs, an app has one", here.display(), bins.len());
        return Err(Failure::new(ErrorClass::BadInput, text).hint("build it your way, then `holdfast app pack --binary FILE`"));
    };
    // Static and position independent, all relocations read-only: nothing else has to be in the image.
    let mut flags =
        ["-Ctarget-feature=+crt-static", "-Crelocation-model=pic", "-Clink-arg=-Wl,--build-id=sha1"].map(str::to_owned).to_vec();
    flags.extend(mapped_paths(&metadata.workspace_root, ".", progress)?);
    let (profile, settings) = match purpose {
        Purpose::Bundle => ("release", [].as_slice()),
        Purpose::Development => (DEVELOPMENT, DEVELOPMENT_SETTINGS),
    };
    let build = cargo().without("RUSTFLAGS").without("CARGO_ENCODED_RUSTFLAGS");
    let build = build.args(["build", "--quiet", "--profile", profile, "--target", TARGET]);
    let mut build = build.args(["--bin", &bin.name, "--config", &target_flags(&flags)]);
    let says_debug = sets_debug(&metadata.workspace_root.join("Cargo.toml"))?;
    for setting in OURS.iter().chain((!says_debug).then_some(&LINE_TABLES)).chain(settings) {
        build = build.arg("--config").arg(format!("profile.{profile}.{setting}"));
    }
    build.run(progress)?;
    let built = metadata.target_directory.join(TARGET);
    let whole = built.join(profile).join(&bin.name);
    let folder = built.join("holdfast");
    fs_err::create_dir_all(&folder)?;
    let stripped = folder.join(&bin.name);
    Outside::new("strip", "binutils").arg("-o").arg(&stripped).arg(&whole).run(progress)?;
    Ok(Program { stripped, whole })
}

/// What the linker strips, or what lies in other files, could not be kept.
const OURS: [&str; 2] = ["strip=false", "split-debuginfo=\"off\""];
/// Enough to name functions and lines.
const LINE_TABLES: &str = "debug=\"line-tables-only\"";
/// Profile of a build at the desk. It has a folder of its own, so that bundles are made of nothing that lies there.
const DEVELOPMENT: &str = "holdfast-development";
/// The release profile, but for what makes the next build slower than it has to be.
const DEVELOPMENT_SETTINGS: &[&str] = &["inherits=\"release\"", "incremental=true", "lto=\"off\"", "codegen-units=256"];

/// Whether a workspace says itself how much of debugging its release builds have.
fn sets_debug(manifest: &Path) -> Result<bool> {
    let bytes = files::read(manifest, MANIFEST_LIMIT)?;
    let wrong = |e: toml::de::Error| Failure::of(ErrorClass::BadInput, &e).while_doing(manifest.display());
    let manifest: CargoManifest = toml::from_slice(&bytes).map_err(wrong)?;
    Ok(manifest.profile.release.debug.is_some())
}

/// Longest Cargo.toml.
const MANIFEST_LIMIT: u64 = 1 << 20;

/// What we read of `cargo metadata`; the rest of it is cargo's own and may grow.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// What we read of Cargo.toml, the same.
#[derive(Deserialize)]
struct CargoManifest {
    #[serde(default)]
    profile: Profiles,
}

#[derive(Default, Deserialize)]
struct Profiles {
    #[serde(default)]
    release: Profile,
}

#[derive(Default, Deserialize)]
struct Profile {
    debug: Option<IgnoredAny>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Output;

    #[test]
    fn a_bundle_is_the_same_whatever_was_built_at_the_desk_before() {
        let place = tempfile::tempdir().unwrap();
        let at = |file: &str| place.path().join(file);
        fs_err::create_dir(at("src")).unwrap();
        fs_err::write(at("Cargo.toml"), "[package]\nname = \"looked-at\"\nedition = \"2024\"\n[profile.release]\nlto = true\n")
            .unwrap();
        let built = |purpose, words: &str| {
            fs_err::write(at("src/main.rs"), format!("fn main() {{ println!({words:?}); }}")).unwrap();
            build(place.path(), purpose, &mut Shown::quiet(Output::new(true))).unwrap()
        };
        let first = fs_err::read(built(Purpose::Bundle, "one").stripped).unwrap();
        let tried = built(Purpose::Development, "two");
        assert!(tried.whole.ends_with("holdfast-development/looked-at"), "{}", tried.whole.display());
        let said = std::process::Command::new(&tried.stripped).output().unwrap();
        assert_eq!(said.stdout, b"two\n");
        let second = built(Purpose::Bundle, "one");
        assert!(second.whole.ends_with("release/looked-at"), "{}", second.whole.display());
        assert!(first == fs_err::read(second.stripped).unwrap());
    }

    #[test]
    fn what_a_package_says_of_debugging_itself_stays() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let said = |text: &str| {
            fs_err::write(file.path(), text).unwrap();
            sets_debug(file.path()).unwrap()
        };
        assert!(said("[profile.release]\ndebug = true\n") && said("[profile.release]\ndebug = \"none\"\n"));
        assert!(!said("[package]\nname = \"a\"\n[profile.dev]\ndebug = 2\n") && !said("[profile.release]\nlto = true\n"));
    }
}
