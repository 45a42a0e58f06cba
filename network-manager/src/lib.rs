//! Gives the device's links the addresses that its image names, and keeps them there.
//!
//! This daemon holds CAP_NET_ADMIN and CAP_SYS_TIME, so it reads nothing that comes from outside: its inputs are `network.json` in the
//! verified image, the kernel's own netlink messages, and `ipc` of our own daemons.
//!
//! - [`message`]: the messages of rtnetlink that we speak.
//! - [`netlink`]: what the kernel says of links, addresses and default routes, and the four changes we ask of it.
//! - [`plan`]: pure: what is configured and what the kernel has → the steps that are missing, in order.
//! - [`clock`]: set for apps whose manifest allows it, because this daemon may.
//! - [`keeper`]: carries steps out, remembers what went wrong, says it once.
//!
//! Flow: look at the kernel, plan, carry out; then again whenever the kernel says that a link changed, and every few
//! seconds while something is missing. There is no state that could be wrong: each look starts from what the kernel
//! has. So a link that appears late, loses its carrier or is taken down comes back by the same path that the boot took,
//! and a restarted daemon changes nothing that is already right.
//!
//! Invariants: nothing waits for a link: READY comes after the first look, whatever it found. Addresses that are not in
//! the configuration are left alone. IPv6 router advertisements are off by the sysctl table; nothing here turns them on.

#![forbid(unsafe_code)]

pub mod clock;
pub mod keeper;
pub mod message;
pub mod netlink;
pub mod plan;
