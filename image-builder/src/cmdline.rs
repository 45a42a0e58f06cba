//! The kernel's command line: a table with a reason per option (`buildroot-config/kernel/cmdline.json`), and what only
//! the build knows: the verity table of the root.

use crate::{
    files::{self, FileError},
    verity::Verity,
};
use manifest::read::{self, ReadError};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// `cmdline.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandLine {
    /// The options, in order.
    pub options: Vec<CommandLineOption>,
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandLineOption {
    /// As the kernel reads it, such as `panic=-1`.
    pub option: String,
    /// Why.
    pub reason: String,
}

/// Why a command line was refused.
#[derive(Debug, thiserror::Error)]
pub enum CommandLineError {
    /// The table could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The table is wrong.
    #[error("{}", file.display())]
    Read {
        /// The table.
        file: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: ReadError,
    },
    /// One option is wrong.
    #[error("{}, options[{at}].option: `{option}`: {reason}", file.display())]
    Option {
        /// The table.
        file: PathBuf,
        /// Which one.
        at: usize,
        /// The option.
        option: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The kernel would cut it off.
    #[error("the command line has {found} bytes; the kernel reads {LIMIT} at most")]
    TooLong {
        /// Its length.
        found: usize,
    },
}

impl CommandLine {
    /// Reads the table.
    pub fn load(file: &Path) -> Result<Self, CommandLineError> {
        Self::parse(file, &files::read(file)?)
    }

    /// Reads the table from its bytes; `file` is only for the words of errors.
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self, CommandLineError> {
        let table: Self = read::json("command line table", bytes, 64 * 1024)
            .map_err(|source| CommandLineError::Read { file: file.to_owned(), source })?;
        for (at, entry) in table.options.iter().enumerate() {
            let refuse =
                |reason| Err(CommandLineError::Option { file: file.to_owned(), at, option: entry.option.clone(), reason });
            let name = |option: &str| option.split('=').next().unwrap_or_default().to_owned();
            if entry.option.is_empty() || !entry.option.bytes().all(|b| b.is_ascii_graphic() && b != b'"') {
                return refuse("expected printable characters without blanks and quotation marks");
            }
            if MADE_HERE.contains(&name(&entry.option).as_str()) {
                return refuse("the build itself says this, from the root's hash tree");
            }
            if table.options.iter().take(at).any(|earlier| name(&earlier.option) == name(&entry.option)) {
                return refuse("stands there twice");
            }
            if entry.reason.trim().is_empty() {
                return refuse("has no reason");
            }
        }
        Ok(table)
    }

    /// The whole line for the slot whose root partition has this label.
    pub fn for_root(&self, verity: &Verity, partition_label: &str) -> Result<String, CommandLineError> {
        let mut words: Vec<String> = self.options.iter().map(|entry| entry.option.clone()).collect();
        words.extend(["root=/dev/dm-0".into(), "rootfstype=erofs".into(), "ro".into()]);
        words.push(format!("dm-mod.create=\"{}\"", verity.table(partition_label)));
        let line = words.join(" ");
        if line.len() >= LIMIT { Err(CommandLineError::TooLong { found: line.len() }) } else { Ok(line) }
    }
}

/// The serial port that `console=` names: no board file may give it to apps.
pub const CONSOLE: &str = "ttyS0";

/// Options that the build makes.
const MADE_HERE: [&str; 4] = ["root", "rootfstype", "ro", "dm-mod.create"];
/// COMMAND_LINE_SIZE of x86.
const LIMIT: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[&str]) -> Result<CommandLine, String> {
        let options: Vec<String> = options.iter().map(|o| format!("{{\"option\":{o:?},\"reason\":\"r\"}}")).collect();
        let text = format!("{{\"options\":[{}]}}", options.join(","));
        CommandLine::parse(Path::new("cmdline.json"), text.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_root_is_named_by_its_hash() {
        let verity = Verity { data_blocks: 10, root_hash: "aa".into(), salt: "bb".into() };
        let line = parse(&["panic=-1", "quiet"]).unwrap().for_root(&verity, "root-a").unwrap();
        assert_eq!(
            line,
            "panic=-1 quiet root=/dev/dm-0 rootfstype=erofs ro dm-mod.create=\"root,,,ro,0 80 verity 1 PARTLABEL=root-a \
             PARTLABEL=root-a 4096 4096 10 10 sha256 aa bb 2 panic_on_corruption panic_on_error\""
        );
    }

    #[test]
    fn the_console_is_the_one_that_no_app_gets() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../buildroot-config/kernel/cmdline.json");
        let consoles = CommandLine::load(&file).unwrap().options;
        let consoles: Vec<&str> = consoles.iter().filter_map(|entry| entry.option.strip_prefix("console=")).collect();
        assert_eq!(consoles, [CONSOLE]);
    }

    #[test]
    fn doubles_blanks_and_what_the_build_says_itself_are_refused() {
        for (options, part) in [
            (["a=1", "a=2"], "twice"),
            (["a b", "c"], "blanks"),
            (["x", "root=/dev/vda"], "build itself"),
            (["", "x"], "printable"),
        ] {
            let error = parse(&options).unwrap_err();
            assert!(error.contains(part) && error.starts_with("cmdline.json, options["), "{error}");
        }
    }

    #[test]
    fn a_line_the_kernel_would_cut_is_refused() {
        let verity = Verity { data_blocks: 10, root_hash: "aa".into(), salt: "bb".into() };
        let long = parse(&[&"x".repeat(1900)]).unwrap();
        assert!(matches!(long.for_root(&verity, "root-a"), Err(CommandLineError::TooLong { .. })));
    }

    #[test]
    fn the_table_in_the_repository_is_accepted() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../buildroot-config/kernel/cmdline.json");
        CommandLine::load(&file).unwrap();
    }
}
