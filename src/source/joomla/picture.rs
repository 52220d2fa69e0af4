//! The picture of an article from the `images` column. Pure; never opens the picture.

use serde_json::Value;
use url::form_urlencoded;

use crate::domain::article::Image;
use crate::text::media::media_type;
use crate::text::xml::XmlText;

/// The intro picture, else that of the full text. Joomla 4 and later append `#joomlaImage://…?width=…&height=…` to the
/// path: the size is taken from there, and the path ends at the `#`.
pub(in crate::source) fn picture(images: &str) -> Option<Image> {
    let images: Value = serde_json::from_str(images).ok()?;
    let text = |key: &str| images.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    ["image_intro", "image_fulltext"].into_iter().find_map(|key| {
        let written = text(key)?;
        let (path, tail) = written.split_once('#').unwrap_or((written, ""));
        let query = tail.split_once('?').map_or("", |(_, query)| query);
        let size = |name: &str| {
            let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
            found.and_then(|(_, value)| value.parse().ok()).filter(|size| *size > 0)
        };
        (!path.is_empty()).then(|| Image {
            url: path.to_owned(),
            alt: XmlText::new(text(&format!("{key}_alt")).unwrap_or_default()),
            width: size("width"),
            height: size("height"),
            media_type: media_type(path).to_owned(),
            length: None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_taken_from_the_tail_and_the_tail_is_cut() {
        let images = r#"{"image_intro":"images\/a b.jpg#joomlaImage:\/\/local-images\/a b.jpg?width=800&height=600",
            "image_intro_alt":"Hội trường","image_fulltext":"images\/c.png"}"#;
        let picture = picture(images).unwrap();
        assert_eq!((picture.url.as_str(), picture.alt.as_str()), ("images/a b.jpg", "Hội trường"));
        assert_eq!((picture.width, picture.height, picture.media_type.as_str()), (Some(800), Some(600), "image/jpeg"));
    }

    #[test]
    fn the_picture_of_the_full_text_stands_in() {
        let images = r#"{"image_intro":"","image_fulltext":"images/c.png","image_fulltext_alt":"C"}"#;
        assert_eq!(picture(images).map(|p| (p.url, p.alt)), Some(("images/c.png".into(), "C".into())));
        for none in
            ["", "{}", "[]", "null", r#"{"image_intro":null,"image_fulltext":false}"#, r##"{"image_intro":"#x"}"##]
        {
            assert_eq!(picture(none), None, "{none}");
        }
    }
}
