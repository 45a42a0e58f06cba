//! `holdfast app sign`

use super::signer::Signing;
use crate::{
    bundle::{envelope, file},
    dispatch::Context,
    failure::{Failure, Result},
};
use clap::{Args, ValueHint};
use manifest::{api::ErrorClass, bundle::SIGNATURES_LIMIT};
use serde::Serialize;
use std::path::PathBuf;

pub(super) const HELP: &str = "\
Adds a signature, in place of an older one by the same key. The image is checked against the statement first: a bundle \
that was changed after packing is not signed.

Examples:
  holdfast app sign my-app.bundle
  holdfast app sign my-app.bundle --sign-with release.key";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The bundle
    #[arg(value_name = "BUNDLE", value_hint = ValueHint::FilePath)]
    bundle: PathBuf,
    /// With which key
    #[command(flatten)]
    signing: Signing,
}

#[derive(Serialize)]
struct Signed {
    bundle: String,
    signed_by: String,
    signatures: usize,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let mut opened = file::open(&arguments.bundle).map_err(|e| Failure::from(e).while_doing(arguments.bundle.display()))?;
    if !opened.digest_holds {
        let text = format!("{}: the image is not the one that was packed; it is not signed", arguments.bundle.display());
        return Err(Failure::new(ErrorClass::Untrusted, text).hint("pack it again"));
    }
    let key = arguments.signing.key(context)?;
    envelope::sign(&mut opened.envelope, &key)?;
    if opened.envelope.signatures.len() > SIGNATURES_LIMIT {
        let text =
            format!("{} has {SIGNATURES_LIMIT} signatures already, which is all a device reads", arguments.bundle.display());
        return Err(Failure::new(ErrorClass::Conflict, text).hint("pack it again with the keys that count"));
    }
    file::replace_envelope(&arguments.bundle, &opened)?;
    let signed = Signed {
        bundle: arguments.bundle.display().to_string(),
        signed_by: image_builder::keys::key_id(&key.verifying_key()),
        signatures: opened.envelope.signatures.len(),
    };
    context.output.result(&signed, |_| format!("Signed {} by {}", signed.bundle, signed.signed_by));
    Ok(())
}
