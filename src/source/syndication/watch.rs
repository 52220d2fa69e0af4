//! Whether the pages of articles that left the feeds are still there. An article is gone when its page is missing (404, 410)
//! in two looks one after the other, each time while the page of a listed article is not: a portal that has lost all its
//! pages has a fault, and withdrew nothing. Looks at few pages a poll, those first that were not looked at for longest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::sync::Mutex;
use url::Url;

use super::super::web::{Answer, Call, Fresh, Web};
use super::super::{Ask, Fault, SourceError};
use crate::clock::Timestamp;

/// Pages that one poll looks at.
const AT_ONCE: usize = 5;

/// From one look at a page to the next.
const EVERY: Duration = Duration::from_hours(1);

/// The same for a page that was missing at the last look.
const SOON: Duration = Duration::from_mins(5);

/// Looks in which a page must be missing.
const LOOKS: u8 = 2;

/// The largest page that is read, in bytes.
const MOST_BYTES: usize = 8 << 20;

/// When pages were looked at.
#[derive(Default)]
pub(super) struct Watch(Mutex<HashMap<String, Seen>>);

#[derive(Default)]
struct Seen {
    at: Option<Timestamp>,
    missing: u8,
    /// Why the page was refused at the last look.
    refused: Option<String>,
}

impl Seen {
    fn is_due(&self, now: Timestamp) -> bool {
        let wait = if self.missing > 0 { SOON } else { EVERY };
        self.at.is_none_or(|at| now.since(at) >= wait)
    }
}

/// What was seen.
#[derive(Default)]
pub(super) struct Looked {
    /// Articles that are gone.
    pub gone: BTreeSet<String>,
    /// What the operator should know.
    pub faults: Vec<Fault>,
}

impl Watch {
    /// Looks at some pages of known articles that are not `listed` (id and address). `control` is the page of a listed one.
    ///
    /// What is found gone is said again at each call until it is no longer known: a poll that came to nothing loses none.
    pub(super) async fn look(
        &self,
        web: &Web,
        name: &str,
        ask: &Ask<'_>,
        listed: &BTreeMap<&str, &str>,
        control: Option<&str>,
    ) -> Looked {
        let mut seen = self.0.lock().await;
        let left: BTreeMap<&str, Url> = ask
            .known
            .iter()
            .filter(|(id, _)| !listed.contains_key(id))
            .filter_map(|(id, fingerprint)| {
                let (_, link) = fingerprint.split_once(' ')?;
                Some((id, Url::parse(link).ok()?))
            })
            .collect();
        seen.retain(|id, _| left.contains_key(id.as_str()));
        let mut due: Vec<(&str, &Url)> = left
            .iter()
            .filter(|(id, _)| seen.get(**id).is_none_or(|seen| seen.is_due(ask.now)))
            .map(|(id, url)| (*id, url))
            .collect();
        due.sort_by_key(|(id, _)| {
            let seen = seen.get(*id);
            (seen.is_none_or(|seen| seen.missing == 0), seen.and_then(|seen| seen.at), *id)
        });
        let mut looked = Looked::default();
        let mut there: Option<bool> = None;
        for (id, url) in due.into_iter().take(AT_ONCE) {
            let entry = seen.entry(id.to_owned()).or_default();
            let before = entry.at.replace(ask.now);
            let there_now = page(web, url, ask.now).await;
            entry.refused = None;
            match there_now {
                Ok(true) => entry.missing = 0,
                Ok(false) => {
                    if there.is_none() {
                        there = match control.and_then(|link| Url::parse(link).ok()) {
                            Some(control) => page(web, &control, ask.now).await.ok(),
                            None => None,
                        };
                    }
                    match there {
                        Some(true) => entry.missing = (entry.missing + 1).min(LOOKS),
                        Some(false) => {
                            entry.at = before;
                            looked.faults = vec![Fault {
                                external_id: String::new(),
                                message: format!(
                                    "source `{name}`: the pages of articles that the feed lists are missing (404) too, such \
                                     as {}; until they are there, no article is taken for withdrawn",
                                    control.unwrap_or_default()
                                ),
                            }];
                            break;
                        }
                        None => {
                            entry.at = before;
                            break;
                        }
                    }
                }
                // One page that is closed says nothing of the next.
                Err(SourceError::Refused(message) | SourceError::Schema(message)) => entry.refused = Some(message),
                // The host is away, and the others would only wait for it, too.
                Err(_) => break,
            }
        }
        let refused = seen.iter().filter_map(|(id, seen)| Some((id, seen.refused.as_ref()?))).min();
        looked.faults.extend(refused.map(|(_, message)| Fault {
            external_id: String::new(),
            message: format!("{message} (so it is not seen whether this article was withdrawn)"),
        }));
        looked.gone = seen.iter().filter(|(_, seen)| seen.missing >= LOOKS).map(|(id, _)| id.clone()).collect();
        looked
    }
}

/// Whether a page is there.
async fn page(web: &Web, url: &Url, now: Timestamp) -> Result<bool, SourceError> {
    let call = Call { accept: "text/html, */*;q=0.5", headers: &[], max: MOST_BYTES, fresh: Fresh::Always };
    Ok(!matches!(web.get(url, &call, now).await?, Answer::Missing(_)))
}
