//! All documents of one version of a feed, proven. One bad article never takes the feed with it: it is found, left out
//! and named. Keeps nothing: whoever asks keeps the last good edition.

use crate::feed::document::{Document, Format, RenderError, proof};
use crate::feed::{atom as atom_format, json, rss};

/// Articles that are not in a document: row id, reason.
pub type LeftOut = Vec<(i64, String)>;

/// The three documents of one version. All carry the same articles under the same ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// RSS 2.0.
    pub rss: Vec<u8>,
    /// Atom 1.0.
    pub atom: Vec<u8>,
    /// JSON Feed 1.1.
    pub json: Vec<u8>,
    /// Articles that are not in it.
    pub left_out: LeftOut,
}

impl Edition {
    /// Renders and proves the document in every format. If that fails, each item is tried alone, and those that fail by
    /// themselves are left out of all formats.
    ///
    /// # Errors
    /// What is wrong, if it is no single article's fault: then the last good edition should stay in place.
    pub fn of(mut document: Document) -> Result<Self, RenderError> {
        let documents = if let Ok(documents) = all(&document) {
            documents
        } else {
            leave_out_bad_items(&mut document);
            all(&document)?
        };
        let [rss, atom, json] = documents;
        Ok(Self { rss, atom, json, left_out: document.left_out })
    }

    /// The bytes in one format.
    #[must_use]
    pub fn bytes(&self, format: Format) -> &[u8] {
        match format {
            Format::Rss => &self.rss,
            Format::Atom => &self.atom,
            Format::Json => &self.json,
        }
    }
}

/// The document as Atom alone, proven: for archives, which have no other format. Bad items are left out and named beside
/// it (row id, reason).
///
/// # Errors
/// What is wrong, if it is no single article's fault.
pub fn atom(mut document: Document) -> Result<(Vec<u8>, LeftOut), RenderError> {
    if let Ok(bytes) = proven(&document, Format::Atom) {
        return Ok((bytes, document.left_out));
    }
    leave_out_bad_items(&mut document);
    Ok((proven(&document, Format::Atom)?, document.left_out))
}

/// Writes the document in one format, unproven.
///
/// # Errors
/// [`RenderError::Writer`] if the writing crate gives up.
pub fn render(document: &Document, format: Format) -> Result<Vec<u8>, RenderError> {
    match format {
        Format::Rss => rss::render(document),
        Format::Atom => atom_format::render(document),
        Format::Json => json::render(document),
    }
}

fn proven(document: &Document, format: Format) -> Result<Vec<u8>, RenderError> {
    let bytes = render(document, format)?;
    proof(format, &bytes).map_err(|reason| RenderError::Proof { format: format.name(), reason })?;
    Ok(bytes)
}

fn all(document: &Document) -> Result<[Vec<u8>; 3], RenderError> {
    Ok([proven(document, Format::Rss)?, proven(document, Format::Atom)?, proven(document, Format::Json)?])
}

fn leave_out_bad_items(document: &mut Document) {
    let items = std::mem::take(&mut document.items);
    let mut alone = document.clone();
    for item in items {
        alone.items.push(item);
        let result = all(&alone);
        let item = alone.items.pop().expect("pushed above");
        match result {
            Ok(_) => document.items.push(item),
            Err(error) => document.left_out.push((item.article, error.to_string())),
        }
    }
}
