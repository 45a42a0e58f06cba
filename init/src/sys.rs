//! The system calls that neither rustix nor `linux` has a safe function for: clone and exec by a flat plan, and three
//! ioctls.
#![expect(unsafe_code, reason = "clone, exec and ioctls; each block argues why it is sound")]

use linux::{
    clone::{Namespaces, Side, clone},
    last_errno,
    process::{self, CapabilitySet, Resource},
};
use rustix::{
    fd::{AsFd, AsRawFd, OwnedFd},
    io::Errno,
    ioctl,
};
use std::ffi::{CString, c_char, c_int, c_short};

/// All that a child needs between clone and exec: made by the parent, only walked by the child.
pub struct ChildPlan {
    /// The program.
    pub program: CString,
    /// Its arguments, its own name first.
    pub arguments: Vec<CString>,
    /// Its environment, without [`LISTEN_PID`], which only the child knows.
    pub environment: Vec<CString>,
    /// The folder of the control group it is born in; none: init's own, for tests.
    pub cgroup: Option<OwnedFd>,
    /// Standard input and output; the latter is standard error too.
    pub input: OwnedFd,
    /// See [`ChildPlan::input`].
    pub output: OwnedFd,
    /// Descriptors 3 and up. All numbers are above those they become, see [`above_passed`].
    pub passed: Vec<OwnedFd>,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// What to keep; none: everything, and privileges may be gained (the test image's probe).
    pub capabilities: Option<CapabilitySet>,
    /// See [`manifest::service::Service::children_core`].
    pub children_core: u64,
    /// Write end of the pipe that tells step and errno of a failure; closed by exec.
    pub failure: OwnedFd,
}

/// Where a start failed, as the byte that travels through the pipe.
pub const STEPS: [&str; 6] = [
    "make a session",
    "reset its signals",
    "place its descriptors",
    "set its limits",
    "set its user and capabilities",
    "run its program",
];

/// Prefix of the variable that names the process descriptors are meant for.
const LISTEN_PID: &[u8] = b"LISTEN_PID=";
/// Digits of a process id, leading zeros included.
const PID_DIGITS: usize = 10;
/// Descriptors that are passed on are held above this number until the child places them.
const ABOVE: i32 = 256;
/// Open files of a service.
const OPEN_FILES: u64 = 1024;

/// A copy of `fd` whose number is no number that descriptors are passed as, so that placing one overwrites no other.
pub fn above_passed(fd: impl AsFd) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(fd, ABOVE)
}

/// Makes a child, which becomes the program, and gives its number and its descriptor. A failure in the child arrives in the
/// pipe, and the child ends with status 127.
///
/// The child is born in its control group: it never runs outside of it, and nobody waits for the grace period of RCU that a
/// write to `cgroup.procs` costs.
pub fn start(plan: &ChildPlan) -> Result<(i32, OwnedFd), Errno> {
    let mut arguments: Vec<*const c_char> = plan.arguments.iter().map(|text| text.as_ptr()).collect();
    arguments.push(std::ptr::null());
    let mut listen_pid = [LISTEN_PID, &[b'0'; PID_DIGITS], b"\0"].concat();
    let mut environment: Vec<*const c_char> = plan.environment.iter().map(|text| text.as_ptr()).collect();
    environment.push(listen_pid.as_ptr().cast());
    environment.push(std::ptr::null());
    // SAFETY: init has one thread, so the child is a whole copy of it and no lock is held by a thread that is gone. It ends
    // in execve or _exit.
    match unsafe { clone(Namespaces::NONE, plan.cgroup.as_ref().map(AsFd::as_fd)) }? {
        Side::Parent { pid, pidfd } => Ok((pid, pidfd)),
        Side::Child => {
            let (step, errno) = become_service(plan, &arguments, &environment, &mut listen_pid);
            let errno = errno.raw_os_error().to_ne_bytes();
            let mut report = [step, 0, 0, 0, 0];
            report.iter_mut().skip(1).zip(errno).for_each(|(to, from)| *to = from);
            let _ = rustix::io::write(&plan.failure, &report);
            // SAFETY: ends the child without running what the parent registered for its own end.
            unsafe { libc::_exit(127) }
        }
    }
}

/// In the child: returns only where something failed.
fn become_service(
    plan: &ChildPlan,
    arguments: &[*const c_char],
    environment: &[*const c_char],
    listen_pid: &mut [u8],
) -> (u8, Errno) {
    let session = rustix::process::setsid();
    if let Err(e) = session {
        return (0, e);
    }
    if let Err(e) = reset_signals() {
        return (1, e);
    }
    if let Err(e) = place_descriptors(plan) {
        return (2, e);
    }
    write_pid(listen_pid);
    let limits =
        process::limit_up_to(Resource::Core, 0, plan.children_core).and_then(|()| process::limit(Resource::Nofile, OPEN_FILES));
    if let Err(e) = limits {
        return (3, e);
    }
    let identity = match plan.capabilities {
        Some(keep) => process::become_user(plan.uid, plan.gid, keep).and_then(|()| process::no_new_privileges()),
        None => process::set_ids(plan.uid, plan.gid),
    };
    if let Err(e) = identity {
        return (4, e);
    }
    // SAFETY: program is a C string; both arrays hold pointers to C strings that the plan and `start` own, and end with a
    // null pointer.
    unsafe { libc::execve(plan.program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    (5, last_errno())
}

/// Nothing blocked, and SIGPIPE, which Rust's start-up ignores, at its default: both would survive exec.
fn reset_signals() -> Result<(), Errno> {
    // SAFETY: a zeroed sigset_t is valid memory for sigemptyset, which makes it the empty set; the other calls take that
    // set, a signal number and a standard disposition, and run in a process with one thread.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        if libc::signal(libc::SIGPIPE, libc::SIG_DFL) == libc::SIG_ERR
            || libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) != 0
        {
            return Err(last_errno());
        }
    }
    Ok(())
}

fn place_descriptors(plan: &ChildPlan) -> Result<(), Errno> {
    let standard = [&plan.input, &plan.output, &plan.output];
    let mut next: c_int = 0;
    for fd in standard.into_iter().chain(&plan.passed) {
        // SAFETY: dup2 makes `next` a copy of an open descriptor. Nothing in the child owns 0 to 3+n: what init has there is
        // never used or dropped again before exec.
        if unsafe { libc::dup2(fd.as_raw_fd(), next) } < 0 {
            return Err(last_errno());
        }
        next += 1;
    }
    // SAFETY: sets close-on-exec on all others, so that none that lacks it by mistake reaches a service.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, next, c_int::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if closed < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Writes this process's id over the zeros behind [`LISTEN_PID`].
fn write_pid(listen_pid: &mut [u8]) {
    let mut pid = std::process::id();
    for digit in listen_pid.iter_mut().skip(LISTEN_PID.len()).take(PID_DIGITS).rev() {
        *digit = b'0' + u8::try_from(pid % 10).unwrap_or(0);
        pid /= 10;
    }
}

/// Credits `bytes` to the kernel's random pool as `bits` of entropy (random(4), RNDADDENTROPY).
pub fn credit_entropy(random: impl AsFd, bytes: &[u8; SEED_BYTES], bits: i32) -> Result<(), Errno> {
    #[repr(C)]
    struct PoolInfo {
        entropy_count: c_int,
        buf_size: c_int,
        buf: [u8; SEED_BYTES],
    }
    const ADD_ENTROPY: ioctl::Opcode = ioctl::opcode::write::<[c_int; 2]>(b'R', 3);
    let info = PoolInfo { entropy_count: bits, buf_size: c_int::try_from(SEED_BYTES).map_err(|_| Errno::INVAL)?, buf: *bytes };
    // SAFETY: RNDADDENTROPY reads two ints and then `buf_size` bytes; PoolInfo is that, with an array of that size.
    unsafe { ioctl::ioctl(random, ioctl::Setter::<ADD_ENTROPY, PoolInfo>::new(info)) }
}

/// Size of the random seed.
pub const SEED_BYTES: usize = 512;

/// WDIOC_SETTIMEOUT.
pub fn watchdog_set_timeout(watchdog: impl AsFd, seconds: i32) -> Result<(), Errno> {
    const SET_TIMEOUT: ioctl::Opcode = ioctl::opcode::read_write::<c_int>(b'W', 6);
    let mut seconds = seconds;
    // SAFETY: WDIOC_SETTIMEOUT reads one int and writes back the one in force.
    unsafe { ioctl::ioctl(watchdog, ioctl::Updater::<SET_TIMEOUT, c_int>::new(&mut seconds)) }
}

/// Brings the loopback interface up (netdevice(7), SIOCSIFFLAGS).
pub fn loopback_up(socket: impl AsFd) -> Result<(), Errno> {
    const SET_FLAGS: ioctl::Opcode = libc::SIOCSIFFLAGS as ioctl::Opcode;
    let flags = c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).map_err(|_| Errno::INVAL)?;
    let mut request = libc::ifreq { ifr_name: [0; libc::IFNAMSIZ], ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags } };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    // SAFETY: SIOCSIFFLAGS reads an ifreq whose name is terminated and whose union holds flags.
    unsafe { ioctl::ioctl(socket, ioctl::Setter::<SET_FLAGS, libc::ifreq>::new(request)) }
}

/// SIGKILL to everything but this process.
pub fn kill_everything() {
    // SAFETY: kill(-1) as PID 1 signals every process but init itself (kill(2)); init alone calls this, on the way down.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};
    use std::{fs::File, io::Read};

    fn plan(script: &str, failure: OwnedFd, output: OwnedFd, passed: Vec<OwnedFd>) -> ChildPlan {
        let text = |s: &str| CString::new(s).unwrap();
        ChildPlan {
            program: text("/bin/sh"),
            arguments: vec![text("sh"), text("-c"), text(script)],
            environment: vec![text("A=b")],
            cgroup: None,
            input: File::open("/dev/null").unwrap().into(),
            output,
            passed,
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            capabilities: None,
            children_core: 0,
            failure,
        }
    }

    #[test]
    fn a_child_gets_its_descriptors_in_order_its_environment_and_default_signals() {
        if !rustix::process::getuid().is_root() {
            return;
        }
        let (failed, failure) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let passed = vec![
            above_passed(File::open("/dev/null").unwrap()).unwrap(),
            above_passed(File::open("/dev/zero").unwrap()).unwrap(),
        ];
        let script = "readlink /proc/$$/fd/3 /proc/$$/fd/4; test $(echo $LISTEN_PID | sed 's/^0*//') = $$ && echo $A me; \
            exec grep -e SigIgn -e SigBlk /proc/self/status";
        start(&plan(script, failure, above_passed(write).unwrap(), passed)).unwrap();
        let mut text = String::new();
        File::from(read).read_to_string(&mut text).unwrap();
        let mut report = Vec::new();
        File::from(failed).read_to_end(&mut report).unwrap();
        assert_eq!(report, b"");
        assert!(text.starts_with("/dev/null\n/dev/zero\nb me\n"), "{text}");
        let mask = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)).and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        };
        assert_eq!(mask("SigBlk:"), Some(0));
        assert_eq!(mask("SigIgn:").map(|bits| bits & (1 << (libc::SIGPIPE - 1))), Some(0));
    }

    #[test]
    fn a_program_that_is_not_there_is_told_with_its_step() {
        if !rustix::process::getuid().is_root() {
            return;
        }
        let (failed, failure) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (_read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut plan = plan("", failure, above_passed(write).unwrap(), vec![]);
        plan.program = CString::new("/nonexistent").unwrap();
        start(&plan).unwrap();
        drop(plan);
        let mut report = Vec::new();
        File::from(failed).read_to_end(&mut report).unwrap();
        assert_eq!(report, [[5].as_slice(), &libc::ENOENT.to_ne_bytes()].concat());
    }
}
