//! Runs a program behind a filter that asks about calls (seccomp_unotify(2)), notes each, and lets it go on.

use super::observed::{Asked, asked_about};
use linux::files;
use rustix::{
    fd::{AsRawFd, BorrowedFd, OwnedFd},
    fs::OFlags,
    io::Errno,
};
use std::{
    io,
    os::unix::{net::UnixStream, process::CommandExt},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    thread,
};

/// include/uapi/linux/seccomp.h
const NOTIF_RECV: u64 = 0xc050_2100;
const NOTIF_SEND: u64 = 0xc018_2101;
const NOTIF_ID_VALID: u64 = 0x4008_2102;
/// PATH_MAX
const PATH_LIMIT: usize = 4096;
/// Most calls that are kept: a program that makes more of them repeats itself.
const KEPT_LIMIT: usize = 200_000;

/// Runs the program to its end; what it asked, in order, and how it ended.
pub fn run(words: &[String]) -> io::Result<(Vec<Asked>, ExitStatus)> {
    let Some((program, arguments)) = words.split_first() else { return Err(io::ErrorKind::InvalidInput.into()) };
    let filter = filter();
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::from(io::stderr()));
    let channel = theirs.as_raw_fd();
    // SAFETY: between fork and exec the closure makes raw system calls on what was made before, and allocates nothing.
    unsafe { command.pre_exec(move || load_and_send(&filter, channel)) };
    // The exec waits for an answer already, and spawn for the exec.
    let supervisor = thread::spawn(move || receive(&ours).map(|listener| supervise(&listener)));
    let started = command.spawn();
    // The channel ends with its last holder, so that a program that never came to load its filter is not waited for.
    drop((command, theirs));
    let status = started.and_then(|mut child| child.wait());
    let asked = supervisor.join().map_err(|_| io::Error::other("the supervisor panicked"))?;
    Ok((asked?, status?))
}

/// Asks about [`asked_about`], and lets everything else pass.
fn filter() -> Vec<libc::sock_filter> {
    let statement = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for number in asked_about() {
        program.push(statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, number));
        program.push(statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_USER_NOTIF));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW));
    program
}

/// In the child: no new privileges, the filter, and its listener to the other end of the channel.
fn load_and_send(filter: &[libc::sock_filter], channel: i32) -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    let header = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the header names the filter, which outlives the call; the kernel reads it.
    let listener = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER, &raw const header)
    };
    if listener < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is this process's own and stays open until its exec; the channel is open, it was inherited.
    let (listener, channel) = unsafe { (BorrowedFd::borrow_raw(listener as i32), BorrowedFd::borrow_raw(channel)) };
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
    let descriptors = [listener];
    control.push(rustix::net::SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(channel, &[io::IoSlice::new(b"l")], &mut control, rustix::net::SendFlags::empty())?;
    Ok(())
}

/// The listener, from the child.
fn receive(channel: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = rustix::net::RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    rustix::net::recvmsg(channel, &mut [io::IoSliceMut::new(&mut byte)], &mut control, rustix::net::RecvFlags::CMSG_CLOEXEC)?;
    let received = control.drain().find_map(|message| match message {
        rustix::net::RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    received.ok_or_else(|| io::Error::other("the program did not come to load its filter"))
}

/// Notes and lets go on, until nobody is left behind the filter.
fn supervise(listener: &OwnedFd) -> Vec<Asked> {
    let mut all = Vec::new();
    loop {
        // SAFETY: plain integers, for which zero is a value, and which the kernel wants zeroed.
        let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes one seccomp_notif.
        if unsafe { libc::ioctl(listener.as_raw_fd(), NOTIF_RECV, &raw mut call) } != 0 {
            match io::Error::last_os_error().raw_os_error() {
                // Killed while it asked, or we were interrupted.
                Some(libc::ENOENT | libc::EINTR) if !is_left(listener) => continue,
                _ => return all,
            }
        }
        let asked = note(&call);
        // SAFETY: the kernel reads one number.
        let valid = unsafe { libc::ioctl(listener.as_raw_fd(), NOTIF_ID_VALID, &raw const call.id) } == 0;
        if valid && all.len() < KEPT_LIMIT {
            all.push(asked);
        }
        let answer =
            libc::seccomp_notif_resp { id: call.id, val: 0, error: 0, flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32 };
        // SAFETY: the kernel reads one seccomp_notif_resp; whoever is gone meanwhile needs no answer.
        unsafe { libc::ioctl(listener.as_raw_fd(), NOTIF_SEND, &raw const answer) };
    }
}

/// Whether nobody is left behind the filter: the listener hangs up.
fn is_left(listener: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut one = [PollFd::new(listener, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut one, Some(&now)), Ok(1)) && one[0].revents().contains(PollFlags::HUP)
}

/// What a call says, with the path that it names while it still waits.
fn note(call: &libc::seccomp_notif) -> Asked {
    let number = call.data.nr.unsigned_abs();
    let mut asked = Asked { number, arguments: call.data.args, path: None };
    if let Some((folder, path)) = asked.path_arguments() {
        asked.path = text(call.pid, path).and_then(|text| absolute(call.pid, folder, text));
    } else if let Some(address) = asked.address_argument() {
        asked.path = socket_path(call.pid, address);
    }
    asked
}

/// A C string of the process.
fn text(pid: u32, address: u64) -> Option<String> {
    let mut bytes = bytes(pid, address, PATH_LIMIT)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    bytes.truncate(end);
    String::from_utf8(bytes).ok()
}

/// At most `limit` bytes of the process; fewer where its memory ends.
fn bytes(pid: u32, address: u64, limit: usize) -> Option<Vec<u8>> {
    const PAGE: u64 = 4096;
    let memory = files::open(format!("/proc/{pid}/mem"), OFlags::RDONLY).ok()?;
    let mut all = Vec::new();
    while all.len() < limit {
        let at = address + all.len() as u64;
        let mut part = vec![0; usize::try_from(PAGE - at % PAGE).ok()?.min(limit - all.len())];
        match rustix::io::pread(&memory, &mut part, at) {
            Ok(length) if length > 0 => all.extend(part.iter().take(length)),
            Err(Errno::INTR) => {}
            _ => break,
        }
        if all.contains(&0) {
            break;
        }
    }
    (!all.is_empty()).then_some(all)
}

/// A path that begins at a folder of the process, or at its working directory, from the root.
fn absolute(pid: u32, folder: Option<u64>, path: String) -> Option<PathBuf> {
    if path.starts_with('/') {
        return Some(path.into());
    }
    let begin = match folder.map(|folder| folder as i32) {
        Some(folder) if folder != libc::AT_FDCWD => format!("/proc/{pid}/fd/{folder}"),
        _ => format!("/proc/{pid}/cwd"),
    };
    let begin = rustix::fs::readlink(begin, Vec::new()).ok()?.into_string().ok()?;
    Some(if path.is_empty() { begin.into() } else { PathBuf::from(begin).join(path) })
}

/// The path of a sockaddr_un, where it has one.
fn socket_path(pid: u32, address: u64) -> Option<PathBuf> {
    // The family, which has a zero byte of its own; AF_UNIX is 1.
    (bytes(pid, address, 1)? == [1]).then_some(())?;
    text(pid, address + 2).filter(|path| path.starts_with('/')).map(PathBuf::from)
}
