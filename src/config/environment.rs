//! Settings from the environment: `LOA_SECTION__KEY`, and `LOA_SECTION__KEY_FILE` for a value that lies in a file.
//! Never looks at a variable that does not begin with `LOA_`, and never shows what a named file holds.

use std::collections::BTreeMap;
use std::fs;

use super::fault::{Fault, Place, nearest, remedy};
use super::sections::{SECTIONS, SOURCE};
use super::tree::{Entry, Node, Table, Value};

/// Lays the variables upon `root`. A file's value is stronger than a plain one of the same key.
pub(super) fn overlay(root: &mut Table, variables: &BTreeMap<String, String>, faults: &mut Vec<Fault>) {
    let mut files = Vec::new();
    for (name, value) in variables {
        let Some(path) = name.strip_prefix("LOA_") else {
            continue;
        };
        let Some((section, key)) = path.split_once("__") else {
            single_underscore(name, path, faults);
            continue;
        };
        let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        if let Some(key) = key.strip_suffix("_file") {
            files.push((name, value, section, key.to_owned()));
        } else {
            let place = Place::Variable { name: name.as_str().into(), secret: false };
            set(root, &section, &key, value.clone(), place, faults);
        }
    }
    for (name, file, section, key) in files {
        let place = Place::Variable { name: name.as_str().into(), secret: true };
        match fs::read_to_string(file) {
            Ok(value) => set(root, &section, &key, value.trim().to_owned(), place, faults),
            Err(e) => faults.push(Fault::new(
                place,
                format!("cannot read {file:?}: {e}; name a text file that loa may read, or unset the variable"),
            )),
        }
    }
}

/// `LOA_EMAIL_URL` would be silently without effect: that is told. Other variables that begin with `LOA_` are not ours.
fn single_underscore(name: &str, path: &str, faults: &mut Vec<Fault>) {
    let path = path.to_ascii_lowercase();
    for (section, keys) in SECTIONS {
        let Some(key) = path.strip_prefix(section).and_then(|rest| rest.strip_prefix('_')) else {
            continue;
        };
        if keys.contains(&key.strip_suffix("_file").unwrap_or(key)) {
            let meant = format!("LOA_{}__{}", section.to_ascii_uppercase(), key.to_ascii_uppercase());
            faults.push(Fault::new(
                Place::Variable { name: name.into(), secret: false },
                format!("has no effect: section and key are parted by two underscores; write {meant}"),
            ));
        }
    }
}

fn set(root: &mut Table, section: &str, key: &str, value: String, place: Place, faults: &mut Vec<Fault>) {
    if section == SOURCE {
        set_source(root, key, value, place, faults);
        return;
    }
    let names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
    if !names.contains(&section) {
        let hint = nearest(section, &names).map_or_else(
            || format!("known are {}", names.join(", ")),
            |meant| format!("did you mean LOA_{}__{}?", meant.to_ascii_uppercase(), key.to_ascii_uppercase()),
        );
        faults.push(Fault::new(place, format!("[{section}]: unknown section; {hint}")));
        return;
    }
    let entry = root.entry(section.to_owned()).or_insert_with(|| Entry {
        key: place.clone(),
        node: Node { place: place.clone(), value: Value::Table(Table::new()) },
    });
    // A section that is no table is told as such when it is read.
    if let Value::Table(table) = &mut entry.node.value {
        let node = Node { place: place.clone(), value: Value::Raw(value) };
        table.insert(key.to_owned(), Entry { key: place, node });
    }
}

/// `LOA_SOURCE__<NAME>__KEY`: the name in capitals, with `_` for `-`.
fn set_source(root: &mut Table, path: &str, value: String, place: Place, faults: &mut Vec<Fault>) {
    let Some((name, key)) = path.split_once("__") else {
        faults.push(Fault::new(
            place,
            "names no key of a source; write LOA_SOURCE__<NAME>__<KEY>, such as LOA_SOURCE__PORTAL__URL",
        ));
        return;
    };
    let sources = match root.get_mut(SOURCE).map(|entry| &mut entry.node.value) {
        Some(Value::Array(sources)) => sources.as_mut_slice(),
        _ => &mut [],
    };
    let mut names = Vec::new();
    for source in sources {
        let Value::Table(table) = &mut source.value else {
            continue;
        };
        let Some(Value::Text(own)) = table.get("name").map(|entry| &entry.node.value) else {
            continue;
        };
        if own.replace('-', "_") == name {
            let typed = typed(value, table.get(key).map(|entry| &entry.node.value));
            let node = Node { place: place.clone(), value: typed };
            table.insert(key.to_owned(), Entry { key: place, node });
            return;
        }
        names.push(own.clone());
    }
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = if known.is_empty() { "no [[source]] is configured".to_owned() } else { remedy(name, &known) };
    faults.push(Fault::new(place, format!("[[source]]: no source is called \"{name}\"; {hint}")));
}

/// A source's settings are read by the source itself, so a variable takes the type of the setting that it replaces.
fn typed(value: String, before: Option<&Value>) -> Value {
    let same = match before {
        Some(Value::Integer(_)) => value.trim().parse().ok().map(Value::Integer),
        Some(Value::Boolean(_)) => value.trim().parse().ok().map(Value::Boolean),
        Some(Value::Float(_)) => value.trim().parse().ok().map(Value::Float),
        _ => None,
    };
    same.unwrap_or(Value::Raw(value))
}
