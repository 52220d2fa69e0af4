//! Pages: templates and static files compiled into the binary, the words of the language, and what every page knows.
//! Reads no file, and escapes every value.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, LINK, VARY};
use include_dir::{Dir, include_dir};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{
    AutoEscape, Environment, Error, Output, State as Rendering, UndefinedBehavior, Value, escape_formatter,
};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::browse::{formats, title};
use super::reply::Fault;
use super::visit::Visit;
use crate::domain::site::Site;
use crate::domain::subscriber::Locale;
use crate::text::catalog;
use crate::work::publish::Publisher;
use crate::work::search;

static PAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/page");
static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/static");

/// Seconds for which a page for everybody may be kept.
pub const PAGE_AGE: u64 = 60;

/// Steps that one page may take: far more than the largest needs.
const FUEL: u64 = 5_000_000;

/// The engine with everything compiled.
pub struct View {
    engine: Environment<'static>,
    site: Json,
    base: Site,
    publisher: Arc<Publisher>,
    root: String,
    css: String,
    icon: String,
}

impl View {
    /// Compiles the pages.
    #[must_use]
    pub fn new(site: &Site, publisher: Arc<Publisher>) -> Self {
        let mut engine = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        engine.set_syntax(syntax.expect("the delimiters are the usual ones"));
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.set_fuel(Some(FUEL));
        engine.set_auto_escape_callback(|_| AutoEscape::Html);
        engine.set_formatter(format);
        engine.add_filter("fill", |text: &str, values: Kwargs| -> Result<String, Error> {
            let names: Vec<String> = values.args().map(str::to_owned).collect();
            let filled: Vec<String> =
                names.iter().map(|name| Ok(values.get::<Value>(name)?.to_string())).collect::<Result<_, Error>>()?;
            let pairs: Vec<(&str, &str)> =
                names.iter().map(String::as_str).zip(filled.iter().map(String::as_str)).collect();
            Ok(catalog::fill(text, &pairs))
        });
        for file in PAGES.files() {
            if let (Some(name), Some(text)) = (file.path().to_str(), file.contents_utf8()) {
                engine
                    .add_template_owned(name.to_owned(), text.to_owned())
                    .expect("compiled-in pages are templates, as the tests of this module say");
            }
        }
        let root = site.base_url.path().to_owned();
        let hashed = |name: &str| format!("{root}static/{name}?v={}", fingerprint(name));
        Self {
            engine,
            site: json!({ "title": site.title.as_str(), "url": site.base_url.as_str() }),
            base: site.clone(),
            publisher,
            css: hashed("loa.css"),
            icon: hashed("favicon.svg"),
            root,
        }
    }

    /// Where addresses below the site begin, without host: `/`.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Renders a page with what it is given, and what every page is given: `t` (the words), `site`, `lang`, `root`,
    /// `q` (the query that keeps a chosen language), `other` (the address of this page in the other language).
    ///
    /// # Errors
    /// [`Fault::Internal`] for a page that does not fit what it was given; the log says where.
    pub fn render(&self, name: &str, visit: Visit, path: &str, with: Json) -> Result<String, Fault> {
        let lang = visit.locale.as_str();
        let other = if visit.locale == Locale::Vi { "en" } else { "vi" };
        let and = if path.contains('?') { '&' } else { '?' };
        let mut context = json!({
            "t": catalog::words(lang), "site": self.site, "lang": lang, "root": self.root, "css": self.css, "icon": self.icon,
            "chosen": visit.chosen, "static": false, "formats": self.formats(visit.locale),
            "q": if visit.chosen { format!("?lang={lang}") } else { String::new() },
            "other": { "lang": other, "href": format!("{}{}{and}lang={other}", self.root, path.trim_start_matches('/')) },
        });
        if let (Some(context), Json::Object(with)) = (context.as_object_mut(), with) {
            context.extend(with);
        }
        self.engine.get_template(name).and_then(|page| page.render(Serde(&context))).map_err(|error| {
            tracing::error!(page = name, "a page cannot be made: {error:#}");
            Fault::Internal
        })
    }

    /// What every page announces that has no feed of its own: the feed of everything.
    fn formats(&self, locale: Locale) -> Vec<Json> {
        let all = self.publisher.all();
        match all.iter().map(|p| &p.feed.spec).find(|spec| spec.select.is_everything()) {
            Some(spec) => {
                formats(&self.base, title(spec, locale), |f| format!("feeds/{}.{}", spec.slug, f.extension()))
            }
            None => formats(&self.base, self.base.title.as_str(), |f| search::path("", Some(f))),
        }
    }

    /// The same as an answer for people that may be kept for a minute.
    ///
    /// # Errors
    /// As [`View::render`].
    pub fn page(&self, name: &str, visit: Visit, path: &str, with: Json) -> Result<HttpResponse, Fault> {
        let own = with.get("formats").and_then(Json::as_array).cloned();
        let html = self.render(name, visit, path, with)?;
        let mut page = html_response(html, visit, &format!("public, max-age={PAGE_AGE}"));
        for format in own.unwrap_or_else(|| self.formats(visit.locale)) {
            let link = format!(
                "<{}>; rel=\"alternate\"; type=\"{}\"",
                format["url"].as_str().unwrap_or_default(),
                format["type"].as_str().unwrap_or_default()
            );
            if let Ok(link) = link.try_into() {
                page.headers_mut().append(LINK, link);
            }
        }
        Ok(page)
    }

    /// The same as an answer for one person, which nobody keeps, lists or passes on: its address opens something.
    ///
    /// # Errors
    /// As [`View::render`].
    pub fn private(&self, name: &str, visit: Visit, path: &str, with: Json) -> Result<HttpResponse, Fault> {
        let html = self.render(name, visit, path, with)?;
        let mut response = html_response(html, visit, "no-store");
        keep_private(&mut response);
        Ok(response)
    }
}

/// Marks an answer as nobody else's: not stored, not listed, not told to the next site.
pub fn keep_private(response: &mut HttpResponse) {
    use actix_web::http::header::{HeaderValue, REFERRER_POLICY};
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(super::X_ROBOTS_TAG, HeaderValue::from_static("noindex, nofollow"));
}

fn html_response(html: String, visit: Visit, cache: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_LANGUAGE, visit.locale.as_str()))
        .insert_header((CACHE_CONTROL, cache))
        .insert_header((VARY, "Accept-Language"))
        .body(html)
}

/// A static file by its name: media type and bytes.
#[must_use]
pub fn file(name: &str) -> Option<(&'static str, &'static [u8])> {
    let media = match Path::new(name).extension()?.to_str()? {
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    };
    Some((media, FILES.get_file(name)?.contents()))
}

/// Every static file: name and bytes.
pub fn files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.files().filter_map(|file| Some((file.path().to_str()?, file.contents())))
}

/// The start of a hash of a static file: it stands in its address, so that a new file has a new one.
#[must_use]
pub fn fingerprint(name: &str) -> String {
    let bytes = FILES.get_file(name).map(include_dir::File::contents).unwrap_or_default();
    Sha256::digest(bytes).iter().take(6).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// As the engine does by itself, but `/` stays as it is, so that addresses stay readable.
fn format(out: &mut Output<'_>, state: &mut Rendering<'_, '_>, value: &Value) -> Result<(), Error> {
    let Some(text) = value.as_str().filter(|_| !value.is_safe()) else {
        return escape_formatter(out, state, value);
    };
    for c in text.chars() {
        match c {
            '<' => out.write_str("&lt;")?,
            '>' => out.write_str("&gt;")?,
            '&' => out.write_str("&amp;")?,
            '"' => out.write_str("&quot;")?,
            '\'' => out.write_str("&#39;")?,
            c => out.write_char(c)?,
        }
    }
    Ok(())
}
