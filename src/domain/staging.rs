//! The staging guard: outside production only listed people get mail. Knows addresses, never what becomes of a mail.

use std::fmt;
use std::str::FromStr;

use super::subscriber::EmailAddress;

/// Who gets mail all the same: an address, or everyone of a domain (not of domains below it).
#[derive(Clone, PartialEq, Eq)]
pub enum Listed {
    /// This address.
    Address(EmailAddress),
    /// Every address of this domain.
    Domain(String),
}

impl FromStr for Listed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let domain = text.strip_prefix('@').unwrap_or(text);
        if !domain.contains('@') {
            // A domain is good if an address of it is.
            let probe = EmailAddress::parse(&format!("a@{domain}"));
            return probe.map(|address| Self::Domain(address.domain().to_ascii_lowercase())).map_err(|_| {
                "is neither a mail address nor a domain, such as \"an@so.example.vn\" or \"so.example.vn\"".to_owned()
            });
        }
        EmailAddress::parse(text).map(Self::Address).map_err(|why| format!("is not a mail address: {why}"))
    }
}

/// Masks the address, as [`EmailAddress`] does.
impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Domain(domain) => f.write_str(domain),
        }
    }
}

/// Whether one of the list is this receiver, without regard to case.
#[must_use]
pub fn is_listed(list: &[Listed], to: &EmailAddress) -> bool {
    list.iter().any(|listed| match listed {
        Listed::Address(address) => address.as_str().eq_ignore_ascii_case(to.as_str()),
        Listed::Domain(domain) => domain.eq_ignore_ascii_case(to.domain()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_addresses_and_domains_get_mail() {
        let list: Vec<Listed> =
            ["An@so.example.vn", "thu.example.vn", "@Phong.example.vn"].iter().map(|l| l.parse().expect(l)).collect();
        for (to, listed) in [
            ("an@so.example.vn", true),
            ("binh@so.example.vn", false),
            ("binh@thu.example.vn", true),
            ("BINH@THU.example.vn", true),
            ("binh@x.thu.example.vn", false),
            ("binh@phong.example.vn", true),
            ("binh@example.vn", false),
        ] {
            assert_eq!(is_listed(&list, &EmailAddress::parse(to).expect(to)), listed, "{to}");
        }
        for bad in ["", "@", "an@", "so example.vn", "a@b@c.vn", "so.example.vn>"] {
            assert!(bad.parse::<Listed>().is_err(), "{bad}");
        }
    }
}
