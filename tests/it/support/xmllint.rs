//! libxml2 as a judge of XML: the parser that many readers are built on, and none of loa's own.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

/// What libxml2 says of documents, each with a name for the message.
///
/// `None` if the `xmllint` program is not installed: then the caller says so with [`super::skip::skip`].
///
/// # Panics
/// When files cannot be written or `xmllint` cannot be started for another reason than being absent.
pub fn verdict(schema: Option<&Path>, documents: &[(String, Vec<u8>)]) -> Option<Result<(), String>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--nonet"]);
    if let Some(schema) = schema {
        command.arg("--relaxng").arg(schema);
    }
    for (name, bytes) in documents {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a temporary file");
        command.arg(path);
    }
    match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("xmllint cannot be started: {error}"),
        Ok(output) if output.status.success() => Some(Ok(())),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let faults = said.lines().filter(|line| !line.ends_with("validates")).take(40);
            Some(Err(faults.collect::<Vec<_>>().join("\n")))
        }
    }
}
