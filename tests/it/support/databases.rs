//! PostgreSQL and MariaDB that tests/run started: a fresh database for each test, dropped at its end.
//!
//! `LOA_TEST_POSTGRES` and `LOA_TEST_MARIADB` are addresses of an account that may create databases and accounts, such as
//! `postgres://loa:secret@127.0.0.1:25432/postgres` and `mysql://root:secret@127.0.0.1:23306/`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};
use url::Url;

use super::skip::skip;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Which server a database is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDb,
}

/// A database of one test. Dropped with this value, whatever became of the test; so are its accounts.
#[derive(Debug)]
pub struct Db {
    /// The address with an account that may do everything in it.
    pub url: String,
    /// Which server it is on.
    pub engine: Engine,
    /// Its name.
    pub name: String,
    server: Url,
    accounts: Vec<String>,
}

/// A fresh PostgreSQL database, or nothing (and a word about it) where there is no server.
pub async fn postgres(test: &str) -> Option<Db> {
    fresh(Engine::Postgres, test).await
}

/// A fresh MariaDB database, or nothing (and a word about it) where there is no server.
pub async fn mariadb(test: &str) -> Option<Db> {
    fresh(Engine::MariaDb, test).await
}

async fn fresh(engine: Engine, test: &str) -> Option<Db> {
    let variable = match engine {
        Engine::Postgres => "LOA_TEST_POSTGRES",
        Engine::MariaDb => "LOA_TEST_MARIADB",
    };
    let Some(server) = std::env::var(variable).ok().filter(|address| !address.is_empty()) else {
        skip(test, &format!("{variable} names no server; tests/run starts one"));
        return None;
    };
    let server = Url::parse(&server).expect("the address of the test server is one");
    let name = unique("loa");
    let sql = match engine {
        Engine::Postgres => format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"),
        Engine::MariaDb => format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"),
    };
    run(engine, &server, sql).await;
    let mut url = server.clone();
    url.set_path(&name);
    Some(Db { url: url.into(), engine, name, server, accounts: Vec::new() })
}

/// Short enough for a name on both servers (32 characters) and never the same twice, in parallel runs too.
fn unique(what: &str) -> String {
    format!("{what}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst))
}

async fn run(engine: Engine, address: &Url, sql: String) {
    let shown = sql.clone();
    let result = match engine {
        Engine::Postgres => {
            let mut connection = PgConnection::connect(address.as_str()).await.expect("the test server answers");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map(drop)
        }
        Engine::MariaDb => {
            let mut connection = MySqlConnection::connect(address.as_str()).await.expect("the test server answers");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map(drop)
        }
    };
    if let Err(error) = result {
        panic!("{error} in: {}", shown.chars().take(400).collect::<String>());
    }
}

impl Db {
    /// Runs statements (several, parted by `;`) with the account that may do everything.
    pub async fn run(&self, sql: &str) {
        let address = Url::parse(&self.url).expect("made from an address");
        run(self.engine, &address, sql.to_owned()).await;
    }

    /// All rows of a query, each column as the server writes it in text.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        use sqlx::Row;
        macro_rules! read {
            ($connection:ty) => {{
                let mut connection = <$connection>::connect(&self.url).await.expect("the test server answers");
                // The simple protocol: every type comes as text.
                let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await;
                let rows = rows.unwrap_or_else(|error| panic!("{error} in: {sql}"));
                rows.iter().map(|row| (0..row.len()).map(|i| row.get_unchecked(i)).collect()).collect()
            }};
        }
        match self.engine {
            Engine::Postgres => read!(PgConnection),
            Engine::MariaDb => read!(MySqlConnection),
        }
    }

    /// Makes an account that may do nothing but what `grants` say (`{account}` stands for it, `{database}` for the
    /// database), and gives the address to use it.
    pub async fn account(&mut self, grants: &[&str]) -> String {
        let name = unique("reader");
        let password = "mật khẩu@1";
        let (create, account) = match self.engine {
            Engine::Postgres => (format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"), name.clone()),
            Engine::MariaDb => {
                (format!("CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'"), format!("'{name}'@'%'"))
            }
        };
        self.run(&create).await;
        self.accounts.push(account.clone());
        for grant in grants {
            self.run(&grant.replace("{account}", &account).replace("{database}", &self.name)).await;
        }
        let mut url = Url::parse(&self.url).expect("made from an address");
        url.set_username(&name).expect("an address with a host");
        url.set_password(Some(password)).expect("an address with a host");
        url.into()
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        let (engine, server, name) = (self.engine, self.server.clone(), self.name.clone());
        let accounts = std::mem::take(&mut self.accounts);
        // The test's own runtime cannot be waited for from here, and may be gone after a panic.
        let cleaner = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let force = if engine == Engine::Postgres { " WITH (FORCE)" } else { "" };
                run(engine, &server, format!("DROP DATABASE IF EXISTS {name}{force}")).await;
                for account in accounts {
                    let what = if engine == Engine::Postgres { "ROLE" } else { "USER" };
                    run(engine, &server, format!("DROP {what} IF EXISTS {account}")).await;
                }
            });
        });
        if cleaner.join().is_err() && !thread::panicking() {
            eprintln!("the database {} of a test could not be dropped", self.name);
        }
    }
}
