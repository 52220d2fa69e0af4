//! What the sieve rules out must never match.

use proptest::prelude::*;

use super::window::{Sieve, words_of};
use crate::clock::Timestamp;
use crate::domain::article::{Article, CategoryRef};
use crate::domain::selection::Selection;
use crate::domain::selection::keyword::typed;

fn article(title: &str, body: &str, tag: &str) -> Article {
    Article {
        source: "cong".to_owned(),
        external_id: "1".to_owned(),
        url: "https://tinhuy.example.vn/1".to_owned(),
        title: title.into(),
        summary: "".into(),
        content_html: format!("<p>{body}</p>").into(),
        authors: Vec::new(),
        agency: None,
        categories: vec![CategoryRef { slug: "tin".to_owned(), title: "Tin cơ sở".into(), ancestors: Vec::new() }],
        tags: vec![tag.into()],
        language: "vi".to_owned(),
        image: None,
        published: Timestamp::from_millis(0),
    }
}

fn selection(query: &str) -> Selection {
    let (keywords, not_keywords) = typed(query);
    Selection { keywords, not_keywords, ..Selection::default() }
}

#[test]
fn an_article_without_the_words_is_not_even_read() {
    let words = words_of(&article("Đảng viên học tập", "Chi bộ họp", "Cán bộ"));
    for passes in ["đảng viên", "dang vien", "\"chi bộ\" họp", "\"tin co so\"", "cán bộ", "-thể"] {
        assert!(Sieve::of(&selection(passes)).lets(&words), "{passes}");
    }
    for stops in ["dạng", "thể thao", "dang thao", "đảng vien"] {
        assert!(!Sieve::of(&selection(stops)).lets(&words), "{stops}");
    }
}

proptest! {
    #[test]
    fn whatever_matches_passes_the_sieve(
        title in "[a-cđáàịhòuỷoạ ,.\\-]{0,24}",
        body in "[a-cđáàịhòuỷoạ ,.\\-]{0,24}",
        query in "[a-cđáàịhòuỷoạ \"]{1,8}",
    ) {
        let (article, selection) = (article(&title, &body, "hoà"), selection(&query));
        if selection.matcher().matches(&article).is_some() {
            prop_assert!(Sieve::of(&selection).lets(&words_of(&article)));
        }
    }
}
