//! From `[[source]]` sections to sources: opens those that can be, and says in words what is wrong with the others. Connects
//! to nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Config;
use crate::config::fault::{Fault, remedy};
use crate::config::sections::SourceSection;
use crate::source::{AnySource, Settings};

/// Opens the sources that the configuration names: those that can be, and every fault of the others, with its place.
#[must_use]
pub fn sources(config: &Config) -> (BTreeMap<String, Arc<AnySource>>, Vec<Fault>) {
    let mut sources = BTreeMap::new();
    let mut faults = Vec::new();
    for section in &config.sources {
        let mut table = section.settings.clone();
        table.insert("kind".to_owned(), section.kind.clone().into());
        if section.kind == "folder" {
            // A folder has no address of its own: its pages are where the site is, its dates on the site's clock.
            let (url, zone) = (config.site.base_url.to_string(), &config.site.timezone);
            table.entry("site_url").or_insert_with(|| url.into());
            if let Some(zone) = zone.iana_name() {
                table.entry("timezone").or_insert_with(|| zone.into());
            }
        }
        let opened = read(table.clone()).map_err(|error| unfit(section, &table, &error)).and_then(|settings| {
            AnySource::open(&section.name, settings).map_err(|error| refused(section, &error.to_string()))
        });
        match opened {
            Ok(source) => {
                sources.insert(section.name.clone(), Arc::new(source));
            }
            Err(fault) => faults.push(fault),
        }
    }
    (sources, faults)
}

fn read(table: toml::Table) -> Result<Settings, toml::de::Error> {
    toml::Value::Table(table).try_into()
}

/// A source names the key that cannot be right, in a sentence of its own.
fn refused(section: &SourceSection, said: &str) -> Fault {
    let said = said.strip_prefix(&format!("source `{}`: ", section.name)).unwrap_or(said);
    let named =
        |key: &&str| said.find(&format!("`{key}`")).or_else(|| said.starts_with(&format!("{key} = ")).then_some(0));
    let key = section.settings.keys().map(String::as_str).filter_map(|key| Some((named(&key)?, key))).min();
    section.fault(key.map(|(_, key)| key), said)
}

/// The key whose value made the reader stop, which does not name it: it reads key by key, so the first that it stops at with
/// the same words is the one.
fn stumbled<'t>(table: &'t toml::Table, said: &str) -> Option<&'t str> {
    let mut less = toml::Table::new();
    less.extend(table.get_key_value("kind").map(|(key, kind)| (key.clone(), kind.clone())));
    table
        .iter()
        .map(|(key, value)| {
            less.insert(key.clone(), value.clone());
            (key.as_str(), read(less.clone()).err())
        })
        .find(|(_, error)| error.as_ref().is_some_and(|error| error.message() == said))
        .map(|(key, _)| key)
}

/// The reader of settings knows which key is wrong and which there are; this says it at the key's place, with a remedy.
fn unfit(section: &SourceSection, table: &toml::Table, error: &toml::de::Error) -> Fault {
    let said = error.message();
    let names: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
    match (names.split_first(), section.kind.as_str()) {
        (Some((kind, known)), _) if said.starts_with("unknown variant") && *kind == section.kind => {
            section.fault(Some("kind"), &format!("\"{kind}\" is no kind of source; {}", remedy(kind, known)))
        }
        (Some((key, known)), kind) if said.starts_with("unknown field") => {
            section.fault(Some(key), &format!("a source of kind {kind} has no such key; {}", remedy(key, known)))
        }
        (Some((key, _)), kind) if said.starts_with("missing field") => {
            section.fault(None, &format!("a source of kind {kind} needs the key {key}"))
        }
        _ => {
            section.fault(stumbled(table, said), &format!("the value is not what this key holds ({said}); correct it"))
        }
    }
}
