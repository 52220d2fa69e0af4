//! Builds the sections out of the merged tree. Never stops at a fault: each section is read to its end.

use std::collections::BTreeMap;
use std::path::Path;

use super::fault::{Fault, Place, remedy};
use super::reader::Reader;
use super::sections::{
    BounceSection, DigestSection, DkimSection, EmailSection, FeedsSection, HubSection, IngestSection, LogFormat,
    LogSection, OLD_ADDRESS, OldAddressSection, OldIds, RelaySection, RetentionSection, SECTIONS, SOURCE, SiteSection,
    SourceSection, StoreSection, Transport, WebSection, WebhookSection,
};
use super::tree::{Entry, Node, Table, Value, to_toml};
use super::value;
use crate::domain::selection::day::Day;
use crate::domain::staging::Listed;
use crate::domain::verp::Template;
use crate::feed::document::Format;
use crate::text::xml::XmlText;

/// The poll of a source that names none.
const EVERY_MINUTE: &str = "0 * * * * *";

/// Takes sections out of the merged tree; a section that is absent reads as empty, so that its keys are missed.
pub(super) struct Sections<'c> {
    /// The merged tree.
    pub(super) root: Table,
    /// Where the tree as a whole stands, for what is missing.
    pub(super) place: Place,
    /// The folder that relative paths begin at.
    pub(super) base: &'c Path,
    /// What was found wrong.
    pub(super) faults: &'c mut Vec<Fault>,
}

impl Sections<'_> {
    fn read<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Reader<'_>, &Path) -> Option<T>) -> Option<T> {
        let known = SECTIONS.iter().find(|(section, _)| *section == name).map_or(&[][..], |(_, keys)| keys);
        let (table, place) = match self.root.remove(name) {
            None => (Table::new(), self.place.clone()),
            Some(Entry { key, node: Node { value: Value::Table(table), .. } }) => (table, key),
            Some(Entry { key, node }) => {
                let what = format!(
                    "{name}: must be a section, not {}; write [{name}] on a line of its own",
                    node.value.kind()
                );
                self.faults.push(Fault::new(key, what));
                return None;
            }
        };
        let mut reader = Reader::new(format!("[{name}]"), known, table, place, self.faults);
        let value = read(&mut reader, self.base);
        reader.finish();
        value
    }

    pub(super) fn site(&mut self) -> Option<SiteSection> {
        self.read("site", |r, _| {
            let title = r.text("title", value::filled);
            let base_url = r.text("base_url", value::base_url);
            let authority = r.text("authority", value::authority);
            let language = r.text("language", value::language);
            let timezone = r.text("timezone", value::zone);
            let production = r.boolean("production");
            let rights = r.optional("rights", value::filled).unwrap_or_default();
            let editor = r.optional_secret("editor", value::sender);
            let webmaster = r.optional_secret("webmaster", value::sender);
            let icon = r.optional("icon", value::picture);
            let logo = r.optional("logo", value::picture);
            Some(SiteSection {
                title: XmlText::new(&title?),
                base_url: base_url?,
                authority: authority?,
                language: language?,
                timezone: timezone?,
                production: production?,
                rights: XmlText::new(&rights),
                editor,
                webmaster,
                icon,
                logo,
            })
        })
    }

    pub(super) fn web(&mut self) -> Option<WebSection> {
        self.read("web", |r, _| {
            let listen = r.text("listen", value::listen);
            let admin = r.optional("admin", value::listen);
            let workers = r.optional_integer("workers", 1..=1024);
            let trusted_proxies = r.list("trusted_proxies", value::network);
            Some(WebSection { listen: listen?, admin, workers, trusted_proxies: trusted_proxies? })
        })
    }

    pub(super) fn store(&mut self) -> Option<StoreSection> {
        self.read("store", |r, base| {
            let url = r.secret("url", |text| value::store_url(text, base));
            Some(StoreSection { url: url? })
        })
    }

    pub(super) fn feeds(&mut self) -> Option<FeedsSection> {
        self.read("feeds", |r, base| {
            let dir = r.text("dir", value::filled);
            let each_category = r.boolean("each_category");
            let items = r.integer("items", 1..=1000);
            Some(FeedsSection { dir: base.join(dir?), each_category: each_category?, items: items? })
        })
    }

    pub(super) fn email(&mut self) -> Option<EmailSection> {
        self.read("email", |r, base| {
            let smtp = r.text("transport", |text| value::choice(text, &[("folder", false), ("smtp", true)]));
            let (has_url, has_folder) = (r.has("url"), r.has("folder"));
            let url = r.optional_secret("url", value::smtp_url);
            let folder = r.optional("folder", value::filled);
            let from = r.secret("from", value::sender);
            let reply_to = r.optional_secret("reply_to", value::sender);
            let connections = r.integer("connections", 1..=256);
            let rate = r.integer("rate", 0..=100_000);
            let hello = r.optional("hello", value::host);
            let only = r.list("only", str::parse::<Listed>);
            let templates = r.optional("templates", value::filled).map(|dir| base.join(dir));
            let relays = r.each("relay", &["url", "url_file", "weight", "connections", "rate"], |r| relay(r, base));
            let dkim = r.each("dkim", &["selector", "domain", "key"], |r| dkim(r, base));
            let has_url = has_url || relays.as_ref().is_none_or(|r| !r.is_empty());
            match smtp {
                Some(true) if !has_url => {
                    r.complain("url", "missing; transport = \"smtp\" needs it: \"smtp://host:25\"");
                }
                Some(false) if !has_folder => {
                    r.complain("folder", "missing; transport = \"folder\" needs it: \"var/mail\"");
                }
                _ => {}
            }
            let folder = folder.map(|folder| base.join(folder));
            let relays = relays?;
            // Several relays make the short form superfluous.
            let url = url.or_else(|| relays.first().map(|relay| relay.url.clone()));
            let transport = if smtp? { Transport::Smtp(url?) } else { Transport::Folder(folder.clone()?) };
            Some(EmailSection {
                transport,
                from: from?,
                reply_to,
                connections: connections?,
                rate: rate?,
                hello,
                folder,
                only: only?,
                templates,
                relays,
                dkim: dkim?,
            })
        })
    }

    pub(super) fn bounce(&mut self) -> Option<BounceSection> {
        self.read("bounce", |r, base| {
            let (wanted, has_maildir, has_lmtp) = (r.has("address"), r.has("maildir"), r.has("lmtp"));
            let address = r.optional("address", Template::parse);
            let maildir = r.optional("maildir", value::filled).map(|path| base.join(path));
            let lmtp = r.optional("lmtp", str::parse);
            match (wanted, has_maildir || has_lmtp) {
                (true, false) => r.complain(
                    "address",
                    "has no inlet, so nobody would read what comes back; set maildir or lmtp, or leave the address empty",
                ),
                (false, true) => r.complain(
                    "address",
                    "missing; maildir and lmtp need it: \"bounces+{token}@bantin.example.vn\"",
                ),
                _ => {}
            }
            Some(BounceSection { address, maildir, lmtp })
        })
    }

    pub(super) fn digest(&mut self) -> Option<DigestSection> {
        self.read("digest", |r, _| {
            let daily = r.text("daily", value::hour);
            let weekly = r.text("weekly", value::week_time);
            Some(DigestSection { daily: daily?, weekly: weekly? })
        })
    }

    pub(super) fn webhook(&mut self) -> Option<WebhookSection> {
        self.read("webhook", |r, _| {
            let allow = r.list("allow", value::allowed_network);
            let timeout = r.text("timeout", value::duration);
            Some(WebhookSection { allow: allow?, timeout: timeout? })
        })
    }

    pub(super) fn hub(&mut self) -> Option<HubSection> {
        self.read("hub", |r, _| {
            let enabled = r.boolean("enabled");
            let allow = r.list("allow", value::allowed_network);
            if enabled == Some(true) {
                r.complain("enabled", "true is not possible yet, this version has no WebSub hub; leave it false");
            }
            Some(HubSection { enabled: enabled?, allow: allow? })
        })
    }

    pub(super) fn ingest(&mut self) -> Option<IngestSection> {
        self.read("ingest", |r, _| {
            let max_new = r.integer("max_new", 1..=1_000_000);
            let max_age = r.text("max_age", value::duration);
            let byline_as_author = r.boolean("byline_as_author");
            let agencies = r.list("agencies", value::filled);
            Some(IngestSection {
                max_new: max_new?,
                max_age: max_age?,
                byline_as_author: byline_as_author?,
                agencies: agencies?,
            })
        })
    }

    pub(super) fn retention(&mut self) -> Option<RetentionSection> {
        self.read("retention", |r, _| {
            let deliveries = r.text("deliveries", value::duration);
            let addresses = r.text("addresses", value::duration);
            Some(RetentionSection { deliveries: deliveries?, addresses: addresses? })
        })
    }

    pub(super) fn log(&mut self) -> Option<LogSection> {
        self.read("log", |r, _| {
            let forms = [("text", LogFormat::Text), ("json", LogFormat::Json)];
            let format = r.text("format", |text| value::choice(text, &forms));
            let level = r.text("level", value::level);
            Some(LogSection { format: format?, level: level? })
        })
    }

    /// Every `[[source]]`; none at all is no fault: feeds of what was seen before can still be served.
    pub(super) fn sources(&mut self) -> Option<Vec<SourceSection>> {
        let Some(entry) = self.root.remove(SOURCE) else {
            return Some(Vec::new());
        };
        let Value::Array(nodes) = entry.node.value else {
            self.faults.push(Fault::new(entry.key, "[source]: is one table; write [[source]] with two brackets"));
            return None;
        };
        let count = nodes.len();
        let mut sources: Vec<SourceSection> = Vec::new();
        for node in nodes {
            let Some(source) = self.source(node) else {
                continue;
            };
            if let Some(first) = sources.iter().find(|s| s.name == source.name) {
                let what = format!("is also the name of the source at {}; give each its own", first.place);
                let fault = source.fault(Some("name"), &what);
                self.faults.push(fault);
            } else {
                sources.push(source);
            }
        }
        (sources.len() == count).then_some(sources)
    }

    fn source(&mut self, node: Node) -> Option<SourceSection> {
        let Value::Table(mut table) = node.value else {
            self.faults.push(Fault::new(node.place, "[[source]]: must be a table; write [[source]] on its own line"));
            return None;
        };
        table.entry("poll".into()).or_insert_with(|| Entry {
            key: node.place.clone(),
            node: Node { place: node.place.clone(), value: Value::Text(EVERY_MINUTE.to_owned()) },
        });
        let places: BTreeMap<String, Place> =
            table.iter().map(|(key, e)| (key.clone(), e.node.place.clone())).collect();
        let mut r = Reader::new("[[source]]".into(), &["name", "kind", "poll"], table, node.place.clone(), self.faults);
        let name = r.text("name", value::name);
        let kind = r.text("kind", value::filled);
        let poll = r.text("poll", value::cron);
        let mut settings: toml::Table = r.rest().into_iter().map(|(key, entry)| (key, to_toml(&entry.node))).collect();
        if let Some(toml::Value::String(path)) = settings.get_mut("path") {
            *path = self.base.join(&*path).to_string_lossy().into_owned();
        }
        Some(SourceSection { name: name?, kind: kind?, poll: poll?, settings, place: node.place, places })
    }

    /// Every `[[old_address]]`; most portals have none.
    pub(super) fn old_addresses(&mut self) -> Option<Vec<OldAddressSection>> {
        let Some(entry) = self.root.remove(OLD_ADDRESS) else {
            return Some(Vec::new());
        };
        let Value::Array(nodes) = entry.node.value else {
            let what = "[old_address]: is one table; write [[old_address]] with two brackets";
            self.faults.push(Fault::new(entry.key, what));
            return None;
        };
        let count = nodes.len();
        let mut all: Vec<OldAddressSection> = Vec::new();
        for node in nodes {
            let place = node.place.clone();
            let Some(one) = self.old_address(node) else { continue };
            if all.iter().any(|other| other.path == one.path && other.query == one.query) {
                let what = "[[old_address]] path: stands twice with one query; remove one of them";
                self.faults.push(Fault::new(place, what));
            } else {
                all.push(one);
            }
        }
        (all.len() == count).then_some(all)
    }

    fn old_address(&mut self, node: Node) -> Option<OldAddressSection> {
        const KEYS: &[&str] = &["path", "query", "feed", "format", "ids", "cut_over", "origin"];
        let Value::Table(table) = node.value else {
            let what = "[[old_address]]: must be a table; write [[old_address]] on its own line";
            self.faults.push(Fault::new(node.place, what));
            return None;
        };
        let mut r = Reader::new("[[old_address]]".into(), KEYS, table, node.place, self.faults);
        let path = r.text("path", value::old_path);
        let query = r.optional("query", value::old_query);
        let feed = r.text("feed", value::name);
        let formats = Format::ALL.map(|format| (format.extension(), format));
        let format = r.text("format", |text| value::choice(text, &formats));
        let ids = r.text("ids", |text| value::choice(text, &[("links", OldIds::Links), ("entries", OldIds::Entries)]));
        let cut_over = r.optional("cut_over", str::parse::<Day>);
        let origin = r.optional("origin", value::origin);
        if cut_over.is_some() && ids == Some(OldIds::Entries) {
            r.complain("cut_over", "has a meaning only with ids = \"links\"; remove one of them");
        }
        r.finish();
        let query = query.unwrap_or_default();
        Some(OldAddressSection { path: path?, query, feed: feed?, format: format?, ids: ids?, cut_over, origin })
    }

    /// Notes every section that does not exist.
    pub(super) fn finish(self) {
        let mut names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        names.extend([SOURCE, OLD_ADDRESS]);
        for (key, entry) in self.root {
            let what = if let Value::Table(_) | Value::Array(_) = entry.node.value {
                format!("[{key}]: unknown section; {}", remedy(&key, &names))
            } else {
                format!("{key}: stands before any section; put it under its [section]")
            };
            self.faults.push(Fault::new(entry.key, what));
        }
    }
}

/// One `[[email.relay]]`. Its address holds a password, which had better lie in a file of its own.
fn relay(r: &mut Reader<'_>, base: &Path) -> Option<RelaySection> {
    let plain = r.optional_secret("url", value::smtp_url);
    let read = |file: &str| {
        let text = std::fs::read_to_string(base.join(file))
            .map_err(|e| format!("cannot be read: {e}; name a text file that loa may read"))?;
        value::smtp_url(text.trim()).map_err(|why| format!("names a file whose address {why}"))
    };
    let from_file = r.optional("url_file", read);
    let weight = if r.has("weight") { r.integer("weight", 1..=1000) } else { Some(1) };
    let connections = r.optional_integer("connections", 1..=256);
    let rate = r.optional_integer("rate", 0..=100_000);
    let url = from_file.or(plain);
    if url.is_none() {
        r.complain("url", "missing; write url = \"smtp://host:25\", or url_file = \"/path\" if it holds a password");
    }
    Some(RelaySection { url: url?, weight: weight?, connections, rate })
}

/// One `[[email.dkim]]`. The key itself is read when mails are made.
fn dkim(r: &mut Reader<'_>, base: &Path) -> Option<DkimSection> {
    let place = r.place().clone();
    let selector = r.text("selector", value::host);
    let domain = r.optional("domain", value::host);
    let key = r.text("key", value::filled);
    Some(DkimSection { selector: selector?, domain, key: base.join(key?), place })
}
