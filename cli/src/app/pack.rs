//! `holdfast app pack`

use super::{check, rights, signer::Signing};
use crate::{
    bundle::{envelope, file, folder, image, layout, program, tree::Tree},
    dispatch::Context,
    failure::{Failure, Result},
    files,
    image::progress::Shown,
    oci,
    output::{Style, harmless, size},
    places::Places,
};
use clap::{Args, ValueHint};
use image_builder::erofs::{self, Compression};
use manifest::{
    api::ErrorClass,
    app::{AppManifest, MANIFEST_LIMIT},
    bundle::IMAGE_LIMIT,
    names::{ComponentId, DisplayName, Sha256Hex},
    read,
};
use serde::Serialize;
use std::path::{Path, PathBuf};

pub(super) const HELP: &str = "\
Either a folder that is the app's root file system, with its app_manifest.json in it, or one program: then the \
program is put at the manifest's EntryPoint, together with the loader and the libraries it is linked with, as found on \
this machine. The same input gives the same bundle, byte for byte.

Or a container image (--oci): what `docker save` writes, or an OCI image layout. Program, arguments and environment come from \
the image where the manifest leaves EntryPoint, CmdArgs and Holdfast.Environment out; scripts are started by their interpreters. \
Devices, set-id bits and links to nothing are left out and told. Rights come from the manifest alone.

Examples:
  holdfast app pack my-app/root
  holdfast app pack --binary target/release/my-app --manifest app_manifest.json -o my-app.bundle
  holdfast app pack --oci my-app.tar --manifest app_manifest.json
  holdfast app pack my-app/root --app-version 7 --version-name 1.4.0";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder that becomes the app's root
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath, required_unless_present_any = ["binary", "oci"], conflicts_with_all = ["binary", "oci"])]
    folder: Option<PathBuf>,
    /// Program to pack with the libraries it needs
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "manifest")]
    binary: Option<PathBuf>,
    /// Container image to pack: an archive, or the folder of an OCI image layout
    #[arg(long, value_name = "ARCHIVE", value_hint = ValueHint::AnyPath, requires = "manifest", conflicts_with = "binary")]
    oci: Option<PathBuf>,
    /// The manifest [default: app_manifest.json in DIR]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    manifest: Option<PathBuf>,
    /// How the bundle is made
    #[command(flatten)]
    pub(super) options: Options,
}

/// What `pack` and `build` have in common.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// Where to write the bundle [default: NAME.bundle in the current folder]
    #[arg(long, short, value_name = "BUNDLE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Version that counts: a device refuses a lower one than it has
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    app_version: u64,
    /// Version as people write it
    #[arg(long, value_name = "TEXT")]
    version_name: Option<DisplayName>,
    /// Leave the bundle unsigned, for `app sign`; no device accepts it
    #[arg(long, conflicts_with = "sign_with")]
    unsigned: bool,
    /// How it is signed
    #[command(flatten)]
    signing: Signing,
    #[arg(skip)]
    compression: Compression,
}

/// What was made.
#[derive(Debug, Serialize)]
pub(super) struct Packed {
    bundle: String,
    component_id: String,
    name: String,
    version: u64,
    version_name: Option<DisplayName>,
    size: u64,
    image_size: u64,
    files: usize,
    digest: Sha256Hex,
    signed_by: Option<String>,
    rights: Vec<String>,
    /// What of a container image was left out, or is another way on a device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    /// Where its symbols are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    symbols: Vec<PathBuf>,
}

/// What there is to tell beside the bundle itself.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Of a container image.
    pub(super) of_image: Vec<String>,
    /// Files of symbols that were kept.
    pub(super) symbols: Vec<PathBuf>,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    if let Some(archive) = &arguments.oci {
        return from_image(context, archive, arguments.manifest.as_deref().unwrap_or(Path::new(IN_FOLDER)), &arguments.options);
    }
    let (tree, manifest) = match (&arguments.binary, &arguments.folder) {
        (Some(binary), _) => from_program(binary, arguments.manifest.as_deref().unwrap_or(Path::new(IN_FOLDER)))?,
        (None, Some(folder)) => from_folder(folder, arguments.manifest.as_deref())?,
        (None, None) => return Err(Failure::new(ErrorClass::Usage, "neither a folder nor a program was given")),
    };
    write(context, tree, &manifest, &arguments.options, Notes::default())
}

/// A container image.
fn from_image(context: &Context, archive: &Path, manifest: &Path, options: &Options) -> Result<()> {
    let wrong = |e: oci::OciError| Failure::of(e.class(), &e).while_doing(format!("{} was not packed", archive.display()));
    let mut imported = oci::read(archive).map_err(wrong)?;
    let base = files::read(manifest, MANIFEST_LIMIT as u64)?;
    let mut document: serde_json::Map<String, serde_json::Value> =
        read::json("app manifest", &base, MANIFEST_LIMIT).map_err(|e| Failure::from(e).while_doing(manifest.display()))?;
    let completed = oci::start::complete(&mut document, &imported.tree, &imported.config).map_err(wrong)?;
    let bytes = serde_json::to_vec_pretty(&document).map_err(|e| Failure::of(ErrorClass::Internal, &e))?;
    let parsed = check::parse(manifest, &bytes)?;
    let mut notes = std::mem::take(&mut imported.notes);
    notes.extend(completed);
    notes.push(format!(
        "it runs {}",
        std::iter::once(parsed.entry_point.as_str())
            .chain(parsed.cmd_args.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ")
    ));
    let tree = std::mem::take(&mut imported.tree);
    write(context, tree, &Manifest { bytes, parsed }, options, Notes { of_image: notes, symbols: Vec::new() })
}

/// Where a folder's manifest lies, unless told otherwise.
const IN_FOLDER: &str = "app_manifest.json";

impl Options {
    /// For a bundle of this version that goes to one device at once, and nowhere else.
    pub(super) fn for_development(signing: Signing, app_version: u64) -> Self {
        Self { output: None, app_version, version_name: None, unsigned: false, signing, compression: Compression::Quick }
    }
}

impl Manifest {
    /// Whose it is.
    pub(super) fn component_id(&self) -> &ComponentId {
        &self.parsed.component_id
    }
}

/// A manifest as it was read: what is signed are its exact bytes.
pub(super) struct Manifest {
    bytes: Vec<u8>,
    parsed: AppManifest,
}

fn read_manifest(path: &Path) -> Result<Manifest> {
    let bytes = files::read(path, MANIFEST_LIMIT as u64)?;
    let parsed = check::parse(path, &bytes)?;
    Ok(Manifest { bytes, parsed })
}

/// One program and what it is linked with.
pub(super) fn from_program(binary: &Path, manifest: &Path) -> Result<(Tree, Manifest)> {
    let manifest = read_manifest(manifest)?;
    Ok((program::read(binary, &manifest.parsed.entry_point)?, manifest))
}

/// A whole root.
pub(super) fn from_folder(folder: &Path, manifest: Option<&Path>) -> Result<(Tree, Manifest)> {
    let mut tree = folder::read(folder)?;
    let candidates = [folder.join(IN_FOLDER), folder.join(layout::MANIFEST.trim_start_matches('/'))];
    let path = match manifest {
        Some(path) => path.to_owned(),
        None => candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
            let text = format!("{} has no {IN_FOLDER}, so nothing says what the app may do", folder.display());
            Failure::new(ErrorClass::NotFound, text).hint("give it with --manifest FILE, or make one with `holdfast app new`")
        })?,
    };
    let manifest = read_manifest(&path)?;
    // In the image it has its own name; twice would only be a chance to differ.
    tree.remove(&format!("/{IN_FOLDER}"));
    Ok((tree, manifest))
}

/// Makes the bundle, and tells.
pub(super) fn write(context: &Context, tree: Tree, manifest: &Manifest, options: &Options, notes: Notes) -> Result<()> {
    let bytes = tree.bytes();
    let bundle = options.output.clone().unwrap_or_else(|| default_name(&manifest.parsed.name));
    let packed = Packed { notes: notes.of_image, symbols: notes.symbols, ..make(context, tree, manifest, options, &bundle)? };
    context.output.result(&packed, |out| {
        let head =
            format!("Packed {} version {} into {}", packed.name, packed.version, out.paint(Style::Bold, &Places::shown(&bundle)));
        let content = format!("  {} ({} files, {} before compression)", size(packed.size), packed.files, size(bytes));
        let signed = match &packed.signed_by {
            Some(id) => format!("  signed by {id}"),
            None => out.paint(Style::Warning, "  not signed: no device accepts it before `holdfast app sign`"),
        };
        let mut lines = vec![head, content, signed];
        if packed.rights.is_empty() {
            lines.push("  asks for nothing: it can compute and log".into());
        }
        lines.extend(packed.rights.iter().map(|right| format!("  {}", harmless(right))));
        lines.extend(packed.notes.iter().map(|note| format!("  of the image: {}", harmless(note))));
        lines.extend(packed.symbols.iter().map(|path| format!("  its symbols are in {}", Places::shown(path))));
        lines.extend(rights::limits_of(&manifest.parsed).iter().map(|limit| format!("  {limit}")));
        lines.join("\n")
    });
    Ok(())
}

/// Completes the tree, writes the image, states and signs; the bundle is there when this returns.
pub(super) fn make(context: &Context, mut tree: Tree, manifest: &Manifest, options: &Options, bundle: &Path) -> Result<Packed> {
    layout::complete(&mut tree, &manifest.bytes)?;
    folder::check_links(&tree)?;
    layout::check_entry_point(&tree, &manifest.parsed)?;
    // Before the long part, so that a missing key is told at once.
    let key = if options.unsigned { None } else { Some(options.signing.key(context)?) };

    let work = tempfile::tempdir()?;
    let (root, image) = (work.path().join("root"), work.path().join("image.erofs"));
    fs_err::create_dir(&root)?;
    image::stage(&tree, &root)?;
    erofs::make_with(options.compression, &root, &image, 0, &mut Shown::quiet(context.output))?;
    let image_size = fs_err::metadata(&image)?.len();
    if image_size > IMAGE_LIMIT {
        let text = format!("the app's image has {}, at most {} are allowed", size(image_size), size(IMAGE_LIMIT));
        return Err(Failure::new(ErrorClass::BadInput, text));
    }
    let digest = file::digest(&mut std::io::BufReader::new(fs_err::File::open(&image)?))?;
    let version = envelope::Version { number: options.app_version, name: options.version_name.clone() };
    let id = manifest.parsed.component_id.clone();
    let statement = envelope::state(id, version, &manifest.bytes, digest.clone(), image_size);
    let mut envelope = envelope::unsigned(&statement).map_err(|e| Failure::of(ErrorClass::Internal, &e))?;
    if let Some(key) = &key {
        envelope::sign(&mut envelope, key)?;
    }
    let bundle_size = file::write(bundle, &image, &envelope)?;
    Ok(Packed {
        bundle: bundle.display().to_string(),
        component_id: manifest.parsed.component_id.to_string(),
        name: manifest.parsed.name.clone(),
        version: options.app_version,
        version_name: options.version_name.clone(),
        size: bundle_size,
        image_size,
        files: tree.iter().count(),
        digest,
        signed_by: key.map(|key| image_builder::keys::key_id(&key.verifying_key())),
        rights: rights::asked_for(&manifest.parsed),
        notes: Vec::new(),
        symbols: Vec::new(),
    })
}

/// A file name from an app's name, which may hold anything.
fn default_name(name: &str) -> PathBuf {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(64).collect();
    let plain = plain.trim_matches('-');
    format!("{}.bundle", if plain.is_empty() { "app" } else { plain }).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_name_has_nothing_of_a_path() {
        assert_eq!(default_name("Doorbell in C"), PathBuf::from("doorbell-in-c.bundle"));
        assert_eq!(default_name("../../etc/x"), PathBuf::from("etc-x.bundle"));
        assert_eq!(default_name("…"), PathBuf::from("app.bundle"));
    }
}
