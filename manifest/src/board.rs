//! The board file, `boards/<name>.json`: which physical thing a peripheral's name means.

use crate::{
    names::{DisplayName, PeripheralName},
    read::{self, ReadError},
};
use serde::{Deserialize, Serialize};

/// Longest board file that is read.
pub const BOARD_LIMIT: usize = 256 * 1024;

/// A board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// The board's name.
    pub name: DisplayName,
    /// GPIO lines.
    #[serde(default)]
    pub gpio: Vec<GpioLine>,
    /// Lines that the kernel's gpio-sim emulates: only boards that are virtual machines have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulator: Option<GpioSimulator>,
}

/// One GPIO line by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpioLine {
    /// As manifests call it.
    pub name: PeripheralName,
    /// Label of the chip, as `GPIO_GET_CHIPINFO_IOCTL` tells it: stable where `/dev/gpiochipN` is not.
    pub chip: String,
    /// Line offset on the chip.
    pub line: u32,
    /// Which way the line goes.
    pub direction: GpioDirection,
    /// Whether a low level means "active".
    #[serde(default)]
    pub active_low: bool,
}

/// Direction of a GPIO line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GpioDirection {
    /// Input with events on both edges.
    Input,
    /// Output, low at start.
    Output,
}

/// A simulated GPIO chip (Documentation/admin-guide/gpio/gpio-sim.rst).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpioSimulator {
    /// Label of the chip.
    pub label: String,
    /// Number of lines, at most 64.
    pub lines: u32,
}

impl Board {
    /// Reads a board file: no name twice, no line twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, BoardError> {
        let board: Self = read::json("board file", bytes, BOARD_LIMIT)?;
        for (i, line) in board.gpio.iter().enumerate() {
            for other in board.gpio.iter().skip(i + 1) {
                if line.name == other.name {
                    return Err(BoardError::NameTwice(line.name.clone()));
                }
                if line.chip == other.chip && line.line == other.line {
                    return Err(BoardError::LineTwice { chip: line.chip.clone(), line: line.line });
                }
            }
        }
        Ok(board)
    }

    /// The GPIO line called `name`.
    pub fn gpio(&self, name: &PeripheralName) -> Option<&GpioLine> {
        self.gpio.iter().find(|line| line.name == *name)
    }
}

/// Why a board file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoardError {
    /// Not a board file.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Two entries with one name.
    #[error("board file, gpio: `{0}` stands there twice")]
    NameTwice(PeripheralName),
    /// Two names for one line.
    #[error("board file, gpio: line {line} of chip `{chip}` has two names")]
    LineTwice {
        /// Label of the chip.
        chip: String,
        /// Line offset.
        line: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOARD: &str = r#"{"name":"QEMU q35","gpio":[{"name":"$A","chip":"c","line":3,"direction":"input"},
        {"name":"$B","chip":"c","line":4,"direction":"output"}]}"#;

    #[test]
    fn a_name_or_a_line_that_stands_twice_is_refused() {
        assert!(Board::parse(BOARD.as_bytes()).is_ok());
        assert!(matches!(Board::parse(BOARD.replace("$B", "$A").as_bytes()), Err(BoardError::NameTwice(_))));
        assert!(matches!(Board::parse(BOARD.replace(":4", ":3").as_bytes()), Err(BoardError::LineTwice { .. })));
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        assert!(Board::parse(BOARD.replace("direction", "directon").as_bytes()).is_err());
    }
}
