//! Mails as `.eml` files in a folder, for trying loa out and for tests: nothing leaves the machine. A mail that is written
//! again under the same name replaces the first; a reader never sees half a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::domain::delivery::{Cause, Outcome};

/// The longest file name, without its ending; common file systems allow 255 bytes.
const LONGEST_NAME: usize = 150;

/// A folder that takes mails. Made when the first one comes.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A folder at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one mail. `name_hint` is its Message-ID, with or without angle brackets; the same one gives the same file.
    /// A file is readable by its owner only (mode 0600), for it holds a person's address and links.
    pub async fn deliver(&self, name_hint: &str, message: &[u8]) -> Outcome {
        let target = self.path.join(file_name(name_hint, message));
        let (folder, message) = (self.path.clone(), message.to_vec());
        let written = tokio::task::spawn_blocking({
            let target = target.clone();
            move || write(&folder, &target, &message)
        });
        let written = match written.await {
            Ok(written) => written,
            Err(stopped) => Err(io::Error::other(stopped)),
        };
        match written {
            Ok(()) => Outcome::Sent(format!("written to {}", self.path.display())),
            Err(e) => Outcome::Retry {
                cause: Cause::Unreachable,
                detail: format!("cannot write a mail into {}: {e}", self.path.display()),
                after: None,
            },
        }
    }
}

/// A name that any file system takes: what is not a letter, digit or one of `.-_+@` becomes `_`. Where that changed or
/// shortened the hint, a digest of it keeps different mails apart.
fn file_name(hint: &str, message: &[u8]) -> String {
    let hint = hint.trim().trim_start_matches('<').trim_end_matches('>');
    let safe = |c: char| c.is_ascii_alphanumeric() || ".-_+@".contains(c);
    let mut name: String = hint.chars().map(|c| if safe(c) { c } else { '_' }).take(LONGEST_NAME).collect();
    if name.starts_with('.') {
        name.replace_range(..1, "_");
    }
    if name != hint || name.is_empty() {
        let digest = Sha256::digest(if hint.is_empty() { message } else { hint.as_bytes() });
        let short = digest.iter().take(8).fold(0_u64, |number, &byte| (number << 8) | u64::from(byte));
        name = if name.is_empty() { format!("{short:016x}") } else { format!("{name}-{short:016x}") };
    }
    name + ".eml"
}

fn write(folder: &Path, target: &Path, message: &[u8]) -> io::Result<()> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(folder)?;
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".{}-{serial}.tmp", std::process::id()));
    let done = create(&temporary).and_then(|mut file| {
        file.write_all(message)?;
        file.sync_data()
    });
    done.and_then(|()| fs::rename(&temporary, target)).inspect_err(|_| {
        // The first fault is the one to tell; a file that was never made cannot be removed.
        let _ = fs::remove_file(&temporary);
    })
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(path: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_mail_that_is_written_again_replaces_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().join("thư/đi"));
        assert!(matches!(folder.deliver("<d.20260918.7k2@example.vn>", b"one").await, Outcome::Sent(_)));
        assert!(matches!(folder.deliver("d.20260918.7k2@example.vn", b"two").await, Outcome::Sent(_)));
        let path = dir.path().join("thư/đi");
        assert_eq!(files(&path), ["d.20260918.7k2@example.vn.eml"]);
        assert_eq!(fs::read(path.join("d.20260918.7k2@example.vn.eml")).unwrap(), b"two");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_owner_can_read_a_mail() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        Folder::new(dir.path()).deliver("a@b", b"one").await;
        assert_eq!(fs::metadata(dir.path().join("a@b.eml")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_means_again_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a@b.eml")).unwrap();
        let outcome = Folder::new(dir.path()).deliver("a@b", b"one").await;
        assert!(matches!(&outcome, Outcome::Retry { cause: Cause::Unreachable, .. }), "{outcome:?}");
        assert_eq!(files(dir.path()), ["a@b.eml"]);
    }

    #[test]
    fn no_name_leaves_the_folder_and_no_two_mails_share_one() {
        let names: Vec<String> =
            ["../../etc/passwd", "/etc/passwd", "..", "", "a/b", "a_b", "a\\b", ".a", &"dài".repeat(200), "con\0"]
                .iter()
                .map(|hint| file_name(hint, b"message"))
                .collect();
        for name in &names {
            assert!(!name.contains(['/', '\\', '\0']) && !name.starts_with('.') && name.len() < 200, "{name}");
        }
        let mut distinct = names.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
    }
}
