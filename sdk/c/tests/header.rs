//! The header is what the sources say, and a program in C and one in Python run with it.

use fs_err as fs;
use std::{
    io::{BufRead, BufReader, Read},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_checked_in_header_is_that_of_the_sources() {
    let config = cbindgen::Config::from_file(folder().join("cbindgen.toml")).unwrap();
    let mut made = Vec::new();
    cbindgen::Builder::new().with_crate(folder()).with_config(config).generate().unwrap().write(&mut made);
    let path = folder().join("include/holdfast.h");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let checked_in = fs::read(&path).unwrap_or_default();
    assert!(made == checked_in, "holdfast.h is not what the sources say; run this test with UPDATE_GENERATED=1");
}

/// The library as programs link it.
fn library(name: &str) -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let built = Command::new(cargo).args(["build", "--quiet", "--locked", "-p", "holdfast-sdk-c"]).status().unwrap();
    assert!(built.success());
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join(name)
}

/// Runs a program as a device would, with the descriptor `GREETING` and storage; what it told its manager, and what it printed.
fn run(program: &mut Command) -> (Vec<String>, String) {
    let work = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(work.path().join("notify")).unwrap();
    manager.set_nonblocking(true).unwrap();
    fs::create_dir(work.path().join("data")).unwrap();
    fs::write(work.path().join("greeting"), "good morning\n").unwrap();
    // The shell opens the third descriptor, which is the first of those that are passed.
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" 3<\"$GREETING\"", "sh"]).arg(program.get_program()).args(program.get_args());
    let child = shell
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("GREETING", work.path().join("greeting"))
        .env("NOTIFY_SOCKET", work.path().join("notify"))
        .env("HOLDFAST_STORAGE", work.path().join("data"))
        .env("WATCHDOG_USEC", "3000000")
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", "GREETING")
        .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    let mut printed = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_to_string(&mut printed).unwrap();
    assert!(child.wait().unwrap().success(), "{printed}");
    let mut told = Vec::new();
    let mut bytes = [0; 256];
    while let Ok(length) = manager.recv(&mut bytes) {
        told.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
    }
    (told, printed)
}

fn expect(told: &[String], printed: &str) {
    assert_eq!(told, ["READY=1", "STATUS=2 presses", "WATCHDOG=1", "STOPPING=1"], "{printed}");
    let lines: Vec<&str> = printed.lines().collect();
    let expected = [
        "ping 1000",
        "greeting good morning",
        "again EACCES",
        "none ENOENT",
        "stored 42",
        "short ERANGE",
        "bad EINVAL",
        "ask EACCES",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_program_in_c_uses_it() {
    let work = tempfile::tempdir().unwrap();
    let program = work.path().join("program");
    let compiled = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .arg(folder().join("tests/program.c"))
        .arg("-I")
        .arg(folder().join("include"))
        .arg(library("libholdfast.a"))
        .args(["-lutil", "-lrt", "-lpthread", "-lm", "-ldl"])
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let (told, printed) = run(&mut Command::new(&program));
    expect(&told, &printed);
}

/// What C programmers read is the header, so the examples are taken from there.
#[test]
fn each_module_shows_a_use_in_the_header_and_all_of_them_compile() {
    let header = fs::read_to_string(folder().join("include/holdfast.h")).unwrap();
    let examples: Vec<&str> = header.split("```c\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    for file in fs::read_dir(folder().join("src")).unwrap() {
        let path = file.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        assert!(!source.contains("#[unsafe(no_mangle)]") || source.contains("/// ```c\n"), "{} shows no use", path.display());
    }
    let includes = "#include <holdfast.h>\n#include <poll.h>\n#include <stdio.h>\n#include <unistd.h>\n";
    let functions =
        examples.iter().enumerate().map(|(n, example)| format!("int example{n}(void)\n{{\n{example}\nreturn 0;\n}}\n"));
    let work = tempfile::tempdir().unwrap();
    let program = work.path().join("examples.c");
    fs::write(&program, includes.to_owned() + &functions.collect::<String>()).unwrap();
    let flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"];
    let compiled = Command::new("cc").args(flags).arg(folder().join("include")).arg(&program).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
}

/// Those that need a device are skipped.
#[test]
fn the_examples_of_pythons_module_run() {
    let storage = tempfile::tempdir().unwrap();
    let mut command = Command::new("python3");
    command.args(["-m", "doctest", "-v"]).arg(folder().join("../python/holdfast.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("HOLDFAST_LIBRARY", library("libholdfast.so")).env("HOLDFAST_STORAGE", storage.path());
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !printed.contains("\n0 passed"), "{printed}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_program_in_python_uses_it() {
    let python = folder().join("../python");
    let mut command = Command::new("python3");
    command.arg(python.join("tests/program.py")).env("PYTHONPATH", &python).env("HOLDFAST_LIBRARY", library("libholdfast.so"));
    let (told, printed) = run(&mut command);
    expect(&told, &printed);
}

#[test]
fn the_header_names_every_function_that_the_library_has() {
    let output = Command::new("nm").args(["--defined-only", "--dynamic"]).arg(library("libholdfast.so")).output().unwrap();
    let header = fs::read_to_string(folder().join("include/holdfast.h")).unwrap();
    let symbols = output.stdout.lines().map_while(Result::ok);
    let ours: Vec<String> = symbols
        .filter_map(|line| Some(line.split_whitespace().nth(2)?.to_owned()))
        .filter(|name| name.starts_with("holdfast_"))
        .collect();
    assert!(ours.len() > 10, "{ours:?}");
    for name in ours {
        assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
    }
}
