//! What a source of kind `html` remembers from poll to poll: what each page said when it was last read, and when to look
//! again. Gone at a restart, which costs a few calls: what must not be lost is in the marks. Calls nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use url::Url;

use super::article::Piece;
use super::list::Listing;
use super::mark::Mark;
use super::shelf::Shelf;
use super::sitemap::Sitemap;
use crate::clock::Timestamp;
use crate::source::Ask;

/// How long a page rests after it was looked at.
const REST: Duration = Duration::from_mins(5);

/// The longest time until a page that could not be read is tried again.
const LONGEST_REST: Duration = Duration::from_hours(6);

/// How long a page that nobody speaks of is remembered.
const FORGOTTEN: Duration = Duration::from_hours(24);

/// Checks in a row without a page that make an article gone.
const MISSING: u32 = 2;

/// So many missing pages, if they are most of those that were looked at, are a portal that changed its addresses.
const MASS: usize = 5;

/// How long a mass of missing pages is not believed.
const LONG_GONE: Duration = Duration::from_hours(24);

/// What is remembered.
#[derive(Default)]
pub(super) struct Memory {
    /// By the article's id.
    pub seen: BTreeMap<String, Seen>,
    pub shelf: Shelf,
    pub listings: HashMap<Url, Listing>,
    pub sitemaps: HashMap<Url, Sitemap>,
    /// Whether the last scan gave to ingest what it had read.
    pub handed: bool,
}

/// One article.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Its fingerprint, once its page was read.
    pub mark: Option<Mark>,
    /// What its page said, until ingest has had the time to fetch it.
    pub piece: Option<Box<Piece>>,
    /// When its page was last asked for by this process.
    pub checked: Option<Timestamp>,
    /// The id of the page that it was found at, and its title there.
    pub found: Option<(String, String)>,
    /// The other article that it is, by another address.
    pub same_as: Option<String>,
    /// Why its page could not be read last time.
    pub fault: Option<String>,
    /// Not to be asked for before.
    pub retry: Option<Timestamp>,
    /// What the sitemap said of its last change when its page was last read.
    pub modified: Option<Timestamp>,
    failures: u32,
    missing: u32,
    /// Since when its page is missing.
    missing_since: Option<Timestamp>,
    /// The fingerprint that ingest had of it at the last scan.
    known: Option<String>,
    spoken_of: Timestamp,
}

/// What the lists and sitemaps of one poll say of an article.
#[derive(Clone, Debug, Default)]
pub(super) struct Listed {
    /// Ids of the categories of the lists that show it.
    pub lists: BTreeSet<String>,
    /// The date that its entry shows.
    pub date: Option<Timestamp>,
    /// When it last changed, as a sitemap claims.
    pub modified: Option<Timestamp>,
}

/// The articles that are shown now, in the order in which they are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    pub order: Vec<String>,
    pub listed: HashMap<String, Listed>,
}

impl Window {
    /// The entry of an article, made if it is not there.
    pub(super) fn entry(&mut self, id: &str) -> &mut Listed {
        if !self.listed.contains_key(id) {
            self.order.push(id.to_owned());
        }
        self.listed.entry(id.to_owned()).or_default()
    }
}

impl Seen {
    /// Whether its page is gone for sure.
    pub(super) const fn is_gone(&self) -> bool {
        self.missing >= MISSING
    }

    /// Whether its page has been missing for so long that even a mass of such is believed.
    pub(super) fn is_long_gone(&self, now: Timestamp) -> bool {
        self.missing_since.is_some_and(|since| since.plus(LONG_GONE) <= now)
    }

    /// Whether its page was there at the last look.
    pub(super) const fn is_there(&self) -> bool {
        self.missing == 0
    }

    /// Somebody speaks of it.
    pub(super) const fn touch(&mut self, now: Timestamp) {
        self.spoken_of = now;
    }

    /// Its page was read, or is as it was.
    pub(super) fn read(&mut self, now: Timestamp) {
        (self.fault, self.retry, self.failures) = (None, None, 0);
        (self.missing, self.missing_since) = (0, None);
        self.checked = Some(now);
    }

    /// There is no page. The next poll looks again, and then believes it.
    pub(super) fn missed(&mut self, now: Timestamp) {
        self.missing += 1;
        self.missing_since.get_or_insert(now);
        (self.fault, self.checked) = (None, Some(now));
        self.failures += 1;
        self.retry = (self.missing >= MISSING).then(|| now.plus(rest(self.failures)));
    }

    /// Its page could not be read.
    pub(super) fn failed(&mut self, fault: String, now: Timestamp, until: Option<Timestamp>) {
        self.failures += 1;
        self.checked = Some(now);
        self.retry = Some(until.unwrap_or(now).max(now.plus(rest(self.failures))));
        self.fault = Some(fault);
    }

    fn may(&self, now: Timestamp) -> bool {
        self.retry.is_none_or(|at| at <= now)
    }

    /// Whether a sitemap says that it changed since it was read.
    fn is_claimed(&self, listed: Option<&Listed>) -> bool {
        let claimed = listed.and_then(|listed| listed.modified);
        self.checked.is_some() && claimed.is_some() && claimed != self.modified
    }
}

/// The pause after so many failures in a row.
fn rest(failures: u32) -> Duration {
    Duration::from_mins(1_u64 << failures.min(9)).min(LONGEST_REST)
}

impl Memory {
    /// Takes in what ingest knows. What another replica has read since counts more than what this one remembers.
    pub(super) fn begin(&mut self, ask: &Ask<'_>) {
        self.shelf.learn(ask.categories);
        if std::mem::take(&mut self.handed) {
            self.seen.values_mut().for_each(|seen| seen.piece = None);
        }
        for (id, fingerprint) in ask.known.iter() {
            let seen = self.seen.entry(id.to_owned()).or_default();
            let same = seen.mark.as_ref().is_some_and(|mark| mark.to_string() == fingerprint);
            if !same && seen.known.as_deref() != Some(fingerprint) {
                seen.mark = Mark::parse(fingerprint);
                (seen.piece, seen.checked) = (None, None);
            }
            seen.known = Some(fingerprint.to_owned());
            seen.spoken_of = ask.now;
        }
    }

    /// Takes in what the lists say.
    pub(super) fn listed(&mut self, window: &Window, now: Timestamp) {
        for (id, listed) in &window.listed {
            let other = self.seen.get(id).and_then(|seen| seen.same_as.clone());
            for id in std::iter::once(id).chain(&other) {
                let Some(seen) = self.seen.get_mut(id) else { continue };
                seen.spoken_of = now;
                if let Some(mark) = &mut seen.mark {
                    mark.lists.extend(listed.lists.iter().cloned());
                }
            }
        }
        self.seen.retain(|_, seen| now.since(seen.spoken_of) < FORGOTTEN);
    }

    /// Whether most of the known articles that were looked at are missing.
    pub(super) fn is_mass(&self, known: &BTreeSet<&str>) -> bool {
        let looked = self.seen.iter().filter(|(id, seen)| known.contains(id.as_str()) && seen.checked.is_some());
        let (missing, all) =
            looked.fold((0, 0), |(missing, all), (_, seen)| (missing + usize::from(seen.missing > 0), all + 1));
        missing >= MASS && missing * 2 > all
    }

    /// Which pages to read, in order: what is missing once, what is new, what could not be read, what a sitemap calls changed,
    /// and of the rest those that were not looked at for the longest time; at most so many. Also how many new ones are left over.
    pub(super) fn plan(
        &self,
        window: &Window,
        known: &BTreeSet<&str>,
        first: bool,
        most: usize,
        now: Timestamp,
    ) -> (Vec<String>, usize) {
        let mut plan: Vec<&str> = Vec::new();
        let listed = |id: &str| window.listed.get(id);
        let (mut claimed, mut owed): (Vec<&str>, Vec<(&str, &Seen)>) = (Vec::new(), Vec::new());
        for (id, seen) in self.seen.iter().filter(|(id, seen)| known.contains(id.as_str()) && seen.may(now)) {
            if seen.missing == 1 {
                plan.push(id);
            } else if seen.is_claimed(listed(id)) {
                claimed.push(id);
            } else if seen.checked.is_none_or(|at| at.plus(REST) <= now) {
                owed.push((id, seen));
            }
        }
        let is_new = |id: &&String| !self.seen.contains_key(*id);
        plan.extend(window.order.iter().filter(is_new).map(String::as_str));
        let again = |id: &&String| {
            let unread = |seen: &Seen| seen.same_as.is_none() && (seen.mark.is_none() || seen.is_gone());
            !known.contains(id.as_str()) && self.seen.get(*id).is_some_and(|seen| unread(seen) && seen.may(now))
        };
        plan.extend(window.order.iter().filter(again).map(String::as_str));
        plan.extend(claimed);
        if !first {
            // Never looked at comes first, and of those what readers find in the lists.
            owed.sort_by_key(|(id, seen)| (seen.checked, listed(id).is_none(), *id));
            plan.extend(owed.into_iter().map(|(id, _)| id));
        }
        let left = plan.iter().skip(most).filter(|id| !known.contains(**id)).count();
        plan.truncate(most);
        (plan.into_iter().map(str::to_owned).collect(), left)
    }
}
