//! HTML as a run of tokens, read the way a browser's tokenizer does where it matters, in one pass and in linear time
//! whatever the input. It builds no tree and judges nothing: safety is ammonia's.

/// One piece of HTML.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Text with its references not yet decoded.
    Text(&'a str),
    /// A start tag.
    Open(Tag<'a>),
    /// The name of an end tag.
    Close(String),
    /// An element whose content is not the text of the article (scripts, frames, videos), with that content.
    Raw(Tag<'a>, &'a str),
}

/// A start tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    /// In lower case; empty when it is longer than any name of HTML.
    pub(super) name: String,
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Tag<'a> {
    /// The attribute as it was written, references not decoded.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// Attributes beyond these are not read: no element has so many, and looking for twins among thousands is slow.
const MAX_ATTRIBUTES: usize = 48;
const LONGEST_NAME: usize = 16;

/// Content that a browser never reads as markup; without an end tag it reaches to the end.
const RAW: [&str; 9] = ["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "noscript"];
/// Content that is no text of the article either; without an end tag it is read as text after all.
const ASIDE: [&str; 10] =
    ["video", "audio", "object", "svg", "math", "select", "template", "canvas", "applet", "button"];

const BLOCKS: [&str; 56] = [
    "address",
    "applet",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "button",
    "canvas",
    "caption",
    "center",
    "dd",
    "details",
    "dir",
    "div",
    "dl",
    "dt",
    "embed",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "frame",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hgroup",
    "hr",
    "html",
    "iframe",
    "legend",
    "li",
    "main",
    "menu",
    "nav",
    "object",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];

const INLINE: [&str; 30] = [
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "img", "ins", "kbd",
    "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u",
];

/// Whether words on both sides of such a tag are apart.
pub(super) fn is_block(name: &str) -> bool {
    BLOCKS.binary_search(&name).is_ok()
}

/// What a title keeps of a `<` and what follows: nothing of a tag of HTML, else the `<` itself. `from` begins with `<`.
pub(super) fn tag_in_title(from: &str) -> (&str, &str) {
    let as_text = from.split_at(1);
    let name_at = if from.starts_with("</") { 2 } else { 1 };
    // Looking no farther than any tag in a title reaches keeps thousands of `<` from being slow.
    let Some(end) = super::head(from, 500).find('>') else { return as_text };
    let inside = &from[name_at.min(end)..end];
    let name = name_of(inside);
    let rest = inside[inside.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(inside.len())..].trim();
    let is_known = is_block(&name) || INLINE.contains(&name.as_str()) || RAW.contains(&name.as_str());
    // `a <b và c>` is a comparison: attributes have values.
    if is_known && !inside.contains('<') && (rest.is_empty() || rest == "/" || rest.contains('=')) {
        ("", &from[end + 1..])
    } else {
        as_text
    }
}

/// The name at the start of a tag's inside, in lower case.
fn name_of(inside: &str) -> String {
    let end = inside.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).unwrap_or(inside.len());
    if end > LONGEST_NAME { String::new() } else { inside[..end].to_ascii_lowercase() }
}

pub(super) struct Scanner<'a> {
    rest: &'a str,
    /// Elements of [`ASIDE`] that are known to have no end tag in the rest.
    endless: Vec<&'static str>,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(html: &'a str) -> Self {
        Self { rest: html, endless: Vec::new() }
    }

    /// Text up to the next `<` that begins a tag or comment.
    fn text(&mut self) -> Option<Token<'a>> {
        let bytes = self.rest.as_bytes();
        let mut from = 0;
        let end = loop {
            let Some(at) = self.rest[from..].find('<').map(|n| n + from) else { break bytes.len() };
            if bytes.get(at + 1).is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'/' | b'!' | b'?')) {
                break at;
            }
            from = at + 1;
        };
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!text.is_empty()).then_some(Token::Text(text))
    }

    /// Passes over `<!…>`, `<?…>` and comments. The rest begins with `<!` or `<?`, or `</` without a name.
    fn skip_comment(&mut self) {
        let after = &self.rest[2..];
        let length = match self.rest.strip_prefix("<!--") {
            Some(comment) if comment.starts_with('>') => Some(5),
            Some(comment) if comment.starts_with("->") => Some(6),
            Some(comment) => comment.find("-->").map(|n| n + 7),
            None => after.find('>').map(|n| n + 3),
        };
        self.rest = length.map_or("", |length| &self.rest[length..]);
    }

    fn close(&mut self) -> Token<'a> {
        let inside = &self.rest[2..];
        let name = name_of(inside);
        self.rest = inside.find('>').map_or("", |end| &inside[end + 1..]);
        Token::Close(name)
    }

    /// The tag that the rest begins with; nothing if the text ends within it.
    fn open(&mut self) -> Option<Token<'a>> {
        let html = &self.rest[1..];
        let name_end = html.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'));
        let mut at = name_end?;
        let name = name_of(html);
        let mut attributes = Vec::new();
        loop {
            at += html[at..].find(|c: char| !c.is_ascii_whitespace() && c != '/')?;
            if html[at..].starts_with('>') {
                break;
            }
            let (attribute, used) = attribute(&html[at..])?;
            if attributes.len() < MAX_ATTRIBUTES {
                attributes.push(attribute);
            }
            at += used;
        }
        self.rest = &html[at + 1..];
        let tag = Tag { name, attributes };
        Some(match self.content(&tag.name) {
            Some(content) => Token::Raw(tag, content),
            None => Token::Open(tag),
        })
    }

    /// The content of an element that is not read as text, with its end tag passed over.
    fn content(&mut self, name: &str) -> Option<&'a str> {
        let strict = RAW.contains(&name);
        let aside = ASIDE.iter().copied().find(|n| *n == name);
        if !strict && aside.is_none_or(|n| self.endless.contains(&n)) {
            return None;
        }
        let Some(end) = find_end(self.rest, name) else {
            if let Some(aside) = aside {
                self.endless.push(aside);
                return None;
            }
            return Some(std::mem::take(&mut self.rest));
        };
        let (content, rest) = self.rest.split_at(end);
        self.rest = rest.find('>').map_or("", |n| &rest[n + 1..]);
        Some(content)
    }
}

/// One attribute at the start of a tag's rest, and its length; nothing if the text ends within it.
fn attribute(html: &str) -> Option<((&str, &str), usize)> {
    let stop = |c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>' | '=');
    // A name may begin with `=`.
    let first = html.chars().next().map_or(0, char::len_utf8);
    let name_end = first + html[first..].find(stop)?;
    let name = &html[..name_end];
    let value_at = name_end + html[name_end..].find(|c: char| !c.is_ascii_whitespace())?;
    let Some(value) = html[value_at..].strip_prefix('=') else { return Some(((name, ""), name_end)) };
    let value_at = html.len() - value.trim_ascii_start().len();
    let value = &html[value_at..];
    let (value, used) = if let Some(quote @ ('"' | '\'')) = value.chars().next() {
        let end = value[1..].find(quote)?;
        (&value[1..=end], end + 2)
    } else {
        let end = value.find(|c: char| c.is_ascii_whitespace() || c == '>')?;
        (&value[..end], end)
    };
    Some(((name, value), value_at + used))
}

/// Where `</name` begins, in any case of letters.
fn find_end(html: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + html[from..].find("</")?;
        let after = html.as_bytes().get(at + 2..at + 2 + name.len())?;
        let next = html.as_bytes().get(at + 2 + name.len());
        if after.eq_ignore_ascii_case(name.as_bytes()) && next.is_none_or(|b| !b.is_ascii_alphanumeric()) {
            return Some(at);
        }
        from = at + 2;
    }
}

impl<'a> Iterator for Scanner<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if let Some(text) = self.text() {
                return Some(text);
            }
            match self.rest.as_bytes() {
                [] => return None,
                [_, b'/', b, ..] if b.is_ascii_alphabetic() => return Some(self.close()),
                // `</` at the very end is text for a browser; nobody misses it.
                [_, b'/' | b'!' | b'?', ..] => self.skip_comment(),
                _ => {
                    let token = self.open();
                    if token.is_none() {
                        // A tag that never ends: browsers drop it too.
                        self.rest = "";
                    }
                    return token;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(html: &str) -> Vec<String> {
        Scanner::new(html)
            .map(|token| match token {
                Token::Text(text) => format!("“{text}”"),
                Token::Open(tag) => tag.name,
                Token::Close(name) => format!("/{name}"),
                Token::Raw(tag, content) => format!("{}({content})", tag.name),
            })
            .collect()
    }

    #[test]
    fn markup_is_read_as_a_browser_reads_it() {
        assert_eq!(names("a<B class=x>b</B >c"), ["“a”", "b", "“b”", "/b", "“c”"]);
        assert_eq!(names("1 < 2 <3 <= <"), ["“1 < 2 <3 <= <”"]);
        assert_eq!(
            names("a<!-- <b> -->b<!-->c<!doctype x>d<?xml ?>e</ f>g"),
            ["“a”", "“b”", "“c”", "“d”", "“e”", "“g”"]
        );
        assert_eq!(names("<script>a</b></SCRIPT x>c"), ["script(a</b>)", "“c”"]);
        assert_eq!(names("<iframe src=x>"), ["iframe()"]);
        assert_eq!(names("<video>a<video>b"), ["video", "“a”", "video", "“b”"]);
        assert_eq!(names("a<b"), ["“a”"]);
        assert_eq!(names("a<b c='"), ["“a”"]);
        assert_eq!(names("a</"), ["“a”"]);
    }

    #[test]
    fn attributes_are_read_in_every_way_of_writing_them() {
        let html = r#"<a HREF = "x>y" b='"' c=d/e  f g="" / =h href="second">"#;
        let Some(Token::Open(tag)) = Scanner::new(html).next() else { panic!("no tag") };
        assert_eq!(tag.get("href"), Some("x>y"));
        assert_eq!(
            (tag.get("b"), tag.get("c"), tag.get("f"), tag.get("g")),
            (Some("\""), Some("d/e"), Some(""), Some(""))
        );
        assert_eq!(tag.get("h"), None);
    }

    #[test]
    fn the_lists_of_names_are_sorted() {
        assert!(BLOCKS.is_sorted() && INLINE.is_sorted());
    }
}
