//! The fixtures, with the addresses that a test has.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;

/// A fixture as it would come for these two addresses.
pub fn fixture(name: &str, returns: &str, leave: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/bounces").join(format!("{name}.eml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut text = text
        .replace("{{return}}", returns)
        .replace("{{leave}}", leave)
        .replace("{{LEAVE}}", &leave.to_uppercase())
        .replace("{{forged}}", &returns.replacen('+', "+b", 1));
    while let Some((before, rest)) = text.split_once("{{base64:") {
        let (inner, after) = rest.split_once("}}").expect("closed");
        text = format!("{before}{}{after}", STANDARD.encode(inner));
    }
    text.replace('\n', "\r\n").into_bytes()
}

/// The names of all fixtures.
pub fn names() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/bounces");
    let mut names: Vec<String> = std::fs::read_dir(path)
        .expect("fixtures")
        .map(|e| e.expect("an entry").file_name().into_string().expect("a name"))
        .filter_map(|name| name.strip_suffix(".eml").map(str::to_owned))
        .collect();
    names.sort();
    names
}
