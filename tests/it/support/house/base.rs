//! A fresh database on either engine, with a way to look into it that is not loa's own.

use std::path::Path;
use std::time::{Duration, Instant};

use loa::store::engine::Store;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use super::LONG;
use crate::support::databases::{self, Db};

/// A row as text.
pub type Cells = Vec<Option<String>>;

/// A database of one test; gone with this value.
pub struct Base {
    /// The store over it.
    pub store: Store,
    place: Place,
}

enum Place {
    File(tempfile::TempDir),
    Server(Db),
}

impl Base {
    /// SQLite in a temporary folder: in memory where the system has one for that, since each commit is flushed.
    pub async fn sqlite() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.expect("a folder");
        let store = Store::open(&sqlite_url(&folder)).await.expect("a database");
        Self { store, place: Place::File(folder) }
    }

    /// A fresh PostgreSQL database, or nothing (and a word about it) where there is no server.
    pub async fn postgres(test: &str) -> Option<Self> {
        let db = databases::postgres(test).await?;
        let store = Store::open(&db.url).await.expect("a database");
        Some(Self { store, place: Place::Server(db) })
    }

    /// The database's address.
    pub fn url(&self) -> String {
        match &self.place {
            Place::File(folder) => sqlite_url(folder),
            Place::Server(db) => db.url.clone(),
        }
    }

    /// Another process's store over the same database.
    pub async fn another(&self) -> Store {
        Store::open(&self.url()).await.expect("a database")
    }

    /// Everything that SQLite's files hold: the database, and what stands in its log.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let Place::File(folder) = &self.place else { return None };
        let path = |end: &str| folder.path().join(format!("loa.db{end}"));
        let mut bytes = std::fs::read(path("")).expect("a file");
        bytes.extend(std::fs::read(path("-wal")).unwrap_or_default());
        Some(bytes)
    }

    /// Whether this is PostgreSQL.
    pub const fn is_postgres(&self) -> bool {
        matches!(self.place, Place::Server(_))
    }

    /// All rows of a query, each column as text.
    pub async fn rows(&self, sql: &str) -> Vec<Cells> {
        match &self.place {
            Place::Server(db) => db.rows(sql).await,
            Place::File(folder) => {
                let mut connection = SqliteConnection::connect(&sqlite_url(folder)).await.expect("a database");
                let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await;
                let rows = rows.unwrap_or_else(|error| panic!("{error} in: {sql}"));
                rows.iter().map(|row| (0..row.len()).map(|i| row.get_unchecked(i)).collect()).collect()
            }
        }
    }

    /// Each row's columns, parted by a blank; `-` for NULL.
    pub async fn lines(&self, sql: &str) -> Vec<String> {
        let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "-".to_owned());
        self.rows(sql).await.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" ")).collect()
    }

    /// The one number that a query answers.
    pub async fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql).await;
        rows[0][0].as_deref().unwrap_or_else(|| panic!("NULL from {sql}")).parse().expect("a number")
    }

    /// Waits until a query answers this number.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn until(&self, what: &str, sql: &str, number: i64) {
        let end = Instant::now() + LONG;
        loop {
            let now = self.number(sql).await;
            if now == number {
                return;
            }
            if Instant::now() > end {
                let rest = self.lines("SELECT kind, state, attempts, due_at, lease, cause, detail FROM delivery").await;
                panic!("waited for {what}: {now} is not {number}; {rest:#?}");
            }
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
    }
}

fn sqlite_url(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}", folder.path().join("loa.db").display())
}
