//! The keys of a source of kind `sql`, and which SELECTs they come to: own ones or those of a preset. Pure.

use std::fmt;

use serde::Deserialize;

use super::dates::Dates;
use super::nukeviet;
use crate::source::database::Engine;

/// The keys of a source of kind `sql`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `mysql://user:password@host/database`, `mariadb://…` or `postgres://…`. Secret: it holds the password.
    pub url: String,
    /// The portal's address, to which links and pictures are relative.
    pub site_url: String,
    /// The SELECT whose rows are the articles.
    pub articles: Option<String>,
    /// The SELECT whose rows are the public categories. With it, an article whose first category is not among them is not
    /// public.
    pub categories: Option<String>,
    /// The SELECTs of a known portal instead of own ones.
    pub preset: Option<Preset>,
    /// With a preset: what the names of its tables begin with; `nv4` by default.
    pub prefix: Option<String>,
    /// Language of articles whose row names none; with a preset also that of its tables, `vi` by default.
    pub language: Option<String>,
    /// With a preset: the module that holds the articles; `news` by default.
    pub module: Option<String>,
    /// Template of an article's address where no `url` column gives it, of `{base} {id} {alias} {category} {category_id}
    /// {language} {year} {month} {day}`.
    pub link: Option<String>,
    /// In which form dates are; found by itself where the values tell.
    pub dates: Option<Dates>,
    /// IANA name of the zone in which dates without one are meant.
    #[serde(default = "home")]
    pub timezone: String,
    /// Seconds from one sweep to the next.
    #[serde(default = "ten_minutes")]
    pub sweep: u64,
    /// Seconds that the server may spend on one statement.
    #[serde(default = "half_a_minute")]
    pub limit: u64,
}

/// Portals whose SELECTs loa knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// `NukeViet` 4 (MySQL, MariaDB).
    Nukeviet,
}

fn home() -> String {
    "Asia/Ho_Chi_Minh".to_owned()
}

fn ten_minutes() -> u64 {
    600
}

fn half_a_minute() -> u64 {
    30
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &"(secret)")
            .field("site_url", &self.site_url)
            .field("articles", &self.articles)
            .field("categories", &self.categories)
            .field("preset", &self.preset)
            .finish_non_exhaustive()
    }
}

/// The SELECTs and what goes with them.
pub(super) struct Chosen {
    pub(super) articles: String,
    pub(super) categories: Option<String>,
    pub(super) link: Option<String>,
    pub(super) language: String,
}

/// Own SELECTs, or those of a preset; never both.
///
/// # Errors
/// What of the settings does not go together, as a sentence without its subject.
pub(super) fn choose(settings: &Settings, engine: Engine) -> Result<Chosen, String> {
    let word = |own: &Option<String>, usual: &str| own.clone().unwrap_or_else(|| usual.to_owned());
    let Some(Preset::Nukeviet) = settings.preset else {
        let articles = settings
            .articles
            .clone()
            .ok_or("there is no `articles`; write the SELECT whose rows are the articles, or choose a `preset`")?;
        if settings.prefix.is_some() || settings.module.is_some() {
            return Err("`prefix` and `module` belong to a `preset`; leave them out".to_owned());
        }
        return Ok(Chosen {
            articles,
            categories: settings.categories.clone(),
            link: settings.link.clone(),
            language: word(&settings.language, ""),
        });
    };
    if settings.articles.is_some() || settings.categories.is_some() {
        return Err(
            "`preset` brings its own `articles` and `categories`; leave either the preset or them out".to_owned()
        );
    }
    if engine != Engine::MySql {
        return Err("NukeViet keeps its articles in MySQL or MariaDB; write a mysql:// address into `url`".to_owned());
    }
    let prefix = word(&settings.prefix, "nv4");
    let (language, module) = (word(&settings.language, "vi"), word(&settings.module, "news"));
    for (key, value) in
        [("prefix", prefix.clone()), ("language", language.clone()), ("module", module.replace('-', "_"))]
    {
        if !nukeviet::is_name(&value) {
            return Err(format!("`{key}` may hold 1 to 32 letters, digits and _ only, as in the names of the tables"));
        }
    }
    Ok(Chosen {
        articles: nukeviet::articles(&prefix, &language, &module),
        categories: Some(nukeviet::categories(&prefix, &language, &module)),
        link: Some(settings.link.clone().unwrap_or_else(|| nukeviet::link(&language, &module))),
        language,
    })
}
