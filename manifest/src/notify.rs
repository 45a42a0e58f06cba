//! Messages of the sd_notify protocol (sd_notify(3)) that apps and daemons send.

/// Longest datagram that is read, in bytes.
pub const NOTIFY_LIMIT: usize = 4096;
/// Longest status text that is kept, in characters.
pub const STATUS_LIMIT: usize = 200;

/// What one datagram said. Unknown assignments are ignored, as the protocol asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notification {
    /// `READY=1`.
    pub ready: bool,
    /// `WATCHDOG=1`.
    pub watchdog: bool,
    /// `STOPPING=1`.
    pub stopping: bool,
    /// `STATUS=…`: one line for people, made [`text::printable`].
    pub status: Option<String>,
}

impl Notification {
    /// Reads a datagram; what is not UTF-8 or too long says nothing.
    pub fn parse(datagram: &[u8]) -> Self {
        let mut said = Self::default();
        if datagram.len() > NOTIFY_LIMIT {
            return said;
        }
        for line in std::str::from_utf8(datagram).unwrap_or_default().lines() {
            match line.split_once('=') {
                Some(("READY", "1")) => said.ready = true,
                Some(("WATCHDOG", "1")) => said.watchdog = true,
                Some(("STOPPING", "1")) => said.stopping = true,
                Some(("STATUS", text)) => {
                    said.status = Some(text::printable(text, STATUS_LIMIT));
                }
                _ => {}
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_read_and_strangers_ignored() {
        let said = Notification::parse(b"READY=1\nX=2\nSTATUS=rang \x1b[31m3 times\nWATCHDOG=1");
        assert!(said.ready && said.watchdog && !said.stopping);
        assert_eq!(said.status.as_deref(), Some("rang  [31m3 times"));
        assert_eq!(Notification::parse(b"READY=2"), Notification::default());
        assert_eq!(Notification::parse(&[b'A'; NOTIFY_LIMIT + 1]), Notification::default());
    }

    proptest::proptest! {
        #[test]
        fn any_datagram_gives_a_bounded_status(bytes: Vec<u8>) {
            let status = Notification::parse(&bytes).status.unwrap_or_default();
            proptest::prop_assert!(status.chars().count() <= STATUS_LIMIT);
        }
    }
}
