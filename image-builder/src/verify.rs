//! Checks a finished image folder: every output against its digest, the root against its hash, both against the command
//! line. It needs nothing but the folder.

use crate::{
    files::{self, FileError, hex},
    image_manifest::{ImageManifest, ManifestError},
    merkle::{BLOCK, Tree},
    output::Output,
};
use std::path::Path;

/// What was checked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// The manifest, which holds all digests.
    pub manifest: ImageManifest,
    /// What holds, one line each.
    pub checks: Vec<String>,
}

/// Why an image did not pass.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The manifest, or a file that it names.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The root partition's content has another hash.
    #[error("{root}: its hash tree has the root {found}, the manifest says {expected}")]
    RootHash {
        /// The root partition.
        root: String,
        /// Computed.
        found: String,
        /// From the manifest.
        expected: String,
    },
    /// The root partition's tree is not the one computed from its data.
    #[error("{0}: the hash tree behind the data is not that of the data")]
    Tree(String),
    /// The kernel would check for something else.
    #[error("{0} does not name the root by the manifest's root hash")]
    CommandLine(String),
    /// The manifest's numbers make no sense.
    #[error("{0}: malformed salt or size in the manifest")]
    Numbers(String),
}

/// Checks the image in this folder.
pub fn verify(folder: &Path) -> Result<Report, VerifyError> {
    let output = Output::new(folder);
    let manifest = ImageManifest::load(folder)?;
    manifest.check_outputs(folder)?;
    let mut checks: Vec<String> = manifest.outputs.iter().map(|entry| format!("{} has its digest", entry.name)).collect();
    check_root(&output, &manifest)?;
    checks.push(format!("root.img has the root hash {}", manifest.verity.root_hash));
    let line = files::read_text(&output.command_line())?;
    if !line.contains(&format!("dm-mod.create=\"{}\"", manifest.verity.table("root-a"))) {
        return Err(VerifyError::CommandLine(output.command_line().display().to_string()));
    }
    checks.push("the command line names that root hash".into());
    Ok(Report { manifest, checks })
}

fn check_root(output: &Output, manifest: &ImageManifest) -> Result<(), VerifyError> {
    let name = output.root().display().to_string();
    let bytes = files::read(&output.root())?;
    let verity = &manifest.verity;
    let salt = unhex(&verity.salt).ok_or_else(|| VerifyError::Numbers(name.clone()))?;
    let data_size = usize::try_from(verity.data_blocks).ok().and_then(|blocks| blocks.checked_mul(BLOCK));
    let (data, tree_bytes) =
        data_size.and_then(|size| bytes.split_at_checked(size)).ok_or_else(|| VerifyError::Numbers(name.clone()))?;
    let tree = Tree::over(&mut &data[..], &salt).map_err(FileError::of("read", &output.root()))?;
    let found = hex(&tree.root);
    if found != verity.root_hash {
        return Err(VerifyError::RootHash { root: name, found, expected: verity.root_hash.clone() });
    }
    let levels: Vec<u8> = tree.levels.iter().rev().flatten().copied().collect();
    if levels == tree_bytes { Ok(()) } else { Err(VerifyError::Tree(name)) }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        image_manifest::{Entry, FILE_NAME},
        verity,
    };

    /// An image folder with all that `verify` looks at.
    fn image(folder: &Path) -> Output {
        let output = Output::new(folder);
        let data = folder.join("data");
        files::write(&data, &(0..200 * BLOCK).map(|i| (i / 99) as u8).collect::<Vec<_>>()).unwrap();
        let verity = verity::seal(&data, &output.root()).unwrap();
        files::write(&output.command_line(), format!("ro dm-mod.create=\"{}\"", verity.table("root-a")).as_bytes()).unwrap();
        write_manifest(&output, verity);
        output
    }

    fn write_manifest(output: &Output, verity: verity::Verity) {
        let outputs = [("root.img", output.root()), ("cmdline", output.command_line())];
        let manifest = ImageManifest {
            product: "P".parse().unwrap(),
            version: "1".into(),
            test: false,
            build_time: 1,
            kernel: "k".into(),
            verity,
            image_size: 1,
            tools: vec![],
            inputs: vec![],
            outputs: outputs.iter().map(|(name, path)| Entry::of(*name, path).unwrap()).collect(),
        };
        files::write(&output.manifest(), &serde_json::to_vec(&manifest).unwrap()).unwrap();
    }

    fn flip(path: &Path, at: usize) {
        let mut bytes = files::read(path).unwrap();
        bytes[at] ^= 1;
        files::write(path, &bytes).unwrap();
    }

    #[test]
    fn a_good_image_passes_and_a_changed_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let output = image(folder.path());
        assert_eq!(verify(folder.path()).unwrap().checks.len(), 4);
        flip(&output.root(), 5);
        let error = verify(folder.path()).unwrap_err().to_string();
        assert!(error.contains("root.img: found"), "{error}");
    }

    #[test]
    fn digests_that_were_adapted_do_not_hide_a_changed_root_tree_or_command_line() {
        let folder = tempfile::tempdir().unwrap();
        let output = image(folder.path());
        let verity = ImageManifest::load(folder.path()).unwrap().verity;
        for (file, at) in [(output.root(), 5), (output.root(), 201 * BLOCK), (output.command_line(), 20)] {
            flip(&file, at);
            write_manifest(&output, verity.clone());
            let error = verify(folder.path()).unwrap_err();
            flip(&file, at);
            let expected = matches!(error, VerifyError::RootHash { .. } | VerifyError::Tree(_) | VerifyError::CommandLine(_));
            assert!(expected, "{error}");
        }
    }

    #[test]
    fn a_manifest_cannot_make_it_read_other_folders() {
        let folder = tempfile::tempdir().unwrap();
        let output = image(folder.path());
        for name in ["../x", "/etc/passwd", ".."] {
            let text = files::read_text(&output.manifest()).unwrap().replace("cmdline", name);
            files::write(&folder.path().join(FILE_NAME), text.as_bytes()).unwrap();
            assert!(matches!(verify(folder.path()), Err(VerifyError::Manifest(ManifestError::Name { .. }))), "{name}");
            image(folder.path());
        }
    }
}
