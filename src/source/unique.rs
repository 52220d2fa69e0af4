//! Names that are unique within one source. Makes none up: see `text::slug`.

use std::collections::BTreeSet;

/// The first of `wanted`, `longer` and `wanted-2`, `wanted-3`, … that is not taken yet; takes it.
pub(super) fn take(taken: &mut BTreeSet<String>, wanted: &str, longer: String) -> String {
    for candidate in [wanted.to_owned(), longer] {
        if taken.insert(candidate.clone()) {
            return candidate;
        }
    }
    let mut number = 2_u32;
    loop {
        let candidate = format!("{wanted}-{number}");
        if taken.insert(candidate.clone()) {
            return candidate;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_name_gives_way_to_a_longer_one_and_then_to_a_number() {
        let mut taken = BTreeSet::new();
        let names: Vec<_> = (0..4).map(|_| take(&mut taken, "tin", "hue-tin".into())).collect();
        assert_eq!(names, ["tin", "hue-tin", "tin-2", "tin-3"]);
    }
}
