//! What a database said, as an error that an operator can act upon.

use std::fmt;
use std::time::Duration;

use sqlx::mysql::MySqlDatabaseError;

use super::Engine;
use crate::source::SourceError;

/// Where a database is, without its password.
#[derive(Clone, Debug)]
pub(in crate::source) struct Place {
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
    Table,
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
    let said = format!("{code}: {}", said.message());
    match kind(place.engine, &code) {
        Kind::Account => SourceError::Refused(format!(
            "{place}: the account is refused ({said}); correct user and password in `url`, or let the account connect from \
             this machine"
        )),
        Kind::Grant => SourceError::Refused(format!(
            "{place}: the account may not read what it must ({said}); grant it SELECT on the tables content, categories, \
             viewlevels, usergroups, extensions, tags and contentitem_tag_map and SELECT (id, name) on users, each with the \
             site's prefix, and check `prefix`"
        )),
        Kind::Database => SourceError::Schema(format!(
            "{place}: there is no such database ({said}); correct the name at the end of `url`"
        )),
        Kind::Table => SourceError::Schema(format!(
            "{place}: this is not a Joomla that loa can read ({said}); check `prefix` and the database in `url`"
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

fn kind(engine: Engine, code: &str) -> Kind {
    match (engine, code) {
        (Engine::MySql, "1045" | "1698" | "1130" | "1251") | (Engine::Postgres, "28P01" | "28000") => Kind::Account,
        (Engine::MySql, "1044" | "1142" | "1143") | (Engine::Postgres, "42501") => Kind::Grant,
        (Engine::MySql, "1049") | (Engine::Postgres, "3D000") => Kind::Database,
        (Engine::MySql, "1146" | "1054") | (Engine::Postgres, "42P01" | "42703") => Kind::Table,
        _ => Kind::Passing,
    }
}
