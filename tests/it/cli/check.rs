//! Laws of `loa check`: every fault at once, each with its place and a remedy; nothing is made or changed.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use super::{has, place};
use crate::support::binary::{Place, config, free_port};

/// Lines of `told` that tell a fault.
fn faults(told: &str) -> Vec<&str> {
    told.lines().filter(|line| line.starts_with("FAULT")).collect()
}

#[test]
fn the_shipped_defaults_are_well_and_a_check_makes_nothing() {
    let place = Place::new();
    for (name, text) in [("deploy/loa.toml", "loa.toml"), ("feeds/tat-ca.toml", "feeds/tat-ca.toml")] {
        let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        place.write(text, fs::read(from).expect("a shipped file"));
    }
    let told = place.bare(&["check"]).well();
    has(
        &told,
        &[
            "ok     configuration: 0 sources",
            "feeds: 1 file in feeds",
            "will be made at the first start",
            "All is well.",
        ],
    );
    has(&place.run(&["check"]).well(), &["All is well."]);
    assert!(!place.path("var").exists(), "a check makes no database and no folder");
}

#[test]
fn every_fault_is_told_at_once_with_place_and_remedy() {
    let place = place();
    let text = config("sqlite://loa.db", "smtp://127.0.0.1:1?tls=none", 4).replace("authority =", "autority =");
    let joomla = format!(
        "\n[[source]]\nname = \"joomla\"\nkind = \"joomla\"\nurl = \"mysql://reader:geheim@127.0.0.1:{}/portal\"\n\
         prefix = \"jos_\"\nsite_url = \"https://portal.example.vn/\"\n",
        free_port()
    );
    place.write("loa.toml", text + &joomla);
    place.write("feeds/hong.toml", "titel = \"Hỏng\"\n[select]\n");
    place.write("articles/hong.md", "---\ntitle: Không có ngày\n---\nx\n");
    place.write("articles/khong-dau.md", "Không có phần đầu.\n");
    let told = place.run(&["check"]).refused();
    has(
        &told,
        &[
            "FAULT  loa.toml:5:1: [site] autority: unknown key; did you mean \"authority\"?",
            "hong.toml:1:1: titel: unknown key; did you mean \"title\"?",
            "source `portal`: hong.md",
            "source `portal`: khong-dau.md",
            "source `joomla`: ",
            "FAULT  relay: ",
            "127.0.0.1:1",
        ],
    );
    assert!(!told.contains("geheim"), "{told}");
    assert_eq!(told.matches("source `joomla`").count(), 1, "each fault is told once:\n{told}");
    let told_of = faults(&told).len();
    assert!(told.ends_with(&format!("{told_of} faults.\n")), "{told}");
    let offline = place.run(&["check", "--offline"]).refused();
    assert!(!offline.contains("relay") && !offline.contains("joomla"), "offline connects to nothing:\n{offline}");
}

#[test]
fn a_bad_cron_line_a_wrong_kind_and_a_broken_feed_file_are_told_in_one_go() {
    let place = place();
    let text = config("sqlite://loa.db", "", 0).replace("poll = \"* * * * * *\"", "poll = \"every minute\"");
    place.write("loa.toml", text);
    place.write("feeds/hong.toml", "title = \"Hỏng\n");
    let told = place.run(&["check"]).refused();
    has(
        &told,
        &["[[source]] poll: ", "every minute", "hong.toml:1:", "are checked once the configuration can be read"],
    );

    let text = config("sqlite://loa.db", "", 0).replace("kind = \"folder\"", "kind = \"wordpres\"");
    place.write("loa.toml", text);
    let told = place.run(&["check", "--offline"]).refused();
    has(&told, &["wordpres", "loa.toml:", "did you mean \"wordpress\"?", "hong.toml:1:"]);
}

#[test]
fn a_missing_configuration_folder_or_database_is_told_by_its_name() {
    let place = place();
    let told = place.bare(&["--config", "nowhere.toml", "serve"]).refused();
    has(&told, &["nowhere.toml", "cannot read the configuration", "--config"]);
    place.write(
        "loa.toml",
        config("sqlite://loa.toml/loa.db", "", 0).replace("path = \"articles\"", "path = \"elsewhere\""),
    );
    let told = place.run(&["check"]).refused();
    has(&told, &["source `portal`: there is no folder", "elsewhere", "correct `path`", "its folder is a file"]);
    place.write("loa.db", "no database at all, but a text that is long enough to be looked at as a header of one, yes");
    place.write("loa.toml", config("sqlite://loa.db", "", 0));
    let told = place.run(&["check"]).refused();
    has(&told, &["FAULT  database: cannot open the SQLite database loa.db", "see that it is one"]);
    place.write("loa.toml", config("mysql://127.0.0.1/loa", "", 0));
    has(
        &place.run(&["check"]).refused(),
        &["[store] url", "sqlite://var/loa.db", "postgres://user:password@host/database"],
    );
}

#[test]
fn a_database_of_a_newer_version_is_refused_in_words() {
    let place = super::polled();
    let newer = async {
        let url = format!("sqlite://{}", place.path("loa.db").display());
        let mut one = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.expect("it opens");
        sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'x', TRUE, x'00', 0)")
            .execute(&mut one)
            .await
            .expect("it is written");
        sqlx::Connection::close(one).await.expect("it closes");
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(newer);
    for command in ["check", "serve", "poll"] {
        has(&place.run(&[command]).refused(), &["made by a newer version of loa"]);
    }
}

#[test]
fn a_port_that_is_taken_is_told_with_the_key_to_change() {
    let place = place();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let text = config("sqlite://loa.db", "", 0);
    let from = text.lines().find(|line| line.starts_with("listen")).expect("a line").to_owned();
    place.write("loa.toml", text.replace(&from, &format!("listen = \"127.0.0.1:{port}\"")));
    has(&place.run(&["serve"]).refused(), &[&format!("cannot listen on 127.0.0.1:{port}"), "[web] listen"]);
}

#[test]
fn a_wrong_key_of_a_source_is_told_at_its_place_with_the_key_that_was_meant() {
    let place = place();
    let good = "kind = \"joomla\"\nurl = \"mysql://u:geheim@127.0.0.1/d\"\nsite_url = \"https://portal.example.vn\"\n";
    for (section, told) in [
        (
            good.replace("joomla", "jomla"),
            ":2:8: [[source]] \"portal\" kind: \"jomla\" is no kind of source; did you mean \"joomla\"?",
        ),
        (
            good.replace("joomla", "sharepoint"),
            ":2:8: [[source]] \"portal\" kind: \"sharepoint\" is no kind of source; known are folder, joomla, joomla-api, wordpress, feed, html, sql",
        ),
        (
            format!("{good}prefx = \"jos_\"\n"),
            ":5:9: [[source]] \"portal\" prefx: a source of kind joomla has no such key; did you mean \"prefix\"?",
        ),
        (good.replace("site_url", "#"), ":1:1: [[source]] \"portal\": a source of kind joomla needs the key site_url"),
        (
            format!("{good}prefix = 5\n"),
            ":5:10: [[source]] \"portal\" prefix: the value is not what this key holds (invalid type: integer `5`, expected a string); correct it",
        ),
        (
            format!("{good}sweep = \"bald\"\n"),
            ":5:9: [[source]] \"portal\" sweep: `sweep` = \"bald\" is no period; write a number and a unit",
        ),
        (
            good.replace("https:", "ftp:"),
            ":4:12: [[source]] \"portal\" site_url: site_url = \"ftp://portal.example.vn\" is neither http nor https",
        ),
        (
            format!("{good}sweep = 5\nprefix = 5\n"),
            ":6:10: [[source]] \"portal\" prefix: the value is not what this key holds (invalid type: integer `5`",
        ),
        (
            format!("{good}guest_levels = [1, \"hai\"]\n"),
            ":5:16: [[source]] \"portal\" guest_levels: the value is not what this key holds (invalid type: string \"hai\"",
        ),
    ] {
        let rest = super::config("sqlite://loa.db", "", 0);
        let (before, after) = rest.split_once("[[source]]").expect("a section");
        let after = after.split_once("\n[").expect("another section").1;
        place.write("loa.toml", format!("[[source]]\n{section}name = \"portal\"\n{before}[{after}"));
        let said = place.run(&["check", "--offline"]).refused();
        has(&said, &[told]);
        assert!(!said.contains("geheim"), "{said}");
    }
}

#[test]
fn a_key_that_signs_is_told_with_what_dns_must_say_and_one_that_does_not_with_its_line() {
    let place = place();
    place.write("good.pem", include_str!("../fixtures/dkim-ed25519.pem"));
    place.write("bad.pem", "geheim\n");
    let dkim = |file: &str| format!("[email]\ndkim = [{{ selector = \"2026e\", key = \"{file}\" }}]\n");
    let text = place.read("loa.toml");
    place.write("loa.toml", text.replace("[email]\n", &dkim("good.pem")));
    let told = place.run(&["check", "--offline"]).well();
    has(&told, &["DKIM key: publish in DNS  2026e._domainkey.", " TXT \"v=DKIM1; k=ed25519; p="]);
    place.write("loa.toml", text.replace("[email]\n", &dkim("bad.pem")));
    let told = place.run(&["check", "--offline"]).refused();
    has(&told, &["loa.toml:", "[[email.dkim]] key: the key file", "bad.pem", "openssl genpkey"]);
    assert!(!told.contains("geheim"), "{told}");
}

#[test]
fn a_template_of_the_operators_is_rendered_with_samples_and_its_fault_has_file_and_line() {
    let place = place();
    let text = place.read("loa.toml").replace("[email]\n", "[email]\ntemplates = \"mau\"\n");
    place.write("loa.toml", &text);
    place.write("mau/digest/vi/subject.txt", "Bản tin\n\n{{ khong_co }}\n");
    let told = place.run(&["check", "--offline"]).refused();
    has(&told, &["mau/digest/vi/subject.txt:3: undefined value"]);
    place.write("mau/digest/vi/subject.txt", "Bản tin {{ short_day }}\n");
    has(&place.run(&["check", "--offline"]).well(), &["mail templates: every one renders in both languages"]);
}

#[test]
fn outside_production_a_check_says_who_gets_mail() {
    let place = place();
    let text = place.read("loa.toml");
    let staged = text
        .replace("[site]\n", "[site]\nproduction = false\n")
        .replace("transport = \"folder\"", "transport = \"smtp\"\nurl = \"smtp://127.0.0.1:1\"")
        .replace("[email]\n", "[email]\nonly = [\"an@so.example.vn\"]\n");
    place.write("loa.toml", &staged);
    let told = place.run(&["check", "--offline"]).well();
    has(&told, &["not production: mail goes to 1 address or domain of [email] only, everyone else's into"]);
    place.write("loa.toml", staged.replace("an@so.example.vn", "an@"));
    has(&place.run(&["check", "--offline"]).refused(), &["[email] only", "mail address"]);
}
