//! Opening the database, its two engines, and transactions over either. No table is named here.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Postgres, SqlSafeStr, Sqlite, Transaction};

/// What can go wrong with the store, as callers act upon it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be opened; the text says why and what to do. An operator must act.
    #[error("{0}")]
    Open(String),
    /// Another process of loa serves from this SQLite file.
    #[error("another loa{1} serves from {0}: stop it first, or use PostgreSQL to run several", path.display(), process.as_ref().map(|id| format!(" (process {id})")).unwrap_or_default())]
    InUse {
        /// The file.
        path: PathBuf,
        /// Its process id, if it could be read.
        process: Option<String>,
    },
    /// The lease under which this was found out is somebody else's by now. Nothing was written.
    #[error("this took so long that another replica took over; nothing was written")]
    Superseded,
    /// Feeds came or went since this was found out. Nothing was written; finding it out anew is right, at once.
    #[error("feeds came or went while the source was read; nothing was written, and the next poll reads it again")]
    OtherFeeds,
    /// A stored value is not what this version of loa writes.
    #[error("the database holds a value that this version cannot read: {0}")]
    Corrupt(String),
    /// The engine refused or broke off. The transaction did not happen; trying again later is right.
    #[error("the database did not do it: {0}")]
    Database(#[from] sqlx::Error),
}

/// What every store method answers.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) engine: Engine,
}

#[derive(Clone, Debug)]
pub(super) enum Engine {
    /// One writer, since SQLite has one; readers beside it, which WAL never blocks.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
        path: PathBuf,
        lock: Arc<std::sync::Mutex<Option<File>>>,
    },
    Postgres(PgPool),
}

/// A transaction on either engine.
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Runs the same statement on whichever engine the transaction is on: `tx!(tx, c => query.execute(c))`.
macro_rules! tx {
    ($tx:expr, $c:ident => $body:expr) => {
        match $tx {
            $crate::store::engine::Tx::Sqlite(t) => {
                let $c = &mut **t;
                $body.await
            }
            $crate::store::engine::Tx::Postgres(t) => {
                let $c = &mut **t;
                $body.await
            }
        }
    };
}
pub(super) use tx;

/// Runs a statement that answers no rows; how many it changed.
macro_rules! exec {
    ($tx:expr, $query:expr) => {
        match $tx {
            $crate::store::engine::Tx::Sqlite(t) => $query.execute(&mut **t).await.map(|r| r.rows_affected()),
            $crate::store::engine::Tx::Postgres(t) => $query.execute(&mut **t).await.map(|r| r.rows_affected()),
        }
    };
}
pub(super) use exec;

/// Runs the same reading statement on whichever engine the store is on: `read!(self, p => query.fetch_all(p))`.
macro_rules! read {
    ($store:expr, $p:ident => $body:expr) => {
        match &$store.engine {
            $crate::store::engine::Engine::Sqlite { read: $p, .. } => $body.await,
            $crate::store::engine::Engine::Postgres($p) => $body.await,
        }
    };
}
pub(super) use read;

/// Runs one writing statement as a transaction of its own: `alone!(self, p => query.execute(p).await)`. The same promise
/// as a transaction around it, with one trip to the database instead of three.
macro_rules! alone {
    ($store:expr, $p:ident => $body:expr) => {
        match &$store.engine {
            $crate::store::engine::Engine::Sqlite { write: $p, .. } => $body,
            $crate::store::engine::Engine::Postgres($p) => $body,
        }
    };
}
pub(super) use alone;

impl Tx {
    pub(super) async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(t) => t.commit().await?,
            Self::Postgres(t) => t.commit().await?,
        }
        Ok(())
    }

    /// The text for this engine, where the two must differ.
    pub(super) const fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }
}

/// The steps of the schema: number, name, text for each engine. Never changed once they were released, only added to.
const MIGRATIONS: [(i64, &str, &str, &str); 8] = [
    (1, "first", include_str!("migrations/sqlite/0001_first.sql"), include_str!("migrations/postgres/0001_first.sql")),
    (
        2,
        "sources",
        include_str!("migrations/sqlite/0002_sources.sql"),
        include_str!("migrations/postgres/0002_sources.sql"),
    ),
    (3, "feeds", include_str!("migrations/sqlite/0003_feeds.sql"), include_str!("migrations/postgres/0003_feeds.sql")),
    (
        4,
        "selections",
        include_str!("migrations/sqlite/0004_selections.sql"),
        include_str!("migrations/postgres/0004_selections.sql"),
    ),
    (
        5,
        "people",
        include_str!("migrations/sqlite/0005_people.sql"),
        include_str!("migrations/postgres/0005_people.sql"),
    ),
    (
        6,
        "bounces",
        include_str!("migrations/sqlite/0006_bounces.sql"),
        include_str!("migrations/postgres/0006_bounces.sql"),
    ),
    (
        10,
        "outlook",
        include_str!("migrations/sqlite/0010_outlook.sql"),
        include_str!("migrations/postgres/0010_outlook.sql"),
    ),
    (11, "push", include_str!("migrations/sqlite/0011_push.sql"), include_str!("migrations/postgres/0011_push.sql")),
];

/// The newest step that a database has been through.
const SCHEMA: &str = "SELECT max(version) FROM _sqlx_migrations WHERE success";

/// How long a PostgreSQL server may take to answer at the start.
const CONNECT: Duration = Duration::from_secs(15);

const WRITE_A_URL: &str = "[store] url: write sqlite://path/to/loa.db or postgres://user@host/database";

fn sqlite_fault(path: &Path, e: &dyn std::fmt::Display) -> StoreError {
    StoreError::Open(format!(
        "cannot open the SQLite database {}: {e}; see that it is one, that its folder exists, and that this account may \
         write there",
        path.display()
    ))
}

// The driver's message may repeat parts of the address; the password is never in it.
fn postgres_fault(e: &dyn std::fmt::Display) -> StoreError {
    StoreError::Open(format!(
        "cannot open the PostgreSQL database: {e}; check [store] url, that the server runs, and the account's rights"
    ))
}

fn migrate_fault(e: &MigrateError) -> Option<StoreError> {
    matches!(e, MigrateError::VersionMissing(_)).then(newer)
}

fn newer() -> StoreError {
    StoreError::Open(
        "the database was made by a newer version of loa: install that version, or restore a backup from before"
            .to_owned(),
    )
}

/// What the newest step of a database says to this version.
fn age(at: Option<i64>) -> Result<&'static str> {
    let ours = MIGRATIONS.last().map_or(0, |(number, ..)| *number);
    match at {
        None => Ok("empty: its tables are made at the first start"),
        Some(at) if at < ours => Ok("made by an older version: the next start brings it up to date; back it up before"),
        Some(at) if at > ours => Err(newer()),
        Some(_) => Ok("up to date"),
    }
}

fn migrator(postgres: bool) -> Migrator {
    let all = MIGRATIONS.iter().map(|(number, name, sqlite, pg)| {
        let sql: &'static str = if postgres { pg } else { sqlite };
        Migration::new(*number, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(all.collect());
    // Session locks do not survive a pooler; two replicas that start together settle it by the second one's retry.
    migrator.set_locking(false);
    migrator
}

impl Store {
    /// Opens `sqlite://path` (made if missing, with its folder) or `postgres://…`, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError::Open`] with what to do.
    pub async fn open(url: &str) -> Result<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::open_postgres(url).await
        } else if let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
            Self::open_sqlite(Path::new(path)).await
        } else {
            Err(StoreError::Open(WRITE_A_URL.to_owned()))
        }
    }

    async fn open_sqlite(path: &Path) -> Result<Self> {
        let open = |e: &dyn std::fmt::Display| sqlite_fault(path, e);
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| open(&e))?;
        }
        // Addresses, secrets and keys: for this account alone. SQLite gives its other files the same mode.
        private(path).map_err(|e| open(&e))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: a power cut must not forget that a mail was sent.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            // A claim's rows come from the connection's thread in one go.
            .row_buffer_size(512)
            .pragma("cache_size", "-16000")
            .pragma("wal_autocheckpoint", "4000")
            .pragma("temp_store", "memory")
            // What is deleted is overwritten: an erased address must not be found in the file.
            .pragma("secure_delete", "on");
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_mins(1))
            // A full disk makes SQLite end a transaction by itself, and sqlx goes on to count it: such a connection would
            // refuse every further transaction, long after there is room again. Another one takes its place.
            .before_acquire(|connection, _| {
                let usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(usable) })
            })
            .connect_with(options.clone())
            .await
            .map_err(|e| open(&e))?;
        migrator(false).run(&write).await.map_err(|e| migrate_fault(&e).unwrap_or_else(|| open(&e)))?;
        let read = SqlitePoolOptions::new()
            .max_connections(4)
            // The system keeps the file's pages once for all readers; their own caches would keep them once each.
            .connect_with(options.read_only(true).create_if_missing(false).pragma("cache_size", "-2000"))
            .await
            .map_err(|e| open(&e))?;
        let engine = Engine::Sqlite { write, read, path: path.to_owned(), lock: Arc::default() };
        Ok(Self { engine })
    }

    async fn open_postgres(url: &str) -> Result<Self> {
        let open = |e: &dyn std::fmt::Display| postgres_fault(e);
        let options = PgConnectOptions::from_str(url).map_err(|e| open(&e))?.application_name("loa");
        let pool =
            PgPoolOptions::new().max_connections(10).acquire_timeout(CONNECT).connect_with(options.clone()).await;
        let pool = match pool {
            Ok(pool) => pool,
            // The pool has tried again and again, and does not say what it met.
            Err(sqlx::Error::PoolTimedOut) => {
                let cause = tokio::time::timeout(CONNECT, PgConnection::connect_with(&options)).await;
                return Err(match cause {
                    Ok(Err(e)) => open(&e),
                    _ => open(&"no answer in time"),
                });
            }
            Err(e) => return Err(open(&e)),
        };
        let mut tries = 0;
        while let Err(e) = migrator(true).run(&pool).await {
            tries += 1;
            if tries == 3 {
                return Err(migrate_fault(&e).unwrap_or_else(|| open(&e)));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(Self { engine: Engine::Postgres(pool) })
    }

    /// Looks at the database of this URL without making or changing anything: one line of what was found.
    ///
    /// # Errors
    /// [`StoreError::Open`] when a service could not use it, with what to do.
    pub async fn look(url: &str) -> Result<String> {
        if let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
            let path = Path::new(path);
            if !path.exists() {
                // The folder is made with the file; what is there already must be one.
                let there = path.ancestors().skip(1).find(|p| p.as_os_str().is_empty() || p.exists());
                if there.is_some_and(|p| !p.as_os_str().is_empty() && !p.is_dir()) {
                    return Err(sqlite_fault(path, &"its folder is a file"));
                }
                return Ok(format!("SQLite, {} will be made at the first start", path.display()));
            }
            let options = SqliteConnectOptions::new().filename(path).read_only(true);
            let mut one = SqliteConnection::connect_with(&options).await.map_err(|e| sqlite_fault(path, &e))?;
            // Any answer will do; a file that is no database gives none.
            sqlx::query("SELECT count(*) FROM sqlite_schema")
                .execute(&mut one)
                .await
                .map_err(|e| sqlite_fault(path, &e))?;
            let at: Option<i64> = sqlx::query_scalar(SCHEMA).fetch_one(&mut one).await.unwrap_or_default();
            return Ok(format!("SQLite, {}, {}", path.display(), age(at)?));
        }
        if !url.starts_with("postgres") {
            return Err(StoreError::Open(WRITE_A_URL.to_owned()));
        }
        let options = PgConnectOptions::from_str(url).map_err(|e| postgres_fault(&e))?;
        let connect = PgConnection::connect_with(&options);
        let mut one = tokio::time::timeout(CONNECT, connect)
            .await
            .map_err(|_| postgres_fault(&"no answer"))?
            .map_err(|e| postgres_fault(&e))?;
        let at: Option<i64> = sqlx::query_scalar(SCHEMA).fetch_one(&mut one).await.unwrap_or_default();
        Ok(format!("PostgreSQL, {}", age(at)?))
    }

    /// Makes this process the only one that serves from a SQLite file (PostgreSQL takes any number), and frees every
    /// claim that a killed predecessor left, so that its messages go out at once instead of after their lease.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process holds it.
    pub async fn take_for_serving(&self) -> Result<()> {
        let Engine::Sqlite { path, lock, .. } = &self.engine else { return Ok(()) };
        let mut name = path.clone().into_os_string();
        name.push(".lock");
        let open = |e: std::io::Error| {
            StoreError::Open(format!("{}: {e}; see that this account may write there", name.display()))
        };
        // Not truncated before it is ours: it names the process that holds it.
        let mut file = private(Path::new(&name)).map_err(open)?;
        if file.try_lock().is_err() {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let process = Some(holder.trim().to_owned()).filter(|id| !id.is_empty());
            return Err(StoreError::InUse { path: path.clone(), process });
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(open)?;
        *lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(file);
        self.free_claims().await
    }

    /// Begins a writing transaction: `BEGIN IMMEDIATE` on SQLite, since an upgrade from reading fails at once there.
    pub(super) async fn begin(&self) -> Result<Tx> {
        Ok(match &self.engine {
            Engine::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Engine::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// The text for this engine, where the two must differ.
    pub(super) const fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match &self.engine {
            Engine::Sqlite { .. } => sqlite,
            Engine::Postgres(_) => postgres,
        }
    }

    /// Asks the database for one row, to see that it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<()> {
        let one: i64 = read!(self, p => sqlx::query_scalar("SELECT CAST(1 AS BIGINT)").fetch_one(p))?;
        if one == 1 { Ok(()) } else { Err(StoreError::Corrupt("1 is not 1".to_owned())) }
    }

    /// Which engine this is, for logs: `SQLite` or `PostgreSQL`.
    #[must_use]
    pub const fn engine_name(&self) -> &'static str {
        self.pick("SQLite", "PostgreSQL")
    }

    /// Closes every connection; SQLite folds its write-ahead log into the file.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { write, read, .. } => {
                read.close().await;
                write.close().await;
            }
            Engine::Postgres(pool) => pool.close().await,
        }
    }
}

/// Opens a file to read and write, made if missing so that nobody but its owner may read it (mode 0600).
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Reads a stored JSON text.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt(format!("{what}: {e}")))
}

/// Writes a value as the JSON text to be stored.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| StoreError::Corrupt(e.to_string()))
}
