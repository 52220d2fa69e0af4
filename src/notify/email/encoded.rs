//! Header text beyond ASCII (RFC 2047): the whole value in base64 words of at most 75 characters, cut between
//! characters, one word a line of at most 76. Some receivers refuse mails whose words are longer or cut inside a character.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const START: &str = "=?utf-8?b?";
const END: &str = "?=";
/// RFC 2047 §2: a line that holds an encoded word has at most 76 characters.
const LINE: usize = 76;

/// The value of a header of free text, folded. `name` is the header's, for the room on the first line.
pub fn unstructured(name: &str, text: &str) -> String {
    let plain = text.bytes().all(|b| matches!(b, b' '..=b'~')) && !text.contains("=?");
    if plain && name.len() + 2 + text.len() <= LINE { text.to_owned() } else { words(name, text) }
}

/// A display name before an address in angle brackets, with the space between; nothing for an empty name.
pub fn phrase(name: &str, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let simple = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ');
    let quotable = text.bytes().all(|b| matches!(b, b' '..=b'~')) && !text.contains("=?");
    if quotable && name.len() + 2 + text.len() <= LINE / 2 {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        return if simple { format!("{text} ") } else { format!("\"{escaped}\" ") };
    }
    // The address begins a line of its own, so that the last word keeps its limit.
    words(name, text) + "\r\n "
}

fn words(name: &str, text: &str) -> String {
    let mut value = String::with_capacity(text.len() * 2);
    let mut room = LINE - name.len() - ": ".len();
    let mut rest = text;
    loop {
        let most = (room - START.len() - END.len()) / 4 * 3;
        let cut = (0..=most.min(rest.len())).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(0);
        let (word, after) = rest.split_at(cut);
        let _ = write!(value, "{START}{}{END}", STANDARD.encode(word));
        if after.is_empty() {
            return value;
        }
        value.push_str("\r\n ");
        room = LINE - " ".len();
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_and_what_looks_encoded_is_encoded() {
        assert_eq!(unstructured("Subject", "Weekly digest"), "Weekly digest");
        assert_eq!(unstructured("Subject", "=?utf-8?q?x?="), "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?=");
        assert_eq!(phrase("From", "Ban tin"), "Ban tin ");
        assert_eq!(phrase("From", "Tin \"moi\", bai"), "\"Tin \\\"moi\\\", bai\" ");
        assert_eq!(phrase("From", ""), "");
    }

    #[test]
    fn words_and_lines_keep_their_limits() {
        for text in ["Đại hội Đảng bộ ".repeat(20), "😀".repeat(60), "a".repeat(2000)] {
            let value = format!("Subject: {}", unstructured("Subject", &text));
            for line in value.split("\r\n") {
                assert!(line.len() <= LINE && line.is_ascii(), "{line}");
                let word = line.trim_start_matches("Subject: ").trim();
                let inner = word.strip_prefix(START).and_then(|w| w.strip_suffix(END)).expect("an encoded word");
                assert!(word.len() <= 75);
                assert!(String::from_utf8(STANDARD.decode(inner).expect("base64")).is_ok(), "whole characters");
            }
        }
    }
}
