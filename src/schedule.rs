//! Beats and wakes. A beat carries no meaning: what is due is read from the database or computed in `domain`, so a beat
//! that never comes, or comes twice, only delays or does nothing. No rule lives here.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::FixedOffset;
use tokio::sync::{Mutex, Notify, watch};
use tokio_cron_scheduler::{Job, JobScheduler};

/// A piece of work that a beat starts.
pub type Work = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Why beats cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The scheduler refused a beat; its cron line was checked by the configuration, so this is a fault of loa.
    #[error("the beat of {0} cannot be set: {1}")]
    Beat(String, String),
}

/// The running beats.
pub struct Beats {
    scheduler: JobScheduler,
    /// Held by each beat's work while it is under way.
    busy: Vec<Arc<Mutex<()>>>,
}

impl Beats {
    /// Starts beats: name, cron line of six fields (seconds first), work. `offset` is the site's distance from UTC in
    /// seconds, by which cron lines are read; it is fixed while the process runs.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub async fn start(beats: Vec<(String, String, Work)>, offset: i32) -> Result<Self, ScheduleError> {
        let fault = |name: &str, e: &dyn std::fmt::Display| ScheduleError::Beat(name.to_owned(), e.to_string());
        let scheduler = JobScheduler::new().await.map_err(|e| fault("the scheduler", &e))?;
        let zone = FixedOffset::east_opt(offset).ok_or_else(|| fault("the scheduler", &"the zone's offset"))?;
        let mut all = Vec::with_capacity(beats.len());
        for (name, cron, work) in beats {
            let busy = Arc::new(Mutex::new(()));
            all.push(Arc::clone(&busy));
            let label: Arc<str> = name.as_str().into();
            let job = Job::new_async_tz(cron.as_str(), zone, move |_, _| {
                let (work, busy, label) = (Arc::clone(&work), Arc::clone(&busy), Arc::clone(&label));
                Box::pin(async move {
                    // A beat that finds the one before still at work has nothing to add.
                    if let Ok(held) = busy.try_lock_owned() {
                        guarded(&label, work()).await;
                        drop(held);
                    }
                })
            })
            .map_err(|e| fault(&name, &e))?;
            scheduler.add(job).await.map_err(|e| fault(&name, &e))?;
        }
        scheduler.start().await.map_err(|e| fault("the scheduler", &e))?;
        Ok(Self { scheduler, busy: all })
    }

    /// Stops the beats and waits for work that is under way, but not longer than `patience`.
    pub async fn stop(mut self, patience: Duration) {
        if let Err(e) = self.scheduler.shutdown().await {
            tracing::warn!("the scheduler did not stop cleanly: {e}");
        }
        let under_way = async {
            for busy in &self.busy {
                drop(busy.lock().await);
            }
        };
        if tokio::time::timeout(patience, under_way).await.is_err() {
            tracing::warn!("a job is cut off by the stop; the next start makes it again");
        }
    }
}

/// Runs `work` whenever `bell` rings, and at least every `look`, until `stop` turns true.
pub async fn follow(
    name: &'static str,
    bell: Arc<Notify>,
    look: Duration,
    mut stop: watch::Receiver<bool>,
    work: Work,
) {
    while !*stop.borrow() {
        guarded(name, work()).await;
        tokio::select! {
            () = bell.notified() => {}
            () = tokio::time::sleep(look) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Runs work in a task of its own: a panic there is told and ends nothing else.
async fn guarded(name: &str, work: Pin<Box<dyn Future<Output = ()> + Send>>) {
    if let Err(e) = tokio::spawn(work).await {
        tracing::error!(job = name, "this job failed inside loa and will be tried again: {e}");
    }
}
