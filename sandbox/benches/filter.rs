//! What a system call filter costs: its load, and the calls behind it.
//!
//! `cargo bench -p holdfast-sandbox --bench filter`. Each round runs every filter once, each in a new process, because
//! filters add up and never go; what is judged is the median over the rounds of the ratio within a round. A ratio whose
//! middle half is spread too widely is not judged, and more rounds are run first. Ends with 0 if all goals are met, 1 if
//! one is missed, 2 if one could not be judged.

use sandbox::seccomp::{
    Architecture, Filter, Profile, compile,
    compile::verdicts,
    profiles::{ALWAYS, app},
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, sock_filter};
use std::{
    collections::BTreeMap,
    error::Error,
    hint::black_box,
    io::Write,
    process::{Command, ExitCode},
    time::Instant,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Rounds before the first judgement, and when it is given up.
const ROUNDS: usize = 30;
const MOST_ROUNDS: usize = 240;
/// Widest middle half of the ratios of all rounds, as a part of their median.
const WIDEST_SPREAD: f64 = 0.25;
/// Calls of one batch, and batches.
const CALLS: u32 = 500;
const BATCHES: u32 = 60;

/// Filters that are compared.
const FILTERS: [&str; 6] = ["none", "five", "base", "app", "everything", "seccompiler"];
/// What is measured of each: nanoseconds per load, per compilation, and per call.
const MEASURES: [&str; 5] = ["load", "compile", "getpid", "fcntl(F_GETFL)", "read of 1 byte"];

/// What is claimed of a ratio: filter, filter that it is compared with, measure, and most.
const GOALS: [(&str, &str, usize, f64); 6] = [
    ("base", "five", 0, 3.0),
    ("app", "five", 0, 3.0),
    ("base", "five", 2, 1.05),
    ("app", "five", 4, 1.05),
    ("base", "five", 3, 1.25),
    ("app", "five", 3, 1.25),
];

fn main() -> Outcome<ExitCode> {
    // cargo gives `--bench`.
    match std::env::args().nth(1).filter(|argument| argument != "--bench") {
        Some(filter) => measure(&filter).map(|()| ExitCode::SUCCESS),
        None => compare(),
    }
}

fn compare() -> Outcome<ExitCode> {
    let mut out = std::io::stdout();
    for name in FILTERS {
        writeln!(out, "{name}: {} instructions", program(name)?.map_or(0, |program| program.len()))?;
    }
    let mut rounds = Vec::new();
    loop {
        for _ in 0..ROUNDS {
            rounds.push(FILTERS.iter().map(|name| Ok((*name, run(name)?))).collect::<Outcome<BTreeMap<_, _>>>()?);
        }
        let unsettled = GOALS.iter().any(|goal| ratio(&rounds, goal).spread() > WIDEST_SPREAD);
        if !unsettled || rounds.len() >= MOST_ROUNDS {
            break;
        }
    }
    writeln!(out, "medians of {} interleaved rounds, nanoseconds:", rounds.len())?;
    for (at, measure) in MEASURES.iter().enumerate() {
        for name in FILTERS {
            let all = Sorted::of(rounds.iter().filter_map(|round| round.get(name)?.get(at).copied()));
            writeln!(out, "  {measure:16} {name:12} {:9.0} ({:.0} to {:.0})", all.at(0.5), all.at(0.25), all.at(0.75))?;
        }
    }
    let (mut missed, mut unjudged) = (false, false);
    for goal @ (filter, with, measure, most) in &GOALS {
        let ratio = ratio(&rounds, goal);
        let verdict = match ratio.at(0.5) {
            _ if ratio.spread() > WIDEST_SPREAD => "NOT JUDGED, the spread is too wide",
            found if found <= *most => "met",
            _ => "MISSED",
        };
        missed |= verdict == "MISSED";
        unjudged |= verdict.starts_with("NOT");
        let middle = format!("{:.2} to {:.2}", ratio.at(0.25), ratio.at(0.75));
        writeln!(
            out,
            "{}: {filter} takes {:.2} times as long as {with} ({middle}), goal {most}: {verdict}",
            MEASURES[*measure],
            ratio.at(0.5)
        )?;
    }
    Ok(ExitCode::from(if missed {
        1
    } else if unjudged {
        2
    } else {
        0
    }))
}

type Round = BTreeMap<&'static str, Vec<f64>>;

fn ratio(rounds: &[Round], (filter, with, measure, _): &(&str, &str, usize, f64)) -> Sorted {
    let of = |round: &Round, name: &str| round.get(name)?.get(*measure).copied();
    Sorted::of(rounds.iter().filter_map(|round| Some(of(round, filter)? / of(round, with)?)))
}

/// Values in their order.
struct Sorted(Vec<f64>);

impl Sorted {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The value below which this part of all lies.
    fn at(&self, part: f64) -> f64 {
        self.0.get((self.0.len() as f64 * part) as usize).copied().unwrap_or(f64::NAN)
    }

    /// The middle half's width, as a part of the median.
    fn spread(&self) -> f64 {
        (self.at(0.75) - self.at(0.25)) / self.at(0.5)
    }
}

/// One filter's figures, measured in a new process.
fn run(filter: &str) -> Outcome<Vec<f64>> {
    let output = Command::new(std::env::current_exe()?).arg(filter).output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        return Err(format!("{filter}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// In the new process: prints the figures of [`MEASURES`].
fn measure(name: &str) -> Outcome<()> {
    let input = std::fs::File::open("/dev/zero")?;
    // Once for the code to be there.
    black_box(program(name)?);
    let before = Instant::now();
    let program = black_box(program(name)?);
    let compiled = before.elapsed();
    let before = Instant::now();
    if let Some(program) = &program {
        seccompiler::apply_filter(program)?;
    }
    let loaded = before.elapsed();
    let mut figures = vec![loaded.as_nanos() as f64, compiled.as_nanos() as f64];
    figures.push(per_call(|| {
        black_box(rustix::process::getpid());
    }));
    figures.push(per_call(|| {
        let _ = black_box(rustix::fs::fcntl_getfl(&input));
    }));
    figures.push(per_call(|| {
        let _ = black_box(rustix::io::read(&input, &mut [0u8; 1]));
    }));
    let text: Vec<String> = figures.iter().map(f64::to_string).collect();
    writeln!(std::io::stdout(), "{}", text.join(" "))?;
    Ok(())
}

/// Of the quickest of many batches, each too short for the scheduler to come in between.
fn per_call(call: impl Fn()) -> f64 {
    let batch = || {
        let before = Instant::now();
        (0..CALLS).for_each(|_| call());
        before.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    (0..BATCHES).map(|_| batch()).fold(f64::INFINITY, f64::min)
}

fn program(name: &str) -> Outcome<Option<BpfProgram>> {
    let native = Architecture::NATIVE;
    let of = |more: &[&'static Profile]| Ok(Some(converted(compile(native, &[&ALWAYS[..], more].concat(), &[])?)));
    match name {
        "none" => Ok(None),
        "five" => Ok(Some(five_instructions())),
        "base" => of(&[]),
        "app" => of(&[&app::APP, &app::FORK, &app::LISTEN, &app::GPIO]),
        "everything" => of(sandbox::seccomp::profiles::APPS),
        "seccompiler" => {
            let rules = verdicts(native, &ALWAYS)?.into_iter().filter_map(|(number, verdict)| match verdict {
                compile::Verdict::Allow => Some((i64::from(number), Vec::new())),
                compile::Verdict::Rules(rules, _) => Some((i64::from(number), rules)),
                compile::Verdict::Fail(_) => None,
            });
            let target = TargetArch::try_from(std::env::consts::ARCH)?;
            let refused = SeccompAction::Errno(libc::EPERM as u32);
            Ok(Some(SeccompFilter::new(rules.collect(), refused, SeccompAction::Allow, target)?.try_into()?))
        }
        other => Err(format!("no filter `{other}`").into()),
    }
}

/// The least that is worth comparing with: the native architecture may do everything.
fn five_instructions() -> BpfProgram {
    let one = |code: u32, jt: u8, k: u32| sock_filter { code: code as u16, jt, jf: 0, k };
    let (load, answer) = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, libc::BPF_RET | libc::BPF_K);
    vec![
        one(load, 0, 4),
        one(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, Architecture::NATIVE.audit()),
        one(answer, 0, libc::SECCOMP_RET_KILL_PROCESS),
        one(load, 0, 0),
        one(answer, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

fn converted(filter: Filter) -> BpfProgram {
    filter.program.iter().map(|one| sock_filter { code: one.code, jt: one.jt, jf: one.jf, k: one.k }).collect()
}
