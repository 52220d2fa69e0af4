//! Which columns a SELECT gives, by name, and what kind of value each holds. Pure; never looks at a value.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::database::Engine;

/// The columns of `articles` that must be there.
pub(super) const ARTICLE: [&str; 3] = ["id", "title", "published"];
/// The columns of `articles` that may be there.
pub(super) const ARTICLE_TOO: [&str; 13] = [
    "url",
    "alias",
    "summary",
    "content",
    "author",
    "category",
    "category_id",
    "tags",
    "updated",
    "image",
    "image_alt",
    "language",
    "expires",
];
/// The columns of `categories` that must be there.
pub(super) const CATEGORY: [&str; 2] = ["id", "title"];
/// The columns of `categories` that may be there.
pub(super) const CATEGORY_TOO: [&str; 2] = ["parent", "slug"];

/// What a column holds, as far as it matters for reading it as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whole numbers.
    Integer {
        /// Without a sign.
        unsigned: bool,
    },
    /// Text, which needs no cast.
    Text,
    /// Bytes, which are taken for UTF-8.
    Bytes,
    /// A date that the server gives in UTC without saying so.
    Utc,
    /// Anything else.
    Other,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name as the server has it.
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// The columns of a SELECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    known: BTreeMap<&'static str, Column>,
    /// Columns that loa makes nothing of.
    pub(super) ignored: Vec<String>,
}

impl Shape {
    /// Sorts the columns, given as name and type. `setting` is the key that holds the SELECT.
    ///
    /// # Errors
    /// Which column lacks or is double, and which came, as a sentence without its subject.
    pub(super) fn of(
        setting: &str,
        found: &[(String, String)],
        (needed, optional): (&'static [&'static str], &'static [&'static str]),
        engine: Engine,
    ) -> Result<Self, String> {
        let came = found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        let mut shape = Self { known: BTreeMap::new(), ignored: Vec::new() };
        for (name, kind) in found {
            let Some(field) = needed.iter().chain(optional).find(|field| name.eq_ignore_ascii_case(field)) else {
                shape.ignored.push(name.clone());
                continue;
            };
            let kind = kind_of(kind, engine);
            if kind == Kind::Bytes && engine == Engine::Postgres {
                return Err(format!(
                    "the column `{name}` of `{setting}` holds bytes; write convert_from({name}, 'UTF8') AS {field}"
                ));
            }
            if shape.known.insert(field, Column { name: name.clone(), kind }).is_some() {
                return Err(format!(
                    "`{setting}` gives the column `{field}` twice (it gives {came}); name one of them otherwise"
                ));
            }
        }
        if let Some(lacking) = needed.iter().find(|field| !shape.known.contains_key(*field)) {
            return Err(format!(
                "`{setting}` gives no column `{lacking}` (it gives {came}); name it in the SELECT: … AS {lacking}"
            ));
        }
        Ok(shape)
    }

    pub(super) fn column(&self, field: &str) -> Option<&Column> {
        self.known.get(field)
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.known.contains_key(field)
    }

    /// The kind of a column; [`Kind::Other`] if there is none.
    pub(super) fn kind(&self, field: &str) -> Kind {
        self.column(field).map_or(Kind::Other, |column| column.kind)
    }

    /// Fields that this has and the other has not.
    pub(super) fn beyond(&self, other: &Self) -> Vec<&'static str> {
        let theirs: BTreeSet<_> = other.known.keys().copied().collect();
        self.known.keys().copied().filter(|field| !theirs.contains(field)).collect()
    }

    /// The fields that are there, for people.
    pub(super) fn words(&self) -> String {
        self.known.keys().copied().collect::<Vec<_>>().join(", ")
    }
}

fn kind_of(name: &str, engine: Engine) -> Kind {
    let name = name.to_ascii_uppercase();
    match engine {
        Engine::MySql if name.contains("INT") => Kind::Integer { unsigned: name.ends_with("UNSIGNED") },
        Engine::MySql if name == "TIMESTAMP" => Kind::Utc,
        Engine::MySql if name.ends_with("BLOB") || name.ends_with("BINARY") => Kind::Bytes,
        Engine::MySql if name.ends_with("TEXT") || name.ends_with("CHAR") => Kind::Text,
        Engine::Postgres if matches!(name.as_str(), "INT2" | "INT4" | "INT8") => Kind::Integer { unsigned: false },
        Engine::Postgres if matches!(name.as_str(), "TEXT" | "VARCHAR") => Kind::Text,
        Engine::Postgres if name == "BYTEA" => Kind::Bytes,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(columns: &[(&str, &str)], engine: Engine) -> Result<Shape, String> {
        let columns: Vec<_> = columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect();
        Shape::of("articles", &columns, (&ARTICLE, &ARTICLE_TOO), engine)
    }

    #[test]
    fn a_column_that_lacks_is_named_with_those_that_came() {
        let fault = of(&[("id", "INT"), ("tieu_de", "TEXT"), ("published", "INT")], Engine::MySql).unwrap_err();
        assert!(fault.contains("no column `title` (it gives id, tieu_de, published)"), "{fault}");
        let twice = of(&[("id", "INT4"), ("ID", "INT4")], Engine::Postgres).unwrap_err();
        assert!(twice.contains("`id` twice"), "{twice}");
    }

    #[test]
    fn names_are_found_in_any_case_and_strange_ones_are_kept_apart() {
        let columns = [("ID", "BIGINT UNSIGNED"), ("Title", "VARCHAR"), ("published", "TIMESTAMP"), ("hits", "INT")];
        let shape = of(&columns, Engine::MySql).unwrap();
        assert_eq!(shape.column("id").unwrap().name, "ID");
        assert_eq!((shape.kind("id"), shape.kind("published")), (Kind::Integer { unsigned: true }, Kind::Utc));
        assert_eq!(shape.ignored, ["hits"]);
    }
}
