//! The simulated lines: each has a `pull` file that takes `pull-up` and `pull-down`.

use crate::command::{Action, Command};
use linux::files::FileError;
use std::{
    collections::BTreeMap,
    fs::File,
    os::{fd::OwnedFd, unix::fs::FileExt},
    thread::sleep,
    time::Duration,
};

/// How long a press lasts, and how long the button rests after it: longer than any contact bounces.
pub const PRESS: Duration = Duration::from_millis(20);

/// The lines by name.
pub struct Lines(BTreeMap<String, File>);

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// No such line.
    #[error("the board has no simulated line `{name}`; it has {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The kernel refused.
    #[error(transparent)]
    Pull(#[from] FileError),
}

impl Lines {
    /// From the passed `pull` files.
    pub fn new(files: Vec<(String, OwnedFd)>) -> Self {
        Self(files.into_iter().map(|(name, file)| (name, File::from(file))).collect())
    }

    /// The names, for people.
    pub fn names(&self) -> String {
        self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Does what a command says.
    pub fn execute(&self, command: &Command) -> Result<(), LineError> {
        let unknown = || LineError::Unknown { name: command.name.escape_default().to_string(), known: self.names() };
        let file = self.0.get(&command.name).ok_or_else(unknown)?;
        let pull = |way: &str| file.write_all_at(way.as_bytes(), 0).map_err(|e| FileError::new("pull", &command.name, e));
        match command.action {
            Action::Hold => pull("pull-up")?,
            Action::Release => pull("pull-down")?,
            Action::Press => {
                pull("pull-up")?;
                sleep(PRESS);
                pull("pull-down")?;
                sleep(PRESS);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux::files;
    use std::fs;

    #[test]
    fn a_press_ends_with_the_button_released_and_an_unknown_name_lists_the_known() {
        let path = std::env::temp_dir().join(format!("board-simulator-{}", std::process::id()));
        let lines = Lines::new(vec![("BELL".to_owned(), File::create(&path).unwrap().into())]);
        lines.execute(&"hold BELL".parse().unwrap()).unwrap();
        assert_eq!(files::read_line(&path).unwrap(), "pull-up");
        lines.execute(&"press BELL".parse().unwrap()).unwrap();
        assert_eq!(files::read_line(&path).unwrap(), "pull-down");
        fs::remove_file(path).unwrap();
        let error = lines.execute(&"press BEL".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("it has BELL"), "{error}");
    }
}
