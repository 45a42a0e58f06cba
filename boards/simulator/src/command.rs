//! The commands, one per line: `press NAME`, `hold NAME`, `release NAME`.

use std::str::FromStr;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What to do.
    pub action: Action,
    /// With which line, without `$`.
    pub name: String,
}

/// What can be done with a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Down, and up again after [`PRESS`](crate::lines::PRESS).
    Press,
    /// Down.
    Hold,
    /// Up.
    Release,
}

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no command: expected `press NAME`, `hold NAME` or `release NAME`")]
pub struct NoCommand(String);

impl FromStr for Command {
    type Err = NoCommand;

    fn from_str(line: &str) -> Result<Self, NoCommand> {
        let refused = || NoCommand(line.escape_default().to_string());
        let (word, name) = line.trim().split_once(' ').ok_or_else(refused)?;
        let action = match word {
            "press" => Action::Press,
            "hold" => Action::Hold,
            "release" => Action::Release,
            _ => return Err(refused()),
        };
        let name = name.trim();
        Ok(Self { action, name: name.strip_prefix('$').unwrap_or(name).to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_commands_are_understood_and_nothing_else() {
        let command: Command = "press $DOORBELL_BUTTON".parse().unwrap();
        assert_eq!(command, Command { action: Action::Press, name: "DOORBELL_BUTTON".to_owned() });
        assert_eq!("hold A".parse::<Command>().unwrap().action, Action::Hold);
        for line in ["", "press", "Press A", "pressA", "\u{1b}[2J x"] {
            assert!(line.parse::<Command>().is_err(), "{line:?}");
        }
    }
}
