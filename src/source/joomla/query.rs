//! The SQL, one text for both dialects where they allow it. Every column comes as text: zero dates break the decoders of
//! dates, and the width of an id differs between versions.

use std::fmt::Display;

use super::layout::{Layout, Optional};
use crate::source::database::Engine;

impl Engine {
    /// A name in the quotes of the dialect.
    pub(super) fn quote(self, name: &str) -> String {
        match self {
            Self::MySql => format!("`{name}`"),
            Self::Postgres => format!("\"{name}\""),
        }
    }

    /// An expression as text.
    pub(super) fn text(self, expression: &str) -> String {
        match self {
            Self::MySql => format!("CAST({expression} AS CHAR)"),
            Self::Postgres => format!("CAST({expression} AS text)"),
        }
    }

    /// A date as `YYYY-MM-DD HH:MM:SS`.
    pub(super) fn date(self, column: &str) -> String {
        match self {
            Self::MySql => format!("CAST({column} AS CHAR)"),
            Self::Postgres => format!("to_char({column}, 'YYYY-MM-DD HH24:MI:SS')"),
        }
    }

    /// The caller's clock as a one-row table, so that it can be named often. [`dates::text`](super::dates::text) wrote it.
    fn clock(self, now: &str) -> String {
        let kind = match self {
            Self::MySql => "DATETIME",
            Self::Postgres => "timestamp",
        };
        format!("(SELECT CAST('{now}' AS {kind}) AS t) clock")
    }
}

/// Columns of [`Queries::full`].
pub(super) mod full {
    pub(in super::super) const ID: usize = 0;
    pub(in super::super) const CATID: usize = 1;
    pub(in super::super) const TITLE: usize = 2;
    pub(in super::super) const ALIAS: usize = 3;
    pub(in super::super) const INTRO: usize = 4;
    pub(in super::super) const FULL: usize = 5;
    pub(in super::super) const IMAGES: usize = 6;
    pub(in super::super) const LANGUAGE: usize = 7;
    pub(in super::super) const ALIAS_OF_AUTHOR: usize = 8;
    pub(in super::super) const AUTHOR: usize = 9;
    pub(in super::super) const CREATED: usize = 10;
    pub(in super::super) const MODIFIED: usize = 11;
    pub(in super::super) const UP: usize = 12;
}

/// What a guest may reach, for SQL: lists of numbers, and an instant as the database writes it.
#[derive(Clone, Debug)]
pub(super) struct Public {
    pub(super) guests: String,
    pub(super) categories: String,
    pub(super) now: String,
}

/// Makes the SQL for one Joomla.
#[derive(Clone, Copy)]
pub(super) struct Queries<'a> {
    pub(super) engine: Engine,
    pub(super) layout: &'a Layout,
}

impl Queries<'_> {
    /// Version of the server.
    pub(super) fn server(self) -> String {
        format!("SELECT {}", self.engine.text("version()"))
    }

    /// How many articles stand in state "published", whoever may see them.
    pub(super) fn count(self) -> String {
        format!("SELECT {} FROM {} WHERE state = 1", self.engine.text("COUNT(*)"), self.table("content"))
    }

    /// Id, category, state, level, title and times of every article, whoever may see it, the newest first.
    pub(super) fn every(self) -> String {
        let Self { engine, .. } = self;
        let text = |column| engine.text(column);
        format!(
            "SELECT {}, {}, {}, {}, title, {}, {} FROM {} ORDER BY id DESC",
            text("id"),
            text("catid"),
            text("state"),
            text("access"),
            engine.date("publish_up"),
            engine.date("publish_down"),
            self.table("content")
        )
    }

    /// Id and rules of each access level.
    pub(super) fn view_levels(self) -> String {
        format!("SELECT {}, rules FROM {}", self.engine.text("id"), self.table("viewlevels"))
    }

    /// Id and parent of each user group.
    pub(super) fn groups(self) -> String {
        let text = |column| self.engine.text(column);
        format!("SELECT {}, {} FROM {}", text("id"), text("parent_id"), self.table("usergroups"))
    }

    /// Parameters of `com_users`.
    pub(super) fn user_params(self) -> String {
        format!("SELECT params FROM {} WHERE type = 'component' AND element = 'com_users'", self.table("extensions"))
    }

    /// Id, parent, title, alias, published, access, language, extension of each category of articles, and of the root.
    pub(super) fn categories(self) -> String {
        let text = |column| self.engine.text(column);
        format!(
            "SELECT {}, {}, title, alias, {}, {}, language, extension FROM {} WHERE extension IN ('com_content', 'system')",
            text("id"),
            text("parent_id"),
            text("published"),
            text("access"),
            self.table("categories")
        )
    }

    /// Whole rows of visible articles among `ids`; see [`full`].
    pub(super) fn full(self, public: &Public, ids: &str) -> String {
        let Self { engine, .. } = self;
        let columns = [
            engine.text("a.id"),
            engine.text("a.catid"),
            "a.title".to_owned(),
            "a.alias".to_owned(),
            "a.introtext".to_owned(),
            format!("a.{}", engine.quote("fulltext")),
            "a.images".to_owned(),
            "a.language".to_owned(),
            "a.created_by_alias".to_owned(),
            self.author().to_owned(),
            engine.date("a.created"),
            engine.date("a.modified"),
            engine.date("a.publish_up"),
        ];
        format!(
            "SELECT {} {} AND (a.publish_up IS NULL OR a.publish_up <= clock.t) AND a.id IN ({ids})",
            columns.join(", "),
            self.visible(public, self.layout.has(Optional::Users))
        )
    }

    /// Article id and title of each public tag of the articles among `ids`. `types` leads the server to its index.
    pub(super) fn tags(self, guests: &str, types: &str, ids: &str) -> String {
        format!(
            "SELECT {}, t.title FROM {} m JOIN {} t ON t.id = m.tag_id \
             WHERE m.type_alias = 'com_content.article' AND t.published = 1 AND t.access IN ({guests}) \
             AND m.type_id IN ({types}) AND m.content_item_id IN ({ids}) ORDER BY m.content_item_id, t.id",
            self.engine.text("m.content_item_id"),
            self.table("contentitem_tag_map"),
            self.table("tags")
        )
    }

    /// Numbers under which the map of tags knows articles.
    pub(super) fn types(self) -> String {
        format!(
            "SELECT DISTINCT {} FROM {} WHERE type_alias = 'com_content.article'",
            self.engine.text("type_id"),
            self.table("contentitem_tag_map")
        )
    }

    /// Link, path and language of each published menu item that may show a category to these levels, the first first. The
    /// home page has no path of its own.
    pub(super) fn menus(self, guests: &str) -> String {
        format!(
            "SELECT link, path, language FROM {} WHERE client_id = 0 AND published = 1 AND type = 'component' AND home = 0 \
             AND access IN ({guests}) AND link LIKE '%option=com_content%' ORDER BY id",
            self.table("menu")
        )
    }

    /// The rule of visibility, except for `publish_up` and the categories' ancestors. A zero date in any spelling lies
    /// before 1971-01-02; the zero literal itself is never written, because strict servers refuse it.
    ///
    /// `+ 0` keeps the servers from the indexes of state, level and category, which nearly every row meets: `MariaDB` joined
    /// two of them to find 300 rows by their ids, and took longer than for reading the whole table.
    pub(super) fn visible(self, public: &Public, users: bool) -> String {
        let Public { guests, categories, now } = public;
        let users =
            if users { format!("LEFT JOIN {} u ON u.id = a.created_by ", self.table("users")) } else { String::new() };
        format!(
            "FROM {} a CROSS JOIN {} {users}WHERE a.state + 0 = 1 AND a.access + 0 IN ({guests}) AND a.catid + 0 IN ({categories}) \
             AND (a.publish_down IS NULL OR a.publish_down < '1971-01-02' OR a.publish_down >= clock.t)",
            self.table("content"),
            self.engine.clock(now)
        )
    }

    /// The author's name, where it may be read.
    pub(super) fn author(self) -> &'static str {
        if self.layout.has(Optional::Users) { "u.name" } else { "NULL" }
    }

    /// A table by its name without the prefix.
    pub(super) fn table(self, name: &str) -> String {
        self.engine.quote(&format!("{}{name}", self.layout.prefix))
    }
}

/// Numbers for `IN (…)`.
pub(super) fn list(numbers: impl IntoIterator<Item = impl Display>) -> String {
    numbers.into_iter().map(|number| number.to_string()).collect::<Vec<_>>().join(", ")
}
