//! What cargo knows of the workspace: its crates, whom each names as a dependency, and what that brings along.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// The checkout that this test was built from.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// One crate of ours.
#[derive(Debug, Clone)]
pub struct Member {
    /// The package's name.
    pub name: String,
    /// Its folder, relative to the checkout.
    pub folder: String,
    /// Packages it names as dependencies, those for tests left out.
    pub dependencies: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// The workspace's crates by name.
pub fn members() -> Result<BTreeMap<String, Member>> {
    let output = cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"])?;
    let metadata: Metadata = serde_json::from_str(&output).context("cannot read what cargo metadata says")?;
    let member = |package: Package| {
        let folder = package.manifest_path.parent().and_then(|folder| folder.strip_prefix(&metadata.workspace_root).ok());
        let folder = folder.map(|f| f.to_string_lossy().into_owned()).unwrap_or_default();
        let counted = package.dependencies.into_iter().filter(|d| d.kind.as_deref() != Some("dev"));
        let dependencies = counted.map(|d| d.name).collect();
        (package.name.clone(), Member { name: package.name, folder, dependencies })
    };
    Ok(metadata.packages.into_iter().map(member).collect())
}

/// All packages that a build of this crate alone brings along, its own name left out.
///
/// cargo is asked for one crate, as the device's programs are built: in a build of the whole workspace the features that
/// one member asks for are turned on for all.
pub fn brought_along(package: &str) -> Result<BTreeSet<String>> {
    let tree = cargo(&["tree", "--locked", "-p", package, "-e", "normal,build", "--prefix", "none", "--format", "{p}"])?;
    let names = tree.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != package);
    Ok(names.map(str::to_owned).collect())
}

/// How `package` comes to need `unwanted`: the lines of cargo's inverted tree.
pub fn why(package: &str, unwanted: &str) -> String {
    cargo(&["tree", "--locked", "-p", package, "-e", "normal,build", "-i", unwanted]).unwrap_or_else(|e| e.to_string())
}

fn cargo(arguments: &[&str]) -> Result<String> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(program).args(arguments).current_dir(top()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cargo {} failed:\n{}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
