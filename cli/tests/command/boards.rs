//! `holdfast board`.

use crate::holdfast::{Place, repository};
use std::process::Command;

const BOARD: &str = r#"{"name":"New hardware",
    "gpio":[{"name":"$CHIP_GPIO8","chip":"c","line":27,"direction":"output"},
            {"name":"$KIT_BUTTON","chip":"c","line":17,"direction":"input"}],
    "pwm":[{"name":"$CHIP_PWM_CONTROLLER2","chip":"fe20c000.pwm","channels":[0,1]}],"constants":{"CHIP_PWM_CHANNEL1":1}}"#;

fn definition(imports: &str, peripherals: &str) -> String {
    format!(
        r#"{{"Metadata":{{"Type":"Azure Sphere Hardware Definition","Version":1}},"Description":{{"Name":"D",
        "MainCoreHeaderFileTopContent":["/* c */"]}},"Imports":[{imports}],"Peripherals":[{peripherals}]}}"#
    )
}

fn peripheral(name: &str, r#type: &str, mapping: &str) -> String {
    format!(r#"{{"Name":"{name}","Type":"{type}","Mapping":"{mapping}","Comment":"words"}}"#)
}

/// An appliance on a kit on a chip whose own definition is not at hand, as it is for most people.
fn place() -> Place {
    let place = Place::new();
    place.write("board.json", BOARD);
    let kit = [
        peripheral("KIT_LED", "Gpio", "CHIP_GPIO8"),
        peripheral("KIT_BUTTON", "Gpio", "CHIP_GPIO12"),
        peripheral("KIT_UNUSED", "Uart", "CHIP_ISU0_UART"),
    ];
    fs_err::create_dir(place.path("sdk")).unwrap();
    place.write("sdk/kit.json", &definition(r#"{"Path":"chip.json"}"#, &kit.join(",")));
    let appliance = [
        peripheral("SAMPLE_LED", "Gpio", "KIT_LED"),
        peripheral("SAMPLE_BUTTON_1", "Gpio", "KIT_BUTTON"),
        peripheral("SAMPLE_PWM", "Pwm", "CHIP_PWM_CONTROLLER2"),
        peripheral("SAMPLE_PWM_CHANNEL", "int", "CHIP_PWM_CHANNEL1"),
    ];
    place.write("appliance.json", &definition(r#"{"Path":"kit.json"}"#, &appliance.join(",")));
    place
}

#[test]
fn a_hardware_definition_becomes_a_board_file_and_that_a_header() {
    let place = place();
    let import = ["board", "import", "appliance.json", "--board", "board.json", "--include", "sdk", "--out", "made.json"];
    let run = place.run(&import).good();
    assert!(run.out.contains("with 4 aliases and 1 numbers") && run.out.contains("KIT_UNUSED"), "{}", run.out);
    let run = place.run(&["board", "check", "made.json"]).good();
    assert!(run.out.contains("$CHIP_GPIO8: GPIO line, line 27 of chip c; also $KIT_LED, $SAMPLE_LED"), "{}", run.out);

    place.run(&["board", "header", "made.json", "--out", "made.h"]).good();
    // Two inclusions are one; each name is a positive constant of its own.
    let program = "#include \"made.h\"\n#include \"made.h\"\nint main(void) { switch (0) { case SAMPLE_LED: case SAMPLE_BUTTON_1: \
                   case SAMPLE_PWM: ; } _Static_assert(SAMPLE_LED > 0 && SAMPLE_PWM_CHANNEL == 1, \"\"); return 0; }\n";
    place.write("program.c", program);
    let compiled =
        Command::new("cc").args(["-Wall", "-Werror", "-fsyntax-only", "program.c"]).current_dir(place.path(".")).status();
    assert!(compiled.unwrap().success());
}

#[test]
fn names_that_lead_nowhere_or_to_another_kind_are_told_with_their_way() {
    let place = place();
    let own = [peripheral("SAMPLE_X", "Gpio", "KIT_X"), peripheral("SAMPLE_PWM", "Gpio", "CHIP_PWM_CONTROLLER2")];
    place.write("appliance.json", &definition(r#"{"Path":"kit.json"}"#, &own.join(",")));
    let import = ["board", "import", "appliance.json", "--board", "board.json", "--include", "sdk"];
    let run = place.run(&import).refused(6, &["2 of 2 names", "SAMPLE_X → KIT_X", "SAMPLE_PWM: is of type Gpio"]);
    assert!(run.out.is_empty());
    // A circle of names and of files ends.
    let circle = [peripheral("A", "Gpio", "B"), peripheral("B", "Gpio", "A")];
    place.write("circle.json", &definition(r#"{"Path":"circle.json"}"#, &circle.join(",")));
    place.run(&["board", "import", "circle.json", "--board", "board.json"]).refused(6, &["A → B → A"]);
}

#[test]
fn a_wrong_board_file_is_refused_with_file_and_place() {
    let place = place();
    place.write("board.json", &BOARD.replace("\"line\":17", "\"line\":27"));
    place.run(&["board", "check", "board.json"]).refused(3, &["board.json: board file: `$KIT_BUTTON` is line 27 of chip c"]);
    place.run(&["board", "header", "board.json"]).refused(3, &["board.json"]);
    place.run(&["board", "check", "appliance.json"]).refused(3, &["unknown field `Metadata`"]);
}

#[test]
fn the_boards_of_the_repository_are_valid_and_the_schema_is_the_one_that_lies_there() {
    for name in ["qemu-q35", "qemu-q35-without-button", "raspberry-pi-4"] {
        let board = repository().join(format!("boards/{name}.json"));
        Place::new().run(&["board", "check", board.to_str().unwrap()]).good();
    }
    let schema = fs_err::read_to_string(repository().join("manifest/board.schema.json")).unwrap();
    assert_eq!(Place::new().run(&["board", "schema"]).good().out, schema);
}
