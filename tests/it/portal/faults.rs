//! A portal's database that goes away, refuses or changes under loa: an error that says what to do, no conclusions, the
//! feeds stay as they are; and when it is well again, everything goes on by itself.

use std::time::Duration;

use loa::domain::subscriber::Frequency;
use loa::feed::document::Format;
use loa::work::ingest::{IngestError, Report};

use super::proxy::Proxy;
use super::stage::{Keep, Stage, source};
use crate::sources::joomla::Portal;
use crate::support::databases::Engine;

macro_rules! recovers {
    ($($name:ident: $joomla:literal, $engine:ident;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let test = concat!("portal::faults::", stringify!($name));
            if let Some(portal) = Portal::new($joomla, Engine::$engine, test).await {
                recover(portal, test).await;
            }
        }
    )+};
}

recovers! {
    a_portal_on_mariadb_may_fail_in_every_way_and_recovers: 3, MariaDb;
    a_portal_on_postgresql_may_fail_in_every_way_and_recovers: 5, Postgres;
}

const TABLES: [&str; 8] =
    ["content", "categories", "viewlevels", "usergroups", "extensions", "tags", "contentitem_tag_map", "users"];

/// Every byte that readers are given.
fn bytes(stage: &Stage) -> Vec<Vec<u8>> {
    let all = stage.publisher.all();
    all.iter().flat_map(|feed| Format::ALL.map(|format| feed.bytes(format))).collect()
}

/// Polls twice: each must fail with one of these words, and change nothing.
async fn fails(what: &str, stage: &Stage, words: &[&str]) {
    let before = bytes(stage);
    for _ in 0..2 {
        stage.clock.advance(Duration::from_mins(1));
        let Err(IngestError::Source(error)) = stage.poll().await else { panic!("{what}: no error") };
        let error = error.to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{what}: {error}");
        assert!(error.contains("`portal`") && !error.contains("mật") && !error.contains("m%E1"), "{what}: {error}");
        stage.publisher.refresh().await.expect("feeds");
        assert_eq!(bytes(stage), before, "{what}: the feeds moved");
        let row = stage.store.sources().await.expect("sources").remove(0);
        assert_eq!(row.error.as_deref(), Some(error.as_str()), "{what}");
    }
    let sent = stage.quiet().await;
    assert!(sent.mails.is_empty() && sent.events.is_empty(), "{what}: {sent:?}");
}

async fn well(what: &str, stage: &Stage) -> Report {
    stage.clock.advance(Duration::from_mins(1));
    let report = stage.poll().await.unwrap_or_else(|error| panic!("{what} is over: {error}"));
    assert!(stage.store.sources().await.expect("sources").remove(0).error.is_none());
    report
}

/// A poll that looked at everything and found nothing.
fn quiet() -> Report {
    Report { swept: true, ..Report::default() }
}

async fn recover(mut portal: Portal, test: &str) {
    let grant = |verb: &str, table: &str, to: &str| {
        let database = if portal.db.engine == Engine::MariaDb { "{database}." } else { "" };
        format!("{verb} SELECT ON {database}{}{table} {to} {{account}}", portal.prefix)
    };
    let grants: Vec<String> = TABLES.iter().map(|table| grant("GRANT", table, "TO")).collect();
    let [revoke, again] = [("REVOKE", "FROM"), ("GRANT", "TO")].map(|(verb, to)| {
        move |table: &str, portal: &Portal, account: &str| {
            let database =
                if portal.db.engine == Engine::MariaDb { format!("{}.", portal.db.name) } else { String::new() };
            format!("{verb} SELECT ON {database}{}{table} {to} {account}", portal.prefix)
        }
    });
    let url = portal.db.account(&grants.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let name = url::Url::parse(&url).expect("an address").username().to_owned();
    let maria = portal.db.engine == Engine::MariaDb;
    let account = if maria { format!("'{name}'@'%'") } else { name.clone() };
    let password = |password: &str| {
        if maria {
            format!("ALTER USER {account} IDENTIFIED BY '{password}'")
        } else {
            format!("ALTER ROLE {account} PASSWORD '{password}'")
        }
    };
    let proxy = Proxy::to(&url).await;
    let stage = Stage::build(source(&proxy.through(&url)), Keep::Sqlite, test).await.expect("a stage");
    stage.poll().await.expect("a poll");
    stage.follow("an", &["tat-ca"], Frequency::Immediate).await;
    stage.endpoint("so", &["tat-ca"]).await;
    assert_eq!(well("nothing", &stage).await.applied.withdrawn, 1, "126 has expired");
    stage.quiet().await;

    proxy.cut();
    portal.run("UPDATE #__content SET state = 0 WHERE id = 100").await;
    fails("the server is away", &stage, &["is the server running"]).await;
    proxy.mend();
    assert_eq!(well("the cut", &stage).await.applied.withdrawn, 1, "what happened meanwhile is seen");
    assert_eq!(stage.quiet().await.events.len(), 1);

    portal.db.run(&password("khac")).await;
    proxy.cut();
    proxy.mend();
    fails("another password", &stage, &["refused", "password"]).await;
    portal.db.run(&password("mật khẩu@1")).await;
    assert_eq!(well("the password", &stage).await, quiet());

    portal.db.run(&revoke("content", &portal, &account)).await;
    fails("no grant on the articles", &stage, &["grant"]).await;
    portal.db.run(&again("content", &portal, &account)).await;
    assert_eq!(well("the revoked grant", &stage).await, quiet());

    // Without access levels and tags loa could go on, but not from one poll to the next: that would hide and change articles.
    for table in ["viewlevels", "tags", "users"] {
        portal.db.run(&revoke(table, &portal, &account)).await;
        fails(&format!("no grant on {table}"), &stage, &["grant", table]).await;
        portal.db.run(&again(table, &portal, &account)).await;
        assert_eq!(well(table, &stage).await, quiet());
    }

    portal.run("ALTER TABLE #__content RENAME TO #__content_old").await;
    fails("the table was renamed", &stage, &["the database in `url`"]).await;
    portal.run("ALTER TABLE #__content_old RENAME TO #__content").await;
    assert_eq!(well("the rename", &stage).await, quiet());

    // A copy of the portal beside it is not taken for it while the portal itself cannot be read.
    for table in ["content", "categories"] {
        let copy = format!("CREATE TABLE zz_{table} AS SELECT * FROM #__{table}");
        portal.run(&copy).await;
        let database = if maria { format!("{}.", portal.db.name) } else { String::new() };
        portal.db.run(&format!("GRANT SELECT ON {database}zz_{table} TO {account}")).await;
    }
    portal.db.run(&revoke("content", &portal, &account)).await;
    fails("only a copy can be read", &stage, &["grant"]).await;
    portal.db.run(&again("content", &portal, &account)).await;
    portal.db.run("DROP TABLE zz_content, zz_categories").await;
    assert_eq!(well("the copy", &stage).await, quiet());
    let sent = stage.quiet().await;
    assert!(sent.mails.is_empty() && sent.events.is_empty(), "{sent:?}");
}
