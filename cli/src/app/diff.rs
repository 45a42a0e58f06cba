//! `holdfast app diff`

use super::changes::{Change, changes};
use crate::{
    bundle::file,
    dispatch::Context,
    failure::{Failure, Result},
    files,
    output::{Output, Style, harmless},
};
use clap::{Args, ValueHint};
use manifest::{
    api::ErrorClass,
    app::{AppManifest, MANIFEST_LIMIT},
};
use serde::Serialize;
use std::path::{Path, PathBuf};

pub(super) const HELP: &str = "\
OLD and NEW are manifests or bundles. What NEW adds is marked +, what it takes away -, what it changes ~; a ! behind it \
says that the app may do or use more by it, or something else, which nobody agreed to yet. The words are those of \
`app check --explain`; a bundle's signature is not looked at.

Exits 0 whatever is different. With --exit-code it exits 5 (not-granted) if NEW may do or use more than OLD.

Examples:
  holdfast app diff app_manifest.old.json app_manifest.json
  holdfast app diff released.bundle my-app.bundle --exit-code";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What is in use
    #[arg(value_name = "OLD", value_hint = ValueHint::FilePath)]
    old: PathBuf,
    /// What shall replace it
    #[arg(value_name = "NEW", value_hint = ValueHint::FilePath)]
    new: PathBuf,
    /// Fail if NEW may do or use more than OLD: for a pipeline that wants a person to look
    #[arg(long)]
    exit_code: bool,
}

#[derive(Serialize)]
struct Compared {
    old: String,
    new: String,
    /// Whether both are of one app; else the one cannot update the other.
    same_component: bool,
    /// Whether the new one may do or use more.
    more: bool,
    changes: Vec<Change>,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let (old, new) = (read(&arguments.old)?, read(&arguments.new)?);
    let changes = changes(&old, &new);
    let compared = Compared {
        old: arguments.old.display().to_string(),
        new: arguments.new.display().to_string(),
        same_component: old.component_id == new.component_id,
        more: changes.iter().any(|change| change.more),
        changes,
    };
    if arguments.exit_code && compared.more {
        let text = format!("{} may do or use more than {}", compared.new, compared.old);
        let hint = "look at each line with a !, then release it without --exit-code";
        return Err(Failure::new(ErrorClass::NotGranted, text).context(compared.lines(context.output)).hint(hint));
    }
    context.output.result(&compared, |out| match compared.lines(*out) {
        lines if lines.is_empty() => "no difference in what the app may do, may use up, or how it is run".to_owned(),
        lines => lines.join("\n"),
    });
    Ok(())
}

/// A manifest, or the one inside a bundle: a bundle does not begin with what a JSON object begins with.
fn read(path: &Path) -> Result<AppManifest> {
    let small = fs_err::metadata(path)?.len() <= MANIFEST_LIMIT as u64;
    if small {
        let bytes = files::read(path, MANIFEST_LIMIT as u64)?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        if text.trim_ascii_start().starts_with(b"{") {
            return super::check::parse(path, &bytes);
        }
    }
    Ok(file::open(path).map_err(|e| Failure::from(e).while_doing(path.display()))?.manifest)
}

impl Compared {
    fn lines(&self, out: Output) -> Vec<String> {
        let other = (!self.same_component).then(|| {
            format!("{} the component ids differ: NEW is another app and cannot replace OLD", out.paint(Style::Warning, "note:"))
        });
        other.into_iter().chain(self.changes.iter().map(|change| change.line(out))).collect()
    }
}

impl Change {
    fn line(&self, out: Output) -> String {
        let mark = if self.more { out.paint(Style::Bad, " !") } else { String::new() };
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => format!("~ {}{mark}\n    before {}", harmless(new), harmless(old)),
            (Some(old), None) => format!("- {}{mark}", harmless(old)),
            (None, new) => format!("+ {}{mark}", harmless(new.as_deref().unwrap_or_default())),
        }
    }
}
