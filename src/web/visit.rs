//! Who asks, as far as an answer depends on it: in which language, from which address. Keeps nothing about anybody.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT_LANGUAGE;
use ipnet::IpNet;
use url::form_urlencoded;

use crate::domain::subscriber::Locale;

/// The language of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The language.
    pub locale: Locale,
    /// Whether the address asked for it: then the links of the page ask for it too.
    pub chosen: bool,
}

impl Visit {
    /// The language that the address asks for (`?lang=`), else the browser, else the site's.
    #[must_use]
    pub fn of(req: &HttpRequest, site: Locale) -> Self {
        chosen(req).map_or_else(
            || {
                let header = req.headers().get(ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
                Self { locale: header.and_then(preferred).unwrap_or(site), chosen: false }
            },
            |locale| Self { locale, chosen: true },
        )
    }

    /// For a page about one person: the language that the address asks for, else the person's own.
    #[must_use]
    pub fn of_person(req: &HttpRequest, person: Locale) -> Self {
        chosen(req).map_or(Self { locale: person, chosen: false }, |locale| Self { locale, chosen: true })
    }
}

/// The value of one query parameter.
#[must_use]
pub fn query(req: &HttpRequest, name: &str) -> Option<String> {
    form_urlencoded::parse(req.query_string().as_bytes()).find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
}

fn chosen(req: &HttpRequest) -> Option<Locale> {
    match query(req, "lang")?.as_str() {
        "vi" => Some(Locale::Vi),
        "en" => Some(Locale::En),
        _ => None,
    }
}

/// The first of our languages in an `Accept-Language` (RFC 9110 §12.5.4), by weight.
fn preferred(header: &str) -> Option<Locale> {
    let mut best: Option<(f32, Locale)> = None;
    for part in header.split(',').take(20) {
        let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok()).unwrap_or(0.0);
        let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
        let locale = match primary.as_str() {
            "vi" => Locale::Vi,
            "en" => Locale::En,
            _ => continue,
        };
        if weight > 0.0 && best.is_none_or(|(w, _)| weight > w) {
            best = Some((weight, locale));
        }
    }
    best.map(|(_, locale)| locale)
}

/// The address of whoever asks: the nearest one in `X-Forwarded-For` that is not one of our proxies, and only if the
/// connection itself comes from one.
#[must_use]
pub fn client_address(req: &HttpRequest, proxies: &[IpNet]) -> Option<IpAddr> {
    let peer = req.peer_addr()?.ip().to_canonical();
    let forwarded: Vec<&str> =
        req.headers().get_all("x-forwarded-for").filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).collect();
    Some(behind(peer, &forwarded, proxies))
}

fn behind(peer: IpAddr, forwarded: &[&str], proxies: &[IpNet]) -> IpAddr {
    let ours = |ip: &IpAddr| proxies.iter().any(|net| net.contains(ip));
    let mut nearest = peer;
    for hop in forwarded.iter().rev().map(|hop| hop.trim()) {
        if !ours(&nearest) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(ip) => nearest = ip.to_canonical(),
            Err(_) => break,
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_of_our_languages_wins() {
        assert_eq!(preferred("fr, en;q=0.5, vi;q=0.8"), Some(Locale::Vi));
        assert_eq!(preferred("en-GB,en;q=0.9"), Some(Locale::En));
        assert_eq!(preferred("vi;q=0, en;q=0.1"), Some(Locale::En));
        assert_eq!(preferred("fr, *;q=0.1"), None);
    }

    #[test]
    fn a_forwarded_address_counts_only_behind_a_proxy_of_ours() {
        let ip = |s: &str| s.parse::<IpAddr>().expect("an address");
        let proxies: Vec<IpNet> = vec!["127.0.0.0/8".parse().expect("a net"), "10.0.0.0/8".parse().expect("a net")];
        assert_eq!(behind(ip("127.0.0.1"), &["203.0.113.9"], &proxies), ip("203.0.113.9"));
        assert_eq!(behind(ip("127.0.0.1"), &["198.51.100.1", "203.0.113.9", "10.0.0.1"], &proxies), ip("203.0.113.9"));
        assert_eq!(behind(ip("203.0.113.9"), &["198.51.100.1"], &proxies), ip("203.0.113.9"));
        assert_eq!(behind(ip("127.0.0.1"), &["nonsense"], &proxies), ip("127.0.0.1"));
        assert_eq!(behind(ip("127.0.0.1"), &["203.0.113.9"], &[]), ip("127.0.0.1"));
    }
}
