//! The attack suite: its table, its rows, its page. What the three arms are for stands in tests/escape/README.md.

use crate::{
    bare::{Bare, Root},
    forge, image,
    programs::static_program,
    wait::wait_for,
    workspace::top,
};
use anyhow::{Context, Result, ensure};
use manifest::api::LogLine;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The page made from the table.
pub const PAGE: &str = "docs/attacks.md";
/// Longest run of all arms on two busy cores without KVM.
const LIMIT: Duration = Duration::from_secs(1200);
/// For the kernel. Mitigations change how fast this machine is, and nothing else here.
pub const OPTIONS: &str = "console=ttyS0 loglevel=1 panic=-1 mitigations=off";
/// The layer that is a setting of the kernel; the machine of the arms sets it, not the sandbox.
const SETTINGS: &str = "settings";
/// What a refusal looks like; an attack whose layers are all off must not end so.
const REFUSALS: &[&str] =
    &["EPERM", "EACCES", "ENOENT", "EROFS", "ENOSYS", "EAFNOSUPPORT", "SIGSYS", "ELOOP", "EAGAIN", "EMFILE"];

/// `attacks.toml`: groups of attacks by name.
pub type Table = BTreeMap<String, BTreeMap<String, Attack>>;

/// One attack: who stands against it, and what is seen in each arm.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Attack {
    /// What it does, for people.
    pub what: String,
    /// The layers that refuse it, the one that answers first at the front.
    pub layers: Vec<String>,
    /// What it ends with where all layers are on: the name of an errno or signal.
    pub on: String,
    /// The same on the product's kernel, where that is another word.
    pub device: Option<String>,
    /// What it ends with where the first layer is off.
    pub first_off: Option<String>,
    /// What it ends with where all its layers are off: `worked`, or the errno that shows that the door was open.
    #[serde(default = "worked")]
    pub off: String,
    /// Why it cannot work even then: the kernel, built with all it has, lacks it.
    pub absent: Option<String>,
    /// `exec` where the attack needs an app that may run programs of its image.
    #[serde(default)]
    pub processes: Processes,
    /// Layers that go too when all are off, because they cannot be put in force without one of them.
    #[serde(default)]
    pub also: Vec<String>,
    /// Kernel settings by name: the value that stands for `settings` being on, and the one for off.
    #[serde(default)]
    pub settings: BTreeMap<String, [String; 2]>,
}

/// How the attacking app may use processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Processes {
    /// One program, children of it.
    #[default]
    Fork,
    /// Other programs of its image too.
    Exec,
}

fn worked() -> String {
    "worked".to_owned()
}

/// The arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arm {
    /// An app on a device: product kernel, real launcher, all layers.
    Device,
    /// All layers, on the attack kernel: it is the sandbox that refuses, not a kernel that lacks something.
    On,
    /// Without the first layer.
    FirstOff,
    /// Without all the layers that are named.
    Off,
}

impl Arm {
    /// The arms that run on the attack kernel.
    pub const LEFT_OUT: [Self; 3] = [Self::On, Self::FirstOff, Self::Off];

    /// Its name in rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::On => "all-on",
            Self::FirstOff => "first-off",
            Self::Off => "all-off",
        }
    }
}

/// What was seen: attack and arm, and the word that the probe had for it.
pub type Rows = BTreeMap<(String, Arm), String>;

impl Attack {
    /// What is expected in an arm; none where the arm does not exist.
    pub fn expected(&self, arm: Arm) -> Option<&str> {
        match arm {
            Arm::Device => Some(self.device.as_deref().unwrap_or(&self.on)),
            Arm::On => Some(&self.on),
            Arm::FirstOff => self.first_off.as_deref(),
            Arm::Off => Some(&self.off),
        }
    }

    fn without(&self, arm: Arm) -> Vec<&str> {
        let all = self.layers.iter().map(String::as_str);
        match arm {
            Arm::Device | Arm::On => Vec::new(),
            Arm::FirstOff => all.take(1).collect(),
            Arm::Off => all.chain(self.also.iter().map(String::as_str)).collect(),
        }
    }

    /// A line of the plan that tests/escape/src/arm.rs reads.
    fn plan_line(&self, name: &str, arm: Arm) -> String {
        let without = self.without(arm);
        let setting = |(setting, [on, off]): (&String, &[String; 2])| {
            format!("{setting}={}", if without.contains(&SETTINGS) { off } else { on })
        };
        let settings: Vec<String> = self.settings.iter().map(setting).collect();
        let layers: Vec<&str> = without.iter().copied().filter(|layer| *layer != SETTINGS).collect();
        let listed = |words: String| if words.is_empty() { "-".to_owned() } else { words };
        let processes = if self.processes == Processes::Exec { "exec" } else { "fork" };
        format!("{name} {} {processes} {} {}", arm.name(), listed(layers.join(",")), listed(settings.join(",")))
    }

    /// What is wrong with the row of the table itself.
    fn faults(&self) -> Vec<&'static str> {
        let open = !REFUSALS.contains(&self.off.as_str());
        [
            (self.layers.is_empty(), "no layer stands against it"),
            ((self.layers.len() > 1) != self.first_off.is_some(), "`first-off` is there if and only if there are two layers"),
            (self.first_off.as_deref() == Some("worked"), "it works with the first layer off: the second is none"),
            (self.on == "worked", "it works"),
            (open == self.absent.is_some(), "all layers off, it must work (or be `absent`, with the reason)"),
            (self.layers.iter().any(|l| l == SETTINGS) == self.settings.is_empty(), "`settings` and the layer belong together"),
        ]
        .into_iter()
        .filter_map(|(wrong, what)| wrong.then_some(what))
        .collect()
    }
}

/// Reads the table, and refuses one that contradicts itself.
pub fn table() -> Result<Table> {
    let path = folder().join("attacks.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let table: Table = toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
    let mut seen = BTreeSet::new();
    for (name, attack) in table.values().flatten() {
        let faults = attack.faults();
        ensure!(faults.is_empty(), "attacks.toml, {name}: {}", faults.join("; "));
        ensure!(seen.insert(name), "attacks.toml: {name} stands there twice");
    }
    Ok(table)
}

/// Where the suite's sources lie.
pub fn folder() -> PathBuf {
    top().join("tests/escape")
}

/// Builds the probe.
pub fn build_probe(to: &Path) -> Result<()> {
    let sources = fs::read_dir(folder().join("probe"))?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let sources = sources.iter().filter(|path| path.extension().is_some_and(|e| e == "c"));
    let output = Command::new("gcc")
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-static-pie", "-s", "-o"])
        .arg(to)
        .args(sources)
        .output()
        .context("cannot run gcc")?;
    ensure!(output.status.success(), "gcc failed on the probe:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Names of the attacks that the probe has.
pub fn in_probe(probe: &Path) -> Result<BTreeSet<String>> {
    let output = Command::new(probe).arg("list").output().context("cannot run the probe")?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Compares what was seen with the table; every difference is named.
pub fn judge(table: &Table, rows: &Rows, arms: &[Arm]) -> Result<()> {
    let mut wrong = Vec::new();
    for (name, attack) in table.values().flatten() {
        for arm in arms {
            let seen = rows.get(&(name.clone(), *arm)).map(String::as_str);
            if seen != attack.expected(*arm) {
                let expected = attack.expected(*arm).unwrap_or("no row");
                wrong.push(format!("{name}, {}: {}, expected {expected}", arm.name(), seen.unwrap_or("no row")));
            }
        }
    }
    ensure!(wrong.is_empty(), "{} rows are not what attacks.toml says:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// Runs every attack on the attack kernel, in the arms there.
pub fn run_arms(table: &Table, token: &str) -> Result<Rows> {
    let work = tempfile::tempdir()?;
    let root = work.path();
    for folder in ["bin", "data", "dev", "image", "proc", "run", "sys", "tmp"] {
        fs::create_dir_all(root.join(folder))?;
    }
    build_probe(&root.join("probe"))?;
    fs::copy(static_program("attack-arms", &["attack-arms"])?, root.join("init"))?;
    fs::write(root.join("plan"), plan(table, token))?;
    let bare = Bare { image: &image::attack()?, root, kind: Root::ReadOnly, options: OPTIONS, memory_mib: 256, limit: LIMIT };
    let text = bare.run_until("arms are done:", &["arms failed"], "attack-arms.txt")?;
    // Why a row is `not-run`; a test that fails shows what was printed.
    text.lines().filter(|line| line.starts_with("note ")).for_each(|note| println!("{note}"));
    Ok(rows_of(&text, token))
}

fn plan(table: &Table, token: &str) -> String {
    let mut plan = format!("{token}\n");
    for (name, attack) in table.values().flatten() {
        for arm in Arm::LEFT_OUT.into_iter().filter(|arm| attack.expected(*arm).is_some()) {
            plan.push_str(&attack.plan_line(name, arm));
            plan.push('\n');
        }
    }
    plan
}

/// The rows with this run's token: `row TOKEN ATTACK ARM OUTCOME`.
fn rows_of(text: &str, token: &str) -> Rows {
    let row = |line: &str| {
        let words: Vec<&str> = line.trim().split(' ').collect();
        let ["row", seen, attack, arm, outcome] = words[..] else { return None };
        let arm = Arm::LEFT_OUT.into_iter().find(|known| known.name() == arm)?;
        (seen == token).then(|| ((attack.to_owned(), arm), outcome.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

/// Rows of an app's log: `outcome TOKEN ATTACK OUTCOME`.
pub fn rows_of_log<'a>(lines: impl IntoIterator<Item = &'a str>, token: &str) -> Rows {
    let row = |line: &str| {
        let words: Vec<&str> = line.trim().split(' ').collect();
        let ["outcome", seen, attack, outcome] = words[..] else { return None };
        (seen == token).then(|| ((attack.to_owned(), Arm::Device), outcome.to_owned()))
    };
    lines.into_iter().filter_map(row).collect()
}

/// Leaves something about the run for people, in `build/test`.
pub fn keep(name: &str, text: &str) -> Result<()> {
    let folder = top().join("build/test");
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), text)?)
}

/// The attacking app's root: the probe, and what mounts must make harmless.
pub fn app_root() -> Result<tempfile::TempDir> {
    let work = tempfile::tempdir()?;
    let probe = work.path().join("probe");
    build_probe(&probe)?;
    let root = forge::root_with(&probe)?;
    let etc = root.path().join("etc");
    fs::create_dir_all(&etc)?;
    fs::copy(&probe, root.path().join("bin/set-id"))?;
    let target = etc.join("target");
    fs::write(&target, "target")?;
    if rustix::process::geteuid().is_root() {
        forge::device_node(root.path(), "etc/node", [1, 8])?;
    }
    for (path, mode) in [(root.path().join("bin/set-id"), 0o4755), (target, 0o666), (etc, 0o777)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(root)
}

/// The page that the table and the rows make.
pub fn page(table: &Table) -> String {
    let attacks: Vec<&Attack> = table.values().flat_map(BTreeMap::values).collect();
    let two = attacks.iter().filter(|attack| attack.layers.len() > 1).count();
    let absent: Vec<_> = table.values().flatten().filter(|(_, attack)| attack.absent.is_some()).collect();
    let mut page = format!(
        "<!-- Made from tests/escape/attacks.toml; the test `the_page_of_attacks_says_what_the_table_says` compares. -->\n\
         # Attacks\n\n\
         {} attacks by one hostile program, each in up to four runs. *Device*: as an app, started by the real launcher on the \
         product's kernel. *All on*: the same sandbox on a kernel that has built in what the product leaves out, so that it is \
         the sandbox that refuses. *First off*: without the first of its layers, where there are two ({two} of them). *All \
         off*: without all its layers, where it must work, or the suite fails: a probe that never worked proves nothing. \
         `worked` is the act itself; another word there (EFAULT, EBADF, …) says that a door was open through which the probe \
         sends nothing.\n\n\
         Each run has a token of its own that a canary file holds and that each row repeats. What the same attacks do inside \
         other sandboxes is in [attacks-compared.md](attacks-compared.md).\n",
        attacks.len()
    );
    if !absent.is_empty() {
        page.push_str("\nNot counted as refused, because even the attack kernel lacks what they need:\n\n");
        for (name, attack) in &absent {
            let _ = writeln!(page, "- `{name}`: {}", attack.absent.as_deref().unwrap_or_default());
        }
    }
    for (group, attacks) in table {
        let _ = write!(
            page,
            "\n## {group}\n\n| attack | layers | device | all on | first off | all off |\n| --- | --- | --- | --- | --- | --- |\n"
        );
        for (name, attack) in attacks {
            let word = |arm| attack.expected(arm).unwrap_or("–");
            let _ = writeln!(
                page,
                "| `{name}`: {} | {} | {} | {} | {} | {} |",
                attack.what,
                attack.layers.join(", "),
                word(Arm::Device),
                word(Arm::On),
                word(Arm::FirstOff),
                if attack.absent.is_some() { "absent" } else { word(Arm::Off) }
            );
        }
    }
    page
}

/// Waits until a log has a line that begins so, longer than other apps may take, and gives the log.
pub fn wait_for_line(beginning: &str, mut log: impl FnMut() -> Result<Vec<LogLine>>) -> Result<Vec<LogLine>> {
    wait_for(format_args!("the line `{beginning}`"), LIMIT, || {
        let log = log()?;
        Ok(log.iter().any(|line| line.text.starts_with(beginning)).then_some(log))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attack(text: &str) -> Attack {
        toml::from_str(text).unwrap()
    }

    const GOOD: &str = "what = \"x\"\nlayers = [\"a\", \"settings\"]\non = \"EPERM\"\nfirst-off = \"EACCES\"\n[settings]\n\"k.x\" = [\"1\", \"0\"]\n";

    #[test]
    fn a_plan_leaves_out_what_the_arm_says() {
        let attack = attack(GOOD);
        assert_eq!(attack.faults(), Vec::<&str>::new());
        assert_eq!(attack.plan_line("n", Arm::On), "n all-on fork - k.x=1");
        assert_eq!(attack.plan_line("n", Arm::FirstOff), "n first-off fork a k.x=1");
        assert_eq!(attack.plan_line("n", Arm::Off), "n all-off fork a k.x=0");
    }

    #[test]
    fn a_row_that_proves_nothing_is_a_fault() {
        for (from, to) in [
            ("first-off = \"EACCES\"", "first-off = \"worked\""),
            ("on = \"EPERM\"", "on = \"worked\""),
            ("on = \"EPERM\"", "on = \"EPERM\"\noff = \"EACCES\""),
            ("on = \"EPERM\"", "on = \"EPERM\"\nabsent = \"why\""),
            ("[\"a\", \"settings\"]", "[\"a\", \"b\"]"),
        ] {
            assert!(!attack(&GOOD.replace(from, to)).faults().is_empty(), "{to}");
        }
    }

    #[test]
    fn rows_of_another_run_and_half_rows_do_not_count() {
        let text = "row t a all-on EPERM\nrow old a all-off worked\nrow t a all-off\nnoise row t b all-on EPERM\n";
        let rows = rows_of(text, "t");
        assert_eq!(rows.into_iter().collect::<Vec<_>>(), [(("a".to_owned(), Arm::On), "EPERM".to_owned())]);
    }
}
