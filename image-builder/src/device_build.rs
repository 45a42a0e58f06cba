//! The device's programs: each built in a cargo call of its own, because features of workspace members unify within
//! one call and would carry code into the trusted base. Static PIE with full RELRO, or refused.

use crate::{
    command::{CommandError, Outside},
    elf::{self, ElfError},
    files::{self, FileError},
    progress::Progress,
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Why a program could not be built.
#[derive(Debug, thiserror::Error)]
pub enum DeviceBuildError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// cargo failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// cargo's description of the workspace is not what it was.
    #[error("`cargo metadata` cannot be read")]
    Metadata(#[source] serde_json::Error),
    /// No package makes this program.
    #[error("no package of the workspace makes a program called `{0}`")]
    Unknown(String),
    /// The program must not go on a device.
    #[error("{}", path.display())]
    Elf {
        /// The program.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ElfError,
    },
}

/// What the programs are built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// A device.
    Product,
    /// A test image: each daemon, once confined, tries what it gave up and says how that went.
    Test,
    /// A test image whose daemons do not confine themselves, so that the same attempts must succeed.
    Unconfined,
}

impl Variant {
    /// Features of the packages that have them (`sandbox` hands them on).
    fn features(self) -> &'static [&'static str] {
        match self {
            Self::Product => &[],
            Self::Test => &["confine-probe"],
            Self::Unconfined => &["confine-probe", "confine-off"],
        }
    }
}

/// Builds these programs of the workspace and puts them into `to`.
pub fn build(
    workspace: &Path,
    programs: &[String],
    variant: Variant,
    to: &Path,
    progress: &mut dyn Progress,
) -> Result<(), DeviceBuildError> {
    let packages = packages_by_program(workspace, progress)?;
    files::remove_folder(to)?;
    files::make_folder(to)?;
    let target_folder = workspace.join("build/device");
    let flags = rust_flags(workspace, progress)?;
    for program in programs {
        let package = packages.get(program).ok_or_else(|| DeviceBuildError::Unknown(program.clone()))?;
        let cargo =
            Outside::new("cargo", "cargo-web").current_dir(workspace).without("RUSTFLAGS").without("CARGO_ENCODED_RUSTFLAGS");
        let cargo = cargo.args([
            "build",
            "--quiet",
            "--locked",
            "--profile",
            "device",
            "--target",
            TARGET,
            "--package",
            &package.name,
            "--bin",
            program,
        ]);
        let features = variant.features().iter().filter(|feature| package.features.contains_key(**feature));
        let cargo = features.fold(cargo, |cargo, feature| cargo.args(["--features", feature]));
        cargo.arg("--target-dir").arg(&target_folder).arg("--config").arg(&flags).run(progress)?;
        let built = target_folder.join(TARGET).join("device").join(program);
        let mut bytes = files::read(&built)?;
        let checked = elf::check(&bytes).and_then(|()| elf::clear_unwinding(&mut bytes));
        checked.map_err(|source| DeviceBuildError::Elf { path: built, source })?;
        files::write_mode(&to.join(program), &bytes, 0o755)?;
    }
    Ok(())
}

/// The target all devices of today have.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Flags for rustc, as cargo's configuration.
fn rust_flags(workspace: &Path, progress: &mut dyn Progress) -> Result<String, DeviceBuildError> {
    let mut flags: Vec<String> = [
        "-Ctarget-feature=+crt-static",
        "-Crelocation-model=pic",
        "-Clink-arg=-Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,-z,pack-relative-relocs,--build-id=none",
    ]
    .map(str::to_owned)
    .into();
    flags.extend(mapped_paths(workspace, "/holdfast", progress)?);
    Ok(target_flags(&flags))
}

/// Flags of rustc for the target, as cargo's configuration.
pub fn target_flags(flags: &[String]) -> String {
    let quoted: Vec<String> = flags.iter().map(|flag| format!("{flag:?}")).collect();
    format!("target.{TARGET}.rustflags=[{}]", quoted.join(","))
}

/// Flags for rustc that map paths of this machine away, the workspace's to `name`: a program must be the same wherever it is
/// built.
pub fn mapped_paths(workspace: &Path, name: &str, progress: &mut dyn Progress) -> Result<Vec<String>, CommandError> {
    let sysroot = Outside::new("rustc", "rustc-web").args(["--print", "sysroot"]).current_dir(workspace).run(progress)?;
    let sysroot = String::from_utf8_lossy(&sysroot).trim().to_owned();
    let cargo_home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo"))).unwrap_or_default();
    // The last mapping that fits wins, so the longer paths come last.
    let mut mapped = vec![(cargo_home, "/cargo"), (sysroot, "/rust"), (workspace.display().to_string(), name)];
    mapped.retain(|(from, _)| !from.is_empty());
    mapped.sort_by_key(|(from, _)| from.len());
    Ok(mapped.into_iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")).collect())
}

/// What we read of `cargo metadata`; the rest of it is cargo's own and may grow.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Clone, Deserialize)]
struct Package {
    name: String,
    features: BTreeMap<String, Vec<String>>,
    targets: Vec<Target>,
}

#[derive(Clone, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

fn packages_by_program(workspace: &Path, progress: &mut dyn Progress) -> Result<BTreeMap<String, Package>, DeviceBuildError> {
    let command = Outside::new("cargo", "cargo-web")
        .args(["metadata", "--no-deps", "--locked", "--format-version", "1"])
        .current_dir(workspace);
    let metadata: Metadata = serde_json::from_slice(&command.run(progress)?).map_err(DeviceBuildError::Metadata)?;
    let programs = metadata.packages.into_iter().flat_map(|package| {
        let programs: Vec<String> = package
            .targets
            .iter()
            .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
            .map(|target| target.name.clone())
            .collect();
        programs.into_iter().map(move |program| (program, package.clone()))
    });
    Ok(programs.collect())
}
