//! Exit codes: one per class of error, in one table that help, docs/cli.md and the tests are made from.

use manifest::api::ErrorClass;

/// A row of the table.
pub struct Row {
    /// Whose fault.
    pub class: ErrorClass,
    /// What the process exits with.
    pub code: u8,
    /// The class's name in `--json`.
    pub name: &'static str,
    /// When it happens, and so who can do something about it.
    pub meaning: &'static str,
}

const fn row(class: ErrorClass, code: u8, name: &'static str, meaning: &'static str) -> Row {
    Row { class, code, name, meaning }
}

/// Every class with its exit code. 0 is success; 1 is a bug of ours, because that is also what a panic would give.
pub const TABLE: [Row; 10] = [
    row(ErrorClass::Internal, 1, "internal", "a bug of Holdfast, or this machine lacks a tool it needs; the message says which"),
    row(ErrorClass::Usage, 2, "usage", "the command line or the request does not make sense"),
    row(ErrorClass::BadInput, 3, "bad-input", "a file is not what it should be: a manifest, bundle, board or image description"),
    row(ErrorClass::Untrusted, 4, "untrusted", "a signature, digest or certificate does not hold"),
    row(ErrorClass::NotGranted, 5, "not-granted", "the manifest asks for what this board or device cannot or will not give"),
    row(ErrorClass::NotFound, 6, "not-found", "no such app, service, device or file"),
    row(ErrorClass::Conflict, 7, "conflict", "the state does not allow it: already running, already there, too old a version"),
    row(ErrorClass::Forbidden, 8, "forbidden", "the caller may not do that"),
    row(ErrorClass::NoSpace, 9, "no-space", "the device lacks space or memory"),
    row(ErrorClass::Unavailable, 10, "unavailable", "the device or a program did not answer, or not in time"),
];

/// The row of a class.
pub fn of(class: ErrorClass) -> &'static Row {
    TABLE.iter().find(|row| row.class == class).unwrap_or(&TABLE[0])
}

/// The table as help shows it.
pub fn help() -> String {
    let mut text = String::from("Exit codes:\n   0  success\n");
    for row in &TABLE {
        text.push_str(&format!("  {:>2}  {}: {}\n", row.code, row.name, row.meaning));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_code_of_its_own_and_the_name_that_json_shows() {
        for (i, row) in TABLE.iter().enumerate() {
            assert_ne!(row.code, 0);
            assert!(TABLE.iter().skip(i + 1).all(|other| other.code != row.code && other.class != row.class));
            assert_eq!(serde_json::to_value(row.class).unwrap(), row.name);
        }
        // Fails to compile when a class is added without a row being thought of.
        let all = |class| match class {
            ErrorClass::Usage | ErrorClass::BadInput | ErrorClass::Untrusted | ErrorClass::NotGranted => of(class).code,
            ErrorClass::NotFound | ErrorClass::Conflict | ErrorClass::Forbidden | ErrorClass::NoSpace => of(class).code,
            ErrorClass::Unavailable | ErrorClass::Internal => of(class).code,
        };
        assert_eq!(all(ErrorClass::Usage), 2);
    }
}
