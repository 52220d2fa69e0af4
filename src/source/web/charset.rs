//! From bytes to text, whatever a portal says of its encoding. Never fails: what cannot be read becomes U+FFFD. Never
//! normalises.
//!
//! What servers say is often wrong, and UTF-8 cannot be mistaken: text with marks that is UTF-8 throughout is UTF-8, whatever
//! the header says. Only then are the declarations asked, the page's own before a header that is merely the server's default.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, WINDOWS_1258};
use url::{Host, Url};

/// How far into a page its own declaration is looked for. The rule is 1024 bytes (HTML §13.2.3.2); portals put more above it.
const DECLARED_WITHIN: usize = 8192;

/// How much of a page is looked at to guess its encoding.
const GUESSED_FROM: usize = 256 * 1024;

/// The text of a page, without byte order mark and without an XML declaration, whose encoding no longer holds.
pub(super) fn decode(bytes: &[u8], content_type: &str, url: &Url) -> String {
    let (text, _) = encoding(bytes, content_type, url).decode_with_bom_removal(bytes);
    without_declaration(&text).to_owned()
}

fn encoding(bytes: &[u8], content_type: &str, url: &Url) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return encoding;
    }
    if let Some(encoding) = by_zeros(bytes) {
        return encoding;
    }
    if is_utf8(bytes) {
        return UTF_8;
    }
    // No zeros: whoever declares UTF-16 here is wrong.
    let real =
        |label: &str| Encoding::for_label(label.as_bytes()).filter(|e| *e != UTF_8 && *e != UTF_16LE && *e != UTF_16BE);
    if let Some(own) = declared(bytes).and_then(real).filter(|own| *own != WINDOWS_1252) {
        return own;
    }
    match parameter(content_type).and_then(real) {
        Some(named) if named != WINDOWS_1252 => named,
        // Nobody said, or what was said is what servers say by default.
        _ => guess(bytes, url),
    }
}

/// UTF-16 without a byte order mark shows by the zeros of its first characters (XML 1.0, appendix F.1).
fn by_zeros(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some(UTF_16BE),
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some(UTF_16LE),
        _ => None,
    }
}

/// Whether this is UTF-8, but for a few letters that somebody cut in two.
fn is_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    bad == 0 || good > 20 * bad
}

/// The encoding that a page names itself: its XML declaration, or the first `charset=` in a `<meta>`.
fn declared(bytes: &[u8]) -> Option<&str> {
    let head = &bytes[..bytes.len().min(DECLARED_WITHIN)];
    let lower = head.to_ascii_lowercase();
    let find = |what: &[u8], from: usize, to: usize| {
        lower.get(from..to)?.windows(what.len()).position(|part| part == what).map(|at| from + at + what.len())
    };
    if lower.starts_with(b"<?xml") {
        let end = find(b"?>", 0, lower.len())?;
        return label(&head[find(b"encoding", 0, end)?..end]);
    }
    let mut from = 0;
    while let Some(start) = find(b"<meta", from, lower.len()) {
        let end = find(b">", start, lower.len()).unwrap_or(lower.len());
        if let Some(at) = find(b"charset", start, end) {
            return label(&head[at..end]);
        }
        from = end;
    }
    None
}

/// The word behind an equals sign, in quotes or not.
fn label(bytes: &[u8]) -> Option<&str> {
    let rest = bytes.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
    let end = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || b"-_:.+".contains(b))).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok().filter(|label| !label.is_empty())
}

/// The `charset` of a `Content-Type`.
fn parameter(content_type: &str) -> Option<&str> {
    let at = content_type.to_ascii_lowercase().find("charset")?;
    label(&content_type.as_bytes()[at + "charset".len()..])
}

fn guess(bytes: &[u8], url: &Url) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&bytes[..bytes.len().min(GUESSED_FROM)], true);
    let top = match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.').rsplit('.').next().unwrap_or_default().to_owned(),
        // A portal without a name is one of an intranet; loa's are in Vietnam unless they say otherwise.
        _ => "vn".to_owned(),
    };
    let fine = !top.is_empty() && top.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let guessed = detector.guess(fine.then_some(top.as_bytes()), Utf8Detection::Deny);
    // The tones of windows-1258 are letters of windows-1252 that no Western text holds among its own.
    if guessed == WINDOWS_1252 && top == "vn" { WINDOWS_1258 } else { guessed }
}

fn without_declaration(text: &str) -> &str {
    let Some(rest) = text.trim_start().strip_prefix("<?xml") else { return text };
    match (rest.starts_with(char::is_whitespace), rest.find("?>")) {
        (true, Some(end)) => rest[end + 2..].trim_start(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    const TEXT: &str = "Đại hội đảng bộ tỉnh: nâng cao năng lực lãnh đạo, sức chiến đấu của tổ chức cơ sở đảng";

    /// windows-1258 has tones as marks of their own behind the vowel.
    fn in_1258(text: &str) -> Vec<u8> {
        let spelled: String = text
            .nfc()
            .flat_map(|c| {
                let mut parts: Vec<char> = std::iter::once(c).nfd().collect();
                let tone = parts.iter().position(|c| "\u{300}\u{301}\u{303}\u{309}\u{323}".contains(*c));
                let tone = tone.map(|at| parts.remove(at));
                let base: String = parts.into_iter().nfc().collect();
                base.chars().chain(tone).collect::<Vec<_>>()
            })
            .collect();
        let (bytes, _, lost) = WINDOWS_1258.encode(&spelled);
        assert!(!lost, "{spelled}");
        bytes.into_owned()
    }

    fn in_16(text: &str, big: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    fn read(bytes: &[u8], content_type: &str) -> String {
        let url = Url::parse("https://portal.example.vn/").expect("an address");
        decode(bytes, content_type, &url).nfc().collect()
    }

    #[test]
    fn utf_8_is_seen_whatever_the_header_or_the_page_says() {
        let xml = format!("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><rss>{TEXT}</rss>");
        for content_type in
            ["", "text/xml", "text/xml; charset=iso-8859-1", "text/xml; charset=utf-16", "text/xml; charset=x-tcvn"]
        {
            assert_eq!(read(xml.as_bytes(), content_type), format!("<rss>{TEXT}</rss>"), "{content_type}");
        }
        let with_bom = format!("\u{feff}{TEXT}");
        assert_eq!(read(with_bom.as_bytes(), "text/html; charset=windows-1258"), TEXT);
    }

    #[test]
    fn windows_1258_is_read_where_it_is_named_and_where_it_is_not() {
        let page = in_1258(TEXT);
        for content_type in ["text/html; charset=windows-1258", "text/html; Charset = 'CP1258'"] {
            assert_eq!(read(&page, content_type), TEXT, "{content_type}");
        }
        for content_type in ["", "text/html; charset=utf-8", "text/html; charset=ISO-8859-1"] {
            let own = [b"<meta charset=windows-1258>".to_vec(), page.clone()].concat();
            assert!(read(&own, content_type).ends_with(TEXT), "{content_type}");
            let own =
                [b"<META http-equiv=Content-Type content=\"text/html; charset=windows-1258\">", &page[..]].concat();
            assert!(read(&own, content_type).ends_with(TEXT), "{content_type}");
            let xml = [b"<?xml version='1.0' encoding='windows-1258'?><a>", &page[..], b"</a>"].concat();
            assert_eq!(read(&xml, content_type), format!("<a>{TEXT}</a>"), "{content_type}");
            assert_eq!(read(&page, content_type), TEXT, "not named; {content_type}");
        }
    }

    #[test]
    fn utf_16_is_read_with_and_without_its_mark() {
        let xml = format!("<?xml version=\"1.0\" encoding=\"utf-16\"?><rss>{TEXT}</rss>");
        for big in [false, true] {
            for text in [xml.clone(), format!("\u{feff}{xml}")] {
                assert_eq!(read(&in_16(&text, big), "text/xml; charset=utf-8"), format!("<rss>{TEXT}</rss>"));
            }
        }
    }

    #[test]
    fn a_letter_that_was_cut_in_two_does_not_spoil_the_rest() {
        let mut bytes = TEXT.as_bytes().to_vec();
        bytes.extend_from_slice("tổ chứ".as_bytes());
        bytes.pop();
        let text = read(&bytes, "text/html; charset=utf-8");
        assert!(text.starts_with(TEXT) && text.ends_with('\u{fffd}'), "{text}");
    }

    #[test]
    fn no_bytes_break_the_reading() {
        let url = Url::parse("https://[::1]/").expect("an address");
        for bytes in
            [&b""[..], b"<?xml", b"<?xml encoding=", b"<meta charset", b"<meta charset='", b"\xff", b"\xfe\xff\xd8"]
        {
            let _ = decode(bytes, "text/html; charset=", &url);
        }
    }
}
