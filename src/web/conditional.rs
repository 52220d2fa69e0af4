//! Conditional requests and codings (RFC 9110 §12.5.3, §13): what a reader has already, and what it can unpack. Pure.

use crate::clock::Timestamp;
use crate::text::date::parse;
use crate::work::publish::ready::Coding;

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

/// Whether one of these tags is this one, by a weak comparison. `*` names no version.
#[must_use]
pub fn names(none_match: &[&str], etag: &str) -> bool {
    let all = none_match.iter().flat_map(|list| list.split(',')).map(str::trim);
    all.filter(|tag| !tag.is_empty() && *tag != "*").any(|tag| opaque(tag) == opaque(etag))
}

/// Whether a reader takes an instance manipulation (RFC 3229 §10.5.3): only what is new in a feed.
#[must_use]
pub fn takes_deltas(a_im: &str) -> bool {
    a_im.split(',').any(|part| {
        let (word, parameters) = part.split_once(';').unwrap_or((part, ""));
        word.trim().eq_ignore_ascii_case("feed") && weight(parameters) > 0.0
    })
}

/// The coding in which an answer is sent, by the `Accept-Encoding` of the request (RFC 9110 §12.5.3): the heaviest that
/// is there, of equals the densest. Without the header, or where nothing fits, identity: a reader that refuses even
/// that gets it all the same, as the RFC lets us, since an error would serve it less.
#[must_use]
pub fn coding(accept: Option<&str>, offers: impl Fn(Coding) -> bool) -> Coding {
    let Some(accept) = accept else { return Coding::Identity };
    let (mut named, mut any) = ([None; 4], None);
    for part in accept.split(',') {
        let (word, parameters) = part.split_once(';').unwrap_or((part, ""));
        let q = weight(parameters);
        let word = word.trim();
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        match () {
            () if is("br") => named[0] = Some(q),
            () if is("zstd") => named[1] = Some(q),
            () if is("gzip") || is("x-gzip") => named[2] = Some(q),
            () if is("identity") => named[3] = Some(q),
            () if is("*") => any = Some(q),
            () => {}
        }
    }
    // What is named by nothing: identity is always fine, the others never.
    let identity = named[3].or(any).unwrap_or(0.0);
    let mut best = (identity, Coding::Identity);
    for (coding, q) in Coding::DENSEST.into_iter().zip(named) {
        let q = q.or(any).unwrap_or(0.0);
        let denser = best.1 == Coding::Identity && q >= best.0;
        if q > 0.0 && offers(coding) && (q > best.0 || denser) {
            best = (q, coding);
        }
    }
    best.1
}

/// The weight among the parameters of a list's member; 1 where none is said, 0 where it is nonsense.
fn weight(parameters: &str) -> f32 {
    match parameters.trim().strip_prefix("q=").or_else(|| parameters.trim().strip_prefix("Q=")) {
        Some(q) => q.trim().parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0),
        None => 1.0,
    }
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
    fn the_densest_of_what_a_reader_likes_best_is_sent() {
        use Coding::{Brotli, Gzip, Identity, Zstd};
        for (accept, sent) in [
            ("gzip", Gzip),
            ("GZIP;q=1.0", Gzip),
            ("x-gzip", Gzip),
            ("br, gzip", Brotli),
            ("gzip, deflate, br, zstd", Brotli),
            ("gzip, zstd", Zstd),
            ("br;q=0.5, gzip;q=0.8", Gzip),
            ("*", Brotli),
            ("*;q=0.1, br;q=0", Zstd),
            ("identity;q=0.5, *;q=0.6", Brotli),
            ("identity;q=0, gzip", Gzip),
            ("gzip;q=0.5, identity;q=0.5", Gzip),
            ("", Identity),
            ("deflate", Identity),
            ("gzip;q=0", Identity),
            ("*;q=0", Identity),
            ("identity;q=0", Identity),
            ("identity, gzip;q=0.5", Identity),
            ("gzip;q=nonsense", Identity),
            ("gzip;q=7", Identity),
        ] {
            assert_eq!(coding(Some(accept), |_| true), sent, "{accept}");
        }
        assert_eq!(coding(None, |_| true), Identity);
        assert_eq!(coding(Some("br, gzip"), |coding| coding != Brotli), Gzip);
    }

    #[test]
    fn only_who_asks_for_a_delta_takes_one() {
        for yes in ["feed", "Feed", "vcdiff, feed", "feed;q=0.5, gzip"] {
            assert!(takes_deltas(yes), "{yes}");
        }
        for no in ["", "vcdiff", "feed;q=0", "feeds"] {
            assert!(!takes_deltas(no), "{no}");
        }
        assert!(names(&["\"x\", W/\"0a1b2c-gzip\""], ETAG) && !names(&["*"], ETAG) && !names(&["\"x\""], ETAG));
    }
}
