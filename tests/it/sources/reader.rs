//! Reads a source as ingest does, without a store: remembers what was public, and says what each poll moved.

use std::collections::{BTreeMap, BTreeSet};

use loa::clock::Timestamp;
use loa::domain::article::{Category, RawArticle};
use loa::domain::roll::Roll;
use loa::source::{AnySource, Ask, Depth, Flip, Reach, Scan, Source, SourceError};

/// What one poll moved, by id.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub new: Vec<i64>,
    pub changed: Vec<i64>,
    pub gone: Vec<i64>,
}

impl Moved {
    pub fn new(ids: &[i64]) -> Self {
        Self { new: ids.to_vec(), ..Self::default() }
    }

    pub fn changed(ids: &[i64]) -> Self {
        Self { changed: ids.to_vec(), ..Self::default() }
    }

    pub fn gone(ids: &[i64]) -> Self {
        Self { gone: ids.to_vec(), ..Self::default() }
    }
}

/// One reader of one source.
pub struct Reader {
    pub source: AnySource,
    pub now: Timestamp,
    known: BTreeMap<String, String>,
    flips: BTreeSet<Flip>,
    categories: Vec<Category>,
    /// The last scan.
    pub scan: Scan,
}

impl Reader {
    pub fn new(source: AnySource, now: Timestamp) -> Self {
        Self {
            source,
            now,
            known: BTreeMap::new(),
            flips: BTreeSet::new(),
            categories: Vec::new(),
            scan: Scan::default(),
        }
    }

    /// What is public as far as it was told.
    pub fn public(&self) -> BTreeSet<String> {
        self.known.keys().cloned().collect()
    }

    /// One poll; a scan that asks to go deeper gets its way.
    pub async fn poll(&mut self, depth: Depth) -> Result<Moved, SourceError> {
        let known: Roll = self.known.iter().collect();
        let due = self.flips.iter().filter(|flip| flip.at <= self.now && !self.known.contains_key(&flip.external_id));
        let due: BTreeSet<String> = due.map(|flip| flip.external_id.clone()).collect();
        let mut ask = Ask { now: self.now, depth, known: known.public(), due: &due, categories: &self.categories };
        let mut scan = self.source.scan(&ask).await?;
        if scan.deeper {
            ask.depth = Depth::Sweep;
            scan = self.source.scan(&ask).await?;
            assert!(!scan.deeper, "a sweep asks to go deeper");
        }
        let mut moved = Moved::default();
        let differs: BTreeMap<String, String> = scan
            .articles
            .iter()
            .filter(|light| self.known.get(&light.external_id) != Some(&light.fingerprint))
            .map(|light| (light.external_id.clone(), light.fingerprint.clone()))
            .collect();
        let fetched = self.source.fetch(&differs.keys().cloned().collect(), self.now).await?;
        let seen: BTreeSet<&String> = scan
            .articles
            .iter()
            .map(|light| &light.external_id)
            .chain(scan.faults.iter().map(|fault| &fault.external_id))
            .collect();
        for id in self.known.keys().filter(|id| !seen.contains(id)) {
            let looked_for = match &scan.reach {
                Reach::Whole => true,
                Reach::Only(ids) => ids.contains(id),
                Reach::Part => false,
            };
            if looked_for {
                moved.gone.push(number(id));
            }
        }
        for id in &moved.gone {
            self.known.remove(&id.to_string());
        }
        for article in fetched.articles {
            let id = article.external_id;
            let old = self.known.insert(id.clone(), differs[&id].clone());
            if old.is_some() { &mut moved.changed } else { &mut moved.new }.push(number(&id));
        }
        for ids in [&mut moved.new, &mut moved.changed, &mut moved.gone] {
            ids.sort_unstable();
        }
        if ask.depth == Depth::Sweep && scan.reach != Reach::Part {
            self.flips.clear();
        }
        self.flips.extend(scan.flips.iter().cloned());
        self.flips.retain(|flip| flip.at > self.now);
        self.categories = scan.categories.clone().expect("the categories");
        self.scan = scan;
        Ok(moved)
    }

    /// One article as it is now.
    pub async fn article(&self, id: i64) -> RawArticle {
        super::one(self.source.fetch(&super::set([id]), self.now).await.expect("an article"))
    }
}

fn number(id: &str) -> i64 {
    id.parse().expect("a number")
}
