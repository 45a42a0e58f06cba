//! `holdfast image build`

use super::progress::Shown;
use crate::{
    dispatch::Context,
    failure::Result,
    output::{Style, size},
    places::Places,
};
use clap::{Args, ValueHint};
use image_builder::BuildOptions;
use serde::Serialize;
use std::path::PathBuf;

pub(super) const HELP: &str = "\
Needs no root and no loop device. The same inputs give the same bytes. The kernel is built once and kept outside the \
tree; the first build takes some fifteen minutes, later ones seconds to two minutes.

Examples:
  holdfast image build boards/images/qemu.json
  holdfast image build my-product.json --out build/image/my-product --keys ~/release-keys";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What is built
    #[command(flatten)]
    pub(super) source: Source,
}

/// What `build` and `plan` have in common.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// The image description
    #[arg(value_name = "DESCRIPTION", value_hint = ValueHint::FilePath)]
    description: PathBuf,
    /// Folder for the image [default: build/image/NAME of the project]
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Kernel source folder, in place of the distribution's linux-source-6.12
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    kernel_source: Option<PathBuf>,
    /// Build time in seconds since 1970; the device's clock never starts before it [default: the last commit's]
    #[arg(long, value_name = "SECONDS")]
    build_time: Option<u64>,
    /// Compilers at once, for the kernel [default: one per processor]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

impl Source {
    /// As image-builder wants it.
    pub(super) fn options(&self, context: &Context) -> BuildOptions {
        let workspace = context.places.root().to_owned();
        let name = self.description.file_stem().unwrap_or_default();
        BuildOptions {
            output: self.out.clone().unwrap_or_else(|| workspace.join("build/image").join(name)),
            workspace,
            description: self.description.clone(),
            keys: context.places.keys().to_owned(),
            kernel_source: self.kernel_source.clone(),
            build_time: self.build_time,
            jobs: self.jobs.map(usize::from),
        }
    }
}

#[derive(Serialize)]
struct Told {
    image: String,
    product: String,
    version: String,
    test: bool,
    image_size: u64,
    root_hash: String,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let built = image_builder::build(&arguments.source.options(context), &mut Shown::new(context.output))?;
    let folder = built.output.folder().to_owned();
    let told = Told {
        image: folder.display().to_string(),
        product: built.manifest.product.to_string(),
        version: built.manifest.version,
        test: built.manifest.test,
        image_size: built.manifest.image_size,
        root_hash: built.manifest.verity.root_hash,
    };
    context.output.result(&told, |out| {
        let shown = Places::shown(&folder);
        let test = if told.test {
            out.paint(Style::Warning, " (a TEST image: whoever reaches its probe is root)")
        } else {
            String::new()
        };
        format!(
            "Built {} {}{test} in {}\n  {} for UKI and root; root hash {}\n  next: holdfast run {shown}",
            told.product,
            told.version,
            out.paint(Style::Bold, &shown),
            size(told.image_size),
            told.root_hash,
        )
    });
    Ok(())
}
