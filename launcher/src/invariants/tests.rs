use super::*;
use ipc::messages::{Instance, launcher::Confinement};
use rustix::{
    fs::Mode,
    pipe::{PipeFlags, pipe_with},
};

fn plan() -> Plan {
    use PlanDescriptor::{Cgroup, Image, Notify, Stderr, StderrRead, Stdout, StdoutRead};
    Plan {
        instance: Instance { component: "25025d2c-66da-4448-bae1-ac26fcdd3627".parse().unwrap(), generation: 3 },
        uid: places::FIRST_APP_UID,
        host_name: "app".to_owned(),
        entry_point: "/bin/app".to_owned(),
        arguments: Vec::new(),
        environment: Vec::new(),
        storage: false,
        services: false,
        confinement: Confinement {
            processes: Processes::Fork,
            syscall_profiles: vec!["app".to_owned(), "fork".to_owned()],
            open_files: 64,
            core_bytes: 0,
        },
        descriptors: vec![Image, Cgroup, Stdout, Stderr, StdoutRead, StderrRead, Notify],
    }
}

/// With apps that may be debugged: the laxer way.
fn sort(plan: &Plan, descriptors: Vec<OwnedFd>) -> Result<Descriptors, Refusal> {
    super::sort(plan, descriptors, Debug::Allowed)
}

fn open(path: &str, flags: OFlags) -> OwnedFd {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// Descriptors as the plan names them, but for the control group, which only a device has.
fn descriptors() -> Vec<OwnedFd> {
    let (out_read, out) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let (err_read, err) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let notify = std::os::unix::net::UnixDatagram::unbound().unwrap();
    vec![open("/proc/self/exe", OFlags::RDONLY), open("/tmp", OFlags::RDONLY), out, err, out_read, err_read, notify.into()]
}

fn refusal(result: Result<impl Sized, Refusal>) -> String {
    let Err(refusal) = result else { panic!("was not refused") };
    refusal.to_string()
}

#[test]
fn a_plan_in_order_passes() {
    let names: Vec<&str> = check_plan(&plan()).unwrap().iter().map(|profile| profile.name).collect();
    assert_eq!(names, ["app", "fork"]);
}

#[test]
fn a_user_outside_of_the_apps_range_is_refused() {
    for uid in [0, 1, 1001, places::FIRST_APP_UID - 1, places::LAST_APP_UID + 1, u32::MAX] {
        assert!(refusal(check_plan(&Plan { uid, ..plan() })).contains("is not one of an app"), "{uid}");
    }
}

#[test]
fn a_filter_without_the_mandatory_profile_or_with_one_for_daemons_is_refused() {
    let with = |names: &[&str]| {
        let mut plan = plan();
        plan.confinement.syscall_profiles = names.iter().map(|&name| name.to_owned()).collect();
        refusal(check_plan(&plan))
    };
    assert!(with(&[]).contains("`app` is missing"));
    assert!(with(&["fork"]).contains("`app` is missing"));
    for name in ["daemon", "debug", "netlink", "common", "forbidden", "", "APP", "app\u{1b}[31m"] {
        let words = with(&["app", name]);
        assert!(words.contains("no system call profile for apps") && !words.contains('\u{1b}'), "{words}");
    }
}

#[test]
fn a_foreign_control_group_is_refused() {
    let words = refusal(sort(&plan(), descriptors()));
    assert_eq!(words, "the plan is refused: the control group is not /sys/fs/cgroup/apps/25025d2c-66da-4448-bae1-ac26fcdd3627-3");
}

#[test]
fn descriptors_that_are_missing_double_or_too_many_are_refused() {
    let mut short = descriptors();
    short.pop();
    assert!(refusal(sort(&plan(), short)).contains("6 descriptors came, 7 are named"));
    let mut incomplete = plan();
    incomplete.descriptors.pop();
    let mut fewer = descriptors();
    fewer.pop();
    assert!(refusal(sort(&incomplete, fewer)).contains("must be there"));
    let mut double = plan();
    double.descriptors[5] = PlanDescriptor::Stdout;
    assert!(refusal(sort(&double, descriptors())).contains("two descriptors are Stdout"));
}

#[test]
fn a_debugger_is_refused_unless_the_image_lets_apps_be_debugged() {
    let mut debugged = plan();
    debugged.descriptors.push(PlanDescriptor::Debugger);
    let with = |fd: OwnedFd, debug| {
        let mut all = descriptors();
        all.push(fd);
        refusal(super::sort(&debugged, all, debug))
    };
    let socket = || OwnedFd::from(std::os::unix::net::UnixDatagram::unbound().unwrap());
    assert!(with(socket(), Debug::Refused).contains("lets nobody debug apps"));
    // What is wrong with it then is the next thing.
    assert!(with(socket(), Debug::Allowed).contains("the control group"));
}

#[test]
fn an_image_that_can_be_written_or_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image");
    linux::files::write_durably(&file, b"x", 0o600).unwrap();
    for fd in [
        open(file.to_str().unwrap(), OFlags::RDWR),
        open(file.to_str().unwrap(), OFlags::PATH),
        open("/tmp", OFlags::RDONLY),
        open("/dev/null", OFlags::RDONLY),
    ] {
        let mut all = descriptors();
        all[0] = fd;
        let words = refusal(sort(&plan(), all));
        // An O_PATH descriptor has no access mode of its own; it fails fs-verity's measuring, and here the next check.
        assert!(words.contains("no regular file that is open for reading") || words.contains("the control group"), "{words}");
    }
}

#[test]
fn pipes_must_be_two_ends_of_one() {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let (other, _) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    assert!(check_pipe("stdout", write.as_fd(), read.as_fd()).is_ok());
    let file = open("/proc/self/exe", OFlags::RDONLY);
    for (a, b) in [(&write, &other), (&read, &write), (&read, &read), (&write, &write), (&file, &read)] {
        assert!(refusal(check_pipe("stdout", a.as_fd(), b.as_fd())).contains("not the two ends of one pipe"));
    }
}

#[test]
fn an_app_is_never_passed_a_folder_or_a_path() {
    assert!(check_granted("A", open("/dev/null", OFlags::RDWR).as_fd()).is_ok());
    for fd in [open("/tmp", OFlags::RDONLY), open("/tmp", OFlags::PATH), open("/dev/null", OFlags::PATH)] {
        assert!(refusal(check_granted("A", fd.as_fd())).contains("an app gets neither"));
    }
}
