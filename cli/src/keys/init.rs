//! `holdfast keys init`

use crate::{dispatch::Context, failure::Result, image::progress::Shown, output::Style, places::Places};
use image_builder::crash_key;
use serde::Serialize;

pub(super) const HELP: &str = "\
Makes a folder (mode 0700) of files (mode 0600) and never overwrites one. With these keys the images you build accept \
your apps and your tools. They are yours: nobody else has them, and they never belong into version control.

crash-report.key opens the crash reports of apps and is needed nowhere else: keep it where crashes are looked into. Images hold \
crash-report.pub, or what their descriptions name under crash_key.

Examples:
  holdfast keys init
  holdfast keys init --keys ~/holdfast-keys";

#[derive(Serialize)]
struct Made {
    keys: String,
    app_signing_key_id: String,
    crash_report_key_id: String,
}

pub(super) fn act(context: &Context) -> Result<()> {
    let folder = context.places.keys();
    let keys = image_builder::keys::init(folder, &mut Shown::quiet(context.output))?;
    let id = image_builder::keys::key_id(&keys.app_signer()?.verifying_key());
    let crash_report_key_id = crash_report::key_id(&crash_key::public_of(&keys)?);
    let made = Made { keys: folder.display().to_string(), app_signing_key_id: id, crash_report_key_id };
    context.output.result(&made, |out| {
        let folder = out.paint(Style::Bold, &Places::shown(folder));
        let (apps, crashes) = (&made.app_signing_key_id, &made.crash_report_key_id);
        format!("Made keys in {folder}\n  apps are signed by {apps}\n  crash reports are sealed to {crashes}")
    });
    Ok(())
}
