//! What texts in the configuration mean: durations, addresses, networks, cron lines. Each parser ends the sentence
//! "(the value) …" when it refuses, and names the remedy. Never shows the value itself.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use croner::parser::{CronParser, Seconds};
use ipnet::IpNet;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::fault::remedy;
use super::secret::SecretUrl;
use crate::domain::digest::{WeekTime, parse_time};
use crate::domain::subscriber::{EmailAddress, Locale};
use crate::http::guard::too_wide;

/// Who a mail is from: a name that people see and an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The name; may be empty.
    pub name: String,
    /// The address.
    pub address: EmailAddress,
}

/// Any text with something in it.
pub(super) fn filled(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("says nothing; write something".into());
    }
    Ok(text.to_owned())
}

/// One word of a few.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&'static str, T)]) -> Result<T, String> {
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    choices
        .iter()
        .find(|(word, _)| *word == text)
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| format!("is none of {}; {}", words.join(", "), remedy(text, &words)))
}

/// The portal's language.
pub(super) fn language(text: &str) -> Result<Locale, String> {
    choice(text, &[("vi", Locale::Vi), ("en", Locale::En)])
}

/// `500ms`, `15s`, `10m`, `12h`, `7d`, `2w`, and several of them together, the greatest first: `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "is no duration; write a number and a unit (ms, s, m, h, d, w) such as \"15s\" or \"7d\"".to_owned();
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let count: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let millis: u64 = match &rest[..unit] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return Err(wrong()),
        };
        rest = &rest[unit..];
        let part = count.checked_mul(millis).map(Duration::from_millis);
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
    }
    if total.is_zero() {
        return Err(wrong());
    }
    Ok(total)
}

/// Where people reach loa: http or https, nothing behind the path, which ends in a slash.
pub(super) fn base_url(text: &str) -> Result<Url, String> {
    let example = "write one such as \"https://bantin.example.vn/\"";
    let mut url = Url::parse(text).map_err(|e| format!("is no address ({e}); {example}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("is not reached by http or https; {example}"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("has something behind its path; {example}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("has an account in it, which would stand in every feed; {example}"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// Scheme and host of a site, without a path.
pub(super) fn origin(text: &str) -> Result<Url, String> {
    let url = base_url(text)?;
    if url.path() != "/" {
        return Err("has a path; write scheme and host alone, such as \"https://tinhuy.example.vn\"".into());
    }
    Ok(url)
}

/// The path of an old address.
pub(super) fn old_path(text: &str) -> Result<String, String> {
    let example = "write one such as \"/index.php/tin-tuc\"";
    if !text.starts_with('/') || text.contains(char::is_whitespace) {
        return Err(format!("is no path that begins with /; {example}"));
    }
    if text.contains(['?', '#']) {
        return Err(format!("has a query; {example}, and put what follows the ? under query"));
    }
    Ok(text.to_owned())
}

/// The query of an old address: names and values that must be there.
pub(super) fn old_query(text: &str) -> Result<Vec<(String, String)>, String> {
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(text.trim_start_matches('?').as_bytes()).into_owned().collect();
    if pairs.iter().any(|(name, _)| name.is_empty()) {
        return Err("is no query; write one such as \"format=feed&type=rss\"".into());
    }
    Ok(pairs)
}

/// The authority of tag URIs (RFC 4151 §2.1): a domain or a mail address, a comma, and a year, month or day.
pub(super) fn authority(text: &str) -> Result<String, String> {
    let wrong =
        |what: &str| format!("{what}; write a domain that was yours on a day, and that day: \"example.vn,2021\"");
    let (name, date) = text.split_once(',').ok_or_else(|| wrong("has no comma and date"))?;
    let domain = name.split_once('@').map_or(name, |(_, domain)| domain);
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let address = !name.contains('@') || EmailAddress::parse(name).is_ok();
    if !address || !domain.contains('.') || !domain.split('.').all(label) {
        return Err(wrong("does not begin with a domain name in lower case"));
    }
    // A year alone means its first of January, a month its first day.
    let full = match date.len() {
        4 => format!("{date}-01-01"),
        7 => format!("{date}-01"),
        _ => date.to_owned(),
    };
    if full.len() != 10 || Date::from_str(&full).is_err() {
        return Err(wrong("does not end in a year, a month or a day (2021, 2021-05, 2021-05-19)"));
    }
    Ok(text.to_owned())
}

/// An IANA time zone.
pub(super) fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| "is no IANA time zone; write one such as \"Asia/Ho_Chi_Minh\"".into())
}

/// Address and port to listen on.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "is no IP address and port; write one such as \"127.0.0.1:8080\" or \"[::1]:8080\"".into())
}

/// A network in CIDR, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let one = text.parse::<IpAddr>().map(IpNet::from);
    let net = one.or_else(|_| text.parse::<IpNet>());
    net.map(|net| net.trunc()).map_err(|_| "is no network; write one in CIDR such as \"10.20.30.0/24\"".into())
}

/// A network whose addresses loa may call although they are not public.
pub(super) fn allowed_network(text: &str) -> Result<IpNet, String> {
    let net = network(text)?;
    if too_wide(&net) {
        return Err("is too wide: it would open all that it is there to close; name the targets, as narrowly as \
                    possible"
            .into());
    }
    Ok(net)
}

/// A cron line of six fields, read exactly as the scheduler reads it.
pub(super) fn cron(text: &str) -> Result<String, String> {
    let parser = CronParser::builder().seconds(Seconds::Required).dom_and_dow(true).build();
    parser.parse(text).map(|_| text.to_owned()).map_err(|e| {
        let why = e.to_string();
        let why = why.trim_end_matches('.');
        format!(
            "is no cron line ({why}); write six fields (second minute hour day month weekday) such as \"0 * * * * *\" \
             for once a minute"
        )
    })
}

/// An hour of the day.
pub(super) fn hour(text: &str) -> Result<Time, String> {
    parse_time(text).map_err(|_| "is no hour of the day; write one such as \"07:00\"".into())
}

/// A weekday and an hour.
pub(super) fn week_time(text: &str) -> Result<WeekTime, String> {
    text.parse().map_err(|_| "is no weekday and hour; write them such as \"mon 07:00\"".into())
}

/// loa's own database. A relative SQLite file is meant from `base`.
pub(super) fn store_url(text: &str, base: &Path) -> Result<SecretUrl, String> {
    let example = "write \"sqlite://var/loa.db\" or \"postgres://user:password@host/database\"";
    let Some(rest) = text.strip_prefix("sqlite:") else {
        return url_of(text, &["postgres", "postgresql"], example);
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.starts_with('?') {
        return Err(format!("names no file; {example}"));
    }
    if path.starts_with([':', '/']) {
        return Ok(SecretUrl::new(text.to_owned()));
    }
    // The driver decodes percent signs, so those of the folder's own name are written as such.
    let base = base.join("").to_string_lossy().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    Ok(SecretUrl::new(format!("sqlite://{base}{path}")))
}

/// The mail relay.
pub(super) fn smtp_url(text: &str) -> Result<SecretUrl, String> {
    let example = "write \"smtp://host:25\" or \"smtps://user:password@host:465\"";
    url_of(text, &["smtp", "smtps"], example)
}

fn url_of(text: &str, schemes: &[&str], example: &str) -> Result<SecretUrl, String> {
    // url's own error texts never quote the address, so no password comes out here.
    let url = Url::parse(text).map_err(|e| format!("is no address ({e}); {example}"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!("does not begin with {}://; {example}", schemes.join(":// or ")));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("names no host; {example}"));
    }
    Ok(SecretUrl::new(text.to_owned()))
}

/// `Name <address>` or an address alone.
pub(super) fn sender(text: &str) -> Result<Sender, String> {
    let example = "write it as \"Bản tin <bantin@example.vn>\"";
    if text.chars().any(char::is_control) {
        return Err(format!("holds a line break or another control character; {example}"));
    }
    let (name, address) = match text.split_once('<') {
        Some((name, rest)) => {
            (name.trim(), rest.strip_suffix('>').ok_or_else(|| format!("has no closing \">\"; {example}"))?)
        }
        None => ("", text),
    };
    let address = EmailAddress::parse(address).map_err(|e| format!("is no mail address: {e}; {example}"))?;
    Ok(Sender { name: name.trim_matches('"').to_owned(), address })
}

/// The public address of a picture.
pub(super) fn picture(text: &str) -> Result<Url, String> {
    let example = "write the whole address, such as \"https://example.vn/images/logo.png\"";
    let url = Url::parse(text).map_err(|e| format!("is no address ({e}); {example}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("does not begin with https:// or http://; {example}"));
    }
    Ok(url)
}

/// A host name for EHLO.
pub(super) fn host(text: &str) -> Result<String, String> {
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) => Ok(name),
        _ => Err("is no host name; write one such as \"bantin.example.vn\", or leave it empty".into()),
    }
}

/// A name that stands in addresses and ids: lower-case ASCII letters, digits and single hyphens inside.
pub(super) fn name(text: &str) -> Result<String, String> {
    let part = |p: &str| !p.is_empty() && p.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if text.split('-').all(part) && text.len() <= 100 {
        return Ok(text.to_owned());
    }
    Err("is no name for addresses; use only a-z, 0-9 and single hyphens between them, at most 100 characters".into())
}

/// What is logged: a level, or directives such as `info,loa::work=debug`.
pub(super) fn level(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    // A misspelt level would be taken for the name of a module, and nothing would be logged.
    let bare = text.split(',').map(str::trim).find(|part| !part.contains('=') && !LEVELS.contains(part));
    if let Some(word) = bare {
        return Err(format!("holds {word:?}, which is no level; {}", remedy(word, &LEVELS)));
    }
    EnvFilter::builder()
        .parse(text)
        .map(|_| text.to_owned())
        .map_err(|e| format!("is no log level ({e}); write one such as \"info\" or \"info,loa::work=debug\""))
}
