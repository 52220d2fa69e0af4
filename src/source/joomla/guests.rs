//! Which access levels an anonymous visitor has. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// The access level that everyone has, on every Joomla.
pub(in crate::source) const PUBLIC: i64 = 1;

/// Level 1, and each level whose rules name group 1, the guest group or one of that group's ancestors.
pub(in crate::source) fn levels(
    view_levels: &[(i64, String)],
    parents: &BTreeMap<i64, i64>,
    guest_group: i64,
) -> BTreeSet<i64> {
    let mut groups = BTreeSet::from([PUBLIC]);
    let mut group = guest_group;
    // A group that was met before ends the walk: a damaged tree may hold a circle.
    while group > 0 && groups.insert(group) {
        group = parents.get(&group).copied().unwrap_or(0);
    }
    let names_one = |rules: &str| {
        serde_json::from_str::<Vec<Value>>(rules)
            .unwrap_or_default()
            .iter()
            .filter_map(number)
            .any(|g| groups.contains(&g))
    };
    view_levels.iter().filter(|(_, rules)| names_one(rules)).map(|(level, _)| *level).chain([PUBLIC]).collect()
}

/// `guest_usergroup` in the parameters of `com_users`; group 1 when it says nothing.
pub(in crate::source) fn guest_group(params: &str) -> i64 {
    #[derive(Deserialize)]
    struct Params {
        #[serde(default)]
        guest_usergroup: Value,
    }
    serde_json::from_str::<Params>(params).ok().and_then(|params| number(&params.guest_usergroup)).unwrap_or(PUBLIC)
}

/// Joomla writes numbers as numbers or as text.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(pairs: &[(i64, &str)]) -> Vec<(i64, String)> {
        pairs.iter().map(|(level, rules)| (*level, (*rules).to_owned())).collect()
    }

    #[test]
    fn an_untouched_site_shows_public_and_guest_articles() {
        let levels_of = rules(&[(1, "[1]"), (2, "[6,2,8]"), (3, "[6,3,8]"), (5, "[9]"), (6, "[8]")]);
        let parents = BTreeMap::from([(1, 0), (9, 1), (2, 1)]);
        assert_eq!(levels(&levels_of, &parents, 9), BTreeSet::from([1, 5]));
        assert_eq!(levels(&levels_of, &parents, 1), BTreeSet::from([1]));
    }

    #[test]
    fn ancestors_of_the_guest_group_count_and_a_circle_of_groups_ends() {
        let levels_of = rules(&[(7, "[\"20\"]"), (8, "[30]"), (9, "not json")]);
        let parents = BTreeMap::from([(10, 20), (20, 10)]);
        assert_eq!(levels(&levels_of, &parents, 10), BTreeSet::from([1, 7]));
    }

    #[test]
    fn the_guest_group_is_read_as_number_or_text() {
        assert_eq!(guest_group(r#"{"guest_usergroup":"9","x":1}"#), 9);
        assert_eq!(guest_group(r#"{"guest_usergroup":13}"#), 13);
        assert_eq!(guest_group("{}"), 1);
        assert_eq!(guest_group(""), 1);
    }
}
