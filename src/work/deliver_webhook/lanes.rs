//! What this process remembers of receivers while it has work for them: what waits for a slot, and the pace of each
//! receiver and of each machine. A receiver that fails or is slow holds its own slots and nobody else's. Forgets whoever
//! has had nothing for a while; what must outlast the process is in the database.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use crate::clock::Timestamp;
use crate::notify::webhook::pace::{Ended, Pace};
use crate::notify::webhook::secret::Secret;
use crate::store::push::{PATIENCE, Post, Room};

/// Calls to one receiver at a time: at first, and at most.
const RECEIVER: (u16, u16) = (4, 16);

/// Calls to one machine at a time: at first, and at most.
const MACHINE: (u16, u16) = (16, 64);

/// Calls at a time in all: a place for each of many slow receivers.
const MOST_UNDER_WAY: usize = 1_024;

/// How long an idle receiver is remembered.
const MEMORY: Duration = Duration::from_secs(10);

/// Where a receiver is and what signs for it.
pub(super) struct Target {
    pub url: Url,
    pub secrets: Vec<Secret>,
}

/// An event that waits for a slot, under its claim.
pub(super) struct Waiting {
    pub post: Post,
    pub lease: i64,
    pub id: String,
    /// Without its number.
    pub body: Arc<[u8]>,
}

/// Whose slots a call takes beside those of its receiver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Machine {
    /// A machine that was called before, or that the address names.
    At(IpAddr),
    /// Wherever this name leads.
    Named(String),
}

struct Lane {
    target: Arc<Target>,
    queue: VecDeque<Waiting>,
    pace: Pace,
    /// Rounds of failures, as far as this process knows.
    failures: i64,
    /// The last failure that counted: of calls that were under way together only the first does.
    failed_at: Option<Timestamp>,
    /// Where its last event went, or would have.
    machine: Option<Machine>,
    used: Instant,
}

/// All receivers with work.
#[derive(Default)]
pub(super) struct Lanes {
    receivers: HashMap<i64, Lane>,
    machines: HashMap<Machine, Pace>,
    under_way: usize,
    /// Who is served next among those that wait: nobody is always last.
    turn: usize,
}

impl Lanes {
    /// How many events of a receiver that is not known a claim may take.
    pub const USUAL: usize = 2;

    /// What a claim may take of each receiver that is known: as much again as may be under way, so that slots do not wait
    /// for the database.
    pub fn rooms(&self) -> Vec<Room> {
        let room = |lane: &Lane| {
            // What waits for a machine that many share must not fill all the places of this process.
            let is_full = |machine: &Machine| self.machines.get(machine).is_some_and(|pace| pace.room() == 0);
            if !lane.queue.is_empty() && lane.machine.as_ref().is_some_and(is_full) {
                return 0;
            }
            let has = lane.queue.len() + lane.pace.under_way();
            let most = if lane.failures >= PATIENCE { 1 } else { 2 * lane.pace.window() };
            most.saturating_sub(has)
        };
        self.receivers.iter().map(|(id, lane)| Room { id: *id, n: room(lane) }).collect()
    }

    /// Puts a claimed event into its receiver's queue.
    pub fn add(&mut self, target: &Arc<Target>, waiting: Waiting) {
        let lane = self.receivers.entry(waiting.post.subscriber_id).or_insert_with(|| Lane {
            target: Arc::clone(target),
            queue: VecDeque::new(),
            pace: Pace::new(RECEIVER.0, RECEIVER.1),
            failures: waiting.post.failures,
            failed_at: None,
            machine: None,
            used: Instant::now(),
        });
        lane.target = Arc::clone(target);
        lane.used = Instant::now();
        lane.queue.push_back(waiting);
    }

    /// Takes the next events that have a slot, one of each receiver in turn, with the machine whose slot they take.
    pub fn take(&mut self, machine_of: impl Fn(&Url) -> Machine) -> Vec<(Arc<Target>, Waiting, Machine)> {
        let mut ready: Vec<i64> =
            self.receivers.iter().filter(|(_, l)| !l.queue.is_empty()).map(|(id, _)| *id).collect();
        let mut taken = Vec::new();
        if ready.is_empty() {
            return taken;
        }
        ready.sort_unstable();
        let first = self.turn % ready.len();
        ready.rotate_left(first);
        self.turn = self.turn.wrapping_add(1);
        while !ready.is_empty() && self.under_way < MOST_UNDER_WAY {
            ready.retain(|id| {
                let Some(lane) = self.receivers.get_mut(id) else { return false };
                if lane.pace.room() == 0 || self.under_way >= MOST_UNDER_WAY {
                    return false;
                }
                let machine = machine_of(&lane.target.url);
                let pace = self.machines.entry(machine.clone()).or_insert_with(|| Pace::new(MACHINE.0, MACHINE.1));
                if lane.machine.as_ref() != Some(&machine) {
                    lane.machine = Some(machine.clone());
                }
                if pace.room() == 0 {
                    return false;
                }
                let Some(waiting) = lane.queue.pop_front() else { return false };
                pace.begin();
                lane.pace.begin();
                self.under_way += 1;
                taken.push((Arc::clone(&lane.target), waiting, machine));
                !lane.queue.is_empty()
            });
        }
        taken
    }

    /// A call ended. Answers whether its receiver was failing before.
    pub fn end(&mut self, subscriber: i64, machine: &Machine, how: Ended) -> bool {
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(pace) = self.machines.get_mut(machine) {
            pace.end(how);
        }
        let Some(lane) = self.receivers.get_mut(&subscriber) else { return false };
        lane.pace.end(how);
        lane.used = Instant::now();
        lane.failures > 0
    }

    /// The receiver failed: answers what waited for it here if its patience is used up, or if it asked for a rest.
    pub fn fail(&mut self, subscriber: i64, began: Timestamp, now: Timestamp, rests: bool) -> Vec<Waiting> {
        let Some(lane) = self.receivers.get_mut(&subscriber) else { return Vec::new() };
        if lane.failed_at.is_none_or(|at| at <= began) {
            lane.failures += 1;
            lane.failed_at = Some(now);
        }
        if rests || lane.failures >= PATIENCE { lane.queue.drain(..).collect() } else { Vec::new() }
    }

    /// The receiver took an event after failures: it is well again, and is served slowly at first.
    pub fn recover(&mut self, subscriber: i64) {
        if let Some(lane) = self.receivers.get_mut(&subscriber) {
            if lane.failures >= PATIENCE {
                lane.pace.restart();
            }
            lane.failures = 0;
        }
    }

    /// Rounds of failures of a receiver, as far as this process knows.
    pub fn failures(&self, subscriber: i64) -> i64 {
        self.receivers.get(&subscriber).map_or(0, |lane| lane.failures)
    }

    /// Calls under way.
    pub const fn under_way(&self) -> usize {
        self.under_way
    }

    /// Empties a receiver's queue.
    pub fn drain(&mut self, subscriber: i64) -> Vec<Waiting> {
        self.receivers.get_mut(&subscriber).map(|lane| lane.queue.drain(..).collect()).unwrap_or_default()
    }

    /// Empties all queues.
    pub fn drain_all(&mut self) -> Vec<Waiting> {
        self.receivers.values_mut().flat_map(|lane| lane.queue.drain(..)).collect()
    }

    /// Forgets whoever has had nothing for a while.
    pub fn forget(&mut self) {
        self.receivers
            .retain(|_, lane| lane.pace.under_way() > 0 || !lane.queue.is_empty() || lane.used.elapsed() < MEMORY);
        if self.receivers.is_empty() {
            self.machines.clear();
        } else if self.machines.len() > 4 * self.receivers.len() + 64 {
            self.machines.retain(|_, pace| pace.under_way() > 0);
        }
    }
}
