use super::*;

const WHOLE: &str = r#"{
    "user": 200000, "host_name": "a", "root": "assembled",
    "mounts": [
        {"at": "/usr", "use": "run", "reason": "programs"},
        {"at": "/data", "from": "/srv/data", "use": "write"},
        {"at": "/run/log", "from": "/dev/log", "use": "socket"}
    ],
    "links": [{"at": "/bin", "to": "usr/bin"}],
    "proc": "none", "processes": "exec", "profiles": [{"name": "threads", "reason": "workers"}],
    "environment": {"PATH": "/usr/bin"}, "directory": "/data",
    "limits": {"memory": "64MiB", "processes": 8, "cpu_percent": 50, "open_files": 64, "temporary": "1MiB"},
    "optional": [{"protection": "own-user", "reason": "developers"}]
}"#;

fn parsed(text: &str) -> PolicyFile {
    PolicyFile::parse(text.as_bytes()).unwrap()
}

#[test]
fn a_policy_is_read_checked_and_written_the_same() {
    let policy = parsed(WHOLE);
    assert_eq!(policy.check(), []);
    assert_eq!(parsed(&serde_json::to_string(&policy).unwrap()), policy);
    assert_eq!(parsed("{}").check(), [], "the empty policy grants nothing and is in order");
}

#[test]
fn a_misspelt_or_doubled_field_is_refused_with_its_path_wherever_it_stands() {
    for (text, words) in [
        (r#"{"usr": 1}"#, "unknown field `usr`"),
        (r#"{"mount": []}"#, "did you mean `mounts`?"),
        (r#"{"mounts": [{"at": "/usr", "use": "run", "form": "/"}]}"#, "mounts[0]"),
        (r#"{"mounts": [{"at": "/usr", "use": "runs"}]}"#, "did you mean `run`?"),
        (r#"{"links": [{"at": "/bin", "to": "usr/bin", "x": 1}]}"#, "links[0]"),
        (r#"{"profiles": [{"name": "gpio", "x": 1}]}"#, "profiles[0]"),
        (r#"{"limits": {"memry": 1}}"#, "did you mean `memory`?"),
        (r#"{"optional": [{"protection": "filter", "reason": "slow"}]}"#, "unknown variant `filter`"),
        (r#"{"optional": [{"protection": "own-user"}]}"#, "missing field `reason`"),
        (r#"{"user": 1, "user": 2}"#, "duplicate field `user`"),
        (r#"{"environment": {"A": "1", "A": "2"}}"#, "twice"),
        (r#"{"root": "none"}"#, "unknown variant `none`"),
        (r#"{"user": -1}"#, "user"),
        (r#"{} {}"#, "trailing"),
        (r#"{"limits": {"memory": "12 MB"}}"#, "limits.memory"),
    ] {
        let error = PolicyFile::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: `{error}` does not say `{words}`");
    }
    let long = format!("{{\"host_name\": \"{}\"}}", "a".repeat(LENGTH_LIMIT));
    assert!(PolicyFile::parse(long.as_bytes()).unwrap_err().to_string().contains("at most 65536 are allowed"));
}

#[test]
fn what_contradicts_itself_or_cannot_be_is_told_with_its_path() {
    let many = |entry: &str| vec![entry; 65].join(",");
    for (text, path, words) in [
        (r#"{"user": 0}"#.to_owned(), "user", "not an id"),
        (r#"{"user": 4294967295}"#.to_owned(), "user", "not an id"),
        (r#"{"host_name": "a b"}"#.to_owned(), "host_name", "letters"),
        (r#"{"host_name": ""}"#.to_owned(), "host_name", "letters"),
        (r#"{"root": {"folder": "srv"}}"#.to_owned(), "root", "absolute"),
        (r#"{"root": {"image": "/a/../b"}}"#.to_owned(), "root", "absolute"),
        (r#"{"directory": "/a/./b"}"#.to_owned(), "directory", "absolute"),
        (r#"{"mounts": [{"at": "/usr/..", "use": "run"}]}"#.to_owned(), "mounts[0].at", "absolute"),
        (r#"{"mounts": [{"at": "/", "use": "run"}]}"#.to_owned(), "mounts[0].at", "absolute"),
        (r#"{"mounts": [{"at": "/a\u0000b", "use": "run"}]}"#.to_owned(), "mounts[0].at", "\\u{0}"),
        (r#"{"mounts": [{"at": "/a\u001bb", "use": "run"}]}"#.to_owned(), "mounts[0].at", "\\u{1b}"),
        (r#"{"mounts": [{"at": "/a", "from": "b", "use": "run"}]}"#.to_owned(), "mounts[0].from", "absolute"),
        (r#"{"mounts": [{"at": "/a", "use": "run"}, {"at": "/a", "use": "read"}]}"#.to_owned(), "mounts[1].at", "twice"),
        (r#"{"mounts": [{"at": "/proc/sys", "use": "write"}]}"#.to_owned(), "mounts[0].at", "laid out by the sandbox"),
        (r#"{"mounts": [{"at": "/dev", "use": "read"}]}"#.to_owned(), "mounts[0].at", "laid out by the sandbox"),
        (r#"{"mounts": [{"at": "/data", "use": "read"}]}"#.to_owned(), "mounts[0].at", "to write"),
        (r#"{"mounts": [{"at": "/log", "use": "socket"}]}"#.to_owned(), "mounts[0].at", "/run/NAME"),
        (r#"{"mounts": [{"at": "/run/a/b", "use": "socket"}]}"#.to_owned(), "mounts[0].at", "/run/NAME"),
        (format!(r#"{{"mounts": [{}]}}"#, many(r#"{"at": "/a", "use": "run"}"#)), "mounts", "at most 64"),
        (r#"{"mounts": [{"at": "/a", "use": "run", "reason": "a\nb"}]}"#.to_owned(), "reason", "control character"),
        (r#"{"root": {"folder": "/srv"}, "links": [{"at": "/bin", "to": "x"}]}"#.to_owned(), "links", "assembled"),
        (r#"{"links": [{"at": "/tmp/x", "to": "y"}]}"#.to_owned(), "links[0].at", "mounted there"),
        (
            r#"{"links": [{"at": "/usr", "to": "y"}], "mounts": [{"at": "/usr/lib", "use": "run"}]}"#.to_owned(),
            "links[0].at",
            "mounted there",
        ),
        (r#"{"links": [{"at": "/bin", "to": ""}]}"#.to_owned(), "links[0].to", "empty"),
        (r#"{"profiles": [{"name": "netlink"}]}"#.to_owned(), "profiles[0].name", "is none of"),
        (r#"{"profiles": [{"name": "exec"}]}"#.to_owned(), "profiles[0].name", "contradicts"),
        (r#"{"processes": "single", "profiles": [{"name": "threads"}]}"#.to_owned(), "profiles[0].name", "contradicts"),
        (r#"{"environment": {"A=B": "1"}}"#.to_owned(), "environment.A=B", "not a name"),
        (r#"{"environment": {"LISTEN_FDS": "1"}}"#.to_owned(), "environment.LISTEN_FDS", "not a name"),
        (r#"{"environment": {"A": "\u0000"}}"#.to_owned(), "environment.A", "NUL"),
        (r#"{"limits": {"memory": 0}}"#.to_owned(), "limits.memory", "between"),
        (r#"{"limits": {"processes": 0}}"#.to_owned(), "limits.processes", "between"),
        (r#"{"limits": {"cpu_percent": 999999}}"#.to_owned(), "limits.cpu_percent", "between"),
        (r#"{"limits": {"open_files": 3}}"#.to_owned(), "limits.open_files", "between"),
        (r#"{"limits": {"temporary": "1GiB"}}"#.to_owned(), "limits.temporary", "between"),
        (r#"{"limits": {"temporary": "16MiB", "memory": "8MiB"}}"#.to_owned(), "limits.temporary", "counts as"),
        (r#"{"optional": [{"protection": "own-user", "reason": " "}]}"#.to_owned(), "optional[0].reason", "says nothing"),
    ] {
        let problems = parsed(&text).check();
        let found = problems.iter().any(|problem| problem.path == path && problem.reason.contains(words));
        assert!(found, "{text}: {problems:?} has no `{words}` at `{path}`");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let problems = parsed(r#"{"user": 0, "host_name": "", "mounts": [{"at": "usr", "use": "run"}]}"#).check();
    assert_eq!(problems.len(), 4, "{problems:?}");
}

#[test]
fn the_policies_that_come_with_the_command_are_in_order() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(crate::explain::read(&path).unwrap().check(), [], "{}", path.display());
    }
}
