//! The command `holdfast-sandbox`: the library `holdfast-sandbox` for people and scripts.
//!
//! [`arguments`] → [`dispatch`] → one module per verb: [`run`], [`explain`], [`check`], [`learn`].
//!
//! [`run`] reads a [`policy`], enters a user namespace where root did not start it, opens every source by descriptor and
//! without following links ([`root`]), makes a control group ([`limits`]), and starts the program behind pipes. Root's
//! way needs no user namespace and has every protection; what an ordinary user cannot have is an error unless the policy
//! names it optional.
//!
//! [`learn`] runs a program without a sandbox and proposes a policy; the only `unsafe` is in [`learn::supervise`].
//!
//! The policy is trusted: it is the caller's. The program is not. Nothing here is part of a device image.

#![deny(unsafe_code)]

pub mod arguments;
pub mod check;
pub mod dispatch;
pub mod explain;
pub mod failure;
pub mod learn;
pub mod limits;
pub mod policy;
pub mod reference;
pub mod root;
pub mod run;
pub mod support;
