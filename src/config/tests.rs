//! Laws of the configuration: each kind of fault with its place and remedy.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::Weekday;

use super::sections::{LogFormat, SECTIONS, Transport};
use super::*;
use crate::domain::subscriber::Locale;

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, Faults> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("loa.toml");
    fs::write(&path, file).expect("a file");
    Config::load(Some(&path), variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

/// The faults of a file and variables, with the folder left out.
fn faults(file: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let faults = load(file, variables).expect_err("it is faulty");
    let lines = faults.to_string();
    assert_eq!(lines.lines().count(), faults.as_slice().len(), "one line a fault: {lines}");
    lines
        .lines()
        .map(|line| line.split_once("loa.toml").map_or(line.to_owned(), |(_, rest)| format!("loa.toml{rest}")))
        .collect()
}

/// The only fault begins so, and holds the remedy.
fn one(file: &str, variables: &[(&str, &str)], begins: &str, remedy: &str) {
    let told = faults(file, variables);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].starts_with(begins), "{} does not begin with {begins}", told[0]);
    assert!(told[0].contains(remedy), "{} does not say {remedy}", told[0]);
}

#[test]
fn the_shipped_file_alone_is_a_whole_configuration() {
    let config = Config::load(None, std::iter::empty()).expect("the shipped file is right");
    assert_eq!(config.site.language, Locale::Vi);
    assert_eq!(config.site.timezone.iana_name(), Some("Asia/Ho_Chi_Minh"));
    assert!(config.site.base_url.as_str().ends_with('/'));
    assert_eq!(config.web.listen.to_string(), "127.0.0.1:8080");
    assert!(config.web.trusted_proxies.is_empty());
    assert_eq!(config.store.url.expose(), "sqlite://var/loa.db");
    assert_eq!(config.feeds.dir, Path::new("feeds"));
    assert!(config.feeds.each_category);
    assert_eq!(config.feeds.items, 50);
    assert!(config.sources.is_empty());
    assert_eq!((config.email.connections, config.email.rate, config.email.hello.as_deref()), (16, 0, None));
    assert_eq!(config.digest.daily.to_string(), "07:00:00");
    assert_eq!(config.digest.weekly.0, Weekday::Monday);
    assert_eq!(config.webhook.timeout, Duration::from_secs(15));
    assert!(!config.hub.enabled);
    assert_eq!((config.ingest.max_new, config.ingest.max_age), (50, Duration::from_hours(168)));
    assert!(!config.ingest.byline_as_author);
    assert_eq!(config.ingest.agencies, ["*"]);
    assert_eq!(config.retention.deliveries, Duration::from_hours(90 * 24));
    assert_eq!(config.retention.addresses, Duration::from_hours(28 * 24));
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Text, "info"));
    assert_eq!(config.calendar().weekly.0, Weekday::Monday);
    assert_eq!(config.site().link("feeds.opml"), format!("{}feeds.opml", config.site.base_url));
}

#[test]
fn the_shipped_file_names_every_key_that_is_read_and_no_other() {
    let (root, faults) = tree::parse("loa.toml", DEFAULTS);
    assert_eq!(faults, []);
    let mut section = "";
    let mut shown = BTreeSet::new();
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ") {
            // A key that is shown as a comment counts: it has no default.
            shown.insert((section.to_owned(), key.to_owned()));
        }
    }
    for (section, keys) in SECTIONS {
        let tree::Value::Table(table) = &root[section].node.value else { panic!("[{section}] is no table") };
        assert!(table.keys().all(|key| keys.contains(&key.as_str())), "[{section}] {:?}", table.keys());
        for key in keys {
            assert!(
                shown.contains(&(section.to_owned(), (*key).to_owned())),
                "[{section}] {key} is not in deploy/loa.toml"
            );
        }
    }
}

#[test]
fn each_layer_is_stronger_than_the_one_below() {
    let dir = tempfile::tempdir().expect("a folder");
    let secret = dir.path().join("url");
    fs::write(&secret, "smtp://from-secret:2525\n").expect("a file");
    let file = "[email]\ntransport = \"smtp\"\nurl = \"smtp://from-file\"\n[feeds]\nitems = 20\n";
    let url = |config: &Config| match &config.email.transport {
        Transport::Smtp(url) => url.expose().to_owned(),
        Transport::Folder(_) => panic!("smtp was asked for"),
    };

    let config = load(file, &[]).expect("right");
    assert_eq!((url(&config).as_str(), config.feeds.items, config.email.connections), ("smtp://from-file", 20, 16));

    let variable = ("LOA_EMAIL__URL", "smtp://from-variable");
    assert_eq!(url(&load(file, &[variable]).expect("right")), "smtp://from-variable");

    let named = ("LOA_EMAIL__URL_FILE", secret.to_str().expect("UTF-8"));
    assert_eq!(url(&load(file, &[named, variable]).expect("right")), "smtp://from-secret:2525");
}

#[test]
fn variables_take_the_type_of_their_setting() {
    let config = load(
        "",
        &[
            ("LOA_FEEDS__ITEMS", "7"),
            ("LOA_HUB__ENABLED", "false"),
            ("LOA_WEBHOOK__ALLOW", "10.1.2.3, 10.9.0.0/16"),
            ("LOA_SITE__BASE_URL", "https://tin.example.vn/loa"),
            ("LOA_EMAIL__REPLY_TO", ""),
            ("LOA_INGEST__BYLINE_AS_AUTHOR", "true"),
            ("LOA_INGEST__AGENCIES", "*, Báo An Giang"),
            ("LOA_TEST_POSTGRES", "not ours"),
            ("LOA_WEB_SERVICE_HOST", "not ours"),
        ],
    )
    .expect("right");
    assert_eq!(config.feeds.items, 7);
    assert!(!config.hub.enabled);
    assert_eq!(
        config.webhook.allow.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.1.2.3/32", "10.9.0.0/16"]
    );
    assert_eq!(config.site.base_url.as_str(), "https://tin.example.vn/loa/");
    assert!(config.email.reply_to.is_none());
    assert!(config.ingest.byline_as_author);
    assert_eq!(config.ingest.agencies, ["*", "Báo An Giang"]);
}

#[test]
fn relative_paths_begin_at_the_folder_of_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("loa.toml");
    fs::write(&path, "[[source]]\nname = \"a\"\nkind = \"folder\"\npath = \"articles\"\n").expect("a file");
    let config = Config::load(Some(&path), std::iter::empty()).expect("right");
    assert_eq!(config.feeds.dir, dir.path().join("feeds"));
    assert_eq!(config.store.url.expose(), format!("sqlite://{}/var/loa.db", dir.path().display()));
    assert_eq!(config.email.transport, Transport::Folder(dir.path().join("var/mail")));
    assert_eq!(config.sources[0].settings["path"].as_str().map(Path::new), Some(&*dir.path().join("articles")));
    let absolute = load("[store]\nurl = \"sqlite:///srv/loa.db\"\n", &[]).expect("right");
    assert_eq!(absolute.store.url.expose(), "sqlite:///srv/loa.db");
}

#[test]
fn a_source_keeps_the_keys_of_its_kind_and_knows_their_places() {
    let file = "[[source]]\nname = \"cong-tt\"\nkind = \"joomla\"\nurl = \"mysql://r:hush@127.0.0.1/p\"\nprefix = \"jos_\"\nlimit = 5\n";
    let variables = [("LOA_SOURCE__CONG_TT__URL", "mysql://r:hush2@db/p"), ("LOA_SOURCE__CONG_TT__LIMIT", "6")];
    let config = load(file, &variables).expect("right");
    let source = &config.sources[0];
    assert_eq!(
        (source.name.as_str(), source.kind.as_str(), source.poll.as_str()),
        ("cong-tt", "joomla", "0 * * * * *")
    );
    assert_eq!(source.settings["url"].as_str(), Some("mysql://r:hush2@db/p"));
    assert_eq!(source.settings["limit"].as_integer(), Some(6));
    assert_eq!(source.settings.len(), 3);
    let fault = source.fault(Some("prefix"), "is wrong").to_string();
    assert!(fault.ends_with("loa.toml:5:10: [[source]] \"cong-tt\" prefix: is wrong"), "{fault}");
    assert_eq!(source.fault(Some("url"), "x").to_string(), "LOA_SOURCE__CONG_TT__URL: [[source]] \"cong-tt\" url: x");
}

#[test]
fn no_secret_is_ever_printed() {
    let dir = tempfile::tempdir().expect("a folder");
    let secret = dir.path().join("key");
    fs::write(&secret, "hush").expect("a file");
    let file = "[store]\nurl = \"postgres://loa:hush@db/loa\"\n[email]\ntransport = \"smtp\"\nurl = \"smtps://u:hush@h\"\n\
                [[source]]\nname = \"a\"\nkind = \"joomla\"\nurl = \"mysql://r:hush@db/p\"\ntoken = \"hush\"\n";
    let shown = format!("{:?}", load(file, &[]).expect("right"));
    assert!(!shown.contains("hush"), "{shown}");

    // Nor when it is wrong.
    let wrong = [
        ("LOA_STORE__URL", "loa:hush@db"),
        ("LOA_EMAIL__URL", "imap://u:hush@h"),
        ("LOA_SITE__TIMEZONE_FILE", secret.to_str().expect("UTF-8")),
    ];
    let told = faults("", &wrong);
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(!told.concat().contains("hush"), "{told:#?}");
    assert!(
        told[1].starts_with("LOA_SITE__TIMEZONE_FILE: [site] timezone: the value is no IANA time zone"),
        "{told:#?}"
    );
}

#[test]
fn an_unknown_key_or_section_is_told_with_what_was_probably_meant() {
    one(
        "\n[email]\nconections = 3\n",
        &[],
        "loa.toml:3:1: [email] conections: unknown key",
        "did you mean \"connections\"?",
    );
    one("[web]\nzzz = 3\n", &[], "loa.toml:2:1: [web] zzz: unknown key", "known are listen, admin");
    one("[emial]\nrate = 3\n", &[], "loa.toml:1:2: [emial]: unknown section", "did you mean \"email\"?");
    one("title = \"x\"\n", &[], "loa.toml:1:1: title: stands before any section", "put it under its [section]");
    one(
        "",
        &[("LOA_EMAIL__CONECTIONS", "3")],
        "LOA_EMAIL__CONECTIONS: [email] conections: unknown key",
        "did you mean \"connections\"?",
    );
    one("", &[("LOA_EMIAL__URL", "x")], "LOA_EMIAL__URL: [emial]: unknown section", "did you mean LOA_EMAIL__URL?");
    one("", &[("LOA_EMAIL_URL", "x")], "LOA_EMAIL_URL: has no effect", "write LOA_EMAIL__URL");
}

#[test]
fn a_value_of_the_wrong_type_is_told() {
    one(
        "[email]\nconnections = \"16\"\n",
        &[],
        "loa.toml:2:15: [email] connections: must be a whole number from 1 to 256",
        "without quotes",
    );
    one("[email]\nconnections = 0\n", &[], "loa.toml:2:15: [email] connections: must be", "not 0");
    one(
        "[feeds]\neach_category = \"yes\"\n",
        &[],
        "loa.toml:2:17: [feeds] each_category: must be true or false",
        "without quotes",
    );
    one("[site]\ntitle = 5\n", &[], "loa.toml:2:9: [site] title: must be a text in quotes", "not a whole number");
    one("[site]\ntitle = \" \"\n", &[], "loa.toml:2:9: [site] title: \" \" says nothing", "write something");
    one("[hub]\nallow = \"10.0.0.0/8\"\n", &[], "loa.toml:2:9: [hub] allow: must be a list", "[\"…\"");
    one("[hub]\nenabled = true\n", &[], "loa.toml:1:2: [hub] enabled: true is not possible yet", "leave it false");
    one("hub = 3\n", &[], "loa.toml:1:1: hub: must be a section", "write [hub] on a line of its own");
    one("[source]\nname = \"a\"\n", &[], "loa.toml:1:2: [source]: is one table", "[[source]]");
    one(
        "",
        &[("LOA_EMAIL__CONNECTIONS", "many")],
        "LOA_EMAIL__CONNECTIONS: [email] connections: must be a whole number",
        "1 to 256",
    );
}

#[test]
fn each_kind_of_wrong_value_is_told_with_an_example() {
    let cases = [
        ("site", "base_url", "example.vn", "is no address", "https://"),
        ("site", "base_url", "ftp://example.vn", "is not reached by http", "https://"),
        ("site", "base_url", "https://example.vn/?a=b", "has something behind its path", "https://"),
        ("site", "base_url", "https://u:p@example.vn/", "has an account in it", "https://"),
        ("site", "authority", "example.vn", "has no comma and date", "example.vn,2021"),
        ("site", "authority", "Example,2021", "does not begin with a domain name", "example.vn,2021"),
        ("site", "authority", "example.vn,2021-13", "does not end in a year", "2021-05"),
        ("site", "authority", "example.vn,21", "does not end in a year", "2021-05"),
        ("site", "language", "vn", "is none of vi, en", "did you mean \"vi\"?"),
        ("site", "timezone", "Asia/Saigonn", "is no IANA time zone", "Asia/Ho_Chi_Minh"),
        ("web", "listen", "localhost", "is no IP address and port", "127.0.0.1:8080"),
        ("store", "url", "mysql://a@b/c", "does not begin with postgres://", "sqlite://var/loa.db"),
        ("store", "url", "sqlite://", "names no file", "sqlite://var/loa.db"),
        ("email", "transport", "sntp", "is none of folder, smtp", "did you mean \"smtp\"?"),
        ("email", "url", "smtp://", "names no host", "smtp://host:25"),
        ("email", "from", "Bản tin <bantin@>", "is no mail address", "<bantin@example.vn>"),
        ("email", "from", "a@example.vn\\r\\nBcc: b@example.vn", "holds a line break", "<bantin@example.vn>"),
        ("email", "hello", "bad host", "is no host name", "leave it empty"),
        ("digest", "daily", "25:00", "is no hour of the day", "07:00"),
        ("digest", "weekly", "someday 07:00", "is no weekday and hour", "mon 07:00"),
        ("webhook", "timeout", "15", "is no duration", "15s"),
        ("webhook", "timeout", "0s", "is no duration", "15s"),
        ("ingest", "max_age", "99999999999999999w", "is no duration", "7d"),
        ("log", "format", "jsn", "is none of text, json", "did you mean \"json\"?"),
        ("log", "level", "inof", "holds \"inof\", which is no level", "did you mean \"info\"?"),
    ];
    for (section, key, value, what, remedy) in cases {
        let file = format!("[{section}]\n{key} = \"{value}\"\n");
        let told = faults(&file, &[]);
        assert_eq!(told.len(), 1, "{value}: {told:#?}");
        assert!(told[0].starts_with(&format!("loa.toml:2:{}: [{section}] {key}: ", key.len() + 4)), "{}", told[0]);
        assert!(told[0].contains(what) && told[0].contains(remedy), "{} does not say {what} … {remedy}", told[0]);
    }
    one(
        "[webhook]\nallow = [\n  \"10.0.0.0/8\",\n  \"10.0.0.0/33\",\n]\n",
        &[],
        "loa.toml:4:3: [webhook] allow: \"10.0.0.0/33\" is no network",
        "CIDR",
    );
    one(
        "[webhook]\nallow = [\"0.0.0.0/0\"]\n",
        &[],
        "loa.toml:2:10: [webhook] allow: \"0.0.0.0/0\" is too wide",
        "name",
    );
}

#[test]
fn durations_add_up() {
    for (text, millis) in
        [("500ms", 500), ("15s", 15_000), ("1h30m", 5_400_000), ("7d", 604_800_000), ("2w", 1_209_600_000)]
    {
        assert_eq!(value::duration(text), Ok(Duration::from_millis(millis)), "{text}");
    }
}

#[test]
fn a_faulty_source_is_told() {
    let source = |more: &str| format!("[[source]]\nname = \"a\"\nkind = \"folder\"\n{more}");
    one(
        &source("poll = \"* * * * *\"\n"),
        &[],
        "loa.toml:4:8: [[source]] poll: \"* * * * *\" is no cron line",
        "six fields",
    );
    one(
        &source("poll = \"0 61 * * * *\"\n"),
        &[],
        "loa.toml:4:8: [[source]] poll: \"0 61 * * * *\" is no cron line",
        "six fields",
    );
    one("[[source]]\nkind = \"folder\"\n", &[], "loa.toml:1:1: [[source]] name: missing", "add it");
    one(
        "[[source]]\nname = \"A b\"\nkind = \"folder\"\n",
        &[],
        "loa.toml:2:8: [[source]] name: \"A b\" is no name",
        "a-z, 0-9",
    );
    let twice = format!("{}{}", source(""), source(""));
    one(&twice, &[], "loa.toml:5:8: [[source]] \"a\" name: is also the name of the source at", "give each its own");
    one(
        &source(""),
        &[("LOA_SOURCE__B__URL", "x")],
        "LOA_SOURCE__B__URL: [[source]]: no source is called \"b\"",
        "\"a\"",
    );
    one("", &[("LOA_SOURCE__B__URL", "x")], "LOA_SOURCE__B__URL: [[source]]: no source", "no [[source]] is configured");
    one(&source(""), &[("LOA_SOURCE__URL", "x")], "LOA_SOURCE__URL: names no key", "LOA_SOURCE__<NAME>__<KEY>");
}

#[test]
fn a_transport_without_what_it_needs_is_told() {
    one("[email]\ntransport = \"smtp\"\nurl = \"\"\n", &[], "loa.toml:1:2: [email] url: missing", "smtp://host:25");
    one("[email]\ntransport = \"folder\"\nfolder = \"\"\n", &[], "loa.toml:1:2: [email] folder: missing", "var/mail");
}

#[test]
fn files_that_cannot_be_read_are_told() {
    one(
        "",
        &[("LOA_STORE__URL_FILE", "/nowhere/secret")],
        "LOA_STORE__URL_FILE: cannot read \"/nowhere/secret\"",
        "unset the variable",
    );
    let missing = Config::load(Some(Path::new("/nowhere/loa.toml")), std::iter::empty()).expect_err("it is not there");
    assert!(missing.to_string().starts_with("/nowhere/loa.toml: cannot read the configuration"), "{missing}");
}

#[test]
fn a_key_that_the_defaults_lack_is_told_and_not_guessed() {
    let faults = Faults::new(Config::layered("", None, std::iter::empty()).faults).to_string();
    assert!(faults.contains("(built in) deploy/loa.toml: [site] base_url: missing; add it"), "{faults}");
    assert!(faults.contains("[retention] addresses: missing"), "{faults}");
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_lines() {
    let file = "[site]\ntimezone = \"Mars\"\nbase_url = \n[emial]\n[digest]\ndaily = \"7 Uhr\"\n[email]\nrate = -1\nconections = 2\n";
    let told = faults(file, &[("LOA_LOG__LEVEL", "loud"), ("LOA_HUB__ENABLED", "perhaps")]);
    let begins = [
        "loa.toml:2:12: [site] timezone: \"Mars\"",
        "loa.toml:3:",
        "loa.toml:4:2: [emial]: unknown section",
        "loa.toml:6:9: [digest] daily",
        "loa.toml:8:8: [email] rate",
        "loa.toml:9:1: [email] conections",
        "LOA_HUB__ENABLED: [hub] enabled",
        "LOA_LOG__LEVEL: [log] level",
    ];
    assert_eq!(told.len(), begins.len(), "{told:#?}");
    for (line, begins) in told.iter().zip(begins) {
        assert!(line.starts_with(begins), "{line} does not begin with {begins}");
    }
    assert!(told[1].contains("not TOML"), "{}", told[1]);
}

#[test]
fn old_addresses_are_read_and_their_faults_told() {
    let one = "[[old_address]]\npath = \"/index.php/tin\"\nquery = \"format=feed&type=rss\"\nfeed = \"tin\"\nformat = \"rss\"\nids = \"links\"\n";
    let good = load(&format!("{one}cut_over = \"2026-12-01\"\norigin = \"http://tinhuy.example.vn\"\n"), &[]);
    let old = &good.expect("faultless").old_addresses[0];
    assert_eq!(old.query, [("format".to_owned(), "feed".to_owned()), ("type".to_owned(), "rss".to_owned())]);
    assert_eq!(old.origin.as_ref().map(url::Url::as_str), Some("http://tinhuy.example.vn/"));
    let told = faults(
        &format!(
            "{one}{one}[[old_address]]\npath = \"tin?format=feed\"\nfeed = \"Tin\"\nformat = \"xml\"\nids = \"entries\"\ncut_over = \"1/2/2026\"\nformt = 1\n"
        ),
        &[],
    );
    for part in [
        "path: stands twice",
        "path: \"tin?format=feed\" is no path that begins with /",
        "feed: ",
        "format: \"xml\" is none of rss, atom, json",
        "cut_over: \"1/2/2026\" is no day",
        "formt: unknown key",
    ] {
        assert!(told.iter().any(|t| t.contains(part)), "{part} not in {told:#?}");
    }
}

#[test]
fn several_relays_have_weights_and_their_passwords_lie_in_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let secret = dir.path().join("relay");
    fs::write(&secret, "smtps://an:hush@b.example.vn\n").expect("a file");
    let text = format!(
        "[email]\ntransport = \"smtp\"\n[[email.relay]]\nurl = \"smtp://a.example.vn\"\nweight = 3\n\
         [[email.relay]]\nurl_file = \"{}\"\nconnections = 2\n",
        secret.display()
    );
    let relays = load(&text, &[]).expect("right").email.relays;
    assert_eq!(relays.iter().map(|r| r.weight).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(relays[1].url.expose(), "smtps://an:hush@b.example.vn");
    assert_eq!((relays[0].connections, relays[1].connections), (None, Some(2)));
    for (wrong, told) in [
        ("weigth = 3\nurl = \"smtp://a\"", "did you mean \"weight\""),
        ("weight = 0\nurl = \"smtp://a\"", "weight: must be a whole number from 1"),
        ("weight = 1", "url: missing"),
        ("url_file = \"/no/such/file\"", "cannot be read"),
    ] {
        let faults = load(&format!("[email]\n[[email.relay]]\n{wrong}\n"), &[]).expect_err(wrong).to_string();
        assert!(faults.contains("[[email.relay]]") && faults.contains(told), "{faults}");
    }
    let faults = load("[email]\nrelay = 3\n", &[]).expect_err("no list").to_string();
    assert!(faults.contains("two brackets"), "{faults}");
}
