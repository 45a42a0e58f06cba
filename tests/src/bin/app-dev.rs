//! A benchmark: `holdfast app dev`, from the save of a source to the changed words in the app's log, and where the time goes.
#![forbid(unsafe_code)]

use anyhow::Result;
use harness::bench::{
    accelerator_name,
    dev::{Desk, TEMPLATES, Turns},
};
use std::io::Write;

/// Saves of each app.
const ROUNDS: u32 = 11;

fn main() -> Result<()> {
    let mut out = std::io::stdout();
    let desk = Desk::boot()?;
    writeln!(out, "`holdfast app dev`, from a save to the changed words in the log, ms, {}, medians:", accelerator_name())?;
    for (template, file) in TEMPLATES {
        let Turns { whole, build, pack, install, start, notice } = desk.turns(template, file, ROUNDS)?;
        writeln!(out, "  {template:<4} {whole}, goal 2000")?;
        writeln!(out, "    build                         {build}")?;
        writeln!(out, "    pack and sign                 {pack}")?;
        writeln!(out, "    upload, verify, install       {install}")?;
        writeln!(out, "    stop and start                {start}")?;
        writeln!(out, "    notice the save, show the log {notice}")?;
    }
    Ok(())
}
