//! Laws of the house: which room may import which, and what stands only in its one home. Reads every file of `src/`.

mod rules;
mod scan;

use std::fs;
use std::path::{Path, PathBuf};

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("src can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_of_the_house_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.sort();
    let mut faults = Vec::new();
    let mut imports = 0;
    for path in &files {
        let name = path.strip_prefix(&root).expect("below src").to_str().expect("UTF-8").replace('\\', "/");
        let text = fs::read_to_string(path).expect("a source file");
        imports += scan::paths(&name, &scan::tokens(&text)).len();
        faults.extend(rules::judge(&name, &text));
    }
    assert!(files.len() >= 20 && imports >= 20, "only {} files and {imports} imports were seen", files.len());
    assert!(faults.is_empty(), "{} rules of the house are broken:\n{}", faults.len(), faults.join("\n"));
}

/// A file with its `//!`, so that only what follows is judged.
fn judged(name: &str, code: &str) -> Vec<String> {
    rules::judge(name, &format!("//! What this room does and never does.\n{code}\n"))
}

#[test]
fn each_broken_rule_is_caught_and_explained() {
    let cases = [
        (
            "feed/rss.rs",
            "use crate::store::engine::Store;",
            "src/feed/rss.rs:2: imports crate::store::engine::Store: feed and store",
        ),
        (
            "store/lease.rs",
            "use crate::{clock::Clock, web::reply};",
            "imports crate::web::reply: web (floor 6) lies above store (floor 3)",
        ),
        ("text.rs", "fn f() { crate::domain::site::Site::link(); }", "domain (floor 2) lies above text (floor 1)"),
        ("feed/rss.rs", "use super::super::store::Store;", "imports crate::store::Store"),
        ("feed.rs", "mod tests { use super::super::notify::Mail; }", "imports crate::notify::Mail"),
        ("schedule.rs", "use crate::web;", "schedule and web stand on one floor (6)"),
        ("service.rs", "use crate::cli;", "cli (floor 7) lies above service (floor 7)"),
        ("cellar.rs", "fn f() {}", "cellar has no floor"),
        ("work.rs", "use crate::cellar::Wine;", "cellar has no floor"),
        ("work.rs", "use actix_web::web;", "actix_web has its home in web and service"),
        ("work.rs", "use sqlx::Row;", "sqlx has its home in store, source/database"),
        ("source/folder.rs", "use sqlx::Row;", "sqlx has its home in store, source/database"),
        ("work.rs", "fn f(e: lettre::Address) {}", "lettre has its home in notify"),
        ("work.rs", "use tokio_cron_scheduler::Job;", "tokio_cron_scheduler has its home in schedule"),
        ("cli.rs", "fn f() { std::env::var(\"X\"); }", "env::var has its home in config"),
        ("cli.rs", "use std::env::{self, vars_os};", "env::vars_os has its home in config"),
        ("work.rs", "pub use crate::store::Store;", "src/work.rs:2: re-exports with pub use"),
        ("work.rs", "pub(crate) use crate::store::Store;", "re-exports with pub use"),
        ("store/engine.rs", "macro_rules! on { () => {} }\npub(crate) use off;", "re-exports with pub use"),
        ("clock.rs", "use crate::text::xml::XmlText;", "text (floor 1) lies above clock (floor 1)"),
        ("work.rs", "#[allow(dead_code)]\nfn f() {}", "src/work.rs:2: silences a lint with allow"),
        ("work.rs", "#![allow(dead_code)]", "silences a lint with allow"),
        ("work.rs", "#[cfg_attr(test, allow(dead_code))]\nfn f() {}", "silences a lint with allow"),
        ("work.rs", "fn f() {\n    todo!()\n}", "src/work.rs:3: holds todo!"),
        ("work.rs", "fn f() { unimplemented!(\"x\") }", "holds unimplemented!"),
        ("work.rs", "fn f() { dbg!(1); }", "holds dbg!"),
    ];
    for (name, code, begins) in cases {
        let told = judged(name, code);
        assert!(told.iter().any(|fault| fault.contains(begins)), "{name}: {code}\nwants: {begins}\ngot: {told:#?}");
    }
    for text in ["fn f() {}\n", "// no\nfn f() {}\n", "//!\nfn f() {}\n", ""] {
        let told = rules::judge("work.rs", text);
        assert!(
            told.iter().any(|fault| fault.starts_with("src/work.rs:1: says nothing of itself")),
            "{text:?}: {told:#?}"
        );
    }
}

#[test]
fn what_keeps_the_rules_is_let_be() {
    let cases = [
        (
            "work/ingest.rs",
            "use crate::store::Store;\nuse crate::{domain::site::Site, source, clock::{Clock, Timestamp}};",
        ),
        ("feed/rss.rs", "use super::document::Document;\nmod tests { use super::*; use super::super::atom; }"),
        ("clock.rs", "mod tests { use super::*; mod inner { use super::super::Clock; } }"),
        (
            "text/xml.rs",
            "/// See `crate::store`.\nfn f() { /* crate::web /* todo!() */ */ let x = \"crate::web todo!()\"; }",
        ),
        ("text/xml.rs", "fn f<'a>(x: &'a str) { let q = '\"'; let r = r#\"use crate::web; \"#; let b = b'\\''; }"),
        ("web/reply.rs", "use actix_web::HttpResponse;"),
        ("service.rs", "use actix_web::App;"),
        ("source/database/rows.rs", "use sqlx::Row;"),
        ("source/joomla_api.rs", "fn f() {}"),
        ("config/environment.rs", "fn f() { std::env::vars_os(); }"),
        ("cli.rs", "const V: &str = env!(\"CARGO_PKG_VERSION\");\nuse crate::service::run;\npub(crate) fn f() {}"),
        ("text/date.rs", "use crate::clock::Timestamp;"),
        ("store/engine.rs", "macro_rules! on { () => {} }\npub(crate) use on;"),
        ("main.rs", "mod cli;\nuse crate::cli::run;"),
        ("work.rs", "#[expect(dead_code, reason = \"x\")]\nfn allow() { allow(); }"),
    ];
    for (name, code) in cases {
        assert_eq!(judged(name, code), Vec::<String>::new(), "{name}: {code}");
    }
}
