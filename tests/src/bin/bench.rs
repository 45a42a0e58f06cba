//! Benchmarks that print ratios: time from the kernel's start to the doorbell's READY on Holdfast, beside the same kernel
//! with a bare static init and with BusyBox init and a script; least memory; size of the image; installing an app beside a
//! plain copy, and starting it beside its bare program; the same doorbell in three languages.
#![forbid(unsafe_code)]

use anyhow::Result;
use harness::{
    bench::{
        Holdfast, Rival, Series, accelerator_name,
        apps::{Crowd, MIB, Pair, doorbells},
    },
    image, programs,
};
use image_builder::ImageManifest;
use std::io::Write;

/// Rounds; each boots all three.
const ROUNDS: u32 = 7;
/// Memory of the machines in MiB.
const MEMORY: u32 = 128;

fn main() -> Result<()> {
    let mut out = std::io::stdout();
    let manifest = ImageManifest::load(image::product()?.folder())?;
    writeln!(out, "image (UKI + root): {} bytes, goal {}", manifest.image_size, 12 << 20)?;

    let doorbell = programs::doorbell_program()?;
    let (init, busybox) = (Rival::init(&doorbell)?, Rival::busybox(&doorbell)?);
    let mut holdfast = Holdfast::with(programs::doorbell(1)?.bundle()?)?;
    let (mut ours, mut bare, mut script) = (Series::default(), Series::default(), Series::default());
    for round in 1..=ROUNDS {
        bare.push(init.boot(MEMORY)?);
        ours.push(holdfast.boot(MEMORY)?);
        script.push(busybox.boot(MEMORY)?);
        writeln!(out, "round {round} of {ROUNDS}")?;
    }
    let ratio = |other: &Series| ours.median() as f64 / other.median().max(1) as f64;
    writeln!(out, "kernel's start to the doorbell's READY, ms, {} with {MEMORY} MiB, medians:", accelerator_name())?;
    writeln!(out, "  Holdfast, verity and the whole chain   {ours}")?;
    writeln!(
        out,
        "  bare static init, nothing verified     {bare}: Holdfast takes {:.2} times as long, goal 1.15",
        ratio(&bare)
    )?;
    writeln!(
        out,
        "  BusyBox init with a shell script       {script}: Holdfast takes {:.2} times as long, goal below 1",
        ratio(&script)
    )?;

    let mut least = None;
    for memory in (32..=96).rev().step_by(4) {
        if holdfast.boot(memory).is_err() {
            break;
        }
        least = Some(memory);
    }
    writeln!(out, "least memory with the doorbell running: {least:?} MiB, goal 40, then 32")?;
    apps(&mut out)?;
    writeln!(out, "the same doorbell, from the order to its first line, us, medians of {ROUNDS}:")?;
    for doorbell in doorbells(ROUNDS)? {
        let image = doorbell.image >> 10;
        writeln!(
            out,
            "  {:<13} {}, {} KiB of memory, an image of {image} KiB",
            doorbell.language, doorbell.start, doorbell.memory_kib
        )?;
    }
    Ok(())
}

/// What an app costs beside one other and beside fifty.
fn apps(out: &mut impl Write) -> Result<()> {
    let mut crowd = Crowd::boot()?;
    for apps in [1, 50] {
        crowd.grow(apps)?;
        let (mut installs, mut starts) = (Pair::default(), Pair::default());
        for _ in 0..ROUNDS {
            crowd.install(&mut installs)?;
            crowd.start(&mut starts)?;
        }
        let Pair { ours, plain } = &installs;
        writeln!(out, "with {apps} small apps running, us, {}, medians:", accelerator_name())?;
        writeln!(out, "  installing {MIB} MiB over the API, per MiB   {ours}")?;
        writeln!(out, "  plain copy and fsync of them, per MiB      {plain}: {:.1} times as long", installs.ratio())?;
        let Pair { ours, plain } = &starts;
        writeln!(out, "  a small app from the order to READY        {ours}")?;
        writeln!(out, "  its program, confined by nothing           {plain}: {:.1} times as long", starts.ratio())?;
    }
    Ok(())
}
