//! `holdfast app check`, `app diff`, `app schema`.

use crate::holdfast::{MANIFEST, Place, repository};

#[test]
fn a_valid_manifest_passes_and_its_wishes_are_told() {
    let run = Place::new().run(&["app", "check", "app_manifest.json"]).good();
    assert_eq!(
        run.out,
        "valid app_manifest.json: Bell\nasks for\n  peripheral: GPIO line $DOORBELL_BUTTON, for this app alone\n  \
         storage: 64KiB at /data, kept over restarts and updates, erased with the app\n"
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
    assert!(run.out.contains("GPIO line $DOORBELL_BUTTON: input") && run.out.contains("network: none"), "{}", run.out);
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
    let told = ["line 6, at Holdfast.CpuPercent: 0 is out of bounds; expected 1 to 6400", "Holdfast.StopGrace", "6 | "];
    place.run(&["app", "check", "bad.json"]).refused(3, &told);
    place.run(&["app", "pack", "root", "--manifest", "bad.json"]).refused(3, &["Holdfast.CpuPercent"]);
}

#[test]
fn a_wish_that_no_device_of_this_release_grants_is_valid_and_told() {
    let place = Place::new();
    place.write("sphere.json", &MANIFEST.replace("\"Gpio\"", "\"WifiConfig\": true, \"Gpio\""));
    let run = place.run(&["app", "check", "sphere.json"]).good();
    assert!(run.out.contains("no device of this release: line 6, at Capabilities.WifiConfig"), "{}", run.out);
}

/// What Azure Sphere's own tools take exits 0: byte order mark, GUIDs in either case, names of the chip, raw numbers, texts to
/// be filled in, real-time apps, empty lists.
#[test]
fn what_azure_spheres_tools_take_is_valid() {
    let place = Place::new();
    for (capabilities, kind) in [
        (r#""Gpio":[12,8],"Uart":["ISU0"],"Adc":["ADC-CONTROLLER-0"],"I2sSubordinate":[0]"#, "RealTimeCapable"),
        (r#""AllowedConnections":["","<HOST NAME>","_http._tcp.home","255.255.255.255","a.b","a.b"]"#, "Default"),
        (r#""DeviceAuthentication":"REPLACE_WITH_YOUR_TENANT","AllowedConnections":[],"Uart":[]"#, "Default"),
        (r#""PowerControls":["ForceReboot"],"WifiConfig":false,"MutableStorage":{"SizeKB":0}"#, "Debugger"),
        (r#""AllowedApplicationConnections":["005180BC-402F-4CB3-A662-72937dbcde47"]"#, "Default"),
    ] {
        let text = format!(
            "\u{feff}{{\"SchemaVersion\":1,\"Name\":\"{}\",\"ComponentId\":\"25025D2C-66da-4448-BAE1-ac26fcdd3627\",\
             \"EntryPoint\":\"/bin/app\",\"CmdArgs\":[],\"Capabilities\":{{{capabilities}}},\"ApplicationType\":\"{kind}\",\
             \"MallocVersion\":2,\"TargetApplicationRuntimeVersion\":16,\"TargetBetaApis\":\"x\"}}",
            "a long name ".repeat(20)
        );
        place.write("sphere.json", &text);
        place.run(&["app", "check", "sphere.json", "--explain"]).good();
    }
}

#[test]
fn an_explanation_tells_rights_limits_and_life_in_the_words_that_a_device_uses() {
    let place = Place::new();
    let explained = place.run(&["app", "check", "app_manifest.json", "--explain"]).good().out;
    let board = repository().join("boards/qemu-q35.json");
    let granted = place.run(&["app", "check", "app_manifest.json", "--board", board.to_str().unwrap()]).good().out;
    for line in ["program: /bin/app", "storage: 64KiB", "network: none", "memory: ", "log: 50 lines", "pauses: 500ms", "stop: "] {
        let of = |text: &str| text.lines().find(|found| found.trim_start().starts_with(line)).map(str::to_owned);
        assert!(of(&explained).is_some(), "{line}: {explained}");
        assert_eq!(of(&explained), of(&granted), "{line}");
    }
}

#[test]
fn a_difference_tells_what_is_more_and_fails_only_where_that_is_asked_for() {
    let place = Place::new();
    let more = MANIFEST.replace("\"SizeKB\": 64", "\"SizeKB\": 128").replace("\"Gpio\"", "\"SystemTime\": true, \"Gpio\"");
    assert_ne!(more, MANIFEST);
    place.write("new.json", &more);
    let there = place.run(&["app", "diff", "app_manifest.json", "new.json"]).good().out;
    assert!(there.contains("~ storage: 128KiB") && there.contains("before storage: 64KiB"), "{there}");
    assert!(there.contains("+ clock: sets it, within the years that the image can run, and the time zone !"), "{there}");
    let facts = place.run(&["app", "diff", "app_manifest.json", "new.json", "--json"]).good().json();
    assert_eq!((&facts["more"], &facts["same_component"]), (&true.into(), &true.into()));
    assert_eq!(facts["changes"][0]["path"], "Capabilities.MutableStorage");
    place
        .run(&["app", "diff", "app_manifest.json", "new.json", "--exit-code"])
        .refused(5, &["may do or use more", "+ clock: sets it"]);
    let back = place.run(&["app", "diff", "new.json", "app_manifest.json", "--exit-code"]).good().out;
    assert!(back.contains("- clock: sets it") && !back.contains('!'), "{back}");
    let none = place.run(&["app", "diff", "new.json", "new.json", "--exit-code"]).good().out;
    assert!(none.contains("no difference"), "{none}");
}

#[test]
fn a_bundle_is_compared_by_the_manifest_inside() {
    let place = Place::new();
    place.root();
    place.run(&["app", "pack", "root", "-o", "bell.bundle", "--unsigned"]).good();
    place.write("new.json", &MANIFEST.replace("[\"$DOORBELL_BUTTON\"]", "[\"$DOORBELL_BUTTON\", \"$CHIME\"]"));
    let told = place.run(&["app", "diff", "bell.bundle", "new.json"]).good().out;
    assert_eq!(told, "+ peripheral: GPIO line $CHIME, for this app alone !\n");
}

#[test]
fn the_schema_is_printed_as_it_lies_in_the_repository() {
    let printed = Place::new().run(&["app", "schema"]).good().out;
    assert_eq!(printed, fs_err::read_to_string(repository().join("manifest/app_manifest.schema.json")).unwrap());
}
