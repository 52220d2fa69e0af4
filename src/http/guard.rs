//! Which addresses loa may call: public ones, and private ones that an operator named exactly. One guard for saving an
//! endpoint, for testing it and for every connection. It knows no off switch and asks no name server.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use url::{Host, Url};

use super::address::{is_public, meant};

/// Ports that any endpoint may use; others only where every address is in the allow-list.
pub const PORTS: [u16; 3] = [80, 443, 8443];

/// Why a target is refused. `Display` is for the operator; the owner of an endpoint is told only what
/// [`super::fault::Fault::explain`] says, so that nobody can map a network by saving endpoints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The address is not of the form that loa calls.
    #[error("the address {0}")]
    Form(&'static str),
    /// A port outside [`PORTS`].
    #[error("port {0} is none of 80, 443, 8443; to permit it, put the network of the target in the allow-list")]
    Port(u16),
    /// A name of this machine, of the local network or of loa itself.
    #[error("the name {0} is local or our own; to permit it, put the network of the target in the allow-list")]
    Name(String),
    /// An address that is not public.
    #[error("{0} is not a public address; to permit it, put its network in the allow-list")]
    Address(IpAddr),
}

/// Decides which addresses may be called.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allow: Vec<IpNet>,
    own_hosts: Vec<String>,
    nat64: Vec<Ipv6Net>,
}

/// A target whose address is well-formed; what is left is to vet the addresses that its host leads to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub host: Host<String>,
    pub port: u16,
    pub tls: bool,
    /// Set when the target is refused unless every address is in the allow-list.
    only_allowed: Option<Refusal>,
}

impl Guard {
    /// A guard that permits public addresses, and those in `allow`, except for names in `own_hosts` (the hosts under
    /// which loa itself is reached). Networks of `allow` that are [`too_wide`] are left out and said in the log: an
    /// allow-list is no off switch.
    #[must_use]
    pub fn new(allow: Vec<IpNet>, own_hosts: Vec<String>) -> Self {
        let (wide, allow): (Vec<_>, Vec<_>) = allow.into_iter().partition(too_wide);
        for net in wide {
            tracing::error!(%net, "this network of the allow-list is too wide and is ignored; name the targets exactly");
        }
        let own_hosts = own_hosts.into_iter().map(|host| plain_name(&host)).collect();
        Self { allow, own_hosts, nat64: Vec::new() }
    }

    /// The same guard in a network that reaches IPv4 through these NAT64 prefixes (RFC 6052 §2.2): addresses in them
    /// are judged by the IPv4 address that they hold. The well-known `64:ff9b::/96` needs no naming.
    #[must_use]
    pub fn with_nat64(mut self, prefixes: Vec<Ipv6Net>) -> Self {
        self.nat64 = prefixes;
        self
    }

    /// Whether this URL may be called, as far as can be told without asking a name server. A name that passes here is
    /// vetted again, with all its addresses, by [`super::client::Client::vet`] and at every connection.
    ///
    /// # Errors
    /// [`Refusal`] says why not, for the operator.
    pub fn vet_url(&self, url: &Url) -> Result<(), Refusal> {
        let target = self.target(url)?;
        match target.host {
            Host::Ipv4(ip) => self.vet_answer(&target, &[ip.into()]),
            Host::Ipv6(ip) => self.vet_answer(&target, &[ip.into()]),
            Host::Domain(_) => match target.only_allowed {
                Some(refusal) if self.allow.is_empty() => Err(refusal),
                _ => Ok(()),
            },
        }
    }

    /// Whether this address may be called: it is public, or in the allow-list. An IPv6 address that stands for an IPv4
    /// one is judged by that one.
    #[must_use]
    pub fn vet_addr(&self, ip: IpAddr) -> bool {
        self.allows(ip) || is_public(meant(ip, &self.nat64))
    }

    /// Everything about a URL that does not need its addresses.
    pub(super) fn target(&self, url: &Url) -> Result<Target, Refusal> {
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(Refusal::Form("begins with neither https:// nor http://")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Form("carries a user name or password"));
        }
        if url.fragment().is_some() {
            return Err(Refusal::Form("carries a fragment (#…)"));
        }
        // `url` has by now turned decimal, octal, hexadecimal, full-width and shortened IPv4 into Host::Ipv4.
        let host = url.host().ok_or(Refusal::Form("has no host"))?.to_owned();
        let port = url.port_or_known_default().ok_or(Refusal::Form("has no port"))?;
        let only_allowed = match &host {
            Host::Domain(name) if self.is_local_name(name) => Some(Refusal::Name(plain_name(name))),
            _ if !PORTS.contains(&port) => Some(Refusal::Port(port)),
            _ => None,
        };
        Ok(Target { host, port, tls, only_allowed })
    }

    /// Whether all of these addresses, the whole answer of a name server, may be called for this target. One bad
    /// address rejects the name: picking the good ones would let its owner decide by timing which one is called.
    pub(super) fn vet_answer(&self, target: &Target, answer: &[IpAddr]) -> Result<(), Refusal> {
        if let Some(ip) = answer.iter().find(|ip| !self.vet_addr(**ip)) {
            return Err(Refusal::Address(*ip));
        }
        match &target.only_allowed {
            Some(refusal) if !answer.iter().all(|ip| self.allows(*ip)) => Err(refusal.clone()),
            _ => Ok(()),
        }
    }

    fn allows(&self, ip: IpAddr) -> bool {
        let ip = meant(ip, &self.nat64);
        self.allow.iter().any(|net| net.contains(&ip))
    }

    fn is_local_name(&self, name: &str) -> bool {
        let name = plain_name(name);
        let last = name.rsplit('.').next().unwrap_or_default();
        matches!(last, "localhost" | "local" | "internal") || self.own_hosts.contains(&name)
    }
}

/// Whether a network is too wide for an allow-list: shorter than /8 for IPv4, than /7 for IPv6 (`fc00::/7` is the
/// widest private one).
#[must_use]
pub const fn too_wide(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.prefix_len() < 8,
        IpNet::V6(net) => net.prefix_len() < 7,
    }
}

/// A host name as it is compared: lower case, without the dot of the root.
fn plain_name(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn vet(guard: &Guard, url: &str) -> Result<(), Refusal> {
        guard.vet_url(&Url::parse(url).expect("a URL"))
    }

    #[test]
    fn what_is_not_a_plain_http_address_is_refused() {
        let guard = Guard::default();
        for bad in [
            "ftp://example.vn/",
            "file:///etc/passwd",
            "gopher://example.vn/",
            "https://ten@example.vn/",
            "https://ten:mat-khau@example.vn/",
            "https://:mat-khau@example.vn/",
            "https://example.vn/#phan",
            "https://example.vn:22/",
            "https://example.vn:8080/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://may-in.local/",
            "http://metadata.google.internal/",
            "http://metadata.google.internal./",
        ] {
            assert!(vet(&guard, bad).is_err(), "{bad}");
        }
        for good in [
            "https://example.vn/nhan-tin?khoa=1",
            "http://example.vn/",
            "https://example.vn:8443/",
            "http://example.vn:443/",
            "https://example.vn./",
            "https://xn--bcher-kva.example/",
            "https://8.8.8.8/",
            "https://[2400:cb00::1]/",
            "https://localhost.example.vn/",
            "https://internal.example.vn/",
        ] {
            assert_eq!(vet(&guard, good), Ok(()), "{good}");
        }
    }

    #[test]
    fn every_spelling_of_a_loopback_address_is_refused() {
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.0x1",
            "１２７.０.０.１",
            "127。0。0。1",
            "%31%32%37.0.0.1",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "0",
            "0.0.0.0",
            "[::]",
        ] {
            let url = Url::parse(&format!("http://{host}/")).expect(host);
            assert!(matches!(Guard::default().vet_url(&url), Err(Refusal::Address(_))), "{host} is {url}");
        }
    }

    #[test]
    fn the_allow_list_opens_exactly_the_networks_it_names_and_any_port_there() {
        let guard = Guard::new(vec!["10.20.0.0/16".parse().expect("a network")], vec![]);
        assert_eq!(vet(&guard, "http://10.20.0.9:9000/"), Ok(()));
        assert_eq!(vet(&guard, "http://[::ffff:10.20.0.9]:9000/"), Ok(()));
        assert!(vet(&guard, "http://10.21.0.9/").is_err());
        assert!(vet(&guard, "http://127.0.0.1/").is_err());
        assert_eq!(vet(&guard, "https://8.8.8.8:9000/"), Err(Refusal::Port(9000)));
    }

    #[test]
    fn an_allow_list_that_would_open_everything_opens_nothing() {
        let nets = ["0.0.0.0/0", "::/0", "128.0.0.0/1", "2000::/3", "::ffff:0:0/96"];
        let guard = Guard::new(nets.iter().map(|net| net.parse().expect("a network")).collect(), vec![]);
        for bad in ["127.0.0.1", "192.168.1.1", "::1", "2001:db8::1", "::ffff:127.0.0.1"] {
            assert!(!guard.vet_addr(ip(bad)), "{bad}");
        }
    }

    #[test]
    fn our_own_names_and_local_names_need_every_address_in_the_allow_list() {
        let guard = Guard::new(vec!["10.0.0.0/8".parse().expect("a network")], vec!["Loa.Example.VN".into()]);
        for name in ["loa.example.vn", "LOA.example.vn.", "cong.internal", "localhost"] {
            let target = guard.target(&Url::parse(&format!("https://{name}/")).expect("a URL")).expect("well-formed");
            assert_eq!(guard.vet_answer(&target, &[ip("10.1.1.1")]), Ok(()), "{name}");
            assert!(matches!(guard.vet_answer(&target, &[ip("8.8.8.8")]), Err(Refusal::Name(_))), "{name}");
            assert!(guard.vet_answer(&target, &[ip("10.1.1.1"), ip("8.8.8.8")]).is_err(), "{name}");
        }
        assert!(vet(&Guard::new(vec![], vec!["loa.example.vn".into()]), "https://loa.example.vn/").is_err());
    }

    #[test]
    fn one_bad_address_in_an_answer_rejects_the_name() {
        let guard = Guard::default();
        let target = guard.target(&Url::parse("https://example.vn/").expect("a URL")).expect("well-formed");
        assert_eq!(guard.vet_answer(&target, &[ip("8.8.8.8"), ip("2400:cb00::1")]), Ok(()));
        assert_eq!(
            guard.vet_answer(&target, &[ip("8.8.8.8"), ip("::ffff:10.0.0.1")]),
            Err(Refusal::Address(ip("::ffff:10.0.0.1")))
        );
    }
}
