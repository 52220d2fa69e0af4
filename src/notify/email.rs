//! Mails as bytes. The MIME message is made once for all readers of one content ([`Prepared`]); each reader's address,
//! message id and tokens are then spliced in at about the cost of copying it. Never words a mail, never sends one, and
//! knows no reader beyond one call.

pub mod dkim;
mod encoded;
pub mod id;
pub mod sender;
mod splice;

use std::sync::Arc;

use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};

use crate::clock::Timestamp;
use crate::domain::link::TOKEN_LEN;
use crate::domain::site::Site;
use crate::domain::subscriber::{EmailAddress, Frequency};
use crate::notify::email::dkim::{Begun, Signer, is_canonical};
use crate::notify::email::encoded::{phrase, unstructured};
use crate::notify::email::sender::Sender;
use crate::notify::email::splice::{Patch, patches};
use crate::notify::message::Content;
use crate::notify::message::line::Web;

/// Between the parts. Holds `=_`, which no base64 line can.
const BOUNDARY: &str = "=_loa_alternative";

/// What a mail is for; decides its list headers.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// For everyone who follows something at this frequency: says how to leave (RFC 8058, RFC 2369, RFC 2919).
    Bulk {
        /// The stream that it belongs to: one `List-Id` each, for good.
        frequency: Frequency,
        /// The page where the same articles are: a feed's or the site's. Left out if it is not a web address.
        archive: &'a str,
    },
    /// An answer to what one person just did: there is no list to leave yet.
    Answer,
}

/// What belongs to one reader.
#[derive(Clone, Copy)]
pub struct Personal<'a> {
    /// Whom it goes to.
    pub to: &'a EmailAddress,
    /// The left part of the message id, from [`id`]: the same on every try.
    pub message_id: &'a str,
    /// Of a correction: the message id (left part) of the mail that the same reader got before, so that a mailbox shows
    /// the two together (RFC 5322 §3.6.4).
    pub follows: Option<&'a str>,
    /// Token of the manage page, [`TOKEN_LEN`] characters; not looked at when the mail has no such link.
    pub manage_token: &'a str,
    /// Token of one-click unsubscribe, [`TOKEN_LEN`] characters; not looked at when the mail has no such link.
    pub unsubscribe_token: &'a str,
    /// The address to which a mail ends the same (RFC 2369 §3.2), if there is a mailbox for it.
    pub unsubscribe_mail: Option<&'a str>,
}

/// Why a mail could not be made. Its content or the sender must change; trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The MIME builder refused something.
    #[error("the mail could not be built: {0}")]
    Build(String),
}

/// A mail for all its readers, made once: copy, splice, send.
#[derive(Debug)]
pub struct Prepared {
    /// `@domain>` of every message id, and the line end.
    id_end: Vec<u8>,
    /// The unsubscribe header up to the token; empty in an [`Purpose::Answer`].
    unsubscribe: Vec<u8>,
    /// The message without the headers of one reader, with marks where the tokens go.
    shared: Vec<u8>,
    /// The base64 lines that hold marks.
    patches: Vec<Patch>,
    /// Who signs it, and the hash of what is the same in every reader's body.
    signing: Option<(Arc<Signer>, Option<Begun>)>,
}

impl Prepared {
    /// Makes the mail that readers of one content share.
    ///
    /// `date` is when the mail was planned, so that every try carries the same one.
    ///
    /// # Errors
    /// When the builder refuses the sender's address.
    pub fn new(
        site: &Site,
        sender: &Sender,
        purpose: Purpose<'_>,
        date: Timestamp,
        content: &Content,
    ) -> Result<Self, PrepareError> {
        let shared = build(site, sender, purpose, date, content)?;
        let mut patches_of_both = Vec::new();
        let mut from = 0;
        // The blank line after the headers of the message, then after those of each part; base64 has none.
        for (nth, body) in [&content.text, &content.html].into_iter().enumerate() {
            for _ in 0..2 - nth {
                from =
                    after_blank_line(&shared, from).ok_or_else(|| PrepareError::Build("it has no body".to_owned()))?;
            }
            patches_of_both.extend(patches(&crlf(body), from));
        }
        let unsubscribe = match purpose {
            Purpose::Bulk { .. } => format!("List-Unsubscribe: <{}", site.link("u/")).into_bytes(),
            Purpose::Answer => Vec::new(),
        };
        let id_end = format!("@{}>\r\n", sender.address.domain()).into_bytes();
        Ok(Self { id_end, unsubscribe, shared, patches: patches_of_both, signing: None })
    }

    /// The same mail, signed for each reader by all keys of `signer`.
    #[must_use]
    pub fn signed(mut self, signer: &Arc<Signer>) -> Self {
        if signer.keys().is_empty() {
            return self;
        }
        let begun = after_blank_line(&self.shared, 0).filter(|at| is_canonical(&self.shared[*at..])).map(|body| {
            let same = self.patches.first().map_or(self.shared.len(), Patch::place);
            Begun::new(&self.shared[body..same.max(body)])
        });
        self.signing = Some((Arc::clone(signer), begun));
        self
    }

    /// Appends one reader's mail to `out`: CRLF line ends, no dot-stuffing. Without a signature it allocates nothing but
    /// room in `out`.
    ///
    /// # Panics
    /// When a token that the mail holds is not [`TOKEN_LEN`] characters: the rest of the mail would be garbled, and
    /// tokens of another length are never made.
    pub fn write(&self, personal: &Personal<'_>, out: &mut Vec<u8>) {
        out.reserve(self.shared.len() + self.unsubscribe.len() + 512);
        let top = out.len();
        out.extend_from_slice(b"To: <");
        out.extend_from_slice(personal.to.as_str().as_bytes());
        out.extend_from_slice(b">\r\nMessage-ID: <");
        out.extend(id_bytes(personal.message_id));
        out.extend_from_slice(&self.id_end);
        if let Some(follows) = personal.follows {
            for name in [b"In-Reply-To: <".as_slice(), b"References: <"] {
                out.extend_from_slice(name);
                out.extend(id_bytes(follows));
                out.extend_from_slice(&self.id_end);
            }
        }
        if !self.unsubscribe.is_empty() {
            out.extend_from_slice(&self.unsubscribe);
            out.extend_from_slice(token(personal.unsubscribe_token));
            if let Some(mail) = personal.unsubscribe_mail {
                out.extend_from_slice(b">,\r\n <mailto:");
                out.extend(mail.bytes().filter(|b| b.is_ascii_alphanumeric() || b"@._-+".contains(b)));
                out.extend_from_slice(b"?subject=unsubscribe");
            }
            out.extend_from_slice(b">\r\n");
        }
        let start = out.len();
        out.extend_from_slice(&self.shared);
        for patch in &self.patches {
            patch.apply(personal, &mut out[start..]);
        }
        // Over the exact bytes that go out, so it comes last and stands first.
        if let Some((signer, begun)) = &self.signing {
            let signatures = signer.sign_from(&out[top..], begun.as_ref());
            out.splice(top..top, signatures.into_bytes());
        }
    }
}

/// Only what RFC 5322 allows in a dot-atom gets through, whoever made the id.
fn id_bytes(id: &str) -> impl Iterator<Item = u8> {
    id.bytes().filter(|b| b.is_ascii_alphanumeric() || b"._-+=".contains(b))
}

/// The bytes of a token.
fn token(token: &str) -> &[u8; TOKEN_LEN] {
    token.as_bytes().try_into().expect("a token has TOKEN_LEN characters")
}

/// The message without `To`, `Message-ID` and `List-Unsubscribe`.
fn build(
    site: &Site,
    sender: &Sender,
    purpose: Purpose<'_>,
    date: Timestamp,
    content: &Content,
) -> Result<Vec<u8>, PrepareError> {
    let refused = |error: &dyn std::fmt::Display| PrepareError::Build(error.to_string());
    let address: lettre::Address = sender.address.as_str().parse().map_err(|e| refused(&e))?;
    // The real receiver is given to the relay by the sender of the mail; the builder only asks that there is one.
    let envelope = Envelope::new(Some(address.clone()), vec![address.clone()]).map_err(|e| refused(&e))?;
    // The builder would take the time now for a date that it is not given, or cannot read; ours replaces this one below.
    let builder =
        Message::builder().envelope(envelope).from(Mailbox::new(None, address)).date(std::time::SystemTime::UNIX_EPOCH);
    let part = |kind: ContentType, body: &str| {
        SinglePart::builder().header(kind).header(ContentTransferEncoding::Base64).body(crlf(body).into_bytes())
    };
    let both = MultiPart::alternative()
        .boundary(BOUNDARY)
        .singlepart(part(ContentType::TEXT_PLAIN, &content.text))
        .singlepart(part(ContentType::TEXT_HTML, &content.html));
    let mut message = builder.multipart(both).map_err(|e| refused(&e))?;
    for (name, value) in headers(site, sender, purpose, date, content) {
        // Every value is folded and plain ASCII already; headers that are there are replaced in place.
        let header = HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), String::new(), value);
        message.headers_mut().insert_raw(header);
    }
    Ok(message.formatted())
}

/// All headers that readers share, in the order in which they are written.
fn headers(
    site: &Site,
    sender: &Sender,
    purpose: Purpose<'_>,
    date: Timestamp,
    content: &Content,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("From", format!("{}<{}>", phrase("From", &sender.name), sender.address.as_str())),
        ("Date", date.rfc2822(&site.zone)),
        ("Subject", unstructured("Subject", &content.subject)),
    ];
    if let Some(reply_to) = &sender.reply_to {
        headers.push(("Reply-To", format!("<{}>", reply_to.as_str())));
    }
    headers.push(("Content-Language", content.locale.as_str().to_owned()));
    if let Purpose::Bulk { frequency, archive } = purpose {
        let stream = frequency.as_str();
        // RFC 2919: a list id is a domain name below one that we own. An IPv6 literal is none.
        let host = site.base_url.host_str().filter(|h| !h.contains(':')).unwrap_or(sender.address.domain());
        headers.push(("List-Id", format!("{}<{stream}.{host}>", phrase("List-Id", &site.title))));
        headers.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
        headers.push(("List-Help", format!("<{}>", site.base_url)));
        if let Some(archive) = Web::new(archive) {
            headers.push(("List-Archive", format!("<{archive}>")));
        }
        headers.push(("List-Post", "NO".to_owned()));
        headers.push(("Precedence", "bulk".to_owned()));
        // Campaign, stream, language, sender; nothing personal, or the provider that reads it would count single people.
        let day = date.in_zone(&site.zone).strftime("%Y%m%d").to_string();
        let feedback = format!("{stream}{day}:{stream}:{}:{}", content.locale.as_str(), sender.feedback_id());
        headers.push(("Feedback-ID", feedback));
    }
    headers.push(("Auto-Submitted", "auto-generated".to_owned()));
    headers.push(("X-Auto-Response-Suppress", "OOF, AutoReply".to_owned()));
    headers
}

/// The place after the next empty line.
fn after_blank_line(bytes: &[u8], from: usize) -> Option<usize> {
    let blank = b"\r\n\r\n";
    bytes[from..].windows(blank.len()).position(|w| w == blank).map(|at| from + at + blank.len())
}

/// The same text with every line end as CRLF.
fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests;
