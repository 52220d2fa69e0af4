//! Takes settings out of one table, checks each, and notes every fault instead of stopping at the first.
//! Never shows a value that may be a secret.

use std::ops::RangeInclusive;

use super::fault::{Fault, Place, remedy};
use super::tree::{Entry, Node, Table, Value};

/// One table that is being read. Each take removes a key; what is left at the end is unknown.
pub(super) struct Reader<'f> {
    label: String,
    known: &'static [&'static str],
    table: Table,
    place: Place,
    faults: &'f mut Vec<Fault>,
}

const MISSING: &str = "missing; add it";

/// Whether a wrong value may be shown in the fault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    Shown,
    Hushed,
}

impl<'f> Reader<'f> {
    /// Reads `table`, which faults call `label` and which stands at `place`; `known` are its keys.
    pub(super) const fn new(
        label: String,
        known: &'static [&'static str],
        table: Table,
        place: Place,
        faults: &'f mut Vec<Fault>,
    ) -> Self {
        Self { label, known, table, place, faults }
    }

    /// A text that must be there. `parse` says what is wrong as the end of a sentence that begins with the value.
    pub(super) fn text<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let node = self.required(key)?;
        self.parsed(key, &node, Echo::Shown, parse)
    }

    /// As [`Reader::text`], for a value that is never shown.
    pub(super) fn secret<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let node = self.required(key)?;
        self.parsed(key, &node, Echo::Hushed, parse)
    }

    /// A text that may be absent or empty, both of which give nothing.
    pub(super) fn optional<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let node = self.filled(key)?;
        self.parsed(key, &node, Echo::Shown, parse)
    }

    /// As [`Reader::optional`], for a value that is never shown.
    pub(super) fn optional_secret<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let node = self.filled(key)?;
        self.parsed(key, &node, Echo::Hushed, parse)
    }

    /// A whole number that must be there.
    pub(super) fn integer<T: TryFrom<i64>>(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<T> {
        let node = self.required(key)?;
        self.number(key, &node, range)
    }

    /// A whole number that may be absent.
    pub(super) fn optional_integer<T: TryFrom<i64>>(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<T> {
        let node = self.filled(key)?;
        self.number(key, &node, range)
    }

    /// `true` or `false`, which must be there.
    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        let node = self.required(key)?;
        match &node.value {
            Value::Boolean(yes) => Some(*yes),
            Value::Raw(text) if text == "true" => Some(true),
            Value::Raw(text) if text == "false" => Some(false),
            other => {
                let kind = other.kind();
                self.fault(node.place.clone(), key, &format!("must be true or false (without quotes), not {kind}"));
                None
            }
        }
    }

    /// A list of texts, each parsed by itself; absent means empty. From a variable: parts between commas.
    pub(super) fn list<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        let Some(entry) = self.take(key) else {
            return Some(Vec::new());
        };
        let place = entry.node.place;
        let items = match entry.node.value {
            Value::Array(items) => items,
            Value::Raw(text) => text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| Node { place: place.clone(), value: Value::Raw(part.to_owned()) })
                .collect(),
            other => {
                self.fault(place, key, &format!("must be a list such as [\"…\", \"…\"], not {}", other.kind()));
                return None;
            }
        };
        let count = items.len();
        let good: Vec<T> =
            items.iter().filter_map(|item| self.parsed(key, item, Echo::Shown, |text| parse(text))).collect();
        (good.len() == count).then_some(good)
    }

    /// A table below this one, which must be there.
    pub(super) fn table(&mut self, key: &str) -> Option<(Table, Place)> {
        let Some(entry) = self.take(key) else {
            self.fault(self.place.clone(), key, MISSING);
            return None;
        };
        if let Value::Table(table) = entry.node.value {
            return Some((table, entry.key));
        }
        self.fault(entry.node.place, key, &format!("must be a table, not {}", entry.node.value.kind()));
        None
    }

    /// Every table of a list of tables, such as `[[email.relay]]`; absent means none.
    pub(super) fn each<T>(
        &mut self,
        key: &str,
        known: &'static [&'static str],
        read: impl Fn(&mut Reader<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(entry) = self.take(key) else { return Some(Vec::new()) };
        let label = format!("[[{}.{key}]]", self.label.trim_matches(['[', ']']));
        let Value::Array(nodes) = entry.node.value else {
            self.fault(entry.node.place, key, &format!("must be a list of tables; write {label} with two brackets"));
            return None;
        };
        let count = nodes.len();
        let mut all = Vec::with_capacity(count);
        for node in nodes {
            let Value::Table(table) = node.value else {
                self.fault(node.place, key, &format!("must be a table; write {label} on a line of its own"));
                continue;
            };
            let mut reader = Reader::new(label.clone(), known, table, node.place, self.faults);
            let one = read(&mut reader);
            reader.finish();
            all.extend(one);
        }
        (all.len() == count).then_some(all)
    }

    /// Where the table stands.
    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the key is there with something in it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|entry| !is_empty(&entry.node))
    }

    /// Notes a fault of a key that shows only beside other keys.
    pub(super) fn complain(&mut self, key: &str, what: &str) {
        self.fault(self.place.clone(), key, what);
    }

    /// Everything that was not taken, without calling it unknown.
    pub(super) fn rest(self) -> Table {
        self.table
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self) {
        for (key, entry) in self.table {
            let what = format!("{} {key}: unknown key; {}", self.label, remedy(&key, self.known));
            self.faults.push(Fault::new(entry.key, what.trim_start()));
        }
    }

    fn take(&mut self, key: &str) -> Option<Entry> {
        debug_assert!(self.known.contains(&key), "{} {key} is read but not listed as known", self.label);
        self.table.remove(key)
    }

    fn required(&mut self, key: &str) -> Option<Node> {
        let entry = self.take(key);
        if entry.is_none() {
            self.fault(self.place.clone(), key, MISSING);
        }
        entry.map(|entry| entry.node)
    }

    fn filled(&mut self, key: &str) -> Option<Node> {
        let node = self.take(key)?.node;
        (!is_empty(&node)).then_some(node)
    }

    fn parsed<T>(
        &mut self,
        key: &str,
        node: &Node,
        echo: Echo,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (Value::Text(text) | Value::Raw(text)) = &node.value else {
            let what = format!("must be a text in quotes, not {}", node.value.kind());
            self.fault(node.place.clone(), key, &what);
            return None;
        };
        match parse(text.trim()) {
            Ok(value) => Some(value),
            Err(why) => {
                let shown = if echo == Echo::Hushed || node.place.is_secret() {
                    "the value".to_owned()
                } else {
                    let short: String = text.chars().take(80).collect();
                    format!("{short:?}")
                };
                self.fault(node.place.clone(), key, &format!("{shown} {why}"));
                None
            }
        }
    }

    fn number<T: TryFrom<i64>>(&mut self, key: &str, node: &Node, range: RangeInclusive<i64>) -> Option<T> {
        let number = match &node.value {
            Value::Integer(number) => Some(*number),
            Value::Raw(text) => text.trim().parse().ok(),
            _ => None,
        };
        let fits = number.filter(|n| range.contains(n)).and_then(|n| T::try_from(n).ok());
        if fits.is_none() {
            let (from, to) = range.into_inner();
            let got = match &node.value {
                Value::Integer(number) => number.to_string(),
                other => other.kind().to_owned(),
            };
            self.fault(
                node.place.clone(),
                key,
                &format!("must be a whole number from {from} to {to} (without quotes), not {got}"),
            );
        }
        fits
    }

    fn fault(&mut self, place: Place, key: &str, what: &str) {
        let full = format!("{} {key}: {what}", self.label);
        self.faults.push(Fault::new(place, full.trim_start()));
    }
}

fn is_empty(node: &Node) -> bool {
    matches!(&node.value, Value::Text(text) | Value::Raw(text) if text.trim().is_empty())
}
