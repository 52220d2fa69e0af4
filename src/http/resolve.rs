//! From a name to addresses. Decides nothing about them: the guard does, on the whole answer.
//!
//! The machine's own resolver (`getaddrinfo`) is asked, not one of ours: it honours `/etc/hosts`, split-horizon DNS and
//! whatever else the operator has set up, and picks up changes to it. It cannot be interrupted, so the number of
//! lookups at a time is capped and a lookup keeps its place until it really ends.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// Lookups that may run at a time. Each holds a thread of the runtime's blocking pool (512), which others need too.
const LOOKUPS: usize = 128;

/// An answer on its way.
pub type Answer = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// What turns a host name into addresses. Tests hand in their own.
pub trait Resolve: Send + Sync {
    /// All addresses of this name, as a future that may be dropped at a deadline.
    ///
    /// # Errors
    /// The future gives an error when the name has no address or nobody answers.
    fn resolve(&self, name: &str) -> Answer;
}

/// The machine's resolver.
pub struct SystemResolver {
    places: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> Answer {
        let (places, name) = (Arc::clone(&self.places), name.to_owned());
        Box::pin(async move {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = move || {
                // Held until the lookup ends, even if nobody waits for it any more.
                let _place = place;
                (name.as_str(), 0).to_socket_addrs().map(|found| found.map(|at| at.ip()).collect())
            };
            tokio::task::spawn_blocking(lookup).await.map_err(io::Error::other)?
        })
    }
}
