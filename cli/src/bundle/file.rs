//! A bundle as a file: joined from its parts, and taken apart again.

use super::envelope;
use crate::files;
use image_builder::fsverity;
use manifest::{
    app::AppManifest,
    bundle::{BundleError, Envelope, Statement, TRAILER_LEN, Trailer},
    names::Sha256Hex,
    read::ReadError,
};
use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// A bundle's parts as they were found. Nothing here proves origin; [`Opened::digest_holds`] is only integrity.
#[derive(Debug)]
pub struct Opened {
    /// Where the parts lie.
    pub trailer: Trailer,
    /// The envelope.
    pub envelope: Envelope,
    /// What it states.
    pub statement: Statement,
    /// The manifest's bytes as stated.
    pub manifest_bytes: Vec<u8>,
    /// The manifest.
    pub manifest: AppManifest,
    /// Whether the image in the file is the one that is stated, by size and fs-verity digest.
    pub digest_holds: bool,
    /// fs-verity digest of the image in the file.
    pub digest: String,
}

/// Why a file is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Could not read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Not the form of a bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The manifest inside is not one.
    #[error("the bundle's manifest is not valid")]
    Manifest(#[source] ReadError),
    /// Statement and manifest disagree.
    #[error("the bundle states component {stated}, its manifest says {manifest}")]
    OtherComponent {
        /// In the statement.
        stated: String,
        /// In the manifest.
        manifest: String,
    },
    /// Not a file.
    #[error("{0} is no regular file")]
    NotFile(String),
}

/// Takes a bundle apart.
pub fn open(path: &Path) -> Result<Opened, OpenError> {
    let mut file = fs_err::File::open(path)?;
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(OpenError::NotFile(path.display().to_string()));
    }
    let mut tail = [0; TRAILER_LEN];
    if data.len() < TRAILER_LEN as u64 {
        return Err(BundleError::NoTrailer.into());
    }
    file.seek(SeekFrom::End(-(TRAILER_LEN as i64)))?;
    file.read_exact(&mut tail)?;
    let trailer = Trailer::parse(&tail, data.len())?;

    file.seek(SeekFrom::Start(trailer.image_len))?;
    let mut bytes = vec![0; trailer.envelope_len as usize];
    file.read_exact(&mut bytes)?;
    let envelope = envelope::parse(&bytes)?;
    let statement = Statement::parse(&envelope.payload_bytes()?)?;
    let manifest_bytes = statement.manifest_bytes()?;
    let manifest = AppManifest::parse(&manifest_bytes).map_err(OpenError::Manifest)?;
    if manifest.component_id != statement.component_id {
        let (stated, manifest) = (statement.component_id.to_string(), manifest.component_id.to_string());
        return Err(OpenError::OtherComponent { stated, manifest });
    }
    file.seek(SeekFrom::Start(0))?;
    let digest = digest(&mut io::BufReader::with_capacity(1 << 20, file).take(trailer.image_len))?;
    let digest_holds = statement.image.size == trailer.image_len && statement.image.digest.as_str() == digest.as_str();
    Ok(Opened { trailer, envelope, statement, manifest_bytes, manifest, digest_holds, digest: digest.into() })
}

/// Joins image and envelope.
pub fn write(path: &Path, image: &Path, envelope: &Envelope) -> io::Result<u64> {
    let length = fs_err::metadata(image)?.len();
    write_from(path, &mut fs_err::File::open(image)?.take(length), length, envelope)
}

/// Writes the bundle at `path` anew with another envelope.
pub fn replace_envelope(path: &Path, opened: &Opened) -> io::Result<u64> {
    let length = opened.trailer.image_len;
    write_from(path, &mut fs_err::File::open(path)?.take(length), length, &opened.envelope)
}

fn write_from(path: &Path, image: &mut dyn Read, image_len: u64, envelope: &Envelope) -> io::Result<u64> {
    let bytes = serde_json::to_vec(envelope)?;
    let envelope_len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let trailer = Trailer { image_len, envelope_len };
    files::replace(path, |to: &mut dyn Write| {
        let copied = io::copy(image, to)?;
        if copied != image_len {
            return Err(io::Error::other("the image changed while it was read"));
        }
        to.write_all(&bytes)?;
        to.write_all(&trailer.to_bytes())
    })?;
    Ok(image_len + u64::from(envelope_len) + TRAILER_LEN as u64)
}

/// fs-verity digest of an image.
pub fn digest(image: &mut dyn Read) -> io::Result<Sha256Hex> {
    Ok(fsverity::digest(image)?.into())
}
