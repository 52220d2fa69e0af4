//! The way into a portal's database: connections, one read-only moment per visit, rows as text. Never writes, never keeps
//! more than two connections, never lets the password out.

pub(super) mod fault;

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row as _, TypeInfo as _};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use url::Url;

use self::fault::{Hints, Place};
use crate::source::SourceError;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_mins(1);
const CONNECTIONS: usize = 2;

/// Which dialect the database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// MySQL and MariaDB.
    MySql,
    /// PostgreSQL.
    Postgres,
}

enum Options {
    MySql(Box<MySqlConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

enum Connection {
    MySql(Box<MySqlConnection>),
    Postgres(Box<PgConnection>),
}

/// One database and how to reach it.
pub(super) struct Door {
    options: Options,
    place: Place,
    idle: Mutex<Option<Connection>>,
    permits: Semaphore,
}

/// One read-only transaction: all that is read in it belongs to one moment.
pub(super) struct Visit<'a> {
    connection: Connection,
    door: &'a Door,
    _permit: SemaphorePermit<'a>,
}

/// A row whose columns were all selected as text.
pub(super) struct Row(Vec<Option<String>>);

impl Row {
    /// The column, or nothing if it is NULL.
    pub(super) fn maybe(&self, column: usize) -> Option<&str> {
        self.0.get(column).and_then(Option::as_deref)
    }

    /// The column; empty if it is NULL.
    pub(super) fn text(&self, column: usize) -> &str {
        self.maybe(column).unwrap_or_default()
    }

    /// The column as a number; 0 if it is NULL or none.
    pub(super) fn number(&self, column: usize) -> i64 {
        self.text(column).trim().parse().unwrap_or(0)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({})", self.place)
    }
}

impl Door {
    /// Checks the address; connects to nothing.
    ///
    /// # Errors
    /// [`SourceError::Schema`] when the address is none. The message does not repeat it: it holds the password.
    pub(super) fn open(source: &str, address: &str) -> Result<Self, SourceError> {
        let fault = |why: &str| {
            SourceError::Schema(format!(
                "source `{source}`: `url` {why}; write mysql://user:password@host:3306/database or \
                 postgres://user:password@host:5432/database (characters such as @ : / in the password as %40 %3A %2F)"
            ))
        };
        let url = Url::parse(address).map_err(|_| fault("is not an address"))?;
        if url.path().trim_matches('/').is_empty() {
            return Err(fault("names no database"));
        }
        let (engine, options) = match url.scheme() {
            "mysql" | "mariadb" => {
                let address = address.replacen("mariadb://", "mysql://", 1);
                let options = MySqlConnectOptions::from_str(&address).map_err(|_| fault("cannot be understood"))?;
                (Engine::MySql, Options::MySql(Box::new(options.disable_statement_logging())))
            }
            "postgres" | "postgresql" => {
                let options = PgConnectOptions::from_str(address).map_err(|_| fault("cannot be understood"))?;
                let options = options.application_name("loa").disable_statement_logging();
                (Engine::Postgres, Options::Postgres(Box::new(options)))
            }
            _ => return Err(fault("begins with neither mysql:// nor postgres://")),
        };
        let port = url.port().unwrap_or(if engine == Engine::MySql { 3306 } else { 5432 });
        let place = Place {
            hints: Hints::GENERAL,
            source: source.to_owned(),
            engine,
            host: format!("{}:{port}", url.host_str().unwrap_or("localhost")),
            database: url.path().trim_matches('/').to_owned(),
            user: url.username().to_owned(),
        };
        Ok(Self { options, place, idle: Mutex::default(), permits: Semaphore::new(CONNECTIONS) })
    }

    /// The same door, whose errors speak of what the source reads there.
    pub(super) fn hinting(mut self, hints: Hints) -> Self {
        self.place.hints = hints;
        self
    }

    /// Which dialect is spoken here.
    pub(super) fn engine(&self) -> Engine {
        self.place.engine
    }

    /// Where this is, for messages.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Begins a read-only transaction that sees one moment.
    pub(super) async fn enter(&self) -> Result<Visit<'_>, SourceError> {
        let permit = timeout(ANSWER_WITHIN, self.permits.acquire()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(SourceError::Unreachable(format!(
                "{}: both connections are busy; the next poll tries again",
                self.place
            )));
        };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut connection) = idle
            && let Ok(Ok(())) = timeout(CONNECT_WITHIN, connection.begin()).await
        {
            return Ok(Visit { connection, door: self, _permit: permit });
        }
        let fresh = async {
            let mut connection = self.connect().await?;
            connection.begin().await?;
            Ok::<_, sqlx::Error>(connection)
        };
        let connection = match timeout(CONNECT_WITHIN, fresh).await {
            Ok(connection) => connection.map_err(|error| fault::from_sql(&self.place, &error))?,
            Err(_) => return Err(fault::silent(&self.place, CONNECT_WITHIN)),
        };
        Ok(Visit { connection, door: self, _permit: permit })
    }

    async fn connect(&self) -> Result<Connection, sqlx::Error> {
        Ok(match &self.options {
            Options::MySql(options) => Connection::MySql(Box::new(options.connect().await?)),
            Options::Postgres(options) => Connection::Postgres(Box::new(options.connect().await?)),
        })
    }
}

impl Connection {
    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::MySql(connection) => {
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
                let begun = connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await;
                if begun.as_ref().is_err_and(fault::is_syntax) {
                    // Servers of the 5.5 line know no READ ONLY. The account may only SELECT there too.
                    connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
                } else {
                    begun?;
                }
            }
            Self::Postgres(connection) => {
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
            }
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::MySql(connection) => connection.execute("COMMIT").await.map(drop),
            Self::Postgres(connection) => connection.execute("COMMIT").await.map(drop),
        }
    }
}

impl Visit<'_> {
    /// Asks the server to stop each statement of this visit that takes longer, so that a bad one cannot occupy the portal's
    /// database. Servers before MySQL 5.7.8 and MariaDB 10.1 cannot: there only loa stops waiting.
    pub(super) async fn limit(&mut self, longest: Duration) -> Result<(), SourceError> {
        let place = &self.door.place;
        let set = async {
            match &mut self.connection {
                Connection::MySql(connection) => {
                    let mariadb = format!("SET SESSION max_statement_time = {}", longest.as_secs());
                    let mysql = format!("SET SESSION max_execution_time = {}", longest.as_millis());
                    for sql in [mariadb, mysql] {
                        match connection.execute(AssertSqlSafe(sql)).await {
                            Err(error) if fault::is_unknown_setting(&error) => {}
                            set => return set.map(drop),
                        }
                    }
                    Ok(())
                }
                Connection::Postgres(connection) => {
                    let sql = format!("SET LOCAL statement_timeout = {}", longest.as_millis());
                    connection.execute(AssertSqlSafe(sql)).await.map(drop)
                }
            }
        };
        match timeout(CONNECT_WITHIN, set).await {
            Ok(set) => set.map_err(|error| fault::from_sql(place, &error)),
            Err(_) => Err(fault::silent(place, CONNECT_WITHIN)),
        }
    }

    /// Name and type, in the server's word, of each column of a query that gives at least one row.
    pub(super) async fn columns(&mut self, sql: String) -> Result<Vec<(String, String)>, SourceError> {
        macro_rules! columns {
            ($connection:expr) => {{
                let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut **$connection).await?;
                let pair = |column: &_| (name_of(column), type_of(column));
                row.columns().iter().map(pair).collect()
            }};
        }
        fn name_of(column: &impl sqlx::Column) -> String {
            column.name().to_owned()
        }
        fn type_of(column: &impl sqlx::Column) -> String {
            column.type_info().name().to_owned()
        }
        let place = &self.door.place;
        let connection = &mut self.connection;
        let read = async move {
            Ok::<Vec<_>, sqlx::Error>(match connection {
                Connection::MySql(connection) => columns!(connection),
                Connection::Postgres(connection) => columns!(connection),
            })
        };
        match timeout(ANSWER_WITHIN, read).await {
            Ok(read) => read.map_err(|error| fault::from_sql(place, &error)),
            Err(_) => Err(fault::silent(place, ANSWER_WITHIN)),
        }
    }

    /// Runs a query whose columns are all text and hands each row to `take`. `sql` holds nothing from outside but what the
    /// operator wrote, a checked prefix and numbers; anything else is bound.
    pub(super) async fn each(
        &mut self,
        sql: String,
        bound: Option<&str>,
        take: impl FnMut(Row) + Send,
    ) -> Result<(), SourceError> {
        self.each_of(sql, bound.as_slice(), take).await
    }

    /// As [`Visit::each`], with any number of bound texts. On MySQL the statement is kept with the connection: one that is
    /// closed costs the next query what [`Visit::read`] says. So ask in few forms.
    pub(super) async fn each_of(
        &mut self,
        sql: String,
        bound: &[&str],
        mut take: impl FnMut(Row) + Send,
    ) -> Result<(), SourceError> {
        // The two arms differ in types, and in what they keep.
        macro_rules! stream {
            ($connection:expr, $kept:literal) => {{
                let mut query = sqlx::query(AssertSqlSafe(sql)).persistent($kept);
                for text in bound {
                    query = query.bind(*text);
                }
                let mut rows = query.fetch(&mut **$connection);
                while let Some(row) = rows.try_next().await? {
                    let cells = (0..row.len()).map(|column| {
                        let bytes = row.try_get_unchecked::<Option<&[u8]>, _>(column)?;
                        Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
                    });
                    take(Row(cells.collect::<Result<_, sqlx::Error>>()?));
                }
            }};
        }
        let place = &self.door.place;
        let connection = &mut self.connection;
        let read = async move {
            match connection {
                Connection::MySql(connection) => stream!(connection, true),
                // Poolers in front of PostgreSQL lose statements that have a name.
                Connection::Postgres(connection) => stream!(connection, false),
            }
            Ok::<_, sqlx::Error>(())
        };
        match timeout(ANSWER_WITHIN, read).await {
            Ok(read) => read.map_err(|error| fault::from_sql(place, &error)),
            Err(_) => Err(fault::silent(place, ANSWER_WITHIN)),
        }
    }

    /// Runs a query of loa's own making that binds nothing, else as [`Visit::each`]. On MySQL it goes as text, in one round
    /// trip: a prepared one is closed by a packet that nobody answers, the next query waits behind that for the server's
    /// delayed acknowledgement, and a poll of ten queries takes 400 ms more.
    pub(super) async fn read(&mut self, sql: String, mut take: impl FnMut(Row) + Send) -> Result<(), SourceError> {
        let Connection::MySql(connection) = &mut self.connection else { return self.each(sql, None, take).await };
        let place = &self.door.place;
        let read = async move {
            let mut rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(&mut **connection);
            while let Some(row) = rows.try_next().await? {
                let cells = (0..row.len()).map(|column| {
                    let bytes = row.try_get_unchecked::<Option<&[u8]>, _>(column)?;
                    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
                });
                take(Row(cells.collect::<Result<_, sqlx::Error>>()?));
            }
            Ok::<_, sqlx::Error>(())
        };
        match timeout(ANSWER_WITHIN, read).await {
            Ok(read) => read.map_err(|error| fault::from_sql(place, &error)),
            Err(_) => Err(fault::silent(place, ANSWER_WITHIN)),
        }
    }

    /// Ends the transaction and keeps the connection for the next visit. A visit that is dropped instead closes its own.
    pub(super) async fn leave(mut self) {
        if let Ok(Ok(())) = timeout(CONNECT_WITHIN, self.connection.end()).await {
            *self.door.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.connection);
        }
    }
}
