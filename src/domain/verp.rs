//! The return path of one mail, and the address that a mail program writes to in order to leave (VERP): what their tokens
//! say, and how a forged one is told apart. Never holds an address; which mailbox a token was made for is proved by its
//! code.
//!
//! A token is one letter (`b` return path, `u` unsubscribe) and lower-case base32 of key id, frequency, subscriber,
//! delivery and ten bytes of an HMAC-SHA256 over these and the receiver's address. Local parts are often folded to lower
//! case on the way, so the alphabet is one of small letters and case is ignored. Because the address is in the code, a
//! token of a mailbox that a person has left, or of a row that a restored backup gave to somebody else, proves nothing.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::domain::link::KeyRing;
use crate::domain::subscriber::{EmailAddress, Frequency};

/// The most characters of a token. With up to 21 others a local part keeps to its 64 octets (RFC 5321 §4.5.3.1.1).
pub const LONGEST_TOKEN: usize = 43;

const PLACE: &str = "{token}";
const MAC_LEN: usize = 10;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The return path of a mail: refusals come here.
    Return,
    /// A mail to it ends the subscriptions of this frequency.
    Unsubscribe(Frequency),
}

/// A token as it reads; whether it is genuine is shown by [`ReturnPath::proves`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// What it is for.
    pub purpose: Purpose,
    /// Row id of the subscriber.
    pub subscriber: i64,
    /// Row id of the delivery.
    pub delivery: i64,
    key_id: u8,
    code: [u8; MAC_LEN],
}

/// Where mails that come back are sent: a mail address with a place for the token, `bounces+{token}@bantin.example.vn`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    before: String,
    after: String,
    domain: String,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, as a clause that follows its name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "write one such as \"bounces+{token}@bantin.example.vn\"";
        let Some((before, rest)) = text.split_once(PLACE) else {
            return Err(format!("has no place for the token; {example}"));
        };
        let longest = EmailAddress::parse(&text.replacen(PLACE, &"b".repeat(LONGEST_TOKEN), 1)).map_err(|why| {
            format!("is no mail address with a token of {LONGEST_TOKEN} characters: {why}; {example}")
        })?;
        let (after, _) = rest.rsplit_once('@').ok_or_else(|| format!("has its token behind the @; {example}"))?;
        if before.is_empty() || after.contains(PLACE) {
            return Err(format!("needs a name before its one token; {example}"));
        }
        Ok(Self {
            before: before.to_ascii_lowercase(),
            after: after.to_ascii_lowercase(),
            domain: longest.domain().to_owned(),
        })
    }

    fn fill(&self, token: &str) -> String {
        format!("{}{token}{}@{}", self.before, self.after, self.domain)
    }

    /// The domain behind the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The token in an address of this form, in lower case.
    #[must_use]
    pub fn token_of(&self, address: &str) -> Option<String> {
        let address = address.trim().to_ascii_lowercase();
        let (local, domain) = address.rsplit_once('@')?;
        let token = local.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        (domain == self.domain && is_token(token)).then(|| token.to_owned())
    }

    /// Whether mail to this address is ours to take: one with a token, or the bare mailbox, which providers know.
    #[must_use]
    pub fn takes(&self, address: &str) -> bool {
        let bare = self.before.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        self.token_of(address).is_some() || address.trim().eq_ignore_ascii_case(&format!("{bare}@{}", self.domain))
    }

    /// Every token in a text that stands in an address of this form, each once, at most `most`.
    #[must_use]
    pub fn tokens_in(&self, text: &str, most: usize) -> Vec<String> {
        let text = text.to_ascii_lowercase();
        let end = format!("{}@{}", self.after, self.domain);
        let mut found: Vec<String> = Vec::new();
        for (at, _) in text.match_indices(self.before.as_str()) {
            let rest = &text[at + self.before.len()..];
            let length = rest.bytes().take(LONGEST_TOKEN + 1).take_while(|b| ALPHABET.contains(b)).count();
            let token = &rest[..length];
            if is_token(token) && rest[length..].starts_with(&end) && found.iter().all(|f| f != token) {
                found.push(token.to_owned());
                if found.len() == most {
                    break;
                }
            }
        }
        found
    }
}

fn is_token(text: &str) -> bool {
    text.len() <= LONGEST_TOKEN && text.len() > MAC_LEN && text.bytes().all(|b| ALPHABET.contains(&b))
}

/// Makes and reads return paths.
#[derive(Clone)]
pub struct ReturnPath {
    template: Template,
    keys: KeyRing,
}

impl ReturnPath {
    /// Return paths of this form, signed with these keys.
    #[must_use]
    pub const fn new(template: Template, keys: KeyRing) -> Self {
        Self { template, keys }
    }

    /// The form.
    #[must_use]
    pub const fn template(&self) -> &Template {
        &self.template
    }

    /// The address for one delivery to one person.
    #[must_use]
    pub fn address(&self, purpose: Purpose, subscriber: i64, delivery: i64, to: &EmailAddress) -> String {
        let (key_id, key) = self.keys.newest();
        let mut body = vec![key_id, frequency_byte(purpose)];
        push_number(&mut body, subscriber);
        push_number(&mut body, delivery);
        let code = code(key, purpose, &body, to);
        body.extend_from_slice(&code);
        let mut token = String::with_capacity(LONGEST_TOKEN);
        token.push(letter(purpose));
        push_base32(&mut token, &body);
        self.template.fill(&token)
    }

    /// What a token says, without saying whether it is genuine.
    #[must_use]
    pub fn read(&self, token: &str) -> Option<Claimed> {
        let token = token.to_ascii_lowercase();
        let (first, rest) = token.split_at_checked(1)?;
        let bytes = from_base32(rest)?;
        let (body, code) = bytes.split_at_checked(bytes.len().checked_sub(MAC_LEN)?)?;
        let (&key_id, mut numbers) = body.split_first()?;
        let frequency = *numbers.split_off_first()?;
        let purpose = match (first, frequency) {
            ("b", 0) => Purpose::Return,
            ("u", n) => Purpose::Unsubscribe(*Frequency::ALL.get(usize::from(n))?),
            _ => return None,
        };
        let (subscriber, delivery) = (take_number(&mut numbers)?, take_number(&mut numbers)?);
        let code = code.try_into().ok()?;
        numbers.is_empty().then_some(Claimed { purpose, subscriber, delivery, key_id, code })
    }

    /// Whether one of our keys made this token for this mailbox.
    #[must_use]
    pub fn proves(&self, claimed: &Claimed, to: &EmailAddress) -> bool {
        let Some(key) = self.keys.key(claimed.key_id) else { return false };
        let mut body = vec![claimed.key_id, frequency_byte(claimed.purpose)];
        push_number(&mut body, claimed.subscriber);
        push_number(&mut body, claimed.delivery);
        code(key, claimed.purpose, &body, to).ct_eq(&claimed.code).into()
    }
}

const fn letter(purpose: Purpose) -> char {
    match purpose {
        Purpose::Return => 'b',
        Purpose::Unsubscribe(_) => 'u',
    }
}

fn frequency_byte(purpose: Purpose) -> u8 {
    let place = match purpose {
        Purpose::Return => None,
        Purpose::Unsubscribe(f) => Frequency::ALL.iter().position(|x| *x == f),
    };
    place.and_then(|p| u8::try_from(p).ok()).unwrap_or(0)
}

fn code(key: &[u8; 32], purpose: Purpose, body: &[u8], to: &EmailAddress) -> [u8; MAC_LEN] {
    let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    // Apart from every other use of the key, and the two purposes from each other.
    hmac.update(b"loa return path\0");
    hmac.update(&[u8::try_from(letter(purpose)).unwrap_or(0), u8::try_from(body.len()).unwrap_or(0)]);
    hmac.update(body);
    hmac.update(to.key().as_bytes());
    let full = hmac.finalize().into_bytes();
    let mut short = [0; MAC_LEN];
    short.copy_from_slice(&full[..MAC_LEN]);
    short
}

/// Seven bits a byte, the least first; the highest bit says that more follows. Negative ids do not occur.
fn push_number(out: &mut Vec<u8>, number: i64) {
    let mut rest = number.unsigned_abs();
    loop {
        let byte = u8::try_from(rest & 0x7f).unwrap_or(0);
        rest >>= 7;
        if rest == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

fn take_number(bytes: &mut &[u8]) -> Option<i64> {
    let mut number: u64 = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // One form only: no number ends in an empty byte.
            return (byte != 0 || shift == 0).then(|| i64::try_from(number).ok()).flatten();
        }
    }
    None
}

fn push_base32(out: &mut String, bytes: &[u8]) {
    let (mut held, mut bits) = (0_u32, 0);
    for &byte in bytes {
        held = (held << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(ALPHABET[(held >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        out.push(char::from(ALPHABET[(held << (5 - bits)) as usize & 31]));
    }
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0_u32, 0);
    for character in text.bytes() {
        let value = ALPHABET.iter().position(|a| *a == character)?;
        held = (held << 5) | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
    }
    // What is left is filling: less than a character, and empty.
    (bits < 5 && held & ((1 << bits) - 1) == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path() -> ReturnPath {
        let keys = KeyRing::new(vec![(2, [7; 32]), (1, [9; 32])]).expect("two keys");
        ReturnPath::new(Template::parse("bounces+{token}@Tra.Example.VN").expect("a template"), keys)
    }

    fn an() -> EmailAddress {
        EmailAddress::parse("An@so.example.vn").expect("an address")
    }

    fn read(path: &ReturnPath, address: &str) -> Option<Claimed> {
        path.read(&path.template().token_of(address)?)
    }

    #[test]
    fn a_return_path_reads_back_in_any_case_and_fits_a_local_part() {
        let largest = (1_i64 << 49) - 1;
        for (subscriber, delivery) in [(1, 1), (65_052, 3_000_000), (largest, largest)] {
            for purpose in [Purpose::Return, Purpose::Unsubscribe(Frequency::Weekly)] {
                let address = path().address(purpose, subscriber, delivery, &an());
                assert!(EmailAddress::parse(&address).is_ok(), "{address}");
                assert!(!address.contains("so.example"), "no address inside: {address}");
                for spelling in [address.clone(), address.to_uppercase()] {
                    let claimed = read(&path(), &spelling).expect("reads");
                    assert_eq!(
                        (claimed.purpose, claimed.subscriber, claimed.delivery),
                        (purpose, subscriber, delivery)
                    );
                    assert!(path().proves(&claimed, &an()));
                }
            }
        }
    }

    #[test]
    fn a_token_proves_nothing_for_another_mailbox_or_by_a_strange_key() {
        let address = path().address(Purpose::Return, 5, 6, &an());
        let claimed = read(&path(), &address).expect("reads");
        assert!(!path().proves(&claimed, &EmailAddress::parse("binh@so.example.vn").expect("an address")));
        let template = path().template().clone();
        let strange = ReturnPath::new(template.clone(), KeyRing::new(vec![(2, [8; 32])]).expect("a key"));
        assert!(!strange.proves(&claimed, &an()));
        let old = ReturnPath::new(template, KeyRing::new(vec![(1, [9; 32])]).expect("a key"));
        let kept = read(&path(), &old.address(Purpose::Return, 5, 6, &an())).expect("reads");
        assert!(path().proves(&kept, &an()), "an old key still proves");
    }

    #[test]
    fn a_token_changed_in_any_place_proves_nothing() {
        let address = path().address(Purpose::Return, 5, 6, &an());
        let token = path().template().token_of(&address).expect("a token");
        for place in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[place] = if forged[place] == b'a' { b'b' } else { b'a' };
            let forged = path().read(&String::from_utf8(forged).expect("ASCII"));
            assert!(forged.is_none_or(|claimed| !path().proves(&claimed, &an())), "at {place}");
        }
    }

    #[test]
    fn a_return_path_cannot_be_made_an_unsubscription() {
        let address = path().address(Purpose::Return, 5, 6, &an());
        let token = path().template().token_of(&address).expect("a token").replacen('b', "u", 1);
        let claimed = path().read(&token).expect("reads");
        assert_eq!(claimed.purpose, Purpose::Unsubscribe(Frequency::Immediate));
        assert!(!path().proves(&claimed, &an()));
    }

    #[test]
    fn a_template_that_cannot_be_meant_is_refused_with_a_remedy() {
        for bad in [
            "bounces@example.vn",
            "{token}@example.vn",
            "bounces+{token}",
            "bounces@{token}.example.vn",
            "a-name-that-is-far-too-long+{token}@example.vn",
            "bounces+{token}{token}@example.vn",
            "bounces+{token}@localhost",
        ] {
            let why = Template::parse(bad).expect_err(bad);
            assert!(why.contains("bounces+{token}@"), "{why}");
        }
        assert!(Template::parse("tra-{token}@bantin.example.vn").is_ok(), "any mark before the token");
    }

    #[test]
    fn tokens_are_found_in_a_text_and_the_bare_mailbox_is_taken() {
        let address = path().address(Purpose::Return, 5, 6, &an());
        let text = format!("Return-Path: <{}>\r\nTo: {address}, bounces+x@tra.example.vn", address.to_uppercase());
        assert_eq!(path().template().tokens_in(&text, 5), [path().template().token_of(&address).expect("a token")]);
        let template = path().template().clone();
        assert!(template.takes("Bounces@tra.example.vn") && template.takes(&address));
        assert!(!template.takes("an@tra.example.vn") && !template.takes("bounces@example.vn"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic_or_a_token_twice(text in "\\PC{0,80}", token in "[bu][a-z2-7]{0,60}") {
            let _ = path().template().tokens_in(&text, 3);
            let _ = path().template().token_of(&text);
            let _ = path().read(&text);
            if let Some(claimed) = path().read(&token) {
                prop_assert!(!path().proves(&claimed, &an()));
            }
        }

        #[test]
        fn numbers_read_back(number in 0..i64::MAX) {
            let mut bytes = Vec::new();
            push_number(&mut bytes, number);
            prop_assert_eq!(take_number(&mut bytes.as_slice()), Some(number));
        }
    }
}
