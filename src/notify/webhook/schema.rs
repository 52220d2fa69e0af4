//! What each type of event looks like: JSON Schema, draft 2020-12, one document a type. The tests hold every event
//! against them. Never changed in a way that a receiver would notice; only added to.

/// Name of a type and its schema; `@BASE@` stands for the site's address.
const SCHEMAS: [(&str, &str); 6] = [
    ("article.published", include_str!("schema/article.published.json")),
    ("article.revised", include_str!("schema/article.revised.json")),
    ("article.withdrawn", include_str!("schema/article.withdrawn.json")),
    ("article.digest", include_str!("schema/article.digest.json")),
    ("endpoint.test", include_str!("schema/endpoint.test.json")),
    ("endpoint.disabled", include_str!("schema/endpoint.disabled.json")),
];

/// The types of events that there are.
pub fn types() -> impl Iterator<Item = &'static str> {
    SCHEMAS.iter().map(|(name, _)| *name)
}

/// The schema of a type, for a site at `base` (with a `/` at its end).
#[must_use]
pub fn of(name: &str, base: &str) -> Option<String> {
    let (_, text) = SCHEMAS.iter().find(|(known, _)| *known == name)?;
    Some(text.replace("@BASE@", base))
}
