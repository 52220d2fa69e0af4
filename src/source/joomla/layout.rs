//! What a database holds of a Joomla: the prefix of its tables, its line of versions, and which optional tables may be read.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::SourceError;
use crate::source::database::fault::Hints;
use crate::source::database::{Door, Engine, Visit};

/// What errors of the database say of Joomla.
pub(super) const HINTS: Hints = Hints {
    grant: "grant it SELECT on the tables content, categories, viewlevels, usergroups, extensions, tags and \
            contentitem_tag_map and SELECT (id, name) on users, each with the site's prefix, and check `prefix`",
    misfit: "this is not a Joomla that loa can read",
    remedy: "check `prefix` and the database in `url`",
};

/// The tables of one Joomla.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Before each table's name; letters, digits and `_` only.
    pub(super) prefix: String,
    /// The line of versions, by the columns.
    pub(super) version: &'static str,
    /// Which optional tables can be read.
    pub(super) optional: BTreeSet<Optional>,
}

/// What loa reads if it may, and goes without if it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Optional {
    /// Names of authors.
    Users,
    /// Tags, and which article carries which.
    Tags,
    /// Access levels.
    ViewLevels,
    /// The tree of user groups.
    Groups,
    /// The parameters of `com_users`, which name the guest group.
    Extensions,
    /// Menu items, for `{menu_path}` in links; not even looked for where no link needs them.
    Menus,
}

impl Optional {
    const ALL: [Self; 6] = [Self::Users, Self::Tags, Self::ViewLevels, Self::Groups, Self::Extensions, Self::Menus];

    /// Tables and columns that must be readable.
    const fn needs(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Self::Users => &[("users", &["id", "name"])],
            Self::Tags => &[
                ("tags", &["id", "title", "published", "access"]),
                ("contentitem_tag_map", &["type_alias", "type_id", "content_item_id", "tag_id"]),
            ],
            Self::ViewLevels => &[("viewlevels", &["id", "rules"])],
            Self::Groups => &[("usergroups", &["id", "parent_id"])],
            Self::Extensions => &[("extensions", &["type", "element", "params"])],
            Self::Menus => {
                &[("menu", &["id", "link", "path", "type", "home", "published", "access", "language", "client_id"])]
            }
        }
    }

    /// What it is for, and where it is.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Users => "names of authors (users: id, name)",
            Self::Tags => "tags (tags, contentitem_tag_map)",
            Self::ViewLevels => "access levels (viewlevels): only level 1 counts as public unless guest_levels is set",
            Self::Groups => "user groups (usergroups)",
            Self::Extensions => "the guest group (extensions)",
            Self::Menus => "menu items (menu)",
        }
    }
}

type Tables = BTreeMap<String, BTreeSet<String>>;

const NEEDED: [&str; 16] = [
    "id",
    "title",
    "alias",
    "introtext",
    "fulltext",
    "state",
    "catid",
    "created",
    "created_by",
    "created_by_alias",
    "modified",
    "publish_up",
    "publish_down",
    "images",
    "access",
    "language",
];

/// Whether a prefix can be put into SQL.
pub(super) fn is_prefix(prefix: &str) -> bool {
    prefix.len() <= 32 && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl Layout {
    /// Looks at the columns that the account may see. Without a `prefix` there must be exactly one Joomla.
    pub(super) async fn find(
        door: &Door,
        visit: &mut Visit<'_>,
        prefix: Option<&str>,
        menus: bool,
    ) -> Result<Self, SourceError> {
        let sql = match door.engine() {
            Engine::MySql => {
                "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.columns \
                 WHERE table_schema = DATABASE()"
            }
            Engine::Postgres => {
                "SELECT CAST(table_name AS text), CAST(column_name AS text) FROM information_schema.columns \
                 WHERE CAST(table_schema AS text) = ANY(CAST(current_schemas(false) AS text[]))"
            }
        };
        let mut tables = Tables::new();
        visit
            .read(sql.to_owned(), |row| {
                tables.entry(row.text(0).to_owned()).or_default().insert(row.text(1).to_ascii_lowercase());
            })
            .await?;
        let place = door.place();
        let found = prefixes(&tables);
        let prefix = match (prefix, found.as_slice()) {
            (Some(prefix), _) if found.iter().any(|known| known == prefix) => prefix.to_owned(),
            (Some(prefix), []) => {
                // Nothing to see: the server itself says best whether a grant or a table lacks.
                for table in ["content", "categories"] {
                    let table = door.engine().quote(&format!("{prefix}{table}"));
                    visit.read(format!("SELECT NULL FROM {table} WHERE 1 = 0"), drop).await?;
                }
                prefix.to_owned()
            }
            (Some(prefix), _) => {
                return Err(SourceError::Schema(format!(
                    "{place}: no Joomla tables with the prefix `{prefix}` can be seen, but there are some with {}; correct \
                     `prefix`, or grant SELECT on {prefix}content and {prefix}categories",
                    quoted(&found)
                )));
            }
            (None, [one]) => one.clone(),
            (None, []) => {
                return Err(SourceError::Schema(format!(
                    "{place}: no Joomla tables can be seen (…_content beside …_categories); correct the database in `url`, \
                     or grant the account SELECT on them"
                )));
            }
            (None, _) => {
                return Err(SourceError::Schema(format!(
                    "{place}: there are several Joomlas here, with the prefixes {}; say which with `prefix = \"…\"`",
                    quoted(&found)
                )));
            }
        };
        if !is_prefix(&prefix) {
            return Err(SourceError::Schema(format!(
                "{place}: the tables' prefix holds other characters than letters, digits and _ or is longer than 32"
            )));
        }
        Ok(Self::of(&tables, prefix, menus))
    }

    fn of(tables: &Tables, prefix: String, menus: bool) -> Self {
        let has = |table: &str, columns: &[&str]| {
            let known = tables.get(&format!("{prefix}{table}"));
            known.is_some_and(|known| columns.iter().all(|column| known.contains(*column)))
        };
        let version = if has("content", &["title_alias"]) {
            "Joomla 2.5"
        } else if has("content", &["xreference", "note"]) {
            "Joomla 3.9 or later 3.x"
        } else if has("content", &["xreference"]) {
            "Joomla 3.x"
        } else {
            "Joomla 4 or later"
        };
        let wanted = |what: &Optional| menus || *what != Optional::Menus;
        let readable =
            |what: &Optional| wanted(what) && what.needs().iter().all(|(table, columns)| has(table, columns));
        Self { optional: Optional::ALL.into_iter().filter(readable).collect(), version, prefix }
    }

    /// Whether an optional part can be read.
    pub(super) fn has(&self, what: Optional) -> bool {
        self.optional.contains(&what)
    }

    /// What loa goes without, in words; empty when nothing lacks. Without menu items it does not go where it needs them.
    pub(super) fn lacking(&self) -> Vec<&'static str> {
        let may_lack = Optional::ALL.into_iter().filter(|what| *what != Optional::Menus);
        may_lack.filter(|what| !self.has(*what)).map(Optional::words).collect()
    }
}

/// Prefixes of tables that look like Joomla's.
fn prefixes(tables: &Tables) -> Vec<String> {
    let looks_right = |columns: &BTreeSet<String>| NEEDED.iter().all(|column| columns.contains(*column));
    tables
        .iter()
        .filter(|(_, columns)| looks_right(columns))
        .filter_map(|(table, _)| table.strip_suffix("content"))
        .filter(|prefix| prefix.is_empty() || prefix.ends_with('_'))
        .filter(|prefix| tables.contains_key(&format!("{prefix}categories")))
        .map(str::to_owned)
        .collect()
}

fn quoted(prefixes: &[String]) -> String {
    prefixes.iter().map(|prefix| format!("`{prefix}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_could_carry_sql_is_refused() {
        for good in ["", "jos_", "K3v9x_"] {
            assert!(is_prefix(good), "{good}");
        }
        for bad in ["jos`_", "a b", "x\"; --", "đ_", "a23456789012345678901234567890123"] {
            assert!(!is_prefix(bad), "{bad}");
        }
    }

    #[test]
    fn tables_that_only_end_alike_are_no_joomla() {
        let columns: BTreeSet<String> = NEEDED.iter().map(|c| (*c).to_owned()).collect();
        let mut tables = Tables::from([
            ("jos_content".into(), columns.clone()),
            ("jos_categories".into(), BTreeSet::new()),
            ("jos_ucm_content".into(), BTreeSet::from(["core_title".into()])),
            ("lone_content".into(), columns.clone()),
            ("mycontent".into(), columns.clone()),
            ("mycategories".into(), BTreeSet::new()),
        ]);
        assert_eq!(prefixes(&tables), ["jos_"]);
        tables.insert("old_content".into(), columns);
        tables.insert("old_categories".into(), BTreeSet::new());
        assert_eq!(prefixes(&tables), ["jos_", "old_"]);
    }
}
