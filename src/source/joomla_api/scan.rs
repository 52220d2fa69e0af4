//! What is public now: the newest pages and single articles, or everything page by page.

use std::time::Duration;

use super::call::One;
use super::census::Tally;
use super::document::Resource;
use super::row::Row;
use super::rules::Rules;
use super::{JoomlaApi, State};
use crate::clock::Timestamp;
use crate::source::stamp::Stamp;
use crate::source::tiers::{Extent, Look, Memory, Seen};
use crate::source::walk::{Step, Walk};
use crate::source::{Ask, Depth, Fault, Scan, SourceError};

/// Articles a page. They come with their texts, so that more would make heavy pages.
pub(super) const PAGE: usize = 100;

/// So many articles are asked for one by one in a hot scan because something is odd about them, …
const SUSPECTS: usize = 100;

/// … so many because it is their turn, …
const TURN: usize = 30;

/// … and so many after a walk that did not meet them.
const UNMET: usize = 500;

pub(super) const ARTICLES: &str = "content/articles";

/// Only what is published; the rest of the rules is not for the server to decide.
pub(super) const PUBLISHED: (&str, &str) = ("filter[state]", "1");

impl JoomlaApi {
    /// One scan.
    pub(super) async fn look(&self, state: &mut State, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        state.kept.clear();
        state.rules.refresh(self, ask.depth == Depth::Sweep, ask.now).await?;
        if state.memory.wants_sweep(ask, self.full_walk, &state.rules.tree.categories(), &state.rules.stamp()) {
            return Ok(Scan { deeper: true, ..Scan::default() });
        }
        let walks = state.memory.wants_walk(ask, self.full_walk, &state.rules.stamp());
        let mut look = Look { categories: state.rules.tree.categories(), categories_hide: true, ..Look::default() };
        let extent =
            if walks { self.walk(state, &mut look, ask).await? } else { self.hot(state, &mut look, ask).await? };
        let rules = state.rules.stamp();
        Ok(state.memory.conclude(ask, look, extent, rules))
    }

    async fn walk(&self, state: &mut State, look: &mut Look, ask: &Ask<'_>) -> Result<Extent, SourceError> {
        let mut walk = Walk::new(PAGE);
        state.kept.pages.clear();
        state.tally = Tally::default();
        loop {
            let offset = walk.offset();
            let leaf = self.leaf(ARTICLES, &[PUBLISHED], &mut walk, ask.now).await?;
            let from = match leaf.step {
                Step::On(from) | Step::End(from) => from,
                Step::Back => continue,
                Step::Lost => return Ok(Extent::Broken),
            };
            let new = &leaf.document.rows[from..];
            if let Some(first) = new.first().and_then(Resource::id) {
                state.kept.pages.push((first, offset));
            }
            self.take(state, look, new, ask.now).await?;
            for row in new.iter().filter_map(|resource| Row::read(resource).ok()).filter(|row| row.state == 1) {
                state.tally.count(self, &state.rules, &row, ask.now);
            }
            if matches!(leaf.step, Step::End(_)) {
                break;
            }
        }
        let mut unmet = Memory::unmet(ask, look);
        unmet.sort_unstable_by(|a, b| b.cmp(a));
        unmet.truncate(UNMET);
        let found = self.ask(state, look, &unmet, ask.now).await?;
        if found > 0 {
            tracing::warn!(
                source = self.name,
                articles = found,
                "the portal shows articles that its web services do not list; they have no workflow (Joomla issue 36421), and \
                 new ones like them cannot be found: save them once in Joomla, or read its tables"
            );
        }
        Ok(Extent::Walk)
    }

    async fn hot(&self, state: &mut State, look: &mut Look, ask: &Ask<'_>) -> Result<Extent, SourceError> {
        let limit = PAGE.to_string();
        let page = |column: &'static str| {
            [PUBLISHED, ("list[ordering]", column), ("list[direction]", "desc"), ("page[limit]", limit.as_str())]
        };
        let newest = self.list(ARTICLES, &page("a.id"), ask.now).await?;
        self.take(state, look, &newest.rows, ask.now).await?;
        let ids: Vec<i64> = newest.rows.iter().filter_map(Resource::id).collect();
        // Down to the last of them, what is not in the page is not in the list: if the page is ordered as asked.
        let down_to =
            ids.is_sorted_by(|a, b| a > b).then(|| if newest.more { ids.last().copied() } else { Some(i64::MIN) });
        let touched = self.list(ARTICLES, &page("a.modified"), ask.now).await?;
        self.take(state, look, &touched.rows, ask.now).await?;
        let mut suspects = state.memory.suspects(ask, look, down_to.flatten());
        suspects.truncate(if ask.depth == Depth::Sweep { UNMET } else { SUSPECTS });
        self.ask(state, look, &suspects, ask.now).await?;
        let turn = state.memory.in_turn(ask, look, TURN);
        self.ask(state, look, &turn, ask.now).await?;
        Ok(Extent::Hot)
    }

    /// Looks at rows of a list.
    async fn take(
        &self,
        state: &mut State,
        look: &mut Look,
        rows: &[Resource],
        now: Timestamp,
    ) -> Result<(), SourceError> {
        for resource in rows {
            let Some(id) = resource.id() else { continue };
            match Row::read(resource) {
                Ok(row) => self.judge(state, look, row, now).await?,
                Err(what) => look.faults.push(fault(id, self.words(&format!("{ARTICLES}/{id}"), &what))),
            }
        }
        Ok(())
    }

    /// Asks for articles by their ids; how many of them are public.
    async fn ask(&self, state: &mut State, look: &mut Look, ids: &[i64], now: Timestamp) -> Result<usize, SourceError> {
        let mut found = 0;
        for id in ids {
            match self.one(*id, now).await? {
                One::Row(row) => self.judge(state, look, *row, now).await?,
                One::Gone => {
                    look.rows.insert(*id, None);
                }
                One::Unknown(what) => look.faults.push(fault(*id, what)),
            }
            found += usize::from(look.rows.get(id).is_some_and(Option::is_some));
        }
        Ok(found)
    }

    async fn judge(&self, state: &mut State, look: &mut Look, row: Row, now: Timestamp) -> Result<(), SourceError> {
        if self.shows(&state.rules, &row) {
            state.rules.meet(self, &row, now).await?;
            look.rows.insert(row.id, Some(self.seen(&state.rules, &row)));
            state.kept.keep(row);
        } else {
            look.rows.insert(row.id, None);
        }
        Ok(())
    }

    /// Whether a guest may see the article, its times aside (content-store.md §2).
    pub(super) fn shows(&self, rules: &Rules, row: &Row) -> bool {
        row.state == 1
            && rules.guests.contains(&row.access)
            && rules.tree.chain(row.catid).next().is_some()
            && self.language.as_deref().is_none_or(|wanted| speaks(language_of(rules, row), wanted))
    }

    pub(super) fn seen(&self, rules: &Rules, row: &Row) -> Seen {
        let mut stamp = Stamp::default();
        stamp.part(self.base.as_str());
        stamp.part(self.link.as_str());
        stamp.part(rules.tree.stamp(row.catid));
        stamp.part(&row.hash);
        stamp.maybe(rules.author(row));
        for tag in rules.tags(row) {
            stamp.part(tag);
        }
        // The last second of `publish_down` is still public.
        let until = row.down.map(|down| down.plus(Duration::from_secs(1)));
        Seen { fingerprint: stamp.hex(), from: row.up, until }
    }
}

/// The article's language, else that of its category.
pub(super) fn language_of<'a>(rules: &'a Rules, row: &'a Row) -> &'a str {
    if row.language.is_empty() { rules.tree.language(row.catid) } else { &row.language }
}

/// Whether a language tag is the wanted one, or one of the wanted language; no tag means all languages.
fn speaks(tag: &str, wanted: &str) -> bool {
    let rest = tag.get(..wanted.len()).filter(|start| start.eq_ignore_ascii_case(wanted)).map(|_| &tag[wanted.len()..]);
    tag.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn fault(id: i64, message: String) -> Fault {
    Fault { external_id: id.to_string(), message }
}

#[cfg(test)]
mod tests {
    use super::speaks;

    #[test]
    fn an_article_without_a_language_is_in_every_language() {
        assert!(speaks("", "vi-VN") && speaks("vi-VN", "vi-vn") && speaks("vi-VN", "vi"));
        assert!(!speaks("en-GB", "vi") && !speaks("vi", "vi-VN") && !speaks("vie-VN", "vi"));
    }
}
