//! Calls that we know and refuse. Without these lines they would fail too, with ENOSYS; the difference is for whoever
//! reads the log: this was tried, and was not meant to work.

use crate::seccomp::rule::{Line, Profile, lines};
use libc::{ECHILD, ENOSYS, EOPNOTSUPP, EPERM};

/// Ways out, into the kernel or to others. Part of every filter. Whoever allows one of them says what keeps its danger away.
pub const FORBIDDEN: Profile = Profile { name: "forbidden", purpose: "known ways out", lines: FORBIDDEN_LINES };

const FORBIDDEN_LINES: &[Line] = lines! {
    refuse [execve execveat] else EPERM => "another program";
    refuse [clone] else EPERM => "another process or thread";
    refuse [mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick open_tree move_mount mount_setattr statmount
        listmount swapon swapoff quotactl quotactl_fd acct]
        else EPERM => "other views of the file system";
    refuse [unshare setns] else EPERM => "other namespaces";
    refuse [open_by_handle_at name_to_handle_at] else EPERM => "files without a path";
    refuse [mknodat] else EPERM => "device nodes, and files that no right was asked for";
    refuse [fanotify_init fanotify_mark] else EPERM => "watching everybody's files";
    refuse [ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_open pidfd_getfd
        pidfd_send_signal move_pages migrate_pages get_robust_list]
        else EPERM => "other processes' memory and descriptors";
    refuse [rt_sigqueueinfo rt_tgsigqueueinfo] else EPERM => "signals with a forged sender";
    refuse [setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset]
        else EPERM => "other identities";
    refuse [bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register io_setup io_destroy io_getevents
        io_submit io_cancel io_pgetevents seccomp]
        else EPERM => "wide parts of the kernel with a history";
    refuse [lsm_get_self_attr lsm_set_self_attr lsm_list_modules] else EPERM => "the kernel's security modules";
    refuse [add_key request_key keyctl] else EPERM => "the kernel's keyrings";
    refuse [init_module finit_module delete_module kexec_load kexec_file_load reboot syslog vhangup]
        else EPERM => "the machine itself";
    refuse [clock_settime clock_adjtime adjtimex settimeofday sethostname setdomainname]
        else EPERM => "everybody's clock and names";
    refuse [personality] else EPERM => "READ_IMPLIES_EXEC and no address randomisation";
    refuse [vmsplice tee splice remap_file_pages memfd_create memfd_secret map_shadow_stack pkey_mprotect pkey_alloc pkey_free
        mbind set_mempolicy set_mempolicy_home_node]
        else EPERM => "memory tricks that exploits are made of";
    refuse [sched_setscheduler sched_setparam sched_setattr sched_setaffinity setpriority ioprio_set]
        else EPERM => "more than its share of the processor";
    refuse [sync syncfs sync_file_range] else EPERM => "flushing what others wrote";
    refuse [shmget shmat shmdt shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink
        mq_timedsend mq_timedreceive mq_notify mq_getsetattr]
        else EPERM => "shared names between processes";
    refuse [setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr]
        else EOPNOTSUPP => "capabilities and labels of files; the errno is that of a file system without attributes";
    refuse x86_64 [fork vfork] else EPERM => "another process";
    refuse x86_64 [mknod modify_ldt iopl ioperm uretprobe]
        else EPERM => "older forms, segments and ports of this architecture, and what only the kernel's own probes use";
};

/// Calls without a user. Part of every filter; another profile may allow them.
pub const UNNEEDED: Profile = Profile { name: "unneeded", purpose: "calls that nobody needs", lines: UNNEEDED_LINES };

const UNNEEDED_LINES: &[Line] = lines! {
    refuse [wait4 waitid] else ECHILD => "there are no children; the errno says so";
    refuse [setsid setpgid] else EPERM => "one process is its own session";
    refuse [listen accept accept4] else EPERM => "nobody is to connect";
    refuse [inotify_init1 inotify_add_watch inotify_rm_watch] else EPERM => "watching files";
    refuse [fchown fchownat] else EPERM => "files belong to the only user there is";
    refuse [mlock mlock2 mlockall munlock munlockall] else EPERM => "locked memory, of which nobody has any (RLIMIT_MEMLOCK)";
    refuse [getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr]
        else EOPNOTSUPP => "attributes of files; the errno is that of a file system without them";
    refuse [getrlimit setrlimit sched_getattr sched_rr_get_interval ioprio_get get_mempolicy mincore readahead]
        else EPERM => "older forms, and facts that nobody asks for";
    refuse [nfsservctl lookup_dcookie] else EPERM => "calls that the kernel has dropped";
    refuse [cachestat futex_waitv futex_wake futex_wait futex_requeue mseal]
        else ENOSYS => "newer forms, for which libraries have older ones if they are not there";
    refuse x86_64 [chown lchown inotify_init getdents eventfd signalfd utime utimes futimesat]
        else EPERM => "older forms that no library makes any more";
    refuse x86_64 [uselib ustat sysfs _sysctl create_module get_kernel_syms query_module getpmsg putpmsg afs_syscall tuxcall
        security set_thread_area get_thread_area epoll_ctl_old epoll_wait_old vserver]
        else EPERM => "calls that the kernel has dropped, or never had";
};
