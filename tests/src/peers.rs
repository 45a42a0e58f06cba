//! The attack suite inside other projects' sandboxes, on the same kernel in the same machine: what a refusal is worth is
//! seen beside what others refuse, and a probe that nobody refuses would be none.
//!
//! The rows are kept in `tests/escape/compared.tsv`, and `docs/attacks-compared.md` is made from them and the table.

use crate::{
    attacks::{self, Attack, Table},
    bare::{Bare, Root, put_busybox},
    image,
    libraries::pack_program,
    programs::static_program,
    workspace::top,
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The page made from the rows.
pub const PAGE: &str = "docs/attacks-compared.md";
/// Longest run of all on two busy cores without KVM.
const LIMIT: Duration = Duration::from_secs(3600);
/// The app's user, as in tests/escape/src/machine.rs.
const USER: u32 = 123_456;
/// What Debian's packages hold of the defaults of containers.
const CONTAINERS_CONF: &str = "/usr/share/containers/containers.conf";
const SECCOMP: &str = "/usr/share/containers/seccomp.json";
/// Podman's and Docker's limit of processes in a container.
const CONTAINER_PIDS: u32 = 2048;
/// Processes of a sandbox of ours in the suite.
const OUR_PIDS: u32 = 16;

/// Names of the columns beside our own.
pub const PEERS: [&str; 3] = ["bubblewrap", "container", "container-hardened"];
/// The column of our own sandbox.
pub const OURS: &str = "holdfast";

/// What was seen: attack and column, and the word that the probe had for it.
pub type Rows = BTreeMap<(String, String), String>;

/// Another project's sandbox, with what it is told.
struct Peer {
    name: &'static str,
    user: u32,
    command: Vec<String>,
    config: Option<Value>,
}

/// Runs every attack in every peer. Our own column is that of the arm with all layers on.
pub fn run(table: &Table, token: &str) -> Result<Rows> {
    let root = tempfile::tempdir()?;
    let plan = lay_out(root.path(), table, token)?;
    let options = attacks::OPTIONS;
    let image = image::attack()?;
    let bare = Bare { image: &image, root: root.path(), kind: Root::ReadOnly, options, memory_mib: 512, limit: LIMIT };
    let text = bare.run_until("arms are done:", &["arms failed"], "attacks-compared.txt")?;
    let mut rows = rows_of(&text, token);
    let not_run: Vec<_> = rows.iter().filter(|(_, outcome)| *outcome == "not-run").map(|((attack, _), _)| attack).collect();
    ensure!(not_run.is_empty(), "{} launches failed, see build/test/attacks-compared.txt: {not_run:?}", not_run.len());
    ensure!(rows.len() == plan, "{} rows of {plan} launches", rows.len());
    for (name, attack) in table.values().flatten() {
        rows.insert((name.clone(), OURS.to_owned()), attack.on.clone());
    }
    Ok(rows)
}

/// Lays out the root; how many launches are planned.
fn lay_out(root: &Path, table: &Table, token: &str) -> Result<usize> {
    for folder in ["bin", "data", "dev", "image", "peers", "proc", "run", "sys", "tmp"] {
        fs::create_dir_all(root.join(folder))?;
    }
    put_busybox(root)?;
    attacks::build_probe(&root.join("probe"))?;
    fs::copy(static_program("attack-arms", &["attack-arms"])?, root.join("init"))?;
    for program in ["bwrap", "crun"] {
        pack_program(&Path::new("/usr/bin").join(program), root, program)
            .with_context(|| format!("cannot pack {program}: ./test compare installs it"))?;
    }
    let mut plan = format!("{token}\n");
    let mut launches = 0;
    for peer in peers()? {
        let folder = root.join("peers").join(peer.name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("command"), format!("{}\n{}\n", peer.user, peer.command.join("\n")))?;
        if let Some(config) = &peer.config {
            fs::write(folder.join("config.json"), serde_json::to_vec_pretty(config)?)?;
        }
        for (name, attack) in table.values().flatten() {
            let setting = |(setting, [_, off]): (&String, &[String; 2])| format!("{setting}={off}");
            let settings: Vec<String> = attack.settings.iter().map(setting).collect();
            let settings = if settings.is_empty() { "-".to_owned() } else { settings.join(",") };
            let _ = writeln!(plan, "{name} {} peer - {settings}", peer.name);
            launches += 1;
        }
    }
    fs::write(root.join("plan"), plan)?;
    Ok(launches)
}

fn rows_of(text: &str, token: &str) -> Rows {
    let row = |line: &str| {
        let words: Vec<&str> = line.trim().split(' ').collect();
        let ["row", seen, attack, peer, outcome] = words[..] else { return None };
        (seen == token).then(|| ((attack.to_owned(), peer.to_owned()), outcome.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

/// What is run in a peer; see tests/escape/src/peer.rs for the words in `@`.
const ATTACK: [&str; 5] = ["/bin/app", "attack", "@TOKEN@", "@OUTSIDER@", "@ATTACK@"];

/// Options of bubblewrap: all it has that an app can still run with.
const BUBBLEWRAP: &[&str] = &[
    "--unshare-all",
    "--unshare-user",
    "--disable-userns",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--clearenv",
    "--hostname",
    "app",
    "--ro-bind",
    "/image",
    "/",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
    "--tmpfs",
    "/run",
    "--tmpfs",
    "/data",
    "--chdir",
    "/",
];

fn peers() -> Result<Vec<Peer>> {
    let bubblewrap = [&["/bin/bwrap"], BUBBLEWRAP, &["--"], &ATTACK].concat();
    let crun = ["/bin/crun", "--root", "/run/crun", "--cgroup-manager=cgroupfs", "run", "--bundle", "/run/peer", "c@SERIAL@"];
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let container = |name, config| Peer { name, user: 0, command: words(&crun), config: Some(config) };
    Ok(vec![
        Peer { name: PEERS[0], user: USER, command: words(&bubblewrap), config: None },
        container(PEERS[1], container_config(Container::AsRun)?),
        container(PEERS[2], container_config(Container::Hardened)?),
    ])
}

/// How a container is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    /// As `podman run` makes it for root, without a network of its own.
    AsRun,
    /// With the options that hardening guides ask for.
    Hardened,
}

/// What `crun spec` writes, with the capabilities and the filter that Debian's packages hold as the default of containers.
fn container_config(kind: Container) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let made = Command::new("crun").arg("spec").current_dir(folder.path()).status().context("cannot run crun")?;
    ensure!(made.success(), "crun spec failed");
    let mut config: Value = serde_json::from_slice(&fs::read(folder.path().join("config.json"))?)?;
    let hardened = kind == Container::Hardened;
    let capabilities = if hardened { Vec::new() } else { default_capabilities(&read(CONTAINERS_CONF)?)? };
    let user = if hardened { USER } else { 0 };
    let process = &mut config["process"];
    process["terminal"] = json!(false);
    process["args"] = json!(ATTACK);
    process["user"] = json!({ "uid": user, "gid": user });
    process["noNewPrivileges"] = json!(hardened);
    let sets = ["bounding", "effective", "permitted"];
    process["capabilities"] = sets.iter().map(|set| ((*set).to_owned(), json!(capabilities))).collect::<Value>();
    config["root"] = json!({ "path": "/image", "readonly": hardened });
    let mounts = config["mounts"].as_array_mut().context("crun spec has no mounts")?;
    for folder in ["/tmp", "/run", "/data"] {
        let options = ["nosuid", "nodev", "noexec", "mode=1777"];
        // As its writable layer is: set-id programs, devices and programs count there.
        let options = if hardened { &options[..] } else { &["mode=1777"] };
        mounts.push(json!({ "destination": folder, "type": "tmpfs", "source": "tmpfs", "options": options }));
    }
    let pids = if hardened { OUR_PIDS } else { CONTAINER_PIDS };
    config["linux"]["resources"]["pids"] = json!({ "limit": pids });
    let namespaces = config["linux"]["namespaces"].as_array_mut().context("crun spec has no namespaces")?;
    namespaces.push(json!({ "type": "cgroup" }));
    config["linux"]["seccomp"] = seccomp(&serde_json::from_str(&read(SECCOMP)?)?, &capabilities)?;
    Ok(config)
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}: ./test compare installs its package"))
}

/// The list `default_capabilities` of containers.conf.
fn default_capabilities(conf: &str) -> Result<Vec<String>> {
    let (_, rest) = conf.split_once("\ndefault_capabilities = [").context("containers.conf has no default_capabilities")?;
    let (list, _) = rest.split_once(']').context("default_capabilities does not end")?;
    Ok(list.split('"').skip(1).step_by(2).map(|name| format!("CAP_{name}")).collect())
}

/// The filter of the runtime's configuration that Podman's and Docker's profile makes for x86-64 and these capabilities.
fn seccomp(profile: &Value, capabilities: &[String]) -> Result<Value> {
    let names = |condition: &Value, key: &str| -> Vec<String> {
        let list = condition[key].as_array().cloned().unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let applies = |rule: &Value| {
        let (includes, excludes) = (&rule["includes"], &rule["excludes"]);
        let arches = names(includes, "arches");
        (arches.is_empty() || arches.iter().any(|arch| arch == "amd64"))
            && names(includes, "caps").iter().all(|capability| capabilities.contains(capability))
            && !names(excludes, "caps").iter().any(|capability| capabilities.contains(capability))
    };
    let rules = profile["syscalls"].as_array().context("the profile has no calls")?;
    let rule = |rule: &Value| {
        let mut made = json!({ "names": rule["names"], "action": rule["action"] });
        for key in ["errnoRet", "args"].into_iter().filter(|key| !rule[*key].is_null()) {
            made[key] = rule[key].clone();
        }
        made
    };
    Ok(json!({
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules.iter().filter(|r| applies(r)).map(rule).collect::<Vec<_>>(),
    }))
}

/// Where the rows lie.
pub fn rows_file() -> PathBuf {
    attacks::folder().join("compared.tsv")
}

/// Writes the rows down.
pub fn write_rows(rows: &Rows) -> Result<()> {
    let lines: String = rows.iter().map(|((attack, peer), outcome)| format!("{attack}\t{peer}\t{outcome}\n")).collect();
    let versions = ["bwrap", "crun"].map(version);
    let text = format!("# {}; {}\n{lines}", versions[0].as_ref().map_err(clone)?, versions[1].as_ref().map_err(clone)?);
    Ok(fs::write(rows_file(), text)?)
}

fn clone(error: &anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

fn version(program: &str) -> Result<String> {
    let output = Command::new(program).arg("--version").output().with_context(|| format!("cannot run {program}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

/// The rows as they were written down, and the line that says of which versions. One is there for each attack of the table
/// and each column, and our own column says what the table says.
pub fn read_rows(table: &Table) -> Result<(String, Rows)> {
    let path = rows_file();
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut rows = Rows::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split('\t').collect();
        let [attack, peer, outcome] = words[..] else { bail!("{}: `{line}`", path.display()) };
        rows.insert((attack.to_owned(), peer.to_owned()), outcome.to_owned());
    }
    let attacks: BTreeMap<&String, &Attack> = table.values().flatten().collect();
    let columns = || PEERS.into_iter().chain([OURS]);
    let expected: BTreeSet<_> = attacks.keys().flat_map(|name| columns().map(|c| ((*name).clone(), c.to_owned()))).collect();
    let differ: Vec<_> = rows.keys().cloned().collect::<BTreeSet<_>>().symmetric_difference(&expected).cloned().collect();
    ensure!(differ.is_empty(), "rows that are missing, or of no attack: {differ:?}; `./test compare` makes them anew");
    let other = rows.iter().filter(|((_, column), _)| column == OURS);
    let other: Vec<_> = other.filter(|((name, _), word)| attacks.get(name).is_none_or(|a| a.on != **word)).collect();
    ensure!(other.is_empty(), "rows of our own that attacks.toml does not have: {other:?}");
    let versions =
        text.lines().next().and_then(|line| line.strip_prefix("# ")).context("the rows do not say of which versions")?;
    Ok((versions.to_owned(), rows))
}

/// Whether a door was open: the act worked, or ended as it does where nothing stands against it.
fn is_open(attack: &Attack, outcome: &str) -> bool {
    attack.absent.is_none() && (outcome == "worked" || outcome == attack.off)
}

/// The page that the table and the rows make.
pub fn page(table: &Table, versions: &str, rows: &Rows) -> String {
    let attacks: Vec<(&String, &Attack)> = table.values().flatten().filter(|(_, attack)| attack.absent.is_none()).collect();
    let word = |name: &str, column: &str| rows.get(&(name.to_owned(), column.to_owned())).map_or("", String::as_str);
    let open = |column: &str| attacks.iter().filter(|(name, attack)| is_open(attack, word(name, column))).count();
    let columns = || [OURS].into_iter().chain(PEERS);
    let mut page = format!(
        "<!-- Made from tests/escape/compared.tsv; the test `the_page_of_the_comparison_is_made_from_the_rows_of_every_attack` \
         compares. -->\n\
         # The attacks inside other sandboxes\n\n\
         {} attacks of [attacks.md](attacks.md), all but those that even this kernel lacks, by the same program on the same \
         kernel in the same machine, one launch each ({versions}). They were chosen against our own sandbox, so this is a \
         calibration and no contest: it tells that what is refused here is not refused everywhere, and what the others leave \
         to whoever uses them. Not every attack is a way out; many are code of the kernel that an app does not need to \
         reach. Bubblewrap is a tool that brings no filter of calls, and takes one that its user writes. AppArmor and \
         SELinux, which distributions put around containers, are not in this kernel.\n\n\
         | sandbox | doors found open |\n| --- | --- |\n",
        attacks.len()
    );
    for column in columns() {
        let _ = writeln!(page, "| {column} | {} of {} |", open(column), attacks.len());
    }
    let _ = write!(
        page,
        "\n- *holdfast*: all layers, user {USER}.\n\
         - *bubblewrap*: by user {USER}, `bwrap {}`.\n\
         - *container*: by root, `crun run` with what `crun spec` writes, the capabilities of Debian's `containers.conf` and \
         the calls of its `seccomp.json` (the defaults of `podman run`), at most {CONTAINER_PIDS} processes, a control group \
         namespace, and a tmpfs each at /tmp, /run and /data.\n\
         - *container-hardened*: the same with a read-only root, user {USER}, no capability, no_new_privs, at most \
         {OUR_PIDS} processes, and nosuid, nodev and noexec where it can write.\n\n\
         **Bold** is a door found open: the act worked, or ended as it does where nothing stands against it. `settings` of \
         the kernel are as the kernel has them by itself.\n",
        BUBBLEWRAP.join(" ")
    );
    for (group, attacks) in table {
        let _ = write!(page, "\n## {group}\n\n| attack | {} |\n| --- |", columns().collect::<Vec<_>>().join(" | "));
        page.push_str(&" --- |".repeat(columns().count()));
        page.push('\n');
        for (name, attack) in attacks {
            let cell = |column| {
                let word = word(name, column);
                if is_open(attack, word) { format!("**{word}**") } else { word.to_owned() }
            };
            let cells: Vec<String> = columns().map(cell).collect();
            let _ = writeln!(page, "| `{name}`: {} | {} |", attack.what, cells.join(" | "));
        }
    }
    page
}

/// Writes the page.
pub fn write_page(table: &Table) -> Result<()> {
    let (versions, rows) = read_rows(table)?;
    Ok(fs::write(top().join(PAGE), page(table, &versions, &rows))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_capabilities_are_read_from_their_list() {
        let conf = "x = 1\n# comment\ndefault_capabilities = [\n  \"CHOWN\",\n  \"KILL\"\n]\ny = [\"Z\"]\n";
        assert_eq!(default_capabilities(conf).unwrap(), ["CAP_CHOWN", "CAP_KILL"]);
    }

    #[test]
    fn a_rule_of_the_profile_counts_for_this_machine_and_these_capabilities_alone() {
        let rule = |name: &str, more: Value| {
            let mut rule = json!({ "names": [name], "action": "SCMP_ACT_ALLOW", "args": null });
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            rule
        };
        let profile = json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [
            rule("all", json!({})),
            rule("arm", json!({ "includes": { "arches": ["arm64"] } })),
            rule("with", json!({ "includes": { "caps": ["CAP_KILL"] } })),
            rule("admin", json!({ "includes": { "caps": ["CAP_SYS_ADMIN"] } })),
            rule("without", json!({ "excludes": { "caps": ["CAP_KILL"] } })),
        ] });
        let made = seccomp(&profile, &["CAP_KILL".to_owned()]).unwrap();
        let names: Vec<_> = made["syscalls"].as_array().unwrap().iter().map(|rule| rule["names"][0].clone()).collect();
        assert_eq!(names, ["all", "with"]);
        assert!(made["syscalls"][0].get("args").is_none());
    }
}
