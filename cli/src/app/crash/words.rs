//! A crash report for people.

use super::show::Shown;
use crate::{
    crash::{
        report::{Frame, Module, Register, Report, Signal, Thread},
        signal,
        symbols::Place,
        unwind::{End, How},
    },
    output::{Output, Style, harmless},
    places::Places,
    times,
};
use manifest::api::CrashReport;

/// Frames of a thread that did not crash.
const OTHER_FRAMES: usize = 8;
/// Threads beside the crashed one.
const OTHER_THREADS: usize = 16;
/// Characters of a function's name.
const NAME: usize = 100;
/// Registers on a line.
const REGISTERS: usize = 3;

/// Everything.
pub(super) fn all(out: Output, shown: &Shown) -> String {
    let report = &shown.crash;
    let mut lines = shown.report.as_ref().map_or_else(Vec::new, |report| head(out, report));
    lines.extend(report.signal.as_ref().map(|signal| self::signal(out, signal)));
    let (crashed, others): (Vec<&Thread>, Vec<&Thread>) = report.threads.iter().partition(|thread| thread.crashed);
    for thread in &crashed {
        lines.extend([String::new(), heading(out, thread)]);
        lines.extend(frames(out, thread, usize::MAX));
        lines.push(format!("  {}", out.paint(Style::Bold, "registers")));
        lines.extend(registers(&thread.registers));
    }
    for thread in others.iter().take(OTHER_THREADS) {
        lines.extend([String::new(), heading(out, thread)]);
        lines.extend(frames(out, thread, OTHER_FRAMES));
    }
    let more = others.len().saturating_sub(OTHER_THREADS) + report.more_threads;
    if more > 0 {
        lines.extend([String::new(), format!("and {more} more threads")]);
    }
    lines.extend([String::new(), out.paint(Style::Bold, "modules")]);
    lines.extend(report.modules.iter().flat_map(|one| module(out, one)));
    lines.extend(hint(report).map(|hint| format!("\n{} {hint}", out.paint(Style::Bold, "hint:"))));
    lines.join("\n")
}

/// Whose it is, and when it was.
pub(super) fn head(out: Output, report: &CrashReport) -> Vec<String> {
    let app = out.paint(Style::Bold, &harmless(&report.name));
    let (time, signal) = (times::milliseconds(report.time_ms), signal::name(report.signal.cast_unsigned()));
    vec![
        format!("{app} version {} crashed at {time} by {signal}", report.version),
        format!("  report {}, start {} of {}", report.number, report.generation, report.component),
    ]
}

fn signal(out: Output, signal: &Signal) -> String {
    let name = out.paint(Style::Bad, &signal.name);
    let at = signal.address.map(|address| format!(" at address {address}")).unwrap_or_default();
    match (signal.meaning, signal.code_name) {
        (Some(meaning), Some(code)) => format!("{name}{at}: {meaning} ({code})"),
        _ => format!("{name}{at}, code {}", signal.code),
    }
}

fn heading(out: Output, thread: &Thread) -> String {
    let name = thread.name.as_ref().map(|name| format!(" \"{}\"", harmless(name))).unwrap_or_default();
    let crashed = if thread.crashed { ", which crashed" } else { "" };
    out.paint(Style::Bold, &format!("thread {}{name}{crashed}", thread.id))
}

fn frames(out: Output, thread: &Thread, limit: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (number, one) in thread.frames.iter().take(limit).enumerate() {
        lines.extend(frame(out, number, one));
    }
    let left = thread.frames.len().saturating_sub(limit);
    lines.extend(match (left, thread.end) {
        (0, End::Outermost) => None,
        (0, End::Lost) => Some("      nothing further is found on the stack".to_owned()),
        (0, End::Limit) => Some("      and more".to_owned()),
        (left, _) => Some(format!("      and {left} more")),
    });
    lines
}

fn frame(out: Output, number: usize, frame: &Frame) -> Vec<String> {
    let how = match frame.found_by {
        How::Registers | How::CallFrameInformation => "",
        How::Call => " (found where a call leaves it)",
        How::FramePointer => " (found by the frame pointer)",
        How::Scan => " (found by scanning: it may have returned)",
    };
    let how = out.paint(Style::Dim, how);
    let mut lines = Vec::new();
    for (index, place) in frame.places.iter().enumerate() {
        let number = if index == 0 { format!("{number:>4}") } else { "    ".into() };
        let name = out.paint(Style::Bold, &cut(&harmless(place.function.as_deref().unwrap_or("a function without a name"))));
        let inlined = if place.inlined { " (inlined)" } else { "" };
        let how = if place.inlined { "" } else { how.as_str() };
        lines.push(format!("{number}  {name}{inlined}{how}"));
        lines.extend(source(place).map(|at| format!("        at {at}")));
    }
    if lines.is_empty() || frame.places.iter().all(|place| place.file.is_none()) {
        let at = position(frame);
        match lines.last_mut() {
            Some(_) => lines.push(format!("        at {at}")),
            None => lines.push(format!("{number:>4}  {at}{how}")),
        }
    }
    lines
}

/// Module and offset, or the bare address of what is in none.
fn position(frame: &Frame) -> String {
    match (&frame.module, frame.offset) {
        (Some(module), Some(offset)) => format!("{}+{offset}", harmless(module)),
        _ => format!("{}, which is in no module", frame.address),
    }
}

/// File, line and column. Of Rust's own library the compiler's commit is left out.
fn source(place: &Place) -> Option<String> {
    let file = place.file.as_deref()?;
    let of_rust = file.strip_prefix("/rustc/").and_then(|rest| rest.split_once('/')).map(|(_commit, file)| file);
    let numbers = [place.line, place.column].into_iter().flatten().map(|number| format!(":{number}"));
    Some(format!("{}{}", harmless(of_rust.unwrap_or(file)), numbers.collect::<String>()))
}

/// A name that fits on a line: those of generic functions hold all their types.
fn cut(name: &str) -> String {
    match name.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or(name)),
        None => name.to_owned(),
    }
}

fn registers(registers: &[Register]) -> Vec<String> {
    let row = |row: &[Register]| {
        let cells: Vec<String> =
            row.iter().map(|register| format!("{:>4} {:<18}", register.name, register.value.to_string())).collect();
        format!("  {}", cells.join("  ").trim_end())
    };
    registers.chunks(REGISTERS).map(row).collect()
}

fn module(out: Output, module: &Module) -> Vec<String> {
    let id = module.build_id.as_ref().map_or_else(|| "no build id".to_owned(), |id| format!("build id {id}"));
    let mut lines = vec![format!("  {}  {}  {id}", module.base, harmless(&module.name))];
    let lines_too = if module.lines { "" } else { " (without lines)" };
    for path in &module.symbols {
        lines.push(format!("    {} {}{lines_too}", out.paint(Style::Good, "symbols"), harmless(&Places::shown(path))));
    }
    if module.symbols.is_empty() {
        lines.push(format!("    {}", out.paint(Style::Warning, "no symbols")));
    }
    lines
}

/// The next step for who sees fewer lines than there could be.
fn hint(report: &Report) -> Option<String> {
    let module = report.modules.iter().find(|module| module.in_use && module.symbols.is_empty())?;
    let id = module.build_id.as_ref()?;
    Some(format!(
        "for functions and lines of {} give the unstripped program with the build id {id}: --symbols FILE",
        harmless(&module.name)
    ))
}
