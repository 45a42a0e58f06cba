//! The command as people and scripts meet it: run as a process, judged by exit code, standard output and standard error.
//!
//! - `holdfast.rs`: runs the command in a folder of its own with keys of its own.
//! - `boards.rs`: `board`. `manifests.rs`: `app check`. `packing.rs`: `app pack`, `sign`, `inspect`. `hostile.rs`: what must not be packed.
//! - `new_apps.rs`: `app new` gives a folder that builds. `errors.rs`: exit codes and JSON of failures.
//! - `reference.rs`: docs/cli.md, man pages and completions are current.

mod boards;
mod cores;
mod crashes;
mod errors;
mod holdfast;
mod hostile;
mod manifests;
mod new_apps;
mod packing;
mod reference;
