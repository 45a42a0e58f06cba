//! docs/sandbox-cli.md, man pages, completions and the schema: all made from types, so that none can be out of date.

use crate::{
    arguments,
    dispatch::Answer,
    failure::{Class, Failure, RUN_FAILED, Result, TABLE},
    policy::PolicyFile,
};
use clap::Command;
use clap_complete::Shell;
use linux::files::{self, FileError};
use std::path::Path;

/// `holdfast-sandbox schema`
pub fn schema() -> Answer {
    let schema = schemars::schema_for!(PolicyFile).to_value();
    let words = format!("{schema:#}");
    Answer::new(&schema, words)
}

/// `holdfast-sandbox completions`
pub fn completions(shell: Shell) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut arguments::command(), "holdfast-sandbox", &mut script);
    text(&String::from_utf8_lossy(&script))
}

/// `holdfast-sandbox man`
pub fn man(out: &Path) -> Result<Answer> {
    let error = |e: FileError| Failure::of(Class::BadInput, &e);
    files::make_folder(out, 0o755).map_err(error)?;
    let mut names = Vec::new();
    for (words, command) in all(&arguments::command()) {
        let name = words.join("-");
        let mut page = Vec::new();
        clap_mangen::Man::new(command.name(words.join(" ")))
            .title(name.to_uppercase())
            .render(&mut page)
            .map_err(|e| Failure::of(Class::BadInput, &e))?;
        files::write_durably(out.join(format!("{name}.1")), &page, 0o644).map_err(error)?;
        names.push(name);
    }
    let words = format!("Wrote {} man pages to {}", names.len(), out.display());
    Ok(Answer::new(&serde_json::json!({ "folder": out.display().to_string(), "pages": names }), words))
}

/// `holdfast-sandbox reference`
pub fn print() -> Answer {
    text(&markdown())
}

fn text(text: &str) -> Answer {
    Answer::new(&serde_json::json!({ "text": text }), text)
}

/// The page docs/sandbox-cli.md.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for row in &TABLE {
        page.push_str(&format!("| {} | `{}` | {} |\n", row.code, row.name, row.meaning));
    }
    page.push_str(&format!(
        "\n`run` exits as the program does, with 128 + N when signal N killed it, and with {RUN_FAILED} when it did not run.\n"
    ));
    page.push_str("\n## Commands\n");
    for (words, mut command) in all(&arguments::command()) {
        let help = command.render_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        page.push_str(&format!("\n### {}\n\n```text\n{}\n```\n", words.join(" "), help.join("\n").trim_end()));
    }
    page
}

const HEAD: &str = "\
<!-- Made by `holdfast-sandbox reference`; a test compares. -->
# The command `holdfast-sandbox`

[sandbox.md](sandbox.md) tells what a policy is made of and what is in force. With `--json` every command but `run` writes
exactly one JSON object to standard output; on failure that object is

```json
{\"error\": {\"class\": \"bad-input\", \"message\": \"…\", \"hint\": \"…\"}, \"exit_code\": 3}
```

## Exit codes

| code | class | when |
| --- | --- | --- |
| 0 | | success |
";

/// Every command that is not hidden, with the words that call it.
fn all(top: &Command) -> Vec<(Vec<String>, Command)> {
    let mut top = top.clone().term_width(100);
    top.build();
    let name = "holdfast-sandbox".to_owned();
    let verbs = top.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
    let verbs = verbs.map(|verb| (vec![name.clone(), verb.get_name().to_owned()], verb.clone()));
    std::iter::once((vec![name.clone()], top.clone())).chain(verbs).collect()
}
