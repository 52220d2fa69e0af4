//! Whatever stands in the portal's database, documents stay well-formed and mails harmless.

use loa::domain::subscriber::Frequency;
use loa::feed::document::Format;
use loa::text::xml::is_xml_char;
use mail_parser::MessageParser;

use super::stage::{Keep, Stage, source};
use crate::sources::joomla::Portal;
use crate::support::databases::Engine;
use crate::support::skip::skip;
use crate::support::xmllint;

/// Titles and texts that break something somewhere. None has a quote of SQL's.
const HOSTILE: [(&str, &str); 9] = [
    ("a]]>b <![CDATA[ c", "<p>x ]]&gt; y ]]> z <![CDATA[ w</p>"),
    ("\u{1}Điều\u{b} khiển\u{1f}\u{85}", "<p>\u{2}Chữ\u{c} \u{1b}[31mđỏ\u{7f}</p>"),
    ("🎉👨‍👩‍👧 𝔗in", "<p>🇻🇳 🎉</p>"),
    ("Tie\u{302}\u{301}n to\u{31b}\u{301}i đa\u{323}i ho\u{323}\u{302}i", "<p>Đa\u{309}ng bo\u{323}\u{302}</p>"),
    ("\u{fffe}\u{ffff}\u{fdd0}Không phải chữ\u{feff}\u{202e}", "<p>\u{fffe}a\u{ffff}&#0;&#11;&#xFFFE;&#xD800;</p>"),
    (
        "<script>alert(1)</script>Kịch bản & <b>đậm",
        "<script>alert(1)</script><scr<script>ipt>alert(2)</script><p onclick=alert(3)>a</p><img src=x onerror=alert(4)>\
         <svg onload=alert(5)></svg><iframe src=javascript:alert(6)></iframe><style>*{display:none}</style>",
    ),
    (
        "Liên kết",
        "<a href=\"javascript:alert(7)\">a</a><a href=\" jav&#x09;ascript:alert(8)\">b</a>\
         <a href=\"data:text/html,<script>alert(9)</script>\">c</a><a href=\"vbscript:x\">d</a>",
    ),
    (
        "&amp;lt;b&amp;gt; &#x3c;i&#x3e; &khong;",
        "<p>&amp;amp; &lt;script&gt;alert(10)&lt;/script&gt; &nbsp;&khong;</p>",
    ),
    ("]]]]><!-- --> ?> <?xml", "<!-- <p> --><p>a</p><?php echo 1 ?><!DOCTYPE html><html><body></p></div></table>"),
];

macro_rules! survives {
    ($($name:ident: $joomla:literal, $engine:ident;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let test = concat!("portal::hostile::", stringify!($name));
            if let Some(portal) = Portal::new($joomla, Engine::$engine, test).await {
                survive(portal, test).await;
            }
        }
    )+};
}

survives! {
    hostile_content_of_mariadb_breaks_no_document_and_no_mail: 5, MariaDb;
    hostile_content_of_postgresql_breaks_no_document_and_no_mail: 3, Postgres;
}

async fn survive(portal: Portal, test: &str) {
    let stage = Stage::build(source(&portal.db.url), Keep::Sqlite, test).await.expect("a stage");
    stage.poll().await.expect("a poll");
    stage.follow("an", &["tat-ca"], Frequency::Immediate).await;
    stage.follow("ngay", &["tat-ca"], Frequency::Daily).await;
    stage.endpoint("so", &["tat-ca"]).await;
    stage.clock.advance(std::time::Duration::from_mins(1));
    // Unpublished ones become public with hostile content, so that mails, events and documents all get it.
    let hidden = [103, 104, 105, 108, 109, 111, 112, 113, 114];
    for (id, (title, text)) in hidden.into_iter().zip(HOSTILE) {
        portal
            .run(&format!(
                "UPDATE #__content SET title = '{title}', introtext = '{text}', state = 1, access = 1, catid = 13, \
                 created_by_alias = '{title}', publish_up = '2026-11-22 08:00:00' WHERE id = {id}"
            ))
            .await;
    }
    let huge = "UPDATE #__content SET introtext = REPEAT('<div><p>Một đoạn văn dài &amp; lặp lại.</p>', 240000), \
                publish_up = '2026-11-22 08:00:00' WHERE id = 119";
    portal.run(huge).await;
    let rows =
        portal.db.rows(&format!("SELECT OCTET_LENGTH(introtext) FROM {}content WHERE id = 119", portal.prefix)).await;
    assert!(rows[0][0].as_deref().and_then(|n| n.parse::<u64>().ok()).is_some_and(|n| n > 10_000_000), "{rows:?}");
    let report = stage.poll().await.expect("a poll");
    assert_eq!((report.applied.published, report.applied.revised), (9, 1), "{report:?}");
    stage.digests.run().await.expect("a digest");
    let sent = stage.quiet().await;

    let shown = stage.shown().await;
    assert!(hidden.iter().all(|id| shown.contains(id)) && shown.contains(&119), "{shown:?}");
    let mut documents = Vec::new();
    for published in stage.publisher.all() {
        for format in Format::ALL {
            let bytes = published.bytes(format);
            assert!(bytes.len() < 3 << 20, "{} bytes", bytes.len());
            if format != Format::Json {
                documents.push((format!("{}.{}", published.feed.spec.slug, format.extension()), bytes));
            }
        }
    }
    match xmllint::verdict(None, &documents) {
        None => skip(test, "xmllint is not installed"),
        Some(verdict) => assert_eq!(verdict, Ok(())),
    }
    let json = &stage.feeds().await["giai-phong-mien-nam"].texts[2];
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let items = json["items"].as_array().expect("items");
    let html: Vec<&str> = items.iter().filter_map(|item| item["content_html"].as_str()).collect();
    assert!(html.len() > 8);
    for html in html {
        harmless(html);
    }
    assert_eq!(sent.mails.len(), 9 + 1, "nine at once and one digest");
    for message in stage.smtp.messages() {
        assert!(message.data.len() < 200_000, "{} bytes", message.data.len());
        let mail = MessageParser::default().parse(&message.data).expect("a mail");
        let (html, text) = (mail.body_html(0).expect("HTML"), mail.body_text(0).expect("text"));
        harmless(&html);
        for part in [&*html, &*text, mail.subject().expect("a subject")] {
            assert!(part.chars().all(|c| is_xml_char(c) && !matches!(c, '\u{7f}'..='\u{9f}')), "{part}");
        }
    }
    assert_eq!(sent.events.len(), 9 + 1 + 1, "nine new ones, one edit, and 126 expired");
    for event in &sent.events {
        assert!(event.body.len() < 20_000);
        serde_json::from_str::<serde_json::Value>(&event.body).expect("JSON");
    }
}

/// What a browser would run is not in it; what a person wrote about it may be, as text.
fn harmless(html: &str) {
    let lower = html.to_lowercase();
    for bad in
        ["<script", "<iframe", "<svg", "javascript:", "vbscript:", "data:text", "onclick=", "onerror=", "onload="]
    {
        assert!(!lower.contains(bad), "{bad} in {}", &html[..html.len().min(2000)]);
    }
}
