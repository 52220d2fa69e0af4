//! Mails that a mailbox shows whole: as many articles as fit, then "and N more" with the way to them. Some providers
//! clip a mail above about 102 KB and hide its end, where the way to leave is. Never drops an article in silence.

use crate::notify::message::{Content, MessageError};

/// Most bytes of an HTML part.
pub const HTML: usize = 90 * 1024;
/// Articles beyond which no template is tried: more than this never fit, and would only cost time.
pub const ARTICLES: usize = 400;

/// The content, if a mailbox shows it whole.
pub fn fits(content: Content) -> Option<Content> {
    (content.html.len() <= HTML).then_some(content)
}

/// What to tell an operator whose template is too large for a single article.
pub fn never_fits(template: &str) -> MessageError {
    MessageError::Render(format!("{template}: one article alone makes more than {HTML} bytes; shorten the template"))
}

/// The result for the largest number in `1..=most` that has one, if smaller numbers have one whenever larger ones do.
pub fn largest<T>(
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
