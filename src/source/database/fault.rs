//! What a database said, as an error that an operator can act upon.

use std::fmt;
use std::time::Duration;

use sqlx::mysql::MySqlDatabaseError;

use super::Engine;
use crate::source::SourceError;

/// What a source says of its own about what it reads there; each ends a sentence.
#[derive(Clone, Copy, Debug)]
pub(in crate::source) struct Hints {
    /// What to grant.
    pub(in crate::source) grant: &'static str,
    /// What is wrong when a table, a column or a statement does not fit.
    pub(in crate::source) misfit: &'static str,
    /// What to do about that.
    pub(in crate::source) remedy: &'static str,
}

impl Hints {
    /// For a source that says nothing of its own.
    pub(in crate::source) const GENERAL: Self = Self {
        grant: "grant it SELECT on them",
        misfit: "the tables are not as loa expects them",
        remedy: "check the database in `url`",
    };
}

/// Where a database is, without its password.
#[derive(Clone, Debug)]
pub(in crate::source) struct Place {
    pub(in crate::source) hints: Hints,
    pub(in crate::source) source: String,
    pub(in crate::source) engine: Engine,
    pub(in crate::source) host: String,
    pub(in crate::source) database: String,
    pub(in crate::source) user: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = match self.engine {
            Engine::MySql => "MySQL/MariaDB",
            Engine::Postgres => "PostgreSQL",
        };
        let Self { source, host, database, user, .. } = self;
        write!(f, "source `{source}`: {engine} at {host}, database `{database}`, user `{user}`")
    }
}

/// What the database holds against us.
enum Kind {
    Account,
    Grant,
    Database,
    Misfit,
    Slow,
    Passing,
}

/// The error for an operator.
pub(in crate::source) fn from_sql(place: &Place, error: &sqlx::Error) -> SourceError {
    let Some(said) = error.as_database_error() else {
        return SourceError::Unreachable(format!(
            "{place}: no answer ({error}); is the server running, is the address in `url` right, may this machine connect?"
        ));
    };
    let code = code(said);
    let said = format!("{code}: {}", shortened(said.message()));
    let Hints { grant, misfit, remedy } = place.hints;
    match kind(place.engine, &code) {
        Kind::Account => SourceError::Refused(format!(
            "{place}: the account is refused ({said}); correct user and password in `url`, or let the account connect from \
             this machine"
        )),
        Kind::Grant => SourceError::Refused(format!(
            "{place}: the account may not read what it must ({said}); {grant}; and see that the database in `url` is the right one"
        )),
        Kind::Database => SourceError::Schema(format!(
            "{place}: there is no such database ({said}); correct the name at the end of `url`"
        )),
        Kind::Misfit => SourceError::Schema(format!("{place}: {misfit} ({said}); {remedy}")),
        Kind::Slow => SourceError::Unreachable(format!(
            "{place}: the server stopped a statement that took too long ({said}); give the server an index for it or less to \
             do; the next poll tries again"
        )),
        Kind::Passing => {
            SourceError::Unreachable(format!("{place}: the server answered {said}; the next poll tries again"))
        }
    }
}

/// The error of a server that does not answer in time.
pub(in crate::source) fn silent(place: &Place, waited: Duration) -> SourceError {
    SourceError::Unreachable(format!(
        "{place}: no answer within {} s; is the server running and not overloaded, and does a firewall let this machine in?",
        waited.as_secs()
    ))
}

/// What a server says may quote a value at length.
fn shortened(said: &str) -> String {
    const LONGEST: usize = 240;
    let mut line: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    if said.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

/// Whether the server has no such setting.
pub(in crate::source) fn is_unknown_setting(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|said| code(said) == "1193")
}

/// Whether the server did not understand the statement.
pub(in crate::source) fn is_syntax(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|said| code(said) == "1064")
}

/// MySQL's number (its SQLSTATE is too coarse), `PostgreSQL`'s SQLSTATE.
fn code(said: &dyn sqlx::error::DatabaseError) -> String {
    match said.try_downcast_ref::<MySqlDatabaseError>() {
        Some(mysql) => mysql.number().to_string(),
        None => said.code().unwrap_or_default().into_owned(),
    }
}

/// MySQL's numbers: <https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html>; `PostgreSQL`'s classes:
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn kind(engine: Engine, code: &str) -> Kind {
    match (engine, code) {
        (Engine::MySql, "1045" | "1698" | "1130" | "1251") | (Engine::Postgres, "28P01" | "28000") => Kind::Account,
        (Engine::MySql, "1044" | "1142" | "1143" | "1227" | "1345" | "1370") | (Engine::Postgres, "42501") => {
            Kind::Grant
        }
        (Engine::MySql, "1049") | (Engine::Postgres, "3D000") => Kind::Database,
        (Engine::MySql, "1969" | "3024") | (Engine::Postgres, "57014") => Kind::Slow,
        // No such table, column or function; names that are double or ambiguous; what cannot be parsed or grouped; a view
        // whose parts are gone; a write in a read-only transaction.
        (
            Engine::MySql,
            "1146" | "1054" | "1052" | "1055" | "1060" | "1064" | "1066" | "1111" | "1140" | "1222" | "1241" | "1242"
            | "1247" | "1248" | "1267" | "1271" | "1305" | "1356" | "1582" | "1630" | "1792",
        )
        | (Engine::Postgres, "21000" | "25006" | "3F000") => Kind::Misfit,
        (Engine::Postgres, code) if code.starts_with("42") || code.starts_with("22") => Kind::Misfit,
        _ => Kind::Passing,
    }
}
