//! The picture that an item names for itself. Never opens it.

use url::Url;

use crate::domain::article::Image;
use crate::text::media::media_type;
use crate::text::xml::XmlText;

/// What may be the picture of an item.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidate {
    /// As written; may be empty.
    pub url: String,
    /// What it says it is; may be empty.
    pub media_type: String,
    /// Whether its place in the feed says that it is a picture.
    pub sure: bool,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub length: Option<u64>,
}

/// The first candidate that is a picture with an address.
pub(super) fn best(candidates: Vec<Candidate>, base: &Url) -> Option<Image> {
    candidates.into_iter().find_map(|candidate| {
        let raw = candidate.url.trim();
        let mut url = base.join(raw).ok().filter(|url| !raw.is_empty() && matches!(url.scheme(), "http" | "https"))?;
        // Joomla 4 and later: images/x.jpg#joomlaImage://local-images/…
        url.set_fragment(None);
        let by_ending = media_type(url.path());
        let said = candidate.media_type.trim().to_ascii_lowercase();
        let media_type = if said.starts_with("image/") { said } else { by_ending.to_owned() };
        let is_picture = media_type.starts_with("image/") || candidate.sure;
        is_picture.then(|| Image {
            url: url.into(),
            alt: XmlText::default(),
            width: candidate.width,
            height: candidate.height,
            media_type,
            // Many feeds write 0 for "unknown".
            length: candidate.length.filter(|length| *length > 0),
        })
    })
}
