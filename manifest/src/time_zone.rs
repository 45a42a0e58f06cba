//! What a time zone looks like in the variable `TZ` (POSIX.1-2017, 8.3).

/// Longest that is taken, in bytes.
const LIMIT: usize = 64;

/// Whether it is `std offset [dst [offset] [,start[/time],end[/time]]]`.
pub fn is_valid(text: &str) -> bool {
    text.len() <= LIMIT && zone(text).is_some()
}

/// Each part takes what belongs to it and gives the rest.
fn zone(text: &str) -> Option<()> {
    let rest = offset(abbreviation(text)?, 24)?;
    if rest.is_empty() {
        return Some(());
    }
    let rest = abbreviation(rest)?;
    let rest = if rest.is_empty() || rest.starts_with(',') { rest } else { offset(rest, 24)? };
    if rest.is_empty() {
        return Some(());
    }
    let rest = day(day(rest)?)?;
    rest.is_empty().then_some(())
}

/// Three letters or more, or with digits and signs in pointed brackets.
fn abbreviation(text: &str) -> Option<&str> {
    let quoted = text.strip_prefix('<');
    let body = quoted.unwrap_or(text);
    let plain = |c: char| c.is_ascii_alphabetic() || (quoted.is_some() && (c.is_ascii_digit() || matches!(c, '+' | '-')));
    let end = body.find(|c| !plain(c)).unwrap_or(body.len());
    let rest = body.get(end..).filter(|_| end >= 3)?;
    if quoted.is_some() { rest.strip_prefix('>') } else { Some(rest) }
}

/// `[+-]hh[:mm[:ss]]`
fn offset(text: &str, most_hours: u32) -> Option<&str> {
    let mut rest = number(text.strip_prefix(['+', '-']).unwrap_or(text), 0, most_hours)?;
    for _ in 0..2 {
        rest = match rest.strip_prefix(':') {
            Some(behind) => number(behind, 0, 59)?,
            None => return Some(rest),
        };
    }
    Some(rest)
}

/// `,Mm.w.d`, `,Jn` or `,n`, each with `/time` or without.
fn day(text: &str) -> Option<&str> {
    let text = text.strip_prefix(',')?;
    let rest = if let Some(month) = text.strip_prefix('M') {
        let week = number(month, 1, 12)?.strip_prefix('.')?;
        number(number(week, 1, 5)?.strip_prefix('.')?, 0, 6)?
    } else if let Some(day) = text.strip_prefix('J') {
        number(day, 1, 365)?
    } else {
        number(text, 0, 365)?
    };
    // A week to either side, as RFC 8536 has it.
    rest.strip_prefix('/').map_or(Some(rest), |time| offset(time, 167))
}

fn number(text: &str, least: u32, most: u32) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let value = text.get(..end).filter(|digits| digits.len() <= 3)?.parse::<u32>().ok()?;
    text.get(end..).filter(|_| (least..=most).contains(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_of_the_world_are_taken() {
        for zone in [
            "UTC0",
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "EST5EDT,M3.2.0,M11.1.0",
            "<+0530>-5:30",
            "IST-2IDT,M3.4.4/26,M10.5.0",
            "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
            "NZST-12NZDT-13,J60/2:30:15,300",
            "CET-1CEST",
        ] {
            assert!(is_valid(zone), "{zone}");
        }
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        for zone in [
            "",
            "UTC",
            "Europe/Berlin",
            ":Europe/Berlin",
            "/etc/passwd",
            "CE-1",
            "CET-25",
            "CET-1:60",
            "CET-1 ",
            "CET-1CEST,",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M13.5.0,M10.5.0",
            "CET-1CEST,M3.5.0,M10.5.0,",
            "<+05-5",
            "CET-1\n",
            "CET-1CEST,J0,J1",
            "AAA-00001",
        ] {
            assert!(!is_valid(zone), "{zone}");
        }
        assert!(!is_valid(&format!("{}0", "A".repeat(LIMIT))));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_taken_is_plain(text in "\\PC{0,40}|[A-Z]{3}[-+]?[0-9:]{1,5}[A-Z<>0-9,./MJ]{0,30}") {
            if is_valid(&text) {
                proptest::prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }
}
