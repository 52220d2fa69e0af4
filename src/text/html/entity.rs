//! Character references of HTML (HTML Living Standard §13.2.5.72 and on), decoded once and never twice.

use std::borrow::Cow;

use markup5ever::data::NAMED_ENTITIES;

/// The longest name of an entity, in bytes, with its `;`.
const LONGEST: usize = 33;
/// The longest name that old pages may write without `;`.
const LONGEST_BARE: usize = 6;

/// Decodes the references of a text. In an attribute, a name without `;` before a letter, digit or `=` is none:
/// `?a=1&copy=2` is an address.
pub(super) fn decode(text: &str, in_attribute: bool) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let used = if let Some((c, second, used)) = reference(&from[1..], in_attribute) {
            out.push(c);
            out.extend(second);
            1 + used
        } else {
            out.push('&');
            1
        };
        rest = &from[used..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What a reference means, without its `&`: one or two characters, and its length.
fn reference(text: &str, in_attribute: bool) -> Option<(char, Option<char>, usize)> {
    if let Some(number) = text.strip_prefix('#') {
        return numeric(number).map(|(c, used)| (c, None, used + 1));
    }
    let bytes = text.as_bytes();
    let length = bytes.iter().take(LONGEST).take_while(|b| b.is_ascii_alphanumeric()).count();
    if bytes.get(length) == Some(&b';')
        && let Some(found) = named(&text[..=length])
    {
        return Some((found.0, found.1, length + 1));
    }
    let bare = (2..=length.min(LONGEST_BARE)).rev().find_map(|n| named(&text[..n]).map(|found| (found, n)));
    let ((first, second), used) = bare?;
    let next = bytes.get(used);
    let is_address = in_attribute && next.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'=');
    (!is_address).then_some((first, second, used))
}

fn named(name: &str) -> Option<(char, Option<char>)> {
    // The table has the beginnings of names too, as pairs of zeros.
    let (first, second) = NAMED_ENTITIES.get(name).filter(|pair| pair.0 != 0)?;
    Some((char::from_u32(*first)?, char::from_u32(*second).filter(|c| *c != '\0')))
}

/// `#233;` or `#xE9;` without its `#`. C1 controls stay what they are: `XmlText` knows what they were meant to be.
fn numeric(text: &str) -> Option<(char, usize)> {
    let (digits, radix, prefix) = match text.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 1),
        None => (text, 10, 0),
    };
    let length = digits.bytes().take_while(|b| char::from(*b).is_digit(radix)).count();
    if length == 0 {
        return None;
    }
    let code = u32::from_str_radix(&digits[..length], radix).ok();
    let c = code.and_then(char::from_u32).filter(|c| *c != '\0').unwrap_or('\u{FFFD}');
    let ended = usize::from(digits.as_bytes().get(length) == Some(&b';'));
    Some((c, prefix + length + ended))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn references_are_decoded_once() {
        assert_eq!(decode("Đ&agrave;o &amp;amp; &#7842; &#x1EA2; &nbsp;&lt;b&gt;", false), "Đào &amp; Ả Ả \u{A0}<b>");
        assert_eq!(decode("a &copy 2021 &AMP &notit; &ngE;", false), "a © 2021 & ¬it; ≧\u{338}");
    }

    #[test]
    fn what_is_no_reference_stays() {
        for text in ["R&D", "a & b", "&", "&;", "&#;", "&#x;", "&khongco;", "AT&T;"] {
            assert_eq!(decode(text, false), text);
        }
        assert_eq!(decode("?a=1&copy=2&lt=3&ltx&amp;b", true), "?a=1&copy=2&lt=3&ltx&b");
    }

    #[test]
    fn impossible_numbers_are_the_replacement_character() {
        assert_eq!(decode("&#0;&#xD800;&#99999999999999;", false), "\u{FFFD}\u{FFFD}\u{FFFD}");
        assert_eq!(decode("&#150;", false), "\u{96}");
    }
}
