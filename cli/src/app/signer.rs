//! Which key signs, and which key counts as ours.

use crate::{
    dispatch::Context,
    failure::{Failure, Result},
    files,
};
use clap::{Args, ValueHint};
use ed25519_dalek::{SigningKey, VerifyingKey, pkcs8::DecodePrivateKey};
use manifest::api::ErrorClass;
use std::path::{Path, PathBuf};

/// How a bundle gets its signature.
#[derive(Debug, Clone, Args)]
pub(super) struct Signing {
    /// Sign with this key (Ed25519, PKCS#8 PEM) instead of the one in the keys folder
    #[arg(long, value_name = "KEYFILE", value_hint = ValueHint::FilePath)]
    sign_with: Option<PathBuf>,
}

impl Signing {
    /// The key that signs.
    pub(super) fn key(&self, context: &Context) -> Result<SigningKey> {
        Ok(match &self.sign_with {
            Some(path) => private(path)?,
            None => image_builder::keys::load(context.places.keys())?.app_signer()?,
        })
    }
}

/// Longest key file: a PKCS#8 PEM has about 120 bytes.
const KEY_LIMIT: u64 = 16 * 1024;

fn private(path: &Path) -> Result<SigningKey> {
    let bytes = files::read(path, KEY_LIMIT)?;
    let key = std::str::from_utf8(&bytes).ok().and_then(|text| SigningKey::from_pkcs8_pem(text).ok());
    key.ok_or_else(|| {
        let text = format!("{} is not a private Ed25519 key (PKCS#8 PEM)", path.display());
        Failure::new(ErrorClass::BadInput, text).hint("`openssl genpkey -algorithm ed25519 -out FILE` makes one")
    })
}

/// The public key that devices built with our keys accept; none where there are no keys.
pub(super) fn ours(context: &Context) -> Result<Option<VerifyingKey>> {
    let folder = context.places.keys();
    if !folder.exists() {
        return Ok(None);
    }
    let public = image_builder::keys::load(folder)?.app_signing_public();
    Ok(Some(image_builder::keys::ed25519_public(&public)?))
}
