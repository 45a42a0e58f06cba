//! `holdfast board schema`

use crate::{dispatch::Context, failure::Result};

pub(super) const HELP: &str = "\
Example:
  holdfast board schema > boards/board.schema.json";

/// Made from the types of `manifest/`, and compared with them by a test there.
const TEXT: &str = include_str!("../../../manifest/board.schema.json");

/// Acts.
pub(super) fn act(context: &Context) -> Result<()> {
    context.output.text(TEXT.trim_end());
    Ok(())
}
