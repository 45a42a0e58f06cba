//! Kernel settings from the verified image. A setting that this kernel lacks or refuses is a problem that is told, not an
//! end: the device that runs with one protection less can still be updated.

use crate::{
    documents::document,
    phases::Boot,
    problem::{self, Problem},
};
use linux::files;
use manifest::{places, sysctl::SysctlTable};

/// Longest `sysctl.json`.
const LIMIT: usize = 64 * 1024;

/// Applies the table in its order.
pub fn apply(_: &mut Boot) -> Result<(), Problem> {
    let table = document(places::SYSCTL, LIMIT, SysctlTable::parse)?;
    problem::all(table.settings, |setting| Ok(files::write_existing(setting.key.path(), setting.value)?))
}
