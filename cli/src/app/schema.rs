//! `holdfast app schema`

use crate::{dispatch::Context, failure::Result};

pub(super) const HELP: &str = "\
Editors that know JSON Schema complete and check a manifest whose first line is \"$schema\": \"./app_manifest.schema.json\", \
with this file beside it; `holdfast app new` writes both. No network is needed.

Example:
  holdfast app schema > app_manifest.schema.json";

/// Made from the types of `manifest/`, and compared with them by a test there.
pub(super) const TEXT: &str = include_str!("../../../manifest/app_manifest.schema.json");
/// What it is called beside a manifest.
pub(super) const FILE: &str = "app_manifest.schema.json";

/// Acts.
pub(super) fn act(context: &Context) -> Result<()> {
    context.output.text(TEXT.trim_end());
    Ok(())
}
