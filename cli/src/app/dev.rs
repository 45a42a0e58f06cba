//! `holdfast app dev`

use super::{
    build::{self, Purpose},
    pack, settle,
    signer::Signing,
    words,
};
use crate::{
    bundle::tree::Tree,
    crash::store::{Keep, Store},
    device::{
        connect::Target,
        logs::{self, PAGE},
    },
    dispatch::Context,
    failure::{Failure, Result},
    image::progress::Shown,
};
use api_client::Client;
use clap::Args;
use manifest::{
    api::{AppStatus, Downgrade, ErrorClass, When},
    names::ComponentId,
};
use notify::{Event, EventKind, RecursiveMode, Watcher, event::ModifyKind};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

pub(super) const HELP: &str = "\
Builds the folder, installs it on the device at once, and shows its log. When a file of the folder is saved, it does so again; what \
does not build is told, and the version before runs on. The version stays the one that the device has. Ctrl-C ends it; the app goes \
on. So that this takes no longer than it has to, the program is not optimized across crates, and compressed less: a bundle to keep \
comes from `app build`.

Examples:
  holdfast app dev samples/doorbell
  holdfast app dev my-app --device 192.0.2.7:8443";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What is built
    #[command(flatten)]
    source: build::Source,
    /// How it is signed
    #[command(flatten)]
    signing: Signing,
    /// Which device
    #[command(flatten)]
    target: Target,
}

/// One turn, and where its time went.
#[derive(Serialize)]
struct Deployed {
    app: AppStatus,
    build_ms: u128,
    pack_ms: u128,
    install_ms: u128,
    start_ms: u128,
}

/// How often new lines of the log are asked for.
const LOOK: Duration = Duration::from_millis(300);
/// Editors write a file in several steps: a turn begins when nothing was saved for so long.
const QUIET: Duration = Duration::from_millis(30);
/// Builds whose symbols are kept.
const SYMBOLS: usize = 20;
/// How long an app may take to run.
const PATIENCE: Duration = Duration::from_secs(30);

/// Acts, until it is interrupted.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let mut desk = Desk { context, arguments, client: arguments.target.client(context)?, log: None };
    let changes = Changes::watch(&arguments.source.folder)?;
    loop {
        if let Err(failure) = desk.turn() {
            context.output.failure(&failure);
        }
        context.output.note("waiting for a file to be saved");
        while !changes.came(LOOK)? {
            desk.show_log();
        }
    }
}

/// What goes on between a folder and a device.
struct Desk<'a> {
    context: &'a Context,
    arguments: &'a Arguments,
    client: Client,
    /// Whose log is shown, and after which line new ones come.
    log: Option<(ComponentId, u64)>,
}

impl Desk<'_> {
    /// From a save to a running app. What can wait until it runs does.
    fn turn(&mut self) -> Result<()> {
        let output = self.context.output;
        let mut lap = Lap::begin();
        let built = build::tree(self.context, &self.arguments.source, Purpose::Development, &mut Shown::quiet(output))?;
        let build_ms = lap.end();
        let deployed = self.deploy(built.tree, &built.manifest, build_ms, lap);
        if let Ok(deployed) = &deployed {
            output.result(deployed, |out| {
                let Deployed { app, build_ms, pack_ms, install_ms, start_ms } = deployed;
                let head = words::status(*out, app).lines().next().unwrap_or_default().to_owned();
                format!("{head} (ms: build {build_ms}, pack {pack_ms}, install {install_ms}, start {start_ms})")
            });
            self.show_log();
        }
        // One that did not get ready may have crashed.
        let kept = Store::new(&self.context.places.symbols(), Keep::Newest(SYMBOLS)).add_all(&built.unstripped);
        deployed?;
        kept?;
        Ok(())
    }

    fn deploy(&mut self, tree: Tree, manifest: &pack::Manifest, build_ms: u128, mut lap: Lap) -> Result<Deployed> {
        let (client, id) = (&self.client, manifest.component_id());
        let there = match client.app(id) {
            Ok(app) => Some(app),
            Err(e) if e.class() == ErrorClass::NotFound => None,
            Err(e) => return Err(e.into()),
        };
        if self.log.as_ref().is_none_or(|(shown, _)| shown != id) {
            // What it said before today's first save is history.
            let last = if there.is_some() { logs::tail(0, &mut |after| client.app_log(id, after, PAGE))?.1 } else { 0 };
            self.log = Some((id.clone(), last));
        }
        // A device takes a version again that it has, and none below it.
        let version = there.map_or(1, |app| app.failed_update.map_or(0, |failed| failed.version).max(app.version).max(1));
        let work = tempfile::tempdir()?;
        let bundle = work.path().join("bundle");
        let options = pack::Options::for_development(self.arguments.signing.clone(), version);
        pack::make(self.context, tree, manifest, &options, &bundle)?;
        let pack_ms = lap.end();
        let file = fs_err::File::open(&bundle)?;
        let length = file.metadata()?.len();
        let installed = client.install_with(Downgrade::Refused, When::Now, file.into_file(), length, |_| ())?;
        let install_ms = lap.end();
        let app = settle::until_deployed(self.context.output, client, &installed.app, PATIENCE)?;
        Ok(Deployed { app, build_ms, pack_ms, install_ms, start_ms: lap.end() })
    }

    /// Shows the lines that came. A device that is away for a while is no reason to end.
    fn show_log(&mut self) {
        let Some((id, after)) = &mut self.log else { return };
        let lines = self.client.app_log(id, *after, PAGE).map(|page| page.lines).unwrap_or_default();
        for line in &lines {
            self.context.output.result(line, |out| logs::words(*out, line));
            *after = line.sequence.max(*after);
        }
    }
}

/// Parts of a turn, one after the other.
struct Lap(Instant);

impl Lap {
    fn begin() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the part before ended.
    fn end(&mut self) -> u128 {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.0, now)).as_millis()
    }
}

/// Files of a folder that are saved.
struct Changes {
    events: Receiver<notify::Result<Event>>,
    folder: PathBuf,
    /// Watches as long as it lives.
    _watcher: notify::RecommendedWatcher,
}

impl Changes {
    fn watch(folder: &Path) -> Result<Self> {
        let failed =
            |e: notify::Error| Failure::of(ErrorClass::Internal, &e).while_doing(format!("cannot watch {}", folder.display()));
        let folder = fs_err::canonicalize(folder)?;
        let (sender, events) = channel();
        let mut watcher = notify::recommended_watcher(sender).map_err(failed)?;
        watcher.watch(&folder, RecursiveMode::Recursive).map_err(failed)?;
        Ok(Self { events, folder, _watcher: watcher })
    }

    /// Whether something was saved within this time; waits until the saving is over.
    fn came(&self, longest: Duration) -> Result<bool> {
        let mut came = false;
        loop {
            match self.events.recv_timeout(if came { QUIET } else { longest }) {
                Ok(event) => came |= event.map_or(true, |event| is_saving(&event, &self.folder)),
                Err(RecvTimeoutError::Timeout) => return Ok(came),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(ErrorClass::Internal, "nothing watches the folder any more"));
                }
            }
        }
    }
}

/// Folders below the app's that builds write to, or version control does.
const OTHERS: [&str; 3] = ["build", "target", ".git"];

/// Whether a file of the app itself changed.
fn is_saving(event: &Event, folder: &Path) -> bool {
    let content = match event.kind {
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Any | EventKind::Other => true,
        EventKind::Modify(kind) => !matches!(kind, ModifyKind::Metadata(_)),
        EventKind::Access(_) => false,
    };
    let own = |path: &PathBuf| {
        let inside = path.strip_prefix(folder).unwrap_or(path);
        !OTHERS.iter().any(|other| inside.starts_with(other))
    };
    // Events that were lost may have been one.
    event.need_rescan() || (content && event.paths.iter().any(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_source_is_told_once_and_what_a_build_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["src", "target"] {
            fs_err::create_dir(folder.path().join(name)).unwrap();
        }
        let changes = Changes::watch(folder.path()).unwrap();
        fs_err::write(folder.path().join("target/app"), "x").unwrap();
        assert!(!changes.came(Duration::from_millis(200)).unwrap());
        // As editors do it: another file, then renamed.
        fs_err::write(folder.path().join("src/.main.rs.new"), "fn main() {}").unwrap();
        fs_err::rename(folder.path().join("src/.main.rs.new"), folder.path().join("src/main.rs")).unwrap();
        assert!(changes.came(Duration::from_secs(10)).unwrap());
        fs_err::read(folder.path().join("src/main.rs")).unwrap();
        assert!(!changes.came(Duration::from_millis(200)).unwrap(), "reading is no saving");
    }
}
