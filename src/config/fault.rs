//! Faults of configuration: where, what is wrong, what to do. Never holds a value that may be a secret.

use std::fmt;
use std::sync::Arc;

/// Where a setting was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file; line and column count from 1. Line 0 means the file as a whole.
    File {
        /// The file's name as it was given.
        file: Arc<str>,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// In a variable of the environment.
    Variable {
        /// The variable's name.
        name: Arc<str>,
        /// Whether the variable only names a file that holds the value: then the value is a secret.
        secret: bool,
    },
}

impl Place {
    /// A file as a whole.
    pub(super) fn file(name: &str) -> Self {
        Self::File { file: name.into(), line: 0, column: 0 }
    }

    /// Whether a value from here must not be shown.
    pub(super) const fn is_secret(&self) -> bool {
        matches!(self, Self::Variable { secret: true, .. })
    }

    /// The line in the file, from 1; nothing for a variable.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        match self {
            Self::File { line, .. } if *line > 0 => Some(*line),
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: 0, .. } => f.write_str(file),
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Variable { name, .. } => f.write_str(name),
        }
    }
}

/// One thing that is wrong, with its remedy in the same sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong and what to do: `[email] conections: unknown key; did you mean "connections"?`
    pub what: String,
}

impl Fault {
    /// A fault at a place.
    #[must_use]
    pub fn new(place: Place, what: impl Into<String>) -> Self {
        Self { place, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Everything that is wrong, in the order of files and lines; printed one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// Puts faults in the order in which a person would mend them.
    pub(super) fn new(mut faults: Vec<Fault>) -> Self {
        faults.sort();
        faults.dedup();
        Self(faults)
    }

    /// The faults, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, fault) in self.0.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// The word among `known` that was probably meant.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let far = word.chars().count() / 3 + 1;
    known
        .iter()
        .map(|k| (strsim::osa_distance(&word.to_lowercase(), k), *k))
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// The remedy for a word that is not among `known`.
#[must_use]
pub fn remedy(word: &str, known: &[&str]) -> String {
    nearest(word, known)
        .map_or_else(|| format!("known are {}", known.join(", ")), |meant| format!("did you mean \"{meant}\"?"))
}
