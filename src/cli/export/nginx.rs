//! What nginx has to know beyond the files: feeds that are gone, and addresses from before loa. Writes nothing that a name
//! or an address could end early: what nginx would read as more than a word is left out and named.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::work::old::OldAddress;

/// Tells for good that feeds are gone.
pub(super) fn gone(slugs: &[String]) -> String {
    if slugs.is_empty() {
        return String::new();
    }
    // Slugs are letters, digits and hyphens: nothing in them has a meaning in a pattern.
    format!("\n# Feeds that ended.\nlocation ~ ^/feeds/({})(\\.|/|$) {{\n    return 410;\n}}\n", slugs.join("|"))
}

/// Leads addresses from before loa to their files, before the portal's own places are looked at; whatever else has such a
/// path stays the portal's. Parameters may stand in any order, and others beside them.
pub(super) fn old_addresses(table: &[(&OldAddress, String)]) -> String {
    let mut rules = String::new();
    // By the names of their parameters: those that ask for the same ones share a key.
    let mut by_names: BTreeMap<Vec<&str>, Vec<(&OldAddress, &str)>> = BTreeMap::new();
    for (old, file) in table {
        if !is_plain(&old.plain_path()) {
            eprintln!("loa: the old address {} is left out of nginx.conf: its path cannot stand there", old.path);
            continue;
        }
        let mut names: Vec<&str> = old.query.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.iter().any(|name| !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')) {
            eprintln!(
                "loa: the old address {} is left out of nginx.conf: nginx cannot ask for its parameters",
                old.path
            );
            continue;
        }
        by_names.entry(names).or_default().push((old, file));
    }
    // Later rules win nothing: the first that fits ends the search, so the most exacting come first.
    let mut groups: Vec<_> = by_names.into_iter().collect();
    groups.sort_by_key(|(names, _)| std::cmp::Reverse(names.len()));
    for (names, addresses) in groups {
        let key = names.iter().fold("$uri".to_owned(), |key, name| format!("{key}|$arg_{name}"));
        let _ = writeln!(rules, "set $loa_old \"{key}\";");
        for (old, file) in addresses {
            let mut pairs: Vec<&(String, String)> = old.query.iter().collect();
            pairs.sort_unstable();
            let values = pairs.iter().fold(String::new(), |all, (_, value)| format!("{all}|{value}"));
            let path = old.plain_path();
            for end in ["", "/"].into_iter().filter(|end| !(path.is_empty() && end.is_empty())) {
                let _ = writeln!(rules, "if ($loa_old = \"{path}{end}{values}\") {{ rewrite ^ {file}? last; }}");
            }
        }
    }
    if rules.is_empty() { rules } else { format!("\n# Where the portal's feeds were found before loa.\n{rules}") }
}

/// Whether nginx reads a word as itself between quotation marks.
fn is_plain(word: &str) -> bool {
    !word.chars().any(|c| c.is_control() || matches!(c, '"' | '\\' | '$' | '{' | '}' | ';' | '|'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::document::Format;
    use crate::work::old::Ids;

    fn old(path: &str, query: &[(&str, &str)]) -> OldAddress {
        OldAddress {
            path: path.into(),
            query: query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            feed: "tin-tuc".into(),
            format: Format::Rss,
            ids: Ids::Entries,
            origin: None,
        }
    }

    #[test]
    fn nothing_in_an_address_becomes_a_directive() {
        for path in ["/a\";return 200;#", "/$host", "/a}b", "/a\nb", "/a%22b"] {
            assert_eq!(old_addresses(&[(&old(path, &[]), "/feeds/old/0.rss".into())]), "", "{path}");
        }
        for pair in [("x-y", "1"), ("x", "\";"), ("x", "$host")] {
            assert_eq!(old_addresses(&[(&old("/a", &[pair]), "/feeds/old/0.rss".into())]), "", "{pair:?}");
        }
    }

    #[test]
    fn the_most_exacting_address_is_asked_for_first() {
        let (one, two) = (old("/tin", &[("type", "rss")]), old("/tin", &[("type", "rss"), ("format", "feed")]));
        let told = old_addresses(&[(&one, "/feeds/old/1.rss".into()), (&two, "/feeds/old/0.rss".into())]);
        assert!(told.find("/feeds/old/0.rss") < told.find("/feeds/old/1.rss"), "{told}");
        assert!(told.contains("set $loa_old \"$uri|$arg_format|$arg_type\";"), "{told}");
        assert!(told.contains("if ($loa_old = \"/tin|feed|rss\") { rewrite ^ /feeds/old/0.rss? last; }"), "{told}");
    }
}
