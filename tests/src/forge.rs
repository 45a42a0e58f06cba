//! Making bundles, good ones and bad ones: each bad one is wrong in exactly one thing, and right in all others.

use crate::image::keys_folder;
use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer, SigningKey};
use image_builder::{erofs, fsverity, keys, progress::Silent};
use manifest::{
    app::AppManifest,
    bundle::{
        Envelope, ImageDigest, ImageDigestAlgorithm, PAYLOAD_TYPE, Signature, Statement, Trailer, pre_authentication_encoding,
    },
    places::PLATFORM_ABI,
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// The parts of a bundle, before they are joined.
pub struct Parts {
    /// The EROFS image.
    pub image: Vec<u8>,
    /// What is signed.
    pub statement: Statement,
}

/// Packs a folder, which holds the app's whole root, and its manifest.
pub fn pack(root: &Path, manifest: &[u8], version: u64) -> Result<Parts> {
    for folder in ["data", "dev", "proc", "run", "tmp"] {
        fs::create_dir_all(root.join(folder))?;
    }
    if !root.join("manifest.json").exists() {
        fs::write(root.join("manifest.json"), manifest)?;
    }
    let work = tempfile::tempdir()?;
    let path = work.path().join("image");
    erofs::make(root, &path, 0, &mut Silent)?;
    let image = fs::read(&path)?;
    let component_id = AppManifest::parse(manifest)?.component_id;
    let statement = Statement {
        schema: 1,
        component_id,
        version,
        version_name: None,
        platform_abi: PLATFORM_ABI,
        manifest: STANDARD.encode(manifest),
        image: stated(&image)?,
    };
    Ok(Parts { image, statement })
}

/// Digest and size of an image.
pub fn stated(image: &[u8]) -> Result<ImageDigest> {
    let digest = fsverity::digest(&mut &image[..])?.into();
    Ok(ImageDigest { algorithm: ImageDigestAlgorithm::FsVeritySha256, digest, size: image.len() as u64 })
}

/// The key that the images accept.
pub fn our_key() -> Result<SigningKey> {
    Ok(keys::load(&keys_folder())?.app_signer()?)
}

/// A key that no image accepts.
pub fn foreign_key() -> SigningKey {
    SigningKey::from_bytes(&[0x42; 32])
}

impl Parts {
    /// The envelope, signed by `key`.
    pub fn envelope(&self, key: &SigningKey) -> Result<Envelope> {
        let payload = serde_json::to_vec(&self.statement)?;
        let signature = key.sign(&pre_authentication_encoding(PAYLOAD_TYPE, &payload));
        let keyid = keys::key_id(&key.verifying_key());
        let signature = Signature { keyid, sig: STANDARD.encode(signature.to_bytes()) };
        Ok(Envelope { payload_type: PAYLOAD_TYPE.to_owned(), payload: STANDARD.encode(payload), signatures: vec![signature] })
    }

    /// The bundle, signed by the key that the images accept.
    pub fn bundle(&self) -> Result<Vec<u8>> {
        self.bundle_by(&our_key()?)
    }

    /// The bundle, signed by `key`.
    pub fn bundle_by(&self, key: &SigningKey) -> Result<Vec<u8>> {
        joined(&self.image, &serde_json::to_vec(&self.envelope(key)?)?)
    }
}

/// Image, envelope and the trailer that fits them.
pub fn joined(image: &[u8], envelope: &[u8]) -> Result<Vec<u8>> {
    let trailer = Trailer { image_len: image.len() as u64, envelope_len: u32::try_from(envelope.len())? };
    Ok([image, envelope, &trailer.to_bytes()].concat())
}

/// Builds a C program of `tests/apps` or `samples` into a static ELF.
pub fn c_program(source: &Path, to: &Path) -> Result<()> {
    compile(source, to, &[])
}

/// The same, of a program that needs no library, not even C's.
pub fn bare_program(source: &Path, to: &Path) -> Result<()> {
    compile(source, to, &["-nostdlib", "-fno-stack-protector"])
}

/// The same, with symbols and a build id.
pub fn c_program_with_symbols(source: &Path, to: &Path) -> Result<()> {
    gcc(source, to, &["-g1", "-Wl,--build-id"])
}

/// A copy of a program without its symbols.
pub fn strip(program: &Path, to: &Path) -> Result<()> {
    let status = Command::new("strip").arg("-o").args([to, program]).status().context("cannot run strip")?;
    ensure!(status.success(), "strip failed on {}", program.display());
    Ok(())
}

fn compile(source: &Path, to: &Path, flags: &[&str]) -> Result<()> {
    gcc(source, to, &[&["-s"], flags].concat())
}

fn gcc(source: &Path, to: &Path, flags: &[&str]) -> Result<()> {
    let output = Command::new("gcc")
        .args(["-O2", "-Wall", "-Wextra", "-static-pie"])
        .args(flags)
        .arg("-o")
        .args([to, source])
        .output()
        .context("cannot run gcc")?;
    ensure!(output.status.success(), "gcc failed on {}:\n{}", source.display(), String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A folder for an app's root with the program `/bin/app` in it.
pub fn root_with(program: &Path) -> Result<tempfile::TempDir> {
    let root = tempfile::tempdir()?;
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755))?;
    fs::create_dir(root.path().join("bin"))?;
    fs::copy(program, root.path().join("bin/app"))?;
    fs::set_permissions(root.path().join("bin/app"), fs::Permissions::from_mode(0o755))?;
    Ok(root)
}

/// A device node in an app's root; only root can make one.
pub fn device_node(root: &Path, name: &str, numbers: [u32; 2]) -> Result<PathBuf> {
    let path = root.join(name);
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::CharacterDevice,
        mode,
        rustix::fs::makedev(numbers[0], numbers[1]),
    )
    .context("cannot make a device node")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    Ok(path)
}
