//! Outside commands: shown before they run, with a clean environment, and with their own words when they fail.

use crate::progress::Progress;
use std::{
    ffi::{OsStr, OsString},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A command that is not run yet.
#[derive(Debug, Clone)]
pub struct Outside {
    program: OsString,
    args: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    without: Vec<&'static str>,
    folder: Option<PathBuf>,
    package: &'static str,
}

/// Why an outside command was of no use.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It is not installed.
    #[error("cannot start `{program}`: it is not installed; Debian's package `{package}` has it")]
    Missing {
        /// The program.
        program: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// It could not be started or read.
    #[error("cannot run `{line}`")]
    Start {
        /// The whole command.
        line: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It said no.
    #[error("`{line}` failed ({status}):\n{output}")]
    Failed {
        /// The whole command.
        line: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The end of what it wrote.
        output: String,
    },
}

impl Outside {
    /// `program`, which Debian's `package` has.
    pub fn new(program: impl AsRef<OsStr>, package: &'static str) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            environment: Vec::new(),
            without: Vec::new(),
            folder: None,
            package,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<T: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name, value.as_ref().to_owned()));
        self
    }

    /// Keeps an environment variable of the caller away from it.
    pub fn without(mut self, name: &'static str) -> Self {
        self.without.push(name);
        self
    }

    /// Runs it in this folder.
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// The command as one line that can be pasted into a shell.
    pub fn line(&self) -> String {
        let folder = self.folder.iter().map(|f| format!("cd {} &&", quoted(f.as_os_str())));
        let environment = self.environment.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = std::iter::once(&self.program).chain(&self.args).map(|word| quoted(word));
        folder.chain(environment).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// Runs it and returns what it wrote to standard output.
    pub fn run(&self, progress: &mut dyn Progress) -> Result<Vec<u8>, CommandError> {
        progress.command(&self.line());
        let output = self.command().stdin(Stdio::null()).output().map_err(|e| self.start_error(e))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Err(CommandError::Failed { line: self.line(), status: output.status, output: last_lines(&text) })
    }

    /// Runs it and hands each line of its standard output and standard error, joined, to `on_line`.
    pub fn run_lines(
        &self,
        progress: &mut dyn Progress,
        mut on_line: impl FnMut(&mut dyn Progress, &str),
    ) -> Result<(), CommandError> {
        progress.command(&self.line());
        let (reader, writer) = std::io::pipe().map_err(|e| self.start_error(e))?;
        let second = writer.try_clone().map_err(|e| self.start_error(e))?;
        let mut command = self.command();
        let mut child = command.stdin(Stdio::null()).stdout(writer).stderr(second).spawn().map_err(|e| self.start_error(e))?;
        // The command holds our copies of the write end: without them gone the read end would never close.
        drop(command);
        let mut kept = String::new();
        for line in BufReader::new(reader).split(b'\n') {
            let line = line.map_err(|e| self.start_error(e))?;
            let line = String::from_utf8_lossy(&line);
            on_line(progress, &line);
            kept.push_str(&line);
            kept.push('\n');
            if kept.len() > 4 * KEPT {
                kept = last_lines(&kept);
            }
        }
        let status = child.wait().map_err(|e| self.start_error(e))?;
        if status.success() { Ok(()) } else { Err(CommandError::Failed { line: self.line(), status, output: last_lines(&kept) }) }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // Nothing of the caller's language or time zone may reach an output; PATH and HOME are needed to find tools.
        command.args(&self.args).env("LC_ALL", "C").env("TZ", "UTC");
        // Debian gives ordinary users no path to mke2fs and its like, which they may run.
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        path.push(":/usr/sbin:/sbin");
        command.env("PATH", path);
        for name in &self.without {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    fn start_error(&self, source: std::io::Error) -> CommandError {
        if source.kind() == std::io::ErrorKind::NotFound {
            CommandError::Missing { program: self.program.to_string_lossy().into_owned(), package: self.package }
        } else {
            CommandError::Start { line: self.line(), source }
        }
    }
}

fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.,:+@%^".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut size = 0;
    let kept = lines.iter().rev().take_while(|line| {
        size += line.len() + 1;
        size <= KEPT
    });
    let kept: Vec<&str> = kept.copied().collect();
    kept.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Bytes of a failed command's output that its error repeats.
const KEPT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn a_line_can_be_pasted_into_a_shell() {
        let command =
            Outside::new("mke2fs", "e2fsprogs").env("E2FSPROGS_FAKE_TIME", "1").arg("it's here").current_dir("/tmp/a b");
        assert_eq!(command.line(), r"cd '/tmp/a b' && E2FSPROGS_FAKE_TIME=1 mke2fs 'it'\''s here'");
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let error = Outside::new("no-such-program", "some-package").run(&mut Silent).unwrap_err();
        assert!(error.to_string().contains("`some-package`"), "{error}");
    }

    #[test]
    fn a_failed_command_shows_its_own_words() {
        let command = Outside::new("sh", "dash").args(["-c", "echo out; echo why >&2; exit 3"]);
        assert!(command.run(&mut Silent).unwrap_err().to_string().contains("why"));
        let mut seen = Vec::new();
        let error = command.run_lines(&mut Silent, |_, line| seen.push(line.to_owned())).unwrap_err();
        assert_eq!(seen, ["out", "why"]);
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }
}
