//! What a digest's templates are given, and how much of it. Every article that is not shown is counted, by feed, with the
//! way to it.

use serde::Serialize;

use crate::domain::subscriber::{Frequency, Locale};
use crate::notify::message::budget::{ARTICLES, fits, largest, never_fits};
use crate::notify::message::content::{Card, DigestMail, FeedLink};
use crate::notify::message::line::Line;
use crate::notify::message::words;
use crate::notify::message::{Content, MessageError};

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

/// Renders the digest with the largest share of its articles that fits: the same number at most from each section, so
/// that a busy feed does not push out a quiet one.
pub fn fit(
    mail: &DigestMail,
    locale: Locale,
    render: impl Fn(&DigestContext<'_>) -> Result<Content, MessageError>,
) -> Result<Content, MessageError> {
    let longest = mail.sections.iter().map(|s| s.articles.len()).max().unwrap_or(0);
    let every = mail.sections.len();
    let shown = |each: usize| mail.sections.iter().map(|s| s.articles.len().min(each)).sum::<usize>();
    let attempt = |each: usize, sections: usize| render(&context(mail, locale, each, sections)).map(fits);
    if shown(longest) <= ARTICLES
        && let Some(whole) = attempt(longest, every)?
    {
        return Ok(whole);
    }
    let few = largest(longest, |each| if shown(each) > ARTICLES { Ok(None) } else { attempt(each, every) })?;
    if let Some(content) = few {
        return Ok(content);
    }
    // Not even one article of each feed: then the first feeds, and how many more there are.
    largest(every.min(ARTICLES), |sections| attempt(1, sections))?
        .ok_or_else(|| never_fits(&format!("digest/{}/body.html", locale.as_str())))
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
