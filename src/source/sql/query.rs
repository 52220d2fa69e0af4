//! The SQL around the operator's SELECT, which stands as a derived table `q`: light rows, the newest ids, full rows. Every
//! column comes as text. Nothing but the checked SELECT, names of columns and numbers is written into it; ids are bound.

use super::shape::{Kind, Shape};
use crate::source::database::Engine;

/// More rows than this are a JOIN that lacks a condition, not a portal.
pub(super) const MOST: usize = 500_000;

/// The longest text of one column, in characters; longer ones are cut and then refused.
pub(super) const LONGEST: usize = 4_000_000;

/// What the fingerprint is made of in the database, besides what [`light`] names.
const SUMMED: [&str; 10] =
    ["title", "url", "alias", "summary", "content", "author", "tags", "image", "image_alt", "language"];

/// Columns of [`Queries::light`] and [`Queries::light_of`].
pub(super) mod light {
    pub(in super::super) const ID: usize = 0;
    pub(in super::super) const PUBLISHED: usize = 1;
    pub(in super::super) const EXPIRES: usize = 2;
    /// `1` where the title is NULL or blank.
    pub(in super::super) const UNTITLED: usize = 3;
    pub(in super::super) const CATEGORY_ID: usize = 4;
    pub(in super::super) const CATEGORY: usize = 5;
    pub(in super::super) const SUM: usize = 6;
}

/// Columns of [`Queries::full`], in this order.
pub(super) const FULL: [&str; 16] = [
    "id",
    "title",
    "published",
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

/// One row that is always there, with all columns of a SELECT, all NULL: tells them without reading a row of it.
pub(super) fn probe(select: &str) -> String {
    format!("SELECT q.* FROM (SELECT 1 AS loa_one) loa_probe LEFT JOIN (\n{select}\n) q ON 1 = 0")
}

/// Version and clock (Unix seconds) of the server.
pub(super) fn server(engine: Engine) -> String {
    match engine {
        Engine::MySql => {
            "SELECT CONCAT(CASE WHEN version() LIKE '%MariaDB%' THEN '' ELSE 'MySQL ' END, version()), \
             CAST(UNIX_TIMESTAMP() AS CHAR)"
        }
        Engine::Postgres => {
            "SELECT CONCAT('PostgreSQL ', current_setting('server_version')), \
             CAST(CAST(EXTRACT(EPOCH FROM now()) AS bigint) AS text)"
        }
    }
    .to_owned()
}

/// These ids, the last so often that their number is one of few: each number is another statement, which a server keeps.
pub(super) fn padded<'i>(ids: &[&'i str]) -> Vec<&'i str> {
    let mut padded = ids.to_vec();
    if let Some(last) = ids.last() {
        padded.resize(ids.len().next_power_of_two(), last);
    }
    padded
}

/// Makes the SQL for one SELECT.
#[derive(Clone, Copy)]
pub(super) struct Queries<'a> {
    pub(super) engine: Engine,
    pub(super) select: &'a str,
    pub(super) shape: &'a Shape,
}

impl Queries<'_> {
    /// All rows, light; see [`light`]. One more than [`MOST`] at most.
    pub(super) fn light(self) -> String {
        format!("{} LIMIT {}", self.head(&self.light_columns()), MOST + 1)
    }

    /// The light rows of so many ids, which are bound.
    pub(super) fn light_of(self, ids: usize) -> String {
        format!("{} WHERE {}", self.head(&self.light_columns()), self.among(ids))
    }

    /// The ids of the newest articles by a column.
    pub(super) fn newest(self, field: &str, count: usize) -> String {
        // PostgreSQL puts NULL above all values.
        let nulls = if self.engine == Engine::Postgres { " NULLS LAST" } else { "" };
        let head = self.head(&[self.value("id")]);
        format!("{head} ORDER BY {} DESC{nulls} LIMIT {count}", self.column(field))
    }

    /// Whole rows of so many ids, which are bound; see [`FULL`].
    pub(super) fn full(self, ids: usize) -> String {
        let columns: Vec<String> = FULL
            .iter()
            .map(|field| match *field {
                "content" | "summary" if self.shape.has(field) => {
                    format!("LEFT({}, {})", self.value(field), LONGEST + 1)
                }
                field => self.value(field),
            })
            .collect();
        format!("{} WHERE {}", self.head(&columns), self.among(ids))
    }

    /// Ids and titles of so many ids, which are bound.
    pub(super) fn titles(self, ids: usize) -> String {
        format!("{} WHERE {}", self.head(&[self.value("id"), self.value("title")]), self.among(ids))
    }

    /// These columns of all rows, in this order.
    pub(super) fn plain(self, fields: &[&str], most: usize) -> String {
        let columns: Vec<String> = fields.iter().map(|field| self.value(field)).collect();
        format!("{} LIMIT {most}", self.head(&columns))
    }

    fn head(self, columns: &[String]) -> String {
        format!("SELECT {} FROM (\n{}\n) q", columns.join(", "), self.select)
    }

    fn light_columns(self) -> [String; 7] {
        [
            self.value("id"),
            self.value("published"),
            self.value("expires"),
            format!("CASE WHEN TRIM(COALESCE({}, '')) = '' THEN '1' ELSE '0' END", self.value("title")),
            self.value("category_id"),
            self.value("category"),
            self.sum(),
        ]
    }

    /// One MD5 over the MD5 of each column, with `-` for NULL: every part has one length or cannot be another, so that no
    /// text flows from one column into the next, and no NULL swallows the rest (as it would in `CONCAT`, or vanish in
    /// `CONCAT_WS`).
    fn sum(self) -> String {
        let parts: Vec<String> = SUMMED
            .iter()
            .filter(|field| self.shape.has(field))
            .map(|field| format!("COALESCE(MD5({}), '-')", self.value(field)))
            .collect();
        format!("MD5(CONCAT({}))", parts.join(", "))
    }

    /// A column by its name in the SELECT.
    fn column(self, field: &str) -> String {
        let name = self.shape.column(field).map_or(field, |column| column.name.as_str());
        match self.engine {
            Engine::MySql => format!("q.`{}`", name.replace('`', "``")),
            Engine::Postgres => format!("q.\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// A column as text; NULL if the SELECT has none of that name.
    fn value(self, field: &str) -> String {
        let Some(column) = self.shape.column(field) else { return "NULL".to_owned() };
        let name = self.column(field);
        match (self.engine, column.kind) {
            // A cast of a long text gives NULL beyond max_allowed_packet.
            (Engine::MySql, Kind::Text | Kind::Bytes) => name,
            (Engine::MySql, _) => format!("CAST({name} AS CHAR)"),
            (Engine::Postgres, _) => format!("CAST({name} AS text)"),
        }
    }

    /// `id IN (…)` so that an index on a number is used, whatever text is bound.
    fn among(self, ids: usize) -> String {
        let place = |n: usize| match (self.engine, self.shape.kind("id")) {
            (Engine::MySql, Kind::Integer { unsigned: true }) => "CAST(? AS UNSIGNED)".to_owned(),
            (Engine::MySql, Kind::Integer { unsigned: false }) => "CAST(? AS SIGNED)".to_owned(),
            (Engine::MySql, _) => "?".to_owned(),
            (Engine::Postgres, Kind::Integer { .. }) => format!("CAST(${n} AS int8)"),
            (Engine::Postgres, _) => format!("${n}"),
        };
        let places: Vec<String> = (1..=ids).map(place).collect();
        let id = match self.shape.kind("id") {
            Kind::Integer { .. } => self.column("id"),
            _ => self.value("id"),
        };
        format!("{id} IN ({})", places.join(", "))
    }

    /// The ids that can be ids of this SELECT; a number is bound as one.
    pub(super) fn fit<'i>(self, ids: impl Iterator<Item = &'i str>) -> Vec<&'i str> {
        ids.filter(|id| match self.shape.kind("id") {
            Kind::Integer { unsigned: true } => id.parse::<u64>().is_ok(),
            Kind::Integer { unsigned: false } => id.parse::<i64>().is_ok(),
            // A text with a zero byte is none for PostgreSQL.
            _ => !id.contains('\0'),
        })
        .collect()
    }
}
