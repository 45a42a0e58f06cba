//! `holdfast-sandbox check`: what this kernel can enforce.

use crate::{
    dispatch::Answer,
    support::{self, Need, Support},
};

/// Exit code where the sandbox cannot be used here.
const LACKING: u8 = 10;

/// Looks, and tells as a table.
pub fn act() -> Answer {
    let found = support::survey();
    let lacking = found.iter().any(|one| !one.enough && one.need == Need::Always);
    let rows: Vec<serde_json::Value> = found.iter().map(row).collect();
    let answer = Answer::new(&serde_json::json!({ "usable": !lacking, "support": rows }), table(&found));
    if lacking { answer.with_code(LACKING) } else { answer }
}

fn row(one: &Support) -> serde_json::Value {
    serde_json::json!({
        "name": one.name, "found": one.found, "enough": one.enough, "need": word(one.need), "protects": one.protects,
    })
}

fn word(need: Need) -> &'static str {
    match need {
        Need::Always => "always",
        Need::OrdinaryUser => "ordinary-user",
        Need::SecondLayer => "second-layer",
    }
}

fn table(found: &[Support]) -> String {
    let width = found.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for one in found {
        let verdict = match (one.enough, one.need) {
            (true, _) => "yes    ",
            (false, Need::Always) => "MISSING",
            (false, _) => "no     ",
        };
        text.push_str(&format!("{verdict}  {:width$}  {}\n         {:width$}  {}\n", one.name, one.found, "", one.protects));
    }
    text.push_str(
        "\nMISSING: nothing is started on this kernel. no: an ordinary user cannot use the sandbox, or a second layer is absent.",
    );
    text
}
