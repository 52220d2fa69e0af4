//! A Maildir that a mail server delivers into: what lies in `new` waits, what was dealt with moves to `cur`, and goes after
//! a while, since mails that come back name people. Never touches anything else there.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::LOOKED_AT;
use crate::clock::Timestamp;

/// How long a mail that was dealt with is kept.
pub const KEPT: Duration = Duration::from_hours(7 * 24);

/// How long one is kept that a person should look at.
pub const KEPT_ODD: Duration = Duration::from_hours(30 * 24);

/// Mails taken at a time.
const BATCH: usize = 100;

/// A Maildir. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Maildir {
    path: PathBuf,
}

/// A mail that waits.
#[derive(Debug)]
pub struct Waiting {
    name: String,
    /// Its beginning, as far as it is looked at.
    pub raw: Vec<u8>,
}

impl Maildir {
    /// The Maildir at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes its three folders, where they are missing.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn prepare(&self) -> io::Result<()> {
        for folder in ["tmp", "new", "cur"] {
            fs::create_dir_all(self.path.join(folder))?;
        }
        Ok(())
    }

    /// Some of the mails that wait, the oldest name first. One that cannot be read is left for the next time.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn waiting(&self) -> io::Result<Vec<Waiting>> {
        let mut names: Vec<String> = Vec::new();
        for entry in fs::read_dir(self.path.join("new"))? {
            let entry = entry?;
            // Neither links nor folders: only what a mail server put there.
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
                && !name.starts_with('.')
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        names.truncate(BATCH);
        Ok(names.into_iter().filter_map(|name| self.look(name)).collect())
    }

    fn look(&self, name: String) -> Option<Waiting> {
        let mut raw = Vec::new();
        let file = File::open(self.path.join("new").join(&name)).ok()?;
        file.take(LOOKED_AT as u64).read_to_end(&mut raw).ok()?;
        Some(Waiting { name, raw })
    }

    /// Moves a mail to `cur`: seen, or flagged for a person's eye. Fine if it is gone: another process dealt with it.
    ///
    /// # Errors
    /// When it cannot be moved; it is then dealt with again, which changes nothing.
    pub fn done(&self, mail: &Waiting, odd: bool) -> io::Result<()> {
        // What follows the colon are flags (cr.yp.to/proto/maildir.html); in `new` there should be none.
        let bare = mail.name.split(':').next().unwrap_or(&mail.name);
        let target = self.path.join("cur").join(format!("{bare}:2,{}", if odd { "FS" } else { "S" }));
        match fs::rename(self.path.join("new").join(&mail.name), target) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Removes what has been kept long enough. Answers how many mails.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn sweep(&self, now: Timestamp) -> io::Result<u64> {
        let mut gone = 0;
        for entry in fs::read_dir(self.path.join("cur"))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let flags = name.split_once(":2,").map_or("", |(_, flags)| flags);
            // Only what was dealt with here carries one of these two.
            let kept = match flags {
                "S" => KEPT,
                "FS" => KEPT_ODD,
                _ => continue,
            };
            let changed = entry.metadata()?.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let changed = Timestamp(i64::try_from(changed.as_millis()).unwrap_or(i64::MAX));
            if now.since(changed) > kept && fs::remove_file(entry.path()).is_ok() {
                gone += 1;
            }
        }
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_waits_until_it_is_dealt_with_and_goes_after_a_week() {
        let folder = tempfile::tempdir().unwrap();
        let maildir = Maildir::new(folder.path().join("bounces"));
        maildir.prepare().unwrap();
        for name in ["2.b.host", "1.a.host"] {
            fs::write(maildir.path().join("new").join(name), format!("Subject: {name}\n\n")).unwrap();
        }
        fs::create_dir(maildir.path().join("new/a-folder")).unwrap();
        let waiting = maildir.waiting().unwrap();
        assert_eq!(waiting.iter().map(|w| w.name.as_str()).collect::<Vec<_>>(), ["1.a.host", "2.b.host"]);
        maildir.done(&waiting[0], false).unwrap();
        maildir.done(&waiting[0], false).unwrap();
        maildir.done(&waiting[1], true).unwrap();
        assert!(maildir.waiting().unwrap().is_empty());
        assert!(maildir.path().join("cur/1.a.host:2,S").exists() && maildir.path().join("cur/2.b.host:2,FS").exists());

        let written = fs::metadata(maildir.path().join("cur/1.a.host:2,S")).unwrap().modified().unwrap();
        let written = written.duration_since(std::time::UNIX_EPOCH).unwrap();
        let after = |kept: Duration| Timestamp(i64::try_from(written.as_millis()).unwrap()).plus(kept);
        assert_eq!(maildir.sweep(after(KEPT)).unwrap(), 0);
        assert_eq!(maildir.sweep(after(KEPT + Duration::from_mins(1))).unwrap(), 1);
        assert_eq!(maildir.sweep(after(KEPT_ODD + Duration::from_mins(1))).unwrap(), 1);
    }

    #[test]
    fn only_the_beginning_of_a_huge_mail_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let maildir = Maildir::new(folder.path());
        maildir.prepare().unwrap();
        fs::write(folder.path().join("new/1"), vec![b'a'; LOOKED_AT * 3]).unwrap();
        assert_eq!(maildir.waiting().unwrap()[0].raw.len(), LOOKED_AT);
    }
}
