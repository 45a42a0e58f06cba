//! What the tests of documents know of Markdown: links, and commands in fenced blocks.

use crate::workspace::top;
use anyhow::{Context, Result, ensure};
use std::{fs, path::PathBuf, process::Command};

/// All Markdown files that belong to the project, by path.
pub fn all() -> Result<Vec<(PathBuf, String)>> {
    let listed = Command::new("git").args(["ls-files", "-co", "--exclude-standard", "*.md"]).current_dir(top()).output();
    let listed = listed.context("cannot run git")?;
    ensure!(listed.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let read = |name: &str| -> Result<(PathBuf, String)> {
        let text = fs::read_to_string(top().join(name)).with_context(|| format!("cannot read {name}"))?;
        Ok((PathBuf::from(name), text))
    };
    names.lines().map(read).collect()
}

/// Targets of links, `](target)`, outside of fenced blocks.
pub fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let parts = line.split("](").skip(1).filter(|_| !fenced);
        found.extend(parts.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
    }
    found
}

/// Command lines in blocks fenced as `sh` or `console`: in the latter those after `$ `. Comments and line ends with a
/// backslash are put together.
pub fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = None;
    let mut joined = String::new();
    for line in text.lines() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(kind.trim().to_owned()) };
            continue;
        }
        let command = match block.as_deref() {
            Some("sh") => line,
            Some("console") => match line.strip_prefix("$ ") {
                Some(command) => command,
                None => continue,
            },
            _ => continue,
        };
        let command = command.split(" #").next().unwrap_or_default().trim();
        if let Some(begun) = command.strip_suffix('\\') {
            joined.push_str(begun);
            continue;
        }
        let whole = format!("{joined}{command}");
        joined.clear();
        if !whole.is_empty() && !whole.starts_with('#') {
            found.push(whole);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_of_shell_blocks_and_links_those_outside() {
        let text = "See [x](a.md).\n```console\n$ one  # why\noutput\n$ two \\\n$   three\n```\n```text\n$ no [y](b.md)\n```\n```sh\n# comment\nfour\n```\n";
        assert_eq!(commands(text), ["one", "two three", "four"]);
        assert_eq!(links(text), ["a.md"]);
    }
}
