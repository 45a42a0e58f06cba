//! The kernel's own selftests as a judge of its configuration: from the very source that the kernel is built from, on a
//! kernel with nothing of ours in it, held against `tests/judges/kernel-selftests.toml`.
//!
//! They are built once and kept beside the kernels. [`run`] boots a kernel with them and gives a row per case; [`judge`]
//! wants every case to pass that the file does not excuse with a reason, and every excuse to be needed.

use crate::{
    attacks::keep,
    bare::{Bare, Root, options_of, put_busybox},
    image,
    libraries::{pack_libraries, pack_program},
    workspace::top,
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use image_builder::{
    Output, Silent,
    files::hex,
    kernel::{self, source::Source},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Longest run of a kernel, in the short form and in the long one.
const LIMITS: [Duration; 2] = [Duration::from_secs(1200), Duration::from_secs(3 * 3600)];
/// Longest run of a program in seconds, where the file does not say otherwise; on two busy cores without KVM.
const PROGRAM_LIMIT: u32 = 120;
/// Some tests use a few hundred MiB.
const MEMORY_MIB: u32 = 1024;
/// Tests write beside themselves, and some want a file system that lies on a disk.
const DISK_MIB: u32 = 1024;
/// Raised when the way they are built changes.
const REVISION: u8 = 1;
/// The exit status by which a selftest says that it skips (tools/testing/selftests/kselftest.h).
const SKIP: i32 = 4;

/// `kernel-selftests.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Judge {
    /// Folders of tools/testing/selftests, and with that their names as make's targets.
    pub targets: Vec<String>,
    /// Cases that pass at least, by kernel, in the short form: a run that did nothing must not count.
    pub passing: BTreeMap<String, usize>,
    /// Programs that the source does not list though it builds them.
    #[serde(default)]
    pub unlisted: Vec<String>,
    /// Programs with a limit of their own in seconds.
    #[serde(default)]
    pub seconds: BTreeMap<String, u32>,
    /// Programs that are left to the long form, and those that are never run.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// What need not pass.
    #[serde(default)]
    pub excused: Vec<Excuse>,
}

/// Programs that are not run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// `TARGET:PROGRAM`.
    pub programs: Vec<String>,
    /// Whether the long form runs them.
    pub long: bool,
    /// For people.
    pub why: String,
}

/// Cases that do not pass, and why that is right.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excuse {
    /// `product`, `attack`, or both.
    pub kernels: Vec<String>,
    /// How they end.
    pub ends: Outcome,
    /// `TARGET:PROGRAM` or `TARGET:PROGRAM/CASE`; a `*` at the end stands for any end.
    pub cases: Vec<String>,
    /// For people, checked in the test's source.
    pub why: String,
}

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should.
    Pass,
    /// It does not apply here, says the test.
    Skip,
    /// Otherwise.
    Fail,
}

/// A case, `TARGET:PROGRAM` or `TARGET:PROGRAM/CASE`, how it ended, and what the test said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub case: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Words of the test, or of the shell.
    pub words: String,
}

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// What a gate has time for.
    Short,
    /// Everything that can run here.
    Long,
}

/// Reads the file.
pub fn judgement() -> Result<Judge> {
    let path = top().join("tests/judges/kernel-selftests.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let judge: Judge = toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
    let reasons = judge.excused.iter().map(|e| &e.why).chain(judge.left_out.iter().map(|l| &l.why));
    ensure!(reasons.into_iter().all(|why| !why.trim().is_empty()), "{}: a reason is empty", path.display());
    Ok(judge)
}

/// Runs the selftests on the kernel of an image.
pub fn run(judge: &Judge, form: Form, image: &Output, name: &str) -> Result<Vec<Row>> {
    let built = build(&judge.targets)?;
    let programs = judge.programs(form, &fs::read_to_string(built.join("kselftest-list.txt"))?)?;
    let root = tempfile::tempdir()?;
    lay_out(root.path(), &built, &judge.plan(&programs))?;
    // Of what the kernel is told on a device this stays; mitigations change nothing here but the time it takes.
    // BusyBox's mount holds a loop device, which the product lacks, open for writing while it mounts it.
    let options = format!("{} loglevel=1 mitigations=off bdev_allow_write_mounted=1", options_of(image)?);
    let kind = Root::Writable(DISK_MIB);
    let limit = if form == Form::Short { LIMITS[0] } else { LIMITS[1] };
    let bare = Bare { image, root: root.path(), kind, options: &options, memory_mib: MEMORY_MIB, limit };
    let text = bare.run_until("selftests are done", &[], &format!("selftests-{name}.txt"))?;
    let rows = rows_of(&text);
    let lines = rows.iter().map(|row| format!("{}\t{:?}\t{}\n", row.case, row.outcome, row.words));
    keep(&format!("selftests-{name}.tsv"), &lines.collect::<String>())?;
    let ran: BTreeSet<&str> = rows.iter().map(|row| program_of(&row.case)).collect();
    let missing: Vec<_> = programs.iter().filter(|program| !ran.contains(program.as_str())).collect();
    ensure!(missing.is_empty(), "these left no row: {missing:?}");
    Ok(rows)
}

impl Judge {
    /// What is run in a form, of the programs that the source lists. What is left out must be there to be left out.
    fn programs(&self, form: Form, list: &str) -> Result<Vec<String>> {
        let listed: Vec<&str> = list.lines().chain(self.unlisted.iter().map(String::as_str)).collect();
        let left_out: Vec<_> = self.left_out.iter().flat_map(|l| l.programs.iter().map(move |program| (program, l))).collect();
        if let Some((unknown, _)) = left_out.iter().find(|(program, _)| !listed.contains(&program.as_str())) {
            bail!("kernel-selftests.toml leaves {unknown} out, which the source does not have");
        }
        let runs = |program: &&str| {
            let reason = left_out.iter().find(|(name, _)| name == program);
            reason.is_none_or(|(_, reason)| reason.long && form == Form::Long)
        };
        Ok(listed.into_iter().filter(runs).map(str::to_owned).collect())
    }

    /// Lines for `tests/judges/selftests/run.sh`.
    fn plan(&self, programs: &[String]) -> String {
        let line = |program: &String| {
            let (target, name) = program.split_once(':').unwrap_or_default();
            format!("{target} {name} {}\n", self.seconds.get(program).copied().unwrap_or(PROGRAM_LIMIT))
        };
        programs.iter().map(line).collect()
    }
}

/// Every row passes or is excused; every excuse for this kernel is needed, and covers nothing that passes.
pub fn judge(judge: &Judge, form: Form, kernel: &str, rows: &[Row]) -> Result<()> {
    let ran: BTreeSet<&str> = rows.iter().map(|row| program_of(&row.case)).collect();
    let excuses: Vec<(&Excuse, &String)> = judge
        .excused
        .iter()
        .filter(|excuse| excuse.kernels.iter().any(|name| name == kernel))
        .flat_map(|excuse| excuse.cases.iter().map(move |case| (excuse, case)))
        .collect();
    let mut wrong = Vec::new();
    for row in rows.iter().filter(|row| row.outcome != Outcome::Pass) {
        if !excuses.iter().any(|(excuse, case)| covers(case, &row.case) && excuse.ends == row.outcome) {
            wrong.push(format!("{}: {:?}: {}", row.case, row.outcome, row.words));
        }
    }
    for (excuse, case) in excuses.iter().filter(|(_, case)| ran.contains(program_of(case))) {
        let covered: Vec<_> = rows.iter().filter(|row| covers(case, &row.case)).collect();
        if let Some(row) = covered.iter().find(|row| row.outcome != excuse.ends) {
            wrong.push(format!("{case} is excused to {:?}, and {} ends {:?}", excuse.ends, row.case, row.outcome));
        }
        if covered.is_empty() {
            wrong.push(format!("{case} is excused, and there is no such case"));
        }
    }
    let passing = rows.iter().filter(|row| row.outcome == Outcome::Pass).count();
    let least = *judge.passing.get(kernel).with_context(|| format!("no number of passing cases for {kernel}"))?;
    if passing < least {
        wrong.push(format!("{passing} cases pass, at least {least} did"));
    }
    ensure!(wrong.is_empty(), "{kernel}, {form:?} form, {} findings:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

fn covers(pattern: &str, case: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == case, |beginning| case.starts_with(beginning))
}

/// The program of `TARGET:PROGRAM/CASE`. A target may have a `/` in it, a program has none.
fn program_of(case: &str) -> &str {
    let colon = case.find(':').unwrap_or(0);
    let end = case.get(colon..).and_then(|rest| rest.find('/')).map_or(case.len(), |at| colon + at);
    case.get(..end).unwrap_or(case).trim_end_matches('*')
}

/// Rows of what the selftests printed between `selftest begins` and `selftest ends`.
pub fn rows_of(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut cases: Vec<Row> = Vec::new();
    let mut said: Vec<&str> = Vec::new();
    let mut planned = None;
    for line in text.lines().map(str::trim_end) {
        if let Some(program) = line.strip_prefix("selftest begins ") {
            (cases, said, planned) = (Vec::new(), vec![program], None);
        } else if let Some(end) = line.strip_prefix("selftest ends ") {
            // The seconds it took are for people.
            let (program, status) = end.split_once(' ').unwrap_or((end, ""));
            let status = status.split(' ').next().unwrap_or_default();
            if let Some(row) = whole(program, status, planned, &cases, &said) {
                cases.push(row);
            }
            rows.append(&mut cases);
        } else if let (Some(row), Some(program)) = (case_in(line), said.first()) {
            let case = format!("{program}/{}", row.case);
            // Some print one name for two cases.
            let same = cases.iter().filter(|other| other.case == case || other.case.starts_with(&format!("{case} ("))).count();
            let case = if same == 0 { case } else { format!("{case} ({})", same + 1) };
            cases.push(Row { case, ..row });
        } else {
            planned = line.strip_prefix("1..").map(|rest| rest.split(' ').next().unwrap_or_default()).or(planned);
            said.push(line);
        }
    }
    rows
}

/// The row of a program itself: where it has no cases, or ended in a way that its cases do not tell.
fn whole(program: &str, status: &str, planned: Option<&str>, cases: &[Row], said: &[&str]) -> Option<Row> {
    let planned = planned.and_then(|number| number.parse::<usize>().ok());
    let failed = cases.iter().any(|row| row.outcome == Outcome::Fail);
    let skipped = cases.iter().any(|row| row.outcome == Outcome::Skip);
    let status: Option<i32> = status.parse().ok();
    let outcome = match status {
        Some(0) if cases.is_empty() && planned == Some(0) => Outcome::Skip,
        Some(0) if cases.is_empty() => Outcome::Pass,
        Some(SKIP) if cases.is_empty() => Outcome::Skip,
        // A test that had said how many cases it has, and did not come to all of them.
        Some(0 | 1 | SKIP) if planned.is_some_and(|planned| planned > cases.len()) => Outcome::Fail,
        Some(0) => return None,
        Some(SKIP) if skipped => return None,
        Some(1) if failed => return None,
        _ => Outcome::Fail,
    };
    let last = said.iter().rev().filter(|line| !line.is_empty()).take(3).copied().collect::<Vec<_>>();
    let words = format!("status {}, {} cases: {}", status.unwrap_or(-1), cases.len(), last.join(" < "));
    Some(Row { case: program.to_owned(), outcome, words })
}

/// A line of KTAP: `ok NUMBER NAME # DIRECTIVE WORDS`, `not ok …`.
fn case_in(line: &str) -> Option<Row> {
    let (failed, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix("ok ")?),
    };
    let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    number.parse::<u32>().ok()?;
    let (name, words) = rest.split_once(" # ").or_else(|| rest.split_once("# ")).unwrap_or((rest, ""));
    // kselftest.h has the name of a case that skips behind the word.
    let name = if name.is_empty() { words.split_once(' ').map_or("", |(_, name)| name) } else { name };
    let outcome = match (failed, words.split(' ').next()) {
        (_, Some("SKIP")) => Outcome::Skip,
        (false, _) | (true, Some("TODO" | "XFAIL")) => Outcome::Pass,
        (true, _) => Outcome::Fail,
    };
    let name = name.trim_start_matches("- ").trim();
    Some(Row { case: name.to_owned(), outcome, words: words.to_owned() })
}

/// Builds the selftests of these targets, or finds them built: `~/.cache/holdfast/selftests/KEY`.
fn build(targets: &[String]) -> Result<PathBuf> {
    let source = Source::find(None, &mut Silent)?;
    let compiler = Command::new("gcc").arg("--version").output().context("cannot run gcc")?;
    let parts = [source.version.as_bytes(), targets.join(" ").as_bytes(), &compiler.stdout, &[REVISION]].concat();
    let key: String = hex(&Sha256::digest(&parts)).chars().take(20).collect();
    let cache = kernel::cache()?.with_file_name("selftests");
    let place = cache.join(&key);
    fs::create_dir_all(&cache)?;
    let lock = fs::File::create(cache.join(format!("{key}.lock")))?;
    lock.lock().context("cannot lock the cache of selftests")?;
    if !place.exists() {
        let work = place.with_extension("building");
        if work.exists() {
            fs::remove_dir_all(&work)?;
        }
        let (tree, installed) = (work.join("source"), work.join("installed"));
        fs::create_dir_all(&tree)?;
        source.lay_into(&tree, &mut Silent)?;
        make(&tree, &["headers"])?;
        let install = [
            "-C".to_owned(),
            "tools/testing/selftests".to_owned(),
            // Otherwise make goes on when a target cannot be built.
            "FORCE_TARGETS=1".to_owned(),
            format!("TARGETS={}", targets.join(" ")),
            "install".to_owned(),
            format!("INSTALL_PATH={}", installed.display()),
        ];
        make(&tree, &install.each_ref().map(String::as_str))?;
        fs::rename(&installed, &place)?;
        fs::remove_dir_all(&work)?;
    }
    Ok(place)
}

fn make(tree: &Path, words: &[&str]) -> Result<()> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut command = Command::new("nice");
    command.args(["make", "--silent", "ARCH=x86"]).arg(format!("-j{jobs}")).args(words).current_dir(tree);
    for name in ["MAKEFLAGS", "CFLAGS", "LDFLAGS", "CROSS_COMPILE", "CC", "KBUILD_OUTPUT"] {
        command.env_remove(name);
    }
    let output = command.output().context("cannot run make")?;
    let words = words.join(" ");
    ensure!(output.status.success(), "make {words} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A root with BusyBox, the selftests and what they are linked with.
fn lay_out(root: &Path, built: &Path, plan: &str) -> Result<()> {
    fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
    for folder in ["dev", "etc", "proc", "root", "run", "sys", "tmp", "mnt"] {
        fs::create_dir_all(root.join(folder))?;
    }
    put_busybox(root)?;
    for program in ["/sbin/mkfs.ext4", "/bin/bash", "/usr/bin/lscpu"] {
        pack_program(Path::new(program), root, program.rsplit('/').next().unwrap_or(program))?;
    }
    // What unmounts file systems of users; here root does.
    fs::write(root.join("bin/fusermount"), "#!/bin/sh\nshift\nexec umount \"$@\"\n")?;
    fs::set_permissions(root.join("bin/fusermount"), fs::Permissions::from_mode(0o755))?;
    // A test runs it under another name, as which BusyBox would not know what to do.
    fs::remove_file(root.join("bin/true"))?;
    fs::copy(built.join("landlock/true"), root.join("bin/true"))?;
    std::os::unix::fs::symlink("bin/busybox", root.join("init"))?;
    fs::write(root.join("etc/inittab"), "::sysinit:/bin/sh /run-selftests\n")?;
    fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")?;
    fs::write(root.join("etc/group"), "root:x:0:\nnogroup:x:65534:\n")?;
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n::1 localhost\n")?;
    fs::copy(top().join("tests/judges/selftests/run.sh"), root.join("run-selftests"))?;
    fs::write(root.join("plan"), plan)?;
    let selftests = root.join("selftests");
    let copied = Command::new("cp").arg("--archive").arg(built).arg(&selftests).status().context("cannot run cp")?;
    ensure!(copied.success(), "cp failed on {}", built.display());
    let found = Command::new("find").arg(&selftests).args(["-type", "f", "-perm", "/111"]).output().context("cannot run find")?;
    let is_elf = |path: &Path| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"));
    for program in String::from_utf8_lossy(&found.stdout).lines().map(Path::new).filter(|path| is_elf(path)) {
        pack_libraries(program, root)?;
        // Their symbols are most of their size.
        let stripped = Command::new("strip").arg("--strip-debug").arg(program).status().context("cannot run strip")?;
        ensure!(stripped.success(), "strip failed on {}", program.display());
    }
    Ok(())
}

/// The image whose kernel goes by this name.
pub fn image_of(kernel: &str) -> Result<Output> {
    match kernel {
        "product" => image::product(),
        "attack" => image::attack(),
        other => Err(anyhow!("no kernel goes by the name {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(String, Outcome)> {
        rows_of(text).into_iter().map(|row| (row.case, row.outcome)).collect()
    }

    #[test]
    fn cases_are_read_from_what_a_program_prints_and_its_status_counts_where_they_do_not_tell() {
        let text = "noise\nselftest begins a/b:c\nTAP version 13\r\n1..3\nok 1 one\nok 2 two # SKIP no net\nnot ok 3 - three\n\
                    selftest ends a/b:c 1 20\nselftest begins d:e\nfine\nselftest ends d:e 0 1\nselftest begins f:g\nselftest ends f:g 4\n";
        let expected = [("a/b:c/one", Outcome::Pass), ("a/b:c/two", Outcome::Skip), ("a/b:c/three", Outcome::Fail)];
        let expected = expected.into_iter().chain([("d:e", Outcome::Pass), ("f:g", Outcome::Skip)]);
        assert_eq!(rows(text), expected.map(|(case, outcome)| (case.to_owned(), outcome)).collect::<Vec<_>>());
    }

    #[test]
    fn a_program_that_breaks_off_fails_even_if_all_its_cases_passed() {
        for (middle, status) in [("1..2\nok 1 x", "0"), ("ok 1 x", "139"), ("ok 1 x", "137"), ("", "1"), ("ok 1 x", "1")] {
            let rows = rows(&format!("selftest begins t:p\n{middle}\n\nselftest ends t:p {status} 3\n"));
            assert_eq!(rows.last(), Some(&("t:p".to_owned(), Outcome::Fail)), "{middle} {status}");
        }
    }

    fn file(excused: &str) -> Judge {
        toml::from_str(&format!("targets = []\npassing = {{ product = 1 }}\n{excused}")).unwrap()
    }

    #[test]
    fn cases_of_one_name_are_told_apart() {
        let text = "selftest begins t:p\nok 1 x\nnot ok 2 x\nok 3 x\nselftest ends t:p 1 0\n";
        let names: Vec<String> = rows(text).into_iter().map(|(case, _)| case).collect();
        assert_eq!(names, ["t:p/x", "t:p/x (2)", "t:p/x (3)"]);
    }

    const ROWS: &str = "selftest begins t:p\n1..3\nok 1 x\nok 2 y # SKIP z\nok 3 yy # SKIP z\nselftest ends t:p 0\n";
    const EXCUSE: &str = "[[excused]]\nkernels = [\"product\"]\nends = \"skip\"\ncases = [\"t:p/y*\"]\nwhy = \"there is no z\"\n";

    #[test]
    fn what_is_not_excused_and_an_excuse_that_is_not_needed_both_fail() {
        let rows = rows_of(ROWS);
        let judged = |text: &str| judge(&file(text), Form::Short, "product", &rows).map_err(|e| e.to_string());
        judged(EXCUSE).unwrap();
        assert!(judged("").unwrap_err().contains("t:p/y: Skip"));
        assert!(judged(&EXCUSE.replace("skip", "fail")).unwrap_err().contains("t:p/y: Skip"));
        assert!(judged(&EXCUSE.replace("y*", "*")).unwrap_err().contains("t:p/x ends Pass"));
        assert!(judged(&EXCUSE.replace("\"t:p/y*\"", "\"t:p/y*\", \"t:p/gone\"")).unwrap_err().contains("no such case"));
        // What another form runs is not judged here.
        judged(&EXCUSE.replace("\"t:p/y*\"", "\"t:p/y*\", \"t:q/gone\"")).unwrap();
    }

    #[test]
    fn a_run_that_did_nothing_fails() {
        assert!(judge(&file(""), Form::Short, "product", &[]).unwrap_err().to_string().contains("0 cases pass"));
    }

    #[test]
    fn what_is_left_out_must_be_there_and_the_long_form_runs_what_it_says() {
        let text = "[[left-out]]\nprograms = [\"t:slow\"]\nlong = true\nwhy = \"slow\"\n";
        let list = "t:p\nt:slow\n";
        assert_eq!(file(text).programs(Form::Short, list).unwrap(), ["t:p"]);
        assert_eq!(file(text).programs(Form::Long, list).unwrap(), ["t:p", "t:slow"]);
        assert!(file(text).programs(Form::Long, "t:p\n").is_err());
    }
}
