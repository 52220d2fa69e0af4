//! What can go wrong with a call, in two texts: `Display` for the operator's log, and [`Fault::explain`] for the owner
//! of the endpoint, who learns what to do and nothing about our network. Never holds a secret or a response body.

use std::fmt;

use super::guard::Refusal;

/// Longest technical detail kept, in characters.
const DETAIL: usize = 200;

/// Why a call brought no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The target is not one that loa may call. Nothing was connected to.
    #[error("not called: {0}")]
    Forbidden(#[from] Refusal),
    /// The name has no address, or the name server does not answer.
    #[error("the name was not found: {0}")]
    Dns(String),
    /// No connection, or it broke before anything was sent.
    #[error("no connection: {0}")]
    Connect(String),
    /// A connection, but no TLS session over it.
    #[error("no TLS session ({0:?}): {1}")]
    Tls(TlsFault, String),
    /// The deadline of the call passed.
    #[error("the deadline passed {}", if *.offered { "waiting for the answer" } else { "before the request was sent" })]
    Timeout {
        /// Whether the request may have been received.
        offered: bool,
    },
    /// The answer is larger than loa reads: too many or too long headers, or a body over the caller's limit.
    #[error("the answer is larger than the limit")]
    TooLarge,
    /// No HTTP: the connection broke in the middle, or what came is not an HTTP/1.1 answer.
    #[error("no proper HTTP answer: {detail}")]
    Protocol {
        /// Whether the request may have been received.
        offered: bool,
        /// What hyper says of it.
        detail: String,
    },
}

/// Classes of TLS failure, each of which the owner of a server mends differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate is over its time, or before it.
    Expired,
    /// The certificate is for other names.
    WrongName,
    /// No authority that we know vouches for it, or the intermediate certificate is missing.
    Untrusted,
    /// The server has no version or cipher in common with us: it is too old.
    TooOld,
    /// Anything else.
    Other,
}

impl Fault {
    /// Whether the request may have been received: it was offered and no answer came. A repeat may then be a second.
    #[must_use]
    pub const fn offered(&self) -> bool {
        match self {
            Self::Forbidden(_) | Self::Dns(_) | Self::Connect(_) | Self::Tls(..) => false,
            Self::TooLarge => true,
            Self::Timeout { offered } | Self::Protocol { offered, .. } => *offered,
        }
    }

    /// The word for this class of fault in stored details and metrics. [`explain`] has its text.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "forbidden",
            Self::Dns(_) => "dns",
            Self::Connect(_) => "connect",
            Self::Tls(TlsFault::Expired, _) => "tls_expired",
            Self::Tls(TlsFault::WrongName, _) => "tls_name",
            Self::Tls(TlsFault::Untrusted, _) => "tls_untrusted",
            Self::Tls(TlsFault::TooOld, _) => "tls_old",
            Self::Tls(TlsFault::Other, _) => "tls",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge => "too_large",
            Self::Protocol { .. } => "protocol",
        }
    }

    /// What the owner of the endpoint is told, in the language of this BCP 47 tag (English, else Vietnamese).
    #[must_use]
    pub fn explain(&self, locale: &str) -> &'static str {
        explain(self.code(), locale).unwrap_or("")
    }

    pub(super) fn dns(detail: &impl fmt::Display) -> Self {
        Self::Dns(brief(detail))
    }

    pub(super) fn connect(detail: &impl fmt::Display) -> Self {
        Self::Connect(brief(detail))
    }

    pub(super) fn protocol(offered: bool, detail: &impl fmt::Display) -> Self {
        Self::Protocol { offered, detail: brief(detail) }
    }

    /// A request that hyper says went wrong after it was offered.
    pub(super) fn of_hyper(error: &hyper::Error) -> Self {
        let source = std::error::Error::source(error).map_or(String::new(), |s| format!(": {s}"));
        let text = format!("{error}{source}");
        // hyper tells clients so only in words; `tests/it/outbound.rs` holds it to them.
        if error.is_parse() && text.contains("too large") { Self::TooLarge } else { Self::protocol(true, &text) }
    }

    /// A TLS handshake that failed.
    pub(super) fn of_handshake(error: &std::io::Error) -> Self {
        let class = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()).map_or(TlsFault::Other, tls_class);
        Self::Tls(class, brief(error))
    }
}

/// The owner's text for a [`Fault::code`], in the language of this BCP 47 tag (English, else Vietnamese).
#[must_use]
pub fn explain(code: &str, locale: &str) -> Option<&'static str> {
    let english = locale.split(['-', '_']).next().is_some_and(|tag| tag.eq_ignore_ascii_case("en"));
    let (_, vi, en) = TEXTS.iter().find(|(known, _, _)| *known == code)?;
    Some(if english { en } else { vi })
}

/// Code, Vietnamese, English. The first says nothing more by design.
const TEXTS: [(&str, &str, &str); 11] = [
    ("forbidden", "Địa chỉ này không được phép.", "This address is not allowed."),
    (
        "dns",
        "Không tìm thấy tên miền của địa chỉ này. Hãy kiểm tra cách viết và bản ghi DNS.",
        "The host name of this address was not found. Check its spelling and its DNS records.",
    ),
    (
        "connect",
        "Không kết nối được tới máy chủ. Hãy kiểm tra máy chủ có đang chạy và tường lửa có cho kết nối vào không.",
        "The server could not be reached. Check that it is running and that its firewall lets connections in.",
    ),
    (
        "tls_expired",
        "Chứng chỉ TLS của máy chủ đã hết hạn hoặc chưa đến ngày có hiệu lực. Hãy gia hạn chứng chỉ.",
        "The server's TLS certificate has expired or is not valid yet. Renew the certificate.",
    ),
    (
        "tls_name",
        "Chứng chỉ TLS của máy chủ không dành cho tên miền này. Hãy cài chứng chỉ có đúng tên miền.",
        "The server's TLS certificate is for other names. Install one that carries this host name.",
    ),
    (
        "tls_untrusted",
        "Chứng chỉ TLS của máy chủ không do tổ chức được tin cậy cấp, hoặc thiếu chứng chỉ trung gian. Hãy cài đủ chuỗi \
         chứng chỉ.",
        "The server's TLS certificate is not from a trusted authority, or the intermediate one is missing. Install the \
         full chain.",
    ),
    (
        "tls_old",
        "Máy chủ chỉ dùng phiên bản TLS hoặc bộ mã đã cũ. Hãy bật TLS 1.2 hoặc TLS 1.3.",
        "The server offers only old TLS versions or ciphers. Turn on TLS 1.2 or TLS 1.3.",
    ),
    (
        "tls",
        "Không thiết lập được kết nối TLS với máy chủ. Hãy kiểm tra máy chủ có thật sự dùng HTTPS ở cổng này không.",
        "No TLS session could be set up with the server. Check that it really speaks HTTPS on this port.",
    ),
    (
        "timeout",
        "Máy chủ không trả lời kịp thời hạn. Hãy trả lời 2xx ngay khi nhận tin, rồi mới xử lý tin.",
        "The server did not answer in time. Answer 2xx as soon as the message is received, then work on it.",
    ),
    (
        "too_large",
        "Máy chủ trả lời quá dài. Hãy trả lời bằng mã 2xx với nội dung trống.",
        "The server's answer is too long. Answer with a 2xx status and an empty body.",
    ),
    (
        "protocol",
        "Máy chủ ngắt kết nối giữa chừng hoặc trả lời không đúng giao thức HTTP.",
        "The server broke the connection or its answer is not proper HTTP.",
    ),
];

fn tls_class(error: &rustls::Error) -> TlsFault {
    use rustls::{AlertDescription as Alert, CertificateError as Cert, Error};
    match error {
        Error::InvalidCertificate(cert) => match cert {
            Cert::Expired | Cert::ExpiredContext { .. } | Cert::NotValidYet | Cert::NotValidYetContext { .. } => {
                TlsFault::Expired
            }
            Cert::NotValidForName | Cert::NotValidForNameContext { .. } => TlsFault::WrongName,
            Cert::UnknownIssuer | Cert::BadSignature | Cert::InvalidPurpose => TlsFault::Untrusted,
            _ => TlsFault::Other,
        },
        Error::PeerIncompatible(_)
        | Error::AlertReceived(Alert::ProtocolVersion | Alert::HandshakeFailure | Alert::InsufficientSecurity) => {
            TlsFault::TooOld
        }
        _ => TlsFault::Other,
    }
}

/// One line of bounded length, without control characters: part of it may come from the peer.
fn brief(detail: &impl fmt::Display) -> String {
    detail.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_own_text_in_both_languages() {
        let mut seen = std::collections::HashSet::new();
        for fault in [
            Fault::Forbidden(Refusal::Port(22)),
            Fault::dns(&""),
            Fault::connect(&""),
            Fault::Tls(TlsFault::Expired, String::new()),
            Fault::Tls(TlsFault::WrongName, String::new()),
            Fault::Tls(TlsFault::Untrusted, String::new()),
            Fault::Tls(TlsFault::TooOld, String::new()),
            Fault::Tls(TlsFault::Other, String::new()),
            Fault::Timeout { offered: true },
            Fault::TooLarge,
            Fault::protocol(true, &""),
        ] {
            for locale in ["vi", "en-GB"] {
                let text = fault.explain(locale);
                assert!(!text.is_empty(), "{fault}");
                assert!(seen.insert(text), "{text}");
            }
        }
    }

    #[test]
    fn the_owner_of_a_forbidden_target_learns_nothing_about_our_network() {
        for refusal in [
            Refusal::Address("10.0.0.1".parse().expect("an address")),
            Refusal::Name("kho.internal".into()),
            Refusal::Port(5432),
            Refusal::Form("has no host"),
        ] {
            let fault = Fault::Forbidden(refusal);
            assert_eq!(fault.explain("en"), "This address is not allowed.");
            assert_eq!(fault.explain("vi"), "Địa chỉ này không được phép.");
        }
        let text = Fault::Forbidden(Refusal::Address("10.0.0.1".parse().expect("an address"))).to_string();
        assert!(text.contains("10.0.0.1") && text.contains("allow-list"), "the operator reads more: {text}");
    }

    #[test]
    fn a_detail_from_the_peer_is_one_short_line() {
        let fault = Fault::connect(&format!("a\r\nb\u{1b}[31m{}", "x".repeat(1000)));
        let text = fault.to_string();
        assert!(!text.contains(char::is_control) && text.len() < 300, "{text}");
    }
}
