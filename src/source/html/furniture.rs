//! What stands in an article's element and is not the article: scripts, forms, buttons, counters of readers, lists of other
//! articles. Cuts it out of the tree. A rule that a person can predict; whatever else is furniture, the key `remove` names.

use std::collections::BTreeSet;

use ego_tree::NodeId;
use jiff::tz::TimeZone;
use scraper::{ElementRef, Html};

use super::rules::Choice;
use super::when;
use crate::text::fold::fold;
use crate::text::html::plain;

/// Never part of a text, whatever the portal runs on.
const NEVER: [&str; 6] = [
    "script, style, noscript, template, form, nav, button, input, select, textarea, link, meta, ins.adsbygoogle",
    "[hidden], .hidden-print, .visually-hidden, .sr-only, .hits, .post-views, .view-count",
    ".addthis_toolbox, .sharethis, .social-share, .share-buttons, .sharedaddy, .zalo-share-button, .zalo-follow-button",
    ".fb-like, .fb-share-button, .fb-comments, .fb-root, #fb-root, .twitter-share-button",
    ".jp-relatedposts, .related-posts, .relateditems, .comments, #comments, #disqus_thread, .jcomments-links",
    ".breadcrumb, .breadcrumbs, .tags-links, .post-navigation",
];

/// Headings of lists of other articles, folded.
const RELATED: [&str; 18] = [
    "tin lien quan",
    "tin bai lien quan",
    "bai viet lien quan",
    "bai lien quan",
    "cac tin lien quan",
    "tin khac",
    "cac tin khac",
    "tin tuc khac",
    "cac bai viet khac",
    "bai viet khac",
    "tin moi hon",
    "tin cu hon",
    "cac tin moi hon",
    "cac tin cu hon",
    "tin cung chuyen muc",
    "related articles",
    "newer news",
    "older news",
];

/// Words of a counter of readers, folded, and those of them that make it one.
const COUNTING: [&str; 33] = [
    "luot", "so", "lan", "xem", "doc", "cac", "bai", "viet", "tin", "da", "dang", "co", "khach", "va", "khong",
    "thanh", "vien", "online", "truc", "tuyen", "truy", "cap", "tong", "nguoi", "view", "views", "viewed", "hit",
    "hits", "read", "times", "guests", "visitors",
];
const COUNTED: [&str; 10] = ["xem", "doc", "online", "tuyen", "cap", "view", "views", "viewed", "hits", "visitors"];

/// The longest counter, in bytes.
const COUNTER: usize = 200;

/// Cuts out of the element with this id all that `remove` and the rules above name.
pub(super) fn cut(page: &mut Html, content: NodeId, remove: &Choice, zone: &TimeZone) {
    let mut doomed = BTreeSet::new();
    if let Some(element) = page.tree.get(content).and_then(ElementRef::wrap) {
        let never = Choice::own(&NEVER);
        doomed.extend(remove.every(element).iter().chain(&never.every(element)).map(|e| e.id()));
    }
    detach(page, &doomed);
    // Counters are told by what is left.
    doomed.clear();
    if let Some(element) = page.tree.get(content).and_then(ElementRef::wrap) {
        for inner in element.descendent_elements().filter(|inner| inner.id() != content) {
            let (bytes, text) = short_text(inner);
            if bytes == 0 || bytes > COUNTER {
                continue;
            }
            if is_counter(&text, zone) {
                doomed.insert(inner.id());
            } else if RELATED.contains(&fold(&text).trim_matches(|c: char| !c.is_alphanumeric())) {
                let mut at = inner;
                // A heading of its own, or a paragraph that holds nothing else.
                while let Some(outer) = at.parent().and_then(ElementRef::wrap)
                    && outer.id() != content
                    && short_text(outer) == (bytes, text.clone())
                {
                    at = outer;
                }
                if let Some(list) = at.next_siblings().find_map(ElementRef::wrap).filter(|next| is_links(*next)) {
                    doomed.extend([at.id(), list.id()]);
                }
            }
        }
    }
    detach(page, &doomed);
}

/// Takes nodes out of the tree.
pub(super) fn detach(page: &mut Html, doomed: &BTreeSet<NodeId>) {
    for id in doomed {
        if let Some(mut node) = page.tree.get_mut(*id) {
            node.detach();
        }
    }
}

/// How many bytes of text an element has, as far as they are few, and that text.
fn short_text(element: ElementRef<'_>) -> (usize, String) {
    let mut text = String::new();
    for word in element.text().flat_map(str::split_whitespace) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
        if text.len() > COUNTER {
            return (usize::MAX, String::new());
        }
    }
    (text.len(), text)
}

/// Whether a line says nothing but how many read or are there, with a date at most: `Lượt xem: 1.234`,
/// `23/11/2021 | Đã xem 12 lần`.
fn is_counter(text: &str, zone: &TimeZone) -> bool {
    let mut counts = false;
    for part in text.split(['|', '·', '•']).map(str::trim).filter(|part| !part.is_empty()) {
        let folded = fold(part);
        let mut words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).peekable();
        let (mut number, mut key, mut other) = (false, false, false);
        for word in words.by_ref() {
            if word.bytes().all(|b| b.is_ascii_digit()) {
                number = true;
            } else {
                other |= !COUNTING.contains(&word);
                key |= COUNTED.contains(&word);
            }
        }
        if number && key && !other {
            counts = true;
        } else if when::find(part, zone).is_none() {
            return false;
        }
    }
    counts
}

/// Whether an element is little else than links.
fn is_links(element: ElementRef<'_>) -> bool {
    let all = plain(&element.inner_html()).chars().count();
    let links = Choice::own(&["a[href]"]).all(element);
    let linked: usize = links.iter().map(|link| plain(&link.inner_html()).chars().count()).sum();
    !links.is_empty() && linked * 2 >= all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(html: &str, remove: &[&str]) -> String {
        let mut page = Html::parse_document(&format!("<article>{html}</article>"));
        let content = Choice::own(&["article"]).first(page.root_element()).expect("an article").id();
        cut(&mut page, content, &Choice::own(remove), &TimeZone::UTC);
        let element = page.tree.get(content).and_then(ElementRef::wrap).expect("an article");
        plain(&element.inner_html()).into_string()
    }

    #[test]
    fn counters_go_and_sentences_with_numbers_stay() {
        for counter in [
            "<p>Đang có 114 khách và không thành viên đang online</p>",
            "<div><span>Số lần xem các bài viết</span> : <b>26072767</b></div>",
            "<p>Lượt xem: 1.234</p>",
            "<p>23/11/2021 14:05 | Đã xem 12 lần</p>",
            "<ul><li>1.204 lượt đọc</li></ul>",
        ] {
            assert_eq!(left(&format!("<p>Thân bài.</p>{counter}"), &[]), "Thân bài.", "{counter}");
        }
        for sentence in [
            "<p>Đang có 114 khách mời dự hội nghị.</p>",
            "<p>Toàn tỉnh có 65.052 đảng viên, đã kết nạp 20.561.</p>",
            "<p>Ngày 23/11/2021</p>",
            "<p>Xem</p>",
        ] {
            assert_ne!(left(&format!("<p>Thân bài.</p>{sentence}"), &[]), "Thân bài.", "{sentence}");
        }
    }

    #[test]
    fn a_list_of_other_articles_goes_with_its_heading_and_a_list_of_facts_stays() {
        let related = "<p>Thân bài.</p><p><strong>Tin liên quan:</strong></p><ul><li><a href=/1>Kết nạp đảng viên mới</a></li>\
                       <li><a href=/2>Sinh hoạt chi bộ</a> (23/11)</li></ul><p>Cuối.</p>";
        assert_eq!(left(related, &[]), "Thân bài. Cuối.");
        let facts = "<h3>Tin khác</h3><ul><li>16 đảng bộ trực thuộc</li></ul>";
        assert_eq!(left(facts, &[]), "Tin khác 16 đảng bộ trực thuộc");
    }

    #[test]
    fn scripts_forms_and_what_the_operator_names_are_cut() {
        let html = "<script>a</script><form>tìm</form><p>Thân</p><div class=x><p>bỏ</p></div><noscript>b</noscript>\
                    <div class='social-share'>Chia sẻ</div>";
        assert_eq!(left(html, &[".x"]), "Thân");
    }
}
