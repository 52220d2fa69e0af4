//! Connections that may be used again. A connection is as old as its last look at the name server, so it is given up
//! after a minute, however busy. Never decides whether a target may be called.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Idle connections kept for one target.
const PER_TARGET: usize = 64;

/// Idle connections kept in all.
const IN_ALL: usize = 1_024;

/// Where a connection leads: TLS or not, host, port.
pub(super) type Key = (bool, String, u16);

/// One open connection. Dropping it closes the socket at once, whatever was still on the way.
pub(super) struct Connection {
    pub sender: SendRequest<Full<Bytes>>,
    /// The task that moves its bytes.
    pub driver: AbortHandle,
    pub born: Instant,
    /// The machine at its other end.
    pub peer: IpAddr,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Idle connections by target.
pub(super) struct Pool {
    max_age: Duration,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    by_target: HashMap<Key, Vec<Connection>>,
    /// In all.
    count: usize,
}

impl Pool {
    pub fn new(max_age: Duration) -> Self {
        Self { max_age, idle: Mutex::default() }
    }

    /// An idle connection to this target that is open and young enough.
    pub fn take(&self, key: &Key) -> Option<Connection> {
        let idle = &mut *self.idle();
        let list = idle.by_target.get_mut(key)?;
        let before = list.len();
        let found = std::iter::from_fn(|| list.pop()).find(|c| self.is_usable(c));
        idle.count -= before - list.len();
        if list.is_empty() {
            idle.by_target.remove(key);
        }
        found
    }

    /// Keeps a connection whose answer was read to the end, unless it is old or there are enough.
    pub fn put(&self, key: Key, connection: Connection) {
        if !self.is_usable(&connection) {
            return;
        }
        let idle = &mut *self.idle();
        // Every connection's driver ends by itself soon after `max_age`, so this bound is about bursts only.
        if idle.count >= IN_ALL {
            idle.by_target.retain(|_, list| {
                list.retain(|c| self.is_usable(c));
                !list.is_empty()
            });
            idle.count = idle.by_target.values().map(Vec::len).sum();
        }
        if idle.count >= IN_ALL {
            return;
        }
        let list = idle.by_target.entry(key).or_default();
        if list.len() < PER_TARGET {
            list.push(connection);
            idle.count += 1;
        }
    }

    fn is_usable(&self, connection: &Connection) -> bool {
        !connection.sender.is_closed() && connection.born.elapsed() < self.max_age
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
