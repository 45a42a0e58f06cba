//! `holdfast keys init`

use crate::{dispatch::Context, failure::Result, image::progress::Shown, output::Style, places::Places};
use serde::Serialize;

pub(super) const HELP: &str = "\
Makes a folder (mode 0700) of files (mode 0600) and never overwrites one. With these keys the images you build accept \
your apps and your tools. They are yours: nobody else has them, and they never belong into version control.

Examples:
  holdfast keys init
  holdfast keys init --keys ~/holdfast-keys";

#[derive(Serialize)]
struct Made {
    keys: String,
    app_signing_key_id: String,
}

pub(super) fn act(context: &Context) -> Result<()> {
    let folder = context.places.keys();
    let keys = image_builder::keys::init(folder, &mut Shown::quiet(context.output))?;
    let id = image_builder::keys::key_id(&keys.app_signer()?.verifying_key());
    let made = Made { keys: folder.display().to_string(), app_signing_key_id: id };
    context.output.result(&made, |out| {
        let folder = out.paint(Style::Bold, &Places::shown(folder));
        format!("Made keys in {folder}\n  apps are signed by {}", made.app_signing_key_id)
    });
    Ok(())
}
