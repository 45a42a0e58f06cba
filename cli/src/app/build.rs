//! `holdfast app build`

use super::pack;
use crate::{
    dispatch::Context,
    failure::{Failure, Result},
    image::progress::Shown,
};
use clap::{Args, ValueHint};
use image_builder::command::{CommandError, Outside};
use manifest::api::ErrorClass;
use serde::Deserialize;
use std::path::{Path, PathBuf};

pub(super) const HELP: &str = "\
A folder with a Cargo.toml is built by cargo into a static program. A folder with a Makefile is built by `make root`, \
which has to leave the app's root in build/root. Anything else: build it your way and use `holdfast app pack`.

Examples:
  holdfast app build my-app
  holdfast app build samples/doorbell -o doorbell.bundle";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The app's folder
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath, default_value = ".")]
    folder: PathBuf,
    /// How the bundle is made
    #[command(flatten)]
    options: pack::Options,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let folder = &arguments.folder;
    let mut progress = Shown::new(context.output);
    let (tree, manifest) = if folder.join("Cargo.toml").is_file() {
        let program = with_cargo(folder, &mut progress)?;
        pack::from_program(&program, &folder.join("app_manifest.json"))?
    } else if folder.join("Makefile").is_file() {
        Outside::new("make", "make").args(["--quiet", "root"]).current_dir(folder).run(&mut progress)?;
        pack::from_folder(&folder.join("build/root"), None)?
    } else {
        let text = format!("{} has neither Cargo.toml nor Makefile, so how to build it is not known", folder.display());
        return Err(Failure::new(ErrorClass::NotFound, text).hint("build it your way, then `holdfast app pack`"));
    };
    pack::write(context, tree, &manifest, &arguments.options)
}

/// The one target that devices of today have.
const TARGET: &str = image_builder::device_build::TARGET;

/// Builds the package in `folder` and gives the path of its program.
fn with_cargo(folder: &Path, progress: &mut Shown) -> Result<PathBuf> {
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
    // Static, position independent, all relocations read-only, stripped: small, and nothing else has to be in the image.
    let flags =
        format!("target.{TARGET}.rustflags=[\"-Ctarget-feature=+crt-static\",\"-Crelocation-model=pic\",\"-Cstrip=symbols\"]");
    let build = cargo().without("RUSTFLAGS").without("CARGO_ENCODED_RUSTFLAGS").args([
        "build",
        "--quiet",
        "--release",
        "--target",
        TARGET,
    ]);
    build.args(["--bin", &bin.name, "--config", &flags]).run(progress)?;
    Ok(metadata.target_directory.join(TARGET).join("release").join(&bin.name))
}

/// What we read of `cargo metadata`; the rest of it is cargo's own and may grow.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
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

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let class = match &error {
            CommandError::Failed { .. } => ErrorClass::BadInput,
            CommandError::Missing { .. } | CommandError::Start { .. } => ErrorClass::Internal,
        };
        Self::of(class, &error)
    }
}
