use super::*;

const BOARD: &str = r#"{"name":"QEMU q35","gpio":[{"name":"$A","chip":"c","line":3,"direction":"input"},
    {"name":"$B","chip":"c","line":4,"direction":"output"}],"uart":[{"name":"$PORT","device":"ttyS1"}],
    "i2c":[{"name":"$MEMORY","bus":0,"address":"0x50"}],"spi":[{"name":"$FLASH","bus":0,"select":1,"max_hz":1000000}],
    "pwm":[{"name":"$DIMMER","chip":"0-0051","channels":[0,1]}],"adc":[{"name":"$VOLTS","device":"mcp3008","channels":[2]}],
    "led":[{"name":"$LED","led":"b:green:x"}],"rtc":[{"name":"$CLOCK","device":"rtc0"}],
    "watchdog":[{"name":"$DOG","identity":"Software Watchdog"}],"aliases":{"$BUTTON":"$A"}}"#;

fn board() -> Board {
    Board::parse(BOARD.as_bytes()).unwrap()
}

fn refused(from: &str, to: &str) -> String {
    assert!(BOARD.contains(from), "{from}");
    Board::parse(BOARD.replace(from, to).as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_name_that_stands_twice_is_refused_whatever_its_kind() {
    assert!(refused("$B", "$A").contains("`$A` stands there twice"));
    assert!(refused("$PORT", "$A").contains("`$A` stands there twice"));
    assert!(refused("$BUTTON", "$B").contains("`$B` stands there twice"));
}

#[test]
fn a_thing_under_two_names_is_refused_but_as_an_alias() {
    assert!(refused(":4", ":3").contains("line 3 of chip c, which has another name already"));
    assert!(refused("[0,1]", "[1,1]").contains("channel 1 of PWM chip 0-0051"));
    let button = board().device(&"$BUTTON".parse().unwrap()).unwrap();
    assert_eq!((button.name.as_str(), button.entry.name().as_str()), ("BUTTON", "A"));
    assert_eq!(button.descriptors(), ["BUTTON"]);
    assert!(refused(r#""$BUTTON":"$A""#, r#""$BUTTON":"$X""#).contains("which no entry is called"));
    assert!(refused(r#""$BUTTON":"$A""#, r#""$BUTTON":"$A","$C":"$BUTTON""#).contains("which no entry is called"));
}

#[test]
fn values_that_no_board_has_are_refused_with_what_was_expected() {
    assert!(refused("ttyS1", "mem").contains("expected a serial port such as ttyS1"));
    assert!(refused("ttyS1", "../mem").contains("device name"));
    for no_port in ["tty", "tty1", "ttyprintk"] {
        assert!(refused("ttyS1", no_port).contains("expected a serial port"), "{no_port}");
    }
    assert!(refused("rtc0", "kmsg").contains("expected a clock"));
    assert!(refused("0x50", "0x78").contains("0x08 to 0x77"));
    assert!(refused("0x50", "80").contains("0x08 to 0x77"));
    assert!(refused("1000000", "0").contains("max_hz"));
    assert!(refused("\"select\":1", "\"select\":1,\"mode\":4").contains("0 to 3"));
    assert!(refused("[2]", "[]").contains("no channels"));
}

#[test]
fn a_misspelt_key_is_refused() {
    assert!(refused("direction", "directon").contains("did you mean `direction`?"));
    assert!(refused("\"uart\"", "\"uarts\"").contains("did you mean `uart`?"));
}

#[test]
fn every_entry_says_its_files_and_descriptors() {
    let files: Vec<(String, Vec<String>)> = board()
        .devices()
        .map(|device| (device.descriptors().join(" "), device.files().into_iter().flat_map(|file| file.paths).collect()))
        .collect();
    let expected = [
        ("A", vec![]),
        ("B", vec![]),
        ("PORT", vec!["/dev/ttyS1"]),
        ("MEMORY", vec!["/dev/i2c-0"]),
        ("FLASH", vec!["/dev/spidev0.1"]),
        (
            "DIMMER.0.period DIMMER.0.duty_cycle DIMMER.0.polarity DIMMER.0.enable \
             DIMMER.1.period DIMMER.1.duty_cycle DIMMER.1.polarity DIMMER.1.enable",
            vec![
                "/sys/class/pwm/*/pwm0/period",
                "/sys/class/pwm/*/pwm0/duty_cycle",
                "/sys/class/pwm/*/pwm0/polarity",
                "/sys/class/pwm/*/pwm0/enable",
                "/sys/class/pwm/*/pwm1/period",
                "/sys/class/pwm/*/pwm1/duty_cycle",
                "/sys/class/pwm/*/pwm1/polarity",
                "/sys/class/pwm/*/pwm1/enable",
            ],
        ),
        (
            "VOLTS.2.raw VOLTS.2.scale",
            vec![
                "/sys/bus/iio/devices/*/in_voltage2_raw",
                "/sys/bus/iio/devices/*/in_voltage2_scale",
                "/sys/bus/iio/devices/*/in_voltage_scale",
            ],
        ),
        ("LED LED.max", vec!["/sys/class/leds/b:green:x/brightness", "/sys/class/leds/b:green:x/max_brightness"]),
        ("CLOCK", vec!["/dev/rtc0"]),
        ("DOG", vec!["/dev/*"]),
    ];
    let expected = expected.map(|(names, paths)| (names.to_owned(), paths.into_iter().map(str::to_owned).collect()));
    assert_eq!(files, expected);
}

#[test]
fn names_are_found_by_kind_with_their_aliases() {
    let names = |kind| board().names(kind).into_iter().map(String::from).collect::<Vec<_>>();
    assert_eq!(names(Kind::Gpio), ["A", "B", "BUTTON"]);
    assert_eq!(names(Kind::Watchdog), ["DOG"]);
}

#[test]
fn a_board_is_written_as_it_was_read() {
    let text = serde_json::to_vec(&board()).unwrap();
    assert_eq!(Board::parse(&text).unwrap(), board());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..512)) {
        let _ = Board::parse(&bytes);
    }

    /// Whatever a device is called, its files lie below /dev or /sys, and nothing leads out of there.
    #[test]
    fn no_name_leads_out_of_dev_and_sys(name in "[\\x00-\\x7f]{0,70}") {
        let quoted = serde_json::to_string(&name).unwrap();
        for (field, entry) in [("led", "led"), ("uart", "device"), ("rtc", "device")] {
            let text = format!(r#"{{"name":"T","{field}":[{{"name":"$X","{entry}":{quoted}}}]}}"#);
            let Ok(board) = Board::parse(text.as_bytes()) else { continue };
            for path in board.devices().flat_map(|device| device.files()).flat_map(|file| file.paths) {
                proptest::prop_assert!(path.starts_with("/dev/") || path.starts_with("/sys/class/leds/"));
                proptest::prop_assert!(path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != ".."), "{}", path);
            }
        }
    }
}
