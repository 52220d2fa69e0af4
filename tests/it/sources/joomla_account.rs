//! The account that the documentation grants: each statement as it is written there suffices, and nothing more is possible.

use loa::source::{Ask, Source};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};

use super::joomla::{Portal, VISIBLE, now, on_each_portal, source_as};
use super::{ids, one, set};
use crate::support::databases::Engine;

on_each_portal!(the_documented_account_suffices_and_may_do_nothing_else, an_address_may_lie_below_a_menu_item);

const PAGE: &str = include_str!("../../../docs/sources/joomla.md");

/// The statements that the page gives for a server.
fn statements(heading: &str) -> Vec<String> {
    let section = PAGE.split(&format!("### {heading}\n")).nth(1).expect("the section");
    let block = section.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).expect("its block");
    let lines = block.lines().filter(|line| !line.starts_with("--"));
    lines.map(|line| line.strip_suffix(';').expect("one statement a line").to_owned()).collect()
}

/// Runs one statement with an account; what the server said against it.
async fn may(engine: Engine, url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    match engine {
        Engine::Postgres => {
            let mut connection = PgConnection::connect(url).await.expect("the account is let in");
            sql.execute(&mut connection).await.map(drop)
        }
        Engine::MariaDb => {
            let mut connection = MySqlConnection::connect(url).await.expect("the account is let in");
            sql.execute(&mut connection).await.map(drop)
        }
    }
}

async fn menu(portal: &Portal) {
    portal
        .run(
            "CREATE TABLE #__menu (id integer PRIMARY KEY, menutype varchar(24), title varchar(255), alias varchar(400), \
             path varchar(1024), link varchar(1024), type varchar(16), published smallint, parent_id integer, access integer, \
             home smallint, language char(7), client_id smallint)",
        )
        .await;
    let link = "index.php?option=com_content&view=category&layout=blog&id=";
    for (id, path, of, published, access, home) in [
        (1, "trang-chu", 13, 1, 1, 1),
        (2, "tin/to-chuc", 10, 1, 1, 0),
        (3, "an", 11, 0, 1, 0),
        (4, "thanh-vien", 11, 1, 2, 0),
    ] {
        portal
            .run(&format!(
                "INSERT INTO #__menu VALUES ({id}, 'main', 'T', 'a', '{path}', '{link}{of}', 'component', {published}, 1, \
                 {access}, {home}, '*', 0)"
            ))
            .await;
    }
}

async fn the_documented_account_suffices_and_may_do_nothing_else(portal: Portal) {
    menu(&portal).await;
    let maria = portal.db.engine == Engine::MariaDb;
    let name = format!("{}_doc", portal.db.name);
    let account = if maria { format!("'{name}'@'%'") } else { name.clone() };
    let statements = statements(if maria { "MySQL and MariaDB" } else { "PostgreSQL" });
    assert_eq!(statements.len(), if maria { 10 } else { 12 });
    for statement in &statements {
        let own = if maria {
            statement.replace("'loa'@'10.0.0.5'", &account).replace(" portal.", &format!(" {}.", portal.db.name))
        } else {
            let own = statement.replace("DATABASE portal", &format!("DATABASE {}", portal.db.name));
            own.replace("TO loa", &format!("TO {name}")).replace("ROLE loa", &format!("ROLE {name}"))
        };
        assert_ne!(&own, statement);
        portal.db.run(&own.replace("jos_", portal.prefix)).await;
    }
    let mut url = url::Url::parse(&portal.db.url).expect("an address");
    url.set_username(&name).expect("an address with a host");
    url.set_password(Some("a long password")).expect("an address with a host");

    let source = source_as(url.as_str(), "link = \"{base}{menu_path}/{id}-{alias}\"");
    assert_eq!(ids(&source.scan(&Ask::first(now())).await.expect("a scan")), set(VISIBLE));
    let article = one(source.fetch(&set([100]), now()).await.expect("an article"));
    assert_eq!((article.authors, article.tags), (vec!["Nguyễn Văn An".to_owned()], vec!["Chi bộ".to_owned()]));
    assert_eq!(article.url, "https://portal.example.vn/tin/to-chuc/100-bai-100");
    let found = source.describe().await.expect("a description").found;
    assert!(found.contains("guest levels 1, 5") && !found.contains("without"), "{found}");

    for forbidden in [
        "SELECT password FROM #__users",
        "SELECT name FROM #__extensions",
        "SELECT * FROM #__ucm_content",
        "UPDATE #__content SET hits = 1",
        "DELETE FROM #__categories",
        "CREATE TABLE #__mine (id integer)",
    ] {
        let sql = forbidden.replace("#__", portal.prefix);
        assert!(may(portal.db.engine, url.as_str(), &sql).await.is_err(), "{forbidden}");
    }
    assert!(may(portal.db.engine, url.as_str(), &format!("SELECT id, name FROM {}users", portal.prefix)).await.is_ok());
    let drop = if maria { format!("DROP USER {account}") } else { format!("DROP OWNED BY {name}; DROP ROLE {name}") };
    portal.db.run(&drop).await;
}

async fn an_address_may_lie_below_a_menu_item(portal: Portal) {
    let link = "link = \"{base}{lang}/{menu_path}/{id}-{alias}\"";
    let source = source_as(&portal.db.url, link);
    let error = source.scan(&Ask::first(now())).await.expect_err("no menus").to_string();
    assert!(error.contains("{menu_path}") && error.contains(&format!("{}menu", portal.prefix)), "{error}");
    menu(&portal).await;
    let url = async |id: i64| one(source.fetch(&set([id]), now()).await.expect("an article")).url;
    assert_eq!(url(100).await, "https://portal.example.vn/tin/to-chuc/100-bai-100");
    // 11 lies below 10; its own items are unpublished or for members. 101 names a language, as the category does.
    assert_eq!(url(101).await, "https://portal.example.vn/vi/tin/to-chuc/101-bai-101");
    // No item, or the home page alone: the path of the categories.
    assert_eq!(url(102).await, "https://portal.example.vn/tien-toi-dai-hoi-dang/102-bai-102");
    assert_eq!(url(119).await, "https://portal.example.vn/giai-phong-mien-nam/119-bai-119");

    let before = super::fingerprints(&source.scan(&Ask::first(now())).await.expect("a scan"));
    portal.run("UPDATE #__menu SET path = 'chuyen-muc/to-chuc' WHERE id = 2").await;
    let after = super::fingerprints(&source.scan(&Ask::first(now())).await.expect("a scan"));
    let moved = |id: &str| before[id] != after[id];
    assert!(moved("100") && moved("101") && !moved("102") && !moved("119"));
    assert_eq!(url(100).await, "https://portal.example.vn/chuyen-muc/to-chuc/100-bai-100");
}

#[tokio::test]
async fn joomla_2_5_is_read_without_what_it_has_not() {
    let test = "sources::joomla_account::joomla_2_5_is_read_without_what_it_has_not";
    let Some(portal) = Portal::new(3, Engine::MariaDb, test).await else { return };
    for sql in [
        "ALTER TABLE #__content DROP note, ADD title_alias varchar(255) NOT NULL DEFAULT '', \
         ADD sectionid int NOT NULL DEFAULT 0, ADD mask int NOT NULL DEFAULT 0, ADD parentid int NOT NULL DEFAULT 0",
        "ALTER TABLE #__content MODIFY alias varchar(255) NOT NULL DEFAULT ''",
        "DROP TABLE #__tags, #__contentitem_tag_map, #__ucm_content",
        "DELETE FROM #__viewlevels WHERE id = 5",
        "UPDATE #__extensions SET params = '{\"guest_usergroup\":\"1\"}' WHERE element = 'com_users'",
        // A new row may keep the zero date.
        "SET SESSION sql_mode = ''; UPDATE #__content SET modified = '0000-00-00 00:00:00'",
    ] {
        portal.run(sql).await;
    }
    let source = portal.source();
    let scan = source.scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!(ids(&scan), set(VISIBLE.into_iter().filter(|id| ![110, 118].contains(id))));
    let found = source.describe().await.expect("a description").found;
    assert!(found.contains("Joomla 2.5") && found.contains("tags"), "{found}");
    let article = one(source.fetch(&set([100]), now()).await.expect("an article"));
    assert_eq!((article.updated, article.tags.len()), (None, 0));
    assert_eq!(article.authors, ["Nguyễn Văn An"]);
}
