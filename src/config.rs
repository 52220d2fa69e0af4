//! Configuration: the defaults of `deploy/loa.toml`, then a file, then the environment, then secrets in files of their
//! own; each laid upon the one before. Every fault is told at once, with its place and remedy. Never connects to
//! anything, never prints a secret, and is read only by `service` and `cli`.

mod assemble;
mod environment;
pub mod fault;
pub mod feeds;
mod reader;
pub mod secret;
pub mod sections;
mod tree;
pub mod value;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assemble::Sections;
use fault::{Fault, Faults, Place};
use sections::{
    BounceSection, DigestSection, EmailSection, FeedsSection, HubSection, IngestSection, LogSection, OldAddressSection,
    RetentionSection, SiteSection, SourceSection, StoreSection, WebSection, WebhookSection,
};

use crate::domain::digest::Calendar;
use crate::domain::site::{Contact, Imprint, Site};
use crate::text::xml::XmlText;

/// The defaults, with a word on each: what a newcomer can copy.
pub const DEFAULTS: &str = include_str!("../deploy/loa.toml");

/// What faults in the defaults call their file.
const DEFAULTS_NAME: &str = "(built in) deploy/loa.toml";

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[site]`
    pub site: SiteSection,
    /// `[web]`
    pub web: WebSection,
    /// `[store]`
    pub store: StoreSection,
    /// `[feeds]`
    pub feeds: FeedsSection,
    /// Every `[[source]]`, in the order of the file; may be none.
    pub sources: Vec<SourceSection>,
    /// Every `[[old_address]]`, in the order of the file.
    pub old_addresses: Vec<OldAddressSection>,
    /// `[email]`
    pub email: EmailSection,
    /// `[bounce]`
    pub bounce: BounceSection,
    /// `[digest]`
    pub digest: DigestSection,
    /// `[webhook]`
    pub webhook: WebhookSection,
    /// `[hub]`
    pub hub: HubSection,
    /// `[ingest]`
    pub ingest: IngestSection,
    /// `[retention]`
    pub retention: RetentionSection,
    /// `[log]`
    pub log: LogSection,
}

impl Config {
    /// Loads the defaults, the file if one is given, and the variables of `environment` (see [`environment`]).
    ///
    /// Relative paths are meant from the folder of `file`, or from the working directory where no file is given; those
    /// that a `…_FILE` variable names, always from the working directory.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self, Faults> {
        let read = Self::read(file, environment);
        match read.config {
            Some(config) if read.faults.is_empty() => Ok(config),
            _ => Err(Faults::new(read.faults)),
        }
    }

    /// As [`Config::load`], for `loa check`, which goes on behind a fault with what could be read.
    pub fn read(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Read {
        Self::layered(DEFAULTS, file, environment)
    }

    /// Who loa speaks for, as the rest of the house knows it.
    #[must_use]
    pub fn site(&self) -> Site {
        Site {
            title: self.site.title.clone(),
            base_url: self.site.base_url.clone(),
            authority: self.site.authority.clone(),
            locale: self.site.language,
            zone: self.site.timezone.clone(),
            imprint: Imprint {
                rights: self.site.rights.clone(),
                editor: self.site.editor.as_ref().map(contact),
                webmaster: self.site.webmaster.as_ref().map(contact),
                icon: self.site.icon.clone(),
                logo: self.site.logo.clone(),
            },
        }
    }

    /// When digests are due, on the clock of the site.
    #[must_use]
    pub fn calendar(&self) -> Calendar {
        let weekly = &self.digest.weekly;
        Calendar { daily: self.digest.daily, weekly: (weekly.0, weekly.1), zone: self.site.timezone.clone() }
    }

    fn layered(defaults: &str, file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Read {
        let (mut root, mut faults) = tree::parse(DEFAULTS_NAME, defaults);
        let mut place = Place::file(DEFAULTS_NAME);
        let mut base = PathBuf::new();
        if let Some(file) = file {
            let name = file.display().to_string();
            place = Place::file(&name);
            base = file.parent().map(Path::to_path_buf).unwrap_or_default();
            match fs::read_to_string(file) {
                Ok(text) => {
                    let (table, wrong) = tree::parse(&name, &text);
                    tree::merge(&mut root, table);
                    faults.extend(wrong);
                }
                Err(e) => faults.push(Fault::new(
                    place.clone(),
                    format!("cannot read the configuration: {e}; name a UTF-8 text file after --config"),
                )),
            }
        }
        // What stands on a line that is no TOML is told once, as that.
        let broken: Vec<Place> = faults.iter().map(|fault| fault.place.clone()).collect();
        environment::overlay(&mut root, &environment.collect::<BTreeMap<_, _>>(), &mut faults);

        let known = faults.len();
        let (config, feeds) = assemble(root, place, &base, &mut faults);
        let told = |fault: &Fault| broken.iter().any(|place| same_line(place, &fault.place));
        let later = faults.split_off(known);
        faults.extend(later.into_iter().filter(|fault| !told(fault)));
        let faults = Faults::new(faults).0;
        Read { config, feeds, faults }
    }
}

/// What could be read of a configuration.
#[derive(Clone, Debug)]
pub struct Read {
    /// All of it, if every section is there; even so there may be faults, such as an unknown key.
    pub config: Option<Config>,
    /// `[feeds]`, if that is there.
    pub feeds: Option<FeedsSection>,
    /// Everything that is wrong, in the order of files and lines.
    pub faults: Vec<Fault>,
}

fn assemble(
    root: tree::Table,
    place: Place,
    base: &Path,
    faults: &mut Vec<Fault>,
) -> (Option<Config>, Option<FeedsSection>) {
    let mut sections = Sections { root, place, base, faults };
    let site = sections.site();
    let web = sections.web();
    let store = sections.store();
    let feeds = sections.feeds();
    let sources = sections.sources();
    let old_addresses = sections.old_addresses();
    let email = sections.email();
    let bounce = sections.bounce();
    let digest = sections.digest();
    let webhook = sections.webhook();
    let hub = sections.hub();
    let ingest = sections.ingest();
    let retention = sections.retention();
    let log = sections.log();
    sections.finish();
    let readable = feeds.clone();
    let whole = || {
        Some(Config {
            site: site?,
            web: web?,
            store: store?,
            feeds: feeds?,
            sources: sources?,
            old_addresses: old_addresses?,
            email: email?,
            bounce: bounce?,
            digest: digest?,
            webhook: webhook?,
            hub: hub?,
            ingest: ingest?,
            retention: retention?,
            log: log?,
        })
    };
    (whole(), readable)
}

fn same_line(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::File { file, line, .. }, Place::File { file: others, line: on, .. }) => file == others && line == on,
        _ => false,
    }
}

/// The variables of this process that could be settings: those that begin with `LOA_` and are UTF-8.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let texts =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.filter(|(name, _)| name.starts_with("LOA_"))
}

fn contact(sender: &value::Sender) -> Contact {
    Contact { name: XmlText::new(&sender.name), address: sender.address.clone() }
}

#[cfg(test)]
mod tests;
