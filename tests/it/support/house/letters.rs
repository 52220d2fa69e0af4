//! Mails as their readers see them, taken apart by a parser that is not loa's own.

use mail_parser::MessageParser;

/// A mail that the relay took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Whom it is for.
    pub to: String,
    /// Its Message-ID.
    pub id: String,
    /// Its subject.
    pub subject: String,
    /// Its text part.
    pub text: String,
    /// Its HTML part.
    pub html: String,
}

impl Letter {
    /// Reads a mail.
    pub fn read(bytes: &[u8]) -> Self {
        let mail = MessageParser::default().parse(bytes).expect("a mail");
        let to = mail.to().and_then(|t| t.first()).and_then(|t| t.address()).expect("a receiver").to_owned();
        Self {
            to,
            id: mail.message_id().expect("a Message-ID").to_owned(),
            subject: mail.subject().unwrap_or_default().to_owned(),
            text: mail.body_text(0).expect("a text part").replace("\r\n", "\n"),
            html: mail.body_html(0).expect("an HTML part").into_owned(),
        }
    }

    /// How often the text tells of this article, by its address.
    pub fn tells(&self, id: &str) -> usize {
        let address = format!("https://portal.example.vn/{id}");
        self.text
            .match_indices(&address)
            .filter(|(at, _)| self.text[at + address.len()..].starts_with(['\n', ' ']))
            .count()
    }

    /// The token of a link in the text, such as `confirm`.
    pub fn token(&self, door: &str) -> String {
        let mark = format!("https://bantin.example.vn/{door}/");
        let from = self.text.find(&mark).unwrap_or_else(|| panic!("no {door} link in {}", self.text)) + mark.len();
        self.text[from..].chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect()
    }
}

/// Whom these letters went to, in their order.
pub fn receivers(letters: &[Letter]) -> Vec<&str> {
    letters.iter().map(|l| l.to.as_str()).collect()
}
