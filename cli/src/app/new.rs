//! `holdfast app new`

use super::schema;
use crate::{
    dispatch::Context,
    failure::{Failure, Result},
    files,
    output::Style,
};
use clap::{Args, ValueEnum, ValueHint};
use image_builder::device_build::TARGET;
use manifest::{api::ErrorClass, app::AppManifest};
use serde::Serialize;
use std::{
    io::Read,
    path::{Component, Path, PathBuf},
};

pub(super) const HELP: &str = "\
The manifest asks for nothing: add what the app needs to its Capabilities, and try with `holdfast app check --board`. Editors \
complete and check it by the schema beside it. The component id is made now and identifies the app over all its versions; \
never copy it to another app.

Examples:
  holdfast app new my-app
  holdfast app new my-app --template c && holdfast app build my-app
  holdfast app new my-app --template applibs";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The app's name, and the folder to make
    #[arg(value_name = "NAME", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
    /// Language of the program
    #[arg(long, value_enum, default_value_t = Template::Rust)]
    template: Template,
    /// Folder of the SDK for Rust [default: sdk of the project]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    sdk: Option<PathBuf>,
}

/// What a new app is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    /// Rust, with the SDK
    Rust,
    /// C, with nothing but the C library
    C,
    /// C, in the form of Azure Sphere's SDK, with Holdfast's applibs
    Applibs,
}

const RUST: &[(&str, &str)] = &[
    ("app_manifest.json", include_str!("../../templates/manifest.json")),
    ("Cargo.toml", include_str!("../../templates/rust/Cargo.toml")),
    ("src/main.rs", include_str!("../../templates/rust/src/main.rs")),
];
const C: &[(&str, &str)] = &[
    ("app_manifest.json", include_str!("../../templates/manifest.json")),
    ("main.c", include_str!("../../templates/c/main.c")),
    ("Makefile", include_str!("../../templates/c/Makefile")),
];
const APPLIBS: &[(&str, &str)] = &[
    ("app_manifest.json", include_str!("../../templates/applibs/app_manifest.json")),
    ("main.c", include_str!("../../templates/applibs/main.c")),
    ("CMakeLists.txt", include_str!("../../templates/applibs/CMakeLists.txt")),
];
const ALL: &[(&str, &str)] = &[
    (".vscode/tasks.json", include_str!("../../templates/tasks.json")),
    (".vscode/launch.json", include_str!("../../templates/launch.json")),
    (schema::FILE, schema::TEXT),
    (".gitignore", include_str!("../../templates/gitignore")),
];

#[derive(Serialize)]
struct Made {
    folder: String,
    component_id: String,
    files: Vec<String>,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let name = name_of(&arguments.folder)?;
    if fs_err::symlink_metadata(&arguments.folder).is_ok() {
        let text = format!("{} is there already, and nothing of it is overwritten", arguments.folder.display());
        return Err(Failure::new(ErrorClass::Conflict, text).hint("give another name"));
    }
    let (templates, sdk) = match arguments.template {
        Template::C => (C, None),
        Template::Applibs => (APPLIBS, None),
        Template::Rust => (RUST, Some(sdk(context, arguments.sdk.as_deref())?)),
    };
    let id = new_id()?;
    let package: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let shown_sdk = sdk.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    // With its symbols, as the build leaves it.
    let program = match arguments.template {
        Template::C => "build/app".to_owned(),
        Template::Applibs => format!("build/cmake/{package}"),
        Template::Rust => format!("target/{TARGET}/release/{package}"),
    };
    let values = [("name", &name), ("package", &package), ("id", &id), ("sdk", &shown_sdk), ("program", &program)];
    let fill =
        |text: &str| values.iter().fold(text.to_owned(), |text, (key, value)| text.replace(&format!("{{{{{key}}}}}"), value));
    let mut made = Made { folder: arguments.folder.display().to_string(), component_id: id.clone(), files: Vec::new() };
    for (file, text) in templates.iter().chain(ALL) {
        let path = arguments.folder.join(file);
        fs_err::create_dir_all(path.parent().unwrap_or(&arguments.folder))?;
        files::replace(&path, |to| to.write_all(fill(text).as_bytes()))?;
        made.files.push((*file).to_owned());
    }
    if let Some(lock) = sdk.as_deref().and_then(Path::parent).map(|root| root.join("Cargo.lock")).filter(|lock| lock.is_file()) {
        // The versions the SDK was tested with, and what this machine has at hand already.
        fs_err::copy(lock, arguments.folder.join("Cargo.lock"))?;
        made.files.push("Cargo.lock".into());
    }
    AppManifest::parse(&files::read(&arguments.folder.join("app_manifest.json"), 64 * 1024)?)?;
    context.output.result(&made, |out| {
        let shown = out.paint(Style::Bold, &made.folder);
        format!("Made {shown} ({})\n  next: holdfast app build {}", made.files.join(", "), made.folder)
    });
    Ok(())
}

/// The last part of the path; what goes into a C string, a manifest and a crate's name has to be plain.
fn name_of(folder: &Path) -> Result<String> {
    let last = folder.components().next_back();
    let name = match last {
        Some(Component::Normal(name)) => name.to_str().unwrap_or_default(),
        _ => "",
    };
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if plain && name.len() <= 64 {
        return Ok(name.to_owned());
    }
    let text = format!("`{}` is no name for an app", name.escape_default());
    Err(Failure::new(ErrorClass::Usage, text).hint("a letter, then letters, digits, - and _, at most 64 in all"))
}

fn sdk(context: &Context, given: Option<&Path>) -> Result<PathBuf> {
    let folder = given.map_or_else(|| context.places.root().join("sdk"), Path::to_owned);
    if !folder.join("Cargo.toml").is_file() {
        let text = format!("the SDK for Rust is not in {}", folder.display());
        return Err(Failure::new(ErrorClass::NotFound, text)
            .hint("give its folder with --sdk DIR, or take --template c, which needs none"));
    }
    Ok(fs_err::canonicalize(folder)?)
}

/// A random UUID (version 4 of RFC 9562).
fn new_id() -> Result<String> {
    let mut bytes = [0u8; 16];
    fs_err::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut n = u128::from_be_bytes(bytes);
    n = (n & !(0xf << 76)) | (0x4 << 76);
    n = (n & !(0b11 << 62)) | (0b10 << 62);
    let hex = format!("{n:032x}");
    let parts = [hex.get(..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..)];
    Ok(parts.into_iter().flatten().collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_4_uuids_and_component_ids() {
        let id = new_id().unwrap();
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        id.parse::<manifest::names::ComponentId>().unwrap();
        assert_ne!(id, new_id().unwrap());
    }

    #[test]
    fn a_name_that_could_break_out_of_a_template_is_refused() {
        for name in ["a\"b", "..", "", "a b", "1a", "a\nb"] {
            assert!(name_of(Path::new(name)).is_err(), "{name}");
        }
        assert_eq!(name_of(Path::new("some/where/my-app")).unwrap(), "my-app");
    }
}
