//! Laws: no spelling of an address gets past the guard.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use url::Url;

use super::guard;

/// An IPv4 address in one of the networks that are not public.
fn blocked_v4() -> impl Strategy<Value = Ipv4Addr> {
    let networks = [
        ("0.0.0.0", 8),
        ("10.0.0.0", 8),
        ("100.64.0.0", 10),
        ("127.0.0.0", 8),
        ("169.254.0.0", 16),
        ("172.16.0.0", 12),
        ("192.0.0.0", 24),
        ("192.0.2.0", 24),
        ("192.88.99.0", 24),
        ("192.168.0.0", 16),
        ("198.18.0.0", 15),
        ("198.51.100.0", 24),
        ("203.0.113.0", 24),
        ("224.0.0.0", 4),
        ("240.0.0.0", 4),
    ];
    (proptest::sample::select(networks.to_vec()), any::<u32>()).prop_map(|((start, bits), rest)| {
        let start: Ipv4Addr = start.parse().expect("an address");
        Ipv4Addr::from_bits(start.to_bits() | (rest & (u32::MAX >> bits)))
    })
}

/// Every IPv6 address that holds an IPv4 one by some RFC, whoever would translate it.
fn embeddings(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = v4.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    vec![
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low), // mapped, RFC 4291 §2.5.5.2
        Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),      // compatible, RFC 4291 §2.5.5.1
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low), // SIIT, RFC 2765
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low), // NAT64, RFC 6052
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low), // local NAT64, RFC 8215
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1), // 6to4, RFC 3056
        Ipv6Addr::new(0x2001, 0, high, low, 0, 0, 1, 1), // Teredo server, RFC 4380
        Ipv6Addr::new(0x2001, 0, 1, 1, 0, 0, !high, !low), // Teredo client, RFC 4380
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x5efe, high, low), // ISATAP, RFC 5214
        Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, high, low), // site-local, RFC 3879
    ]
}

/// Every way in which a URL can spell an IPv4 address.
fn spellings(v4: Ipv4Addr) -> Vec<String> {
    let whole = v4.to_bits();
    let [a, b, c, d] = v4.octets();
    let percent = v4.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    let wide: String = v4
        .to_string()
        .chars()
        .map(|digit| match digit {
            '.' => '。',
            digit => char::from_u32(u32::from(digit) - u32::from('0') + u32::from('０')).expect("a full-width digit"),
        })
        .collect();
    vec![
        v4.to_string(),
        format!("{v4}."),
        format!("{whole}"),
        format!("{whole:#x}"),
        format!("0{whole:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a}.{}", whole & 0xff_ffff),
        format!("{a}.{b}.{}", whole & 0xffff),
        format!("0X{a:X}.0{b:o}.{c}.{d}"),
        percent,
        wide,
    ]
}

proptest! {
    #[test]
    fn no_spelling_and_no_embedding_of_a_blocked_address_passes(v4 in blocked_v4()) {
        let guard = guard(&[]);
        prop_assert!(!guard.vet_addr(v4.into()));
        let mut hosts = spellings(v4);
        for v6 in embeddings(v4) {
            prop_assert!(!guard.vet_addr(v6.into()), "{v6}");
            let hex = v6.segments().map(|part| format!("{part:x}")).join(":");
            hosts.extend([format!("[{v6}]"), format!("[{hex}]"), format!("[{}]", hex.to_uppercase())]);
        }
        for host in hosts {
            for scheme in ["http", "https"] {
                let url = Url::parse(&format!("{scheme}://{host}:443/")).expect("a URL");
                prop_assert!(guard.vet_url(&url).is_err(), "{host} is {url}");
            }
        }
    }
}
