//! A portal's database that refuses, lacks or is away: the right error with a remedy; and that loa needs no more than to read.

use loa::source::{Ask, Source, SourceError};

use super::joomla::{Portal, VISIBLE, now, on_each_portal, source_as};
use super::{ids, open, set};
use crate::support::databases::Engine;

on_each_portal!(
    an_account_that_may_only_read_these_tables_suffices,
    optional_tables_may_lack_and_that_is_said,
    nothing_is_written,
    a_wrong_password_is_refused_with_a_remedy,
    a_missing_grant_is_refused_with_a_remedy,
    a_missing_table_or_database_is_named_with_a_remedy,
    two_portals_in_one_database_must_be_told_apart,
    a_lost_connection_is_made_again,
);

const TABLES: [&str; 7] =
    ["content", "categories", "viewlevels", "usergroups", "extensions", "tags", "contentitem_tag_map"];

fn grants(portal: &Portal, tables: &[&str]) -> Vec<String> {
    let (schema, prefix) = match portal.db.engine {
        Engine::Postgres => ("", portal.prefix),
        Engine::MariaDb => ("{database}.", portal.prefix),
    };
    tables.iter().map(|table| format!("GRANT SELECT ON {schema}{prefix}{table} TO {{account}}")).collect()
}

async fn an_account_that_may_only_read_these_tables_suffices(mut portal: Portal) {
    let mut grants = grants(&portal, &TABLES);
    let users = grants[0].replace("content ", "users ").replace("SELECT", "SELECT (id, name)");
    grants.push(users);
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let url = portal.db.account(&grants).await;
    let source = source_as(&url, "");
    assert_eq!(ids(&source.scan(&Ask::first(now())).await.expect("a scan")), set(VISIBLE));
    let fetched = source.fetch(&set([100]), now()).await.expect("an article");
    assert_eq!(fetched.articles[0].authors, ["Nguyễn Văn An"]);
    assert_eq!(fetched.articles[0].tags, ["Chi bộ"]);
    let found = source.describe().await.expect("a description").found;
    let line = if portal.joomla == 3 { "Joomla 3.9" } else { "Joomla 4 or later" };
    assert!(found.contains(line) && found.contains(portal.prefix) && found.contains("guest levels 1, 5"), "{found}");
    assert!(!found.contains("without"), "{found}");
}

async fn optional_tables_may_lack_and_that_is_said(mut portal: Portal) {
    let grants = grants(&portal, &["content", "categories"]);
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let url = portal.db.account(&grants).await;
    let source = source_as(&url, "");
    // Without the access levels only what is public for sure is shown.
    assert_eq!(
        ids(&source.scan(&Ask::first(now())).await.expect("a scan")),
        set(VISIBLE.into_iter().filter(|id| ![110, 118].contains(id)))
    );
    let article = source.fetch(&set([100]), now()).await.expect("an article").articles.remove(0);
    assert!(article.authors.is_empty() && article.tags.is_empty());
    let found = source.describe().await.expect("a description").found;
    for lacking in ["tags", "viewlevels", "authors", "guest_levels"] {
        assert!(found.contains(lacking), "{lacking}: {found}");
    }
}

async fn nothing_is_written(portal: Portal) {
    // PostgreSQL marks each row with the transaction that wrote it: even a write of the same value would show.
    let mark = if portal.db.engine == Engine::Postgres { "CAST(t.xmin AS text), " } else { "" };
    let sums = || async {
        let mut all = Vec::new();
        for table in TABLES.iter().chain(&["users", "ucm_content"]) {
            all.push(
                portal.db.rows(&format!("SELECT {mark}t.* FROM {}{table} t ORDER BY 1, 2, 3", portal.prefix)).await,
            );
        }
        all
    };
    let before = sums().await;
    assert!(before.len() > 7 && before.iter().take(7).all(|rows| !rows.is_empty()));
    let source = portal.source();
    source.describe().await.expect("a description");
    let scan = source.scan(&Ask::first(now())).await.expect("a scan");
    source.fetch(&ids(&scan), now()).await.expect("articles");
    assert_eq!(sums().await, before);
}

async fn a_wrong_password_is_refused_with_a_remedy(mut portal: Portal) {
    let url = portal.db.account(&[]).await.replace("@1@", "@2@").replace("%401@", "%402@");
    let error = source_as(&url, "").scan(&Ask::first(now())).await.expect_err("refused");
    assert!(matches!(error, SourceError::Refused(_)), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("`portal`") && message.contains("password in `url`"), "{message}");
    assert!(!message.contains("%402") && !message.contains("@2") && !message.contains("khẩu"), "{message}");
}

async fn a_missing_grant_is_refused_with_a_remedy(mut portal: Portal) {
    // MariaDB lets an account without any right not even into the database.
    let url = portal.db.account(&[]).await;
    let error = source_as(&url, &format!("prefix = \"{}\"", portal.prefix))
        .scan(&Ask::first(now()))
        .await
        .expect_err("refused");
    assert!(matches!(error, SourceError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("SELECT"), "{error}");

    let some = grants(&portal, &["tags"]);
    let url = portal.db.account(&[&some[0]]).await;
    let error = source_as(&url, &format!("prefix = \"{}\"", portal.prefix))
        .scan(&Ask::first(now()))
        .await
        .expect_err("refused");
    assert!(matches!(error, SourceError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("grant it SELECT on the tables content"), "{error}");
}

async fn a_missing_table_or_database_is_named_with_a_remedy(portal: Portal) {
    let error =
        source_as(&portal.db.url, "prefix = \"nope_\"").scan(&Ask::first(now())).await.expect_err("no such prefix");
    assert!(matches!(error, SourceError::Schema(_)), "{error:?}");
    assert!(error.to_string().contains(&format!("`{}`", portal.prefix)), "names the prefix that is there: {error}");

    let url = portal.db.url.replace(&portal.db.name, "loa_no_such_database");
    let error = source_as(&url, "").scan(&Ask::first(now())).await.expect_err("no such database");
    assert!(matches!(error, SourceError::Schema(_)), "{error:?}");
    assert!(error.to_string().contains("end of `url`"), "{error}");

    // The table goes while the source is open.
    let source = portal.source();
    source.scan(&Ask::first(now())).await.expect("a scan");
    portal.run("ALTER TABLE #__content RENAME TO hidden_away").await;
    let error = source.scan(&Ask::first(now())).await.expect_err("no table");
    assert!(matches!(error, SourceError::Schema(_)), "{error:?}");
    assert!(error.to_string().contains("check `prefix`"), "{error}");
    let error = source.scan(&Ask::first(now())).await.expect_err("no Joomla");
    assert!(matches!(&error, SourceError::Schema(message) if message.contains("no Joomla tables")), "{error:?}");
    let named = source_as(&portal.db.url, &format!("prefix = \"{}\"", portal.prefix));
    assert!(matches!(named.scan(&Ask::first(now())).await, Err(SourceError::Schema(_))));
    portal.run("ALTER TABLE hidden_away RENAME TO #__content").await;
    assert_eq!(ids(&source.scan(&Ask::first(now())).await.expect("healed by itself")), set(VISIBLE));
}

async fn two_portals_in_one_database_must_be_told_apart(portal: Portal) {
    for table in ["content", "categories"] {
        portal.run(&format!("CREATE TABLE old_{table} AS SELECT * FROM #__{table} WHERE id < 12")).await;
    }
    let error = portal.source().scan(&Ask::first(now())).await.expect_err("two portals");
    assert!(matches!(&error, SourceError::Schema(message) if message.contains("`old_`")), "{error:?}");
    let source = source_as(&portal.db.url, &format!("prefix = \"{}\"", portal.prefix));
    assert_eq!(ids(&source.scan(&Ask::first(now())).await.expect("a scan")), set(VISIBLE));
}

async fn a_lost_connection_is_made_again(portal: Portal) {
    let source = portal.source();
    source.scan(&Ask::first(now())).await.expect("a scan");
    match portal.db.engine {
        Engine::Postgres => {
            let sql = "SELECT CAST(pg_terminate_backend(pid) AS text) FROM pg_stat_activity \
                       WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'loa'";
            assert_eq!(portal.db.rows(sql).await.len(), 1, "exactly one connection is kept");
        }
        Engine::MariaDb => {
            let sql = "SELECT CAST(id AS CHAR) FROM information_schema.processlist \
                       WHERE db = DATABASE() AND id <> CONNECTION_ID()";
            let kept = portal.db.rows(sql).await;
            assert_eq!(kept.len(), 1, "exactly one connection is kept");
            portal.db.run(&format!("KILL {}", kept[0][0].as_deref().expect("an id"))).await;
        }
    }
    assert_eq!(ids(&source.scan(&Ask::first(now())).await.expect("a scan")), set(VISIBLE));
}

#[tokio::test]
async fn a_server_that_is_away_is_unreachable_with_a_remedy() {
    // A port that was free a moment ago, where nobody listens now.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    for scheme in ["mysql", "postgres"] {
        let settings = format!(
            "kind = \"joomla\"\nurl = \"{scheme}://u:geheim@127.0.0.1:{port}/d\"\nsite_url = \"https://example.vn\""
        );
        let error = open(&settings).expect("a source").scan(&Ask::first(now())).await.expect_err("nobody there");
        assert!(matches!(error, SourceError::Unreachable(_)), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("is the server running") && message.contains(&port.to_string()), "{message}");
        assert!(!message.contains("geheim"), "{message}");
    }
}
