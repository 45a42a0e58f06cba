//! What an update changes: two manifests of an app side by side, by what they say ([`grant::rights`]).

use grant::rights::{Kind, Said, said};
use manifest::app::AppManifest;
use serde::Serialize;

/// One difference.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    /// Of the field.
    pub(super) path: String,
    /// What the old manifest says; none if the new one adds it.
    pub(super) old: Option<String>,
    /// What the new manifest says; none if it removes it.
    pub(super) new: Option<String>,
    /// Whether the app may do or use more by it, or something else, which nobody agreed to.
    pub(super) more: bool,
}

/// Every difference in what an app may do, may use up, and how it is run.
pub(super) fn changes(old: &AppManifest, new: &AppManifest) -> Vec<Change> {
    let (mut old, mut new) = (said(old), said(new));
    let same: Vec<Said> = old.iter().filter(|said| new.contains(said)).cloned().collect();
    // What is not granted is no right to lose or to win: the right beside it tells.
    let differs = |said: &Said| said.kind != Kind::Nothing && !same.contains(said);
    old.retain(differs);
    new.retain(differs);
    let mut changes = Vec::new();
    for before in old {
        let after = new.iter().position(|after| after.path == before.path).map(|at| new.remove(at));
        let more = after.as_ref().is_some_and(|after| is_more(&before, after));
        changes.push(Change { path: before.path, old: Some(before.words), new: after.map(|after| after.words), more });
    }
    let added = |after: Said| Change { more: after.kind == Kind::Right, path: after.path, old: None, new: Some(after.words) };
    changes.extend(new.into_iter().map(added));
    changes
}

fn is_more(before: &Said, after: &Said) -> bool {
    if after.measures.is_empty() || after.measures.len() != before.measures.len() {
        return after.kind == Kind::Right;
    }
    after.measures.iter().zip(&before.measures).any(|(after, before)| after > before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(capabilities: &str, holdfast: &str) -> AppManifest {
        let text = format!(
            r#"{{"SchemaVersion":1,"Name":"a","ComponentId":"25025d2c-66da-4448-bae1-ac26fcdd3627","EntryPoint":"/bin/app",
            "Capabilities":{{{capabilities}}},"Holdfast":{{{holdfast}}}}}"#
        );
        AppManifest::parse(text.as_bytes()).unwrap()
    }

    fn told(old: (&str, &str), new: (&str, &str)) -> Vec<(String, &'static str, bool)> {
        let changes = changes(&manifest(old.0, old.1), &manifest(new.0, new.1));
        let how = |change: &Change| match (&change.old, &change.new) {
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "removed",
            _ => "added",
        };
        changes.iter().map(|change| (change.path.clone(), how(change), change.more)).collect()
    }

    #[test]
    fn a_right_that_is_added_is_more_and_one_that_is_removed_is_not() {
        let (few, many) = ((r#""Gpio":["$A"]"#, ""), (r#""Gpio":["$B","$A"],"MutableStorage":{"SizeKB":8}"#, ""));
        let added = |path: &str| (path.to_owned(), "added", true);
        assert_eq!(told(few, many), [added("Capabilities.Gpio.$B"), added("Capabilities.MutableStorage")]);
        assert!(told(many, few).iter().all(|(_, how, more)| *how == "removed" && !more));
        assert_eq!(told(many, many), []);
    }

    #[test]
    fn a_limit_is_more_where_any_of_its_numbers_grows() {
        for (small, large, path) in [
            (r#""Memory":"8MiB""#, r#""Memory":"9MiB""#, "Memory"),
            (r#""Pids":2"#, r#""Pids":3"#, "Processes"),
            (r#""Processes":"single""#, r#""Pids":1,"Processes":"fork""#, "Processes"),
            (r#""Io":{"ReadsPerSecond":9}"#, "", "Io"),
            (r#""Log":{"Burst":9,"LinesPerSecond":1}"#, r#""Log":{"Burst":9,"LinesPerSecond":2}"#, "Log"),
        ] {
            let path = format!("Holdfast.{path}");
            assert_eq!(told(("", small), ("", large)), [(path.clone(), "changed", true)]);
            assert_eq!(told(("", large), ("", small)), [(path, "changed", false)]);
        }
    }

    #[test]
    fn a_connection_through_other_ports_is_something_else_and_counts_as_more() {
        let (few, many) = (r#""AllowedConnections":[{"Host":"a.b","Ports":[1]}]"#, r#""AllowedConnections":["a.b"]"#);
        assert_eq!(told((few, ""), (many, "")), [("Capabilities.AllowedConnections.a.b".to_owned(), "changed", true)]);
    }

    #[test]
    fn how_an_app_is_run_is_told_and_is_no_right() {
        assert_eq!(told(("", ""), ("", r#""Restart":"never""#)).iter().filter(|(_, _, more)| *more).count(), 0);
        assert_eq!(told(("", ""), ("", r#""Watchdog":9"#)), [("Holdfast.Watchdog".to_owned(), "added", false)]);
    }

    proptest::proptest! {
        /// Going from one to the other adds what the way back removes, and only growth is more.
        #[test]
        fn the_way_back_is_the_mirror_of_the_way_there(a in 1u32..64, b in 1u32..64, gpio_a: bool, gpio_b: bool) {
            let side = |kb: u32, gpio: bool| {
                manifest(&format!(r#""MutableStorage":{{"SizeKB":{kb}}},"Gpio":[{}]"#, if gpio { "\"$G\"" } else { "" }), "")
            };
            let (old, new) = (side(a, gpio_a), side(b, gpio_b));
            let (there, back) = (changes(&old, &new), changes(&new, &old));
            proptest::prop_assert_eq!(there.len(), back.len());
            proptest::prop_assert_eq!(there.iter().any(|change| change.more), b > a || (gpio_b && !gpio_a));
            for change in &there {
                proptest::prop_assert!(back.iter().any(|b| b.path == change.path && b.old == change.new && b.new == change.old));
            }
        }
    }
}
