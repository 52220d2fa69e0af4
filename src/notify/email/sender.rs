//! Who a mail is from. Parsed once, from the configuration.

use std::str::FromStr;

use crate::domain::subscriber::EmailAddress;
use crate::notify::message::line::Line;

/// The mailbox that mails come from: `Cổng thông tin <bantin@example.gov.vn>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The name that readers see; may be empty.
    pub name: Line,
    /// The address; its domain is also that of the message ids.
    pub address: EmailAddress,
    /// Where answers go, if not there.
    pub reply_to: Option<EmailAddress>,
}

impl Sender {
    /// A stable word of 5–15 letters and digits for `Feedback-ID`, from the domain.
    pub(super) fn feedback_id(&self) -> String {
        let word: String = self.address.domain().chars().filter(char::is_ascii_alphanumeric).take(15).collect();
        format!("{word:x<5}")
    }
}

impl FromStr for Sender {
    type Err = String;

    /// Reads `Name <address>`, `"Name" <address>` or an address alone.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) = match text.trim().strip_suffix('>').and_then(|t| t.rsplit_once('<')) {
            Some((name, address)) => (name.trim(), address),
            None => ("", text),
        };
        let name = name.strip_prefix('"').and_then(|n| n.strip_suffix('"')).unwrap_or(name);
        let address = EmailAddress::parse(address).map_err(|why| {
            format!("\"{text}\" is not a sender such as \"Bản tin <bantin@example.gov.vn>\": of the address, {why}")
        })?;
        Ok(Self { name: Line::new(name), address, reply_to: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_read_with_and_without_a_name() {
        for (text, name) in [
            ("Bản tin Tỉnh ủy <bantin@example.gov.vn>", "Bản tin Tỉnh ủy"),
            ("\"Tin, bài\" <bantin@example.gov.vn>", "Tin, bài"),
            ("bantin@example.gov.vn", ""),
            ("<bantin@example.gov.vn>", ""),
        ] {
            let sender: Sender = text.parse().expect(text);
            assert_eq!((&*sender.name, sender.address.as_str()), (name, "bantin@example.gov.vn"));
        }
        assert!("Bản tin <bantin>".parse::<Sender>().expect_err("no domain").contains('@'));
    }

    #[test]
    fn a_feedback_id_has_five_to_fifteen_characters() {
        for (address, id) in [("a@b.vn", "bvnxx"), ("a@bantin.tinhuy.example.gov.vn", "bantintinhuyexa")] {
            assert_eq!(address.parse::<Sender>().expect("valid").feedback_id(), id);
        }
    }
}
