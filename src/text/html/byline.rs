//! The line that signs the end of an article, where a portal has no field for it. It is better to find none than to make
//! a place, an office or a date an author: everything that is not plainly the names of one to three people is none.

use super::plugin::{self, Piece};
use super::scan::{Scanner, Tag, Token, is_block};
use super::visible;
use crate::text::fold::normal;
use crate::text::xml::XmlText;

/// The longest line that is a signature, in characters.
const LONGEST: usize = 60;
/// The most people who sign one article.
const PEOPLE: usize = 3;
/// How deep elements are followed; what lies deeper looks like its surroundings.
const DEPTH: usize = 64;

/// Elements whose lines sign nothing: lists, tables, links to other articles, captions.
const ELSEWHERE: [&str; 12] =
    ["a", "blockquote", "caption", "dd", "dt", "figcaption", "footer", "li", "nav", "pre", "td", "th"];
/// Elements that have no end tag.
const VOID: [&str; 9] = ["br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr"];

/// What may stand before the colon of a signature: "Bài, ảnh: …". A line about pictures or sources alone signs nothing.
const LABEL_WORDS: [&str; 13] =
    ["bài", "tin", "ảnh", "video", "clip", "và", "viết", "thực", "hiện", "tác", "giả", "người", "lời"];
const LABELS: [&str; 6] = ["bài", "tin", "viết", "tác giả", "thực hiện", "lời"];

/// How a line that names no person begins.
const NO_PERSON: [&str; 39] = [
    "ảnh",
    "ban",
    "báo",
    "bộ",
    "các",
    "chi bộ",
    "chuyên",
    "clip",
    "cổng",
    "công an",
    "công ty",
    "đài",
    "đảng",
    "đoàn đại biểu",
    "đoàn thanh niên",
    "đọc",
    "hà nội",
    "hết",
    "hội",
    "huyện",
    "liên quan",
    "nguồn",
    "phòng",
    "sở",
    "tải",
    "thành phố",
    "thành ủy",
    "theo",
    "thị ủy",
    "thị xã",
    "tin",
    "tỉnh",
    "trung tâm",
    "trung ương",
    "ủy ban",
    "văn phòng",
    "video",
    "việt nam",
    "xem",
];

/// One line of text and how it stands.
#[derive(Default)]
struct Line {
    text: String,
    is_right: bool,
    has_plain: bool,
    is_elsewhere: bool,
}

impl Line {
    /// Whether it is apart from running text: short, and to the right or bold.
    fn is_set_off(&self) -> bool {
        (self.is_right || !self.has_plain) && self.text.chars().take(LONGEST + 1).count() <= LONGEST
    }
}

/// An element that is open.
struct Open {
    name: String,
    is_right: bool,
    is_bold: bool,
    is_elsewhere: bool,
}

pub(super) fn byline(html: &str) -> Vec<XmlText> {
    let (before, last) = last_lines(html);
    // A text of one line is no signed text. Two set-off lines at the end are the signature of an official document, with
    // the office above the name: "KT. CHỦ TỊCH", "Nguyễn Văn A".
    if before.text.is_empty() || before.is_set_off() || !last.is_set_off() || last.is_elsewhere {
        return Vec::new();
    }
    names(&last.text)
}

/// The last two lines that have words.
fn last_lines(html: &str) -> (Line, Line) {
    let (mut before, mut last, mut line) = (Line::default(), Line::default(), Line::default());
    let mut open: Vec<Open> = Vec::new();
    let mut flush = |line: &mut Line| {
        let mut done = std::mem::take(line);
        done.text = done.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !done.text.is_empty() {
            before = std::mem::replace(&mut last, done);
        }
    };
    for token in Scanner::new(html) {
        match token {
            Token::Text(text) => {
                for piece in plugin::pieces(text) {
                    if let Piece::Text(text) = piece {
                        read(&visible(text), &open, &mut line);
                    }
                }
            }
            Token::Open(tag) => {
                if is_block(&tag.name) {
                    flush(&mut line);
                    // A paragraph ends where the next block begins, as in a browser.
                    if tag.name != "br" && open.last().is_some_and(|o| o.name == "p") {
                        open.pop();
                    }
                }
                if !VOID.contains(&tag.name.as_str()) && open.len() < DEPTH {
                    let above = open.last();
                    open.push(Open {
                        is_right: above.is_some_and(|o| o.is_right) && !is_left(&tag) || is_right(&tag),
                        is_bold: above.is_some_and(|o| o.is_bold) || is_bold(&tag),
                        is_elsewhere: above.is_some_and(|o| o.is_elsewhere) || ELSEWHERE.contains(&tag.name.as_str()),
                        name: tag.name,
                    });
                }
            }
            Token::Close(name) => {
                if is_block(&name) {
                    flush(&mut line);
                }
                if let Some(at) = open.iter().rposition(|o| o.name == name) {
                    open.truncate(at);
                }
            }
            Token::Raw(..) => flush(&mut line),
        }
    }
    flush(&mut line);
    (before, last)
}

fn read(text: &str, open: &[Open], line: &mut Line) {
    if !text.trim().is_empty() {
        let here = open.last();
        line.is_right |= here.is_some_and(|o| o.is_right);
        line.has_plain |= !here.is_some_and(|o| o.is_bold);
        line.is_elsewhere |= here.is_some_and(|o| o.is_elsewhere);
    }
    line.text.push_str(text);
}

fn style(tag: &Tag<'_>) -> String {
    let style = tag.get("style").unwrap_or_default();
    style.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

fn is_right(tag: &Tag<'_>) -> bool {
    let has_class = |class: &str| {
        let class = class.to_ascii_lowercase();
        class == "rteright"
            || class == "text-end"
            || class.ends_with("-right") && class.contains("align")
            || class == "text-right"
    };
    tag.get("align").is_some_and(|align| align.trim().eq_ignore_ascii_case("right"))
        || ["text-align:right", "text-align:end"].iter().any(|right| style(tag).contains(right))
        || tag.get("class").is_some_and(|classes| classes.split_ascii_whitespace().any(has_class))
}

/// Whether the element says an alignment of its own that is not to the right.
fn is_left(tag: &Tag<'_>) -> bool {
    tag.get("align").is_some() || style(tag).contains("text-align:")
}

fn is_bold(tag: &Tag<'_>) -> bool {
    let style = style(tag);
    matches!(tag.name.as_str(), "b" | "strong")
        || ["font-weight:bold", "font-weight:600", "font-weight:700", "font-weight:800"]
            .iter()
            .any(|b| style.contains(b))
}

/// The people whom a line names; empty if it says anything else.
fn names(line: &str) -> Vec<XmlText> {
    let line = line.trim_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '*' | '[' | ']'));
    let line = match line.split_once(':') {
        Some((label, rest)) if is_label(label) => rest,
        Some(_) => return Vec::new(),
        None => line,
    };
    let parts: Vec<&str> =
        line.split([',', ';', '&', '–', '—', '/']).flat_map(|p| p.split(" - ")).flat_map(|p| p.split(" và ")).collect();
    let is_fine = parts.len() <= PEOPLE && parts.iter().all(|part| is_person(part.trim()));
    if is_fine { parts.iter().map(|part| XmlText::new(part.trim())).collect() } else { Vec::new() }
}

fn is_label(label: &str) -> bool {
    let label = normal(label);
    let words: Vec<&str> = label.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    words.iter().all(|word| LABEL_WORDS.contains(word)) && LABELS.iter().any(|known| begins(&words.join(" "), known))
}

/// Whether this is plainly a person's name or pen name: two to five words with a capital each, or initials (`H.T`).
fn is_person(name: &str) -> bool {
    let words: Vec<&str> = name.split_whitespace().collect();
    let is_initials = |word: &str| {
        word.contains('.')
            && word.split('.').all(|part| part.chars().count() <= 2 && part.chars().all(char::is_uppercase))
    };
    let is_name_word = |word: &str| {
        let word = word.strip_suffix('.').unwrap_or(word);
        word.chars().count() <= 12
            && word.chars().next().is_some_and(char::is_uppercase)
            && word.chars().all(char::is_alphabetic)
    };
    match words.as_slice() {
        [one] => is_initials(one),
        [first @ .., last] => {
            words.len() <= 5
                && first.iter().all(|word| is_name_word(word) || is_initials(word))
                && is_name_word(last)
                && !last.ends_with('.')
                && !NO_PERSON.iter().any(|start| begins(&normal(name), start))
        }
        [] => false,
    }
}

/// Whether a text begins with these words.
fn begins(text: &str, words: &str) -> bool {
    text.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(end: &str) -> Vec<String> {
        let html = format!("<p>Sáng nay, <strong>Ban Thường vụ</strong> họp.</p><p>Hội nghị bế mạc.</p>{end}");
        byline(&html).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_short_line_that_signs_a_text_names_its_author() {
        for end in [
            "<p style=\"text-align: right;\">Trúc Linh</p>",
            "<p style=\"TEXT-ALIGN:right\"><strong>Trúc Linh</strong></p><p>&nbsp;</p>",
            "<p align=\"right\"><em>Trúc Linh</em></p>",
            "<div class=\"text-end\"><p>Trúc&nbsp;Linh</p></div>",
            "<p><b>Trúc Linh</b></p>",
            "<p><span style=\"font-weight: bold\">Trúc Linh </span></p>",
            "<p style=\"text-align:right\">Bài, ảnh: Trúc Linh</p>",
            "<p style=\"text-align:right\">Tin và ảnh: Trúc Linh</p>",
            "<p style=\"text-align:right\">(Trúc Linh)</p>",
            "<p style=\"text-align:right\">Tru\u{301}c Linh</p>{loadposition x}<iframe src=x></iframe>",
            "Đoạn cuối.<br /><strong>Trúc Linh</strong>",
        ] {
            assert_eq!(found(end), ["Trúc Linh"], "{end}");
        }
        assert_eq!(found("<p align=right>TRÚC LINH - Hữu Huynh</p>"), ["TRÚC LINH", "Hữu Huynh"]);
        assert_eq!(found("<p align=right>Thực hiện: Minh Thư, H.T và N. Hân</p>"), ["Minh Thư", "H.T", "N. Hân"]);
        assert_eq!(found("<p align=right>K.N</p>"), ["K.N"]);
    }

    #[test]
    fn what_is_no_signature_names_nobody() {
        for end in [
            "<p>Trúc Linh</p>",
            "<p style=\"text-align:center\">Trúc Linh</p>",
            "<p align=right>Hội nghị thành công tốt đẹp.</p>",
            "<p align=right>An Giang, ngày 23 tháng 11 năm 2021</p>",
            "<p align=right>23/11/2021</p>",
            "<p align=right>Nguồn: Trúc Linh</p>",
            "<p align=right>Ảnh: Trúc Linh</p>",
            "<p align=right>Theo Báo An Giang</p>",
            "<p align=right>TUAG</p>",
            "<p align=right>Linh</p>",
            "<p><strong>BAN BIÊN TẬP</strong></p>",
            "<p><strong>Văn Phòng Tỉnh Ủy</strong></p>",
            "<p><strong>Tỉnh ủy An Giang</strong></p>",
            "<p><strong>XEM THÊM</strong></p>",
            "<p><strong>Việt Nam</strong></p>",
            "<p align=right>Trúc Linh – Hữu Huynh – Minh Thư – Gia Khánh</p>",
            "<p align=right><a href=\"/2\">Trúc Linh</a></p>",
            "<ul><li><strong>Trúc Linh</strong></li></ul>",
            "<table><tr><td align=right><b>Trúc Linh</b></td></tr></table>",
            "<p align=right><strong>KT. CHỦ TỊCH</strong></p><p align=right><strong>Nguyễn Văn Minh</strong></p>",
            "<p align=right>Trúc Linh</p><p>Chú thích ở cuối bài.</p>",
        ] {
            assert_eq!(found(end), Vec::<String>::new(), "{end}");
        }
        assert!(byline("<p align=right>Trúc Linh</p>").is_empty());
        assert!(byline("").is_empty());
    }

    #[test]
    fn hostile_nesting_takes_a_short_time() {
        let html = format!("{}{}", "<b><i>x".repeat(100_000), "</u></b>".repeat(100_000));
        assert!(byline(&html).is_empty());
    }
}
