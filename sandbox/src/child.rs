//! Step 8 of the README's path: after clone, the child walks the plan.
//!
//! Straight-line: no decision that the parent could have taken, no allocation, no lock. The order matters and is said
//! where it does. First what needs capabilities, then they go, then what is loaded for good.

use crate::{
    arms::layer,
    layers::landlock,
    plan::Plan,
    policy::{Limits, Proc, Processes},
    reaper,
    step::{ABOUT_TO_EXEC, Failure, InStep, Step},
    sys,
};
use linux::{
    clone::Namespaces,
    process::{self, Resource, Signal},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{CWD, Mode, OFlags, ResolveFlags},
    io::Errno,
    mount::{self, FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags},
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
    thread::{self, LinkNameSpaceType},
};
use std::{convert::Infallible, io::IoSlice, mem::MaybeUninit};

/// What the parent gives the child beside the plan.
pub(crate) struct Ends {
    /// A socket where a failed step is told. Closed by exec: its end means that the program runs.
    pub failure: OwnedFd,
    /// Where the reaper tells how the program ended.
    pub ending: OwnedFd,
    /// The parent.
    pub parent: OwnedFd,
}

/// Status of a child that failed before exec; nobody sees it but a waiting parent that has the failure too.
const FAILED: i32 = 127;

/// Runs in the child.
pub(crate) fn run(plan: &Plan, ends: &Ends) {
    let Err(failure) = sandboxed(plan, ends);
    fail(ends, failure)
}

fn fail(ends: &Ends, failure: Failure) -> ! {
    // If this cannot be written the parent finds an end of file and a dead child.
    let _ = rustix::io::write(&ends.failure, &failure.to_bytes());
    sys::exit(FAILED)
}

fn sandboxed(plan: &Plan, ends: &Ends) -> Result<Infallible, Failure> {
    sys::reset_signals(true).in_step(Step::Signals)?;
    #[cfg(feature = "attack-arms")]
    crate::arms::namespaces(&ends.parent).in_step(Step::CgroupNamespace)?;
    if let Some(network) = &plan.network {
        thread::move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).in_step(Step::Network)?;
    }
    // Before anything is attached: in a shared mount it would appear in the parent's namespace too.
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount::mount_change(c"/", private).in_step(Step::PrivateMounts)?;
    layer!(Root, enter_root(plan)?);
    let file = open_program(plan)?;
    layer!(UtsNamespace, rustix::system::sethostname(&plan.host_name).in_step(Step::HostName)?);
    // Only now, in the group that it was born in, is that group the namespace's root.
    layer!(CgroupNamespace, sys::unshare(libc::CLONE_NEWCGROUP).map(drop).in_step(Step::CgroupNamespace)?);
    layer!(Session, rustix::process::setsid().map(drop).in_step(Step::Session)?);
    layer!(Keyring, sys::join_new_keyring().in_step(Step::Keyring)?);
    layer!(Limits, set_limits(plan.limits).in_step(Step::Limits)?);
    if let Some(address) = plan.exec_once {
        sys::map_empty_path(address).in_step(Step::EmptyPath)?;
    }
    give_up_rights(plan)?;
    // After the change of user, which clears it.
    process::parent_death_signal(Signal::KILL).in_step(Step::ParentDeath)?;
    parent_lives(ends.parent.as_fd()).in_step(Step::ParentDeath)?;
    match plan.processes {
        Processes::Single => program(plan, ends, file.as_fd()),
        Processes::Fork | Processes::Exec => {
            let (pid, _) =
                sys::start(Namespaces::NONE, None, || run_beside_reaper(plan, ends, file.as_fd())).in_step(Step::Fork)?;
            reaper::confine_and_run(plan, ends, pid)
        }
    }
}

/// The new root with everything in it, and nothing of the old one.
fn enter_root(plan: &Plan) -> Result<(), Failure> {
    let (whole, at_descriptor) = (MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH, MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH);
    mount::move_mount(&plan.root, c"", CWD, c"/", whole).in_step(Step::AttachRoot)?;
    for (detached, target) in &plan.mounts.attach {
        mount::move_mount(detached, c"", target, c"", whole | at_descriptor).in_step(Step::AttachMount)?;
    }
    if let Some(target) = &plan.mounts.proc {
        let proc = make_proc(plan.proc).in_step(Step::MakeProc)?;
        sys::landlock_allow(plan.ruleset.as_fd(), proc.as_fd(), landlock::READ_BITS).in_step(Step::AllowProc)?;
        mount::move_mount(&proc, c"", target, c"", whole | at_descriptor).in_step(Step::AttachMount)?;
    }
    // pivot_root(2), "pivot_root(".", ".")": the old root lies over the new one, and is taken away.
    rustix::process::fchdir(&plan.root).in_step(Step::Pivot)?;
    rustix::process::pivot_root(c".", c".").in_step(Step::Pivot)?;
    mount::unmount(c".", UnmountFlags::DETACH).in_step(Step::DetachOldRoot)?;
    // A working directory in the old root would still reach it (runc CVE-2024-21626).
    rustix::process::chdir(c"/").in_step(Step::DetachOldRoot)
}

/// The program, as it is found inside the root with all that is mounted there, never through a link that leads out of it;
/// and looked at: ELF or nothing. An interpreter of a script would need a second exec.
fn open_program(plan: &Plan) -> Result<OwnedFd, Failure> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::openat2(&plan.root, &plan.program, flags, Mode::empty(), resolve).in_step(Step::OpenProgram)?;
    let mut magic = [0; 4];
    rustix::io::pread(&file, &mut magic, 0).in_step(Step::OpenProgram)?;
    if &magic != b"\x7fELF" {
        return Err(Failure { step: Step::LookAtProgram, errno: Errno::NOEXEC });
    }
    // Above the numbers that the program's own descriptors will get.
    rustix::io::fcntl_dupfd_cloexec(&file, plan.first_free).in_step(Step::OpenProgram)
}

/// Processes of this pid namespace, nobody else's, as a rule nothing of the machine (proc(5),
/// Documentation/filesystems/proc.rst). The kernel takes the namespace of whoever opens it, so the parent cannot.
fn make_proc(shown: Proc) -> Result<OwnedFd, Errno> {
    let fs = mount::fsopen(c"proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    if shown != Proc::Full {
        layer!(ProcSubset, mount::fsconfig_set_string(&fs, c"subset", c"pid")?);
    }
    layer!(ProcSubset, mount::fsconfig_set_string(&fs, c"hidepid", c"invisible")?);
    mount::fsconfig_create(&fs)?;
    let inert = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    mount::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, layer!(MountFlags, inert, else MountAttrFlags::empty()))
}

fn set_limits(limits: Limits) -> Result<(), Errno> {
    process::limit(Resource::Core, limits.core_bytes)?;
    for none in [Resource::Memlock, Resource::Msgqueue, Resource::Nice, Resource::Rtprio] {
        process::limit(none, 0)?;
    }
    // The kernel allows less of both by itself the less memory there is: 256 from some 88 MiB on (kernel/fork.c,
    // set_max_threads and fork_init).
    process::limit_to_at_most(Resource::Nproc, limits.processes)?;
    process::limit_to_at_most(Resource::Sigpending, SIGNALS_LIMIT)
}

/// Queued signals and timers of the user; the default is thousands.
const SIGNALS_LIMIT: u64 = 256;

fn give_up_rights(plan: &Plan) -> Result<(), Failure> {
    // With no_setuid_fixup locked the change of user moves no capability; what needs CAP_SETPCAP follows, then none is left.
    layer!(Capabilities, process::lock_securebits(), else rustix::thread::set_keep_capabilities(true))
        .in_step(Step::Securebits)?;
    if plan.own_user {
        layer!(Ids, process::set_ids(plan.user, plan.user).in_step(Step::Ids)?);
    }
    layer!(Capabilities, process::drop_all_capabilities(), else crate::arms::keep_capabilities()).in_step(Step::Capabilities)?;
    layer!(NoNewPrivileges, process::no_new_privileges().in_step(Step::NoNewPrivileges)?);
    let no_gain = libc::PR_MDWE_REFUSE_EXEC_GAIN.into();
    if plan.no_new_code {
        layer!(WriteExecute, sys::prctl(libc::PR_SET_MDWE, no_gain).in_step(Step::WriteExecute)?);
    }
    process::undumpable().in_step(Step::Undumpable)?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    layer!(Ids | Capabilities | NoNewPrivileges, read_back(plan.user).in_step(Step::ReadBack), else Ok(()))
}

/// Looks whether it is as it should be (crun CVE-2022-27650 had left one set full).
fn read_back(user: u32) -> Result<(), Errno> {
    let sets = process::capabilities()?;
    let left = sets.effective | sets.permitted | sets.inheritable | process::bounding()?;
    let ids = [rustix::process::getuid(), rustix::process::geteuid()].iter().all(|id| id.as_raw() == user);
    if left.is_empty() && ids && rustix::thread::no_new_privs()? { Ok(()) } else { Err(Errno::PERM) }
}

/// Whether the parent still lives: had it died before parent_death_signal, no signal would ever come.
fn parent_lives(parent: BorrowedFd<'_>) -> Result<(), Errno> {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut [PollFd::new(&parent, PollFlags::IN)], Some(&now))? {
        0 => Ok(()),
        _ => Err(Errno::SRCH),
    }
}

/// Runs in the program's process, where the reaper is another.
fn run_beside_reaper(plan: &Plan, ends: &Ends, file: BorrowedFd<'_>) {
    // A session that is not the reaper's: kill(0, …) must not reach it.
    let session = layer!(Session, rustix::process::setsid().map(drop), else Ok(()));
    let Err(failure) = session.in_step(Step::Session).and_then(|()| program(plan, ends, file));
    fail(ends, failure)
}

/// Says that nothing but the exec is left, and gives the listener away: the program must not hold it, or it would answer
/// its own calls.
fn hand_over(ends: &Ends, listener: Option<&OwnedFd>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let passed = listener.map(|listener| [listener.as_fd()]);
    if let Some(passed) = &passed {
        control.push(SendAncillaryMessage::ScmRights(passed));
    }
    sendmsg(&ends.failure, &[IoSlice::new(&[ABOUT_TO_EXEC])], &mut control, SendFlags::empty()).map(drop)
}

/// Becomes the program.
fn program(plan: &Plan, ends: &Ends, file: BorrowedFd<'_>) -> Result<Infallible, Failure> {
    for (number, fd) in (0..).zip(&plan.descriptors) {
        sys::place(fd.as_fd(), number).in_step(Step::Descriptors)?;
    }
    let first = i32::try_from(plan.descriptors.len()).unwrap_or(i32::MAX);
    layer!(Descriptors, sys::close_from_at_exec(first).in_step(Step::Descriptors)?);
    rustix::process::chdir(&plan.directory).in_step(Step::Directory)?;
    sys::reset_signals(false).in_step(Step::Signals)?;
    layer!(Landlock, sys::landlock_restrict_self(plan.ruleset.as_fd(), plan.landlock_flags).in_step(Step::Domain)?);
    let listener = layer!(Filter, sys::load_filter(&plan.filter.program, plan.denials).in_step(Step::Filter)?);
    hand_over(ends, listener.as_ref()).in_step(Step::HandOver)?;
    #[cfg(feature = "attack-arms")]
    crate::arms::leak(listener.as_ref(), first).in_step(Step::Descriptors)?;
    // Last, when no descriptor is made any more: until exec, those of the caller are open too, and may be more than this.
    layer!(Limits, process::limit(Resource::Nofile, plan.limits.open_files).in_step(Step::Limits)?);
    let path = plan.exec_once.unwrap_or(c"".as_ptr().addr() as u64);
    let errno = sys::exec(file, path, plan.arguments.as_ptr(), plan.environment.as_ptr());
    Err(Failure { step: Step::Exec, errno })
}
