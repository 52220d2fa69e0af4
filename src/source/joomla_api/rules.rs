//! What decides about many articles at once: the levels that guests have, the tree of categories, public tags, and the names
//! of authors. Learned from the web services; what a token may not read is gone without, and said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::{Document, Resource};
use super::row::Row;
use super::{Found, JoomlaApi};
use crate::clock::Timestamp;
use crate::source::SourceError;
use crate::source::joomla::guests;
use crate::source::joomla::tree::{Node, Tree};
use crate::source::stamp::Stamp;
use crate::source::walk::{Step, Walk};

/// Rows a page of the lists that are light.
const PAGE: usize = 500;

/// Joomla's own root of all categories, which no list shows.
const ROOT: i64 = 1;

/// Levels that guests have on a portal whose levels nobody changed: Public and Guest.
const USUAL: [i64; 2] = [1, 5];

/// So many authors are asked for their names; a portal that has more shows the rest without.
const AUTHORS: usize = 2_000;

/// How the levels of guests are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Origin {
    #[default]
    Given,
    Found,
    Usual,
}

/// See the module. Tags, levels and names are read once in `full_walk`, the categories at every scan.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// When levels, tags and names were read; nothing if never.
    learned: Option<Timestamp>,
    pub(super) guests: BTreeSet<i64>,
    origin: Origin,
    pub(super) tree: Tree,
    /// Titles of public tags; nothing if the token may not read them.
    tags: Option<BTreeMap<i64, String>>,
    /// Names of authors; empty where there is none.
    authors: BTreeMap<i64, String>,
    /// Whether authors may be asked for; nothing if none was yet.
    users: Option<bool>,
}

impl Rules {
    /// Whether anything was learned yet.
    pub(super) fn is_known(&self) -> bool {
        self.learned.is_some()
    }

    /// Learns everything anew, except for the names of authors, which are learned as they are met.
    ///
    /// # Errors
    /// When the portal cannot be read, or no longer shows what it showed before: to go on without would change many articles
    /// at once.
    pub(super) async fn learn(&mut self, api: &JoomlaApi, now: Timestamp) -> Result<(), SourceError> {
        let (guests, origin) = match &api.guest_levels {
            Some(levels) => (levels.clone(), Origin::Given),
            None => match api.guests(now).await? {
                Some(levels) => (levels, Origin::Found),
                None if self.learned.is_some() && self.origin == Origin::Found => {
                    return Err(api.lost("users/levels", "write guest_levels"));
                }
                None => (BTreeSet::from(USUAL), Origin::Usual),
            },
        };
        let tags = match api.open_list("tags", now).await? {
            Some(rows) => Some(public_tags(&rows, &guests)),
            None if self.tags.is_some() => return Err(api.lost("tags", "enable the plugin \"Web Services - Tags\"")),
            None => None,
        };
        let tree = api.tree(&guests, now).await?;
        let users = self.users.filter(|open| *open);
        *self = Self { learned: Some(now), guests, origin, tree, tags, authors: BTreeMap::new(), users };
        Ok(())
    }

    /// Reads the categories again, and with a walk all the rest if it is as old as `full_walk`.
    ///
    /// # Errors
    /// As [`Rules::learn`].
    pub(super) async fn refresh(&mut self, api: &JoomlaApi, sweeps: bool, now: Timestamp) -> Result<(), SourceError> {
        if self.learned.is_none_or(|at| sweeps && (now.since(at) >= api.full_walk || at > now)) {
            return self.learn(api, now).await;
        }
        self.tree = api.tree(&self.guests, now).await?;
        Ok(())
    }

    /// Learns the author's name, if the article shows it.
    ///
    /// # Errors
    /// When the portal cannot be read, or no longer tells names that it told before.
    pub(super) async fn meet(&mut self, api: &JoomlaApi, row: &Row, now: Timestamp) -> Result<(), SourceError> {
        let Some(id) = row.author.filter(|id| row.author_alias.is_empty() && !self.authors.contains_key(id)) else {
            return Ok(());
        };
        if self.users == Some(false) || self.authors.len() >= AUTHORS {
            return Ok(());
        }
        let name = match api.call(&format!("users/{id}"), &[], now).await {
            Ok(Found::Document(document)) => {
                self.users = Some(true);
                document.rows.first().map(|user| user.text("name").trim().to_owned()).unwrap_or_default()
            }
            Ok(Found::Missing | Found::Odd(_)) => String::new(),
            Err(SourceError::Refused(_)) if self.users.is_none() => {
                self.users = Some(false);
                return Ok(());
            }
            Err(SourceError::Refused(_)) => {
                return Err(api.lost("users", "enable the plugin \"Web Services - Users\""));
            }
            Err(error) => return Err(error),
        };
        self.authors.insert(id, name);
        Ok(())
    }

    /// The name that an article shows.
    pub(super) fn author<'a>(&'a self, row: &'a Row) -> Option<&'a str> {
        let name = if row.author_alias.is_empty() { self.authors.get(&row.author?)? } else { &row.author_alias };
        Some(name.as_str()).filter(|name| !name.is_empty())
    }

    /// Titles of the article's public tags.
    pub(super) fn tags<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = &'a str> {
        let titles = self.tags.as_ref();
        row.tags.iter().filter_map(move |id| titles?.get(id)).map(String::as_str)
    }

    /// Moves when anything moves that decides about many articles at once.
    pub(super) fn stamp(&self) -> String {
        let mut stamp = Stamp::default();
        for level in &self.guests {
            stamp.part(level.to_le_bytes());
        }
        for category in self.tree.visible() {
            stamp.part(category.to_le_bytes());
            stamp.part(self.tree.stamp(category));
        }
        stamp.hex()
    }

    /// The levels of guests, and how they are known.
    pub(super) fn guest_words(&self) -> String {
        let levels = self.guests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let origin = match self.origin {
            Origin::Given => "as configured",
            Origin::Found => "as the portal says",
            Origin::Usual => {
                "taken as usual, because the token may not read the levels: compare them, or write guest_levels"
            }
        };
        format!("{levels} ({origin})")
    }

    /// What the token does not show.
    pub(super) fn lacking(&self) -> &'static str {
        if self.tags.is_none() { "; goes without tags (the token may not read them, or the plugin is off)" } else { "" }
    }
}

impl JoomlaApi {
    /// A list that a token may or may not read: all its rows, or nothing.
    async fn open_list(&self, path: &str, now: Timestamp) -> Result<Option<Vec<Resource>>, SourceError> {
        let mut walk = Walk::new(PAGE);
        let mut rows = Vec::new();
        loop {
            let leaf = match self.leaf(path, &[], &mut walk, now).await {
                Ok(leaf) => leaf,
                // 404 and 403: its plugin is off, or the account is not one that may.
                Err(SourceError::Refused(_) | SourceError::Schema(_)) if rows.is_empty() => return Ok(None),
                Err(error) => return Err(error),
            };
            let Document { rows: page, .. } = leaf.document;
            match leaf.step {
                Step::On(from) => rows.extend(page.into_iter().skip(from)),
                Step::Back => {}
                Step::End(from) => {
                    rows.extend(page.into_iter().skip(from));
                    return Ok(Some(rows));
                }
                Step::Lost => return Err(self.unreachable(path, "cannot be read in one order of ids")),
            }
        }
    }

    /// Levels of guests as the portal says; nothing if the token may not ask.
    async fn guests(&self, now: Timestamp) -> Result<Option<BTreeSet<i64>>, SourceError> {
        let Some(levels) = self.open_list("users/levels", now).await? else { return Ok(None) };
        let Some(groups) = self.open_list("users/groups", now).await? else { return Ok(None) };
        let limit = [("page[limit]", "1000")];
        let params = match self.call("config/com_users", &limit, now).await {
            Ok(Found::Document(params)) => params,
            Ok(Found::Missing | Found::Odd(_)) | Err(SourceError::Refused(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let rules = |row: &Resource| match row.value("rules") {
            Value::String(rules) => rules.clone(),
            rules => rules.to_string(),
        };
        let levels: Vec<(i64, String)> = levels.iter().filter_map(|row| Some((row.id()?, rules(row)))).collect();
        let parents = groups.iter().filter_map(|row| Some((row.id()?, row.number("parent_id")?))).collect();
        // One row a parameter.
        let group = params.rows.iter().find_map(|row| row.number("guest_usergroup")).unwrap_or(guests::PUBLIC);
        Ok(Some(guests::levels(&levels, &parents, group)))
    }

    /// All categories that are published or not; archived and trashed ones are in no list, and so not visible.
    async fn tree(&self, guests: &BTreeSet<i64>, now: Timestamp) -> Result<Tree, SourceError> {
        let path = "content/categories";
        let Some(rows) = self.open_list(path, now).await? else {
            return Err(self.schema(path, "is not there, or the token may not read it"));
        };
        let mut nodes: Vec<Node> = vec![Node {
            id: ROOT,
            parent: 0,
            title: String::new(),
            alias: String::new(),
            published: 1,
            access: guests::PUBLIC,
            language: String::new(),
            is_root: true,
        }];
        for row in &rows {
            let lacks = |key: &str| {
                self.unreachable(
                    path,
                    &format!("lists a category without `{key}`, so that loa cannot tell what is public"),
                )
            };
            let number = |key: &str| row.number(key).ok_or_else(|| lacks(key));
            nodes.push(Node {
                id: row.id().ok_or_else(|| lacks("id"))?,
                parent: number("parent_id")?,
                title: row.text("title").to_owned(),
                alias: row.text("alias").to_owned(),
                published: number("published")?,
                access: number("access")?,
                language: row.text("language").trim().to_owned(),
                is_root: false,
            });
        }
        Ok(Tree::new(nodes, guests))
    }

    fn lost(&self, path: &str, remedy: &str) -> SourceError {
        let what = "was readable and is so no longer";
        SourceError::Refused(format!("{}; {remedy}, or restart loa to go on without", self.words(path, what)))
    }
}

fn public_tags(rows: &[Resource], guests: &BTreeSet<i64>) -> BTreeMap<i64, String> {
    let public = |row: &&Resource| {
        row.number("published") == Some(1) && row.number("access").is_some_and(|access| guests.contains(&access))
    };
    rows.iter().filter(public).filter_map(|row| Some((row.id()?, row.text("title").to_owned()))).collect()
}
