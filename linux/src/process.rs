//! Ids, capability sets, securebits and limits of this process: what is set before exec.
//!
//! Every function works on the calling thread by raw system calls, allocates nothing and formats nothing, so that a
//! child may call it between fork and exec. For the whole process it must be called before a second thread exists.

use rustix::{
    io::Errno,
    process::{self, Gid, Uid},
    thread,
};
pub use rustix::{
    process::{Resource, Rlimit, Signal},
    thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets},
};

/// Drops all supplementary groups and sets group and user id, in this order: after the last one the others could not be set.
/// Needs CAP_SETGID and CAP_SETUID, except where nothing changes (credentials(7)).
pub fn set_ids(uid: u32, gid: u32) -> Result<(), Errno> {
    thread::set_thread_groups(&[])?;
    let gid = Gid::from_raw(gid);
    thread::set_thread_res_gid(gid, gid, gid)?;
    let uid = Uid::from_raw(uid);
    thread::set_thread_res_uid(uid, uid, uid)
}

/// Becomes this user with exactly the capabilities `keep`, in all five sets (effective, permitted, inheritable,
/// bounding, ambient), so that a program that is started next has them and nothing can win more: [`set_ids`], then the
/// sets, then the securebits NOROOT and NO_CAP_AMBIENT_RAISE, locked (capabilities(7)). Needs CAP_SETPCAP at the call.
pub fn become_user(uid: u32, gid: u32, keep: CapabilitySet) -> Result<(), Errno> {
    thread::set_keep_capabilities(true)?;
    set_ids(uid, gid)?;
    // The change of user cleared the effective set; what is permitted is still all that the caller had.
    let permitted = thread::capabilities(None)?.permitted;
    thread::set_capabilities(None, CapabilitySets { effective: permitted, permitted, inheritable: keep })?;
    thread::clear_ambient_capability_set()?;
    for one in keep.iter() {
        thread::configure_capability_in_ambient_set(one, true)?;
    }
    thread::set_keep_capabilities(false)?;
    drop_bounding(keep)?;
    add_securebits(
        CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED,
    )?;
    thread::set_capabilities(None, CapabilitySets { effective: keep, permitted: keep, inheritable: keep })
}

/// Empties all five capability sets. Needs CAP_SETPCAP, or a bounding set that is empty already.
pub fn drop_all_capabilities() -> Result<(), Errno> {
    drop_bounding(CapabilitySet::empty())?;
    let none = CapabilitySet::empty();
    // Ambient capabilities need the permitted and inheritable ones, so these two calls leave none.
    thread::clear_ambient_capability_set()?;
    thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

/// Takes everything but `keep` out of the bounding set: no exec wins it back. Needs CAP_SETPCAP where something is
/// there to take out.
pub fn drop_bounding(keep: CapabilitySet) -> Result<(), Errno> {
    let left = bounding()?;
    let mut surplus = each_capability().filter(|one| left.contains(*one) && !keep.contains(*one));
    surplus.try_for_each(thread::remove_capability_from_bounding_set)
}

/// The bounding set, with capabilities too that have no name here yet.
pub fn bounding() -> Result<CapabilitySet, Errno> {
    let mut set = CapabilitySet::empty();
    for one in each_capability() {
        match thread::capability_is_in_bounding_set(one) {
            Ok(true) => set |= one,
            Ok(false) => {}
            // Past the last capability that this kernel knows.
            Err(Errno::INVAL) => break,
            Err(e) => return Err(e),
        }
    }
    Ok(set)
}

fn each_capability() -> impl Iterator<Item = CapabilitySet> {
    (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit))
}

/// Sets securebits beside those that are set: a locked bit that were left out would be refused with EPERM.
/// Needs CAP_SETPCAP.
pub fn add_securebits(bits: CapabilitiesSecureBits) -> Result<(), Errno> {
    thread::set_capabilities_secure_bits(thread::capabilities_secure_bits()? | bits)
}

/// Sets and locks all that securebits offer: root is nobody special, a change of user moves no capability, no
/// capability is kept by asking or raised into the ambient set. Needs CAP_SETPCAP.
pub fn lock_securebits() -> Result<(), Errno> {
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    add_securebits(bits)
}

/// No exec gives this process or its children more rights than they have (prctl(2), PR_SET_NO_NEW_PRIVS).
pub fn no_new_privileges() -> Result<(), Errno> {
    thread::set_no_new_privs(true)
}

/// Sends this process `signal` when its parent dies (PR_SET_PDEATHSIG). Cleared by a change of credentials, so set it
/// after [`set_ids`]; the caller checks afterwards that the parent has not died meanwhile.
pub fn parent_death_signal(signal: Signal) -> Result<(), Errno> {
    process::set_parent_process_death_signal(Some(signal))
}

/// Sets soft and hard limit of a resource to one value (setrlimit(2)).
pub fn limit(resource: Resource, value: u64) -> Result<(), Errno> {
    limit_up_to(resource, value, value)
}

/// Sets the soft limit of a resource, and the hard one up to which it can be raised again.
pub fn limit_up_to(resource: Resource, value: u64, hard: u64) -> Result<(), Errno> {
    process::setrlimit(resource, Rlimit { current: Some(value), maximum: Some(hard) })
}

/// As [`limit`], but never raises a hard limit, which needs SYS_RESOURCE: where it is below `value`, it stays as it is. For
/// what the kernel itself makes smaller on a machine with little memory.
pub fn limit_to_at_most(resource: Resource, value: u64) -> Result<(), Errno> {
    limit(resource, process::getrlimit(resource).maximum.map_or(value, |hard| hard.min(value)))
}

/// Undumpable: no core file, no ptrace and no /proc/<pid>/mem for others of the same user (PR_SET_DUMPABLE 0).
pub fn undumpable() -> Result<(), Errno> {
    process::set_dumpable_behavior(process::DumpableBehavior::NotDumpable)
}

/// The capability sets of this process as the kernel has them.
pub fn capabilities() -> Result<CapabilitySets, Errno> {
    thread::capabilities(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_has_can_be_read() {
        let sets = capabilities().unwrap();
        assert!(sets.permitted.contains(sets.effective));
    }

    #[test]
    fn a_hard_limit_is_lowered_and_never_raised() {
        let hard = || process::getrlimit(Resource::Msgqueue).maximum;
        limit(Resource::Msgqueue, 8192).unwrap();
        limit_to_at_most(Resource::Msgqueue, 4096).unwrap();
        assert_eq!(hard(), Some(4096));
        // Root may raise it, and then this would.
        limit_to_at_most(Resource::Msgqueue, 8192).unwrap();
        assert_eq!(hard(), Some(4096));
    }
}
