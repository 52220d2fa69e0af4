//! Guards at the doors: how often one address may knock, and whether a form was sent from our own page. In memory, of
//! bounded size; a restart forgets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::ORIGIN;
use url::Url;

use crate::clock::Timestamp;

/// Knocks that one address has at once. An office of many people may share an address.
const BURST: u32 = 20;

/// How long until one more is granted.
const REFILL: Duration = Duration::from_secs(15);

/// Addresses remembered at most.
const MOST: usize = 20_000;

/// Counts knocks by client address (an IPv6 client is its /64: it has them all).
#[derive(Debug, Default)]
pub struct Limiter(Mutex<HashMap<IpAddr, Bucket>>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u32,
    since: Timestamp,
}

impl Bucket {
    fn at(self, now: Timestamp) -> Self {
        let whole = now.since(self.since).as_millis() / REFILL.as_millis();
        let gained = u32::try_from(whole).unwrap_or(u32::MAX);
        if self.left.saturating_add(gained) >= BURST {
            return Self { left: BURST, since: now };
        }
        Self { left: self.left + gained, since: self.since.plus(REFILL * gained) }
    }
}

impl Limiter {
    /// Lets one knock in, or answers how many seconds to wait.
    pub fn knock(&self, from: IpAddr, now: Timestamp) -> Result<(), u64> {
        let from = network(from);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST && !buckets.contains_key(&from) {
            buckets.retain(|_, bucket| bucket.at(now).left < BURST);
            if buckets.len() >= MOST {
                // A flood from everywhere: better to forget than to grow or to lock everyone out.
                buckets.clear();
            }
        }
        let bucket = buckets.entry(from).or_insert(Bucket { left: BURST, since: now });
        *bucket = bucket.at(now);
        if bucket.left == 0 {
            let wait = REFILL.saturating_sub(now.since(bucket.since));
            return Err(wait.as_secs().max(1));
        }
        bucket.left -= 1;
        Ok(())
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Whether a form comes from a page of another site, by what browsers say of themselves. Programs say nothing and pass:
/// nobody is signed in here but operators, and their forms carry a token besides.
#[must_use]
pub fn is_foreign(req: &HttpRequest, base: &Url) -> bool {
    let header = |name: &str| req.headers().get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = header("sec-fetch-site") {
        return site == "cross-site";
    }
    match header(ORIGIN.as_str()) {
        // Pages that send no referrer send no origin either.
        None | Some("null") => false,
        Some(origin) => {
            let host = header("host").unwrap_or_default();
            let same_host = origin.split_once("://").is_some_and(|(_, authority)| authority == host);
            origin != base.origin().ascii_serialization() && !same_host
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_knocks_too_often_waits_and_is_then_let_in() {
        let limiter = Limiter::default();
        let (me, other) = (IpAddr::from([203, 0, 113, 9]), IpAddr::from([203, 0, 113, 10]));
        let now = Timestamp::from_millis(1_000_000);
        assert!((0..BURST).all(|_| limiter.knock(me, now).is_ok()));
        assert_eq!(limiter.knock(me, now), Err(15));
        assert_eq!(limiter.knock(me, now.plus(Duration::from_secs(10))), Err(5));
        assert_eq!(limiter.knock(other, now), Ok(()));
        assert_eq!(limiter.knock(me, now.plus(Duration::from_secs(15))), Ok(()));
        assert!(limiter.knock(me, now.plus(Duration::from_secs(15))).is_err());
    }

    #[test]
    fn a_whole_network_of_version_six_counts_as_one() {
        let limiter = Limiter::default();
        let now = Timestamp::from_millis(0);
        for n in 0..u16::try_from(BURST).expect("small") {
            assert!(limiter.knock(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]), now).is_ok());
        }
        assert!(limiter.knock(IpAddr::from([0x2001, 0xdb8, 0, 1, 9, 9, 9, 9]), now).is_err());
    }

    #[test]
    fn the_memory_of_knocks_is_bounded() {
        let limiter = Limiter::default();
        let now = Timestamp::from_millis(0);
        for n in 0..30_000_u32 {
            let _ = limiter.knock(IpAddr::from(n.to_be_bytes()), now);
        }
        assert!(limiter.0.lock().expect("not poisoned").len() <= MOST);
    }

    #[test]
    fn only_a_form_of_another_site_is_foreign() {
        let base = Url::parse("https://tin.example.vn/").expect("a URL");
        let foreign = |headers: &[(&'static str, &'static str)]| {
            let mut req = actix_web::test::TestRequest::post().uri("/subscribe");
            for header in headers {
                req = req.insert_header(*header);
            }
            is_foreign(&req.to_http_request(), &base)
        };
        assert!(foreign(&[("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[("origin", "https://other.example")]));
        assert!(!foreign(&[("origin", "https://tin.example.vn")]));
        assert!(!foreign(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")]));
        assert!(!foreign(&[("origin", "null"), ("sec-fetch-site", "same-origin")]));
        assert!(!foreign(&[("sec-fetch-site", "same-site")]));
        assert!(!foreign(&[]));
    }
}
