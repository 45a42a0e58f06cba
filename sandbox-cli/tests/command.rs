//! The command itself, as root and as an ordinary user: judged by what the confined program prints and by exit codes.
//!
//! Needs root, to be both; and a kernel with Landlock and user namespaces.

#![expect(clippy::disallowed_methods, reason = "test set-up")]

use std::{
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// An ordinary user: nobody.
const NOBODY: u32 = 65534;

/// A folder with the command in it, readable for everybody.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // By a process of its own: a file that is open for writing here is open in each child that another test forks just
        // then, and until that one executes something the file cannot be executed (ETXTBSY, execve(2)).
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_holdfast-sandbox")).arg(folder.path().join("command"));
        assert!(copy.status().unwrap().success());
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn policy(&self, text: &str) -> PathBuf {
        let path = self.path().join("policy.json");
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, user: u32, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path().join("command"));
        command.args(arguments).stdin(Stdio::null());
        if user != 0 {
            command.uid(user).gid(user);
        }
        command
    }

    /// Runs a shell line under a policy.
    fn run(&self, user: u32, policy: &str, line: &str) -> Output {
        let policy = self.policy(policy);
        self.command(user, &["run", policy.to_str().unwrap(), "--", "/bin/sh", "-c", line]).output().unwrap()
    }
}

/// A policy with the system's programs, and more.
fn policy(more: &str) -> String {
    format!(
        r#"{{
        "user": 200000,
        "mounts": [{{"at": "/usr", "use": "run"}}{more}],
        "links": [{{"at": "/bin", "to": "usr/bin"}}, {{"at": "/lib", "to": "usr/lib"}}, {{"at": "/lib64", "to": "usr/lib64"}}],
        "processes": "exec", "environment": {{"PATH": "/usr/bin"}},
        "optional": [
            {{"protection": "own-user", "reason": "also tried by an ordinary user"}},
            {{"protection": "control-group", "reason": "also tried where there is none"}}
        ]
    }}"#
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output of a run that succeeded.
fn told(output: &Output) -> String {
    assert!(output.status.success(), "{:?}: {}", output.status, text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn root_and_ordinary_users_run_a_shell_that_sees_only_what_was_mounted() {
    let place = Place::new();
    let secret = place.path().join("secret");
    fs::write(&secret, "outside").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    for (user, inside) in [(0, "200000"), (NOBODY, "65534")] {
        let line = format!("id -u; echo /*; cat {} 2>&1; ls /etc 2>&1; true", secret.display());
        let told = told(&place.run(user, &policy(""), &line));
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.first(), Some(&inside));
        assert_eq!(lines.get(1), Some(&"/bin /dev /lib /lib64 /proc /run /tmp /usr"), "as {user}");
        assert!(!told.contains("outside") && told.matches("No such file or directory").count() == 2, "{told}");
    }
}

#[test]
fn no_capability_no_network_and_no_other_process_is_left_in_either_way() {
    let place = Place::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let line = format!(
        "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; echo /proc/[0-9]*; \
         (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo CONNECTED; touch /usr/holdfast-x 2>/dev/null && rm /usr/holdfast-x && echo WRITTEN; true"
    );
    let free = Command::new("/usr/bin/bash").args(["-c", &line]).output().unwrap();
    assert!(text(&free.stdout).contains("CONNECTED"), "cannot connect anywhere, so it shows nothing");
    for user in [0, NOBODY] {
        let policy_path = place.policy(&policy(""));
        let arguments = ["run", policy_path.to_str().unwrap(), "--", "/usr/bin/bash", "-c", &line];
        let told = told(&place.command(user, &arguments).output().unwrap());
        assert_eq!(told.matches("0000000000000000").count(), 5, "{told}");
        assert!(told.contains("NoNewPrivs:\t1") && told.contains("Seccomp:\t2"), "{told}");
        assert!(told.contains("/proc/2") && !told.contains("CONNECTED") && !told.contains("WRITTEN"), "{told}");
    }
}

#[test]
fn a_writable_folder_keeps_files_and_runs_nothing() {
    let place = Place::new();
    for (user, owner) in [(0, 200_000), (NOBODY, NOBODY)] {
        let folder = place.path().join(format!("work-{user}"));
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::chown(&folder, Some(owner), Some(owner)).unwrap();
        let mount = format!(r#", {{"at": "/work", "from": "{}", "use": "write"}}"#, folder.display());
        let line = "echo kept > /work/file && cp /usr/bin/true /work/true && /work/true; echo $?";
        let told = told(&place.run(user, &policy(&mount), line));
        assert_eq!(told, "126\n", "a program in a writable folder ran as {user}");
        assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "kept\n");
    }
}

#[test]
fn a_mount_inside_another_has_its_own_rights() {
    let place = Place::new();
    let (outer, inner) = (place.path().join("outer"), place.path().join("inner"));
    fs::create_dir_all(outer.join("in")).unwrap();
    fs::create_dir(&inner).unwrap();
    for folder in [&outer, &inner] {
        std::os::unix::fs::chown(folder, Some(200_000), Some(200_000)).unwrap();
    }
    let mounts = format!(
        r#", {{"at": "/a/in", "from": "{}", "use": "write"}}, {{"at": "/a", "from": "{}", "use": "read"}}"#,
        inner.display(),
        outer.display()
    );
    let told = told(&place.run(0, &policy(&mounts), "touch /a/in/x && echo inner; touch /a/x 2>&1; true"));
    assert!(told.starts_with("inner\n") && told.contains("Read-only file system"), "{told}");
}

#[test]
fn streams_and_exit_codes_are_the_programs() {
    let place = Place::new();
    let policy_path = place.policy(&policy(""));
    for user in [0, NOBODY] {
        let arguments = ["run", policy_path.to_str().unwrap(), "--", "/bin/sh", "-c", "cat; echo err >&2; exit 7"];
        let mut command = place.command(user, &arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"through\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(7), "through\n"));
        assert!(text(&output.stderr).contains("err\n"));
        assert_eq!(place.run(user, &policy(""), "kill -9 $$").status.code(), Some(137));
    }
}

#[test]
fn what_an_ordinary_user_cannot_have_is_an_error_unless_it_is_optional_and_then_said() {
    let place = Place::new();
    let strict = r#"{"mounts": [{"at": "/usr", "use": "run"}]}"#;
    let path = place.policy(strict);
    let output = place.command(NOBODY, &["run", path.to_str().unwrap(), "--", "/usr/bin/true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    let words = text(&output.stderr);
    assert!(words.contains("control") && words.contains("optional"), "{words}");

    let lax = r#"{"mounts": [{"at": "/usr", "use": "run"}], "optional": [{"protection": "control-group", "reason": "x"}]}"#;
    let path = place.policy(lax);
    let output = place.command(NOBODY, &["run", path.to_str().unwrap(), "--", "/usr/bin/true"]).output().unwrap();
    let words = text(&output.stderr);
    assert!(words.contains("`own-user`") && words.contains("`exec-once`"), "all that is missing is told at once: {words}");

    let output = place.run(NOBODY, &policy(""), "true");
    let words = text(&output.stderr);
    assert!(output.status.success() && words.contains("NO own user") && words.contains("NO control group"), "{words}");
}

#[test]
fn a_refused_call_is_told_at_the_end_with_the_line_of_the_policy_that_is_missing() {
    let place = Place::new();
    for user in [0, NOBODY] {
        let path = place.policy(&policy(""));
        let ask = "for i in 1 2 3; do (exec 3<>/dev/tcp/127.0.0.1/1) 2>/dev/null; done; echo DONE";
        let run = |global: &[&str]| {
            let arguments = [global, &["run", path.to_str().unwrap(), "--", "/usr/bin/bash", "-c", ask]].concat();
            place.command(user, &arguments).output().unwrap()
        };
        let output = run(&[]);
        let told = text(&output.stderr);
        let line =
            "socket(0x2, 0x1, 0x6) failed with EAFNOSUPPORT (3 ×); missing in the policy: \"profiles\": [{ \"name\": \"network\"";
        assert!(told.contains(line) && text(&output.stdout) == "DONE\n", "{told}");
        let output = run(&["--json"]);
        let denied: serde_json::Value = serde_json::from_str(text(&output.stderr).lines().last().unwrap()).unwrap();
        assert_eq!((denied["denied"].as_str(), denied["count"].as_u64()), (Some("socket"), Some(3)), "{denied}");
    }
}

#[test]
fn a_wrong_policy_starts_nothing_and_says_where() {
    let place = Place::new();
    let link = place.path().join("link");
    std::os::unix::fs::symlink("/usr", &link).unwrap();
    let mount = |from: &str| format!(r#", {{"at": "/x", "from": "{from}", "use": "read"}}"#);
    for (policy, words) in [
        (policy(&mount("/nonexistent")), "mounts[1].from: cannot open /nonexistent: No such file"),
        (policy(&mount(link.to_str().unwrap())), "symbolic link"),
        (policy(&mount("/dev/null")), "is neither a file nor a folder"),
        (policy(r#", {"at": "/run/x", "from": "/usr", "use": "socket"}"#), "is no socket"),
        (policy(&mount("/usr/../etc")), "mounts[1].from"),
        ("{".to_owned(), "line 1"),
        (r#"{"user": 0}"#.to_owned(), "user: is not an id"),
    ] {
        let output = place.run(0, &policy, "echo STARTED");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{told}");
        assert!(told.contains(words) && output.stdout.is_empty(), "`{told}` does not say `{words}`");
    }
    let output = place.run(0, &policy("").replace("\"user\": 200000,", ""), "echo STARTED");
    assert!(text(&output.stderr).contains("needs a user of its own"), "{}", text(&output.stderr));
    let path = place.policy(&policy(""));
    let output = place.command(0, &["run", path.to_str().unwrap(), "--", "/usr/bin/ldd"]).output().unwrap();
    assert!(text(&output.stderr).contains("a script is none"), "{}", text(&output.stderr));
}

#[test]
fn check_and_explain_speak_json_and_words() {
    let place = Place::new();
    let json = |output: Output| -> serde_json::Value { serde_json::from_slice(&output.stdout).unwrap() };
    let check = json(place.command(NOBODY, &["check", "--json"]).output().unwrap());
    assert_eq!(check["usable"], true, "{check}");
    let names: Vec<&str> = check["support"].as_array().unwrap().iter().filter_map(|row| row["name"].as_str()).collect();
    for name in ["Landlock", "Landlock errata", "vm.mmap_min_addr", "PR_SET_MDWE", "vm.memfd_noexec", "user namespaces"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    let path = place.policy(&policy(""));
    let words = told(&place.command(NOBODY, &["explain", path.to_str().unwrap()]).output().unwrap());
    assert!(words.contains("/usr: read and run") && words.contains("network: none"), "{words}");
    let path = place.policy(r#"{"user": 0}"#);
    let output = place.command(NOBODY, &["explain", "--json", path.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(json(output)["error"]["class"], "bad-input");
    let schema = json(place.command(NOBODY, &["schema"]).output().unwrap());
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn a_learned_policy_lets_the_program_do_what_it_did_and_nothing_else() {
    let place = Place::new();
    // Not below /tmp, which every sandbox has of its own.
    let far = tempfile::tempdir_in("/srv").unwrap();
    fs::set_permissions(far.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["in", "out", "other"] {
        fs::create_dir(far.path().join(name)).unwrap();
        std::os::unix::fs::chown(far.path().join(name), Some(200_000), Some(200_000)).unwrap();
    }
    fs::write(far.path().join("in/file"), "learned\n").unwrap();
    fs::write(far.path().join("other/file"), "not learned\n").unwrap();
    let folder = far.path().display();
    let line = format!("cat {folder}/in/file > {folder}/out/file; cat {folder}/out/file");

    let learned = place.command(0, &["learn", "--", "/bin/sh", "-c", &line]).output().unwrap();
    assert!(text(&learned.stderr).contains("learned\n"), "{}", text(&learned.stderr));
    let proposed: serde_json::Value =
        serde_json::from_slice(&learned.stdout).unwrap_or_else(|_| panic!("{}", text(&learned.stderr)));
    assert_eq!(proposed["processes"], "exec");
    let mounts = proposed["mounts"].as_array().unwrap();
    assert!(mounts.iter().all(|mount| mount["reason"].as_str().is_some_and(|reason| reason.contains("it uses /"))), "{proposed}");
    let uses = |path: String| mounts.iter().find(|mount| mount["at"] == path).map(|mount| mount["use"].clone());
    assert_eq!(uses(format!("{folder}/in/file")), Some("read".into()), "{proposed}");
    assert_eq!(uses(format!("{folder}/out")), Some("write".into()), "{proposed}");

    let mut policy = proposed.clone();
    policy["optional"] = serde_json::json!([{"protection": "control-group", "reason": "tried where there is none"}]);
    let policy = policy.to_string();
    assert_eq!(told(&place.run(0, &policy, &line)), "learned\n");
    let output = place.run(0, &policy, &format!("cat {folder}/other/file; touch {folder}/in/new"));
    assert!(!output.status.success() && output.stdout.is_empty());
    assert_eq!(text(&output.stderr).matches("No such file").count(), 1, "{}", text(&output.stderr));
}

#[test]
fn a_terminating_signal_reaches_the_program() {
    let place = Place::new();
    let policy_path = place.policy(&policy(""));
    let line = "trap 'echo stopped; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let mut command = place.command(0, &["run", policy_path.to_str().unwrap(), "--", "/bin/sh", "-c", line]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(3), "stopped\n"));
}

#[test]
fn the_reference_is_what_the_command_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/sandbox-cli.md");
    let kept = fs::read_to_string(path).unwrap();
    assert_eq!(kept, sandbox_cli::reference::markdown(), "cargo run -p holdfast-sandbox-cli -- reference > docs/sandbox-cli.md");
}
