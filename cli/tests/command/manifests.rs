//! `holdfast app check`.

use crate::holdfast::{MANIFEST, Place, repository};

#[test]
fn a_valid_manifest_passes_and_its_wishes_are_told() {
    let run = Place::new().run(&["app", "check", "app_manifest.json"]).good();
    assert_eq!(
        run.out,
        "valid app_manifest.json: Bell\n  asks to use GPIO line $DOORBELL_BUTTON\n  asks to store 64KiB under /data\n"
    );
}

#[test]
fn a_misspelt_field_is_shown_with_its_line_and_the_right_spelling() {
    let place = Place::new();
    place.write("bad.json", &MANIFEST.replace("EntryPoint", "EntryPont"));
    let run =
        place.run(&["app", "check", "bad.json"]).refused(3, &["bad.json: app manifest, line 5", "did you mean `EntryPoint`?"]);
    assert!(run.err.contains("5 |   \"EntryPont\": \"/bin/app\","), "{}", run.err);
    assert!(run.out.is_empty());
}

#[test]
fn malformed_manifests_are_bad_input_whatever_is_wrong_with_them() {
    let place = Place::new();
    let cases = [
        ("", "EOF"),
        ("[]", "expected struct"),
        ("{", "EOF"),
        ("\u{0}", "expected value"),
        (&MANIFEST.replace("\"Name\": \"Bell\"", "\"Name\": 7"), "expected a string"),
        (&MANIFEST.replace("\"Name\": \"Bell\",", "\"Name\": \"Bell\", \"Name\": \"Bell\","), "duplicate field `Name`"),
        (&MANIFEST.replace("/bin/app", "/bin/../app"), "`..`"),
        (&MANIFEST.replace("-4f1c-", "-zzzz-"), "component id"),
        (&MANIFEST.replace("\"SchemaVersion\": 1", "\"SchemaVersion\": 2"), "expected 1"),
        (&format!("{MANIFEST}{}", " ".repeat(70_000)), "longer than"),
    ];
    for (text, word) in cases {
        place.write("bad.json", text);
        place.run(&["app", "check", "bad.json"]).refused(3, &["bad.json", word]);
    }
}

#[test]
fn with_a_board_the_grants_are_those_the_device_would_give() {
    let board = repository().join("boards/qemu-q35.json");
    let run = Place::new().run(&["app", "check", "app_manifest.json", "--board", board.to_str().unwrap()]).good();
    assert!(run.out.contains("GPIO $DOORBELL_BUTTON: input") && run.out.contains("network: none"), "{}", run.out);
}

#[test]
fn what_the_board_has_not_is_not_granted_and_every_problem_is_told() {
    let place = Place::new();
    place.write("greedy.json", &MANIFEST.replace("[\"$DOORBELL_BUTTON\"]", "[\"$LAMP\"], \"Uart\": [\"$CONSOLE\"]"));
    let board = repository().join("boards/qemu-q35.json");
    let run = place.run(&["app", "check", "greedy.json", "--board", board.to_str().unwrap()]);
    run.refused(5, &["greedy.json", "Capabilities.Gpio[0]", "Capabilities.Uart"]);
}

#[test]
fn json_has_the_same_facts_in_one_object() {
    let checked = Place::new().run(&["app", "check", "app_manifest.json", "--json"]).good().json();
    assert_eq!(checked["component_id"], "4c3f2d9b-6a4e-4f1c-9a37-d00bbe110009");
    assert_eq!(checked["asks_for"].as_array().unwrap().len(), 2);
}

#[test]
fn values_that_no_device_takes_are_refused_and_not_packed() {
    let place = Place::new();
    place.root();
    place.write(
        "bad.json",
        &MANIFEST.replace("\"Capabilities\"", "\"Holdfast\": {\"CpuPercent\": 0, \"StopGrace\": 61}, \"Capabilities\""),
    );
    place.run(&["app", "check", "bad.json"]).refused(3, &["Holdfast.CpuPercent", "1 to 6400", "Holdfast.StopGrace"]);
    place.run(&["app", "pack", "root", "--manifest", "bad.json"]).refused(3, &["Holdfast.CpuPercent"]);
}

#[test]
fn a_wish_that_no_device_of_this_release_grants_is_valid_and_told() {
    let place = Place::new();
    place.write("sphere.json", &MANIFEST.replace("\"Gpio\"", "\"WifiConfig\": true, \"Gpio\""));
    let run = place.run(&["app", "check", "sphere.json"]).good();
    assert!(run.out.contains("no device of this release: Capabilities.WifiConfig"), "{}", run.out);
}
