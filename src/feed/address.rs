//! Addresses and ids as feeds may carry them: URIs of RFC 3986, since grammars and readers refuse what browsers forgive.
//! Never resolves relative addresses: those were made absolute at ingest.

use std::fmt::Write;

use url::{Position, Url};

use crate::text::xml::is_xml_char;

/// The address as an absolute `http` or `https` URI in ASCII, or `None` if it is none. What browsers tolerate in paths
/// and queries (brackets, bars, a lone `%`) is percent-encoded.
#[must_use]
pub fn web(raw: &str) -> Option<String> {
    let url = Url::parse(raw.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return None;
    }
    let mut clean = url[..Position::BeforePath].to_owned();
    encode(&url[Position::BeforePath..], &mut clean);
    Some(clean)
}

/// A `tag:` URI (RFC 4151): `tag:<authority>:<specific>`.
#[must_use]
pub fn tag(authority: &str, specific: &str) -> String {
    let mut uri = "tag:".to_owned();
    encode(authority, &mut uri);
    uri.push(':');
    encode(specific, &mut uri);
    uri
}

/// Whether this can be an entry id: an absolute URI or IRI, with no character that RFC 3987 keeps out of one. An id is
/// never repaired, for it must be the same in feed, mail and webhook.
#[must_use]
pub fn is_entry_id(id: &str) -> bool {
    let Some((scheme, rest)) = id.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !rest.is_empty()
        && rest.chars().all(|c| match c {
            '%' => true,
            c if c.is_ascii() => is_uri_char(c),
            c => c >= '\u{A0}' && is_xml_char(c) && !c.is_whitespace(),
        })
}

/// Writes `raw` with every character percent-encoded that RFC 3986 does not allow behind the host. `%` stays only before
/// two hexadecimal digits, `#` only once.
fn encode(raw: &str, clean: &mut String) {
    let bytes = raw.as_bytes();
    let mut fragment = false;
    for (at, c) in raw.char_indices() {
        let escape = c == '%' && bytes.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
        if escape || (c == '#' && !std::mem::replace(&mut fragment, true)) || (c != '#' && is_uri_char(c)) {
            clean.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(clean, "%{byte:02X}");
            }
        }
    }
}

/// `unreserved`, `sub-delims` and the delimiters of path, query and fragment (RFC 3986 appendix A).
fn is_uri_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?#".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_forgive_becomes_a_uri() {
        for (raw, clean) in [
            ("https://tinh.example/a?b=1&c=\"2\"", "https://tinh.example/a?b=1&c=%222%22"),
            ("https://tinh.example/ảnh đẹp.jpg", "https://tinh.example/%E1%BA%A3nh%20%C4%91%E1%BA%B9p.jpg"),
            ("https://tinh.example/a[1]|b^`{}\\c", "https://tinh.example/a%5B1%5D%7Cb%5E%60%7B%7D/c"),
            ("https://tinh.example/50%-tang?x=100%", "https://tinh.example/50%25-tang?x=100%25"),
            ("https://tinh.example/a%20b#c#d", "https://tinh.example/a%20b#c%23d"),
            ("http://[::1]:8080/a", "http://[::1]:8080/a"),
            (" https://tỉnh.example/ ", "https://xn--tnh-dlz.example/"),
        ] {
            assert_eq!(web(raw).as_deref(), Some(clean));
        }
    }

    #[test]
    fn what_is_no_web_address_is_refused() {
        for raw in
            ["", "/bai/1", "bai.html", "javascript:alert(1)", "data:text/html,x", "mailto:a@b.example", "https://"]
        {
            assert_eq!(web(raw), None, "{raw}");
        }
    }

    #[test]
    fn an_id_is_taken_as_it_is_or_not_at_all() {
        for good in ["tag:tinh.example,2021:portal/article/15", "urn:uuid:1", "tag:a,2021:tin/bài", "tag:a,2021:50%25"]
        {
            assert!(is_entry_id(good), "{good}");
        }
        for bad in ["", "15", ":", "tag:", "1tag:x", "tag:a b", "tag:a\u{B}b", "tag:<a>", "tag:a\u{FFFE}", "tag:a\"b"] {
            assert!(!is_entry_id(bad), "{bad:?}");
        }
    }
}
