//! `holdfast app check`

use super::{locate, rights};
use crate::{
    board,
    dispatch::Context,
    failure::{Failure, Result},
    files,
    output::{Style, harmless},
};
use clap::{Args, ValueHint};
use grant::Problem;
use manifest::{
    api::ErrorClass,
    app::{AppManifest, MANIFEST_LIMIT, Peripheral},
    board::{Board, Converter, GpioDirection, GpioLine, I2cDevice, Kind, Led, PwmChip, Rtc, SpiDevice, Uart, Watchdog},
    names::{DeviceName, PeripheralName},
    read::ReadError,
};
use serde::Serialize;
use std::path::{Path, PathBuf};

pub(super) const HELP: &str = "\
Exits 0 for a manifest that is valid, else says what is wrong, where, and what was expected. Every manifest that Azure \
Sphere's tools take is valid; what no device of this release gives is told, and refused when the app is installed. With \
--explain it tells in plain words what the app will be able to do; with a board also what it would get there, by the same \
code that decides on the device.

Examples:
  holdfast app check app_manifest.json
  holdfast app check app_manifest.json --explain
  holdfast app check app_manifest.json --board boards/qemu-q35.json";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The manifest
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    manifest: PathBuf,
    /// Board file to check the rights against
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    board: Option<PathBuf>,
    /// Tell in plain words what the app will be able to do, what it may use up and how it is run
    #[arg(long)]
    explain: bool,
}

/// What was found.
#[derive(Serialize)]
struct Checked {
    manifest: String,
    component_id: String,
    name: String,
    asks_for: Vec<String>,
    /// All that the manifest says, if it was asked for.
    explained: Vec<String>,
    /// What no device of this release gives, with the reason; such an app is valid and is refused when installed.
    not_given: Vec<String>,
    board: Option<String>,
    granted: Vec<String>,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let bytes = files::read(&arguments.manifest, MANIFEST_LIMIT as u64)?;
    let manifest = parse(&arguments.manifest, &bytes)?;
    let board = arguments.board.as_deref().map(board::read).transpose()?;
    let granted = board.as_ref().map(|board| granted(&arguments.manifest, &bytes, &manifest, board)).transpose()?;
    let explained = if arguments.explain { grant::rights::said(&manifest) } else { Vec::new() };
    let checked = Checked {
        manifest: arguments.manifest.display().to_string(),
        component_id: manifest.component_id.to_string(),
        name: manifest.name.clone(),
        asks_for: rights::asked_for(&manifest),
        explained: explained.into_iter().map(|said| said.words).collect(),
        not_given: problems(&manifest).iter().map(|problem| located(&bytes, problem)).collect(),
        board: board.map(|board| board.name.to_string()),
        granted: granted.unwrap_or_default(),
    };
    context.output.result(&checked, |out| {
        let mut lines = vec![format!("{} {}: {}", out.paint(Style::Good, "valid"), checked.manifest, harmless(&checked.name))];
        match &checked.board {
            Some(board) => {
                lines.push(format!("on the board {board} it gets"));
                lines.extend(checked.granted.iter().map(|line| format!("  {line}")));
            }
            None if !checked.explained.is_empty() => {
                lines.extend(checked.explained.iter().map(|line| format!("  {}", harmless(line))));
            }
            None if checked.asks_for.is_empty() => lines.push("  asks for nothing: it can compute and log".into()),
            None => {
                lines.push("asks for".into());
                lines.extend(checked.asks_for.iter().map(|right| format!("  {}", harmless(right))));
            }
        }
        let given = checked
            .not_given
            .iter()
            .map(|line| format!("  {} no device of this release: {}", out.paint(Style::Warning, "installs on"), harmless(line)));
        lines.extend(given);
        lines.join("\n")
    });
    Ok(())
}

/// Reads a manifest; shows the line that is wrong, or the values that no device takes whatever its board.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<AppManifest> {
    let failure =
        |error: &ReadError| Failure::of(ErrorClass::BadInput, error).while_doing(path.display()).context(pointer(bytes, error));
    let manifest = AppManifest::parse(bytes).map_err(|error| failure(&error))?;
    let wrong = grant::values::problems(&manifest);
    if wrong.is_empty() {
        return Ok(manifest);
    }
    let lines = wrong.iter().flat_map(|problem| {
        let shown = locate::position(bytes, &problem.path).map(|at| source(bytes, at.line, at.column)).unwrap_or_default();
        std::iter::once(format!("{}; {}", located(bytes, problem), harmless(&problem.advice))).chain(shown)
    });
    let text = format!("{}: values that no device takes", path.display());
    Err(Failure::new(ErrorClass::BadInput, text).context(lines.collect()))
}

/// A problem with the line it is in.
fn located(bytes: &[u8], problem: &Problem) -> String {
    let words = harmless(&problem.to_string());
    locate::position(bytes, &problem.path).map_or_else(|| words.clone(), |at| format!("line {}, at {words}", at.line))
}

/// What no board gives, of a manifest whose values make sense.
fn problems(manifest: &AppManifest) -> Vec<Problem> {
    any_board(manifest).and_then(|board| grant::grant(manifest, &board).err()).map(|refusal| refusal.problems).unwrap_or_default()
}

/// A board that has everything the manifest names: what is wrong on it is wrong on all.
fn any_board(manifest: &AppManifest) -> Option<Board> {
    let mut board = Board::parse(br#"{"name":"any board"}"#).ok()?;
    for (kind, _, list) in manifest.peripherals() {
        for (at, peripheral) in (0..).zip(list) {
            if let Peripheral::Named(name) = peripheral {
                add(&mut board, kind, name.clone(), at)?;
            }
        }
    }
    Some(board)
}

/// Adds something of this kind, the number `at` of its kind.
fn add(board: &mut Board, kind: Kind, name: PeripheralName, at: u32) -> Option<()> {
    let device = format!("any{at}").parse::<DeviceName>().ok()?;
    match kind {
        Kind::Gpio => {
            let direction = GpioDirection::Input;
            board.gpio.push(GpioLine { name, chip: "any".into(), line: at, direction, active_low: false });
        }
        Kind::Uart => board.uart.push(Uart { name, device }),
        Kind::I2c => board.i2c.push(I2cDevice { name, bus: at, address: "0x50".parse().ok()? }),
        Kind::Spi => board.spi.push(SpiDevice { name, bus: at, select: 0, mode: 0, max_hz: 1 }),
        Kind::Pwm => board.pwm.push(PwmChip { name, chip: device, channels: vec![0] }),
        Kind::Adc => board.adc.push(Converter { name, device, channels: vec![0] }),
        Kind::Led => board.led.push(Led { name, led: device }),
        Kind::Rtc => board.rtc.push(Rtc { name, device }),
        Kind::Watchdog => board.watchdog.push(Watchdog { name, identity: format!("any {at}").parse().ok()? }),
    }
    Some(())
}

fn granted(path: &Path, bytes: &[u8], manifest: &AppManifest, board: &Board) -> Result<Vec<String>> {
    let granted = grant::grant(manifest, board).map_err(|refusal| {
        let text = format!("{}: the board {} cannot give what the manifest asks for", path.display(), board.name);
        let lines = refusal.problems.iter().map(|problem| located(bytes, problem)).collect();
        Failure::new(ErrorClass::NotGranted, text).context(lines).hint(refusal.advice())
    })?;
    Ok(granted.explanation)
}

/// The source line an error points at, with a mark under the column.
fn pointer(bytes: &[u8], error: &ReadError) -> Vec<String> {
    let ReadError::Malformed { line, column, .. } = error else { return Vec::new() };
    source(bytes, *line, *column)
}

/// A line, both counted from 1, with a mark under the column.
fn source(bytes: &[u8], line: usize, column: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let Some(source) = line.checked_sub(1).and_then(|at| text.lines().nth(at)) else { return Vec::new() };
    let source = text::printable(source, usize::MAX);
    // A minified manifest is one long line: show what is around the column.
    let from = column.saturating_sub(SHOWN_BEFORE);
    let shown: String = source.chars().skip(from).take(SHOWN_BEFORE + SHOWN_AFTER).collect();
    let number = line.to_string();
    let mark = " ".repeat(column.saturating_sub(from).saturating_sub(1));
    vec![format!("{number} | {shown}"), format!("{} | {mark}^", " ".repeat(number.len()))]
}

/// Characters shown left of the column an error points at.
const SHOWN_BEFORE: usize = 70;
/// And right of it.
const SHOWN_AFTER: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_its_line_with_a_mark_under_the_column() {
        let text = b"{\n  \"SchemaVersion\": 2,\n  \"Name\": \"x\"\n}";
        let error = parse(Path::new("m.json"), text).unwrap_err();
        assert_eq!(error.context.first().map(String::as_str), Some("2 |   \"SchemaVersion\": 2,"));
        assert!(error.message.starts_with("m.json: app manifest, line 2"), "{}", error.message);
    }

    #[test]
    fn a_long_line_is_cut_around_the_column() {
        let text = format!("{{{}\"x\": 1}}", " ".repeat(10_000));
        let error = parse(Path::new("m.json"), text.as_bytes()).unwrap_err();
        assert!(error.context.iter().all(|line| line.len() < 120), "{:?}", error.context);
    }
}
