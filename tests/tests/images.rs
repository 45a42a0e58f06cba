//! Images under the eyes of other people's tools, and built twice.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, ensure};
use harness::{image, workspace::top};
use image_builder::{BuildOptions, ImageManifest, Silent, keys::SecureBootKey, verity::Verity};
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Runs a tool that must be content, and returns its words.
fn judge<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("cannot run {program}"))?;
    let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{program} is not content ({}):\n{words}", output.status);
    Ok(words)
}

#[test]
fn sbverify_accepts_the_signed_kernel_and_refuses_the_unsigned_and_a_changed_one() -> Result<()> {
    let image = image::product()?;
    let keys = image_builder::keys::load(&image::keys_folder())?;
    let certificate = keys.secure_boot_certificate(SecureBootKey::Db);
    let arguments = |uki: &Path| ["--cert".into(), certificate.clone(), uki.to_owned()];
    judge("sbverify", arguments(&image.uki()))?;
    ensure!(judge("sbverify", arguments(&image.unsigned_uki())).is_err(), "sbverify accepts an unsigned kernel");
    let work = tempfile::tempdir()?;
    let changed = work.path().join("changed.efi");
    let mut bytes = fs::read(image.uki())?;
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).context("an empty kernel")? ^= 1;
    fs::write(&changed, bytes)?;
    ensure!(judge("sbverify", arguments(&changed)).is_err(), "sbverify accepts a changed kernel");
    Ok(())
}

#[test]
fn veritysetup_verifies_the_root_and_finds_a_flipped_bit() -> Result<()> {
    let image = image::product()?;
    let verity: Verity = serde_json::from_slice(&fs::read(image.verity())?)?;
    let arguments = |root: &Path| -> Vec<String> {
        let offset = verity.data_blocks * 4096;
        let root = root.display().to_string();
        let options = ["--no-superblock", "--hash=sha256", "--data-block-size=4096", "--hash-block-size=4096"].map(str::to_owned);
        let mut all = vec!["verify".to_owned(), root.clone(), root, verity.root_hash.clone()];
        all.extend(options);
        all.extend([
            format!("--data-blocks={}", verity.data_blocks),
            format!("--hash-offset={offset}"),
            format!("--salt={}", verity.salt),
        ]);
        all
    };
    judge("veritysetup", arguments(&image.root()))?;
    let work = tempfile::tempdir()?;
    let changed = work.path().join("root.img");
    let mut bytes = fs::read(image.root())?;
    *bytes.get_mut(70_000).context("a small root")? ^= 1;
    fs::write(&changed, bytes)?;
    ensure!(judge("veritysetup", arguments(&changed)).is_err(), "veritysetup accepts a flipped bit");
    Ok(())
}

#[test]
fn fsck_erofs_is_content_with_the_root() -> Result<()> {
    let image = image::product()?;
    let verity: Verity = serde_json::from_slice(&fs::read(image.verity())?)?;
    let work = tempfile::tempdir()?;
    let only = work.path().join("root.erofs");
    let bytes = fs::read(image.root())?;
    let length = usize::try_from(verity.data_blocks * 4096)?;
    fs::write(&only, bytes.get(..length).context("a root shorter than it says")?)?;
    judge("fsck.erofs", [&only]).map(drop)
}

#[test]
fn sgdisk_finds_no_problem_with_the_disk_and_five_partitions() -> Result<()> {
    let disk = image::product()?.disk();
    let words = judge("sgdisk", [OsStr::new("-v"), disk.as_os_str()])?;
    ensure!(words.contains("No problems found"), "{words}");
    let listed = judge("sgdisk", [OsStr::new("-p"), disk.as_os_str()])?;
    for label in ["esp-a", "root-a", "esp-b", "root-b", "data"] {
        ensure!(listed.contains(label), "{label} is missing:\n{listed}");
    }
    Ok(())
}

#[test]
fn readelf_finds_every_program_static_position_independent_and_read_only_after_relocation() -> Result<()> {
    let programs = image::product()?.folder().join("work/programs");
    let mut count = 0;
    for entry in fs::read_dir(&programs).with_context(|| format!("cannot list {}", programs.display()))? {
        let path = entry?.path();
        let words = judge("readelf", [OsStr::new("-hldW"), path.as_os_str()])?;
        ensure!(words.contains("Type:                              DYN"), "{}: not position independent", path.display());
        ensure!(!words.contains("INTERP") && !words.contains("NEEDED"), "{}: not static", path.display());
        ensure!(
            words.contains("GNU_RELRO") && (words.contains("BIND_NOW") || words.contains(" NOW")),
            "{}: no full RELRO",
            path.display()
        );
        ensure!(!words.contains("RWE"), "{}: a segment is writable and executable", path.display());
        count += 1;
    }
    ensure!(count >= 6, "only {count} programs in {}", programs.display());
    Ok(())
}

#[test]
fn the_product_image_has_no_probe_and_fits_its_size() -> Result<()> {
    let work = tempfile::tempdir()?;
    // As a vendor ships it: the developers' image has gdbserver with its libraries, 2.8 MiB.
    let image = image::variant(work.path(), "qemu.json", |description| {
        if let Some(fields) = description.as_object_mut() {
            fields.remove("debug");
        }
    })?;
    let manifest = ImageManifest::load(image.folder())?;
    ensure!(!manifest.test && manifest.inputs.iter().all(|input| !input.name.contains("probe")), "{:?}", manifest.inputs);
    let ceiling = 13 << 20;
    ensure!(
        manifest.image_size <= ceiling,
        "UKI and root have {} bytes, the ceiling is {ceiling}, the goal 12 MiB",
        manifest.image_size
    );
    Ok(())
}

#[test]
fn an_image_built_in_another_folder_by_another_clock_is_the_same_to_the_byte() -> Result<()> {
    let first = image::product()?;
    let built = ImageManifest::load(first.folder())?;
    let work = tempfile::tempdir()?;
    // The sources in another place; git's list of files, so that no build output comes along.
    let elsewhere = work.path().join("elsewhere/deep/checkout");
    copy_sources(&elsewhere)?;
    let options = BuildOptions {
        workspace: elsewhere.clone(),
        description: elsewhere.join("boards/images/qemu.json"),
        keys: image::keys_folder(),
        output: work.path().join("image"),
        kernel_source: None,
        build_time: Some(built.build_time),
        jobs: None,
    };
    let second = image_builder::build(&options, &mut Silent)?;
    for (one, other) in built.outputs.iter().zip(&second.manifest.outputs) {
        ensure!(one == other, "{} differs: {one:?} {other:?}", one.name);
    }
    ensure!(built.outputs.len() == second.manifest.outputs.len() && !built.outputs.is_empty());
    Ok(())
}

fn copy_sources(to: &Path) -> Result<()> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(top()).output().context("cannot run git")?;
    ensure!(listed.status.success(), "git ls-files failed");
    for name in listed.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = PathBuf::from(String::from_utf8_lossy(name).into_owned());
        let (from, to) = (top().join(&name), to.join(&name));
        fs::create_dir_all(to.parent().unwrap_or(Path::new("/")))?;
        fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}
