//! `robots.txt` (RFC 9309): which addresses of a host loa may ask for. Reads text and answers questions; never fetches.

use std::time::Duration;

/// The name by which a portal addresses loa in its `robots.txt` (RFC 9309 §2.2.1).
const TOKEN: &str = "loa";

/// How much of the file is read: at least 500 KiB by RFC 9309 §2.5.
const READ: usize = 512 * 1024;

/// The longest pause that a portal may ask for by `Crawl-delay` (not in the RFC, but many hosts write it): a poll must end.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// What a host asks of loa.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Robots {
    rules: Vec<Rule>,
    /// The pause between two calls.
    pub delay: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    allow: bool,
    pattern: String,
    line: usize,
}

impl Robots {
    /// Reads the groups for `loa`, or, where there is none, those for everybody (RFC 9309 §2.2.1). What is no line of the
    /// format is passed over, so that a page of HTML permits everything.
    pub(super) fn read(text: &str) -> Self {
        let (mut ours, mut all, mut named) = (Self::default(), Self::default(), false);
        // Whether the group at hand is for us, for all; and whether its rules have begun.
        let (mut for_us, mut for_all, mut begun) = (false, false, true);
        for (number, line) in text[..text.floor_char_boundary(READ)].lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value) = (key.trim().trim_start_matches('\u{feff}').to_ascii_lowercase(), value.trim());
            let allow = match key.as_str() {
                "user-agent" => {
                    if std::mem::take(&mut begun) {
                        (for_us, for_all) = (false, false);
                    }
                    let end = value.find(|c: char| !(c.is_ascii_alphabetic() || matches!(c, '-' | '_')));
                    for_us |= value[..end.unwrap_or(value.len())].eq_ignore_ascii_case(TOKEN);
                    for_all |= value == "*";
                    named |= for_us;
                    continue;
                }
                "allow" => true,
                "disallow" => false,
                "crawl-delay" => {
                    begun = true;
                    let delay = value.parse().ok().and_then(|s: f64| Duration::try_from_secs_f64(s).ok());
                    for group in groups(&mut ours, &mut all, for_us, for_all) {
                        group.delay = delay.unwrap_or_default().min(LONGEST_DELAY);
                    }
                    continue;
                }
                _ => continue,
            };
            begun = true;
            // An empty rule matches nothing.
            if !value.is_empty() {
                let rule = Rule { allow, pattern: same_spelling(value), line: number + 1 };
                for group in groups(&mut ours, &mut all, for_us, for_all) {
                    group.rules.push(rule.clone());
                }
            }
        }
        if named { ours } else { all }
    }

    /// The rule that forbids a path with its query, as `line 3: Disallow: /tin/`; nothing if it may be asked for. The
    /// longest match decides, and of two that are equally long the one that permits (RFC 9309 §2.2.2).
    pub(super) fn forbids(&self, path: &str) -> Option<String> {
        let path = same_spelling(path);
        if path == "/robots.txt" {
            return None;
        }
        let matching = self.rules.iter().filter(|rule| matches(&rule.pattern, &path));
        let decides = matching.max_by_key(|rule| (rule.pattern.len(), rule.allow))?;
        (!decides.allow).then(|| format!("line {}: Disallow: {}", decides.line, decides.pattern))
    }
}

fn groups<'a>(
    ours: &'a mut Robots,
    all: &'a mut Robots,
    for_us: bool,
    for_all: bool,
) -> impl Iterator<Item = &'a mut Robots> {
    [(for_us, ours), (for_all, all)].into_iter().filter_map(|(wanted, group)| wanted.then_some(group))
}

/// Whether a pattern, with `*` for anything and `$` for the end, begins a path (RFC 9309 §2.2.3). Linear in both for each
/// star: the leftmost place for each part is as good as any other, but for the last of a pattern that is tied to the end.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, tied) = pattern.strip_suffix('$').map_or((pattern, false), |pattern| (pattern, true));
    let mut parts = pattern.split('*');
    let Some(mut rest) = path.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return !tied || rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if tied && parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// One spelling for what may be written in several (RFC 9309 §2.2.2): letters outside ASCII percent-encoded, hexadecimal
/// digits large, and nothing encoded that need not be.
fn same_spelling(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = String::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        let (byte, encoded, used) = match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => (u8::try_from(high * 16 + low).unwrap_or_default(), true, 3),
            (byte, _, _) => (byte, false, 1),
        };
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if unreserved || !encoded && byte.is_ascii_graphic() {
            out.push(char::from(byte));
        } else {
            use std::fmt::Write;
            let _ = write!(out, "%{byte:02X}");
        }
        at += used;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(robots: &str, path: &str) -> bool {
        Robots::read(robots).forbids(path).is_none()
    }

    #[test]
    fn our_group_is_taken_before_that_of_all_and_its_parts_are_one() {
        let robots = "User-agent: *\nDisallow: /\n\nuser-agent: KhacBot\nUSER-AGENT: Loa/2.0\nDisallow: /quan-tri\n\n\
                      User-agent: khac\nDisallow: /khac\n\nUser-agent: loa\nDisallow: /rieng\n";
        for (path, allowed) in
            [("/tin", true), ("/quan-tri/x", false), ("/rieng", false), ("/khac", true), ("/robots.txt", true)]
        {
            assert_eq!(may(robots, path), allowed, "{path}");
        }
        assert!(!may("User-agent: *\nDisallow: /tin", "/tin/1"), "without a group of ours that of all holds");
        assert!(may("User-agent: loa\nDisallow:\n\nUser-agent: *\nDisallow: /", "/tin"), "an empty group permits all");
        assert!(may("User-agent: loarobot\nDisallow: /", "/tin"), "another name that begins as ours");
        assert!(may("<!DOCTYPE html>\n<p>Disallow: /</p>\nDisallow: /", "/tin"), "rules before any group are none");
    }

    #[test]
    fn the_longest_match_decides_and_of_equals_the_one_that_permits() {
        let robots = "User-agent: *\nDisallow: /tin\nAllow: /tin/mo\nDisallow: /tin/mo/kin\nAllow: /a\nDisallow: /a\n";
        for (path, allowed) in
            [("/tin/1", false), ("/tin/mo/1", true), ("/tin/mo/kin/1", false), ("/a/1", true), ("/b", true)]
        {
            assert_eq!(may(robots, path), allowed, "{path}");
        }
        assert_eq!(Robots::read(robots).forbids("/tin/1").as_deref(), Some("line 2: Disallow: /tin"));
    }

    #[test]
    fn stars_and_ends_are_matched() {
        for (pattern, path, hit) in [
            ("/*.pdf$", "/van-ban/1.pdf", true),
            ("/*.pdf$", "/van-ban/1.pdf?x", false),
            ("/*.pdf", "/van-ban/1.pdf?x", true),
            ("/a*b*c", "/aXbYcZ", true),
            ("/a*b*c", "/aXcYbZ", false),
            ("/a*ab$", "/aab", true),
            ("/a$", "/a", true),
            ("/a$", "/ab", false),
            ("*?format=feed", "/tin?format=feed&type=rss", true),
            ("*", "/", true),
        ] {
            assert_eq!(matches(pattern, path), hit, "{pattern} {path}");
        }
    }

    #[test]
    fn an_address_is_the_same_in_every_spelling() {
        let robots = "User-agent: *\nDisallow: /bài viết\nDisallow: /%7Equan\nDisallow: /c%2fd\nDisallow: /cũ";
        for path in ["/b%C3%A0i%20vi%E1%BA%BFt/1", "/b%c3%a0i%20vi%e1%ba%bft", "/~quan", "/c%2Fd", "/c%C5%A9"] {
            assert!(!may(robots, path), "{path}");
        }
        assert!(may(robots, "/c/d"), "an encoded slash is not a slash");
    }

    #[test]
    fn a_delay_is_a_pause_of_bounded_length() {
        let delay = |text: &str| Robots::read(text).delay;
        assert_eq!(delay("User-agent: *\nCrawl-delay: 2.5"), Duration::from_millis(2500));
        assert_eq!(delay("User-agent: *\nCrawl-delay: 86400"), LONGEST_DELAY);
        for odd in ["-1", "NaN", "lâu", "1e99"] {
            assert!(delay(&format!("User-agent: *\nCrawl-delay: {odd}")) <= LONGEST_DELAY);
        }
        assert_eq!(delay("User-agent: *\nDisallow: /\nUser-agent: x\nCrawl-delay: 5"), Duration::ZERO);
    }

    #[test]
    fn a_hostile_file_is_read_and_matched_in_a_moment() {
        let robots = Robots::read(&format!("User-agent: *\nDisallow: /{}b$\n", "*a".repeat(100_000)));
        assert!(robots.forbids(&format!("/{}", "a".repeat(8000))).is_none());
        Robots::read(&"User-agent: *\nDisallow: /x\n".repeat(50_000));
    }
}
