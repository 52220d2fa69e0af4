//! SELECTs that cannot be run or used, and accounts that lose what they had.

use loa::source::{Ask, Source, SourceError};

use super::{CATEGORIES, Portal, VISIBLE, now, on_each_server, source};
use crate::sources::{ids, set};
use crate::support::databases::Engine;

on_each_server!(
    a_select_that_cannot_be_run_says_why_and_where,
    a_column_that_lacks_is_named_with_those_that_came,
    a_select_that_takes_too_long_is_stopped_by_the_server,
    a_select_that_writes_is_refused_by_the_server,
    a_grant_that_is_lost_in_mid_life_means_no_conclusions,
    a_column_that_is_lost_in_mid_life_is_an_error_and_not_a_change,
    an_account_without_grants_is_told_what_to_ask_for,
    a_category_that_comes_twice_or_without_an_id_is_an_error,
);

const LINK: &str = "link = \"{base}{id}\"";

async fn error(portal: &Portal, articles: &str, more: &str) -> SourceError {
    source(&portal.db.url, articles, more).scan(&Ask::first(now())).await.expect_err(articles)
}

async fn a_select_that_cannot_be_run_says_why_and_where(portal: Portal) {
    for (articles, part) in [
        ("SELECT ma AS id, tieude AS title, ngay_dang AS published FROM bai_viet", "tieude"),
        ("SELECT ma AS id, tieu_de AS title, ngay_dang AS published FROM bai_viet_cu", "bai_viet_cu"),
        ("SELECT ma AS id, tieu_de AS title ngay_dang AS published FROM bai_viet", "ngay_dang"),
        ("SELECT ma AS id, tieu_de AS title, nosuch(ngay_dang) AS published FROM bai_viet", "nosuch"),
    ] {
        let error = error(&portal, articles, LINK).await;
        let SourceError::Schema(message) = &error else { panic!("{error:?}") };
        assert!(message.contains(part) && message.contains("(in `articles`)"), "{message}");
        assert!(message.contains("cannot run the SELECT") && message.contains("correct it"), "{message}");
        assert!(!message.contains("Joomla"), "{message}");
    }
    let more = format!("{LINK}\ncategories = \"SELECT ma AS id, tieu_de AS title FROM chuyen_muc\"");
    let error = error(&portal, &portal.articles(), &more).await;
    assert!(
        matches!(&error, SourceError::Schema(m) if m.contains("tieu_de") && m.contains("(in `categories`)")),
        "{error}"
    );
}

async fn a_column_that_lacks_is_named_with_those_that_came(portal: Portal) {
    let plain = "SELECT ma AS id, tieu_de AS title, ngay_dang FROM bai_viet";
    for (articles, more, part) in [
        (plain.to_owned(), LINK.to_owned(), "no column `published` (it gives id, title, ngay_dang)"),
        (plain.replace("ngay_dang", "ngay_dang AS published"), String::new(), "no column `url` and there is no `link`"),
        (
            plain.replace("ngay_dang", "ngay_dang AS published"),
            format!("{LINK}\ncategories = '''{CATEGORIES}'''"),
            "no column `category_id`",
        ),
        (
            portal.articles(),
            format!("{LINK}\ncategories = \"SELECT ma AS id, ten FROM chuyen_muc\""),
            "`categories` gives no column `title` (it gives id, ten)",
        ),
    ] {
        let error = error(&portal, &articles, &more).await;
        assert!(matches!(&error, SourceError::Schema(message) if message.contains(part)), "{part}: {error}");
    }
}

async fn a_select_that_takes_too_long_is_stopped_by_the_server(portal: Portal) {
    let sleep = if portal.db.engine == Engine::MariaDb { "SLEEP(20)" } else { "CAST(pg_sleep(20) AS text)" };
    let articles = format!("SELECT ma AS id, tieu_de AS title, ngay_dang AS published, {sleep} AS alias FROM bai_viet");
    let source = source(&portal.db.url, &articles, &format!("{LINK}\nlimit = 1"));
    let error = source.scan(&Ask::first(now())).await.expect_err("too long");
    let SourceError::Unreachable(message) = &error else { panic!("{error:?}") };
    assert!(message.contains("took too long") && message.contains("in `articles`"), "{message}");
}

async fn a_select_that_writes_is_refused_by_the_server(portal: Portal) {
    let function = match portal.db.engine {
        Engine::MariaDb => {
            "CREATE FUNCTION sneak() RETURNS int DETERMINISTIC MODIFIES SQL DATA
             BEGIN INSERT INTO the VALUES (1, 'lén'); RETURN 1; END"
        }
        Engine::Postgres => {
            "CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS $$ INSERT INTO the VALUES (1, 'lén') RETURNING 1 $$"
        }
    };
    portal.db.run(function).await;
    let articles = "SELECT ma AS id, tieu_de AS title, ngay_dang AS published, sneak() AS alias FROM bai_viet";
    let error = error(&portal, articles, LINK).await;
    assert!(matches!(error, SourceError::Schema(_)), "{error:?}");
    assert_eq!(portal.db.rows("SELECT ten FROM the").await.len(), 2, "nothing was written");
}

async fn a_grant_that_is_lost_in_mid_life_means_no_conclusions(mut portal: Portal) {
    let schema = super::schema(&portal);
    let grants =
        ["bai_viet", "chuyen_muc", "the"].map(|table| format!("GRANT SELECT ON {schema}{table} TO {{account}}"));
    let url = portal.db.account(&grants.each_ref().map(String::as_str)).await;
    let source = portal.source_as(&url);
    portal.sweep(&source).await;
    let account = url::Url::parse(&url).expect("an address").username().to_owned();
    let (to, on) = match portal.db.engine {
        Engine::MariaDb => (format!("'{account}'@'%'"), format!("{}.the", portal.db.name)),
        Engine::Postgres => (account, "the".to_owned()),
    };
    portal.db.run(&format!("REVOKE SELECT ON {on} FROM {to}")).await;
    let error = source.scan(&Ask::first(now())).await.expect_err("refused");
    let SourceError::Refused(message) = &error else { panic!("{error:?}") };
    assert!(message.contains("grant it SELECT") && message.contains("(for `articles`)"), "{message}");
    assert!(source.fetch(&set([1]), now()).await.is_err());
    portal.db.run(&format!("GRANT SELECT ON {on} TO {to}")).await;
    assert_eq!(ids(&portal.sweep(&source).await), set(VISIBLE), "healed by itself");
}

async fn a_column_that_is_lost_in_mid_life_is_an_error_and_not_a_change(portal: Portal) {
    portal.db.run("CREATE VIEW tin AS SELECT ma AS id, tieu_de AS title, ngay_dang AS published, noi_dung AS content FROM bai_viet").await;
    let source = source(&portal.db.url, "SELECT * FROM tin", LINK);
    let before = portal.sweep(&source).await;
    portal
        .db
        .run(
            "DROP VIEW tin; CREATE VIEW tin AS SELECT ma AS id, tieu_de AS title, ngay_dang AS published FROM bai_viet",
        )
        .await;
    for _ in 0..2 {
        let error = source.scan(&Ask::first(now())).await.expect_err("a column is gone");
        assert!(matches!(error, SourceError::Schema(_)), "{error:?}");
    }
    let error = source.scan(&Ask::first(now())).await.expect_err("a column is gone");
    assert!(error.to_string().contains("no longer gives the column `content`"), "{error}");
    portal
        .db
        .run("DROP VIEW tin; CREATE VIEW tin AS SELECT ma AS id, tieu_de AS title, ngay_dang AS published, noi_dung AS content FROM bai_viet")
        .await;
    assert_eq!(crate::sources::fingerprints(&portal.sweep(&source).await), crate::sources::fingerprints(&before));
}

async fn an_account_without_grants_is_told_what_to_ask_for(mut portal: Portal) {
    // MariaDB lets an account without any right not even into the database.
    let url =
        portal.db.account(&[&format!("GRANT SELECT ON {}chuyen_muc TO {{account}}", super::schema(&portal))]).await;
    let error = portal.source_as(&url).scan(&Ask::first(now())).await.expect_err("refused");
    let SourceError::Refused(message) = &error else { panic!("{error:?}") };
    assert!(message.contains("grant it SELECT on every table and column that the SELECTs"), "{message}");
    assert!(!message.contains("khẩu") && !message.contains("Joomla"), "{message}");
}

async fn a_category_that_comes_twice_or_without_an_id_is_an_error(portal: Portal) {
    for (categories, part) in [
        ("SELECT 1 AS id, 'a' AS title UNION ALL SELECT 1, 'b'", "two rows with the id 1"),
        ("SELECT NULLIF(ma, 4) AS id, ten AS title FROM chuyen_muc", "without an `id`"),
    ] {
        let error = error(&portal, &portal.articles(), &format!("{LINK}\ncategories = \"{categories}\"")).await;
        assert!(matches!(&error, SourceError::Schema(message) if message.contains(part)), "{error}");
    }
}
