//! Runs the command.

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// A folder to work in.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What a run of the command gave.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub const MANIFEST: &str = r#"{
  "SchemaVersion": 1,
  "Name": "Bell",
  "ComponentId": "4c3f2d9b-6a4e-4f1c-9a37-d00bbe110009",
  "EntryPoint": "/bin/app",
  "Capabilities": { "Gpio": ["$DOORBELL_BUTTON"], "MutableStorage": { "SizeKB": 64 } }
}
"#;

impl Place {
    /// An empty folder with a manifest.
    pub fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.write("app_manifest.json", MANIFEST);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs_err::read(self.path(name)).unwrap()
    }

    /// A folder `root` that can be packed: a manifest, and a dynamic program with what it needs.
    pub fn root(&self) -> PathBuf {
        let root = self.path("root");
        fs_err::create_dir_all(root.join("bin")).unwrap();
        fs_err::write(root.join("app_manifest.json"), MANIFEST).unwrap();
        fs_err::copy(static_program(), root.join("bin/app")).unwrap();
        root
    }

    /// Runs the command here, with the tests' keys.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, keys())
    }

    /// Runs the command here, with these keys.
    pub fn run_with(&self, arguments: &[&str], keys: &Path) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        // Where apps are built is looked for where a developer would.
        command.env_remove("CARGO_TARGET_DIR");
        command.args(arguments).current_dir(self.folder.path()).env("HOLDFAST_KEYS", keys).env("NO_COLOR", "1");
        Run::of(&command.output().unwrap())
    }
}

impl Run {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// It went well.
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It failed with this exit code, and said each of these words.
    #[track_caller]
    pub fn refused(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}` is missing in {}", self.err);
        }
        self
    }

    /// Standard output as exactly one JSON object.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Keys, made once for all tests of this process.
pub fn keys() -> &'static Path {
    static KEYS: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = KEYS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let made = Command::new(env!("CARGO_BIN_EXE_holdfast")).args(["keys", "init", "--keys"]).arg(&path).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        (folder, path)
    });
    path
}

/// A static program, compiled once.
pub fn static_program() -> &'static Path {
    static PROGRAM: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = PROGRAM.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (source, path) = (folder.path().join("app.c"), folder.path().join("app"));
        fs_err::write(&source, "int main(void) { return 0; }").unwrap();
        let made = Command::new("cc").args(["-static", "-o"]).arg(&path).arg(&source).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        (folder, path)
    });
    path
}

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
