//! The template engine, fenced in: strict about names it is not given, out of fuel before it can hang, escaping in every
//! `.html`. Never reads a file after it was loaded.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt::Write;
use std::path::Path;

use include_dir::{Dir, include_dir};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, escape_formatter};
use serde::Serialize;
use walkdir::WalkDir;

use crate::notify::message::line;

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/email");

/// Steps that one template may take: more than ten times what a digest of 400 articles needs.
const FUEL: u64 = 2_000_000;

/// All templates, compiled.
#[derive(Debug)]
pub struct Engine {
    environment: Environment<'static>,
    /// Where each template was read, for faults.
    origins: BTreeMap<String, String>,
}

impl Engine {
    /// The compiled-in templates, and over them the files of a folder. On failure one sentence per fault.
    pub fn load(folder: Option<&Path>) -> Result<Self, Vec<String>> {
        let mut sources = BTreeMap::new();
        built_in(&BUILT_IN, &mut sources);
        let mut faults = Vec::new();
        if let Some(folder) = folder {
            overrides(folder, &mut sources, &mut faults);
        }
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|name| {
            if Path::new(name).extension().is_some_and(|e| e == "html") { AutoEscape::Html } else { AutoEscape::None }
        });
        environment.set_formatter(format);
        environment.add_filter("wrap", wrap);
        environment.add_filter("shorten", |text: &str, most: usize| line::shorten(text, most));
        let mut origins = BTreeMap::new();
        for (name, (origin, source)) in sources {
            origins.insert(name.clone(), origin);
            if let Err(error) = environment.add_template_owned(name.clone(), source) {
                faults.push(fault(&origins, &name, &error));
            }
        }
        if faults.is_empty() { Ok(Self { environment, origins }) } else { Err(faults) }
    }

    /// Renders one template. On failure a sentence that names file, line and remedy.
    pub fn render<C: Serialize>(&self, name: &str, context: &C) -> Result<String, String> {
        self.environment
            .get_template(name)
            .and_then(|template| template.render(Serde(context)))
            .map_err(|error| fault(&self.origins, name, &error))
    }
}

type Sources = BTreeMap<String, (String, String)>;

fn built_in(dir: &Dir<'_>, sources: &mut Sources) {
    for file in dir.files() {
        if let (Some(name), Some(text)) = (file.path().to_str(), file.contents_utf8()) {
            sources.insert(name.to_owned(), (format!("built-in {name}"), text.to_owned()));
        }
    }
    for dir in dir.dirs() {
        built_in(dir, sources);
    }
}

fn overrides(folder: &Path, sources: &mut Sources, faults: &mut Vec<String>) {
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                faults.push(format!("{}: the folder of mail templates cannot be read: {error}", folder.display()));
                continue;
            }
        };
        let path = entry.path();
        let is_template = path.extension().is_some_and(|e| e == "txt" || e == "html");
        if !entry.file_type().is_file() || !is_template {
            continue;
        }
        let below = path.strip_prefix(folder).unwrap_or(path);
        let name = below.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
        // What is under part/ is only ever read by other templates, so an operator may add to it.
        if !sources.contains_key(&name) && !name.starts_with("part/") {
            faults.push(format!(
                "{}: no mail has a template of this name; it would never be read. Rename it to one of <mail>/<locale>/\
                 {{subject.txt,body.txt,body.html}} with mail article, digest, confirm, move or moved and locale vi or en, or put it \
                 under part/",
                path.display()
            ));
            continue;
        }
        match std::fs::read_to_string(path) {
            Ok(text) => {
                sources.insert(name, (path.display().to_string(), text));
            }
            Err(error) => faults.push(format!("{}: cannot be read as UTF-8 text: {error}", path.display())),
        }
    }
}

/// One sentence: where, what, and what to do.
fn fault(origins: &BTreeMap<String, String>, asked: &str, error: &Error) -> String {
    // The innermost error is where it happened; the outer ones say by which include.
    let mut inner = error;
    while let Some(next) = inner.source().and_then(|s| s.downcast_ref::<Error>()) {
        inner = next;
    }
    let name = inner.name().unwrap_or(asked);
    let mut text = origins.get(name).map_or(name, String::as_str).to_owned();
    if let Some(line) = inner.line() {
        let _ = write!(text, ":{line}");
    }
    let _ = write!(text, ": {}", inner.kind());
    if let Some(detail) = inner.detail() {
        let _ = write!(text, ": {detail}");
    }
    text.push_str(match inner.kind() {
        ErrorKind::UndefinedError => {
            "; use a name that this mail is given, as the built-in template of the same name does"
        }
        ErrorKind::OutOfFuel => "; the template runs too long, simplify its loops",
        ErrorKind::TemplateNotFound => "; include a file that exists in the folder or is built in",
        _ => "",
    });
    text
}

/// As the engine does by itself, but `/` stays as it is: addresses in `href` stay short and readable to every filter on
/// the way.
fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let Some(text) = value.as_str().filter(|_| *state.auto_escape() == AutoEscape::Html && !value.is_safe()) else {
        return escape_formatter(out, state, value);
    };
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let entity = match c {
            '<' => "&lt;",
            '>' => "&gt;",
            '&' => "&amp;",
            '"' => "&quot;",
            '\'' => "&#39;",
            _ => continue,
        };
        out.write_str(&text[plain..at])?;
        out.write_str(entity)?;
        plain = at + c.len_utf8();
    }
    out.write_str(&text[plain..])?;
    Ok(())
}

/// `{{ text | wrap(72, "  ") }}`: breaks at spaces so that lines have at most that many characters, each line but the
/// first after the indent. A word that is longer stands on its own line, whole: addresses stay clickable.
fn wrap(text: &str, width: Option<usize>, indent: Option<String>) -> String {
    let (width, indent) = (width.unwrap_or(72), indent.unwrap_or_default());
    let mut wrapped = String::with_capacity(text.len() + text.len() / 16);
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            wrapped.push('\n');
            wrapped.push_str(&indent);
            column = indent.chars().count();
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_at_spaces_and_an_address_stays_whole() {
        let address = format!("https://example.vn/{}", "a".repeat(40));
        let text = wrap(&format!("Đọc toàn bài viết tại {address} hôm nay"), Some(16), Some("  ".into()));
        assert_eq!(text, format!("Đọc toàn bài\n  viết tại\n  {address}\n  hôm nay"));
    }

    #[test]
    fn a_template_that_never_ends_runs_out_of_fuel() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("part")).expect("made");
        let endless = "{% for a in range(9000) %}{% for b in range(9000) %}x{% endfor %}{% endfor %}";
        std::fs::write(folder.path().join("part/endless.txt"), endless).expect("written");
        let engine = Engine::load(Some(folder.path())).expect("it is a template");
        let fault = engine.render("part/endless.txt", &()).expect_err("it never ends");
        assert!(fault.contains("part/endless.txt:1") && fault.contains("runs too long"), "{fault}");
    }
}
