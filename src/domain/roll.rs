//! What is known of a source's articles, all at once: a source of 50,000 is compared whole every few minutes, so each
//! article takes its id, its fingerprint and 40 bytes here, and no allocation of its own. Pure; says nothing of content.

/// Known articles by the source's ids.
#[derive(Clone, Debug, Default)]
pub struct Roll {
    /// Every id and its fingerprint, one after the other.
    text: String,
    /// In the order of the ids' bytes.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    row: i64,
    /// Where in the text the id begins, where its fingerprint does, and where that ends.
    at: usize,
    light: usize,
    end: usize,
    visible: bool,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<'a> {
    /// Row id in the store.
    pub row: i64,
    /// The source's own id.
    pub external_id: &'a str,
    /// The scan's fingerprint when it was last fetched.
    pub light: &'a str,
    /// Whether it was public at the last poll.
    pub visible: bool,
}

impl Roll {
    /// Nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self { text: String::new(), entries: Vec::new() }
    }

    /// Adds articles; one whose id is there already stays as it is.
    pub fn extend<'k>(&mut self, more: impl IntoIterator<Item = Known<'k>>) {
        let before = self.entries.len();
        for known in more {
            self.push(known);
        }
        if self.entries.len() > before {
            self.order();
        }
    }

    /// Adds one, anywhere; nothing is found before [`Roll::order`].
    pub fn push(&mut self, known: Known<'_>) {
        let Known { row, external_id, light, visible } = known;
        let at = self.text.len();
        self.text.push_str(external_id);
        let middle = self.text.len();
        self.text.push_str(light);
        self.entries.push(Entry { row, at, light: middle, end: self.text.len(), visible });
    }

    /// Brings what was pushed into its place; of two with one id, the first that came stays.
    pub fn order(&mut self) {
        let text = &self.text;
        let id = |entry: &Entry| &text[entry.at..entry.light];
        self.entries.sort_unstable_by(|a, b| id(a).cmp(id(b)).then(a.at.cmp(&b.at)));
        self.entries.dedup_by(|later, first| id(later) == id(first));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The article with this id.
    #[must_use]
    pub fn get(&self, external_id: &str) -> Option<Known<'_>> {
        self.find(external_id).map(|at| self.known(&self.entries[at]))
    }

    /// Where [`Roll::iter`] has the article with this id.
    #[must_use]
    pub fn find(&self, external_id: &str) -> Option<usize> {
        self.entries.binary_search_by(|entry| self.text[entry.at..entry.light].cmp(external_id)).ok()
    }

    /// All of them, by their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Known<'_>> {
        self.entries.iter().map(|entry| self.known(entry))
    }

    /// Only those that are public.
    #[must_use]
    pub const fn public(&self) -> Public<'_> {
        Public(self)
    }

    fn known(&self, entry: &Entry) -> Known<'_> {
        Known {
            row: entry.row,
            external_id: &self.text[entry.at..entry.light],
            light: &self.text[entry.light..entry.end],
            visible: entry.visible,
        }
    }
}

/// The public articles of a roll.
#[derive(Clone, Copy, Debug)]
pub struct Public<'a>(&'a Roll);

impl<'a> Public<'a> {
    /// Each with its fingerprint.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter(|known| known.visible).map(|known| (known.external_id, known.light))
    }

    /// The ids.
    pub fn ids(self) -> impl Iterator<Item = &'a str> {
        self.iter().map(|(id, _)| id)
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn has(self, external_id: &str) -> bool {
        self.0.get(external_id).is_some_and(|known| known.visible)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }
}

impl<I: AsRef<str>, L: AsRef<str>> FromIterator<(I, L)> for Roll {
    /// Public articles that no store has yet, by id and fingerprint.
    fn from_iter<T: IntoIterator<Item = (I, L)>>(articles: T) -> Self {
        let mut roll = Self::new();
        for (id, light) in articles {
            roll.push(Known { row: 0, external_id: id.as_ref(), light: light.as_ref(), visible: true });
        }
        roll.order();
        roll
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known<'a>(row: i64, external_id: &'a str, light: &'a str, visible: bool) -> Known<'a> {
        Known { row, external_id, light, visible }
    }

    #[test]
    fn each_article_is_found_by_its_id_whatever_order_they_came_in() {
        let all =
            [known(3, "9", "c", true), known(1, "10", "", false), known(2, "", "b", true), known(4, "đ", "d", true)];
        let mut roll = Roll::new();
        roll.extend(all);
        for one in all {
            assert_eq!(roll.get(one.external_id), Some(one));
            assert_eq!(roll.iter().nth(roll.find(one.external_id).unwrap()), Some(one));
        }
        assert_eq!((roll.get("1"), roll.get("90"), roll.len()), (None, None, 4));
    }

    #[test]
    fn what_is_known_twice_stays_as_it_came_first() {
        let mut roll = Roll::new();
        roll.extend([known(1, "7", "a", true)]);
        roll.extend([known(2, "7", "b", false), known(3, "8", "c", true)]);
        assert_eq!((roll.get("7"), roll.len()), (Some(known(1, "7", "a", true)), 2));
    }

    #[test]
    fn sources_are_told_of_public_articles_only() {
        let mut roll = Roll::new();
        roll.extend([known(1, "1", "a", false), known(2, "2", "b", true)]);
        assert_eq!(roll.public().iter().collect::<Vec<_>>(), [("2", "b")]);
        assert!(roll.public().has("2") && !roll.public().has("1") && !roll.public().is_empty());
        let mut gone = Roll::new();
        gone.extend([known(1, "1", "a", false)]);
        assert!(gone.public().is_empty() && !gone.is_empty());
    }
}
