//! The kernel: Debian's 6.12 source with our configuration fragment, built once and kept outside the tree.
//!
//! - [`source`]: where the source comes from and how it is named.
//! - [`fragment`]: our configuration, and whether the kernel's own `.config` honours each line of it.
//! - [`compile`]: the build itself, with all that would differ between machines pinned.
//!
//! A finished kernel lies in `${XDG_CACHE_HOME:-~/.cache}/holdfast/kernel/<key>/`, where the key is a digest of all
//! that goes in: source version, fragment, seeds, versions of compiler, linker and compressor, and the revision of the recipe.

pub mod compile;
pub mod fragment;
pub mod source;

use crate::{
    command::{CommandError, Outside},
    files::{self, FileError, hex},
    progress::Progress,
};
use fragment::{Fragment, FragmentError};
use manifest::read::{self, ReadError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use source::{Source, SourceError};
use std::{
    fs::File,
    path::{Path, PathBuf},
};

/// What a kernel is built from.
#[derive(Debug, Clone)]
pub struct KernelRequest {
    /// The repository: fragment and seeds are read below it.
    pub workspace: PathBuf,
    /// Which kernel.
    pub configuration: Configuration,
    /// A kernel source folder in place of the distribution's archive.
    pub source: Option<PathBuf>,
    /// Compilers at once; absent: as many as there are processors.
    pub jobs: Option<usize>,
}

/// The kernels there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Configuration {
    /// Devices have it: `holdfast.config`.
    #[default]
    Product,
    /// The attack suite's: `attack.config` over the product's, with everything built in that a device must not have.
    Attack,
}

impl Configuration {
    /// Its fragment's files in `buildroot-config/kernel`; what a later one says replaces what an earlier one says.
    pub fn files(self) -> &'static [&'static str] {
        match self {
            Self::Product => &["holdfast.config"],
            Self::Attack => &["holdfast.config", "attack.config"],
        }
    }
}

/// A finished kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The bootable image.
    pub image: PathBuf,
    /// Its whole configuration.
    pub config: PathBuf,
    /// Version of the source.
    pub version: String,
    /// Digest of all that went in.
    pub key: String,
}

/// `seeds.json`: what would be random in a kernel build, declared instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seeds {
    /// 64 hexadecimal digits: the order of fields in randomized structures. Published for development; a vendor's
    /// release has its own, which is a secret that only its symbols' readers need.
    pub randstruct: manifest::names::Sha256Hex,
    /// `-frandom-seed` of gcc, from which its latent-entropy plugin draws too.
    pub compiler: String,
    /// Build time in seconds since 1970, as `uname -v` shows it.
    pub build_time: u64,
    /// Builder's user name, as `/proc/version` shows it.
    pub user: String,
    /// Builder's host name, as `/proc/version` shows it.
    pub host: String,
}

/// Why there is no kernel.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A tool failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The source is missing or of the wrong kind.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The fragment is wrong, or the kernel does not honour it.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    /// The seeds are wrong.
    #[error("{}", file.display())]
    Seeds {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: ReadError,
    },
    /// The kernel was built with a seed that nobody declared.
    #[error(
        "the kernel's structures were not laid out by the declared seed: scripts/gen-randstruct-seed.sh is no longer asked for it"
    )]
    Seed,
    /// No place for the cache.
    #[error("neither XDG_CACHE_HOME nor HOME is set: there is no place to keep a built kernel")]
    NoCache,
}

/// Finds the kernel in the cache or builds it.
pub fn ensure(request: &KernelRequest, progress: &mut dyn Progress) -> Result<Kernel, KernelError> {
    let recipe = Recipe::read(request, progress)?;
    let place = cache()?.join(&recipe.key);
    let kernel = Kernel {
        image: place.join("bzImage"),
        config: place.join("config"),
        version: recipe.source.version.clone(),
        key: recipe.key.clone(),
    };
    files::make_folder(&cache()?)?;
    let lock_path = cache()?.join(format!("{}.lock", recipe.key));
    let lock = File::create(&lock_path).map_err(FileError::of("create", &lock_path))?;
    // A second build of the same kernel waits for the first and then finds it done.
    lock.lock().map_err(FileError::of("lock", &lock_path))?;
    if kernel.image.exists() && kernel.config.exists() {
        progress.note(&format!("kernel {} is in the cache: {}", kernel.version, place.display()));
        return Ok(kernel);
    }
    compile::compile(&recipe, &place, request.jobs, progress)?;
    Ok(kernel)
}

/// Whether [`ensure`] would find the kernel ready.
pub fn is_ready(request: &KernelRequest, progress: &mut dyn Progress) -> Result<bool, KernelError> {
    let recipe = Recipe::read(request, progress)?;
    Ok(cache()?.join(&recipe.key).join("bzImage").exists())
}

/// All that a kernel is made of, read and checked.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The source.
    pub source: Source,
    /// Our configuration.
    pub fragment: Fragment,
    /// What would be random.
    pub seeds: Seeds,
    /// Digest of all that goes in.
    pub key: String,
}

impl Recipe {
    fn read(request: &KernelRequest, progress: &mut dyn Progress) -> Result<Self, KernelError> {
        let folder = request.workspace.join("buildroot-config/kernel");
        let source = Source::find(request.source.as_deref(), progress)?;
        let fragment = Fragment::load_all(&folder, request.configuration.files())?;
        let file = folder.join("seeds.json");
        let seeds: Seeds =
            read::json("seeds", &files::read(&file)?, 4096).map_err(|source| KernelError::Seeds { file, source })?;
        let mut hasher = Sha256::new();
        for part in [
            &source.version,
            &fragment.settings.join("\n"),
            &seeds.text(),
            &version_of("gcc", "gcc", progress)?,
            &version_of("ld", "binutils", progress)?,
            &version_of("zstd", "zstd", progress)?,
        ] {
            hasher.update(part);
            hasher.update([0]);
        }
        hasher.update([REVISION]);
        let key = hex(&hasher.finalize()).chars().take(KEY_DIGITS).collect();
        Ok(Self { source, fragment, seeds, key })
    }
}

impl Seeds {
    fn text(&self) -> String {
        format!("{} {} {} {} {}", self.randstruct.as_str(), self.compiler, self.build_time, self.user, self.host)
    }
}

fn version_of(program: &str, package: &'static str, progress: &mut dyn Progress) -> Result<String, CommandError> {
    let text = Outside::new(program, package).arg("--version").run(progress)?;
    Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned())
}

/// Where kernels are kept.
pub fn cache() -> Result<PathBuf, KernelError> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = set("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache")));
    Ok(base.ok_or(KernelError::NoCache)?.join("holdfast/kernel"))
}

/// Raised when [`compile`] changes in a way that changes its result.
const REVISION: u8 = 2;
/// Enough to tell kernels apart, short enough for a path.
const KEY_DIGITS: usize = 20;
