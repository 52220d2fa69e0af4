//! The connections: never more than allowed, reused while they are good, given up after so many messages or so long a
//! pause. A connection comes back only when a mail ended cleanly on it; whatever else happens, it is closed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use super::connection::Connection;
use super::health::Health;
use super::reply::Fault;
use super::settings::Settings;

/// How long a slot that the relay did not want to serve is left unused.
const CROWDED: Duration = Duration::from_secs(30);

/// All slots of a pool. Whoever holds a permit may have one connection open; an idle connection belongs to a free permit.
/// So there are never more connections than permits: one is opened only when none is idle.
pub(super) struct Slots {
    pub(super) settings: Settings,
    pub(super) health: Health,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    open: Arc<AtomicUsize>,
    waiting: AtomicUsize,
    withheld: Mutex<Withheld>,
    closed: AtomicBool,
    swept: AtomicBool,
}

/// Slots that the relay does not want: it answered "too many connections" while it served others of ours.
#[derive(Default)]
struct Withheld {
    count: usize,
    until: Option<Instant>,
}

/// A connection, for one mail. Dropped, it closes the connection and frees the slot.
pub(super) struct Lease {
    // The order matters: the connection closes before the permit is free.
    pub(super) connection: Connection,
    /// Whether it was used before, so that it may be gone without being at fault.
    pub(super) reused: bool,
    permit: OwnedSemaphorePermit,
}

/// Counts somebody as waiting for as long as they do.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slots {
    pub(super) fn new(settings: Settings) -> Self {
        let permits = Arc::new(Semaphore::new(settings.connections.clamp(1, Semaphore::MAX_PERMITS)));
        let health = Health::new(settings.rest_first, settings.rest_longest);
        Self {
            settings,
            health,
            permits,
            idle: Mutex::default(),
            open: Arc::default(),
            waiting: AtomicUsize::new(0),
            withheld: Mutex::default(),
            closed: AtomicBool::new(false),
            swept: AtomicBool::new(false),
        }
    }

    /// Connections open now.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Whether a mail could go out over a connection that is already open.
    pub(super) fn any_open(&self) -> bool {
        self.open() > 0
    }

    /// Waits for a slot, and gives a connection that is good as far as can be told.
    pub(super) async fn take(&self) -> Result<Lease, Fault> {
        loop {
            self.return_withheld();
            let permit = self.permit().await?;
            if let Some(connection) = self.idle_connection().await {
                return Ok(Lease { connection, reused: true, permit });
            }
            match self.connect().await {
                Ok(connection) => return Ok(Lease { connection, reused: false, permit }),
                Err(Fault::Reply(_, reply)) if reply.is_later() && self.any_open() => self.withhold(permit),
                Err(fault) => return Err(fault),
            }
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Fault> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::new(&self.waiting);
        Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())
    }

    /// Whether somebody waits for a connection: then nobody keeps one for mail after mail.
    pub(super) fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Whether the pool has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether a mail would not have to wait for a connection.
    pub(super) fn has_room(&self) -> bool {
        self.permits.available_permits() > 0
    }

    /// Replaces a connection that turned out to be gone.
    pub(super) async fn renew(&self, lease: Lease) -> Result<Lease, Fault> {
        let Lease { connection, permit, .. } = lease;
        drop(connection);
        Ok(Lease { connection: self.connect().await?, reused: false, permit })
    }

    async fn connect(&self) -> Result<Connection, Fault> {
        let leave = self.health.ask(Instant::now())?;
        let opened = Connection::open(&self.settings, &self.open).await;
        match &opened {
            Ok(connection) => {
                self.settings.international.store(connection.offers.smtputf8, Ordering::Relaxed);
                leave.connected();
            }
            // The relay is well: it serves others of ours.
            Err(Fault::Reply(_, reply)) if reply.is_later() && self.any_open() => drop(leave),
            Err(fault) => leave.failed(fault, Instant::now()),
        }
        opened
    }

    /// The one used last, if it is still good. One that is too old makes room for a new one; the sweep ends the others.
    async fn idle_connection(&self) -> Option<Connection> {
        loop {
            let connection = locked(&self.idle).pop()?;
            if !connection.is_alive() {
                continue;
            }
            if connection.since.elapsed() < self.settings.idle {
                return Some(connection);
            }
            connection.quit().await;
            return None;
        }
    }

    /// Takes a connection back on which a mail ended cleanly.
    pub(super) fn give_back(self: &Arc<Self>, lease: Lease) {
        let Lease { mut connection, permit, .. } = lease;
        if connection.used >= self.settings.per_connection.max(1) || self.closed.load(Ordering::SeqCst) {
            // The slot is free when the server has seen the connection end.
            tokio::spawn(async move {
                connection.quit().await;
                drop(permit);
            });
            return;
        }
        connection.since = Instant::now();
        locked(&self.idle).push(connection);
        drop(permit);
        if !self.swept.swap(true, Ordering::SeqCst) {
            tokio::spawn(sweep(Arc::downgrade(self), self.settings.idle));
        }
        // The pool was closed meanwhile, and did not see this one.
        if self.closed.load(Ordering::SeqCst) {
            locked(&self.idle).clear();
        }
    }

    fn withhold(&self, permit: OwnedSemaphorePermit) {
        let mut withheld = locked(&self.withheld);
        withheld.count += 1;
        withheld.until = Some(Instant::now() + CROWDED);
        permit.forget();
    }

    fn return_withheld(&self) {
        let mut withheld = locked(&self.withheld);
        // When nothing is open any more, nobody else is left who would be given the slot.
        let due = withheld.until.is_some_and(|until| until <= Instant::now()) || !self.any_open();
        if withheld.count > 0 && due {
            withheld.count -= 1;
            withheld.until = Some(Instant::now() + CROWDED);
            self.permits.add_permits(1);
        }
    }

    /// Says good-bye on the idle connections; those in use end with their mail. Nothing is sent any more.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.permits.close();
        let idle = std::mem::take(&mut *locked(&self.idle));
        join_all(idle.into_iter().map(Connection::quit)).await;
    }

    /// Ends idle connections that are too old or gone; says whether any is left.
    async fn sweep_once(&self) -> bool {
        let mut old = Vec::new();
        let left = {
            let mut idle = locked(&self.idle);
            let mut good = Vec::new();
            for connection in idle.drain(..).filter(Connection::is_alive) {
                if connection.since.elapsed() < self.settings.idle {
                    good.push(connection);
                    continue;
                }
                // It keeps a slot while it says good-bye; without a free one it waits for the next round.
                match Arc::clone(&self.permits).try_acquire_owned() {
                    Ok(permit) => old.push((connection, permit)),
                    Err(_) => good.push(connection),
                }
            }
            *idle = good;
            self.swept.store(!idle.is_empty(), Ordering::SeqCst);
            !idle.is_empty()
        };
        join_all(old.into_iter().map(|(connection, permit)| async move {
            connection.quit().await;
            drop(permit);
        }))
        .await;
        left
    }
}

fn closed() -> Fault {
    Fault::Unreachable("loa is shutting down".into())
}

/// Runs only while there are idle connections: a relay closes what is silent, and a socket must not stay half closed for
/// the rest of the day.
async fn sweep(slots: std::sync::Weak<Slots>, every: Duration) {
    loop {
        sleep(every).await;
        let Some(slots) = slots.upgrade() else { return };
        if !slots.sweep_once().await {
            return;
        }
    }
}
