//! A message as it crosses the wire: CRLF everywhere, dots doubled. Never changes what the
//! receiver reads, except that a lone CR or LF becomes the line end that was meant.

/// What the relay must be told of a message, or must be able to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Octets of the message as RFC 1870 §6.1 counts them (doubled dots are counted: it is an estimate).
    pub(super) size: usize,
    /// Whether it needs 8BITMIME.
    pub(super) is_8bit: bool,
}

/// What ends a message.
pub(super) const END: &[u8] = b".\r\n";

/// Prepares a message for DATA, in place; nothing when it is not UTF-8 (RFC 6152 allows other bytes, loa never writes
/// them). Not to be done twice: dots would be doubled again.
pub(super) fn make_ready(message: &mut Vec<u8>) -> Option<Shape> {
    let text = std::str::from_utf8(message).ok()?;
    if !is_ready(message) {
        *message = made_ready(text).into_bytes();
    }
    Some(Shape { size: message.len(), is_8bit: !message.is_ascii() })
}

/// Whether it can go out as it is. One pass without a branch, so that the compiler can take many bytes at a time: nearly
/// every message is ready, and this is all the work there is.
fn is_ready(message: &[u8]) -> bool {
    let pairs = message.iter().zip(message.get(1..).unwrap_or_default());
    let faults = pairs.fold(0, |faults, (&a, &b)| {
        faults | u8::from((a == b'\r') != (b == b'\n')) | (u8::from(a == b'\n') & u8::from(b == b'.'))
    });
    faults == 0 && message.first().is_none_or(|&b| b != b'.' && b != b'\n') && (message.ends_with(b"\r\n"))
}

/// RFC 5321 §4.5.2 (transparency) and §2.3.8 (lines end with CRLF and nothing else does).
fn made_ready(message: &str) -> String {
    let mut out = String::with_capacity(message.len() + message.len() / 16 + 2);
    let mut at_line_start = true;
    let mut chars = message.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' | '\n' => {
                if c == '\r' {
                    chars.next_if_eq(&'\n');
                }
                out.push_str("\r\n");
                at_line_start = true;
            }
            c => {
                if c == '.' && at_line_start {
                    out.push('.');
                }
                out.push(c);
                at_line_start = false;
            }
        }
    }
    if !at_line_start {
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire(message: &str) -> String {
        let mut ready = message.as_bytes().to_vec();
        make_ready(&mut ready).unwrap();
        ready.extend_from_slice(END);
        String::from_utf8(ready).unwrap()
    }

    #[test]
    fn dots_are_doubled_and_lines_end_with_crlf() {
        for (message, sent) in [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            ("", ".\r\n"),
            (".a\r\n..\r\n", "..a\r\n...\r\n.\r\n"),
            ("a\n.b\n", "a\r\n..b\r\n.\r\n"),
            ("a\r.b", "a\r\n..b\r\n.\r\n"),
            ("a\r\n.\r\nMAIL FROM:<x@y.z>\r\n", "a\r\n..\r\nMAIL FROM:<x@y.z>\r\n.\r\n"),
            ("a\n.\nMAIL FROM:<x@y.z>\n", "a\r\n..\r\nMAIL FROM:<x@y.z>\r\n.\r\n"),
            ("a\r\r\nb", "a\r\n\r\nb\r\n.\r\n"),
        ] {
            assert_eq!(wire(message), sent, "{message:?}");
        }
    }

    #[test]
    fn a_message_that_is_ready_is_not_copied() {
        let mut message = b"Subject: a\r\n\r\nb.\r\n".to_vec();
        let at = message.as_ptr();
        assert_eq!(make_ready(&mut message), Some(Shape { size: 18, is_8bit: false }));
        assert_eq!(message.as_ptr(), at);
        assert_eq!(make_ready(&mut b"\xff".to_vec()), None);
    }

    proptest! {
        #[test]
        fn no_text_can_end_the_message_early_or_smuggle_a_bare_line_end(message in "[.\r\nab]{0,40}") {
            let sent = wire(&message);
            let inner = sent.strip_suffix(".\r\n").unwrap();
            prop_assert!(inner.is_empty() || inner.ends_with("\r\n"));
            prop_assert!(!inner.replace("\r\n", "").contains(['\r', '\n']));
            prop_assert!(inner.split("\r\n").all(|line| line != "." && (!line.starts_with('.') || line.starts_with(".."))));
        }

        #[test]
        fn what_needs_no_work_and_what_the_slow_way_makes_agree(message in "(([.ab]{0,3})\r\n){0,6}") {
            prop_assert_eq!(wire(&message), format!("{}.\r\n", made_ready(&message)));
        }
    }
}
