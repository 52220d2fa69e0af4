//! Polls that do not wait for their beat: the clock has made an article public or hidden it, or the portal said "now".
//! Only brings polls forward; the beats would find the same a little later.

use std::sync::PoisonError;
use std::time::Duration;

use super::{Ingest, IngestError};
use crate::clock::Timestamp;

/// From one hinted poll of a source to the next, at least: whoever saves a hundred articles in a row hints a hundred times.
const APART: Duration = Duration::from_secs(5);

/// What is to be polled before its beat, by source.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// When the clock alone next changes what is public.
    flip: Option<Timestamp>,
    /// Whether the portal said "now".
    hinted: bool,
    /// When the last hint was followed.
    followed: Option<Timestamp>,
}

impl Ingest {
    /// Takes a hint that something changed in a source: it is polled whole within moments, once for all hints that come
    /// meanwhile. Returns at once.
    ///
    /// # Errors
    /// [`IngestError::Unknown`].
    pub fn hint(&self, name: &str) -> Result<(), IngestError> {
        self.source(name)?;
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default().hinted = true;
        self.wakes.polls.notify_one();
        Ok(())
    }

    /// Polls each source that is called for. Costs nothing while none is: call it often.
    pub async fn poll_called(&self) {
        for (name, whole) in self.called() {
            let result = match whole {
                None => self.poll(&name).await,
                Some(flip) => self.poll_since(&name, Some(flip)).await,
            };
            match result {
                // What the hint was about may be newer than what that poll saw.
                Ok(report) if report.busy && whole.is_none() => {
                    let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
                    let call = calls.entry(name).or_default();
                    (call.hinted, call.followed) = (true, None);
                }
                Ok(_) => {}
                Err(e) => tracing::error!(source = name, "poll failed, nothing was concluded: {e}"),
            }
        }
    }

    /// Sources to poll now: whole for a hint, or for a flip since that instant.
    fn called(&self) -> Vec<(String, Option<Timestamp>)> {
        let now = self.clock.now();
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        for (name, call) in calls.iter_mut() {
            let rested = call.followed.is_none_or(|at| at > now || at.plus(APART) <= now);
            if call.hinted && rested {
                (call.hinted, call.followed) = (false, Some(now));
                due.push((name.clone(), None));
            } else if let Some(at) = call.flip.filter(|at| *at <= now) {
                // What is tried once is left to the beats: a source that is away must not be called every second.
                call.flip = None;
                due.push((name.clone(), Some(at)));
            }
        }
        due
    }

    /// Remembers when the clock alone next changes what is public in a source.
    pub(super) async fn expect_flip(&self, name: &str) -> Result<(), IngestError> {
        let flip = self.store.next_flip(name).await?;
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default().flip = flip;
        Ok(())
    }
}
