//! Keeps a document below the size at which large readers stop reading. Cuts whole texts, the oldest first; never cuts
//! inside one.

use crate::feed::item::Item;

/// Bytes that no document of any format exceeds. Large aggregators read 2 MB of a feed.
pub const LIMIT: usize = 2_000_000;

/// Bytes that no document of an archive exceeds: nobody polls those, and whoever asks wants everything.
pub const ARCHIVE_LIMIT: usize = 8_000_000;

/// Bytes of one article above which they do not read it.
pub const ITEM_LIMIT: usize = 1_000_000;

/// What a document's own elements take at most, apart from the texts in them; tombstones ([`TOMBSTONES`]) included.
const HEAD: usize = 8_192 + TOMBSTONES;

/// Bytes that tombstones may take.
pub const TOMBSTONES: usize = 49_152;

/// What an item's own elements take at most, apart from the texts in them.
const ITEM: usize = 2_048;

/// Bytes that a text takes at most in any format: RSS escapes summaries for HTML and splits `]]>`, Atom writes entities,
/// JSON backslashes.
#[must_use]
pub fn weight(text: &str) -> usize {
    let extra = |byte: u8| match byte {
        b'&' | b'<' | b'>' | b'"' | b'\'' | b'\\' | b'\n' | b'\t' => 5,
        b']' => 6,
        _ => 0,
    };
    text.len() + text.bytes().map(extra).sum::<usize>()
}

/// What an item takes at most without its full text. A summary may stand twice: JSON Feed repeats it where the full text
/// is missing.
fn bare(item: &Item) -> usize {
    ITEM + weight(&item.id)
        + 2 * weight(&item.link)
        + weight(&item.title)
        + 2 * weight(&item.summary)
        + item.authors.iter().map(|author| 64 + weight(author)).sum::<usize>()
        + item.agency.as_ref().map_or(0, |agency| 128 + weight(agency))
        + 2 * item.labels().map(super::item::Label::weight).sum::<usize>()
        + item.picture.as_ref().map_or(0, |picture| 4 * weight(&picture.url) + 2 * weight(&picture.alt))
}

fn full(item: &Item) -> usize {
    item.content_html.as_deref().map_or(0, weight)
}

/// Makes the items fit. A full text that is too long by itself goes first; then the full texts of the oldest (last)
/// items, as many as needed; then, if even titles and summaries are too much, the oldest items themselves. Answers how
/// many of those went.
pub fn fit(
    limit: usize,
    head: usize,
    items: &mut Vec<Item>,
    left_out: &mut Vec<(i64, String)>,
    repaired: &mut Vec<(i64, String)>,
) -> usize {
    items.retain_mut(|item| {
        let bare = bare(item);
        if bare > ITEM_LIMIT {
            left_out.push((
                item.article,
                format!("its title and summary alone take {bare} bytes; the limit is {ITEM_LIMIT}"),
            ));
        } else if bare + full(item) > ITEM_LIMIT {
            item.content_html = None;
            repaired.push((
                item.article,
                format!(
                    "its full text is too long for feeds (limit {ITEM_LIMIT} bytes an article); they carry the summary"
                ),
            ));
        }
        bare <= ITEM_LIMIT
    });
    let mut total = HEAD + head + items.iter().map(|item| bare(item) + full(item)).sum::<usize>();
    for item in items.iter_mut().rev() {
        if total <= limit {
            return 0;
        }
        if item.content_html.is_some() {
            total -= full(item);
            item.content_html = None;
            repaired.push((item.article, format!("its full text went, since the feed would exceed {limit} bytes")));
        }
    }
    let mut cut = 0;
    while total > limit {
        let Some(item) = items.pop() else { break };
        total -= bare(&item);
        cut += 1;
        left_out.push((item.article, format!("the feed would exceed {limit} bytes, even without full texts")));
    }
    cut
}
