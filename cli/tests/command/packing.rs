//! `holdfast app pack`, `sign`, `inspect`.

use crate::holdfast::{Place, static_program};
use std::{process::Command, time::Duration};

/// A program that is certainly linked dynamically.
const DYNAMIC: &str = "/bin/cat";

#[test]
fn a_folder_becomes_a_bundle_that_inspect_finds_valid() {
    let place = Place::new();
    place.root();
    let packed = place
        .run(&["app", "pack", "root", "-o", "bell.bundle", "--app-version", "7", "--version-name", "1.2", "--json"])
        .good()
        .json();
    assert_eq!((packed["version"].as_u64(), packed["version_name"].as_str()), (Some(7), Some("1.2")));
    let inspected = place.run(&["app", "inspect", "bell.bundle", "--json"]).good().json();
    assert_eq!(inspected["signature"]["state"], "valid");
    assert_eq!(inspected["digest_holds"], true);
    assert_eq!(inspected["digest"], packed["digest"]);
    let words = place.run(&["app", "inspect", "bell.bundle"]).good().out;
    assert!(words.contains("version 7 (1.2)") && words.contains("valid, by our key"), "{words}");
}

#[test]
fn packing_twice_in_different_folders_and_times_gives_the_same_bytes() {
    let (one, two) = (Place::new(), Place::new());
    let pack = |place: &Place| {
        place.run(&["app", "pack", "--binary", DYNAMIC, "--manifest", "app_manifest.json", "-o", "a.bundle"]).good()
    };
    pack(&one);
    std::thread::sleep(Duration::from_millis(1100));
    pack(&two);
    assert!(one.read("a.bundle") == two.read("a.bundle"));

    one.root();
    std::thread::sleep(Duration::from_millis(1100));
    two.root();
    one.run(&["app", "pack", "root", "-o", "b.bundle"]).good();
    two.run(&["app", "pack", "root", "-o", "b.bundle"]).good();
    assert!(one.read("b.bundle") == two.read("b.bundle"));
}

#[test]
fn a_dynamic_program_runs_from_its_image_alone() {
    let place = Place::new();
    place.run(&["app", "pack", "--binary", DYNAMIC, "--manifest", "app_manifest.json", "-o", "cat.bundle"]).good();
    let size = place.run(&["app", "inspect", "cat.bundle", "--json"]).good().json()["image_size"].as_u64().unwrap();
    let mut image = place.read("cat.bundle");
    image.truncate(usize::try_from(size).unwrap());
    fs_err::write(place.path("image.erofs"), image).unwrap();
    let root = place.path("extracted");
    let extracted =
        Command::new("fsck.erofs").arg(format!("--extract={}", root.display())).arg(place.path("image.erofs")).output().unwrap();
    assert!(extracted.status.success(), "{extracted:?}");
    for mount_point in ["data", "dev", "proc", "run", "tmp"] {
        assert_eq!(fs_err::read_dir(root.join(mount_point)).unwrap().count(), 0);
    }
    assert_eq!(fs_err::read(root.join("manifest.json")).unwrap(), place.read("app_manifest.json"));
    // The loader of the image, told to use nothing but libraries of the image, finds all it needs.
    let loader = root.join("lib64/ld-linux-x86-64.so.2");
    let libraries =
        ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"].map(|folder| root.join(folder).display().to_string()).join(":");
    let mut command = Command::new(loader);
    command.args(["--inhibit-cache", "--library-path", &libraries]).arg(root.join("bin/app")).arg(root.join("manifest.json"));
    let ran = command.output().unwrap();
    assert_eq!(ran.stdout, place.read("app_manifest.json"), "{ran:?}");
}

#[test]
fn an_unsigned_bundle_says_so_and_signing_mends_it() {
    let place = Place::new();
    place.root();
    place.run(&["app", "pack", "root", "-o", "a.bundle", "--unsigned"]).good();
    assert!(place.run(&["app", "inspect", "a.bundle"]).good().out.contains("no device accepts it"));
    place.run(&["app", "sign", "a.bundle"]).good();
    let signed = place.read("a.bundle");
    assert!(place.run(&["app", "inspect", "a.bundle"]).good().out.contains("valid, by our key"));
    place.run(&["app", "pack", "root", "-o", "b.bundle"]).good();
    assert!(signed == place.read("b.bundle"), "signing later gives other bytes than signing at once");
}

#[test]
fn a_foreign_key_signs_and_is_not_taken_for_ours() {
    let place = Place::new();
    place.root();
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "ed25519", "-out"])
        .arg(place.path("foreign.key"))
        .output()
        .unwrap();
    assert!(made.status.success());
    place.run(&["app", "pack", "root", "-o", "a.bundle", "--sign-with", "foreign.key"]).good();
    assert!(place.run(&["app", "inspect", "a.bundle"]).good().out.contains("not by a key at hand"));
    place.write("no.key", "no key");
    place
        .run(&["app", "pack", "root", "-o", "b.bundle", "--sign-with", "no.key"])
        .refused(3, &["no.key is not a private Ed25519 key"]);
    assert!(!place.path("b.bundle").exists());
}

#[test]
fn a_changed_bundle_is_found_out_and_not_signed() {
    let place = Place::new();
    place.root();
    place.run(&["app", "pack", "root", "-o", "a.bundle"]).good();
    let whole = place.read("a.bundle");
    let mut flipped = whole.clone();
    flipped[5000] ^= 1;
    fs_err::write(place.path("a.bundle"), &flipped).unwrap();
    assert!(place.run(&["app", "inspect", "a.bundle"]).good().out.contains("NOT the one that was stated"));
    place.run(&["app", "sign", "a.bundle"]).refused(4, &["not the one that was packed"]);

    for length in [0, 10, 31, 32, whole.len() - 1] {
        fs_err::write(place.path("a.bundle"), &whole[..length]).unwrap();
        place.run(&["app", "inspect", "a.bundle"]).refused(3, &["a.bundle", "bundle"]);
    }
    let mut huge = whole;
    let at = huge.len() - 8;
    huge[at..].copy_from_slice(&(10u64 << 30).to_le_bytes());
    fs_err::write(place.path("a.bundle"), &huge).unwrap();
    place.run(&["app", "inspect", "a.bundle"]).refused(3, &["at most 1073741824 are allowed"]);
}

#[test]
fn version_zero_and_missing_inputs_are_usage_errors() {
    let place = Place::new();
    place.root();
    place.run(&["app", "pack", "root", "--app-version", "0"]).refused(2, &["--app-version"]);
    place.run(&["app", "pack"]).refused(2, &["DIR"]);
    place.run(&["app", "pack", "--binary", "x"]).refused(2, &["--manifest"]);
    place.run(&["app", "pack", "root", "--binary", "x", "--manifest", "m"]).refused(2, &["--binary"]);
}

#[test]
fn without_keys_nothing_is_packed_and_the_next_step_is_told() {
    let place = Place::new();
    place.root();
    let run = place.run_with(&["app", "pack", "root", "-o", "a.bundle"], &place.path("none"));
    run.refused(6, &["holdfast keys init"]);
    assert!(!place.path("a.bundle").exists());
    assert!(static_program().exists());
}
