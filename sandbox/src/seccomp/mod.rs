//! System call filters: profiles as data, compiled to one program.
//!
//! - [`call`]: the calls and their numbers on both architectures.
//! - [`rule`]: what a line of a profile is: calls, the arguments they may have, and the reason.
//! - [`profiles`]: the tables.
//! - [`mod@compile`]: profiles → one classic BPF program, a balanced tree of ranges, so that the kernel's preparation of
//!   the filter at load stays short.
//! - `program`: that program's instructions and jumps.
//!
//! What a filter answers: allowed · the errno of the line (EPERM, as a rule) for a call we know and refuse ·
//! ENOSYS for a call that nobody has judged yet, so that libraries fall back to an older one · the process is killed
//! for a foreign architecture or the x32 table, which nothing honest uses. Where a policy wants to know of refused calls,
//! EPERM and EAFNOSUPPORT are not said by the filter but by whoever holds its listener: see [`crate::denials`].

pub mod call;
pub mod compile;
pub mod profiles;
mod program;
pub mod rule;

pub use call::Architecture;
pub use compile::{Filter, compile};
pub use rule::{Line, Profile};
