//! The others: the same root, the same namespaces where they have them, the flags printed.

use crate::{
    Result,
    place::{Place, USER},
};
use std::{
    fs,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

/// The one that ratios are of.
pub const JUDGE: &str = "bwrap --unshare-all";

/// Another program that confines.
pub struct Peer {
    pub name: &'static str,
    words: Vec<String>,
}

/// Each that is installed and works here, and the names of the others.
pub fn all(place: &Place) -> Result<(Vec<Peer>, Vec<&'static str>)> {
    let root = place.root().display().to_string();
    let bundle = bundle(place)?;
    let state = format!("{}/state", place.folder());
    let rows = [
        ("fork and exec, not confined", format!("{root}/bin/true")),
        (
            JUDGE,
            format!(
                "bwrap --unshare-all --die-with-parent --new-session --cap-drop ALL --clearenv --ro-bind {root} / --proc /proc \
                 --dev /dev --tmpfs /tmp --tmpfs /run --bind {} /data /bin/true",
                place.storage().display()
            ),
        ),
        ("crun, no seccomp", format!("crun --root {state} --cgroup-manager=disabled run --bundle {bundle} NAME")),
        ("runc, no seccomp", format!("runc --root {state}-runc run --bundle {bundle} NAME")),
        (
            "firejail",
            format!(
                "firejail --quiet --noprofile --net=none --ipc-namespace --private-dev --private-tmp --caps.drop=all \
                 --nonewprivs --seccomp --nogroups --noroot {root}/bin/true"
            ),
        ),
    ];
    let (mut peers, mut absent) = (Vec::new(), Vec::new());
    for (name, line) in rows {
        let peer = Peer { name, words: line.split_whitespace().map(str::to_owned).collect() };
        if peer.launches(1).is_ok() { peers.push(peer) } else { absent.push(name) }
    }
    Ok((peers, absent))
}

impl Peer {
    /// Its command line.
    pub fn line(&self) -> String {
        self.words.join(" ")
    }

    /// Nanoseconds of each of some launches.
    pub fn launches(&self, count: usize) -> Result<Vec<u64>> {
        (0..count).map(|_| self.launch()).collect()
    }

    fn launch(&self) -> Result<u64> {
        static NAMES: AtomicUsize = AtomicUsize::new(0);
        let name = format!("b{}-{}", std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed));
        let (program, arguments) = self.words.split_first().ok_or("no words")?;
        let arguments = arguments.iter().map(|word| if word == "NAME" { &name } else { word });
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let begun = Instant::now();
        let status = command.status()?;
        let taken = begun.elapsed();
        if status.success() { Ok(u64::try_from(taken.as_nanos())?) } else { Err(format!("{program}: {status}").into()) }
    }
}

/// An OCI bundle with the namespaces and mounts that a sandbox here has.
fn bundle(place: &Place) -> Result<String> {
    let folder = format!("{}/bundle", place.folder());
    fs::create_dir_all(&folder)?;
    let mount = |at: &str, kind: &str, options: &str| {
        format!(r#"{{"destination": "{at}", "type": "{kind}", "source": "{kind}", "options": [{options}]}}"#)
    };
    let flags = r#""nosuid", "noexec", "nodev""#;
    let mounts = [
        mount("/proc", "proc", flags),
        mount("/dev", "tmpfs", r#""nosuid", "mode=755", "size=65536k""#),
        mount("/tmp", "tmpfs", flags),
        mount("/run", "tmpfs", flags),
    ];
    let namespaces = ["pid", "ipc", "uts", "mount", "network", "cgroup"].map(|kind| format!(r#"{{"type": "{kind}"}}"#));
    let config = format!(
        r#"{{"ociVersion": "1.0.2",
        "process": {{"terminal": false, "user": {{"uid": {USER}, "gid": {USER}}}, "args": ["/bin/true"], "env": [], "cwd": "/",
            "capabilities": {{"bounding": [], "effective": [], "permitted": [], "ambient": []}},
            "rlimits": [{{"type": "RLIMIT_NOFILE", "hard": 256, "soft": 256}}], "noNewPrivileges": true}},
        "root": {{"path": "{}", "readonly": true}}, "hostname": "sandbox", "mounts": [{}],
        "linux": {{"namespaces": [{}]}}}}"#,
        place.root().display(),
        mounts.join(", "),
        namespaces.join(", ")
    );
    fs::write(format!("{folder}/config.json"), config)?;
    Ok(folder)
}
