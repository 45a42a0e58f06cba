//! What an image runs becomes what a manifest says: one ELF program, its arguments, its environment.

use super::{OciError, image::Config};
use crate::bundle::tree::{Entry, Source, Tree};
use serde_json::{Map, Value, json};
use std::io::Read;

/// Scripts whose interpreters are scripts: what Linux follows (execve(2)).
const SCRIPTS_LIMIT: usize = 4;
/// Longest first line of a script that is read, as Linux has it.
const LINE_LIMIT: u64 = 256;
/// Where programs are looked for if the image does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A way to start an app.
#[derive(Debug, PartialEq, Eq)]
pub struct Start {
    /// The program, in the app's root.
    pub entry_point: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Completes a manifest with what the image says, where the manifest itself says nothing; what was done, in plain words.
pub fn complete(manifest: &mut Map<String, Value>, tree: &Tree, config: &Config) -> Result<Vec<String>, OciError> {
    let mut notes = Vec::new();
    let environment = environment(config);
    if !manifest.contains_key("EntryPoint") {
        let start = find(tree, config, &mut notes)?;
        manifest.insert("EntryPoint".to_owned(), json!(start.entry_point));
        manifest.entry("CmdArgs").or_insert_with(|| json!(start.arguments));
    }
    let section = manifest.entry("Holdfast").or_insert_with(|| json!({}));
    let variables = section.as_object_mut().map(|section| section.entry("Environment").or_insert_with(|| json!({})));
    let Some(Value::Object(variables)) = variables else {
        return Err(OciError::Start("Holdfast and Holdfast.Environment in the manifest have to be objects".to_owned()));
    };
    for (name, value) in environment {
        if grant::values::is_reserved(&name) || !grant::values::is_variable(&name) {
            notes.push(format!("its variable {name:?} is left out: apps cannot have it"));
        } else {
            variables.entry(name).or_insert_with(|| json!(value));
        }
    }
    Ok(notes)
}

fn environment(config: &Config) -> Vec<(String, String)> {
    config
        .env
        .iter()
        .filter_map(|variable| variable.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The program that the image's command line leads to, through scripts and the search path.
pub fn find(tree: &Tree, config: &Config, notes: &mut Vec<String>) -> Result<Start, OciError> {
    let mut line: Vec<String> = config.entrypoint.iter().chain(&config.cmd).cloned().collect();
    if line.is_empty() {
        let text = "the image has neither an entry point nor a command: write EntryPoint and CmdArgs into the manifest";
        return Err(OciError::Start(text.to_owned()));
    }
    let search = environment(config).into_iter().find(|(name, _)| name == "PATH").map_or(PATH.to_owned(), |(_, value)| value);
    let folder = if config.working_dir.starts_with('/') { config.working_dir.trim_end_matches('/') } else { "" };
    if !folder.is_empty() {
        notes.push(format!("it starts in /, not in {folder}; arguments that are files there are given with their folder"));
        for argument in line.iter_mut().skip(1).filter(|argument| !argument.starts_with(['/', '-'])) {
            let path = format!("{folder}/{argument}");
            if tree.resolve(&path).is_ok_and(|path| tree.get(&path).is_some()) {
                *argument = path;
            }
        }
    }
    for _ in 0..=SCRIPTS_LIMIT {
        let program = line.first().cloned().unwrap_or_default();
        let path = look_up(tree, &program, folder, &search)
            .ok_or_else(|| OciError::Start(format!("the image runs {program:?}, which is not in it")))?;
        let head = head(tree, &path)?;
        let Some(script) = head.strip_prefix(b"#!") else {
            let arguments = line.split_off(1);
            return Ok(Start { entry_point: path, arguments });
        };
        let text = String::from_utf8_lossy(script.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
        let (interpreter, argument) = match text.trim().split_once(char::is_whitespace) {
            Some((interpreter, argument)) => (interpreter.to_owned(), Some(argument.trim().to_owned())),
            None => (text.trim().to_owned(), None),
        };
        notes.push(format!("{path} is a script: its interpreter {interpreter} is the program, and must be allowed what it does"));
        // env(1) looks for its argument on the search path, and so does this.
        let is_env = interpreter.ends_with("/env");
        let named = argument.clone().filter(|_| is_env).filter(|name| !name.starts_with('-'));
        let mut next = vec![named.clone().unwrap_or(interpreter)];
        next.extend(argument.filter(|_| named.is_none()));
        next.push(path);
        next.extend(line.drain(1..));
        line = next;
    }
    Err(OciError::Start(format!("scripts that are run by scripts, more than {SCRIPTS_LIMIT} deep")))
}

/// The path of a program that is a file and may be executed; links are kept, a program may look at its own name.
fn look_up(tree: &Tree, program: &str, folder: &str, search: &str) -> Option<String> {
    let runs = |path: &String| {
        let there = tree.resolve(path).ok()?;
        matches!(tree.get(&there), Some(Entry::File { executable: true, .. })).then_some(())
    };
    let candidates: Vec<String> = if program.starts_with('/') {
        vec![program.to_owned()]
    } else if program.contains('/') {
        vec![format!("{folder}/{program}")]
    } else {
        search
            .split(':')
            .filter(|folder| folder.starts_with('/'))
            .map(|folder| format!("{}/{program}", folder.trim_end_matches('/')))
            .collect()
    };
    candidates.into_iter().find(|path| runs(path).is_some())
}

fn head(tree: &Tree, path: &str) -> Result<Vec<u8>, OciError> {
    let Some(Entry::File { source, .. }) = tree.get(&tree.resolve(path)?) else { return Ok(Vec::new()) };
    let mut head = Vec::new();
    match source {
        Source::Bytes(bytes) => head.extend(bytes.iter().take(usize::try_from(LINE_LIMIT).unwrap_or(0))),
        Source::Host(path) => drop(fs_err::File::open(path)?.take(LINE_LIMIT).read_to_end(&mut head)?),
    }
    Ok(head)
}
