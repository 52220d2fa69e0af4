//! What a mail says, from templates. Words and layout are in `templates/email/<name>/<locale>/{subject.txt,body.txt,
//! body.html}`, compiled in; an operator's folder of the same shape wins file by file. A mail is worded once for all
//! its readers of one locale: the two personal links hold marks that [`crate::notify::email`] replaces. Never knows a
//! reader, and never sends.

mod budget;
pub mod content;
mod digest;
mod engine;
pub mod line;
pub mod question;
pub mod sample;
pub mod words;

use std::path::Path;

use serde::Serialize;

use crate::domain::link::TOKEN_LEN;
use crate::domain::site::Site;
use crate::domain::subscriber::Locale;
use crate::notify::message::content::{ArticleMail, FeedLink, Mail};
use crate::notify::message::engine::Engine;
use crate::notify::message::line::{Line, shorten};

/// Stands for the manage token. It begins with a control character, which [`Line`] and
/// [`line::Web`] let nothing else bring in: no article can name it.
pub const MANAGE_MARK: &str = "\u{1}manage-token-of-thirty-six-letters\u{2}";
/// Stands for the unsubscribe token; see [`MANAGE_MARK`].
pub const UNSUBSCRIBE_MARK: &str = "\u{1}unsubscribe-token-of-36-characters\u{2}";

const _: () = assert!(MANAGE_MARK.len() == TOKEN_LEN && UNSUBSCRIBE_MARK.len() == TOKEN_LEN);

/// Most characters of a subject line.
const SUBJECT: usize = 160;

/// What a mail says in one locale, with marks where each reader's tokens go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The language it is in.
    pub locale: Locale,
    /// One line.
    pub subject: Line,
    /// The plain text part, complete by itself.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

impl Content {
    /// The same with a reader's own tokens in it: for a preview. Mails go through [`crate::notify::email::Prepared`].
    #[must_use]
    pub fn with_tokens(&self, manage: &str, unsubscribe: &str) -> Self {
        let fill = |part: &str| part.replace(MANAGE_MARK, manage).replace(UNSUBSCRIBE_MARK, unsubscribe);
        Self { text: fill(&self.text), html: fill(&self.html), ..self.clone() }
    }
}

/// Why a mail could not be worded. Each sentence names the template and, where known, the line.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Templates that cannot be read or understood, all of them. An operator must act; nothing was loaded.
    #[error("{}", .0.join("\n"))]
    Templates(Vec<String>),
    /// A template failed on this mail, or left out what every mail must have.
    #[error("{0}")]
    Render(String),
}

/// The templates of all mails, ready to use. Cheap to share behind an `Arc`; rendering takes `&self`.
#[derive(Debug)]
pub struct Templates(Engine);

impl Templates {
    /// The compiled-in templates, with the operator's files from a folder (`<folder>/article/vi/subject.txt`, …) in
    /// place of those of the same name.
    ///
    /// # Errors
    /// Every file that cannot be read, has a name that no mail uses, or is not a template, at once.
    pub fn load(folder: Option<&Path>) -> Result<Self, MessageError> {
        Engine::load(folder).map(Self).map_err(MessageError::Templates)
    }

    /// Words a mail for readers of one locale.
    ///
    /// # Errors
    /// When a template fails, runs too long, or leaves out the subject, a body, or in a bulk mail the way to leave.
    pub fn render(&self, site: &Site, locale: Locale, mail: &Mail) -> Result<Content, MessageError> {
        let content = match mail {
            Mail::Article(mail) => {
                let every = mail.articles.len();
                let attempt =
                    |shown| self.fill("article", &frame(site, locale), &article(mail, shown)).map(budget::fits);
                let whole = if every <= budget::ARTICLES { attempt(every)? } else { None };
                match whole.map_or_else(|| budget::largest(every.min(budget::ARTICLES), attempt), |w| Ok(Some(w)))? {
                    Some(content) => Ok(content),
                    None => Err(budget::never_fits(&format!("article/{}/body.html", locale.as_str()))),
                }
            }
            Mail::Confirm(mail) => self.fill("confirm", &frame(site, locale), &mail.context(site)),
            Mail::Move(mail) => self.fill("move", &frame(site, locale), &mail.context(site)),
            Mail::Moved(mail) => self.fill("moved", &frame(site, locale), &mail.context()),
            Mail::Digest(mail) => {
                digest::fit(mail, locale, |context| self.fill("digest", &frame(site, locale), context))
            }
        }?;
        complete(mail, content)
    }

    fn fill<C: Serialize>(&self, name: &str, frame: &Frame, mail: &C) -> Result<Content, MessageError> {
        let locale = frame.locale;
        let render = |part: &str, subject: &str| {
            let context = Context { frame, subject, mail };
            self.0.render(&format!("{name}/{}/{part}", locale.as_str()), &context).map_err(MessageError::Render)
        };
        let subject = Line::new(&shorten(&Line::new(&render("subject.txt", "")?), SUBJECT));
        Ok(Content {
            locale,
            text: tidy(&render("body.txt", &subject)?),
            html: render("body.html", &subject)?,
            subject,
        })
    }
}

/// What every template is given, whatever the mail.
fn frame(site: &Site, locale: Locale) -> Frame {
    Frame {
        locale,
        site: SiteView { title: Line::new(&site.title), url: site.base_url.to_string() },
        links: Links {
            manage: site.link(&format!("manage/{MANAGE_MARK}")),
            unsubscribe: site.link(&format!("u/{UNSUBSCRIBE_MARK}")),
        },
    }
}

/// What a mail of any kind must have, whoever wrote its templates.
fn complete(mail: &Mail, content: Content) -> Result<Content, MessageError> {
    let folder = format!("{}/{}", mail.name(), content.locale.as_str());
    let missing = |file: &str, what: &str| Err(MessageError::Render(format!("{folder}/{file}: {what}")));
    if content.subject.is_empty() {
        return missing("subject.txt", "the subject is empty; write one line");
    }
    for (file, body) in [("body.txt", &content.text), ("body.html", &content.html)] {
        if body.trim().is_empty() {
            return missing(file, "the body is empty; both bodies must say everything");
        }
        if mail.is_bulk() && !body.contains(UNSUBSCRIBE_MARK) {
            return missing(file, "there is no way to leave; put {{ links.unsubscribe }} in it");
        }
        if mail.is_bulk() && !body.contains(MANAGE_MARK) {
            return missing(file, "there is no way to choose anew; put {{ links.manage }} in it");
        }
        if let Some(token) = mail.token()
            && !body.contains(token)
        {
            return missing(file, "there is nothing to confirm with; put {{ confirm_url }} in it");
        }
    }
    Ok(content)
}

/// Plain text as a person would leave it: no spaces at line ends, at most one empty line in a row, one line end at the end.
fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.trim().lines().map(str::trim_end) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            tidy.push_str(line);
            tidy.push('\n');
        }
    }
    tidy
}

#[derive(Serialize)]
struct Context<'a, C> {
    #[serde(flatten)]
    frame: &'a Frame,
    subject: &'a str,
    #[serde(flatten)]
    mail: &'a C,
}

#[derive(Serialize)]
struct Frame {
    locale: Locale,
    site: SiteView,
    links: Links,
}

#[derive(Serialize)]
struct SiteView {
    title: Line,
    url: String,
}

#[derive(Serialize)]
struct Links {
    manage: String,
    unsubscribe: String,
}

#[derive(Serialize)]
struct ArticleContext<'a> {
    /// Those that fit.
    articles: &'a [content::Card],
    /// All of them.
    total: usize,
    /// Those that did not fit.
    more: usize,
    feeds: Vec<&'a FeedLink>,
}

fn article(mail: &ArticleMail, shown: usize) -> ArticleContext<'_> {
    let mut feeds: Vec<&FeedLink> = Vec::new();
    for feed in mail.articles.iter().flat_map(|a| &a.feeds) {
        if !feeds.contains(&feed) {
            feeds.push(feed);
        }
    }
    let total = mail.articles.len();
    ArticleContext { articles: &mail.articles[..shown.min(total)], total, more: total.saturating_sub(shown), feeds }
}
