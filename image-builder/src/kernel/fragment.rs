//! Our kernel configuration, `buildroot-config/kernel/holdfast.config`: readable, with a reason per group. What it
//! does not say is off (`make allnoconfig`); what it says must stand in the kernel's own `.config` afterwards.

use crate::files::{self, FileError};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Lines that say something, such as `CONFIG_SMP=y`.
    pub settings: Vec<String>,
}

/// Why a fragment was refused.
#[derive(Debug, thiserror::Error)]
pub enum FragmentError {
    /// It could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line is neither a comment nor a setting.
    #[error("{}, line {line}: `{found}`; expected `CONFIG_NAME=value` or a comment", file.display())]
    Line {
        /// The fragment.
        file: PathBuf,
        /// 1-based.
        line: usize,
        /// What stands there.
        found: String,
    },
    /// One option twice.
    #[error("{}, line {line}: `{name}` stands there twice", file.display())]
    Twice {
        /// The fragment.
        file: PathBuf,
        /// 1-based.
        line: usize,
        /// The option.
        name: String,
    },
    /// The kernel's configuration program did not take a setting.
    #[error("the kernel's configuration does not honour {}", .0.join(", "))]
    NotHonoured(Vec<String>),
}

impl Fragment {
    /// Reads the fragment.
    pub fn load(file: &Path) -> Result<Self, FragmentError> {
        Self::parse(file, &files::read_text(file)?)
    }

    /// Reads fragments that lie over each other: a setting of a later one replaces that of an earlier one.
    pub fn load_all(folder: &Path, files: &[&str]) -> Result<Self, FragmentError> {
        let mut whole = Self { settings: Vec::new() };
        for file in files {
            whole = whole.under(Self::load(&folder.join(file))?);
        }
        Ok(whole)
    }

    fn under(mut self, upper: Self) -> Self {
        let name = |line: &str| setting(line).map(|(name, _)| name.to_owned());
        self.settings.retain(|line| !upper.settings.iter().any(|other| name(other) == name(line)));
        self.settings.extend(upper.settings);
        self
    }

    /// Reads the fragment from its text; `file` is only for the words of errors.
    pub fn parse(file: &Path, text: &str) -> Result<Self, FragmentError> {
        let mut settings = Vec::new();
        let mut seen = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let file = file.to_owned();
            let Some((name, _)) = setting(line) else {
                return Err(FragmentError::Line { file, line: at + 1, found: line.escape_default().to_string() });
            };
            if seen.insert(name.to_owned(), at).is_some() {
                return Err(FragmentError::Twice { file, line: at + 1, name: name.to_owned() });
            }
            settings.push(line.to_owned());
        }
        Ok(Self { settings })
    }

    /// Checks that the kernel's `.config` says what the fragment says. Options that depend on something that is off
    /// are dropped by the kernel's configuration program without a word; here each is named.
    pub fn check(&self, config: &str) -> Result<(), FragmentError> {
        let actual: BTreeMap<&str, &str> = config.lines().filter_map(setting).collect();
        let honoured = |line: &String| {
            let (name, value) = setting(line).unwrap_or_default();
            actual.get(name).copied().unwrap_or("n") == value
        };
        let missing: Vec<String> = self.settings.iter().filter(|line| !honoured(line)).cloned().collect();
        if missing.is_empty() { Ok(()) } else { Err(FragmentError::NotHonoured(missing)) }
    }
}

fn setting(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let bare = name.strip_prefix("CONFIG_")?;
    let valid = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !value.is_empty();
    valid.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Configuration;

    fn parse(text: &str) -> Result<Fragment, FragmentError> {
        Fragment::parse(Path::new("f"), text)
    }

    #[test]
    fn a_setting_that_the_kernel_dropped_is_named() {
        let fragment = parse("# why\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=\"x\"\n").unwrap();
        assert!(fragment.check("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x\"\n").is_ok());
        let error = fragment.check("CONFIG_B=y\nCONFIG_C=\"x\"\n").unwrap_err().to_string();
        assert!(error.ends_with("CONFIG_A=y, CONFIG_B=n"), "{error}");
    }

    #[test]
    fn doubles_and_lines_that_say_nothing_are_refused() {
        assert!(matches!(parse("CONFIG_A=y\nCONFIG_A=n\n"), Err(FragmentError::Twice { line: 2, .. })));
        for text in ["CONFIG_A", "config_A=y", "CONFIG_=y", "CONFIG_A=", " CONFIG_A=y"] {
            assert!(matches!(parse(text), Err(FragmentError::Line { line: 1, .. })), "{text}");
        }
    }

    #[test]
    fn a_later_fragment_replaces_what_an_earlier_one_says_and_nothing_else() {
        let lower = parse("CONFIG_A=y\nCONFIG_AB=n\n").unwrap();
        let whole = lower.under(parse("CONFIG_C=y\nCONFIG_A=n\n").unwrap());
        assert_eq!(whole.settings, ["CONFIG_AB=n", "CONFIG_C=y", "CONFIG_A=n"]);
    }

    #[test]
    fn the_fragments_in_the_repository_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../buildroot-config/kernel");
        for configuration in [Configuration::Product, Configuration::Attack] {
            assert!(!Fragment::load_all(&folder, configuration.files()).unwrap().settings.is_empty());
        }
    }
}
