//! `holdfast app build`

use super::{
    cargo::{self, Program},
    pack,
};
use crate::{
    bundle::tree::Tree,
    crash::store::{self, Keep, Store},
    dispatch::Context,
    failure::{Failure, Result},
    image::progress::Shown,
};
use clap::{Args, ValueHint};
use image_builder::command::{CommandError, Outside};
use manifest::api::ErrorClass;
use std::path::{Path, PathBuf};

pub(super) const HELP: &str = "\
A folder with a Cargo.toml is built by cargo into a static program. A folder with a Makefile is built by `make root`, \
which has to leave the app's root in build/root. A folder with a CMakeLists.txt in the form of Azure Sphere's SDK is built by CMake with \
Holdfast's applibs; names of peripherals come from the board file. Anything else: build it your way and use `holdfast app pack`.

The program in the bundle is stripped. What was taken out is kept below build/symbols, by build id, and read by `holdfast app crash \
show`: keep it as long as devices run the bundle.

Examples:
  holdfast app build my-app
  holdfast app build samples/doorbell -o doorbell.bundle
  holdfast app build my-sphere-app --board boards/my-board.json";

/// What is built, and with what.
#[derive(Debug, Clone, Args)]
pub(super) struct Source {
    /// The app's folder
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath, default_value = ".")]
    pub(super) folder: PathBuf,
    /// Board file, for apps in the form of Azure Sphere's SDK [default: boards/qemu-q35.json of the project]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) board: Option<PathBuf>,
    /// Folder of the SDK, for the same [default: sdk of the project]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) sdk: Option<PathBuf>,
}

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What is built
    #[command(flatten)]
    source: Source,
    /// How the bundle is made
    #[command(flatten)]
    options: pack::Options,
}

/// What a build is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A bundle, which is the same wherever it is built.
    Bundle,
    /// A look at what was just saved, which should not take long.
    Development,
}

/// What was built.
pub(super) struct Built {
    /// What the app's image will hold.
    pub(super) tree: Tree,
    /// Its manifest.
    pub(super) manifest: pack::Manifest,
    /// Programs with the symbols that the image goes without, for a store.
    pub(super) unstripped: Vec<PathBuf>,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let Built { tree, manifest, unstripped } =
        tree(context, &arguments.source, Purpose::Bundle, &mut Shown::new(context.output))?;
    let symbols = Store::new(&context.places.symbols(), Keep::Always).add_all(&unstripped)?;
    pack::write(context, tree, &manifest, &arguments.options, pack::Notes { of_image: Vec::new(), symbols })
}

/// Builds the app in a folder.
pub(super) fn tree(context: &Context, source: &Source, purpose: Purpose, progress: &mut Shown) -> Result<Built> {
    let folder = &source.folder;
    if folder.join("Cargo.toml").is_file() {
        let Program { stripped, whole } = cargo::build(folder, purpose, progress)?;
        let (tree, manifest) = pack::from_program(&stripped, &folder.join("app_manifest.json"))?;
        Ok(Built { tree, manifest, unstripped: vec![whole] })
    } else if folder.join("Makefile").is_file() {
        Outside::new("make", "make").args(["--quiet", "root"]).current_dir(folder).run(progress)?;
        from_root(&folder.join("build/root"), &folder.join("build"))
    } else if folder.join("CMakeLists.txt").is_file() {
        from_root(&with_cmake(context, source, progress)?, &folder.join("build/cmake"))
    } else {
        let text = format!("{} has no Cargo.toml, Makefile or CMakeLists.txt, so how to build it is not known", folder.display());
        Err(Failure::new(ErrorClass::NotFound, text).hint("build it your way, then `holdfast app pack`"))
    }
}

/// An app's root, with symbols for it below `built`.
fn from_root(root: &Path, built: &Path) -> Result<Built> {
    let (tree, manifest) = pack::from_folder(root, None)?;
    let unstripped = store::unstripped(&tree, built)?;
    Ok(Built { tree, manifest, unstripped })
}

/// Builds a project in the form of Azure Sphere's SDK, and gives the app's root.
fn with_cmake(context: &Context, source: &Source, progress: &mut Shown) -> Result<PathBuf> {
    let (folder, root) = (&source.folder, context.places.root());
    let sdk = source.sdk.clone().unwrap_or_else(|| root.join("sdk"));
    let toolchain = sdk.join("applibs/cmake/HoldfastToolchain.cmake");
    if !toolchain.is_file() {
        let text = format!("Holdfast's applibs are not in {}", sdk.display());
        return Err(Failure::new(ErrorClass::NotFound, text).hint("give the SDK's folder with --sdk DIR"));
    }
    let board = fs_err::canonicalize(source.board.clone().unwrap_or_else(|| root.join("boards/qemu-q35.json")))?;
    let build = folder.join("build/cmake");
    let define = |name: &str, path: &Path| format!("-D{name}={}", path.display());
    let configure = Outside::new("cmake", "cmake").arg("-S").arg(folder).arg("-B").arg(&build);
    let configure = configure.arg(define("CMAKE_TOOLCHAIN_FILE", &fs_err::canonicalize(toolchain)?));
    let configure = configure.arg(define("HOLDFAST_BOARD", &board)).arg(define("HOLDFAST_CLI", &std::env::current_exe()?));
    configure.arg("-DHOLDFAST_UNSIGNED=ON").run(progress)?;
    Outside::new("cmake", "cmake").arg("--build").arg(&build).run(progress)?;
    let mut roots = Vec::new();
    for entry in fs_err::read_dir(&build)? {
        let path = entry?.path();
        roots.extend(path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("-root")).then_some(path));
    }
    match <[PathBuf; 1]>::try_from(roots) {
        Ok([root]) => Ok(root),
        Err(roots) => {
            let text = format!("{} makes {} image packages, an app is one", folder.display(), roots.len());
            Err(Failure::new(ErrorClass::BadInput, text).hint("azsphere_target_add_image_package makes one of a target"))
        }
    }
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
