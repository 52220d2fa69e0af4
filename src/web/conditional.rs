//! Conditional requests and codings (RFC 9110 §12.5.3, §13): what a reader has already, and what it can unpack. Pure.

use crate::clock::Timestamp;
use crate::text::date::parse;

/// What proxies append to a tag when they compress by themselves.
const LEFTOVERS: [&str; 5] = ["-gzip", "-br", "-zstd", ";gz", "--gzip"];

/// Whether a reader with these headers has the newest version already. `If-Modified-Since` counts only without
/// `If-None-Match`, and a date later than ours is as good as ours.
#[must_use]
pub fn has_it(none_match: &[&str], modified_since: Option<&str>, etag: &str, changed: Timestamp) -> bool {
    if !none_match.is_empty() {
        return none_match.iter().flat_map(|list| list.split(',')).any(|tag| {
            let tag = tag.trim();
            tag == "*" || (!tag.is_empty() && opaque(tag) == opaque(etag))
        });
    }
    modified_since.and_then(parse::http).is_some_and(|since| since.seconds() >= changed.seconds())
}

/// The tag without weakness, quotes and what proxies added: all that a weak comparison looks at.
fn opaque(tag: &str) -> &str {
    let tag = tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/")).unwrap_or(tag);
    let bare = |tag: &'_ str| -> Option<usize> { LEFTOVERS.iter().find_map(|end| tag.strip_suffix(end)).map(str::len) };
    let tag = bare(tag).map_or(tag, |length| &tag[..length]);
    let tag = tag.trim_matches('"');
    bare(tag).map_or(tag, |length| &tag[..length])
}

/// Whether the answer should be sent compressed by gzip, by the `Accept-Encoding` of the request.
#[must_use]
pub fn wants_gzip(accept: Option<&str>) -> bool {
    let Some(accept) = accept else { return false };
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for part in accept.split(',') {
        let (coding, parameters) = part.split_once(';').unwrap_or((part, ""));
        let weight = match parameters.trim().strip_prefix("q=").or_else(|| parameters.trim().strip_prefix("Q=")) {
            Some(q) => q.trim().parse::<f32>().unwrap_or(0.0),
            None => 1.0,
        };
        match coding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(weight),
            "*" => any = Some(weight),
            "identity" => identity = Some(weight),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "W/\"0a1b2c\"";
    const CHANGED: Timestamp = Timestamp::from_millis(1_700_000_000_999);

    #[test]
    fn a_tag_is_recognised_whatever_a_proxy_made_of_it() {
        for tag in [
            ETAG,
            "\"0a1b2c\"",
            "\"0a1b2c-gzip\"",
            "W/\"0a1b2c-br\"",
            "\"0a1b2c;gz\"",
            "\"0a1b2c\"-gzip",
            "\"x\", W/\"0a1b2c\"",
            "*",
        ] {
            assert!(has_it(&[tag], None, ETAG, CHANGED), "{tag}");
        }
        for tag in ["\"0a1b2\"", "", "\"\"", "0a1b2cd", "W/\"-gzip\""] {
            assert!(!has_it(&[tag], None, ETAG, CHANGED), "{tag}");
        }
        assert!(has_it(&["\"x\"", ETAG], None, ETAG, CHANGED), "several headers are one list");
    }

    #[test]
    fn a_date_counts_only_without_a_tag_and_a_later_one_is_as_good() {
        let same = CHANGED.http_date();
        let later = CHANGED.plus(std::time::Duration::from_hours(1)).http_date();
        let earlier = CHANGED.minus(std::time::Duration::from_secs(1)).http_date();
        assert!(has_it(&[], Some(&same), ETAG, CHANGED));
        assert!(has_it(&[], Some(&later), ETAG, CHANGED));
        assert!(!has_it(&[], Some(&earlier), ETAG, CHANGED));
        assert!(!has_it(&["\"old\""], Some(&later), ETAG, CHANGED));
        assert!(!has_it(&[], Some("yesterday"), ETAG, CHANGED));
        assert!(!has_it(&[], None, ETAG, CHANGED));
    }

    #[test]
    fn gzip_is_sent_to_those_who_ask_for_it() {
        for yes in ["gzip", "br, gzip;q=0.8", "*", "GZIP;q=1.0", "x-gzip", "identity;q=0.5, *;q=0.6"] {
            assert!(wants_gzip(Some(yes)), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "*;q=0", "gzip;q=0, *", "identity, gzip;q=0.5", "gzip;q=nonsense"] {
            assert!(!wants_gzip(Some(no)), "{no}");
        }
        assert!(!wants_gzip(None));
    }
}
