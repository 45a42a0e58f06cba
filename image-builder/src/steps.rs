//! An image build as a list of named steps. Each reads files and writes files; [`build`] runs the list, [`plan`] shows
//! it.

use crate::{
    authenticode::{SignError, Signer},
    cmdline::{CommandLine, CommandLineError},
    command::{CommandError, Outside},
    data_template::{self, DataTemplateError},
    debugger::{self, DebuggerError},
    description::{DescriptionError, Resolved},
    device_build::{self, DeviceBuildError, Variant},
    disk::{self, DiskError, Layout},
    erofs::{self, ErofsError},
    esp,
    files::{self, FileError},
    image_manifest::{self, Entry, ImageManifest, ManifestError},
    kernel::{self, Kernel, KernelError, KernelRequest},
    keys::{self, Keys, KeysError, SecureBootKey},
    output::Output,
    progress::{Progress, StepProgress},
    root::{self, Content, RootError},
    secure_boot::{self, SecureBootError},
    uki::{self, Parts, UkiError},
    verity::{self, Verity, VerityError},
};
use manifest::read::{self, ReadError};
use std::path::{Path, PathBuf};

/// What to build, from what, where to.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The repository.
    pub workspace: PathBuf,
    /// The image description, such as `boards/images/qemu.json`.
    pub description: PathBuf,
    /// The owner's keys, made by [`keys::init`].
    pub keys: PathBuf,
    /// Where the image goes.
    pub output: PathBuf,
    /// A kernel source folder in place of the distribution's archive.
    pub kernel_source: Option<PathBuf>,
    /// Build time in seconds since 1970: the device's clock never starts before it. Absent: that of the last commit.
    pub build_time: Option<u64>,
    /// Compilers at once, for the kernel.
    pub jobs: Option<usize>,
}

/// A finished image.
#[derive(Debug, Clone)]
pub struct Built {
    /// Where its files lie.
    pub output: Output,
    /// What is in it.
    pub manifest: ImageManifest,
}

/// A step of a build that is not run yet.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PlannedStep {
    /// Its name.
    pub name: &'static str,
    /// What it does, for people.
    pub text: &'static str,
    /// Files it reads.
    pub inputs: Vec<PathBuf>,
    /// Files it writes.
    pub outputs: Vec<PathBuf>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The description, or a file it names.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A tool failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The kernel.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The device's programs.
    #[error(transparent)]
    DeviceBuild(#[from] DeviceBuildError),
    /// The data partition's template.
    #[error(transparent)]
    DataTemplate(#[from] DataTemplateError),
    /// What apps are debugged with.
    #[error(transparent)]
    Debugger(#[from] DebuggerError),
    /// The root's content.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The root's file system.
    #[error(transparent)]
    Erofs(#[from] ErofsError),
    /// The root's hash tree.
    #[error(transparent)]
    Verity(#[from] VerityError),
    /// The kernel's command line.
    #[error(transparent)]
    CommandLine(#[from] CommandLineError),
    /// The UKI.
    #[error(transparent)]
    Uki(#[from] UkiError),
    /// The signing key.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The firmware's variables.
    #[error(transparent)]
    SecureBoot(#[from] SecureBootError),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file that an earlier step wrote is not what it was.
    #[error("{}", file.display())]
    Intermediate {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        source: ReadError,
    },
    /// A value that could not become JSON: a fault of ours.
    #[error("cannot write {}", file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Nothing says when the image is built.
    #[error("no build time: {} is not in a git repository; give one with --build-time", .0.display())]
    NoBuildTime(PathBuf),
}

/// Builds the image.
pub fn build(options: &BuildOptions, progress: &mut dyn Progress) -> Result<Built, BuildError> {
    let context = Context::open(options, progress)?;
    files::make_folder(&context.output.work())?;
    // Two builds into one folder would mix their files; the second waits.
    let lock_path = context.output.work().join("lock");
    let lock = std::fs::File::create(&lock_path).map_err(FileError::of("create", &lock_path))?;
    lock.lock().map_err(FileError::of("lock", &lock_path))?;
    // A build that fails half-way must not leave a manifest that speaks of the one before.
    files::remove(&context.output.manifest())?;
    for (at, step) in STEPS.iter().enumerate() {
        progress.step(StepProgress { number: at + 1, of: STEPS.len(), name: step.name, text: step.text });
        (step.run)(&context, progress)?;
    }
    let manifest = ImageManifest::load(context.output.folder())?;
    Ok(Built { output: context.output, manifest })
}

/// The steps that [`build`] would run. Reads and checks the description, runs nothing.
pub fn plan(options: &BuildOptions) -> Result<Vec<PlannedStep>, BuildError> {
    let resolved = Resolved::load(&options.workspace, &options.description)?;
    let places = Places { options, output: Output::new(&options.output), resolved: &resolved };
    Ok(STEPS
        .iter()
        .map(|step| PlannedStep {
            name: step.name,
            text: step.text,
            inputs: (step.inputs)(&places),
            outputs: (step.outputs)(&places),
        })
        .collect())
}

/// One row of the list.
struct Step {
    name: &'static str,
    text: &'static str,
    inputs: fn(&Places<'_>) -> Vec<PathBuf>,
    outputs: fn(&Places<'_>) -> Vec<PathBuf>,
    run: fn(&Context, &mut dyn Progress) -> Result<(), BuildError>,
}

/// Where a step's files lie.
struct Places<'a> {
    options: &'a BuildOptions,
    output: Output,
    resolved: &'a Resolved,
}

impl Places<'_> {
    fn configuration(&self, name: &str) -> PathBuf {
        self.options.workspace.join("buildroot-config").join(name)
    }

    fn key(&self, name: &str) -> PathBuf {
        self.options.keys.join(name)
    }

    /// Of an image that makes crash reports.
    fn crash_key(&self) -> Option<PathBuf> {
        let named = self.resolved.description.crash_key.as_ref().map(|path| self.resolved.beside(path));
        self.resolved.has_crash_reporter().then(|| named.unwrap_or_else(|| self.key("crash-report.pub")))
    }

    /// Of an image that lets apps be debugged.
    fn tracer(&self) -> Option<PathBuf> {
        self.resolved.description.debug.map(|_| debugger::tracer(&self.options.workspace))
    }
}

const STEPS: [Step; 11] = [
    Step {
        name: "kernel",
        text: "Build the kernel, or take it from the cache",
        inputs: |p| {
            let files = p.resolved.description.kernel.files().iter().chain(&["seeds.json"]);
            files.map(|name| p.configuration("kernel").join(name)).collect()
        },
        outputs: |p| vec![p.output.kernel(), p.output.kernel_config()],
        run: make_kernel,
    },
    Step {
        name: "programs",
        text: "Build the device's programs, each on its own: static, position independent",
        inputs: |p| vec![p.options.workspace.join("Cargo.lock")],
        outputs: |p| vec![p.output.programs()],
        run: make_programs,
    },
    Step {
        name: "data-template",
        text: "Make the file system that a blank data partition is laid from",
        inputs: |_| vec![],
        outputs: |p| vec![p.output.data_template()],
        run: |context, progress| Ok(data_template::make(&context.output.data_template(), context.build_time, progress)?),
    },
    Step {
        name: "root",
        text: "Lay out the root and pack it as EROFS",
        inputs: |p| {
            let services = p.resolved.services.services.iter();
            let rows = services.map(|service| p.configuration(&format!("services/{}.json", service.name)));
            let keys = ["app-signing.pub", "api-ca.pem"].map(|name| p.key(name));
            [p.options.description.clone(), p.configuration("sysctl.json"), p.output.programs(), p.output.data_template()]
                .into_iter()
                .chain(rows)
                .chain(keys)
                .chain(p.crash_key())
                .chain(p.tracer())
                .collect()
        },
        outputs: |p| vec![p.output.erofs()],
        run: make_root,
    },
    Step {
        name: "verity",
        text: "Add the hash tree that every read of the root is checked with",
        inputs: |p| vec![p.output.erofs()],
        outputs: |p| vec![p.output.root(), p.output.verity()],
        run: make_verity,
    },
    Step {
        name: "command-line",
        text: "Name the root by its hash on the kernel's command line",
        inputs: |p| vec![p.configuration("kernel/cmdline.json"), p.output.verity()],
        outputs: |p| vec![p.output.command_line()],
        run: make_command_line,
    },
    Step {
        name: "uki",
        text: "Put stub, kernel and command line together and sign them for Secure Boot",
        inputs: |p| {
            vec![
                uki::STUB.into(),
                p.output.kernel(),
                p.output.command_line(),
                p.key("secure-boot-db.key"),
                p.key("secure-boot-db.pem"),
            ]
        },
        outputs: |p| vec![p.output.unsigned_uki(), p.output.uki()],
        run: make_uki,
    },
    Step {
        name: "firmware-variables",
        text: "Enrol the owner's keys, and no others, in a virtual machine's firmware",
        inputs: |p| {
            [secure_boot::EMPTY_VARIABLES.into()]
                .into_iter()
                .chain(["pk", "kek", "db"].map(|name| p.key(&format!("secure-boot-{name}.pem"))))
                .collect()
        },
        outputs: |p| vec![p.output.firmware_variables()],
        run: |context, _| Ok(secure_boot::variables(&context.keys, &context.output.firmware_variables())?),
    },
    Step {
        name: "esp",
        text: "Lay out the EFI system partition",
        inputs: |p| vec![p.output.uki()],
        outputs: |p| vec![p.output.esp()],
        run: make_esp,
    },
    Step {
        name: "disk",
        text: "Put the partitions on a disk",
        inputs: |p| vec![p.output.esp(), p.output.root()],
        outputs: |p| vec![p.output.disk()],
        run: make_disk,
    },
    Step {
        name: "manifest",
        text: "Write down what went in and what came out",
        inputs: |p| vec![p.output.disk()],
        outputs: |p| vec![p.output.manifest()],
        run: make_manifest,
    },
];

/// All that the steps share; nothing in it changes while they run.
struct Context {
    options: BuildOptions,
    resolved: Resolved,
    keys: Keys,
    output: Output,
    build_time: u64,
}

impl Context {
    fn open(options: &BuildOptions, progress: &mut dyn Progress) -> Result<Self, BuildError> {
        let resolved = Resolved::load(&options.workspace, &options.description)?;
        let keys = keys::load(&options.keys)?;
        // Keys of an earlier version lack it: told now, not after minutes of building.
        root::crash_key(&resolved, &keys)?;
        let build_time = match options.build_time {
            Some(time) => time,
            None => time_of_last_commit(&options.workspace, progress)?,
        };
        Ok(Self { options: options.clone(), resolved, keys, output: Output::new(&options.output), build_time })
    }

    fn configuration(&self) -> PathBuf {
        self.options.workspace.join("buildroot-config")
    }

    fn kernel(&self, progress: &mut dyn Progress) -> Result<Kernel, BuildError> {
        let options = &self.options;
        let request = KernelRequest {
            workspace: options.workspace.clone(),
            configuration: self.resolved.description.kernel,
            source: options.kernel_source.clone(),
            jobs: options.jobs,
        };
        Ok(kernel::ensure(&request, progress)?)
    }

    fn verity(&self) -> Result<Verity, BuildError> {
        let file = self.output.verity();
        let bytes = files::read(&file)?;
        read::json("hash tree", &bytes, 4096).map_err(|source| BuildError::Intermediate { file, source })
    }
}

fn time_of_last_commit(workspace: &Path, progress: &mut dyn Progress) -> Result<u64, BuildError> {
    let git = Outside::new("git", "git").args(["log", "-1", "--format=%ct"]).current_dir(workspace);
    let text = git.run(progress).map_err(|_| BuildError::NoBuildTime(workspace.to_owned()))?;
    String::from_utf8_lossy(&text).trim().parse().map_err(|_| BuildError::NoBuildTime(workspace.to_owned()))
}

fn make_kernel(context: &Context, progress: &mut dyn Progress) -> Result<(), BuildError> {
    let kernel = context.kernel(progress)?;
    files::copy(&kernel.image, &context.output.kernel(), 0o644)?;
    Ok(files::copy(&kernel.config, &context.output.kernel_config(), 0o644)?)
}

fn make_programs(context: &Context, progress: &mut dyn Progress) -> Result<(), BuildError> {
    let names = root::programs(&context.resolved.services)?;
    let description = &context.resolved.description;
    let variant = match (description.test, description.confined) {
        (false, _) => Variant::Product,
        (true, true) => Variant::Test,
        (true, false) => Variant::Unconfined,
    };
    Ok(device_build::build(&context.options.workspace, &names, variant, &context.output.programs(), progress)?)
}

fn make_root(context: &Context, progress: &mut dyn Progress) -> Result<(), BuildError> {
    let debugger = context.resolved.description.debug.map(|_| context.output.debugger());
    if let Some(folder) = &debugger {
        debugger::make(&context.options.workspace, folder, progress)?;
    }
    let (programs, data_template, tree) = (context.output.programs(), context.output.data_template(), context.output.tree());
    let content = Content {
        resolved: &context.resolved,
        keys: &context.keys,
        configuration: &context.configuration(),
        programs: &programs,
        data_template: &data_template,
        debugger: debugger.as_deref(),
        build_time: context.build_time,
    };
    root::lay_out(&content, &tree)?;
    Ok(erofs::make(&tree, &context.output.erofs(), context.build_time, progress)?)
}

fn make_verity(context: &Context, _: &mut dyn Progress) -> Result<(), BuildError> {
    let verity = verity::seal(&context.output.erofs(), &context.output.root())?;
    write_json(&context.output.verity(), &verity)
}

fn make_command_line(context: &Context, _: &mut dyn Progress) -> Result<(), BuildError> {
    let table = CommandLine::load(&context.configuration().join("kernel/cmdline.json"))?;
    let line = table.for_root(&context.verity()?, ROOT_A)?;
    Ok(files::write(&context.output.command_line(), line.as_bytes())?)
}

fn make_uki(context: &Context, _: &mut dyn Progress) -> Result<(), BuildError> {
    let (key, certificate) =
        (context.keys.secure_boot_key(SecureBootKey::Db), context.keys.secure_boot_certificate(SecureBootKey::Db));
    let signer = Signer::load(&key, &certificate)?;
    let parts = Parts {
        stub: Path::new(uki::STUB),
        kernel: &context.output.kernel(),
        command_line: &files::read_text(&context.output.command_line())?,
        product: &context.resolved.description.product,
        version: &context.resolved.description.version,
    };
    Ok(uki::make(&parts, &signer, &context.output.unsigned_uki(), &context.output.uki())?)
}

fn make_esp(context: &Context, _: &mut dyn Progress) -> Result<(), BuildError> {
    let size = esp::size_for(files::size(&context.output.uki())?, SLOT_FACTOR);
    Ok(esp::make(&context.output.uki(), &context.output.esp(), size)?)
}

fn make_disk(context: &Context, _: &mut dyn Progress) -> Result<(), BuildError> {
    let (esp, root) = (context.output.esp(), context.output.root());
    let root_size = disk::root_size_for(files::size(&root)?, SLOT_FACTOR);
    let layout = Layout { esp: &esp, root: &root, root_size, data_size: context.resolved.description.data_size.0 };
    Ok(disk::make(&layout, &context.output.disk())?)
}

fn make_manifest(context: &Context, progress: &mut dyn Progress) -> Result<(), BuildError> {
    let output = &context.output;
    let kernel = context.kernel(progress)?;
    let description = &context.resolved.description;
    let mut inputs = vec![Entry::of("kernel.config", &output.kernel_config())?, Entry::of("stub", Path::new(uki::STUB))?];
    inputs.push(Entry::of("secure-boot-db.pem", &context.keys.secure_boot_certificate(SecureBootKey::Db))?);
    Entry::add_tree(&output.tree(), &output.tree(), &mut inputs)?;
    let files = [
        output.disk(),
        output.root(),
        output.esp(),
        output.uki(),
        output.unsigned_uki(),
        output.kernel(),
        output.kernel_config(),
        output.command_line(),
        output.firmware_variables(),
        output.verity(),
    ];
    let outputs = files
        .iter()
        .map(|path| Entry::of(path.file_name().unwrap_or_default().to_string_lossy(), path))
        .collect::<Result<Vec<_>, _>>()?;
    let manifest = ImageManifest {
        product: description.product.clone(),
        version: description.version.clone(),
        test: description.test,
        build_time: context.build_time,
        kernel: format!("{} {}", kernel.version, kernel.key),
        verity: context.verity()?,
        image_size: files::size(&output.uki())? + files::size(&output.root())?,
        tools: image_manifest::tools(progress)?,
        inputs,
        outputs,
    };
    write_json(&output.manifest(), &manifest)
}

fn write_json<T: serde::Serialize>(file: &Path, value: &T) -> Result<(), BuildError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| BuildError::Json { file: file.to_owned(), source })?;
    bytes.push(b'\n');
    Ok(files::write(file, &bytes)?)
}

/// A slot has room for images four times as large as today's.
const SLOT_FACTOR: u64 = 4;
/// The root partition that this image is made for. The other slot's copy of it differs in this name alone.
const ROOT_A: &str = "root-a";
