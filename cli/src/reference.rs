//! docs/cli.md, man pages and completions: all made from the command line's types, so that none can be out of date.

use crate::{arguments, dispatch::Context, exit, failure::Result, files};
use clap::Command;
use clap_complete::Shell;
use std::path::Path;

/// `holdfast completions`
pub fn completions(context: &Context, shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut arguments::command(), "holdfast", &mut script);
    context.output.text(&String::from_utf8_lossy(&script));
    Ok(())
}

/// `holdfast man`
pub fn man(context: &Context, out: &Path) -> Result<()> {
    fs_err::create_dir_all(out)?;
    let mut names = Vec::new();
    for (words, command) in all(&arguments::command()) {
        let name = words.join("-");
        let page = clap_mangen::Man::new(command.name(words.join(" "))).title(name.to_uppercase());
        files::replace(&out.join(format!("{name}.1")), |to| page.render(&mut &mut *to))?;
        names.push(name);
    }
    let made = serde_json::json!({ "folder": out.display().to_string(), "pages": names });
    context.output.result(&made, |_| format!("Wrote {} man pages to {}", names.len(), out.display()));
    Ok(())
}

/// `holdfast reference`
pub fn print(context: &Context) -> Result<()> {
    context.output.text(&markdown());
    Ok(())
}

/// The page docs/cli.md.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    page.push_str("## Exit codes\n\n| code | class | when |\n| --- | --- | --- |\n| 0 | | success |\n");
    for row in &exit::TABLE {
        page.push_str(&format!("| {} | `{}` | {} |\n", row.code, row.name, row.meaning));
    }
    page.push_str("\n## Commands\n");
    for (words, mut command) in all(&arguments::command()) {
        if command.has_subcommands() && words.len() > 1 {
            continue; // only lists what follows anyway
        }
        let help = command.render_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        page.push_str(&format!("\n### {}\n\n```text\n{}\n```\n", words.join(" "), help.join("\n").trim_end()));
    }
    page
}

const HEAD: &str = "\
<!-- Made by `holdfast reference`; a test compares. -->
# The command `holdfast`

Data goes to standard output, everything else to standard error. With `--json` a command writes exactly one JSON object to
standard output; only `app logs --follow` writes one per line. On failure that object is

```json
{\"error\": {\"class\": \"not-found\", \"message\": \"…\", \"hint\": \"…\", \"context\": []}, \"exit_code\": 6}
```

and the exit code follows from the class alone. Color is used on terminals only; `NO_COLOR` turns it off.

";

/// Every command that is not hidden, with the words that call it.
fn all(top: &Command) -> Vec<(Vec<String>, Command)> {
    fn collect(command: &Command, words: &[String], found: &mut Vec<(Vec<String>, Command)>) {
        found.push((words.to_vec(), command.clone()));
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
            let words: Vec<String> = words.iter().cloned().chain([sub.get_name().to_owned()]).collect();
            collect(sub, &words, found);
        }
    }
    let mut top = top.clone().term_width(100);
    top.build();
    let mut found = Vec::new();
    collect(&top, &["holdfast".to_owned()], &mut found);
    found
}
