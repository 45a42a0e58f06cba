//! Peripherals: the names that a manifest lists become entries of the board file.

use crate::refusal::Problem;
use manifest::{
    app::{AppManifest, Peripheral},
    board::{Board, Device, Kind},
    names::PeripheralName,
    read,
};
use sandbox::seccomp::{
    Profile,
    profiles::app::{GPIO, I2C, RTC, SPI, UART, WATCHDOG},
};

/// Descriptors of one app's peripherals: they travel in one packet beside image, control group and pipes.
pub const DESCRIPTORS_MAXIMUM: usize = 16;

/// What of the board a manifest lists; what speaks against it goes to `problems`.
pub fn granted(manifest: &AppManifest, board: &Board, problems: &mut Vec<Problem>) -> Vec<Device> {
    let mut granted: Vec<Device> = Vec::new();
    for (kind, path, list) in manifest.peripherals() {
        for (i, asked) in list.iter().enumerate() {
            let path = format!("{path}[{i}]");
            match find(manifest, kind, asked, board, &granted) {
                Ok(device) => granted.push(device),
                Err((reason, advice)) => problems.push(Problem { path, reason, advice }),
            }
        }
    }
    let count: usize = granted.iter().map(|device| device.descriptors().len()).sum();
    if count > DESCRIPTORS_MAXIMUM {
        let reason = format!("the peripherals have {count} descriptors together");
        let advice = format!("at most {DESCRIPTORS_MAXIMUM} are passed to an app; a PWM channel has four");
        problems.push(Problem { path: "Capabilities".to_owned(), reason, advice });
    }
    granted
}

/// The entry that is meant, or reason and advice.
fn find(
    manifest: &AppManifest,
    kind: Kind,
    asked: &Peripheral,
    board: &Board,
    granted: &[Device],
) -> Result<Device, (String, String)> {
    let name = match asked {
        Peripheral::Named(name) => name,
        Peripheral::Raw(number) => {
            let reason = format!("{number} is a raw number, which means something else on each board");
            return Err((reason, "name it as the board file does, such as $DOORBELL_BUTTON".to_owned()));
        }
    };
    let device = board.device(name).ok_or_else(|| unknown(kind, name, board))?;
    let is = device.entry.kind();
    if is != kind {
        let place = manifest.peripherals().into_iter().find(|(listed, ..)| *listed == is).map_or("", |(_, place, _)| place);
        let advice = format!("list it under {place}");
        return Err((format!("${name} is no {kind} but a {is} of board `{}`", board.name), advice));
    }
    let taken = granted.iter().find(|other| other.entry == device.entry);
    match taken {
        Some(other) if other.name == *name => Err((format!("${name} stands there twice"), "list it once".to_owned())),
        Some(other) => Err((format!("${name} is what ${} is", other.name), "list it under one of its names".to_owned())),
        None => Ok(device),
    }
}

fn unknown(kind: Kind, name: &PeripheralName, board: &Board) -> (String, String) {
    let names = board.names(kind);
    let known = || names.iter().map(PeripheralName::as_str);
    let advice = match (read::nearest(name.as_str(), known()), known().next()) {
        (Some(near), _) => format!("did you mean ${near}?"),
        (None, Some(_)) => format!("this board has {}", known().map(|name| format!("${name}")).collect::<Vec<_>>().join(", ")),
        (None, None) => format!("this board's file names no {kind}"),
    };
    (format!("board `{}` has no {kind} ${name}", board.name), advice)
}

/// The system calls that come with a peripheral. Those that are files of sysfs need none beside reading and writing.
pub fn profile(kind: Kind) -> Option<&'static Profile> {
    match kind {
        Kind::Gpio => Some(&GPIO),
        Kind::Uart => Some(&UART),
        Kind::I2c => Some(&I2C),
        Kind::Spi => Some(&SPI),
        Kind::Rtc => Some(&RTC),
        Kind::Watchdog => Some(&WATCHDOG),
        Kind::Pwm | Kind::Adc | Kind::Led => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOARD: &str = r#"{"name":"Test","gpio":[{"name":"$BUTTON","chip":"board","line":3,"direction":"input"}],
        "uart":[{"name":"$PORT","device":"ttyS1"}],"i2c":[{"name":"$MEMORY","bus":0,"address":"0x50"}],
        "spi":[{"name":"$FLASH","bus":0,"select":1,"max_hz":1000000}],"pwm":[{"name":"$DIMMER","chip":"0-0051","channels":[0,1,2]}],
        "adc":[{"name":"$VOLTS","device":"mcp3008","channels":[2]}],"led":[{"name":"$LED","led":"x"}],
        "rtc":[{"name":"$CLOCK","device":"rtc0"}],"watchdog":[{"name":"$DOG","identity":"W"}],"aliases":{"$KEY":"$BUTTON"}}"#;

    fn decide(capabilities: &str, holdfast: &str) -> (Vec<Device>, Vec<Problem>) {
        let text = format!(
            r#"{{"SchemaVersion":1,"Name":"a","ComponentId":"25025d2c-66da-4448-bae1-ac26fcdd3627","EntryPoint":"/bin/app",
            "Capabilities":{{{capabilities}}},"Holdfast":{{{holdfast}}}}}"#
        );
        let mut problems = Vec::new();
        let board = Board::parse(BOARD.as_bytes()).unwrap();
        let granted = granted(&AppManifest::parse(text.as_bytes()).unwrap(), &board, &mut problems);
        (granted, problems)
    }

    fn only_problem(capabilities: &str, holdfast: &str) -> Problem {
        let (_, mut problems) = decide(capabilities, holdfast);
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0)
    }

    #[test]
    fn each_kind_is_found_where_the_manifest_lists_it() {
        let (granted, problems) = decide(
            r#""Gpio":["$BUTTON"],"Uart":["$PORT"],"I2cMaster":["$MEMORY"],"SpiMaster":["$FLASH"],"Adc":["$VOLTS"]"#,
            r#""Led":["$LED"],"Rtc":["$CLOCK"],"HardwareWatchdog":["$DOG"]"#,
        );
        assert_eq!(problems, []);
        let kinds: Vec<Kind> = granted.iter().map(|device| device.entry.kind()).collect();
        let expected = [Kind::Gpio, Kind::Uart, Kind::I2c, Kind::Spi, Kind::Adc, Kind::Led, Kind::Rtc, Kind::Watchdog];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest() {
        let problem = only_problem(r#""Gpio":["$BUTON"]"#, "");
        assert_eq!((problem.path.as_str(), problem.advice.as_str()), ("Capabilities.Gpio[0]", "did you mean $BUTTON?"));
        assert_eq!(only_problem(r#""Gpio":["$X"]"#, "").advice, "this board has $BUTTON, $KEY");
        assert!(only_problem("", r#""Led":["$X"]"#).reason.contains("has no LED $X"));
    }

    #[test]
    fn a_name_of_another_kind_is_refused_with_where_it_belongs() {
        let problem = only_problem(r#""Gpio":["$PORT"]"#, "");
        assert_eq!(problem.advice, "list it under Capabilities.Uart");
    }

    #[test]
    fn a_thing_is_granted_once_whatever_it_is_called() {
        assert!(only_problem(r#""Gpio":["$BUTTON","$KEY"]"#, "").reason.contains("$KEY is what $BUTTON is"));
        assert_eq!(decide(r#""Gpio":["$KEY"]"#, "").0[0].name.as_str(), "KEY");
    }

    #[test]
    fn raw_numbers_are_refused() {
        assert!(only_problem(r#""Uart":[0]"#, "").reason.contains("raw number"));
    }

    #[test]
    fn more_descriptors_than_travel_in_one_packet_are_refused() {
        let all = r#""Pwm":["$DIMMER"],"Adc":["$VOLTS"],"Gpio":["$BUTTON"],"Uart":["$PORT"]"#;
        assert_eq!(decide(all, "").1, []);
        assert!(only_problem(all, r#""Rtc":["$CLOCK"]"#).reason.contains("17 descriptors"));
    }
}
