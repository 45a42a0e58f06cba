//! `holdfast app inspect`

use super::{rights, signer};
use crate::{
    bundle::{
        envelope::{self, SignatureState},
        file::{self, Opened},
    },
    dispatch::Context,
    failure::{Failure, Result},
    output::{Output, Style, harmless, size},
};
use clap::{Args, ValueHint};
use manifest::{app::AppManifest, names::DisplayName};
use serde::Serialize;
use std::path::PathBuf;

pub(super) const HELP: &str = "\
Checks the image's digest and, with the keys at hand, the signature. It is advice: the device judges again.

Examples:
  holdfast app inspect my-app.bundle
  holdfast app inspect my-app.bundle --json";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The bundle
    #[arg(value_name = "BUNDLE", value_hint = ValueHint::FilePath)]
    bundle: PathBuf,
}

/// All that can be said of a bundle.
#[derive(Serialize)]
struct Inspected {
    bundle: String,
    component_id: String,
    name: String,
    version: u64,
    version_name: Option<DisplayName>,
    platform_abi: u32,
    image_size: u64,
    envelope_size: u32,
    digest: String,
    digest_holds: bool,
    signature: SignatureState,
    asks_for: Vec<String>,
    limits: Vec<String>,
    manifest: AppManifest,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let opened = file::open(&arguments.bundle).map_err(|e| Failure::from(e).while_doing(arguments.bundle.display()))?;
    let signature = envelope::check(&opened.envelope, signer::ours(context)?.as_ref())?;
    let Opened { trailer, statement, manifest, digest, digest_holds, .. } = opened;
    let inspected = Inspected {
        bundle: arguments.bundle.display().to_string(),
        component_id: statement.component_id.to_string(),
        name: manifest.name.clone(),
        version: statement.version,
        version_name: statement.version_name,
        platform_abi: statement.platform_abi,
        image_size: trailer.image_len,
        envelope_size: trailer.envelope_len,
        digest,
        digest_holds,
        signature,
        limits: rights::limits_of(&manifest),
        asks_for: rights::asked_for(&manifest),
        manifest,
    };
    context.output.result(&inspected, |out| inspected.words(*out));
    Ok(())
}

impl Inspected {
    fn words(&self, out: Output) -> String {
        let version = match &self.version_name {
            Some(name) => format!("{} ({name})", self.version),
            None => self.version.to_string(),
        };
        let image = if self.digest_holds {
            out.paint(Style::Good, "is the one that was stated")
        } else {
            out.paint(Style::Bad, "is NOT the one that was stated: damaged or changed")
        };
        let signature = match &self.signature {
            SignatureState::Valid { key_id } => format!("{}, by our key {key_id}", out.paint(Style::Good, "valid")),
            SignatureState::Broken { key_id } => {
                format!("{}: claims our key {key_id}, and does not hold", out.paint(Style::Bad, "broken"))
            }
            SignatureState::Foreign { key_ids } => {
                format!("{}: by {}", out.paint(Style::Warning, "not by a key at hand"), key_ids.join(", "))
            }
            SignatureState::Unsigned => out.paint(Style::Warning, "none: no device accepts it"),
        };
        let mut lines = vec![
            format!("{}  version {version}", out.paint(Style::Bold, &harmless(&self.name))),
            format!("  component     {}", self.component_id),
            format!("  platform ABI  {}", self.platform_abi),
            format!("  image         {}, {image}", size(self.image_size)),
            format!("  digest        {} (fs-verity)", self.digest),
            format!("  signature     {signature}"),
            format!("  program       {} {}", self.manifest.entry_point, harmless(&self.manifest.cmd_args.join(" "))),
        ];
        let heads = std::iter::once("limits").chain(std::iter::repeat(""));
        lines.extend(self.limits.iter().zip(heads).map(|(limit, head)| format!("  {head:12}  {limit}")));
        if self.asks_for.is_empty() {
            lines.push("  asks for      nothing: it can compute and log".into());
        }
        let heads = std::iter::once("asks for").chain(std::iter::repeat(""));
        lines.extend(self.asks_for.iter().zip(heads).map(|(right, head)| format!("  {head:12}  {}", harmless(right))));
        lines.join("\n")
    }
}
