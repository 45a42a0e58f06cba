//! Azure Sphere's interface in C (sdk/applibs): its documentation is made from the headers, and nothing of it is left out.
//!
//! After a change: `UPDATE_GENERATED=1 cargo test -p holdfast-tests --test applibs`.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail, ensure};
use harness::workspace::top;
use manifest::{
    app::{AppManifest, Peripheral},
    board::Board,
};
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const DOCUMENT: &str = "docs/applibs.md";
const BOARD: &str = "boards/qemu-q35.json";

/// One function, as the comment in front of it has it.
#[derive(Debug, PartialEq)]
struct Function {
    name: String,
    kind: Kind,
    /// What differs, or why it is refused.
    words: String,
}

/// What `@holdfast` says.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Implemented,
    Differs,
    Refused,
}

#[test]
fn the_table_of_functions_is_that_of_the_headers() -> Result<()> {
    let made = document()?;
    let path = top().join(DOCUMENT);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &made)?;
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(checked_in == made, "{DOCUMENT} is not what the headers say; run this test with UPDATE_GENERATED=1");
    Ok(())
}

/// Those of its Makefile, and a project in the form of Azure Sphere's SDK.
#[test]
fn the_librarys_own_tests_pass_and_a_project_in_the_sdks_form_is_built() -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    for target in ["check", "check-cmake"] {
        let output = Command::new("make")
            .args(["--quiet", target, &format!("BUILD={}", top().join("build/applibs").display())])
            .arg(format!("HOLDFAST={}", holdfast(&cargo)?.display()))
            .current_dir(folder())
            .output()
            .context("cannot run make")?;
        let told = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "make {target} failed:\n{}", String::from_utf8_lossy(&told));
    }
    Ok(())
}

/// The command, built as tests are.
fn holdfast(cargo: &str) -> Result<PathBuf> {
    let build = Command::new(cargo).args(["build", "--quiet", "--locked", "-p", "holdfast-cli", "--bin", "holdfast"]).status()?;
    ensure!(build.success(), "cannot build the command");
    let tests = std::env::current_exe()?;
    let folder = tests.parent().and_then(Path::parent).context("this test lies in no target folder")?;
    Ok(folder.join("holdfast"))
}

#[test]
fn each_header_has_its_source_and_an_app_that_the_board_can_have() -> Result<()> {
    let board = Board::parse(&fs::read(top().join(BOARD))?)?;
    for header in headers()? {
        let name = stem(&header);
        let source = folder().join("src").join(&name).with_extension("c");
        ensure!(source.exists(), "{} is missing", source.display());
        let app = folder().join("tests").join(&name);
        let text = fs::read_to_string(app.join("main.c")).with_context(|| format!("{name} has no app"))?;
        ensure!(text.contains(&format!("#include <applibs/{name}.h>")), "the app for {name} does not use it");
        let manifest = fs::read(app.join("app_manifest.json")).with_context(|| format!("{name}'s app has no manifest"))?;
        let manifest = AppManifest::parse(&manifest).with_context(|| format!("{name}'s app"))?;
        for (kind, _, listed) in manifest.peripherals() {
            let names = board.names(kind);
            for peripheral in listed {
                let known = matches!(peripheral, Peripheral::Named(named) if names.contains(named));
                ensure!(known, "{name}'s app lists {peripheral:?}, which {BOARD} has not");
            }
        }
    }
    Ok(())
}

#[test]
fn a_function_without_a_word_on_it_is_told() {
    let tagged = "/* Opens.\n * @holdfast differs: not\n * all of it */\nint A_Open(int (*x)(void),\n\t\tint b);\n";
    let function = Function { name: "A_Open".to_owned(), kind: Kind::Differs, words: "not all of it".to_owned() };
    assert_eq!(functions(tagged).unwrap(), [function]);
    for wrong in [
        "/* Opens. */\nint A_Open(void);\n",
        "/* @holdfast perhaps */\nint A_Open(void);\n",
        "/* @holdfast differs */\nint A_Open(void);\n",
        "/* @holdfast implemented */\nconst char *A_Open(void);\n\nint A_Close(void);\n",
    ] {
        assert!(functions(wrong).is_err(), "{wrong}");
    }
}

fn folder() -> PathBuf {
    top().join("sdk/applibs")
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn headers() -> Result<Vec<PathBuf>> {
    let listed = fs::read_dir(folder().join("include/applibs"))?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>();
    let mut headers = listed?;
    headers.sort();
    Ok(headers)
}

fn document() -> Result<String> {
    let (mut sections, mut counts) = (String::new(), [0; 3]);
    for header in headers()? {
        let text = fs::read_to_string(&header)?;
        let functions = functions(&text).with_context(|| header.display().to_string())?;
        write!(sections, "\n## {}.h\n\n{}\n\n| function | | |\n| --- | --- | --- |\n", stem(&header), introduction(&text)?)?;
        for function in functions {
            counts[function.kind as usize] += 1;
            let words = function.words.replace('|', "\\|");
            writeln!(
                sections,
                "| `{}` | {} | {words}{}|",
                function.name,
                function.kind.word(),
                if words.is_empty() { "" } else { " " }
            )?;
        }
    }
    let [implemented, differs, refused] = counts;
    Ok(format!(
        "# applibs, function by function\n\n\
         Made from the headers in [`sdk/applibs/include/applibs`](../sdk/applibs/include/applibs) by `tests/tests/applibs.rs`; change \
         those.\n\n\
         Of {} functions, {implemented} do what Azure Sphere's did, {differs} differ in what stands beside them, and {refused} are \
         refused, with the errno and the reason that stand there. A call that the manifest does not allow fails with EACCES, and a line in the app's log says which \
         line of the manifest is missing. How an app gets here: [from Azure Sphere](migrate-from-azure-sphere.md).\n{sections}",
        implemented + differs + refused
    ))
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Implemented => "implemented",
            Self::Differs => "differs",
            Self::Refused => "refused",
        }
    }
}

/// The comment that a header begins with, in one line for each paragraph.
fn introduction(text: &str) -> Result<String> {
    let comment = text.strip_prefix("/*").and_then(|rest| rest.split_once("*/")).context("no comment at the beginning")?.0;
    let lines: Vec<&str> = comment.lines().map(|line| line.trim().trim_start_matches('*').trim()).collect();
    Ok(lines.split(|line| line.is_empty()).map(|paragraph| paragraph.join(" ")).collect::<Vec<_>>().join("\n\n"))
}

/// Every function that a header declares, in its order. One without a tag is an error.
fn functions(text: &str) -> Result<Vec<Function>> {
    let mut functions = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("/*") {
        let (comment, behind) = after.split_once("*/").context("a comment without an end")?;
        rest = behind;
        if let Some((_, tag)) = comment.split_once("@holdfast") {
            let (declaration, behind) = behind.split_once(';').context("no declaration behind a tag")?;
            functions.push(function(tag, declaration)?);
            rest = behind;
        }
    }
    let declared: Vec<&str> = text.lines().filter(|line| is_declaration(line)).map(name).collect();
    let tagged: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    ensure!(declared == tagged, "declared are {declared:?}, with a tag {tagged:?}");
    Ok(functions)
}

/// Whether a line begins the declaration of a function, as the headers are laid out.
fn is_declaration(line: &str) -> bool {
    line.starts_with(|c: char| c.is_ascii_alphabetic())
        && line.contains('(')
        && !["typedef ", "extern ", "static "].iter().any(|word| line.starts_with(word))
}

/// The identifier in front of the first parenthesis.
fn name(declaration: &str) -> &str {
    let head = declaration.split('(').next().unwrap_or_default().trim();
    head.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
}

fn function(tag: &str, declaration: &str) -> Result<Function> {
    let words: Vec<&str> = tag.split_whitespace().filter(|word| *word != "*").collect();
    let said = words.join(" ");
    let (word, words) = said.split_once(": ").unwrap_or((&said, ""));
    let kind = match word {
        "implemented" => Kind::Implemented,
        "differs" => Kind::Differs,
        "refused" => Kind::Refused,
        _ => bail!("`@holdfast {word}` is none of implemented, differs and refused"),
    };
    let name = name(declaration).to_owned();
    ensure!((kind == Kind::Implemented) == words.is_empty(), "{name}: only `implemented` says nothing more");
    Ok(Function { name, kind, words: words.to_owned() })
}
