//! Plugin tags that Joomla's editors leave in a text: `{loadposition x}`, `{youtube}id{/youtube}`. Braces that are no
//! known plugin tag are text.

/// A piece of text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Words.
    Text(&'a str),
    /// The address that a plugin tag stands for.
    Link(String),
}

/// Tags that stand alone or around text that stays.
const BARE: [&str; 24] = [
    "accordion",
    "article",
    "chronoforms",
    "field",
    "fieldgroup",
    "jcomments",
    "loadmodule",
    "loadmoduleid",
    "loadposition",
    "modal",
    "module",
    "modulepos",
    "pdf",
    "phocadownload",
    "rsform",
    "slide",
    "slider",
    "sliders",
    "snippet",
    "source",
    "tab",
    "tabs",
    "tip",
    "tooltip",
];
/// Tags around an argument that nobody should read: a file, a folder, an id.
const ARGUMENT: [&str; 13] = [
    "audio",
    "besps",
    "dailymotion",
    "flv",
    "gallery",
    "mp3",
    "mp4",
    "phocagallery",
    "simplepopup",
    "video",
    "vimeo",
    "wmv",
    "youtube",
];
/// The longest tag and the longest argument, in bytes.
const LONGEST: usize = 1000;

/// The pieces of a text in their order, plugin tags taken out.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(at) = rest[from..].find('{').map(|n| n + from) {
        let Some((link, length)) = tag(&rest[at..]) else {
            from = at + 1;
            continue;
        };
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        pieces.extend(link.map(Piece::Link));
        rest = &rest[at + length..];
        from = 0;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// The plugin tag that the text begins with: the address it stands for, if any, and its length.
fn tag(text: &str) -> Option<(Option<String>, usize)> {
    let window = super::head(text, LONGEST);
    let end = window[1..].find(['{', '}']).map(|n| n + 1).filter(|n| window[*n..].starts_with('}'))?;
    let inside = &window[1..end];
    let name_end = inside.strip_prefix('/').unwrap_or(inside);
    let name = name_end.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default().to_ascii_lowercase();
    let name = name.strip_suffix("remote").unwrap_or(&name);
    let is_argument = ARGUMENT.contains(&name) || inside.to_ascii_lowercase().starts_with("mp3");
    if !is_argument && !BARE.contains(&name) {
        return None;
    }
    let length = end + 1;
    if !is_argument || inside.starts_with('/') {
        return Some((None, length));
    }
    let behind = super::head(&text[length..], LONGEST);
    let close = behind.find("{/").filter(|at| behind[at + 2..].to_ascii_lowercase().starts_with(name));
    let Some((close, after)) = close.and_then(|at| Some((at, at + behind[at..].find('}')? + 1))) else {
        return Some((None, length));
    };
    Some((address(name, behind[..close].trim()), length + after))
}

fn address(name: &str, argument: &str) -> Option<String> {
    let argument = argument.split('|').next().unwrap_or_default();
    if argument.starts_with("http://") || argument.starts_with("https://") {
        return Some(argument.to_owned());
    }
    let is_id = (5..=40).contains(&argument.len())
        && argument.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    match name {
        "youtube" if is_id => Some(format!("https://www.youtube.com/watch?v={argument}")),
        "vimeo" if is_id => Some(format!("https://vimeo.com/{argument}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(of: &str) -> String {
        pieces(of)
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Link(link) => format!("<{link}>"),
            })
            .collect()
    }

    #[test]
    fn plugin_tags_are_taken_out_and_videos_become_links() {
        assert_eq!(text("a{loadposition tin, xhtml}b{LoadModule mod_x}c"), "abc");
        assert_eq!(text("a {youtube}dQw4w9WgXcQ{/youtube} b"), "a <https://www.youtube.com/watch?v=dQw4w9WgXcQ> b");
        assert_eq!(text("{youtube}https://youtu.be/abc|400|300{/youtube}"), "<https://youtu.be/abc>");
        assert_eq!(text("{gallery}tin/2021{/gallery}."), ".");
        assert_eq!(text("{tab=Một}x{/tabs}"), "x");
        assert_eq!(text("{youtube}\"onload=x{/youtube}"), "");
        assert_eq!(text("{youtube}chưa đóng"), "chưa đóng");
    }

    #[test]
    fn braces_that_are_no_plugin_tag_are_text() {
        for plain in ["tập {1, 2}", "{", "}{", "{}", "{xin chào}", "{{{{", "{youtube", "{loadposition {x}"] {
            assert_eq!(text(plain), plain);
        }
    }
}
