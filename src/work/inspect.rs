//! A look at a source before it is trusted: what is there, how it would be published, what is hidden and why. Reads the
//! source alone; opens no database and writes nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clock::Timestamp;
use crate::domain::article::{Article, Category, RawArticle};
use crate::domain::feed::FeedSpec;
use crate::domain::selection::{Matcher, Reading, Reason};
use crate::domain::site::Site;
use crate::source::{AnySource, Ask, Description, Fault, Flip, Hidden, Light, Reach, Rhythm, Source, SourceError};
use crate::work::normalise::{Credit, normalise};

/// So many articles are read whole where that costs little, and (`SOME`) where each may cost a call.
const MANY: usize = 2_000;
const SOME: usize = 30;

/// What was found.
#[derive(Debug)]
pub struct Inspection {
    /// What the source says of itself.
    pub description: Description,
    /// How it is polled.
    pub rhythm: Rhythm,
    /// Public articles.
    pub public: usize,
    /// Whether that is all there are.
    pub reach: Reach,
    /// Visible categories, each below its parent.
    pub categories: Vec<Line>,
    /// Of how many of the newest articles the categories' numbers are; nothing if of all.
    pub counted: Option<usize>,
    /// The newest articles as they would be published, the newest first.
    pub newest: Vec<Shown>,
    /// Articles that the clock alone will show or hide, the next first.
    pub flips: Vec<Flip>,
    /// What is there and is not shown.
    pub hidden: Vec<Hidden>,
    /// What cannot be read or published.
    pub faults: Vec<Fault>,
}

/// A category in the tree.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// How many ancestors it has.
    pub depth: usize,
    /// The category.
    pub category: Category,
    /// Articles that lie in it, not below it.
    pub articles: usize,
}

/// An article as it would be published.
#[derive(Debug)]
pub struct Shown {
    /// The article.
    pub article: Article,
    /// The declared feeds that would hold it, and why.
    pub feeds: Vec<(String, Reason)>,
}

/// Looks at a source; shows at most `newest` of its articles.
///
/// # Errors
/// When the source cannot be read.
pub async fn inspect(
    name: &str,
    source: &AnySource,
    site: &Site,
    credit: &Credit,
    feeds: &[FeedSpec],
    newest: usize,
    now: Timestamp,
) -> Result<Inspection, SourceError> {
    let description = source.describe().await?;
    let rhythm = source.rhythm();
    let mut scan = source.scan(&Ask::first(now)).await?;
    let census = source.census(now).await?;
    let most = if rhythm == Rhythm::Window { SOME } else { MANY };
    let wanted = newest_ids(&scan.articles, most);
    let fetched = source.fetch(&wanted, now).await?;
    let mut faults = std::mem::take(&mut scan.faults);
    faults.extend(fetched.faults);
    let categories = scan.categories.unwrap_or_default();
    let (counts, counted) = match census.by_category {
        Some(counts) => (counts, None),
        None => (count(&fetched.articles), (scan.articles.len() > wanted.len()).then_some(wanted.len())),
    };
    let named: HashMap<String, Category> = categories.iter().map(|c| (c.external_id.clone(), c.clone())).collect();
    let mut articles = fetched.articles;
    articles.sort_by_key(|article| Reverse((article.published, article.external_id.clone())));
    let matchers: Vec<(&str, Matcher)> =
        feeds.iter().map(|f| (f.slug.as_str(), f.select.topic_matcher().on_the_clock_of(&site.zone))).collect();
    let mut shown = Vec::new();
    for raw in &articles {
        match normalise(name, raw, &named, site, credit) {
            Ok(article) if shown.len() < newest => {
                let reading = Reading::new(&article);
                let held = |(slug, matcher): &(&str, Matcher)| {
                    matcher.matches_reading(&reading).map(|why| ((*slug).to_owned(), why))
                };
                let feeds = matchers.iter().filter_map(held).collect();
                shown.push(Shown { article, feeds });
            }
            Ok(_) => {}
            Err(unfit) => faults.push(Fault {
                external_id: raw.external_id.clone(),
                message: format!("article {}: {unfit}; it would be left out", raw.external_id),
            }),
        }
    }
    let mut flips = scan.flips;
    flips.sort();
    Ok(Inspection {
        description,
        rhythm,
        public: scan.articles.len(),
        reach: scan.reach,
        categories: tree(&categories, &counts),
        counted,
        newest: shown,
        flips,
        hidden: census.hidden,
        faults,
    })
}

/// At most so many ids: where ids are numbers, the greatest, which are the newest nearly always.
fn newest_ids(articles: &[Light], most: usize) -> BTreeSet<String> {
    let mut ids: Vec<&str> = articles.iter().map(|light| light.external_id.as_str()).collect();
    if ids.iter().all(|id| id.parse::<u64>().is_ok()) {
        ids.sort_by_key(|id| Reverse(id.parse::<u64>().unwrap_or(0)));
    }
    ids.into_iter().take(most).map(str::to_owned).collect()
}

fn count(articles: &[RawArticle]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for category in articles.iter().filter_map(|article| article.categories.first()) {
        *counts.entry(category.clone()).or_insert(0) += 1;
    }
    counts
}

/// Each category below its parent, siblings by title. A category whose parents form a circle stands at the top.
fn tree(categories: &[Category], counts: &BTreeMap<String, usize>) -> Vec<Line> {
    fn below(
        parent: Option<&str>,
        depth: usize,
        left: &mut Vec<&Category>,
        counts: &BTreeMap<String, usize>,
        lines: &mut Vec<Line>,
    ) {
        let mut own: Vec<&Category> = left.iter().filter(|c| c.parent.as_deref() == parent).copied().collect();
        left.retain(|c| c.parent.as_deref() != parent);
        own.sort_by(|a, b| a.title.cmp(&b.title));
        for category in own {
            let articles = counts.get(&category.external_id).copied().unwrap_or(0);
            lines.push(Line { depth, category: category.clone(), articles });
            below(Some(&category.external_id), depth + 1, left, counts, lines);
        }
    }
    let known: BTreeSet<&str> = categories.iter().map(|c| c.external_id.as_str()).collect();
    let rooted: Vec<Category> = categories
        .iter()
        .cloned()
        .map(|mut c| {
            c.parent = c.parent.filter(|parent| known.contains(parent.as_str()));
            c
        })
        .collect();
    let (mut left, mut lines) = (rooted.iter().collect(), Vec::new());
    below(None, 0, &mut left, counts, &mut lines);
    lines.extend(left.into_iter().map(|category| Line {
        depth: 0,
        category: category.clone(),
        articles: counts.get(&category.external_id).copied().unwrap_or(0),
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(id: &str, parent: Option<&str>) -> Category {
        Category {
            external_id: id.to_owned(),
            parent: parent.map(str::to_owned),
            title: id.into(),
            slug: id.to_owned(),
        }
    }

    #[test]
    fn categories_stand_below_their_parents_and_none_is_lost() {
        let all = [
            category("b", None),
            category("a2", Some("a")),
            category("a", None),
            category("a1", Some("a")),
            category("lost", Some("nowhere")),
            category("x", Some("y")),
            category("y", Some("x")),
        ];
        let lines = tree(&all, &BTreeMap::from([("a1".to_owned(), 3)]));
        let found: Vec<_> = lines.iter().map(|l| (l.category.external_id.as_str(), l.depth, l.articles)).collect();
        assert_eq!(
            found,
            [("a", 0, 0), ("a1", 1, 3), ("a2", 1, 0), ("b", 0, 0), ("lost", 0, 0), ("x", 0, 0), ("y", 0, 0)]
        );
    }

    #[test]
    fn where_ids_are_numbers_the_newest_are_the_greatest() {
        let lights: Vec<Light> =
            ["9", "10", "2"].map(|id| Light { external_id: id.to_owned(), fingerprint: String::new() }).into();
        assert_eq!(newest_ids(&lights, 2), BTreeSet::from(["10".to_owned(), "9".to_owned()]));
    }
}
