//! Confines a process so that it can do nothing its policy does not grant.
//!
//! Two doors, and nothing that opens them wider:
//!
//! - [`spawn`] starts a program in a sandbox: [`Policy`] and [`Command`] → [`policy`] refuses contradictions → `plan`
//!   opens, mounts and compiles everything, in the parent → [`launch`] clones → `child` walks the plan by raw system
//!   calls in a fixed order → `reaper` stays as PID 1, the program replaces the rest.
//! - [`confine_self()`] binds the calling daemon, after it opened what it needs: no_new_privs, Landlock domain, filter.
//!   [`confine_reader()`] binds a copy of it that reads what somebody forged.
//!
//! The layers of a sandbox, all on, none with a switch: own uid and gid · own root by the new mount API, the machine's
//! detached · mount, pid, ipc, uts, net and cgroup namespace · born in its control group · five empty capability sets,
//! read back, and locked securebits · no_new_privs · no memory both writable and executable · limits · own session and
//! keyring · Landlock ([`layers::landlock`]) · one system call filter ([`seccomp`]) that allows by list and checks
//! arguments · one exec and no second · descriptors, environment and signals exactly as given. What the filter refuses can
//! be told to the caller, with the line that refused it ([`denials`]). A protection that this
//! kernel lacks ([`Kernel::check`]) or that fails is an error; success says what is in force, layer by layer.
//!
//! ```no_run
//! use sandbox::{Command, Kernel, Policy, Protection, spawn};
//! use std::os::fd::AsFd;
//!
//! let kernel = Kernel::check()?; // once: what this kernel lacks is an error here
//! let root = linux::mount::detached_bind("/srv/app")?; // a folder with the program, and dev, proc, run and tmp
//! let (output, input) = rustix::pipe::pipe()?;
//! let policy = Policy { optional: vec![Protection::ControlGroup], ..Policy::new(200_000, root.as_fd()) };
//! let command = Command::new("/bin/app", input.as_fd(), input.as_fd());
//! let child = spawn(&kernel, policy, &command)?; // the program runs, and everything in `in_force` holds
//! println!("{}", child.in_force.join("\n"));
//! # drop(output);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Without root, [`user_namespace::enter`] comes first, and the policy names optional what cannot be had there
//! ([`optional`]). `examples/run_confined.rs` and `examples/confined_daemon.rs` run; the command `holdfast-sandbox` in
//! `sandbox-cli/` does the same by a policy file.
//!
//! A caller that starts many keeps things ready: [`ready::Networks`], [`layers::devices::Devices`].
//!
//! Trust: the caller is ours and holds the capabilities; the image and the program in it are not trusted. The program is
//! never interpreted, only its first four bytes are looked at. Between clone and exec nothing is allocated or decided;
//! a failed step comes back as eight bytes ([`step`]) and the parent finds the words.
//!
//! The caller of [`spawn`] needs SYS_ADMIN (namespaces, mounts), SYS_RAWIO (the page of the one exec), SETUID, SETGID,
//! SETPCAP, CHOWN (giving /tmp and /run away), and should have one thread: its memory is what a clone copies.

#![deny(unsafe_code)]

#[cfg(not(feature = "attack-arms"))]
mod arms;
#[cfg(feature = "attack-arms")]
pub mod arms;
pub mod check;
mod child;
mod confine_self;
pub mod denials;
mod in_force;
pub mod launch;
pub mod layers;
pub mod optional;
pub mod plan;
pub mod policy;
#[cfg(feature = "confine-probe")]
mod probe;
pub mod ready;
mod reaper;
pub mod seccomp;
pub mod step;
mod sys;
pub mod user_namespace;

pub use check::{CheckError, Kernel};
pub use confine_self::{ConfineError, Confinement, confine_reader, confine_self};
pub use launch::{Child, SpawnError, spawn};
pub use optional::Protection;
pub use policy::{CORE, Command, Denials, Limits, Mount, Place, Policy, Proc, Processes, TOOLS, Use};
