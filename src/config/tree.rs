//! TOML as a tree in which every key and value knows its place. Never judges what a setting means.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use super::fault::{Fault, Place};

/// Keys of a section with their values.
pub(super) type Table = BTreeMap<String, Entry>;

/// A key's value, and where the key stands.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Place,
    pub(super) node: Node,
}

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a value can be.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    /// From a variable: becomes whatever type the setting has.
    Raw(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(Datetime),
    Array(Vec<Node>),
    Table(Table),
}

impl Value {
    /// What it is, for "must be a text, not …".
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Raw(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a fraction",
            Self::Boolean(_) => "true or false",
            Self::Datetime(_) => "a date",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Reads a TOML text. Syntax faults do not hide what follows them: the rest is read as well as it can be.
pub(super) fn parse(file: &str, text: &str) -> (Table, Vec<Fault>) {
    let lines = Lines { file: file.into(), text };
    let (table, errors) = DeTable::parse_recoverable(text);
    let faults = errors.iter().map(|error| {
        let what = error.message().trim().replace('\n', ", ");
        let place = error.span().map_or_else(|| Place::file(file), |span| lines.place(span.start));
        Fault::new(place, format!("not TOML: {what}; mend the line, or see https://toml.io for how it is written"))
    });
    let faults = faults.collect();
    (lines.table(table.into_inner()), faults)
}

/// Lays `over` upon `under`: tables are merged key by key, anything else is replaced.
pub(super) fn merge(under: &mut Table, over: Table) {
    for (key, entry) in over {
        match under.get_mut(&key) {
            Some(Entry { node: Node { value: Value::Table(below), .. }, key: place })
                if matches!(entry.node.value, Value::Table(_)) =>
            {
                *place = entry.key;
                if let Value::Table(above) = entry.node.value {
                    merge(below, above);
                }
            }
            _ => {
                under.insert(key, entry);
            }
        }
    }
}

/// The value as the `toml` crate has it, for those who deserialise it themselves.
pub(super) fn to_toml(node: &Node) -> toml::Value {
    match &node.value {
        Value::Text(text) | Value::Raw(text) => toml::Value::String(text.clone()),
        Value::Integer(number) => toml::Value::Integer(*number),
        Value::Float(number) => toml::Value::Float(*number),
        Value::Boolean(yes) => toml::Value::Boolean(*yes),
        Value::Datetime(date) => toml::Value::Datetime(*date),
        Value::Array(items) => toml::Value::Array(items.iter().map(to_toml).collect()),
        Value::Table(table) => {
            toml::Value::Table(table.iter().map(|(key, entry)| (key.clone(), to_toml(&entry.node))).collect())
        }
    }
}

struct Lines<'t> {
    file: Arc<str>,
    text: &'t str,
}

impl Lines<'_> {
    fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        Place::File {
            file: Arc::clone(&self.file),
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
        }
    }

    fn table(&self, table: DeTable<'_>) -> Table {
        table
            .into_iter()
            .map(|(key, value)| {
                let place = self.place(key.span().start);
                let node = self.node(value);
                (key.into_inner().into_owned(), Entry { key: place, node })
            })
            .collect()
    }

    fn node(&self, value: Spanned<DeValue<'_>>) -> Node {
        let place = self.place(value.span().start);
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            // A number too great for 64 bits is left as text, which no numeric setting takes.
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Value::Text(number.to_string()), Value::Integer),
            DeValue::Float(number) => {
                number.as_str().parse().map_or_else(|_| Value::Text(number.to_string()), Value::Float)
            }
            DeValue::Boolean(yes) => Value::Boolean(yes),
            DeValue::Datetime(date) => Value::Datetime(date),
            DeValue::Array(items) => Value::Array(items.into_iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        Node { place, value }
    }
}
