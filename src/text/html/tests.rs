//! Laws of cleaning.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::text::xml::is_xml_char;

fn base() -> Url {
    Url::parse("https://tinhuy.example.vn").expect("an address")
}

fn cleaned(html: &str) -> String {
    clean(html, &base()).into_string()
}

#[test]
fn what_editors_write_stays() {
    for html in [
        "<h2>Một</h2><p>Hai <strong>ba</strong> <em>bốn</em>,<br>năm &amp; sáu.</p>",
        "<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>",
        "<table><tbody><tr><th colspan=\"2\">a</th></tr><tr><td>b</td><td></td></tr></tbody></table>",
        "<blockquote><p>a</p></blockquote><hr><pre>a\n  b</pre>",
        "<figure><img src=\"https://tinhuy.example.vn/a.jpg\" alt=\"x\"><figcaption>b</figcaption></figure>",
        "<p>x<sup>2</sup> <a href=\"mailto:a@example.vn\">thư</a></p>",
        "<dl><dt>a</dt><dd>b</dd></dl>",
    ] {
        assert_eq!(cleaned(html), html);
        assert_eq!(cleaned(&cleaned(html)), html);
    }
}

#[test]
fn links_and_pictures_hang_on_the_site_root() {
    assert_eq!(
        cleaned("<a href='index.php?option=com_content&amp;id=5' target=_blank onclick='x()'>a</a>"),
        "<a href=\"https://tinhuy.example.vn/index.php?option=com_content&amp;id=5\">a</a>"
    );
    let joomla = "<img src='images/tin 1.jpg#joomlaImage://local-images/tin 1.jpg?width=800&amp;height=600' srcset='x 2x' style='a:b'>";
    assert_eq!(
        cleaned(joomla),
        "<img src=\"https://tinhuy.example.vn/images/tin%201.jpg\" alt=\"\" width=\"800\" height=\"600\">"
    );
    let folder = Url::parse("https://example.vn/cong?x=1#y").expect("an address");
    assert_eq!(clean("<a href=a>b</a>", &folder).as_str(), "<a href=\"https://example.vn/cong/a\">b</a>");
    assert_eq!(cleaned("<a href='#muc'>a</a><a name=b>c</a>"), "ac");
}

#[test]
fn lazily_loaded_pictures_are_found_and_counting_pixels_are_not() {
    assert_eq!(
        cleaned("<img src='data:image/gif;base64,R0lG' data-src='/a.png'>"),
        "<img src=\"https://tinhuy.example.vn/a.png\" alt=\"\">"
    );
    assert_eq!(cleaned("<img src='/count.gif' width=1 height=1>"), "");
}

#[test]
fn nothing_that_runs_comes_through() {
    for html in [
        "<script>alert(1)</script>",
        "<style>p{}</style>",
        "<img src=x onerror=alert(1) src='javascript:alert(1)'>",
        "<a href='java\u{B}script:alert(1)'>a</a>",
        "<a href=' &#1; javascript:alert(1)'>a</a>",
        "<a href='vbscript:x'>a</a><a href='data:text/html,x'>a</a>",
        "<svg><a xlink:href='javascript:alert(1)'>x</a></svg>",
        "<math><mtext><table><mglyph><style><img src onerror=alert(1)></style></mglyph></table></mtext></math>",
        "<p>\u{338} onmouseover=alert(1) x=</p>",
        "<p>&#x338; onmouseover=alert(1) x=</p>",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "<form action='javascript:alert(1)'><button formaction='javascript:alert(1)'>x</button></form>",
    ] {
        let out = cleaned(html);
        for bad in ["script:", "<script", "<style", "onerror", "srcdoc", "<form", "≯"] {
            assert!(!out.contains(bad), "{html} gave {out}");
        }
    }
    assert_eq!(cleaned("<p>\u{338}a</p>"), "<p>a</p>");
}

#[test]
fn a_video_or_frame_leaves_a_link() {
    let link = "<p><a href=\"https://www.youtube.com/watch?v=abcdefghijk\">https://www.youtube.com/watch?v=abcdefghijk</a></p>";
    assert_eq!(cleaned("<iframe src='//www.youtube.com/embed/abcdefghijk' width=560>x</iframe>"), link);
    assert_eq!(cleaned("<p>{youtube}abcdefghijk{/youtube}</p>"), link);
    assert_eq!(
        cleaned("<p>a</p><video controls><source src='/v.mp4'>Trình duyệt không hỗ trợ.</video>b"),
        "<p>a</p><p><a href=\"https://tinhuy.example.vn/v.mp4\">https://tinhuy.example.vn/v.mp4</a></p><p>b</p>"
    );
}

#[test]
fn words_in_divs_become_paragraphs_and_empty_ones_go() {
    assert_eq!(cleaned("<div>a</div><div><div>b</div>c</div>d"), "<p>a</p><p>b</p><p>c</p><p>d</p>");
    assert_eq!(
        cleaned("<p>a</p><p>&nbsp;</p><p><br></p><p><b> </b></p><p>b<br><br><br><br>c<br></p>"),
        "<p>a</p><p>b<br><br>c</p>"
    );
    assert_eq!(cleaned("a <b> b </b> c"), "a <b>b</b> c");
    assert_eq!(cleaned("<p>Một<o:p></o:p><span style='x'> hai</span></p>"), "<p>Một hai</p>");
    assert_eq!(cleaned("<td><div>a</div><p>b</td></tr>"), "<p>a</p><p>b</p>");
}

#[test]
fn marks_of_the_editor_are_not_content() {
    assert_eq!(
        cleaned(
            "<p>a{loadposition tin}</p><hr class=\"system-pagebreak\" title=\"x\"><hr id=\"system-readmore\" /><p>b</p>"
        ),
        "<p>a</p><p>b</p>"
    );
    assert_eq!(
        cleaned("<!--[if gte mso 9]><xml>x</xml><![endif]--><p>a\u{B}\u{0}\u{200B}\u{AD}b Ðảng</p>"),
        "<p>ab Đảng</p>"
    );
}

#[test]
fn badly_nested_html_comes_out_well_nested() {
    assert_eq!(cleaned("<p><b>a<p>b</b>c"), "<p><b>a</b></p><p>b</p>c".replace("</p>c", "c</p>").as_str());
    assert_eq!(
        cleaned("<table>x<tr>y<td>z</table>"),
        "<table><tbody><tr><td>x</td></tr><tr><td>y</td><td>z</td></tr></tbody></table>"
    );
    assert_eq!(cleaned("<ul><li>a<li>b</ul></li>c"), "<ul><li>a</li><li>b</li></ul><p>c</p>");
    assert_eq!(cleaned("<a href=/1>a<a href=/2>b</a>c</a>").matches("<a ").count(), 2);
}

#[test]
fn plain_text_keeps_words_apart() {
    assert_eq!(plain("<p>Kết thúc hội nghị.</p><p>Trong năm qua</p>").as_str(), "Kết thúc hội nghị. Trong năm qua");
    assert_eq!(
        plain("a<br>b<td>c</td>d<b>e</b>f&nbsp;&amp;lt;").as_str(),
        "a b c de f &lt;".replace("de f", "def").as_str()
    );
    assert_eq!(plain("<script>x</script>a{gallery}x{/gallery}<iframe>y</iframe>&#133;").as_str(), "a …");
    assert_eq!(plain("  Đa\u{309}ng \u{FEFF}\n ủy ").as_str(), "Đảng ủy");
}

#[test]
fn a_title_loses_tags_and_keeps_brackets() {
    for (raw, text) in [
        ("Đảng ủy <b>xã</b> &amp; phường", "Đảng ủy xã & phường"),
        ("<Nghị quyết> số 5", "<Nghị quyết> số 5"),
        ("PCI 5 < 6", "PCI 5 < 6"),
        ("a<b và c>d", "a<b và c>d"),
        ("Một<br/>hai <span class=\"x\">ba</span>", "Mộthai ba"),
        ("&lt;b&gt; &amp;amp; &quot;x&quot;", "<b> &amp; \"x\""),
        ("  \u{A0}Tin\n mới \u{200B}", "Tin mới"),
        ("<", "<"),
    ] {
        assert_eq!(title(raw).as_str(), text, "{raw}");
    }
}

#[test]
fn the_first_picture_to_look_at_is_found() {
    let html =
        "<p>a</p><img src='data:x'><img src=/p.gif width=1><img alt='Đại &amp; biểu' src='images/b.jpg' width='640px'>";
    let picture = first_image(html, &base()).expect("a picture");
    assert_eq!(picture.url, "https://tinhuy.example.vn/images/b.jpg");
    assert_eq!((picture.alt.as_str(), picture.width, picture.height), ("Đại & biểu", Some(640), None));
    assert_eq!(first_image("<p>x</p>", &base()), None);
}

#[test]
fn a_picture_pasted_as_data_does_not_cost_the_text_behind_it() {
    let html = format!("<p>a</p><img src=\"data:image/png;base64,{}\"><p>b</p>", "A".repeat(5_000_000));
    assert_eq!(cleaned(&html), "<p>a</p><p>b</p>");
}

#[test]
fn an_honest_long_paragraph_is_not_broken() {
    let html = format!("<p>{}</p>", "Đảng bộ\u{A0}tỉnh ".repeat(900));
    assert!(!cleaned(&html).contains("<br>"));
    assert!(!cleaned(&"một hai ba ".repeat(20_000)).contains("<br>"));
}

/// Hostile inputs: time is bounded (generously: this is a build without optimisation), the stack is not used up, and
/// the length is capped.
#[test]
fn hostile_input_is_handled_in_bounded_time() {
    let big = 200_000;
    let many = (0..100_000).map(|n| format!("a{n}")).collect::<Vec<_>>().join(" ");
    for (name, html) in [
        ("divs", "<div>".repeat(100_000)),
        ("lists", "<ul><li>".repeat(100_000)),
        ("tables", "<table><tr><td>".repeat(50_000)),
        ("bold", "<b>x".repeat(big / 4)),
        ("links", "<a href=/x>".repeat(big / 11)),
        ("bold in table", format!("<table>{}", "<b>x</b>".repeat(big / 8))),
        ("text in table", format!("<table>{}", "x<tr>".repeat(big / 8))),
        ("attributes", format!("<p {many}>a</p>")),
        ("brackets", "<".repeat(big)),
        ("open tags", "<a ".repeat(big / 3)),
        ("comments", "<!--".repeat(big / 4)),
        ("videos", "<video>".repeat(big / 7)),
        ("braces", "{youtube}".repeat(big / 9)),
        ("entities", "&amp".repeat(big)),
        ("blanks", "&nbsp;".repeat(big)),
        ("blanks and words", "x&nbsp;".repeat(big)),
        ("alternative text", format!("<img src=/a.jpg alt='{}'>", "&amp;".repeat(big))),
        ("formatting", "<p><b><i><u><em><strong>".repeat(big / 24)),
        ("closing", "</p></b></div>".repeat(big / 14)),
    ] {
        let start = Instant::now();
        let clean = cleaned(&html);
        let text = plain(&html);
        let _ = (title(&html), first_image(&html, &base()));
        let took = start.elapsed();
        assert!(took < Duration::from_secs(30), "{name}: {took:?}");
        assert!(clean.len() < 2 * MAX_OUTPUT && text.len() <= MAX_OUTPUT, "{name}: {}", clean.len());
    }
    let words = "Đảng bộ ".repeat(1_000_000);
    assert!(words.len() > 10_000_000);
    assert!(cleaned(&words).len() <= MAX_OUTPUT + 100);
    assert!(plain(&words).len() <= MAX_OUTPUT);
}

proptest! {
    #[test]
    fn whatever_comes_in_safe_xml_characters_come_out(html in "[<>/a-e\"'=&;#x {}\u{338}\u{0}\u{B}\u{FFFE}đ!-]{0,120}") {
        let out = cleaned(&html);
        prop_assert!(out.chars().all(is_xml_char));
        prop_assert_eq!(&XmlText::new(&out).into_string(), &out);
        prop_assert!(plain(&html).chars().all(is_xml_char));
    }

    #[test]
    fn tags_in_any_order_give_html_that_cleans_to_itself(
        tags in prop::collection::vec(
            prop::sample::select(vec![
                "<p>", "</p>", "<div>", "</div>", "<b>", "</b>", "<a href=/x>", "</a>", "<table>", "</table>", "<tr>",
                "<td>", "</td>", "<ul>", "</ul>", "<li>", "</li>", "<h2>", "</h2>", "x", " ", "<br>", "<hr>", "<pre>",
                "</pre>", "<img src=/a>", "<figure>", "</figure>", "<figcaption>", "<dl>", "<dt>", "<script>x</script>",
                "<caption>", "<blockquote>", "</blockquote>", "<iframe src=/f>", "</iframe>",
            ]),
            0..30,
        )
    ) {
        let out = cleaned(&tags.concat());
        prop_assert!(!out.contains("script"));
        prop_assert_eq!(cleaned(&out), out);
    }
}
