//! `holdfast-sandbox learn`: runs a program *unconfined* and proposes the smallest policy that would have let it do what
//! it did, with a reason per line.
//!
//! A filter asks about the calls that matter ([`supervise`]); each is noted and let go on (SECCOMP_USER_NOTIF_FLAG_CONTINUE,
//! which is no protection, for the program can change what it asked about meanwhile: nothing but this uses it).
//! [`propose`] makes the policy of what was seen. It is a proposal: a person reads it, and a program that was not made to
//! do everything it does wants more later.

pub mod observed;
pub mod propose;
#[expect(unsafe_code, reason = "loading a filter and speaking to its listener have no safe interface")]
pub mod supervise;

use crate::{
    dispatch::{Answer, write},
    failure::{Class, Failure, Result},
};
use observed::Observed;
use std::io;

/// Runs the program to its end and proposes. The program's streams are this command's, but its standard output goes to
/// standard error: standard output is the policy's.
pub fn act(words: &[String], json: bool) -> Result<Answer> {
    let failed = |e: io::Error| Failure::of(Class::NotStarted, &e);
    let (asked, status) = supervise::run(words).map_err(failed)?;
    let observed = Observed::of(&asked);
    let proposal = propose::policy(&observed, &propose::Machine::this());
    let remarks: Vec<String> = std::iter::once(format!("the program ended with {status}")).chain(proposal.remarks).collect();
    if !json {
        remarks.iter().for_each(|remark| write(&mut io::stderr().lock(), &format!("holdfast-sandbox: {remark}")));
    }
    let policy = serde_json::to_value(&proposal.policy).unwrap_or_default();
    let words = format!("{policy:#}");
    Ok(Answer::new(&serde_json::json!({ "policy": policy, "remarks": remarks }), words))
}
