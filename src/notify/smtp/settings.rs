//! How the relay is reached, read from one URL: `smtp://[user:password@]host[:port]` or `smtps://…`, with `?tls=` and
//! `?ca=`. Never prints the password, and never lets one travel unencrypted to another machine.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::extension::ClientId;
use tokio_rustls::TlsConnector;
use url::Url;

use super::tls::{self, Trust};

/// When the connection to the relay is encrypted, and whether its certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Never (`?tls=none`).
    None,
    /// STARTTLS where it is offered, with any certificate (RFC 7435: better than plain text, no proof of who answers).
    Opportunistic,
    /// STARTTLS or nothing; the certificate must be for the host's name (RFC 3207).
    Required,
    /// TLS from the first byte (`smtps://`, RFC 8314 §3); the certificate must be for the host's name.
    Implicit,
}

/// The relay: where it is, how it is spoken to, and as whom.
#[derive(Clone)]
pub struct Relay {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// When TLS is used.
    pub tls: Tls,
    pub(super) login: Option<Credentials>,
    pub(super) connector: Option<TlsConnector>,
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{host}:{}", self.port)
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.login.is_some() { "with a login" } else { "without login" };
        write!(f, "Relay({self}, tls {:?}, {login})", self.tls)
    }
}

/// The longest that each step may take. RFC 5321 §4.5.3.2 asks a sender for patience of minutes; a step that only needs
/// a lookup on the relay's side gets less here, the reply to the final dot gets all of it: giving up there is what makes
/// a mail arrive twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Name lookup and TCP connection.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// The greeting, and EHLO with its reply.
    pub hello: Duration,
    /// STARTTLS and its reply.
    pub starttls: Duration,
    /// Each exchange of AUTH.
    pub auth: Duration,
    /// RSET and its reply.
    pub rset: Duration,
    /// MAIL and its reply.
    pub mail: Duration,
    /// RCPT and its reply.
    pub rcpt: Duration,
    /// DATA and its reply.
    pub data: Duration,
    /// The message with the final dot, and the reply to it: each.
    pub body: Duration,
    /// QUIT and its reply.
    pub quit: Duration,
}

impl Deadlines {
    /// The same deadline for every step.
    #[must_use]
    pub const fn all(step: Duration) -> Self {
        Self {
            connect: step,
            tls: step,
            hello: step,
            starttls: step,
            auth: step,
            rset: step,
            mail: step,
            rcpt: step,
            data: step,
            body: step,
            quit: step,
        }
    }

    /// The longest that one send can take once it has a connection slot, every step at its limit and one reconnection.
    /// A lease on a delivery must be longer.
    #[must_use]
    pub fn longest_send(&self) -> Duration {
        let open = self.connect + self.tls + self.hello + self.starttls + self.hello + self.auth * 3;
        open + self.rset + self.mail * 2 + self.quit + self.mail * 2 + self.rcpt + self.data + self.body * 2
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            tls: Duration::from_secs(20),
            hello: Duration::from_mins(1),
            starttls: Duration::from_secs(20),
            auth: Duration::from_secs(30),
            rset: Duration::from_secs(30),
            mail: Duration::from_mins(1),
            rcpt: Duration::from_mins(2),
            data: Duration::from_mins(2),
            body: Duration::from_mins(10),
            quit: Duration::from_secs(5),
        }
    }
}

/// Everything that the pool needs to know. Made by [`Settings::parse`]; the public fields have sensible values already.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The relay.
    pub relay: Relay,
    /// What we call ourselves in EHLO.
    pub(super) hello: ClientId,
    /// The most connections open at one time, at least 1. Default 4.
    pub connections: usize,
    /// Messages a second over all connections; 0 means as fast as the relay takes them. Default 0.
    pub rate: u32,
    /// Messages after which a connection is closed and another opened, at least 1. Default 500.
    pub per_connection: u32,
    /// How long an unused connection is kept. Default 30 s.
    pub idle: Duration,
    /// The deadlines of the steps.
    pub deadlines: Deadlines,
    /// The first rest after the relay could not be reached; doubles with each failure. Default 1 s.
    pub rest_first: Duration,
    /// The longest rest. Default 30 s.
    pub rest_longest: Duration,
    /// Told at each connection whether the relay takes addresses of any script (SMTPUTF8, RFC 6531).
    pub international: Arc<AtomicBool>,
}

/// Why the settings cannot be used. The text never holds the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The relay's URL is not one.
    #[error("the relay's URL {0}")]
    Url(String),
    /// The name for EHLO is not one.
    #[error("the name for EHLO must be a host name or an IP address, such as mail.example.vn")]
    Hello,
    /// The file with the certificate authority cannot be used.
    #[error("the certificate file {path} {why}")]
    Ca {
        /// The file.
        path: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
}

fn url_fault<T>(what: impl Into<String>) -> Result<T, SettingsError> {
    Err(SettingsError::Url(what.into()))
}

impl Settings {
    /// Reads `url` (`smtp://` or `smtps://`); `hello` is what we call ourselves in EHLO, a host name or IP address.
    ///
    /// Ports, unless given: 465 for `smtps`, 587 for `smtp` with a login, else 25. TLS with `smtp`, unless `?tls=` says
    /// `required`, `opportunistic` or `none`: required with a login or `?ca=`, else opportunistic. `?ca=/path.pem` trusts
    /// the authorities in that file instead of the public ones.
    ///
    /// # Errors
    /// [`SettingsError`] says what is wrong and what to write instead.
    pub fn parse(url: &str, hello: &str) -> Result<Self, SettingsError> {
        Ok(Self {
            relay: Relay::parse(url)?,
            hello: client_id(hello)?,
            connections: 4,
            rate: 0,
            per_connection: 500,
            idle: Duration::from_secs(30),
            deadlines: Deadlines::default(),
            rest_first: Duration::from_secs(1),
            rest_longest: Duration::from_secs(30),
            international: Arc::default(),
        })
    }
}

impl Relay {
    fn parse(raw: &str) -> Result<Self, SettingsError> {
        let Ok(url) = Url::parse(raw) else {
            return url_fault(
                "is not one: write smtp://host:port or smtps://user:password@host:port, with %40 for an @, %2F for a / \
                 and %23 for a # inside the password",
            );
        };
        let implicit = match url.scheme() {
            "smtp" => false,
            "smtps" => true,
            _ => return url_fault("must begin with smtp:// or smtps://"),
        };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return url_fault("names no host: write smtp://host:port");
        }
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return url_fault("has something behind the host: a / or # inside the password is written %2F or %23");
        }
        let login = login(&url)?;
        let (mut mode, mut ca) = (None, None);
        for (key, value) in url.query_pairs() {
            match (&*key, &*value) {
                ("tls", "required") => mode = Some(Tls::Required),
                ("tls", "opportunistic") => mode = Some(Tls::Opportunistic),
                ("tls", "none") => mode = Some(Tls::None),
                ("tls", _) => return url_fault("has a ?tls= that is not required, opportunistic or none"),
                ("ca", path) if !path.is_empty() => ca = Some(path.to_owned()),
                _ => return url_fault(format!("has {key:?} behind the ?: only tls= and ca=/path.pem are known")),
            }
        }
        let tls = match (implicit, mode) {
            (true, None | Some(Tls::Required)) => Tls::Implicit,
            (true, Some(_)) => return url_fault("is smtps://, which is always encrypted: leave ?tls= out"),
            (false, Some(mode)) => mode,
            (false, None) if login.is_some() || ca.is_some() => Tls::Required,
            (false, None) => Tls::Opportunistic,
        };
        let verified = matches!(tls, Tls::Required | Tls::Implicit);
        if login.is_some() && !verified && !is_loopback(&host) {
            return url_fault("has a password, so TLS is required: leave ?tls= out, or write ?tls=required");
        }
        if ca.is_some() && !verified {
            return url_fault("has ?ca=, so the certificate is to be checked: write ?tls=required");
        }
        let trust = match (&tls, ca) {
            (Tls::None, _) => None,
            (Tls::Opportunistic, _) => Some(Trust::Anyone),
            (_, None) => Some(Trust::Public),
            (_, Some(path)) => Some(Trust::File(path)),
        };
        let connector = trust.map(|trust| tls::connector(&trust)).transpose()?;
        let port = url.port().unwrap_or(match (implicit, &login) {
            (true, _) => 465,
            (false, Some(_)) => 587,
            (false, None) => 25,
        });
        Ok(Self { host, port, tls, login, connector })
    }
}

fn login(url: &Url) -> Result<Option<Credentials>, SettingsError> {
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None) => url_fault("has half a login: write user:password@ before the host, or nothing"),
        (user, Some(password)) => {
            let (user, password) = (percent_decoded(user), percent_decoded(password));
            if user.contains('\0') || password.contains('\0') {
                return url_fault("has a NUL (%00) in its login, which AUTH cannot carry");
            }
            Ok(Some(Credentials::new(user, password)))
        }
    }
}

/// Percent-decoding by the form parser, in which only `+` means something else.
fn percent_decoded(raw: &str) -> String {
    let form = format!("v={}", raw.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// RFC 5321 §4.1.1.1: a domain, or an address literal where there is no meaningful name.
fn client_id(hello: &str) -> Result<ClientId, SettingsError> {
    match hello.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => Ok(ClientId::Ipv4(ip)),
        Ok(IpAddr::V6(ip)) => Ok(ClientId::Ipv6(ip)),
        Err(_) => {
            let label = |l: &str| !l.is_empty() && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            let named = hello.len() <= 253 && hello.split('.').all(label);
            if named { Ok(ClientId::Domain(hello.to_owned())) } else { Err(SettingsError::Hello) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(url: &str) -> Relay {
        Settings::parse(url, "loa.example.vn").unwrap().relay
    }

    fn fault(url: &str) -> String {
        Settings::parse(url, "loa.example.vn").unwrap_err().to_string()
    }

    #[test]
    fn a_url_says_where_the_relay_is_and_how_it_is_spoken_to() {
        for (url, shown, tls) in [
            ("smtp://relay.example.vn", "relay.example.vn:25", Tls::Opportunistic),
            ("smtp://relay.example.vn:2525/?tls=none", "relay.example.vn:2525", Tls::None),
            ("smtp://relay.example.vn?tls=required", "relay.example.vn:25", Tls::Required),
            ("smtp://an:x@relay.example.vn", "relay.example.vn:587", Tls::Required),
            ("smtps://an:x@relay.example.vn", "relay.example.vn:465", Tls::Implicit),
            ("smtp://[::1]:2525?tls=none", "[::1]:2525", Tls::None),
            ("smtp://an:x@127.0.0.1:25?tls=none", "127.0.0.1:25", Tls::None),
        ] {
            let relay = relay(url);
            assert_eq!((relay.to_string().as_str(), relay.tls), (shown, tls), "{url}");
        }
    }

    #[test]
    fn a_password_never_travels_in_the_clear_to_another_machine() {
        for url in ["smtp://an:x@relay.example.vn?tls=none", "smtp://an:x@relay.example.vn?tls=opportunistic"] {
            assert!(fault(url).contains("TLS is required"), "{url}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let settings = Settings::parse("smtp://an:m%40t-kh%E1%BA%A9u@relay.example.vn", "loa.example.vn").unwrap();
        let shown = format!("{settings:?} {}", settings.relay);
        assert!(!shown.contains("kh") && !shown.contains("m@t"), "{shown}");
        assert_eq!(settings.relay.login, Some(Credentials::new("an".into(), "m@t-khẩu".into())));
        for url in ["smtp://an:hunter2@", "http://an:hunter2@relay", "smtp://an:hunter2@relay/x?tls=maybe"] {
            assert!(!fault(url).contains("hunter2"), "{url}");
        }
    }

    #[test]
    fn a_password_keeps_its_plus_signs_and_ampersands() {
        assert_eq!(
            relay("smtp://an:a+b&c%25@relay.example.vn").login,
            Some(Credentials::new("an".into(), "a+b&c%".into()))
        );
    }

    #[test]
    fn a_url_that_cannot_be_meant_is_refused_with_a_remedy() {
        for (url, remedy) in [
            ("relay.example.vn:25", "smtp://"),
            ("http://relay.example.vn", "smtp://"),
            ("smtp://", "host"),
            ("smtp://relay.example.vn/path", "%2F"),
            ("smtp://an@relay.example.vn", "user:password@"),
            ("smtp://relay.example.vn?tls=maybe", "opportunistic"),
            ("smtp://relay.example.vn?tsl=none", "tls="),
            ("smtps://relay.example.vn?tls=none", "leave ?tls= out"),
            ("smtp://relay.example.vn?tls=none&ca=/x.pem", "?tls=required"),
            ("smtp://relay.example.vn?ca=/no/such/file.pem", "/no/such/file.pem"),
        ] {
            assert!(fault(url).contains(remedy), "{url}: {}", fault(url));
        }
    }

    #[test]
    fn a_name_for_ehlo_cannot_smuggle_a_command() {
        let hello = |name| Settings::parse("smtp://relay", name).map(|s| s.hello.to_string());
        assert_eq!(hello("loa.example.vn"), Ok("loa.example.vn".into()));
        assert_eq!(hello("192.0.2.1"), Ok("[192.0.2.1]".into()));
        for name in ["", "loa example", "loa\r\nRSET", "loa..vn"] {
            assert_eq!(hello(name), Err(SettingsError::Hello));
        }
    }
}
