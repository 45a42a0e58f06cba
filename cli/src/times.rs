//! Times for people: UTC, sortable, one form everywhere.

use time::{OffsetDateTime, UtcDateTime, format_description::BorrowedFormatItem, macros::format_description};

const FORMAT: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// Seconds since 1970.
pub fn seconds(since_1970: u64) -> String {
    let time = i64::try_from(since_1970).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
    time.and_then(|time| UtcDateTime::from(time).format(FORMAT).ok()).unwrap_or_else(|| format!("{since_1970} s since 1970"))
}

/// Milliseconds since 1970.
pub fn milliseconds(since_1970: u64) -> String {
    seconds(since_1970 / 1000)
}

/// A span of seconds: `1 d 2 h`, `3 min 4 s`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_a_device_may_send_becomes_text() {
        assert_eq!(seconds(1_764_082_800), "2025-11-25 15:00:00");
        assert_eq!(seconds(u64::MAX), format!("{} s since 1970", u64::MAX));
        assert_eq!((span(59), span(61), span(90_000)), ("59 s".into(), "1 min 1 s".into(), "1 d 1 h".into()));
    }
}
