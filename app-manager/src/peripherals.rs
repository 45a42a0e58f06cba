//! The board's peripherals: opened here, passed as descriptors, one holder each.

use linux::gpio::{self, ChipError, Direction};
use manifest::board::{Board, GpioDirection, GpioLine};
use rustix::fd::OwnedFd;
use std::{collections::BTreeMap, path::Path};

/// The board's GPIO chips, opened before confinement: afterwards no device node can be opened any more.
#[derive(Debug, Default)]
pub struct Chips(BTreeMap<String, OwnedFd>);

/// Why a line was not given.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Its chip was not there when app-manager started.
    #[error("${line}: GPIO chip `{chip}` was not there when app-manager started")]
    NoChip {
        /// The line.
        line: String,
        /// Label of the chip.
        chip: String,
    },
    /// The kernel refused.
    #[error("${line}: cannot request line {offset} of GPIO chip `{chip}`: {source}")]
    Request {
        /// The line.
        line: String,
        /// Label of the chip.
        chip: String,
        /// Offset on the chip.
        offset: u32,
        /// Why.
        source: std::io::Error,
    },
}

impl Chips {
    /// Opens each chip that the board names. One that is missing is told, and stops only the apps that want its lines.
    pub fn open(board: &Board, devices: &Path) -> (Self, Vec<ChipError>) {
        let (mut chips, mut errors) = (BTreeMap::new(), Vec::new());
        for line in &board.gpio {
            if chips.contains_key(&line.chip) {
                continue;
            }
            match gpio::open_chip(devices, &line.chip) {
                Ok(chip) => drop(chips.insert(line.chip.clone(), chip)),
                Err(e) => errors.push(e),
            }
        }
        (Self(chips), errors)
    }

    /// Requests a line: the descriptor is the right to it.
    pub fn line(&self, line: &GpioLine) -> Result<OwnedFd, LineError> {
        let (name, chip) = (line.name.to_string(), line.chip.clone());
        let Some(open) = self.0.get(&chip) else { return Err(LineError::NoChip { line: name, chip }) };
        let direction = match line.direction {
            GpioDirection::Input => Direction::Input,
            GpioDirection::Output => Direction::Output,
        };
        gpio::request_line(open, line.line, direction, line.active_low, CONSUMER).map_err(|e| LineError::Request {
            line: name,
            chip,
            offset: line.line,
            source: e.into(),
        })
    }
}

/// What the kernel shows as the line's user.
const CONSUMER: &str = "holdfast-app";

/// The first line that both want.
pub fn conflict<'a>(wanted: &'a [GpioLine], held: &[GpioLine]) -> Option<&'a GpioLine> {
    wanted.iter().find(|line| held.iter().any(|other| other.chip == line.chip && other.line == line.line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        Board::parse(
            br#"{"name":"T","gpio":[{"name":"$A","chip":"c","line":1,"direction":"input"},{"name":"$B","chip":"c","line":2,"direction":"output"}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn two_that_want_one_line_are_in_conflict() {
        let lines = board().gpio;
        assert_eq!(conflict(&lines, &lines[1..]).unwrap().name.as_str(), "B");
        assert!(conflict(&lines[..1], &lines[1..]).is_none());
    }

    #[test]
    fn a_missing_chip_stops_only_what_wants_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let (chips, errors) = Chips::open(&board(), folder.path());
        assert_eq!(errors.len(), 2);
        assert!(chips.line(&board().gpio[0]).unwrap_err().to_string().contains("was not there"));
    }
}
