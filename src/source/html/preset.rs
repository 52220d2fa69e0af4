//! Selectors of systems that are known (content-store.md §5). Tables only.

use serde::Deserialize;

/// A system whose pages are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Preset {
    /// Joomla 1.6 and 2.5, without microdata.
    #[serde(rename = "joomla-2.5")]
    Joomla25,
    /// Joomla 3, with microdata.
    #[serde(rename = "joomla-3")]
    Joomla3,
    /// Joomla 4 and later.
    #[serde(rename = "joomla-4")]
    Joomla4,
}

/// Selectors by key, in the order in which they are tried.
pub(super) struct Selectors {
    pub item: &'static [&'static str],
    pub link: &'static [&'static str],
    pub next: &'static [&'static str],
    pub title: &'static [&'static str],
    pub date: &'static [&'static str],
    pub author: &'static [&'static str],
    pub category: &'static [&'static str],
    pub content: &'static [&'static str],
    pub image: &'static [&'static str],
    pub remove: &'static [&'static str],
}

const NEXT: &[&str] = &[
    "a[rel~=next]",
    "link[rel~=next]",
    ".pagination-next a[href]",
    ".pagination a.next[href]",
    ".pagination a[aria-label*=ext][href]",
];

pub(super) const NONE: Selectors = Selectors {
    item: &[],
    link: &[],
    next: &["a[rel~=next]", "link[rel~=next]"],
    title: &[],
    date: &[],
    author: &[],
    category: &[],
    content: &[],
    image: &[],
    remove: &[],
};

const JOOMLA_25: Selectors = Selectors {
    item: &[".items-leading > div, .items-row .item"],
    link: &["h2 a[href]", "p.readmore a[href]", "td.list-title a[href]", ".items-more a[href]"],
    next: NEXT,
    title: &[".item-page > h2"],
    date: &["dd.published", "dd.create"],
    author: &["dd.createdby"],
    category: &["dd.parent-category-name a, dd.category-name a", "dd.category-name"],
    content: &[".item-page"],
    image: &[".item-page .img-fulltext-left img, .item-page .img-fulltext-right img", ".item-page .img-intro-left img"],
    remove: &[
        ".item-page > h1",
        ".item-page > h2",
        "ul.actions",
        "dl.article-info",
        ".article-info-term",
        "ul.pagenav",
        ".pagination",
        ".content_rating",
        ".content_vote",
        "#article-index",
        ".item-page .img-fulltext-left, .item-page .img-fulltext-right",
    ],
};

const JOOMLA_3: Selectors = Selectors {
    item: &["[itemprop=blogPost]", ".items-leading > div, .items-row .item"],
    link: &[
        "[itemprop=headline] a[href], .page-header a[itemprop=url], a[itemprop=url][href]",
        ".page-header a[href], h2 a[href]",
        "p.readmore a[href]",
        "td.list-title a[href], .list-title a[href]",
        ".items-more a[href]",
    ],
    next: NEXT,
    title: &[".item-page [itemprop=headline]", ".item-page .page-header h2", ".item-page .page-header h1"],
    date: &[
        ".item-page time[itemprop=datePublished]",
        ".item-page .published time",
        ".item-page time[itemprop=dateCreated]",
        ".item-page .create time",
    ],
    author: &[".item-page .createdby [itemprop=name]", ".item-page .createdby"],
    category: &[
        ".item-page .parent-category-name [itemprop=genre], .item-page .category-name [itemprop=genre]",
        ".item-page .parent-category-name a, .item-page .category-name a",
        ".item-page [itemprop=genre]",
    ],
    content: &[".item-page [itemprop=articleBody]"],
    image: &[".item-page .item-image img[itemprop=image]", ".item-page .item-image img"],
    remove: &[
        ".icons",
        ".pager",
        ".pagenav",
        ".content_rating",
        ".content_vote",
        ".article-info",
        "#article-index",
        ".tags",
    ],
};

const JOOMLA_4: Selectors = Selectors {
    item: &[".com-content-category-blog__item, .blog-item", ".items-leading > div, .items-row .item"],
    link: &[
        ".page-header a[href], h2 a[href], h3 a[href]",
        "p.readmore a[href]",
        "th.list-title a[href], td.list-title a[href], .list-title a[href]",
        ".items-more a[href], .com-content-blog__links a[href]",
    ],
    next: NEXT,
    // With a page heading shown, the h1 is the menu item's.
    title: &[".com-content-article .page-header h2", ".com-content-article .page-header h1", ".com-content-article h1"],
    date: &[
        ".com-content-article .published time",
        ".com-content-article .create time",
        ".com-content-article .article-info time",
    ],
    author: &[".com-content-article .createdby [itemprop=name]", ".com-content-article .createdby"],
    category: &[
        ".com-content-article .parent-category-name a, .com-content-article .category-name a",
        ".com-content-article .category-name",
    ],
    content: &[".com-content-article__body"],
    image: &[".com-content-article .item-image img", ".com-content-article figure.article-full-image img"],
    remove: &[
        ".icons",
        ".pagenavigation",
        ".pager",
        ".content_rating",
        ".content_vote",
        ".article-info",
        "#article-index",
        ".tags",
    ],
};

impl Preset {
    /// Its selectors.
    pub(super) const fn selectors(self) -> &'static Selectors {
        match self {
            Self::Joomla25 => &JOOMLA_25,
            Self::Joomla3 => &JOOMLA_3,
            Self::Joomla4 => &JOOMLA_4,
        }
    }
}
