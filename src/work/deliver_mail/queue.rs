//! Letters that wait for a connection, urgent ones first. Never claims, sends or settles anything.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

use crate::domain::delivery::Lane;
use crate::store::delivery::Claimed;
use crate::work::compose::Letter;

/// A letter that waits for its turn, under its claim.
pub(super) struct Waiting {
    pub(super) claimed: Claimed,
    pub(super) lease: i64,
    pub(super) lane: Lane,
    pub(super) letter: Letter,
}

/// The letters of one process.
pub(super) struct Queue {
    letters: Mutex<Letters>,
    /// One permit for each letter.
    ready: Semaphore,
    /// Rings when few are left, and when there is another reason to look.
    pub(super) low: Notify,
    /// When fewer than this wait, the next claim is made, while these are being sent. So no more wait in one process
    /// than this and one claim: what another replica could send meanwhile, and what lies idle when the process dies.
    few: usize,
}

#[derive(Default)]
struct Letters {
    urgent: VecDeque<Waiting>,
    others: VecDeque<Waiting>,
}

impl Letters {
    const fn of(&mut self, lane: Lane) -> &mut VecDeque<Waiting> {
        match lane {
            Lane::Transactional => &mut self.urgent,
            Lane::Immediate | Lane::Digest => &mut self.others,
        }
    }
}

impl Queue {
    pub(super) fn new(few: usize) -> Self {
        Self { letters: Mutex::default(), ready: Semaphore::new(0), low: Notify::new(), few }
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether so few letters of this lane wait that more should be claimed.
    pub(super) fn has_room(&self, lane: Lane) -> bool {
        self.letters().of(lane).len() < self.few
    }

    /// Adds letters behind those that are as urgent.
    pub(super) fn add(&self, lane: Lane, letters: Vec<Waiting>) {
        let count = letters.len();
        self.letters().of(lane).extend(letters);
        self.ready.add_permits(count);
    }

    /// The most urgent letter, as soon as there is one; nothing once the queue is closed.
    pub(super) async fn next(&self) -> Option<Waiting> {
        self.ready.acquire().await.ok()?.forget();
        let mut letters = self.letters();
        if let Some(urgent) = letters.urgent.pop_front() {
            return Some(urgent);
        }
        let next = letters.others.pop_front();
        if letters.others.len() < self.few {
            self.low.notify_one();
        }
        next
    }

    /// The next letter that may wait behind another on one connection, if there is one now. An urgent letter may not: it
    /// goes over the connection that is free first, which this one will be if nothing is put behind.
    pub(super) fn behind(&self) -> Option<Waiting> {
        let permit = self.ready.try_acquire().ok()?;
        let mut letters = self.letters();
        if !letters.urgent.is_empty() {
            return None;
        }
        let next = letters.others.pop_front()?;
        permit.forget();
        if letters.others.len() < self.few {
            self.low.notify_one();
        }
        Some(next)
    }

    /// Takes all letters out. Answers them.
    pub(super) fn drain(&self) -> Vec<Waiting> {
        let mut drained = Vec::new();
        while let Ok(permit) = self.ready.try_acquire() {
            let mut letters = self.letters();
            let Some(next) = letters.urgent.pop_front().or_else(|| letters.others.pop_front()) else { break };
            permit.forget();
            drained.push(next);
        }
        drained
    }

    /// Ends it: nobody gets a letter any more. Answers those that are left.
    pub(super) fn close(&self) -> Vec<Waiting> {
        self.ready.close();
        let letters = std::mem::take(&mut *self.letters());
        letters.urgent.into_iter().chain(letters.others).collect()
    }
}
