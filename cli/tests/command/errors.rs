//! Exit codes follow from the class of the error, in words and in JSON alike.

use crate::holdfast::{Place, keys};
use holdfast_cli::exit;

#[test]
fn a_failure_in_json_is_one_object_with_class_hint_and_exit_code() {
    let place = Place::new();
    let cases: [(&[&str], &str); 6] = [
        (&["app", "check", "none.json"], "not-found"),
        (&["app", "check", "."], "bad-input"),
        (&["app", "list"], "not-found"),
        (&["app", "sign", "app_manifest.json"], "bad-input"),
        (&["device", "info", "--device", "127.0.0.1:1", "--fingerprint", ZEROES], "unavailable"),
        (&["frobnicate"], "usage"),
    ];
    for (arguments, class) in cases {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let run = place.run(&arguments);
        let json = run.json();
        assert_eq!(json["error"]["class"], class, "{run:?}");
        let code = exit::TABLE.iter().find(|row| row.name == class).map(|row| i32::from(row.code));
        assert_eq!(run.code, code, "{run:?}");
        assert_eq!(json["exit_code"].as_i64(), code.map(i64::from));
        assert!(json["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
}

const ZEROES: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn a_device_by_address_needs_its_fingerprint() {
    Place::new().run(&["device", "info", "--device", "127.0.0.1:1"]).refused(2, &["--fingerprint"]);
}

#[test]
fn without_a_running_machine_the_next_step_is_told() {
    Place::new().run(&["device", "info"]).refused(6, &["no device is running here", "holdfast run --detach"]);
    Place::new().run(&["device", "press", "DOORBELL_BUTTON"]).refused(6, &["holdfast run --detach"]);
    Place::new().run(&["run", "--stop"]).refused(6, &["no device is running here"]);
}

#[test]
fn a_folder_that_is_no_image_is_not_run() {
    let place = Place::new();
    place.run(&["run", "nowhere"]).refused(6, &["nowhere is no image folder", "holdfast image build"]);
    place.run(&["image", "verify", "nowhere"]).refused(6, &["holdfast image build"]);
}

#[test]
fn keys_are_never_overwritten_and_open_ones_never_used() {
    let place = Place::new();
    place.run_with(&["keys", "init"], keys()).refused(7, &["never overwritten"]);

    let own = place.path("keys");
    place.run_with(&["keys", "init"], &own).good();
    use std::os::unix::fs::PermissionsExt;
    fs_err::set_permissions(own.join("app-signing.key"), PermissionsExt::from_mode(0o644)).unwrap();
    place.root();
    place.run_with(&["app", "pack", "root"], &own).refused(4, &["others may read", "chmod 600"]);
}

#[test]
fn help_and_version_are_no_failures_and_help_teaches() {
    let place = Place::new();
    let help = place.run(&["help"]).good().out;
    assert!(help.contains("Examples:") && help.contains("holdfast keys init"));
    let long = place.run(&["--help"]).good().out;
    assert!(exit::TABLE.iter().all(|row| long.contains(&format!("{}: {}", row.name, row.meaning))), "{long}");
    assert!(place.run(&["--version"]).good().out.starts_with("holdfast "));
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let shell = format!("'{}' --help | true; '{0}' completions bash | head -n 1", env!("CARGO_BIN_EXE_holdfast"));
    let output = std::process::Command::new("sh").args(["-c", &shell]).output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
}
