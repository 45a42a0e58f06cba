//! What a hostile program tries, an act by name: `attack NAME [ARGUMENT]`.
//!
//! Ends with 0 if the act worked, with 200 if its name is unknown, and else with the errno that it was refused with.
//! tests/attacks.rs runs each act twice: unconfined, where it must work, and in a sandbox, where it must not. So an act
//! that could never work is found out, and the judge is what happened, not what our code says of itself.
#![expect(unsafe_code, reason = "attacks are raw system calls")]
#![expect(clippy::disallowed_methods, reason = "a hostile program keeps to none of our rules")]

use std::{ffi::CString, io, process::ExitCode};

type Outcome = io::Result<()>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let argument = arguments.next().unwrap_or_default();
    let Some((_, act)) = ACTS.iter().find(|(known, _)| *known == name) else { return ExitCode::from(200) };
    match act(&argument) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ExitCode::from(error.raw_os_error().and_then(|errno| u8::try_from(errno).ok()).unwrap_or(199)),
    }
}

type Act = fn(&str) -> Outcome;

/// The acts.
const ACTS: &[(&str, Act)] = &[
    ("read", |path| std::fs::read(path).map(drop)),
    ("list", |path| std::fs::read_dir(path).map(drop)),
    ("write", |path| std::fs::write(path, "was here")),
    ("dotdot", |path| std::fs::read(format!("{}{path}", "../".repeat(40))).map(drop)),
    ("proc-self-root", |path| std::fs::read(format!("/proc/self/root/..{path}")).map(drop)),
    ("link-out", |path| {
        let link = format!("{}/link-{}", temporary(), std::process::id());
        std::os::unix::fs::symlink(path, &link)?;
        let read = std::fs::read(&link);
        std::fs::remove_file(&link)?;
        read.map(drop)
    }),
    ("connect-tcp", |port| std::net::TcpStream::connect(("127.0.0.1", port.parse().unwrap_or(0))).map(drop)),
    ("connect-abstract", |name| {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        std::os::unix::net::UnixStream::connect_addr(&address).map(drop)
    }),
    ("connect-unix", |path| std::os::unix::net::UnixDatagram::unbound()?.connect(path)),
    ("netlink", |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)),
    ("packet", |_| socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    ("inet", |_| socket(libc::AF_INET, libc::SOCK_STREAM, 0)),
    ("signal", |pid| call(libc::SYS_kill, [number(pid), 0, 0, 0, 0])),
    ("ptrace", |pid| call(libc::SYS_ptrace, [libc::PTRACE_SEIZE.into(), number(pid), 0, 0, 0])),
    ("read-memory", |pid| std::fs::File::open(format!("/proc/{pid}/mem")).map(drop)),
    ("see-process", |pid| std::fs::metadata(format!("/proc/{pid}")).map(drop)),
    ("exec-again", |_| {
        let own = std::env::current_exe()?;
        match std::process::Command::new(own).arg("nothing").status()?.code() {
            Some(0) => Ok(()),
            code => Err(io::Error::other(format!("{code:?}"))),
        }
    }),
    ("exec-copy", |folder| {
        let copy = format!("{folder}/copy-{}", std::process::id());
        std::fs::copy(std::env::current_exe()?, &copy)?;
        let ran = std::process::Command::new(&copy).arg("nothing").status();
        std::fs::remove_file(&copy)?;
        ran.map(drop)
    }),
    ("exec-raw", |_| {
        let path = CString::new("/bin/attack")?;
        let arguments = [path.as_ptr(), c"nothing".as_ptr(), std::ptr::null()];
        call(libc::SYS_execve, [address(path.as_ptr()), address(arguments.as_ptr()), address(&raw const arguments[2]), 0, 0])
    }),
    ("exec-by-the-page", |page| {
        let own = std::fs::File::open("/proc/self/exe")?;
        let arguments = [c"attack".as_ptr(), c"nothing".as_ptr(), std::ptr::null()];
        let fd = std::os::fd::AsRawFd::as_raw_fd(&own);
        call(
            libc::SYS_execveat,
            [fd.into(), number(page), address(arguments.as_ptr()), address(&raw const arguments[2]), libc::AT_EMPTY_PATH.into()],
        )
    }),
    ("map-page", |page| map(number(page), libc::PROT_READ, libc::MAP_FIXED).map(drop)),
    ("nothing", |_| Ok(())),
    ("map-write-exec", |_| map(0, libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC, 0).map(drop)),
    ("map-anonymous-exec", |_| map(0, libc::PROT_READ | libc::PROT_EXEC, 0).map(drop)),
    ("write-then-exec", |_| {
        let at = map(0, libc::PROT_READ | libc::PROT_WRITE, 0)?;
        call(libc::SYS_mprotect, [at, 4096, (libc::PROT_READ | libc::PROT_EXEC).into(), 0, 0])
    }),
    ("pkey-exec", |_| {
        let at = map(0, libc::PROT_READ | libc::PROT_WRITE, 0)?;
        call(libc::SYS_pkey_mprotect, [at, 4096, (libc::PROT_READ | libc::PROT_EXEC).into(), -1, 0])
    }),
    ("memfd", |_| call(libc::SYS_memfd_create, [address(c"x".as_ptr()), 0, 0, 0, 0])),
    // SAFETY: reads a number of this process.
    ("be-root", |_| if unsafe { libc::geteuid() } == 0 { Ok(()) } else { refused(libc::EPERM) }),
    ("become-root", |_| call(libc::SYS_setresuid, [0, 0, 0, 0, 0])),
    ("become-nobody", |_| call(libc::SYS_setresuid, [65534, 65534, 65534, 0, 0])),
    ("have-capability", |_| {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let any = status
            .lines()
            .filter(|line| line.starts_with("Cap"))
            .any(|line| line.chars().skip(7).any(|c| c != '0' && c.is_ascii_hexdigit()));
        if any { Ok(()) } else { refused(libc::EPERM) }
    }),
    ("no-seccomp", |_| status("Seccomp:\t0")),
    ("no-nnp", |_| status("NoNewPrivs:\t0")),
    ("mount", |_| call(libc::SYS_mount, [address(c"x".as_ptr()), address(c"/tmp".as_ptr()), address(c"tmpfs".as_ptr()), 0, 0])),
    ("fsopen", |_| call(libc::SYS_fsopen, [address(c"tmpfs".as_ptr()), 0, 0, 0, 0])),
    // Whether what tells of this program's refused calls is open here: whoever holds it answers them.
    ("own-listener", |_| {
        let links = std::fs::read_dir("/proc/self/fd")?.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        let found = links.map(|link| link.display().to_string()).any(|link| link.contains("seccomp notify"));
        if found { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EBADF)) }
    }),
    ("refused-by-many", |count| {
        let threads: Vec<_> = (0..number(count)).map(|_| std::thread::spawn(|| call(libc::SYS_chroot, [0; 5]))).collect();
        let refused = |thread: std::thread::JoinHandle<Outcome>| {
            thread.join().is_ok_and(|outcome| outcome.is_err_and(|error| error.raw_os_error() == Some(libc::EPERM)))
        };
        if threads.into_iter().all(refused) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EINVAL)) }
    }),
    ("unshare", |_| call(libc::SYS_unshare, [libc::CLONE_NEWUTS.into(), 0, 0, 0, 0])),
    ("clone-namespace", |_| {
        let pid = value(libc::SYS_clone, [(libc::CLONE_NEWUTS | libc::SIGCHLD).into(), 0, 0, 0, 0])?;
        // SAFETY: the child has nothing to do.
        if pid == 0 { unsafe { libc::_exit(0) } } else { Ok(()) }
    }),
    ("chroot", |_| call(libc::SYS_chroot, [address(c"/".as_ptr()), 0, 0, 0, 0])),
    ("mknod", |folder| {
        let path = CString::new(format!("{folder}/node-{}", std::process::id()))?;
        let made =
            call(libc::SYS_mknodat, [libc::AT_FDCWD.into(), address(path.as_ptr()), (libc::S_IFCHR | 0o666).into(), 0x101, 0]);
        let _ = std::fs::remove_file(path.to_string_lossy().as_ref());
        made
    }),
    ("set-id", |folder| {
        let path = format!("{folder}/set-id-{}", std::process::id());
        std::fs::write(&path, "")?;
        let set = std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o4755));
        std::fs::remove_file(&path)?;
        set
    }),
    ("file-flags", |folder| {
        let path = format!("{folder}/flags-{}", std::process::id());
        let file = std::fs::File::create(&path)?;
        let flags: libc::c_long = 0x40; // FS_NODUMP_FL
        let set =
            call(libc::SYS_ioctl, [std::os::fd::AsRawFd::as_raw_fd(&file).into(), 0x4008_6602, address(&raw const flags), 0, 0]);
        std::fs::remove_file(&path)?;
        set
    }),
    ("set-project", |folder| {
        let folder = std::fs::File::open(folder)?;
        let attributes = [0u32; 7];
        call(
            libc::SYS_ioctl,
            [std::os::fd::AsRawFd::as_raw_fd(&folder).into(), 0x401c_5820, address(&raw const attributes), 0, 0],
        )
    }),
    ("fill", |folder| {
        let mut file = std::fs::File::create(format!("{folder}/fill"))?;
        for _ in 0..1024 {
            std::io::Write::write_all(&mut file, &[1; 65536])?;
        }
        Ok(())
    }),
    ("memory-hog", |_| {
        let block = vec![1u8; 512 << 20];
        if block.iter().step_by(4096).all(|byte| *byte == 1) { Ok(()) } else { refused(libc::ENOMEM) }
    }),
    ("type-for-others", |_| ioctl_reached(libc::TIOCSTI as libc::c_long)),
    ("type-for-others-high-bits", |_| ioctl_reached(libc::TIOCSTI as libc::c_long | 1 << 32)),
    ("leaked-descriptor", |most| {
        let open = std::fs::read_dir("/proc/self/fd")?.count() - 1;
        if open > usize::try_from(number(most)).unwrap_or(0) { Ok(()) } else { refused(libc::EBADF) }
    }),
    ("set-clock", |_| call(libc::SYS_clock_settime, [libc::CLOCK_REALTIME.into(), 0, 0, 0, 0])),
    ("personality", |_| call(libc::SYS_personality, [0x0040_0000, 0, 0, 0, 0])),
    ("keyring", |_| call(libc::SYS_keyctl, [0, -3, 0, 0, 0])),
    ("kernel-log", |_| call(libc::SYS_syslog, [10, 0, 0, 0, 0])),
    ("x32", |_| call(0x4000_0000 | libc::SYS_getpid, [0; 5])),
    ("open-many", |_| {
        let file = std::fs::File::open("/dev/null")?;
        (0..300).map(|_| file.try_clone()).collect::<io::Result<Vec<_>>>().map(drop)
    }),
    ("core-limit", |_| {
        // SAFETY: the kernel writes one rlimit.
        let core = unsafe {
            let mut limit = std::mem::zeroed::<libc::rlimit>();
            libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit);
            limit
        };
        if core.rlim_max > 0 { Ok(()) } else { refused(libc::EPERM) }
    }),
    // Not attacks: what a program must be able to do.
    ("thread", |_| std::thread::spawn(|| ()).join().map_err(|_| io::Error::other("panic"))),
    ("fork", |_| {
        // SAFETY: the child touches nothing but its end.
        match unsafe { libc::fork() } {
            // SAFETY: the child ends at once.
            0 => unsafe { libc::_exit(7) },
            -1 => Err(io::Error::last_os_error()),
            pid => {
                let mut status = 0;
                // SAFETY: the kernel writes one int.
                unsafe { libc::waitpid(pid, &raw mut status, 0) };
                if libc::WEXITSTATUS(status) == 7 { Ok(()) } else { refused(libc::ECHILD) }
            }
        }
    }),
    ("orphan", |_| {
        // SAFETY: both children end at once; the grandchild after its parent, so that somebody else must reap it.
        unsafe {
            if libc::fork() == 0 {
                if libc::fork() == 0 {
                    libc::usleep(50_000);
                }
                libc::_exit(0)
            }
            libc::usleep(200_000);
        }
        Ok(())
    }),
    ("die", |signal| {
        call(libc::SYS_kill, [std::process::id().into(), number(signal), 0, 0, 0]).and_then(|()| refused(libc::EINTR))
    }),
    ("wait-for-term", |_| {
        let (mut set, mut got) = (0u64, 0);
        set |= 1 << (libc::SIGTERM - 1);
        // SAFETY: the kernel reads eight bytes of `set`; sigwait writes one int; a sigset_t begins with those eight bytes.
        unsafe {
            let mut all = std::mem::zeroed::<libc::sigset_t>();
            libc::sigaddset(&raw mut all, libc::SIGTERM);
            libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
            libc::write(1, c"ready\n".as_ptr().cast(), 6);
            libc::sigwait(&raw const all, &raw mut got);
        }
        if got == libc::SIGTERM && set != 0 { Ok(()) } else { refused(libc::EINTR) }
    }),
    ("sleep", |_| {
        std::thread::sleep(std::time::Duration::from_secs(100));
        Ok(())
    }),
    ("environment", |expected| {
        let mut found: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
        found.sort();
        if found.join(",") == expected { Ok(()) } else { Err(io::Error::other(found.join(","))) }
    }),
    ("passed", |_| {
        // SAFETY: descriptor 3 was passed.
        let written = unsafe { libc::write(3, c"hello".as_ptr().cast(), 5) };
        let own = std::env::var("LISTEN_PID").ok() == Some(std::process::id().to_string());
        if written == 5 && own { Ok(()) } else { refused(libc::EBADF) }
    }),
];

fn temporary() -> &'static str {
    if std::fs::metadata("/data").is_ok_and(|data| !data.permissions().readonly()) { "/data" } else { "/tmp" }
}

fn socket(family: i32, kind: i32, protocol: i32) -> Outcome {
    call(libc::SYS_socket, [family.into(), kind.into(), protocol.into(), 0, 0])
}

/// Whether the call gets as far as the driver, which is no terminal's.
fn ioctl_reached(command: libc::c_long) -> Outcome {
    match call(libc::SYS_ioctl, [0, command, address(c"x".as_ptr()), 0, 0]) {
        Err(error) if error.raw_os_error() == Some(libc::ENOTTY) => Ok(()),
        other => other,
    }
}

fn status(line: &str) -> Outcome {
    if std::fs::read_to_string("/proc/self/status")?.lines().any(|found| found == line) { Ok(()) } else { refused(libc::EPERM) }
}

fn map(at: libc::c_long, protection: i32, flags: i32) -> io::Result<libc::c_long> {
    value(libc::SYS_mmap, [at, 4096, protection.into(), (flags | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).into(), -1])
}

fn call(number: libc::c_long, arguments: [libc::c_long; 5]) -> Outcome {
    value(number, arguments).map(drop)
}

fn value(number: libc::c_long, [a, b, c, d, e]: [libc::c_long; 5]) -> io::Result<libc::c_long> {
    // SAFETY: none is claimed; this is what a hostile program does to itself.
    match unsafe { libc::syscall(number, a, b, c, d, e, 0) } {
        value if value < 0 => Err(io::Error::last_os_error()),
        value => Ok(value),
    }
}

fn refused(errno: i32) -> Outcome {
    Err(io::Error::from_raw_os_error(errno))
}

fn number(text: &str) -> libc::c_long {
    text.parse().unwrap_or(0)
}

fn address<T>(pointer: *const T) -> libc::c_long {
    pointer.addr().cast_signed() as libc::c_long
}
