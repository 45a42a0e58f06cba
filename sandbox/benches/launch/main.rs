//! Launch of a static `true` with every layer on, beside bubblewrap, crun, runc and firejail: as root,
//! `cargo bench -p holdfast-sandbox --bench launch`.
//!
//! Rounds are interleaved, so that all ran in the same minutes on the same machine; medians and ratios count, not
//! microseconds. Where a row's middle half is wider than its median no verdict is given. Each row is measured by a process
//! that does nothing else, from before the start to the reaped end. Peers that are not installed are left out and named.
//! On a machine that has other work to do, start it with `chrt -f 10` before it: all rows alike come first then.
#![expect(clippy::disallowed_methods, reason = "set-up of a benchmark")]

mod figures;
mod ours;
mod peers;
mod place;

use figures::Series;
use ours::Way;
use peers::Peer;
use place::Place;
use std::{
    env,
    error::Error,
    io::{self, Write},
    process::Command,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Rounds, and launches of each row in one round.
const ROUNDS: usize = 12;
const LAUNCHES: usize = 10;
/// The heap of a grown caller, in MiB.
const HEAP: usize = 256;
/// Launches that run at the same time.
const PARALLEL: usize = 50;
/// What the issue asks for, as ratios of medians.
const COLD_GOAL: f64 = 0.40;
const WARM_GOAL: f64 = 0.22;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["worker", folder, way, heap, launches] => worker(folder, Way::named(way)?, heap.parse()?, launches.parse()?),
        ["parallel", folder, way] => parallel_worker(folder, Way::named(way)?),
        [] if !place::is_cgroup2() => place::enter_own_cgroup2(),
        _ => report(),
    }
}

fn report() -> Result<()> {
    let out = &mut io::stdout();
    let place = Place::new()?;
    let (peers, absent) = peers::all(&place)?;
    let mut rows: Vec<(String, Series)> =
        Way::ALL.iter().map(|way| (format!("holdfast, {}", way.name()), Series::default())).collect();
    rows.push((format!("holdfast, cold, caller with {HEAP} MiB of heap"), Series::default()));
    rows.extend(peers.iter().map(|peer| (peer.name.to_owned(), Series::default())));
    for _ in 0..ROUNDS {
        for (at, way) in Way::ALL.iter().enumerate() {
            add(&mut rows, at, &launched(&place, *way, 0)?);
        }
        add(&mut rows, Way::ALL.len(), &launched(&place, Way::Cold, HEAP)?);
        for (at, peer) in peers.iter().enumerate() {
            add(&mut rows, Way::ALL.len() + 1 + at, &peer.launches(LAUNCHES)?);
        }
    }
    writeln!(out, "launch of a static `true` to its reaped end, µs; {ROUNDS} rounds of {LAUNCHES}, interleaved")?;
    let judge = rows.iter().find(|(name, _)| name == peers::JUDGE).map(|(_, series)| series.clone());
    for (name, series) in &rows {
        let ratio = judge.as_ref().map(|judge| format!("{:.2} x {}", series.ratio(judge), peers::JUDGE)).unwrap_or_default();
        writeln!(out, "  {name:46} {series}  {ratio}")?;
    }
    for (row, goal) in [(0, COLD_GOAL), (Way::ALL.len() - 1, WARM_GOAL)] {
        if let (Some((name, series)), Some(judge)) = (rows.get(row), &judge) {
            writeln!(out, "  {name}: {}", series.verdict(judge, goal))?;
        }
    }
    parallel(out, &place)?;
    ours::memory(out, &place)?;
    writeln!(out, "\nwhat ran:\n  holdfast: {}", ours::in_force(&place)?.join("\n    "))?;
    peers.iter().try_for_each(|peer: &Peer| writeln!(out, "  {}: {}", peer.name, peer.line()))?;
    absent.iter().try_for_each(|name| writeln!(out, "  {name}: left out, it is not installed or does not start here"))?;
    Ok(())
}

fn add(rows: &mut [(String, Series)], at: usize, values: &[u64]) {
    if let Some((_, series)) = rows.get_mut(at) {
        series.extend(values);
    }
}

/// Launches in a process of their own with this much heap, in nanoseconds.
fn launched(place: &Place, way: Way, heap: usize) -> Result<Vec<u64>> {
    let arguments = ["worker", &place.folder(), way.name(), &heap.to_string(), &LAUNCHES.to_string()].map(str::to_owned);
    let output = Command::new(env::current_exe()?).args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.lines().map(str::parse).collect::<std::result::Result<_, _>>()?)
}

fn worker(folder: &str, way: Way, heap: usize, launches: usize) -> Result<()> {
    let grown = vec![1u8; heap << 20];
    let times = ours::launches(&Place::at(folder), way, launches)?;
    std::hint::black_box(&grown);
    let out = &mut io::stdout();
    times.iter().try_for_each(|time| writeln!(out, "{time}"))?;
    Ok(())
}

/// One launcher that starts many and then waits for all, and as many launchers as there are processors, each with its
/// share of them.
fn parallel(out: &mut impl Write, place: &Place) -> Result<()> {
    let processors = std::thread::available_parallelism()?.get();
    writeln!(
        out,
        "\n{PARALLEL} launches at the same time, and {processors} launchers at the same time, against one after the other:"
    )?;
    for way in Way::ALL {
        let (mut single, mut burst, mut many) = (Series::default(), Series::default(), Series::default());
        for _ in 0..ROUNDS {
            single.extend(&[launched(place, *way, 0)?.iter().sum::<u64>() / LAUNCHES as u64]);
            burst.extend(&[ours::burst(place, *way, PARALLEL)? / PARALLEL as u64]);
            many.extend(&[several(place, *way, processors)?]);
        }
        writeln!(
            out,
            "  {:46} µs each: one after the other {single}; {PARALLEL} at once {burst}; {processors} launchers {many}",
            format!("holdfast, {}", way.name())
        )?;
    }
    Ok(())
}

/// Nanoseconds per launch where several launchers work at the same time.
fn several(place: &Place, way: Way, launchers: usize) -> Result<u64> {
    let begun = std::time::Instant::now();
    let arguments = ["parallel", &place.folder(), way.name()].map(str::to_owned);
    let mut running = Vec::new();
    for _ in 0..launchers {
        running.push(Command::new(env::current_exe()?).args(&arguments).spawn()?);
    }
    for child in &mut running {
        if !child.wait()?.success() {
            return Err("a launcher failed".into());
        }
    }
    Ok(u64::try_from(begun.elapsed().as_nanos())? / u64::try_from(launchers * LAUNCHES)?)
}

fn parallel_worker(folder: &str, way: Way) -> Result<()> {
    ours::launches(&Place::at(folder), way, LAUNCHES).map(drop)
}
