//! PID 1 of the attack suite's second machine: starts the probe in sandboxes from which layers are left out, and says
//! on the console what came of each attack.
//!
//! - [`machine`]: the machine around the sandboxes: mounts, what stands outside to be found, the app's image.
//! - [`arm`]: one line of the plan, one sandbox, one row. [`peer`]: the same in another project's sandbox.
//!
//! It reads `/plan`, written by the harness: the run's token, then a line per attack and arm. It prints
//! `row TOKEN ATTACK ARM OUTCOME` for each and switches the machine off. It is root and takes no care: it runs in a
//! virtual machine that has nothing else in it, on a kernel that no device boots.
#![forbid(unsafe_code)]

mod arm;
mod machine;
mod peer;

use anyhow::{Context, Result, ensure};
use arm::Arm;
use machine::Machine;
use peer::Launch;
use std::{fs, process};

fn main() {
    println!("{}", sandbox::arms::MARK);
    match run() {
        Ok(rows) => println!("arms are done: {rows} rows"),
        Err(e) => println!("arms failed: {e:#}"),
    }
    rustix::fs::sync();
    if let Err(e) = rustix::system::reboot(rustix::system::RebootCommand::PowerOff) {
        println!("arms failed: cannot switch off: {e}");
    }
}

fn run() -> Result<usize> {
    ensure!(process::id() == 1, "attack-arms is PID 1 of its own machine, or nothing");
    let plan = fs::read_to_string("/plan").context("cannot read /plan")?;
    let mut lines = plan.lines();
    let token = lines.next().context("the plan is empty")?;
    let machine = Machine::prepare(token)?;
    let mut rows = 0;
    for line in lines {
        let in_plan = || format!("in the plan: {line}");
        let (name, outcome) = match Launch::parse(line, rows).with_context(in_plan)? {
            Some(launch) => (launch.name(), tried(&launch.name(), || launch.run(&machine))),
            None => {
                let arm = Arm::parse(line).with_context(in_plan)?;
                let name = format!("{} {}", arm.attack, arm.name);
                let outcome = tried(&name, || arm.run(&machine));
                (name, outcome)
            }
        };
        println!("row {token} {name} {outcome}");
        rows += 1;
    }
    Ok(rows)
}

/// What came of an attack. What could not be carried out says nothing, for or against, and is tried again: on a slow machine a
/// launch waits longer than it may, while the kernel takes the network namespaces of the last hundred apart.
fn tried(name: &str, attack: impl Fn() -> Result<String>) -> String {
    for _ in 0..ATTEMPTS {
        match attack() {
            Ok(outcome) => return outcome,
            Err(e) => println!("note {name}: {e:#}"),
        }
    }
    "not-run".to_owned()
}

/// Tries until an attack counts as one that cannot be carried out.
const ATTEMPTS: u32 = 3;
