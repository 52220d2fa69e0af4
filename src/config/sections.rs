//! The sections of the configuration, one type each. Never holds a default: those stand in `deploy/loa.toml` alone.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use url::Url;

use super::fault::{Fault, Place};
use super::secret::SecretUrl;
use super::value::Sender;
use crate::domain::digest::WeekTime;
use crate::domain::selection::day::Day;
use crate::domain::staging::Listed;
use crate::domain::subscriber::Locale;
use crate::domain::verp::Template;
use crate::feed::document::Format;
use crate::notify::inbound::lmtp::Address;
use crate::text::xml::XmlText;

/// The name of the section that may stand many times.
pub(super) const SOURCE: &str = "source";

/// The name of the other one: where feeds were found before.
pub(super) const OLD_ADDRESS: &str = "old_address";

/// Every other section with its keys.
pub(super) const SECTIONS: [(&str, &[&str]); 12] = [
    (
        "site",
        &[
            "title",
            "base_url",
            "authority",
            "language",
            "timezone",
            "production",
            "rights",
            "editor",
            "webmaster",
            "icon",
            "logo",
        ],
    ),
    ("web", &["listen", "admin", "workers", "trusted_proxies"]),
    ("store", &["url"]),
    ("feeds", &["dir", "each_category", "items"]),
    (
        "email",
        &[
            "transport",
            "url",
            "folder",
            "from",
            "reply_to",
            "connections",
            "rate",
            "hello",
            "only",
            "templates",
            "relay",
            "dkim",
        ],
    ),
    ("bounce", &["address", "maildir", "lmtp"]),
    ("digest", &["daily", "weekly"]),
    ("webhook", &["allow", "timeout"]),
    ("hub", &["enabled", "allow"]),
    ("ingest", &["max_new", "max_age", "byline_as_author", "agencies"]),
    ("retention", &["deliveries", "addresses"]),
    ("log", &["format", "level"]),
];

/// `[site]`: the portal that loa speaks for.
#[derive(Clone, Debug)]
pub struct SiteSection {
    /// Name as people read it.
    pub title: XmlText,
    /// Where loa is reached from outside; ends in `/`.
    pub base_url: Url,
    /// Authority of entry ids (RFC 4151).
    pub authority: String,
    /// Language of the portal.
    pub language: Locale,
    /// Zone of dates and digests.
    pub timezone: TimeZone,
    /// Whether mail goes to everyone; else only to those whom `[email] only` lists.
    pub production: bool,
    /// Whose the content is; may be empty.
    pub rights: XmlText,
    /// Who answers for the content, publicly.
    pub editor: Option<Sender>,
    /// Who answers for the technical side, publicly.
    pub webmaster: Option<Sender>,
    /// A small square picture.
    pub icon: Option<Url>,
    /// A picture twice as wide as high.
    pub logo: Option<Url>,
}

/// `[web]`: the server.
#[derive(Clone, Debug)]
pub struct WebSection {
    /// Where requests are taken.
    pub listen: SocketAddr,
    /// A second address for the operator alone, if any.
    pub admin: Option<SocketAddr>,
    /// Threads that answer; nothing means one for each processor.
    pub workers: Option<usize>,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// `[store]`: loa's own database.
#[derive(Clone, Debug)]
pub struct StoreSection {
    /// `sqlite://…` or `postgres://…`.
    pub url: SecretUrl,
}

/// `[feeds]`: what is published.
#[derive(Clone, Debug)]
pub struct FeedsSection {
    /// Folder of feed files.
    pub dir: PathBuf,
    /// Whether each visible category has a feed as well.
    pub each_category: bool,
    /// Articles in a feed document.
    pub items: u32,
}

/// `[[source]]`: a content store.
#[derive(Clone)]
pub struct SourceSection {
    /// Its name, unique; stands in article ids.
    pub name: String,
    /// What it is: `folder`, `joomla`, …
    pub kind: String,
    /// When it is polled: a cron line of six fields.
    pub poll: String,
    /// The keys of its kind; a relative `path` is already completed.
    pub settings: toml::Table,
    /// Where it stands.
    pub place: Place,
    pub(super) places: BTreeMap<String, Place>,
}

impl SourceSection {
    /// A fault of one of its settings (or of the whole), at its place in the file.
    #[must_use]
    pub fn fault(&self, key: Option<&str>, what: &str) -> Fault {
        let place = key.and_then(|key| self.places.get(key)).unwrap_or(&self.place).clone();
        let key = key.map(|key| format!(" {key}")).unwrap_or_default();
        Fault::new(place, format!("[[source]] \"{}\"{key}: {what}", self.name))
    }
}

/// Shows no setting: any of them may be a secret.
impl fmt::Debug for SourceSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.settings.keys().collect();
        f.debug_struct("SourceSection")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("poll", &self.poll)
            .field("settings", &keys)
            .finish_non_exhaustive()
    }
}

/// Which ids a document at an old address has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldIds {
    /// Those of every other document.
    Entries,
    /// The link, as the old feed had it.
    Links,
}

/// `[[old_address]]`: where a feed was found before loa, and is found for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldAddressSection {
    /// Path on the portal, beginning with `/`.
    pub path: String,
    /// Parameters that the address must have, whatever else it has.
    pub query: Vec<(String, String)>,
    /// The feed that answers.
    pub feed: String,
    /// In which format.
    pub format: Format,
    /// With which ids.
    pub ids: OldIds,
    /// From which day on new articles have the ids of every other document.
    pub cut_over: Option<Day>,
    /// Scheme and host that the old ids begin with, and the old address itself.
    pub origin: Option<Url>,
}

/// How mails leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Written to a folder, sent to nobody.
    Folder(PathBuf),
    /// Through a relay: `smtp://…` or `smtps://…`.
    Smtp(SecretUrl),
}

/// `[email]`: the relay and who the mails are from.
#[derive(Clone, Debug)]
pub struct EmailSection {
    /// How mails leave.
    pub transport: Transport,
    /// Who they are from.
    pub from: Sender,
    /// Where answers go, if not to `from`.
    pub reply_to: Option<Sender>,
    /// Connections to the relay, at most.
    pub connections: usize,
    /// Mails a second, at most; 0 is no limit.
    pub rate: u32,
    /// The name given in EHLO, if not the host of the site.
    pub hello: Option<String>,
    /// Where mails lie that are not sent.
    pub folder: Option<PathBuf>,
    /// Who gets mail outside production.
    pub only: Vec<Listed>,
    /// The operator's own templates.
    pub templates: Option<PathBuf>,
    /// Every `[[email.relay]]`; then `url` does not count.
    pub relays: Vec<RelaySection>,
    /// Every `[[email.dkim]]`.
    pub dkim: Vec<DkimSection>,
}

/// `[[email.relay]]`: one of several relays.
#[derive(Clone, Debug)]
pub struct RelaySection {
    /// `smtp://…` or `smtps://…`.
    pub url: SecretUrl,
    /// Its share of the mails.
    pub weight: u32,
    /// Connections to it, at most; nothing means as `[email]` says.
    pub connections: Option<usize>,
    /// Mails a second to it, at most; nothing means as `[email]` says.
    pub rate: Option<u32>,
}

/// `[[email.dkim]]`: one signature under every mail.
#[derive(Clone, Debug)]
pub struct DkimSection {
    /// Below which name in the domain the public key is published.
    pub selector: String,
    /// The domain that signs; nothing means that of `from`.
    pub domain: Option<String>,
    /// The PEM file of the private key.
    pub key: PathBuf,
    /// Where it stands, for faults of the key.
    pub place: Place,
}

/// `[bounce]`: where mails come back.
#[derive(Clone, Debug, Default)]
pub struct BounceSection {
    /// The form of their addresses; nothing: they come back to the sender's own address, and nobody reads them here.
    pub address: Option<Template>,
    /// A Maildir into which a mail server delivers them.
    pub maildir: Option<PathBuf>,
    /// Where loa takes them by LMTP.
    pub lmtp: Option<Address>,
}

/// `[digest]`: when digests are due.
#[derive(Clone, Debug)]
pub struct DigestSection {
    /// Hour of the daily one.
    pub daily: Time,
    /// Weekday and hour of the weekly one.
    pub weekly: WeekTime,
}

/// `[webhook]`: calls to endpoints.
#[derive(Clone, Debug)]
pub struct WebhookSection {
    /// Private networks that may be called all the same.
    pub allow: Vec<IpNet>,
    /// How long one call may take in all.
    pub timeout: Duration,
}

/// `[hub]`: WebSub.
#[derive(Clone, Debug)]
pub struct HubSection {
    /// Whether there is a hub.
    pub enabled: bool,
    /// Private networks whose callbacks are accepted.
    pub allow: Vec<IpNet>,
}

/// `[ingest]`: what is news.
#[derive(Clone, Debug)]
pub struct IngestSection {
    /// More new articles than this in one poll are held back.
    pub max_new: u32,
    /// Older articles are told to nobody.
    pub max_age: Duration,
    /// Whether the line that signs a text names its author where the source names none.
    pub byline_as_author: bool,
    /// Names of agencies as their tags are written; `*` stands for the rule of capitals.
    pub agencies: Vec<String>,
}

/// `[retention]`: how long things are kept.
#[derive(Clone, Debug)]
pub struct RetentionSection {
    /// Records of deliveries.
    pub deliveries: Duration,
    /// Addresses of people who follow nothing.
    pub addresses: Duration,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For a collector: one object a line.
    Json,
}

/// `[log]`: what is logged, and how.
#[derive(Clone, Debug)]
pub struct LogSection {
    /// The form.
    pub format: LogFormat,
    /// Level, or directives such as `info,loa::work=debug`.
    pub level: String,
}
