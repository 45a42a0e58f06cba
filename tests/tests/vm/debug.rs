//! An app under its owner's debugger, inside its own sandbox; and images that let nobody do that.

use anyhow::{Context, Result, anyhow, ensure};
use harness::{
    command::{holdfast, holdfast_with},
    device::{APP, DOORBELL, component},
    forge, image,
    machine::{Machine, Options, run, shared},
    programs,
    wait::wait_for,
    workspace::top,
};
use manifest::api::{AppState, ErrorClass};
use serde_json::json;
use std::{
    fs,
    io::{Read, Seek},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// Longest session, a slow machine included.
const GDB: Duration = Duration::from_secs(120);

#[test]
fn gdb_stops_an_app_inside_its_sandbox_where_the_image_lets_apps_be_debugged() -> Result<()> {
    let work = tempfile::tempdir()?;
    let image = image::variant(work.path(), "qemu-test.json", |description| description["debug"] = json!("developer"))?;
    let program = doorbell_with_symbols(work.path())?;
    run("debug", Options { image, ..Options::test_image()? }, |machine| {
        let mut manifest: serde_json::Value = serde_json::from_slice(&programs::doorbell_manifest()?)?;
        manifest["Holdfast"]["Watchdog"] = json!(2);
        let bundle = forge::pack(forge::root_with(&program)?.path(), &serde_json::to_vec(&manifest)?, 1)?.bundle()?;
        machine.device()?.install(bundle)?;
        let first = ready_after(machine, 0)?;
        let line = counting_line()?;
        let said = debugged(
            machine,
            &program,
            &[
                &format!("break main.rs:{line}"),
                "continue",
                "backtrace",
                "info threads",
                // Where the next call puts its way back: the processor's own debug registers.
                "watch -location *(($sp - 8) as *mut u64)",
                "continue",
                // Twice as long as its watchdog would let it be silent.
                "shell sleep 5",
                "info proc",
                "kill",
            ],
            |pid, _| {
                confined(machine, pid)?;
                let second = machine.device()?.client().debug(&component(DOORBELL)?, TcpListener::bind("127.0.0.1:0")?, || ());
                let words = format!("{:#}", second.err().context("a second session ends the first")?);
                ensure!(words.contains("is being debugged already"), "{words}");
                machine.buttons().press("DOORBELL_BUTTON")
            },
        )?;
        let caught = format!("src/main.rs:{line}");
        for words in [caught.as_str(), "* 1    Thread", "Hardware watchpoint 2", "Old value = ", "exe = '/bin/app'"] {
            ensure!(said.contains(words), "no {words} in what gdb said:\n{said}");
        }
        // How a debugger's session ends is no failure of the app.
        let after = ready_after(machine, first + 1)?;
        let app = machine.device()?.app(DOORBELL)?;
        ensure!(after == first + 2 && app.failures == 0, "{app:?}");
        // gdbserver stays after both of these, and the app with it.
        debugged(machine, &program, &["detach"], |_, _| Ok(()))?;
        ensure!(ready_after(machine, after + 1)? == after + 2, "the app runs on as gdb left it");
        debugged(machine, &program, &["continue"], |_, gdb| Ok(gdb.kill()?))?;
        ensure!(ready_after(machine, after + 3)? == after + 4, "the app runs on although gdb was killed");
        // What lets ptrace through is the debugged start alone: the filter of this one is that of any app.
        let policy = machine.device()?.client().policy(&component(DOORBELL)?)?;
        let filter = policy.in_force.iter().find(|line| line.contains("seccomp filter")).context("it has no filter")?;
        ensure!(!filter.contains("debug"), "{filter}");
        let options = machine.inside().text("/proc/cmdline")?;
        ensure!(options.contains("proc_mem.force_override=never"), "memory can be written by force: {options}");
        Ok(())
    })
}

#[test]
fn an_image_that_does_not_say_so_lets_nobody_debug_apps_and_has_no_debugger() -> Result<()> {
    shared(|machine| {
        let device = machine.device()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let refused = device.client().debug(&component(DOORBELL)?, listener, || ());
        let body = refused.err().context("the device let an app be debugged")?;
        let api_client::ClientError::Refused { body, .. } = body else { anyhow::bail!("{body}") };
        ensure!(body.class == ErrorClass::Forbidden && body.hint.is_some_and(|hint| hint.contains("debug")), "{}", body.message);
        // Nor would app-manager, had device-api been taken over.
        let answer = machine.inside().ipc("app-manager", &json!({ "debug": { "component": DOORBELL } }))?.to_string();
        ensure!(answer.contains("error") && answer.contains("lets nobody debug apps"), "{answer}");
        ensure!(machine.inside().stat(manifest::places::DEBUG_TOOLS)?.is_none(), "the image has a debugger");
        Ok(())
    })
}

/// The doorbell as `holdfast app build` makes it, with its symbols.
fn doorbell_with_symbols(work: &Path) -> Result<PathBuf> {
    let folder = top().join("samples/doorbell").to_string_lossy().into_owned();
    holdfast(&["app", "build", &folder, "-o", &work.join("doorbell.bundle").to_string_lossy()])?;
    let symbols = holdfast_cli::crash::store::files_below(&top().join("build/symbols"))?;
    let newest = symbols.into_iter().max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
    newest.context("`app build` kept no symbols")
}

/// Where the doorbell counts a press, 1-based.
fn counting_line() -> Result<usize> {
    let source = fs::read_to_string(top().join("samples/doorbell/src/main.rs"))?;
    let at = source.lines().position(|line| line.contains("self.count.increase()"));
    Ok(1 + at.context("the doorbell no longer counts there")?)
}

/// Waits for the doorbell to be ready in a start after `generation`; which.
fn ready_after(machine: &Machine, generation: u64) -> Result<u64> {
    let device = machine.device()?;
    let app = || Ok(Some(device.app(DOORBELL)?).filter(|app| app.generation > generation && app.state == AppState::Ready));
    Ok(wait_for(format!("the doorbell to be ready after start {generation}"), APP, app)?.generation)
}

/// Runs gdb with these commands against the doorbell, as `holdfast app debug` connects it; `meanwhile` is given the pid of the
/// debugged start's first process when that is ready, and gdb. What gdb said.
fn debugged(
    machine: &Machine,
    program: &Path,
    commands: &[&str],
    meanwhile: impl FnOnce(u32, &mut Child) -> Result<()>,
) -> Result<String> {
    let before = machine.device()?.app(DOORBELL)?.generation;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut gdb = Command::new("gdb");
    gdb.args(["-batch", "-nx", "-ex", "set pagination off", "-ex", "set confirm off", "-ex", "set tcp connect-timeout 60"]);
    gdb.args(["-ex", &format!("target remote 127.0.0.1:{port}")]);
    gdb.args(commands.iter().flat_map(|command| ["-ex", command]));
    let mut output = tempfile::tempfile()?;
    gdb.arg(program).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    thread::scope(|scope| {
        let session = scope.spawn(|| holdfast_with(machine, &["app", "debug", "doorbell", "--port", &port.to_string()]));
        let mut gdb = gdb.spawn().context("cannot run gdb")?;
        let started = ready_after(machine, before);
        let acted = started.and_then(|_| {
            let app = machine.device()?.app(DOORBELL)?;
            meanwhile(app.pid.context("it does not run")?, &mut gdb)
        });
        let ended = wait_for("gdb to end", GDB, || Ok(gdb.try_wait()?));
        if ended.is_err() {
            gdb.kill()?;
            gdb.wait()?;
        }
        session.join().map_err(|_| anyhow!("`holdfast app debug` panicked"))??;
        let mut said = Vec::new();
        output.rewind()?;
        output.read_to_end(&mut said)?;
        let said = String::from_utf8_lossy(&said).into_owned();
        acted.and(ended).with_context(|| format!("gdb said:\n{said}")).map(|_| said)
    })
}

/// Debugger and app are held like any app: no capability, an app's user, a filter, no way to more rights.
fn confined(machine: &Machine, first: u32) -> Result<()> {
    let processes = machine.inside().processes()?;
    let uid = machine.device()?.app(DOORBELL)?.uid.to_string();
    let apps: Vec<_> = processes.iter().filter(|process| process.field("Uid").starts_with(&uid)).collect();
    ensure!(apps.len() == 3, "the reaping init {first}, gdbserver and the app, not {}", apps.len());
    for process in apps {
        let held = process.field("Seccomp") == "2" && process.field("NoNewPrivs") == "1";
        let bare = ["CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"].iter().all(|set| process.field(set) == "0000000000000000");
        ensure!(held && bare, "{}: {}", process.exe, process.field("CapEff"));
    }
    Ok(())
}
