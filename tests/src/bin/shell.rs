//! Boots the test image and connects a person to its probe: `./test shell`.
#![forbid(unsafe_code)]

use anyhow::{Result, bail};
use harness::{
    inside::Inside,
    machine::{Machine, Options},
};
use std::io::{self, BufRead, Write};

const HELP: &str = "\
  ps                 processes            cat PATH           a file's text
  ls PATH            a folder             mounts             what is mounted where
  sysctl             all settings         kill PID SIGNAL    a signal by number
  freeze PID         stands still         ipc SERVICE JSON   a packet to a daemon, as root
  press NAME         a button             log DAEMON         a daemon's log
  events             the event log        quit               switch the machine off
";

fn main() -> Result<()> {
    let mut out = io::stdout();
    let mut machine = Machine::new("shell", Options::test_image()?)?;
    writeln!(out, "Booting; the console is in {}", machine.console().path().display())?;
    machine.power_on()?;
    machine.wait_ready()?;
    writeln!(out, "The device is ready, its API on 127.0.0.1:{}. Commands:\n{HELP}", machine.api_port()?)?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first() == Some(&"quit") {
            break;
        }
        match carry_out(&machine, &words) {
            Ok(text) => writeln!(out, "{}", text.trim_end())?,
            Err(e) => writeln!(out, "{e:#}")?,
        }
    }
    Ok(())
}

fn carry_out(machine: &Machine, words: &[&str]) -> Result<String> {
    let inside: Inside = machine.inside();
    Ok(match words {
        [] => String::new(),
        ["ps"] => {
            let line = |p: probe::Process| {
                format!("{:>6} {:>8} {:>6} KiB  {}\n", p.pid, p.field("Uid").split('\t').next().unwrap_or(""), p.pss_kib, p.exe)
            };
            inside.processes()?.into_iter().filter(|p| !p.exe.is_empty()).map(line).collect()
        }
        ["cat", path] => inside.text(path)?,
        ["ls", path] => inside
            .list(path)?
            .into_iter()
            .map(|e| format!("{:o} {}:{} {:>9} {}\n", e.mode, e.uid, e.gid, e.size, e.name))
            .collect(),
        ["mounts"] => inside.text("/proc/1/mountinfo")?,
        ["sysctl"] => inside.sysctls()?,
        ["kill", pid, signal] => inside.kill(pid.parse()?, signal.parse()?).map(|()| String::new())?,
        ["freeze", pid] => inside.freeze(pid.parse()?).map(|()| String::new())?,
        ["ipc", service, packet @ ..] => inside.raw_ipc(service, &packet.join(" "))?,
        ["press", name] => machine.buttons().press(name).map(|()| "ok".to_owned())?,
        ["log", daemon] => machine.device()?.service_log(daemon)?.into_iter().map(|line| line.text + "\n").collect(),
        ["events"] => {
            let events = machine.device()?.events()?;
            events
                .into_iter()
                .map(|e| format!("{:>5} boot {} {:?} {}: {}\n", e.sequence, e.boot, e.kind, e.subject, e.detail))
                .collect()
        }
        _ => bail!("no such command:\n{HELP}"),
    })
}
