//! Which addresses are the public Internet, and which IPv4 address an IPv6 one stands for. Tables and arithmetic only:
//! nothing here knows an allow-list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

/// IPv4 that is not the public Internet (IANA IPv4 Special-Purpose Address Registry, and 192.88.99.0/24 of RFC 7526).
const NOT_PUBLIC_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The only IPv6 that is public (RFC 4291 §2.4, IANA): everything else is refused without being named.
const PUBLIC_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Parts of `2000::/3` that are not public, or that lead to an IPv4 address of the sender's choice: IETF protocol
/// assignments with Teredo and ORCHID, documentation, 6to4, documentation again (RFC 9637).
const NOT_PUBLIC_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The well-known NAT64 prefix (RFC 6052 §2.1).
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Whether the address is on the public Internet. An IPv6 address that holds an IPv4 one (mapped, compatible, SIIT,
/// Teredo, 6to4, NAT64) is not; [`meant`] first unwraps those that are to be judged by what they hold.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !NOT_PUBLIC_V4.iter().any(|(net, len)| same_start(net.octets(), ip.octets(), *len)),
        IpAddr::V6(ip) => {
            same_start(PUBLIC_V6.0.octets(), ip.octets(), PUBLIC_V6.1)
                && !NOT_PUBLIC_V6.iter().any(|(net, len)| same_start(net.octets(), ip.octets(), *len))
        }
    }
}

/// The address that a packet to this one ends at: the embedded IPv4 where the machine (mapped) or the network (NAT64,
/// with the operator's own prefixes beside the well-known one) translates, else itself.
pub(super) fn meant(ip: IpAddr, nat64: &[Ipv6Net]) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return v4.into();
    }
    let prefix = nat64.iter().chain([&NAT64]).find(|prefix| prefix.contains(&v6));
    prefix.map_or(ip, |prefix| embedded(v6, prefix.prefix_len()).into())
}

fn same_start<const N: usize>(a: [u8; N], b: [u8; N], bits: u8) -> bool {
    let bits = usize::from(bits);
    let (whole, rest) = (bits / 8, bits % 8);
    a[..whole] == b[..whole] && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0)
}

/// The IPv4 address inside a NAT64 one (RFC 6052 §2.2): it follows the prefix, and steps over bits 64–71.
fn embedded(ip: Ipv6Addr, prefix_len: u8) -> Ipv4Addr {
    let octets = ip.octets();
    let mut after = octets.iter().enumerate().skip(usize::from(prefix_len) / 8).filter(|(at, _)| *at != 8);
    let v4 = std::array::from_fn(|_| after.next().map_or(0, |(_, octet)| *octet));
    Ipv4Addr::from(v4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(nat64: &[Ipv6Net], ip: &str) -> bool {
        is_public(meant(ip.parse().expect("an address"), nat64))
    }

    #[test]
    fn the_first_and_last_address_of_every_refused_network_is_refused_and_its_neighbours_are_not() {
        for (first, last) in [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "239.255.255.255"),
            ("240.0.0.0", "255.255.255.255"),
        ] {
            assert!(!public(&[], first), "{first}");
            assert!(!public(&[], last), "{last}");
        }
        for good in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
        ] {
            assert!(public(&[], good), "{good}");
        }
    }

    #[test]
    fn only_global_unicast_ipv6_is_public_and_not_all_of_it() {
        for bad in [
            "::",
            "::1",
            "::7f00:1",
            "::8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b:1::808:808",
            "100::1",
            "1fff:ffff::1",
            "2001::1",
            "2001:1ff:ffff::1",
            "2001:20::1",
            "2001:db8::1",
            "2001:db8:ffff::1",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff:ffff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!public(&[], bad), "{bad}");
        }
        for good in ["2001:200::1", "2001:db7::1", "2001:db9::1", "2003::1", "2400:cb00::1", "3fff:1000::1", "3ffe::1"]
        {
            assert!(public(&[], good), "{good}");
        }
    }

    #[test]
    fn mapped_and_translated_addresses_are_judged_by_the_ipv4_inside() {
        assert!(public(&[], "::ffff:8.8.8.8"));
        assert!(public(&[], "64:ff9b::8.8.8.8"));
        assert!(!public(&[], "::ffff:169.254.169.254"));
        assert!(!public(&[], "64:ff9b::169.254.169.254"));
    }

    #[test]
    fn an_operators_nat64_prefix_is_decoded_at_every_length_of_rfc_6052() {
        // RFC 6052 §2.4, the table of examples for 192.0.2.33, which is not public; and 8.8.8.33 in its place.
        for (prefix, bad, good) in [
            ("2a01:db8::/32", "2a01:db8:c000:221::", "2a01:db8:808:821::"),
            ("2a01:db8:100::/40", "2a01:db8:1c0:2:21::", "2a01:db8:108:808:21::"),
            ("2a01:db8:122::/48", "2a01:db8:122:c000:2:2100::", "2a01:db8:122:808:8:2100::"),
            ("2a01:db8:122:300::/56", "2a01:db8:122:3c0:0:221::", "2a01:db8:122:308:8:821::"),
            ("2a01:db8:122:344::/64", "2a01:db8:122:344:c0:2:2100::", "2a01:db8:122:344:8:808:2100::"),
            ("2a01:db8:122:344::/96", "2a01:db8:122:344::192.0.2.33", "2a01:db8:122:344::8.8.8.33"),
        ] {
            let prefixes: [Ipv6Net; 1] = [prefix.parse().expect("a prefix")];
            assert!(!public(&prefixes, bad), "{bad}");
            assert!(public(&prefixes, good), "{good}");
            assert!(public(&[], bad), "without the prefix {bad} is any address");
        }
    }
}
