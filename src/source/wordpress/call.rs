//! One call to the REST interface, and what its answer means.

use serde_json::Value;

use super::WordPress;
use super::root::Root;
use crate::clock::Timestamp;
use crate::domain::article::Category;
use crate::source::SourceError;
use crate::source::joomla::tree::{Node, Tree};
use crate::source::walk::{Step, Walk};
use crate::source::web::{Answer, Call, Fresh};
use crate::text::html;

/// Rows a page: the most that `WordPress` gives.
pub(super) const PAGE: usize = 100;

/// Bytes of one answer at most: fifty posts with their texts.
const MAX: usize = 48 * 1024 * 1024;

/// A page of a list.
#[derive(Debug)]
pub(super) struct List {
    pub(super) rows: Vec<Value>,
    /// `X-WP-Total`: rows of the whole list. Some proxies take it away.
    pub(super) total: Option<usize>,
}

impl WordPress {
    /// Asks for a list, such as `posts`.
    pub(super) async fn list(
        &self,
        root: &Root,
        name: &str,
        query: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<List, SourceError> {
        let url = root.route(&format!("wp/v2/{name}"), query);
        let call = Call { accept: "application/json", headers: &[], max: MAX, fresh: Fresh::Always };
        let page = match self.web.get(&url, &call, now).await {
            Ok(Answer::Page(page)) => page,
            Ok(Answer::Unchanged) => {
                return Err(self.unreachable(name, "answers \"unchanged\" to a question that was not asked"));
            }
            Ok(Answer::Missing(_)) => {
                return Err(SourceError::Schema(format!(
                    "{}; correct `post_types`, or ask the site to show this type in its REST interface",
                    self.words(name, "is not there (404)")
                )));
            }
            Err(SourceError::Refused(message)) => {
                return Err(SourceError::Refused(format!(
                    "{message}; a plugin may close the REST interface to visitors: ask the site to open wp/v2/{name}, or read \
                     its feed with kind = \"feed\""
                )));
            }
            Err(error) => return Err(error),
        };
        if page.is_html() {
            let what = "answers with a page for people (a login or the home page) in place of data";
            return Err(SourceError::Schema(format!(
                "{}; open it in a browser without cookies to see what the site wants",
                self.words(name, what)
            )));
        }
        let total = page.header("x-wp-total").and_then(|total| total.trim().parse().ok());
        let rows = serde_json::from_str::<Vec<Value>>(&page.text)
            .map_err(|error| self.unreachable(name, &format!("answers with no list ({error})")))?;
        Ok(List { rows, total })
    }

    /// The page of a list at which a walk stands, in ascending order of id.
    pub(super) async fn leaf(
        &self,
        root: &Root,
        name: &str,
        fields: &str,
        walk: &mut Walk,
        now: Timestamp,
    ) -> Result<(Vec<Value>, Step), SourceError> {
        let (offset, limit) = (walk.offset().to_string(), walk.limit().to_string());
        let query =
            [("_fields", fields), ("orderby", "id"), ("order", "asc"), ("offset", &offset), ("per_page", &limit)];
        let list = self.list(root, name, &query, now).await?;
        let ids: Option<Vec<i64>> = list.rows.iter().map(|row| row["id"].as_i64()).collect();
        let ids = ids.ok_or_else(|| self.unreachable(name, "lists rows without ids"))?;
        let more = list.total.map_or(ids.len() >= walk.limit(), |total| walk.offset() + ids.len() < total);
        let step = walk.read(&ids, more);
        Ok((list.rows, step))
    }

    /// All categories, with those that no post has.
    pub(super) async fn tree(&self, root: &Root, now: Timestamp) -> Result<Tree, SourceError> {
        let mut walk = Walk::new(PAGE);
        let mut rows = Vec::new();
        loop {
            let (page, step) = self.leaf(root, "categories", "id,name,slug,parent", &mut walk, now).await?;
            match step {
                Step::On(from) => rows.extend(page.into_iter().skip(from)),
                Step::Back => {}
                Step::End(from) => {
                    rows.extend(page.into_iter().skip(from));
                    break;
                }
                Step::Lost => return Err(self.unreachable("categories", "cannot be read in one order of ids")),
            }
        }
        Ok(tree(&rows))
    }

    /// `source NAME: ADDRESS what`.
    pub(super) fn words(&self, name: &str, what: &str) -> String {
        format!("source `{}`: {} wp/v2/{name} {what}", self.name, self.base)
    }

    pub(super) fn unreachable(&self, name: &str, what: &str) -> SourceError {
        SourceError::Unreachable(format!("{}; it is tried again at the next poll", self.words(name, what)))
    }
}

/// Every category is public; one whose parent is not shown stands at the top.
fn tree(rows: &[Value]) -> Tree {
    let shown = |id: i64| rows.iter().any(|row| row["id"].as_i64() == Some(id));
    let nodes = rows.iter().filter_map(|row| {
        Some(Node {
            id: row["id"].as_i64()?,
            parent: row["parent"].as_i64().filter(|parent| shown(*parent)).unwrap_or(0),
            // Names come as HTML.
            title: html::title(row["name"].as_str().unwrap_or_default()).into_string(),
            alias: row["slug"].as_str().unwrap_or_default().to_owned(),
            published: 1,
            access: 1,
            language: String::new(),
            is_root: false,
        })
    });
    Tree::new(nodes.collect(), &std::collections::BTreeSet::from([1]))
}

/// What a post shows of its categories: the deepest first, each followed by its ancestors.
pub(super) fn chain(tree: &Tree, ids: &[i64]) -> Vec<i64> {
    let mut chains: Vec<Vec<i64>> = ids.iter().map(|id| tree.chain(*id).map(|node| node.id).collect()).collect();
    chains.sort_by_key(|chain| (std::cmp::Reverse(chain.len()), chain.first().copied()));
    let mut all = Vec::new();
    for id in chains.into_iter().flatten() {
        if !all.contains(&id) {
            all.push(id);
        }
    }
    all
}

/// Moves when any category moves.
pub(super) fn stamp(tree: &Tree) -> String {
    let mut stamp = crate::source::stamp::Stamp::default();
    for Category { external_id, .. } in tree.categories() {
        stamp.part(tree.stamp(external_id.parse().unwrap_or_default()));
        stamp.part(external_id);
    }
    stamp.hex()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn categories_form_a_tree_with_names_in_plain_text_and_slugs_of_our_own_where_theirs_is_none() {
        let rows = [
            json!({"id": 1, "name": "Tin t\u{1ee9}c &amp; s\u{1ef1} ki\u{1ec7}n", "slug": "tin-tuc", "parent": 0}),
            json!({"id": 2, "name": "Đại hội", "slug": "%c4%91%e1%ba%a1i-h%e1%bb%99i", "parent": 1}),
            json!({"id": 3, "name": "Lạc", "slug": "lac", "parent": 99}),
        ];
        let tree = tree(&rows);
        let all: Vec<_> = tree.categories().into_iter().map(|c| (c.title.into_string(), c.slug, c.parent)).collect();
        assert_eq!(all[0], ("Tin tức & sự kiện".to_owned(), "tin-tuc".to_owned(), None));
        assert_eq!(all[1], ("Đại hội".to_owned(), "dai-hoi".to_owned(), Some("1".to_owned())));
        assert_eq!(all[2], ("Lạc".to_owned(), "lac".to_owned(), None));
        assert_eq!(chain(&tree, &[3, 1, 2]), [2, 1, 3]);
        assert_eq!(chain(&tree, &[7]), Vec::<i64>::new());
    }
}
