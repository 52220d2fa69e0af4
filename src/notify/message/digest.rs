//! A digest that a mailbox shows whole: as many articles as fit, then "and N more" with the way to them. Some providers
//! clip a mail above about 102 KB and hide its end, where the way to leave is. Never drops an article in silence.

use serde::Serialize;

use crate::domain::subscriber::{Frequency, Locale};
use crate::notify::message::content::{Card, DigestMail, FeedLink};
use crate::notify::message::line::Line;
use crate::notify::message::words;
use crate::notify::message::{Content, MessageError};

/// Most bytes of a digest's HTML part.
pub const HTML_BUDGET: usize = 90 * 1024;
/// Articles beyond which no template is tried: more than this never fit, and would only cost time.
const MOST: usize = 400;

/// What the digest templates are given.
#[derive(Serialize)]
pub struct DigestContext<'a> {
    frequency: Frequency,
    /// `Thứ Hai, 23/11/2026`.
    day: Line,
    /// `23/11`.
    short_day: Line,
    /// `16/11 – 23/11/2026`.
    span: Line,
    /// Different articles in all, shown or not.
    total: usize,
    sections: Vec<SectionContext<'a>>,
    /// Every feed that has something new, also those without a section of their own.
    feeds: Vec<&'a FeedLink>,
    /// Feeds whose section did not fit.
    more_feeds: usize,
    /// Their articles.
    more: usize,
}

#[derive(Serialize)]
struct SectionContext<'a> {
    feed: &'a FeedLink,
    articles: Vec<CardContext<'a>>,
    total: usize,
    /// Articles of this feed that are not shown.
    more: usize,
}

#[derive(Serialize)]
struct CardContext<'a> {
    #[serde(flatten)]
    card: &'a Card,
    also: &'a [Line],
}

/// Renders the digest with the largest share of its articles that keeps the HTML within [`HTML_BUDGET`]: the same
/// number at most from each section, so that a busy feed does not push out a quiet one.
pub fn fit(
    mail: &DigestMail,
    locale: Locale,
    render: impl Fn(&DigestContext<'_>) -> Result<Content, MessageError>,
) -> Result<Content, MessageError> {
    let longest = mail.sections.iter().map(|s| s.articles.len()).max().unwrap_or(0);
    let every = mail.sections.len();
    let shown = |each: usize| mail.sections.iter().map(|s| s.articles.len().min(each)).sum::<usize>();
    if shown(longest) <= MOST {
        let whole = render(&context(mail, locale, longest, every))?;
        if whole.html.len() <= HTML_BUDGET {
            return Ok(whole);
        }
    }
    let attempt = |each: usize, sections: usize| {
        render(&context(mail, locale, each, sections)).map(|c| (c.html.len() <= HTML_BUDGET).then_some(c))
    };
    if let Some(content) = largest(longest, |each| if shown(each) > MOST { Ok(None) } else { attempt(each, every) })? {
        return Ok(content);
    }
    // Not even the names of all feeds fit with one article each.
    if let Some(content) = largest(every.min(MOST), |sections| attempt(1, sections))? {
        return Ok(content);
    }
    Err(MessageError::Render(format!(
        "digest/{}/body.html: one article alone makes more than {HTML_BUDGET} bytes; shorten the template",
        locale.as_str()
    )))
}

/// The result for the largest number in `1..=most` that has one, if smaller numbers have one whenever larger ones do.
fn largest<T>(
    most: usize,
    mut attempt: impl FnMut(usize) -> Result<Option<T>, MessageError>,
) -> Result<Option<T>, MessageError> {
    let (mut low, mut high, mut best) = (1, most, None);
    while low <= high {
        let middle = low.midpoint(high);
        match attempt(middle)? {
            Some(found) => {
                best = Some(found);
                low = middle + 1;
            }
            None => high = middle - 1,
        }
    }
    Ok(best)
}

fn context(mail: &DigestMail, locale: Locale, each: usize, sections: usize) -> DigestContext<'_> {
    let rest = &mail.sections[sections.min(mail.sections.len())..];
    DigestContext {
        frequency: mail.frequency,
        day: words::day(mail.date, locale),
        short_day: words::short_day(mail.date, locale),
        span: words::span(mail.since, mail.date, locale),
        total: mail.total(),
        sections: mail
            .sections
            .iter()
            .take(sections)
            .map(|section| SectionContext {
                feed: &section.feed,
                articles: section.articles.iter().take(each).map(|(card, also)| CardContext { card, also }).collect(),
                total: section.articles.len(),
                more: section.articles.len().saturating_sub(each),
            })
            .collect(),
        feeds: mail.sections.iter().map(|s| &s.feed).collect(),
        more_feeds: rest.len(),
        more: rest.iter().map(|s| s.articles.len()).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_number_that_fits_is_found() {
        for (most, fits, best) in [(0, 9, None), (1, 1, Some(1)), (7, 0, None), (7, 3, Some(3)), (8, 99, Some(8))] {
            let found = largest(most, |n| Ok((n <= fits).then_some(n))).expect("no template here");
            assert_eq!(found, best, "{fits} of {most}");
        }
    }
}
