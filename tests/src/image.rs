//! The images that `./test` built, and the keys that belong to them.

use crate::workspace::top;
use anyhow::{Context, Result, ensure};
use image_builder::{BuildOptions, Output, Silent};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The test image: the product and the probe.
pub fn test() -> Result<Output> {
    found("HOLDFAST_TEST_IMAGE", "qemu-test")
}

/// The product's image.
pub fn product() -> Result<Output> {
    found("HOLDFAST_IMAGE", "qemu")
}

/// The image with the attack suite's kernel.
pub fn attack() -> Result<Output> {
    found("HOLDFAST_ATTACK_IMAGE", "attack")
}

/// Builds an image from a description of boards/images with some fields changed, into a folder below `work`.
pub fn variant(work: &Path, of: &str, change: impl FnOnce(&mut Value)) -> Result<Output> {
    let options = BuildOptions {
        workspace: top(),
        description: changed(work, of, change)?,
        keys: keys_folder(),
        output: work.join("image"),
        kernel_source: None,
        build_time: None,
        jobs: None,
    };
    Ok(image_builder::build(&options, &mut Silent)?.output)
}

/// A description with some fields changed, in a file of its own.
pub fn changed(work: &Path, of: &str, change: impl FnOnce(&mut Value)) -> Result<PathBuf> {
    let text = fs::read(top().join("boards/images").join(of))?;
    let mut description: Value = serde_json::from_slice(&text)?;
    change(&mut description);
    let path = work.join("changed.json");
    fs::write(&path, serde_json::to_vec_pretty(&description)?)?;
    Ok(path)
}

fn found(variable: &str, name: &str) -> Result<Output> {
    let image = Output::new(std::env::var_os(variable).map_or_else(|| top().join("build/image").join(name), PathBuf::from));
    ensure!(image.disk().is_file(), "{} holds no image: `./test` builds it, or `holdfast image build`", image.folder().display());
    Ok(image)
}

/// The command line that an image's kernel is started with.
pub fn command_line(image: &Output) -> Result<String> {
    let path = image.command_line();
    Ok(fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?.trim_end().to_owned())
}

/// The folder of the development keys.
pub fn keys_folder() -> PathBuf {
    std::env::var_os("HOLDFAST_KEYS").map_or_else(|| top().join("build/keys"), PathBuf::from)
}
