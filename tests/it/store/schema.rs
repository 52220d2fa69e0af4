//! Laws of the two migrations: they make the same tables.

use std::collections::BTreeSet;

use crate::support::house::base::Base;

/// What stands between quotes, in order of the alphabet.
fn words(text: &str) -> String {
    let mut words: Vec<&str> = text.split('\'').skip(1).step_by(2).collect();
    words.sort_unstable();
    words.join(",")
}

/// A condition without what each engine adds to it.
fn plain(condition: &str) -> String {
    let bare = condition.replace("::text", "").replace(['(', ')'], " ");
    bare.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn kind(declared: &str) -> &'static str {
    match declared {
        "TEXT" | "text" => "text",
        "INTEGER" | "bigint" | "boolean" => "number",
        _ => "of another kind",
    }
}

async fn facts(base: &Base, sql: &str, tell: impl Fn(&[&str]) -> String) -> BTreeSet<String> {
    let tell = |row: Vec<Option<String>>| {
        let cells: Vec<&str> = row.iter().map(|c| c.as_deref().unwrap_or("-")).collect();
        tell(&cells)
    };
    base.rows(sql).await.into_iter().map(tell).collect()
}

/// Columns, keys, indexes, references and permitted words, a sentence each.
async fn of_sqlite(base: &Base) -> BTreeSet<String> {
    let mine = "m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '%sqlx%'";
    let columns = format!(
        "SELECT m.name, c.name, c.type, (c.\"notnull\" OR c.pk) > 0, c.dflt_value
         FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE {mine}"
    );
    let keys = format!(
        "SELECT m.name, (SELECT group_concat(name) FROM (SELECT name FROM pragma_table_info(m.name) WHERE pk > 0 ORDER BY pk))
         FROM sqlite_master m WHERE {mine}"
    );
    let indexes = format!(
        "SELECT m.name, (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)),
                i.\"unique\", x.sql
         FROM sqlite_master m JOIN pragma_index_list(m.name) i LEFT JOIN sqlite_master x ON x.name = i.name
         WHERE i.origin <> 'pk' AND {mine}"
    );
    let references = format!(
        "SELECT m.name, f.\"from\", f.\"table\", f.\"to\" FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
         WHERE {mine}"
    );
    let mut all = facts(base, &columns, |c| column(c[0], c[1], c[2], c[3] == "1", c[4])).await;
    all.extend(facts(base, &keys, |c| format!("{} is known by {}", c[0], c[1])).await);
    all.extend(
        facts(base, &indexes, |c| index(c[0], c[1], c[2] == "1", c[3].split(" WHERE ").nth(1).unwrap_or("-"))).await,
    );
    all.extend(facts(base, &references, |c| format!("{}.{} points to {}.{}", c[0], c[1], c[2], c[3])).await);
    for row in base.rows(&format!("SELECT m.name, m.sql FROM sqlite_master m WHERE {mine}")).await {
        let (table, sql) = (row[0].clone().expect("a name"), row[1].clone().expect("a text"));
        all.extend(sql.split("CHECK").skip(1).map(|check| {
            let check = check.split("))").next().expect("a condition");
            format!("{table} takes the words {}", words(check))
        }));
    }
    all
}

async fn of_postgres(base: &Base) -> BTreeSet<String> {
    let columns = "SELECT table_name, column_name, data_type, is_nullable, column_default
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '%sqlx%'";
    let indexes = "SELECT t.relname,
                (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY k (att, n)
                 JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.att),
                CASE WHEN i.indisprimary THEN 'key' WHEN i.indisunique THEN 'once' ELSE 'many' END,
                pg_get_expr(i.indpred, i.indrelid)
         FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace s ON s.oid = t.relnamespace
         WHERE s.nspname = 'public' AND t.relname NOT LIKE '%sqlx%'";
    let references = "SELECT t.relname, a.attname, r.relname, b.attname FROM pg_constraint c
         JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1]
         JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = c.confkey[1] WHERE c.contype = 'f'";
    let checks = "SELECT t.relname, pg_get_constraintdef(c.oid) FROM pg_constraint c
         JOIN pg_class t ON t.oid = c.conrelid WHERE c.contype = 'c'";
    let mut all = facts(base, columns, |c| {
        column(c[0], c[1], c[2], c[3] == "NO", c[4].trim_end_matches("::text").trim_end_matches("::bigint"))
    })
    .await;
    all.extend(
        facts(base, indexes, |c| match c[2] {
            "key" => format!("{} is known by {}", c[0], c[1]),
            how => index(c[0], c[1], how == "once", c[3]),
        })
        .await,
    );
    all.extend(facts(base, references, |c| format!("{}.{} points to {}.{}", c[0], c[1], c[2], c[3])).await);
    all.extend(facts(base, checks, |c| format!("{} takes the words {}", c[0], words(c[1]))).await);
    all
}

fn column(table: &str, name: &str, declared: &str, required: bool, default: &str) -> String {
    let required = if required { "always there" } else { "may be absent" };
    format!("{table}.{name} is {}, {required}, else {default}", kind(declared))
}

fn index(table: &str, columns: &str, once: bool, condition: &str) -> String {
    let how = if once { "holds once" } else { "is found by" };
    format!("{table} {how} {columns} where {}", plain(condition))
}

#[tokio::test]
async fn both_migrations_make_the_same_tables_columns_keys_and_words() {
    let sqlite = of_sqlite(&Base::sqlite().await).await;
    assert!(sqlite.len() > 150, "only {} facts: {sqlite:#?}", sqlite.len());
    for told in [
        "delivery holds once subscriber_id,article_id where channel = 'email' and article_id is not null and state <> 'cancelled'",
        "delivery takes the words cancelled,dead,pending,sent",
        "feed_article is known by feed_id,article_id",
        "change.article_id points to article.id",
        "source.faults is text, always there, else '[]'",
    ] {
        assert!(sqlite.contains(told), "{told} is not in {sqlite:#?}");
    }
    let name = concat!(module_path!(), "::both_migrations_make_the_same_tables_columns_keys_and_words");
    let Some(base) = Base::postgres(name).await else { return };
    let postgres = of_postgres(&base).await;
    let (left, right): (Vec<_>, Vec<_>) =
        (sqlite.difference(&postgres).collect(), postgres.difference(&sqlite).collect());
    assert!(left.is_empty() && right.is_empty(), "only SQLite: {left:#?}\nonly PostgreSQL: {right:#?}");
}
