//! Laws: mail. What a reader is told, and that it arrives as it was meant, read back by a parser that is not loa's own.

mod signed;

use std::collections::BTreeSet;
use std::fs;
use std::sync::LazyLock;

use jiff::civil::date;
use loa::clock::Timestamp;
use loa::domain::link::{KeyRing, Link, TOKEN_LEN};
use loa::domain::public_id::PublicId;
use loa::domain::subscriber::{EmailAddress, Frequency, Locale};
use loa::notify::email::id::message_id_article;
use loa::notify::email::sender::Sender;
use loa::notify::email::{Personal, Prepared, Purpose};
use loa::notify::message::content::{ArticleMail, Card, DigestMail, FeedLink, Mail, Section};
use loa::notify::message::line::{Line, Web};
use loa::notify::message::{Content, Templates, sample};
use mail_parser::{Message, MessageParser, MimeHeaders};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

const LOCALES: [Locale; 2] = [Locale::Vi, Locale::En];
const CLIP: usize = 90 * 1024;

fn templates() -> &'static Templates {
    static BUILT_IN: LazyLock<Templates> =
        LazyLock::new(|| Templates::load(None).expect("the built-in templates load"));
    &BUILT_IN
}

fn sender() -> Sender {
    let mut sender: Sender = "Cổng thông tin điện tử Tỉnh ủy <bantin@bantin.example.gov.vn>".parse().expect("valid");
    sender.reply_to = EmailAddress::parse("hotro@example.gov.vn").ok();
    sender
}

fn reader() -> EmailAddress {
    EmailAddress::parse("an@so.example.gov.vn").expect("valid")
}

/// The mail as it goes to the relay.
fn bytes(content: &Content, purpose: Purpose<'_>) -> Vec<u8> {
    let keys = KeyRing::new(vec![(1, [7; 32])]).expect("a key");
    let site = sample::site(content.locale);
    let at = Timestamp::from_millis(1_795_392_000_000);
    let prepared = Prepared::new(&site, &sender(), purpose, at, content).expect("builds");
    let mut out = Vec::new();
    prepared.write(
        &Personal {
            to: &reader(),
            message_id: "a.1.1.5d41402abc4b2a76b971",
            follows: None,
            manage_token: &keys.sign(Link::Manage(PublicId(7))),
            unsubscribe_token: &keys.sign(Link::Unsubscribe(PublicId(7), Frequency::Daily)),
            unsubscribe_mail: None,
        },
        &mut out,
    );
    out
}

fn daily() -> Purpose<'static> {
    Purpose::Bulk { frequency: Frequency::Daily, archive: "https://bantin.example.gov.vn/feeds/cong-tac-to-chuc" }
}

fn parse(bytes: &[u8]) -> Message<'_> {
    MessageParser::default().parse(bytes).expect("a mail")
}

fn header(bytes: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(bytes).expect("ASCII");
    let head = text.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
    let found: Vec<&str> = head.lines().filter_map(|l| l.strip_prefix(name)?.strip_prefix(": ")).collect();
    assert!(found.len() < 2, "{name} stands twice");
    found.first().map(ToString::to_string)
}

fn titled(title: &str) -> Mail {
    let site = sample::site(Locale::Vi);
    let mut stored = sample::article(0);
    stored.article.title = title.into();
    Mail::Article(ArticleMail { articles: vec![Card::new(&stored, &site, Locale::Vi, &[])] })
}

fn feed(nth: usize) -> FeedLink {
    let url = Web::new(&format!("https://bantin.example.gov.vn/feeds/muc-{nth}")).expect("an address");
    FeedLink { title: Line::new(&format!("Chuyên mục {nth}")), url }
}

fn numbered(nth: usize) -> Card {
    let site = sample::site(Locale::Vi);
    let card = Card::new(&sample::article(nth), &site, Locale::Vi, &[]);
    let url = Web::new(&format!("https://tinhuy.example.gov.vn/tin/{nth}-het")).expect("an address");
    Card { title: Line::new(&format!("Tin số {nth}: {}", card.title)), url, ..card }
}

fn digest(frequency: Frequency, sections: Vec<Section>) -> DigestMail {
    DigestMail::new(frequency, date(2026, 11, 23), Timestamp::from_millis(0), sections, &sample::site(Locale::Vi))
}

#[test]
fn every_template_renders_in_both_languages() {
    let templates = templates();
    assert_eq!(sample::check(templates), Vec::<String>::new());
    for locale in LOCALES {
        for sample in sample::samples(locale) {
            let content = templates.render(&sample::site(locale), locale, &sample.mail).expect(sample.name);
            assert!(content.html.contains(&format!("<html lang=\"{}\"", locale.as_str())), "{}", sample.name);
            for part in [&content.text, &content.html] {
                assert!(!part.contains("{{") && !part.contains("{%"), "{}: {part}", sample.name);
            }
            let foreign =
                if locale == Locale::Vi { ["Unsubscribe", "You receive"] } else { ["Quý vị", "Thư gửi"] };
            for words in foreign {
                assert!(!content.text.contains(words) && !content.html.contains(words), "{} says {words}", sample.name);
            }
        }
    }
}

#[test]
fn a_title_with_a_newline_cannot_add_a_header() {
    let title = "Tin mới\r\nBcc: ke-la@example.com\r\n\r\n<html>giả";
    let content = templates().render(&sample::site(Locale::Vi), Locale::Vi, &titled(title)).expect("renders");
    let bytes = bytes(&content, daily());
    let mail = parse(&bytes);
    assert!(mail.bcc().is_none() && header(&bytes, "Bcc").is_none());
    assert_eq!(mail.subject(), Some("Tin mới Bcc: ke-la@example.com <html>giả"));
    assert_eq!(mail.to().and_then(|t| t.first()).and_then(|a| a.address()), Some("an@so.example.gov.vn"));
}

#[test]
fn hostile_text_in_html_is_escaped_and_hostile_links_are_not_made() {
    let site = sample::site(Locale::Vi);
    let mut stored = sample::article(0);
    let evil = "<script>alert(\"1\")</script><img src=x onerror='x'>&{{ site }}";
    stored.article.title = evil.into();
    stored.article.summary = evil.into();
    stored.article.authors = vec![evil.into()];
    stored.article.url = "javascript:alert(1)".to_owned();
    if let Some(image) = &mut stored.article.image {
        image.url = "data:text/html,x".to_owned();
    }
    let hostile = FeedLink { title: Line::new(evil), url: feed(1).url };
    let card = Card::new(&stored, &site, Locale::Vi, std::slice::from_ref(&hostile));
    let mails = [
        Mail::Article(ArticleMail { articles: vec![card.clone(), card.clone()] }),
        Mail::Digest(digest(Frequency::Daily, vec![Section { feed: hostile, articles: vec![card] }])),
    ];
    for mail in mails {
        let html = templates().render(&site, Locale::Vi, &mail).expect("renders").html;
        assert!(html.contains("&lt;script&gt;alert(&quot;1&quot;)") && html.contains("onerror=&#39;x&#39;"));
        for bad in ["<script", "<img src=x", "javascript:", "data:text", "onerror='"] {
            assert!(!html.contains(bad), "{bad} in {html}");
        }
    }
}

#[test]
fn an_article_cannot_bring_a_mark_that_a_token_would_replace() {
    let mail = titled(&format!("x{}x{}x", loa::notify::message::MANAGE_MARK, loa::notify::message::UNSUBSCRIBE_MARK));
    let content = templates().render(&sample::site(Locale::Vi), Locale::Vi, &mail).expect("renders");
    let parsed_bytes = bytes(&content, daily());
    let mail = parse(&parsed_bytes);
    let text = mail.body_text(0).expect("a text part");
    assert!(
        text.contains("manage-token-of-thirty-six-letters"),
        "the title is told as it is, without the token: {text}"
    );
}

#[test]
fn both_parts_say_the_same_articles() {
    let templates = templates();
    for locale in LOCALES {
        for sample in sample::samples(locale) {
            let content = templates.render(&sample::site(locale), locale, &sample.mail).expect(sample.name);
            let links = |part: &str, end: &[char]| -> BTreeSet<String> {
                part.split("https://")
                    .skip(1)
                    .map(|rest| rest.split(|c: char| c.is_whitespace() || end.contains(&c)).next().unwrap_or_default())
                    .filter(|l| !l.contains("/images/") && !l.contains("/feeds/"))
                    .map(str::to_owned)
                    .collect()
            };
            let (text, html) = (links(&content.text, &[]), links(&content.html, &['"', '<']));
            assert_eq!(text, html, "{} in {}", sample.name, locale.as_str());
            let articles = text.iter().filter(|l| l.contains("bai-viet")).count();
            match &sample.mail {
                Mail::Article(mail) => assert_eq!(articles, mail.articles.len(), "{}", sample.name),
                Mail::Digest(mail) => assert_eq!(articles, mail.total(), "{}", sample.name),
                Mail::Confirm(_) | Mail::Move(_) | Mail::Moved(_) => assert_eq!(articles, 0),
            }
        }
    }
}

#[test]
fn an_article_in_three_feeds_stands_once_in_a_digest_which_names_the_others() {
    let section = |nth, articles: &[usize]| Section {
        feed: feed(nth),
        articles: articles.iter().map(|n| numbered(*n)).collect(),
    };
    let mail = digest(Frequency::Daily, vec![section(1, &[1, 2]), section(2, &[2, 2]), section(3, &[3, 2])]);
    assert_eq!(mail.total(), 3);
    let content = templates().render(&sample::site(Locale::Vi), Locale::Vi, &Mail::Digest(mail)).expect("renders");
    assert_eq!(content.text.matches("/tin/2-het").count(), 1, "{}", content.text);
    assert!(content.text.contains("Cũng có trong: Chuyên mục 2, Chuyên mục 3"), "{}", content.text);
    assert!(content.html.contains("Cũng có trong: Chuyên mục 2, Chuyên mục 3"));
    assert_eq!(&*content.subject, "[Bản tin ngày 23/11] 3 tin mới: Chuyên mục 1, Chuyên mục 3");
}

#[test]
fn a_digest_of_500_articles_stays_under_90_kb_and_says_how_many_more() {
    let sections = |sizes: &[usize]| {
        let mut next = 0;
        let mut section = |(nth, size): (usize, &usize)| {
            let articles = (next..next + size).map(numbered).collect();
            next += size;
            Section { feed: feed(nth), articles }
        };
        sizes.iter().enumerate().map(&mut section).collect::<Vec<_>>()
    };
    for sizes in [vec![490, 3, 7], vec![500], vec![2; 250], vec![1; 500], vec![9000]] {
        let mail = digest(Frequency::Daily, sections(&sizes));
        let total = mail.total();
        let content = templates().render(&sample::site(Locale::Vi), Locale::Vi, &Mail::Digest(mail)).expect("renders");
        assert!(content.html.len() <= CLIP, "{} bytes for {sizes:?}", content.html.len());
        for part in [&content.text, &content.html] {
            let shown = (0..total).filter(|n| part.contains(&format!("/tin/{n}-het"))).count();
            let more: usize =
                part.split("và ").filter_map(|rest| rest.split_once(" tin khác")?.0.parse::<usize>().ok()).sum();
            assert!(shown > 40 && more > 0, "{shown} shown, {more} more of {sizes:?}");
            assert_eq!(shown + more, total, "of {sizes:?}");
        }
        if sizes == [490, 3, 7] {
            let quiet = (490..500).filter(|n| content.html.contains(&format!("/tin/{n}-het"))).count();
            assert_eq!(quiet, 10, "a busy feed does not push out quiet ones");
        }
        assert!(content.subject.starts_with(&format!("[Bản tin ngày 23/11] {total} tin mới")), "{}", content.subject);
    }
}

#[test]
fn a_poll_of_500_articles_makes_one_mail_under_90_kb_that_says_how_many_more() {
    let mail = Mail::Article(ArticleMail { articles: (0..500).map(numbered).collect() });
    for (locale, before, after) in [(Locale::Vi, "và ", " tin khác"), (Locale::En, "and ", " more")] {
        let content = templates().render(&sample::site(locale), locale, &mail).expect("renders");
        assert!(content.html.len() <= CLIP, "{} bytes", content.html.len());
        for part in [&content.text, &content.html] {
            let shown = (0..500).filter(|n| part.contains(&format!("/tin/{n}-het"))).count();
            assert!(shown > 30, "{shown} shown");
            assert!(part.contains(&format!("{before}{}{after}", 500 - shown)), "{shown} shown");
        }
        assert!(content.subject.starts_with("500 "), "{}", content.subject);
    }
}

#[test]
fn a_correction_stands_under_the_mail_that_it_corrects() {
    let content = Content { locale: Locale::Vi, subject: Line::new("Tin"), text: "t".into(), html: "h".into() };
    let at = Timestamp::from_millis(0);
    let prepared = Prepared::new(&sample::site(Locale::Vi), &sender(), Purpose::Answer, at, &content).expect("builds");
    let (first, second) = (message_id_article("tag:a", 1, PublicId(9)), message_id_article("tag:a", 2, PublicId(9)));
    let mut out = Vec::new();
    let personal = Personal {
        to: &reader(),
        message_id: &second,
        follows: Some(&first),
        manage_token: "",
        unsubscribe_token: "",
        unsubscribe_mail: None,
    };
    prepared.write(&personal, &mut out);
    let mail = parse(&out);
    let first = format!("{first}@bantin.example.gov.vn");
    assert_eq!(mail.in_reply_to().as_text(), Some(first.as_str()));
    assert_eq!(mail.references().as_text(), Some(first.as_str()));
    assert_ne!(mail.message_id(), Some(first.as_str()));
}

#[test]
fn a_digest_that_fits_shows_everything() {
    let articles: Vec<Card> = (0..40).map(numbered).collect();
    let mail = Mail::Digest(digest(Frequency::Weekly, vec![Section { feed: feed(1), articles }]));
    let content = templates().render(&sample::site(Locale::Vi), Locale::Vi, &mail).expect("renders");
    assert!(!content.html.contains("tin khác") && !content.text.contains("tin khác"));
    assert!(content.html.len() > 20_000 && content.html.len() < CLIP, "{} bytes", content.html.len());
    assert!(content.subject.starts_with("[Bản tin tuần "), "{}", content.subject);
}

/// A decoder of RFC 2047 by its letter, so that a second reader agrees with the parser's.
fn decode(value: &str) -> String {
    use base64::Engine;
    if !value.contains("=?") {
        return value.to_owned();
    }
    let word = |w: &str| {
        assert!(w.len() <= 75, "{w} is longer than RFC 2047 allows");
        let inner = w.strip_prefix("=?utf-8?b?").and_then(|w| w.strip_suffix("?=")).expect("an encoded word");
        let bytes = base64::engine::general_purpose::STANDARD.decode(inner).expect("base64");
        String::from_utf8(bytes).expect("whole characters in each word")
    };
    value.split(' ').map(word).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_subject_survives_any_decoder(title in prop_oneof![
        "[A-Za-zÀ-ỹ0-9 ,.:\"()/–“”]{1,150}",
        "(Đa\u{309}ng bộ ti\u{309}nh |Nghị quyết số 05-NQ/TU |=\\?utf-8\\?b\\?eA==\\?= ){1,9}",
        "\\PC{1,100}",
    ]) {
        let Ok(content) = templates().render(&sample::site(Locale::Vi), Locale::Vi, &titled(&title)) else {
            prop_assert!(Line::new(&title).is_empty(), "{title} could not be worded");
            return Ok(());
        };
        let bytes = bytes(&content, daily());
        let value = header(&bytes, "Subject").expect("a subject");
        prop_assert_eq!(decode(&value), &*content.subject);
        let mail = parse(&bytes);
        prop_assert_eq!(mail.subject().unwrap_or_default(), &*content.subject);
        prop_assert!(content.subject.nfc().eq(content.subject.chars()), "NFC");
        prop_assert!(content.subject.chars().count() <= 160);
    }
}

#[test]
fn a_bulk_mail_says_what_it_is_and_how_to_leave() {
    let content = templates().render(&sample::site(Locale::Vi), Locale::Vi, &sample::samples(Locale::Vi)[3].mail);
    let bytes = bytes(&content.expect("renders"), daily());
    let keys = KeyRing::new(vec![(1, [7; 32])]).expect("a key");
    let leave = header(&bytes, "List-Unsubscribe").expect("a way to leave");
    let token =
        leave.strip_prefix("<https://bantin.example.gov.vn/u/").and_then(|t| t.strip_suffix('>')).expect("a link");
    assert_eq!((token.len(), keys.verify(token)), (TOKEN_LEN, Some(Link::Unsubscribe(PublicId(7), Frequency::Daily))));
    for (name, value) in [
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Help", "<https://bantin.example.gov.vn/>"),
        ("List-Archive", "<https://bantin.example.gov.vn/feeds/cong-tac-to-chuc>"),
        ("List-Post", "NO"),
        ("Auto-Submitted", "auto-generated"),
        ("Precedence", "bulk"),
        ("X-Auto-Response-Suppress", "OOF, AutoReply"),
        ("Feedback-ID", "daily20261123:daily:vi:bantinexamplego"),
        ("MIME-Version", "1.0"),
        ("Content-Language", "vi"),
        ("Message-ID", "<a.1.1.5d41402abc4b2a76b971@bantin.example.gov.vn>"),
        ("Date", "Mon, 23 Nov 2026 07:00:00 +0700"),
        ("To", "<an@so.example.gov.vn>"),
        ("Reply-To", "<hotro@example.gov.vn>"),
    ] {
        assert_eq!(header(&bytes, name).as_deref(), Some(value), "{name}");
    }
    let list = header(&bytes, "List-Id").expect("a list id");
    let (title, id) = list.rsplit_once(' ').expect("a title and an id");
    assert_eq!((decode(title).as_str(), id), ("Cổng thông tin điện tử Tỉnh ủy", "<daily.bantin.example.gov.vn>"));
    let mail = parse(&bytes);
    let from = mail.from().and_then(|f| f.first()).expect("a sender");
    assert_eq!(from.name(), Some("Cổng thông tin điện tử Tỉnh ủy"));
    assert_eq!(from.address(), Some("bantin@bantin.example.gov.vn"));
    for part in [mail.body_text(0), mail.body_html(0)] {
        let part = part.expect("a part");
        assert!(part.contains(&format!("https://bantin.example.gov.vn/u/{token}")), "the same link in the body");
        assert!(part.contains(&format!("/manage/{}", keys.sign(Link::Manage(PublicId(7))))));
    }
}

#[test]
fn the_way_to_leave_stands_near_the_top_and_at_the_end_and_no_pixel_is_in_between() {
    for sample in sample::samples(Locale::Vi).iter().filter(|s| s.mail.is_bulk()) {
        let html = templates().render(&sample::site(Locale::Vi), Locale::Vi, &sample.mail).expect("renders").html;
        let places: Vec<usize> = html.match_indices("/u/\u{1}").map(|(at, _)| at).collect();
        let title = html.find("<h1").expect("a heading");
        assert!(places.len() == 2 && places[0] < title && places[1] > title, "{}: {places:?}", sample.name);
        for image in html.split("<img ").skip(1) {
            let tag = image.split('>').next().unwrap_or_default();
            assert!(
                tag.starts_with("src=\"https://tinhuy.example.gov.vn/images/") && tag.contains("width=\"536\""),
                "{tag}"
            );
            assert!(tag.contains("height=\"301\"") && tag.contains("alt=\"Ảnh minh họa"), "{tag}");
        }
    }
}

#[test]
fn a_confirmation_is_no_list_and_says_what_was_asked_for() {
    let templates = templates();
    for locale in LOCALES {
        for sample in sample::samples(locale).iter().filter(|s| s.name.starts_with("confirm")) {
            let Mail::Confirm(confirm) = &sample.mail else { panic!("a confirmation") };
            let content = templates.render(&sample::site(locale), locale, &sample.mail).expect(sample.name);
            let bytes = bytes(&content, Purpose::Answer);
            let head = String::from_utf8(bytes.clone()).expect("ASCII");
            let head = head.split("\r\n\r\n").next().unwrap_or_default();
            assert!(!head.contains("List-") && !head.contains("Precedence") && !head.contains("Feedback-ID"), "{head}");
            assert_eq!(header(&bytes, "Auto-Submitted").as_deref(), Some("auto-generated"));
            let mail = parse(&bytes);
            for part in [mail.body_text(0), mail.body_html(0)] {
                let part = part.expect("a part");
                assert!(part.contains(&format!("https://bantin.example.gov.vn/confirm/{}", confirm.token)));
                assert!(confirm.feeds.iter().all(|f| part.contains(&*f.feed.title)));
                assert!(part.contains(if locale == Locale::Vi { "7 ngày" } else { "7 days" }), "{part}");
            }
        }
    }
}

#[test]
fn lines_are_short_crlf_and_ascii_and_the_text_part_comes_first() {
    let templates = templates();
    for locale in LOCALES {
        for sample in sample::samples(locale) {
            let content = templates.render(&sample::site(locale), locale, &sample.mail).expect(sample.name);
            let purpose = if sample.mail.is_bulk() { daily() } else { Purpose::Answer };
            let bytes = bytes(&content, purpose);
            let text = String::from_utf8(bytes.clone()).expect("ASCII");
            assert!(text.is_ascii() && !text.contains('\0') && text.ends_with("--\r\n"));
            for line in text.split("\r\n") {
                assert!(line.len() <= 998 && !line.contains(['\r', '\n']), "{}: {line:?}", sample.name);
            }
            let mail = parse(&bytes);
            let kinds: Vec<_> = mail.parts.iter().filter_map(|p| p.content_type()).map(|t| t.subtype()).collect();
            assert_eq!(kinds, [Some("alternative"), Some("plain"), Some("html")], "{}", sample.name);
            assert_eq!(text.matches("Content-Transfer-Encoding: base64\r\n").count(), 2);
            for line in content.text.lines().filter(|l| !l.contains("://")) {
                assert!(line.chars().count() <= 78, "{}: a long line in the text part: {line}", sample.name);
            }
        }
    }
}

#[test]
fn an_operators_template_wins_and_a_broken_one_is_named_with_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    };
    let site = sample::site(Locale::Vi);
    let mail = &sample::samples(Locale::Vi)[0].mail;

    write("article/vi/subject.txt", "Của cơ quan: {{ articles[0].title | shorten(20) }}\n");
    let own = Templates::load(Some(folder.path())).expect("loads");
    let content = own.render(&site, Locale::Vi, mail).expect("renders");
    assert_eq!(&*content.subject, "Của cơ quan: Hoàn thành sắp xếp…");
    assert!(content.html.contains("Đọc toàn bài"), "what was not written anew stays");
    assert_eq!(sample::check(&own), Vec::<String>::new());

    write("article/vi/body.txt", "Dòng một\n{{ artikles }}\n");
    write("digest/en/body.html", "<p>{{ total }}</p>");
    let faults = sample::check(&Templates::load(Some(folder.path())).expect("loads"));
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults.iter().any(|f| f.contains("article/vi/body.txt:2") && f.contains("undefined")), "{faults:?}");
    assert!(faults.iter().any(|f| f.contains("digest/en/body.html") && f.contains("links.unsubscribe")), "{faults:?}");

    write("article/vi/body.html", "<p>\n\n{% if %}</p>");
    write("digest/vi/body.txt", "{% for %}");
    write("artcle/vi/body.txt", "typo in the folder's name");
    let faults = Templates::load(Some(folder.path())).expect_err("three are broken").to_string();
    for part in ["article/vi/body.html:3", "digest/vi/body.txt:1", "artcle/vi/body.txt: no mail has a template"] {
        assert!(faults.contains(part), "{part} is not in: {faults}");
    }
}
