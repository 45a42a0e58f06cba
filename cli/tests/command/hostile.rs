//! What must not be packed: each is refused by name, and no bundle is left behind.

use crate::holdfast::{MANIFEST, Place, static_program};
use std::os::unix::fs::{PermissionsExt, symlink};

#[track_caller]
fn refused(place: &Place, words: &[&str]) {
    place.run(&["app", "pack", "root", "-o", "a.bundle"]).refused(3, words);
    assert!(!place.path("a.bundle").exists(), "a bundle was left behind");
}

#[test]
fn links_out_of_the_folder() {
    for target in ["/etc/shadow", "../../etc/shadow", "../../../../../../etc/shadow", "missing"] {
        let place = Place::new();
        symlink(target, place.root().join("bin/link")).unwrap();
        refused(&place, &["/bin/link", target]);
    }
}

#[test]
fn a_link_in_place_of_a_folder_does_not_lead_the_packer_out() {
    let place = Place::new();
    symlink("/etc", place.root().join("etc")).unwrap();
    refused(&place, &["/etc"]);
}

#[test]
fn a_link_in_place_of_the_entry_point_or_the_manifest() {
    let place = Place::new();
    let root = place.root();
    fs_err::remove_file(root.join("bin/app")).unwrap();
    symlink(static_program(), root.join("bin/app")).unwrap();
    refused(&place, &["/bin/app"]);

    let place = Place::new();
    let root = place.root();
    symlink("bin/app", root.join("manifest.json")).unwrap();
    refused(&place, &["/manifest.json"]);
}

#[test]
fn set_id_bits_sockets_and_device_nodes() {
    let place = Place::new();
    fs_err::set_permissions(place.root().join("bin/app"), PermissionsExt::from_mode(0o4755)).unwrap();
    refused(&place, &["set-user-id", "chmod u-s,g-s"]);

    let place = Place::new();
    let _listener = std::os::unix::net::UnixListener::bind(place.root().join("socket")).unwrap();
    refused(&place, &["socket", "is a socket"]);

    let place = Place::new();
    let node = place.root().join("null");
    let made = std::process::Command::new("mknod").arg(&node).args(["c", "1", "3"]).output().unwrap();
    // Only root may make device nodes; whoever else runs this cannot pack one either.
    if made.status.success() {
        refused(&place, &["is a character device"]);
    }
    let place = Place::new();
    let made = std::process::Command::new("mkfifo").arg(place.root().join("pipe")).output().unwrap();
    assert!(made.status.success());
    refused(&place, &["is a named pipe"]);
}

#[test]
fn more_than_an_image_may_hold_and_too_deep_a_nesting() {
    let place = Place::new();
    fs_err::File::create(place.root().join("huge")).unwrap().set_len(10 << 30).unwrap();
    refused(&place, &["more than 1073741824 bytes"]);

    let place = Place::new();
    fs_err::create_dir_all(place.root().join("d/".repeat(70))).unwrap();
    refused(&place, &["folders deep"]);
}

#[test]
fn names_with_control_characters() {
    let place = Place::new();
    fs_err::write(place.root().join("a\x1b[2Jb"), "").unwrap();
    let run = place.run(&["app", "pack", "root", "-o", "a.bundle"]).refused(3, &["control characters"]);
    assert!(!run.err.contains('\x1b'), "the escape sequence reached the terminal");
}

#[test]
fn what_the_device_mounts_over() {
    let place = Place::new();
    fs_err::create_dir(place.root().join("data")).unwrap();
    fs_err::write(place.path("root/data/state"), "x").unwrap();
    refused(&place, &["/data", "mounts over"]);
}

#[test]
fn entry_points_that_cannot_run() {
    let entry = |bytes: &[u8], mode: u32, words: &[&str]| {
        let place = Place::new();
        let path = place.root().join("bin/app");
        fs_err::write(&path, bytes).unwrap();
        fs_err::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        refused(&place, words);
    };
    entry(
        b"#!/usr/bin/python3 -u\nprint()\n",
        0o755,
        &["is a script for \"/usr/bin/python3 -u\"", "make the interpreter the EntryPoint"],
    );
    entry(b"", 0o755, &["it is empty"]);
    entry(b"MZ\x90", 0o755, &["Windows"]);
    entry(b"\x7fELF\x01\x01\x01", 0o755, &["32-bit"]);
    entry(b"\x7fELF\x02\x01\x01", 0o755, &["damaged"]);
    entry(&fs_err::read(static_program()).unwrap(), 0o644, &["is not executable", "chmod +x"]);
    entry(&fs_err::read("/bin/cat").unwrap(), 0o755, &["needs the loader /lib64/ld-linux-x86-64.so.2"]);

    let place = Place::new();
    fs_err::remove_file(place.root().join("bin/app")).unwrap();
    refused(&place, &["EntryPoint /bin/app is not in the app's folder"]);
}

#[test]
fn a_manifest_in_the_folder_that_is_not_the_one_given() {
    let place = Place::new();
    fs_err::write(place.root().join("manifest.json"), MANIFEST.replace("Bell", "Ball")).unwrap();
    refused(&place, &["/manifest.json", "differs from the manifest"]);
}

#[test]
fn a_folder_without_a_manifest_and_a_manifest_that_is_a_device() {
    let place = Place::new();
    fs_err::remove_file(place.root().join("app_manifest.json")).unwrap();
    place.run(&["app", "pack", "root", "-o", "a.bundle"]).refused(6, &["has no app_manifest.json"]);
    place
        .run(&["app", "pack", "root", "--manifest", "/dev/zero", "-o", "a.bundle"])
        .refused(3, &["/dev/zero", "no regular file"]);
}
