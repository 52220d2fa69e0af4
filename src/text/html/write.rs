//! The first step of cleaning: tokens in, a small well-nested HTML out. It keeps paragraphs where editors used `div`,
//! drops what is empty, and never nests deeper than [`DEPTH`], so that the parser behind it is fast on any input.

use url::Url;

use crate::text::html::scan::{Scanner, Tag, Token};
use crate::text::html::vocabulary::{FLOW, Kind, TABLE_PARTS, barrier, kind};
use crate::text::html::{MAX_OUTPUT, link, plugin, visible, vocabulary};

/// How deep elements nest at most; deeper ones give their content only.
const DEPTH: usize = 40;
/// How many characters that are slow to write may stand in a run of text without a tag.
const MAX_ESCAPED: usize = 1000;

/// Writes the article part of some HTML, with addresses made absolute against `base`.
pub(super) fn write(html: &str, base: &Url) -> String {
    let mut writer = Writer {
        out: String::new(),
        stack: Vec::new(),
        base,
        fresh: true,
        blank: false,
        breaks: 0,
        apart: false,
        escaped: 0,
    };
    for token in Scanner::new(html) {
        match token {
            Token::Text(text) => {
                for piece in plugin::pieces(text) {
                    match piece {
                        plugin::Piece::Text(text) => writer.text(&visible(text)),
                        plugin::Piece::Link(address) => writer.embed(&address),
                    }
                }
            }
            Token::Open(tag) => writer.open(&tag),
            Token::Close(name) => writer.close(&name),
            Token::Raw(tag, content) => writer.raw(&tag, content),
        }
        if writer.out.len() > MAX_OUTPUT {
            break;
        }
    }
    writer.end()
}

struct Open {
    name: &'static str,
    attributes: String,
    written: bool,
}

struct Writer<'a> {
    out: String,
    stack: Vec<Open>,
    base: &'a Url,
    /// Nothing inline since the last border of a block: blanks and line breaks do not count here.
    fresh: bool,
    /// A blank waits for the next word.
    blank: bool,
    /// Line breaks wait for the next word.
    breaks: u8,
    /// A border was passed: bare words begin a paragraph.
    apart: bool,
    /// Characters since the last tag that are slow to write.
    escaped: usize,
}

impl Writer<'_> {
    fn open(&mut self, tag: &Tag<'_>) {
        match tag.name.as_str() {
            "br" => self.breaks = if self.fresh { 0 } else { (self.breaks + 1).min(2) },
            "hr" => self.rule(tag),
            "img" => self.image(tag),
            "embed" => self.frame(tag.get("src")),
            name => {
                let (name, kind) = kind(name);
                match kind {
                    Kind::Gone => {}
                    Kind::Border => self.border(),
                    Kind::Inline => self.inline(name, tag),
                    Kind::Part => self.part(name),
                    Kind::Table => self.table_part(name, tag),
                    Kind::Heading | Kind::Block => self.block(name, kind),
                }
            }
        }
    }

    fn inline(&mut self, name: &'static str, tag: &Tag<'_>) {
        let mut attributes = String::new();
        if name == "a" {
            self.leave("a", &TABLE_PARTS);
            if self.has("a", &[]) {
                return;
            }
            let Some(url) = tag.get("href").and_then(|raw| link::href(raw, self.base)) else { return };
            attribute(&mut attributes, "href", url.as_str());
        }
        self.cell();
        self.push(name, attributes);
    }

    fn block(&mut self, name: &'static str, kind: Kind) {
        self.cell();
        self.border();
        if kind == Kind::Heading
            && let Some(heading) =
                self.stack.iter().rev().map(|e| e.name).find(|n| vocabulary::kind(n).1 == Kind::Heading)
        {
            self.leave(heading, barrier(heading));
        }
        self.apart = false;
        self.push(name, String::new());
    }

    fn part(&mut self, name: &'static str) {
        let parents: &[&'static str] = match name {
            "li" => &["ul", "ol"],
            "figcaption" => &["figure"],
            _ => &["dl"],
        };
        let parent = parents.iter().copied().filter(|p| self.has(p, barrier(p))).max_by_key(|p| self.place(p));
        self.border();
        let Some(parent) = parent else { return };
        // Up to the parent: brothers that were not closed.
        let at = self.place(parent).map_or(0, |n| n + 1);
        self.pop_to(at);
        self.apart = false;
        self.push(name, String::new());
    }

    fn table_part(&mut self, name: &'static str, tag: &Tag<'_>) {
        if !self.has("table", &[]) {
            return self.border();
        }
        let is_cell = matches!(name, "td" | "th");
        let above: &[&str] = match name {
            "tr" => &["table", "thead", "tbody", "tfoot"],
            "td" | "th" => &TABLE_PARTS,
            _ => &["table"],
        };
        let at = self.stack.iter().rposition(|e| above.contains(&e.name)).map_or(0, |n| n + 1);
        self.pop_to(at);
        if is_cell && self.stack.last().is_none_or(|e| e.name != "tr") {
            self.push("tr", String::new());
        }
        let mut attributes = String::new();
        for span in ["colspan", "rowspan"] {
            let number = tag.get(span).and_then(|raw| raw.trim().parse::<u16>().ok()).filter(|n| (2..1000).contains(n));
            if let Some(number) = number.filter(|_| is_cell) {
                attribute(&mut attributes, span, &number.to_string());
            }
        }
        self.apart = false;
        self.push(name, attributes);
        if is_cell {
            // Empty cells keep the columns in line.
            self.unfold();
        }
    }

    fn rule(&mut self, tag: &Tag<'_>) {
        self.border();
        let is_mark = |raw: Option<&str>| raw.is_some_and(|raw| raw.trim().starts_with("system-"));
        if !is_mark(tag.get("class")) && !is_mark(tag.get("id")) {
            self.cell();
            self.unfold();
            self.out.push_str("<hr>");
        }
    }

    fn image(&mut self, tag: &Tag<'_>) {
        let Some(picture) = link::picture(tag, self.base) else { return };
        self.content();
        self.out.push_str("<img");
        attribute(&mut self.out, "src", &picture.url);
        attribute(&mut self.out, "alt", &picture.alt);
        for (name, pixels) in [("width", picture.width), ("height", picture.height)] {
            if let Some(pixels) = pixels {
                attribute(&mut self.out, name, &pixels.to_string());
            }
        }
        self.out.push('>');
    }

    /// An element whose content is not text: a frame, video or object becomes a link.
    fn raw(&mut self, tag: &Tag<'_>, content: &str) {
        match tag.name.as_str() {
            "iframe" => self.frame(tag.get("src").or_else(|| tag.get("data-src"))),
            "video" | "audio" => {
                let inner = Scanner::new(content).find_map(|token| match token {
                    Token::Open(tag) if tag.name == "source" => tag.get("src"),
                    _ => None,
                });
                self.frame(tag.get("src").or(inner));
            }
            "object" => self.frame(tag.get("data")),
            _ => self.blank = true,
        }
    }

    fn frame(&mut self, src: Option<&str>) {
        let url = src.and_then(|raw| link::src(raw, self.base));
        if let Some(url) = url {
            self.embed(link::page_of(&url).as_str());
        }
    }

    /// A link to something that a feed cannot show, with its address as text.
    fn embed(&mut self, address: &str) {
        let Ok(url) = Url::parse(address) else { return };
        self.leave("a", &TABLE_PARTS);
        let alone = !self.has("p", barrier("p"));
        self.apart |= alone;
        self.blank = true;
        self.content();
        // Around a table there may still be a link: links do not nest.
        let nested = self.has("a", &[]);
        if !nested {
            self.out.push_str("<a");
            attribute(&mut self.out, "href", url.as_str());
            self.out.push('>');
        }
        escape(&mut self.out, url.as_str());
        if !nested {
            self.out.push_str("</a>");
        }
        self.blank = true;
        if alone {
            self.border();
        }
    }

    fn text(&mut self, text: &str) {
        if self.has("pre", &[]) {
            if !text.is_empty() {
                self.content();
                self.words(text);
            }
            return;
        }
        let is_blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{C}');
        if text.chars().all(char::is_whitespace) {
            self.blank = true;
            return;
        }
        for (nth, word) in text.split(is_blank).enumerate() {
            self.blank |= nth > 0;
            if !word.is_empty() {
                self.content();
                self.words(word);
                if self.out.len() > MAX_OUTPUT {
                    return;
                }
            }
        }
    }

    /// Writes words. A run of text with very many characters that HTML escapes is broken: the writer of html5ever looks
    /// to the end of the run at each of them (those whose UTF-8 begins with 0xC2 included).
    fn words(&mut self, text: &str) {
        let is_slow = |c: char| c == '&' || ('\u{80}'..='\u{BF}').contains(&c);
        for piece in text.split_inclusive(is_slow) {
            escape(&mut self.out, piece);
            self.escaped += usize::from(piece.ends_with(is_slow));
            if self.escaped > MAX_ESCAPED {
                self.out.push_str("<br>");
                self.escaped = 0;
            }
        }
    }

    /// Makes ready for something inline: a cell in a table, a paragraph after a border, waiting blanks and tags.
    fn content(&mut self) {
        self.cell();
        let place = self.stack.iter().rev().map(|e| e.name).find(|n| kind(n).1 != Kind::Inline);
        if self.apart {
            self.apart = false;
            if place.is_none_or(|n| FLOW.contains(&n)) {
                self.push("p", String::new());
                self.edge();
            } else if !self.fresh {
                self.blank = true;
            }
        }
        if self.breaks > 0 && !self.fresh {
            (0..self.breaks).for_each(|_| self.out.push_str("<br>"));
            self.escaped = 0;
        } else if self.blank && !self.fresh {
            self.out.push(' ');
        }
        self.unfold();
        (self.fresh, self.blank, self.breaks) = (false, false, 0);
    }

    /// Writes the start tags that waited for content.
    fn unfold(&mut self) {
        let from = self.stack.iter().rposition(|e| e.written).map_or(0, |n| n + 1);
        for element in &mut self.stack[from..] {
            element.written = true;
            self.escaped = 0;
            self.out.push('<');
            self.out.push_str(element.name);
            self.out.push_str(&element.attributes);
            self.out.push('>');
        }
    }

    /// Within a table but outside its cells, opens a cell: browsers would move the content in front of the table.
    fn cell(&mut self) {
        let outside = self.stack.last().is_some_and(|e| TABLE_PARTS.contains(&e.name));
        if outside {
            if self.stack.last().is_some_and(|e| e.name != "tr") {
                self.push("tr", String::new());
            }
            self.push("td", String::new());
        }
    }

    /// A border between blocks: ends a paragraph.
    fn border(&mut self) {
        self.leave("p", barrier("p"));
        self.edge();
        self.apart = true;
    }

    const fn edge(&mut self) {
        (self.fresh, self.blank, self.breaks) = (true, false, 0);
    }

    fn close(&mut self, name: &str) {
        if name == "br" {
            return;
        }
        let (name, kind) = kind(name);
        match kind {
            Kind::Gone => {}
            Kind::Border => self.border(),
            Kind::Inline => self.leave(name, barrier("p")),
            _ => {
                self.border();
                self.leave(name, barrier(name));
            }
        }
    }

    /// Closes the innermost element of this name and what is in it, unless one of `barrier` is between.
    fn leave(&mut self, name: &str, barrier: &[&str]) {
        if self.has(name, barrier)
            && let Some(at) = self.place(name)
        {
            self.pop_to(at);
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.stack.iter().rposition(|e| e.name == name)
    }

    fn has(&self, name: &str, barrier: &[&str]) -> bool {
        let inner = self.stack.iter().rev().map(|e| e.name).take_while(|n| *n == name || !barrier.contains(n));
        inner.into_iter().any(|n| n == name)
    }

    fn push(&mut self, name: &'static str, attributes: String) {
        if self.stack.len() < DEPTH {
            self.stack.push(Open { name, attributes, written: false });
        }
    }

    fn pop_to(&mut self, at: usize) {
        while self.stack.len() > at {
            let Some(element) = self.stack.pop() else { return };
            if element.written {
                self.escaped = 0;
                self.out.push_str("</");
                self.out.push_str(element.name);
                self.out.push('>');
            }
            if kind(element.name).1 != Kind::Inline {
                self.edge();
                self.apart = true;
            }
        }
    }

    fn end(mut self) -> String {
        self.pop_to(0);
        self.out
    }
}

/// One attribute in double quotes.
fn attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(out, value);
    out.push('"');
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        if out.len() > MAX_OUTPUT {
            return;
        }
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
}
