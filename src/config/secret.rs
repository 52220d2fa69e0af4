//! Addresses with an account in them. Never printed with their password, not even by `{:?}`.

use std::fmt;

use url::Url;

/// An address that may hold a password, as text. `Display` and `Debug` mask the password and leave out the query.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Wraps an address that was checked before.
    pub(super) const fn new(url: String) -> Self {
        Self(url)
    }

    /// The address with its password: for the connection alone, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(mut url) = Url::parse(&self.0) else {
            return f.write_str("***");
        };
        // Drivers take passwords in the query too.
        if url.query().is_some() {
            url.set_query(Some("***"));
        }
        url.set_fragment(None);
        if url.password().is_some() && url.set_password(Some("***")).is_err() {
            return f.write_str("***");
        }
        f.write_str(url.as_str())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        let url = SecretUrl::new("postgres://loa:hush@db.example.vn:5432/loa?password=hush2#hush3".into());
        let shown = format!("{url} {url:?}");
        assert!(!shown.contains("hush"), "{shown}");
        assert_eq!(url.to_string(), "postgres://loa:***@db.example.vn:5432/loa?***");
        assert_eq!(SecretUrl::new("hush not a url".into()).to_string(), "***");
    }

    #[test]
    fn an_address_without_a_password_is_printed_as_it_is() {
        assert_eq!(SecretUrl::new("sqlite://var/loa.db".into()).to_string(), "sqlite://var/loa.db");
        assert_eq!(SecretUrl::new("smtp://127.0.0.1:25".into()).to_string(), "smtp://127.0.0.1:25");
    }
}
