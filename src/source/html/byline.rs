//! The name that signs an article at its end: "Trúc Linh", to the right or in bold. Reads only; the name stays in the text.

use scraper::{ElementRef, Node};

use super::rules::Choice;
use crate::text::fold::fold;
use crate::text::html::plain;

/// The longest signature, in characters.
const LONGEST: usize = 60;

/// Words before a colon that are not part of the name, folded.
const LABELS: [&str; 12] = [
    "tin anh",
    "bai anh",
    "tin va anh",
    "bai va anh",
    "tin bai",
    "tin",
    "bai",
    "thuc hien",
    "nguoi viet",
    "tac gia",
    "nguoi thuc hien",
    "bai viet",
];

/// Names of accounts, which say nothing of people; folded.
const ACCOUNTS: [&str; 9] = [
    "super user",
    "administrator",
    "admin",
    "webmaster",
    "editor",
    "quan tri",
    "quan tri vien",
    "bien tap vien",
    "ban bien tap",
];

/// Whether a name is that of a person, as far as can be told, and not of an account.
pub(super) fn is_person(name: &str) -> bool {
    !ACCOUNTS.contains(&fold(name).trim())
}

/// The names that sign the text in this element; none if its last line is not surely a signature.
pub(super) fn names(content: ElementRef<'_>) -> Vec<String> {
    let blocks = Choice::own(&["p, div, h1, h2, h3, h4, h5, h6, td, li, blockquote"]);
    // The last element that has text, and no other such element around text of its own.
    let last = blocks.all(content).into_iter().rev().find(|block| !plain(&block.inner_html()).trim().is_empty());
    let Some(last) = last else { return Vec::new() };
    if !is_last(content, last) || !(is_right(last, content) || is_marked(last)) {
        return Vec::new();
    }
    split(&plain(&last.inner_html()))
}

/// Whether no text follows the element within the article.
fn is_last(content: ElementRef<'_>, last: ElementRef<'_>) -> bool {
    let mut inside = false;
    for node in content.descendants() {
        if node.id() == last.id() {
            inside = true;
        } else if inside
            && let Node::Text(text) = node.value()
            && !text.trim().is_empty()
            && !node.ancestors().any(|outer| outer.id() == last.id())
        {
            return false;
        }
    }
    true
}

fn is_right(last: ElementRef<'_>, content: ElementRef<'_>) -> bool {
    let around = last.ancestors().take_while(|outer| outer.id() != content.id()).filter_map(ElementRef::wrap);
    std::iter::once(last).chain(around.take(2)).any(|element| {
        let style = element.attr("style").unwrap_or_default().to_ascii_lowercase().replace(' ', "");
        let class = element.attr("class").unwrap_or_default().to_ascii_lowercase();
        style.contains("text-align:right")
            || element.attr("align").is_some_and(|align| align.eq_ignore_ascii_case("right"))
            || ["text-right", "text-end", "alignright", "author", "tacgia", "tac-gia"].iter().any(|c| class.contains(c))
    })
}

/// Whether all of its text is bold or italic.
fn is_marked(last: ElementRef<'_>) -> bool {
    let marked = Choice::own(&["strong, b, em, i"]);
    last.descendants().filter(|node| matches!(node.value(), Node::Text(text) if !text.trim().is_empty())).all(|node| {
        let mut around = node.ancestors().take_while(|outer| outer.id() != last.id()).filter_map(ElementRef::wrap);
        around.any(|outer| marked.matches(&outer))
    })
}

/// The names in a line that has nothing else; none if it is another line.
fn split(line: &str) -> Vec<String> {
    let line = line.trim().trim_matches(['(', ')', '.']);
    let line = match line.split_once(':') {
        Some((label, names)) if LABELS.contains(&words(label).as_str()) => names.trim(),
        Some(_) => return Vec::new(),
        None => line,
    };
    if line.chars().count() > LONGEST {
        return Vec::new();
    }
    let names: Vec<String> = line
        .replace(" và ", ",")
        .split([',', ';', '–', '—', '-'])
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    if names.iter().all(|name| is_name(name)) && names.len() <= 4 { names } else { Vec::new() }
}

/// One to five words of letters, each with a capital: `Trúc Linh`, `TRÚC LINH`, `Ph. Nguyên`.
fn is_name(name: &str) -> bool {
    let words: Vec<&str> = name.split_whitespace().collect();
    (1..=5).contains(&words.len())
        && words.iter().all(|word| {
            word.starts_with(char::is_uppercase) && word.chars().all(|c| c.is_alphabetic() || matches!(c, '.' | '\''))
        })
        && is_person(name)
}

fn words(text: &str) -> String {
    let folded = fold(text);
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use scraper::Html;

    use super::*;

    fn of(html: &str) -> Vec<String> {
        let page = Html::parse_document(&format!("<article>{html}</article>"));
        names(Choice::own(&["article"]).first(page.root_element()).expect("an article"))
    }

    #[test]
    fn a_name_at_the_end_to_the_right_or_in_bold_signs() {
        for (html, expected) in [
            ("<p>Thân.</p><p style=\"text-align: right;\"><strong>Trúc Linh</strong></p>", &["Trúc Linh"][..]),
            ("<p>Thân.</p><p><b>TRÚC LINH</b></p><p>&nbsp;</p>", &["TRÚC LINH"]),
            ("<p>Thân.</p><div align=right>Tin, ảnh: Trúc Linh - Văn An</div>", &["Trúc Linh", "Văn An"]),
            ("<p>Thân.</p><p class=author><em>Bài và ảnh: Trúc Linh và Văn An</em></p>", &["Trúc Linh", "Văn An"]),
        ] {
            assert_eq!(of(html), expected, "{html}");
        }
    }

    #[test]
    fn another_last_line_does_not() {
        for html in [
            "<p>Thân.</p><p>Trúc Linh</p>",
            "<p><strong>Kết quả: 65.052 đảng viên</strong></p>",
            "<p>Thân.</p><p align=right>Theo TTXVN và nguồn tin của tỉnh, hội nghị đã bế mạc vào chiều cùng ngày</p>",
            "<p align=right><b>Trúc Linh</b></p><p>Đoạn sau.</p>",
            "<p align=right><b>Trúc Linh</b></p>Đoạn sau.",
            "<p>Thân.</p><p align=right>Ban Biên tập</p>",
            "<p>Thân.</p><p align=right>Nguồn: Báo tỉnh</p>",
            "",
        ] {
            assert!(of(html).is_empty(), "{html}: {:?}", of(html));
        }
    }
}
