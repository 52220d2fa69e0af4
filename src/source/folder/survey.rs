//! Walks a folder and reads the head of each article file. Reads only; leaves the decision what is public to its parent.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use walkdir::WalkDir;

use super::front_matter::{self, Head};
use crate::source::Fault;
use crate::source::stamp::Stamp;

/// The largest file that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 5 * 1024 * 1024;

/// One article file.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    /// Where it really is: never outside the folder.
    pub(super) path: PathBuf,
    pub(super) shown: String,
    pub(super) head: Head,
    /// Moves with each byte of the file.
    pub(super) hash: String,
}

/// All that a walk found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// In the order of their paths.
    pub(super) entries: Vec<Entry>,
    pub(super) faults: Vec<Fault>,
    /// Whether every file could be listed and told apart by id.
    pub(super) complete: bool,
}

/// What a file's outside looks like. While it stands, the inside is taken to stand too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outside {
    size: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Outside {
    fn of(meta: &Metadata) -> Self {
        Self {
            size: meta.len(),
            inode: meta.ino(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

struct Known {
    outside: Outside,
    /// Set once a second read found the same outside and the same inside: a write in the same tick of the file system's
    /// clock as the first read cannot hide then.
    settled: bool,
    id: String,
    hash: String,
    head: Option<Head>,
}

/// Heads read before, by path. Only saves time: without it, every result is the same.
#[derive(Default)]
pub(super) struct Memory(HashMap<PathBuf, Known>);

/// Why a file could not be used: the sentence, and the id if it is sure.
struct Unusable {
    what: String,
    id: Option<String>,
}

/// Walks `root`.
///
/// # Errors
/// When the root itself cannot be read. Anything below it becomes a fault.
pub(super) fn survey(root: &Path, zone: &TimeZone, memory: &mut Memory) -> io::Result<Survey> {
    let root = fs::canonicalize(root)?;
    fs::read_dir(&root)?;
    let mut found = Survey { complete: true, ..Survey::default() };
    let mut seen = HashMap::new();
    let walk = WalkDir::new(&root).sort_by_file_name().into_iter();
    for item in walk.filter_entry(|item| item.depth() == 0 || !is_left_out(item.file_name(), item.file_type().is_dir()))
    {
        let item = match item {
            Ok(item) => item,
            Err(error) => {
                let shown = error.path().map(|path| show(&root, path)).unwrap_or_default();
                // A file that went between listing and reading is simply gone.
                if error.io_error().is_none_or(|e| e.kind() != io::ErrorKind::NotFound) {
                    found.complete = false;
                    found.faults.push(Fault {
                        external_id: String::new(),
                        message: format!("{shown}: cannot be listed ({error}); give loa the right to read it"),
                    });
                }
                continue;
            }
        };
        if ending(item.path()).is_none() || item.file_type().is_dir() {
            continue;
        }
        let Some(path) = inside(&root, item.path(), item.file_type().is_symlink()) else { continue };
        let shown = show(&root, item.path());
        match read_head(&path, item.path(), &shown, zone, memory, &mut seen) {
            Ok(Some(entry)) => found.entries.push(entry),
            Ok(None) => {}
            Err(Unusable { what, id }) => {
                // Without its id, an article of which loa knows cannot be told from one that was deleted.
                found.complete &= id.is_some();
                found.faults.push(Fault { external_id: id.unwrap_or_default(), message: what });
            }
        }
    }
    memory.0 = seen;
    set_doubles_apart(&mut found);
    Ok(found)
}

/// `md` or `html`, in lower case, if the file is an article.
pub(super) fn ending(path: &Path) -> Option<&'static str> {
    let ending = path.extension().and_then(OsStr::to_str)?;
    ["md", "html"].into_iter().find(|known| ending.eq_ignore_ascii_case(known))
}

/// Reads a whole file as text, up to [`MAX_BYTES`].
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let bytes = read_bytes(path)?.ok_or("the file is gone")?;
    String::from_utf8(bytes).map_err(|error| not_utf8(error.as_bytes(), error.utf8_error().valid_up_to()))
}

fn is_left_out(name: &OsStr, is_dir: bool) -> bool {
    name.as_encoded_bytes().starts_with(b".") || (is_dir && (name == "_drafts" || name == "images"))
}

/// The real path of a file if it lies in the folder. A symbolic link may lead to another file of the folder; links to
/// folders and links that lead outside are passed over, so that a link can never publish what lies elsewhere.
fn inside(root: &Path, path: &Path, is_link: bool) -> Option<PathBuf> {
    if !is_link {
        return Some(path.to_owned());
    }
    let real = fs::canonicalize(path).ok().filter(|real| real.starts_with(root))?;
    real.metadata().is_ok_and(|meta| meta.is_file()).then_some(real)
}

fn show(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

fn read_head(
    path: &Path,
    listed: &Path,
    shown: &str,
    zone: &TimeZone,
    memory: &mut Memory,
    seen: &mut HashMap<PathBuf, Known>,
) -> Result<Option<Entry>, Unusable> {
    let before = memory.0.remove(listed);
    let known_id = before.as_ref().map(|known| known.id.clone());
    let unusable = |what: String, id: Option<String>| Unusable { what: format!("{shown}: {what}"), id };
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(format!("cannot be read ({error})"), known_id)),
    };
    if !meta.is_file() {
        return Ok(None);
    }
    let outside = Outside::of(&meta);
    let entry = |id: &str, head: &Head, hash: &str| Entry {
        id: id.to_owned(),
        path: path.to_owned(),
        shown: shown.to_owned(),
        head: head.clone(),
        hash: hash.to_owned(),
    };
    if let Some(known) = &before
        && known.settled
        && known.outside == outside
        && let Some(head) = &known.head
    {
        let result = entry(&known.id, head, &known.hash);
        seen.extend(before.map(|known| (listed.to_owned(), known)));
        return Ok(Some(result));
    }
    let path_id = shown.rsplit_once('.').map_or(shown, |(stem, _)| stem).to_owned();
    let remember = |seen: &mut HashMap<PathBuf, Known>, id: &str, hash: String, head: Option<Head>| {
        let settled = before.as_ref().is_some_and(|known| known.outside == outside && known.hash == hash);
        seen.insert(listed.to_owned(), Known { outside, settled, id: id.to_owned(), hash, head });
    };
    let bytes = match read_bytes(path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(what) => {
            let id = claimed(path).or(known_id);
            if let Some(id) = &id {
                remember(seen, id, String::new(), None);
            }
            return Err(unusable(what, id));
        }
    };
    let mut stamp = Stamp::default();
    stamp.part(&bytes);
    let hash = stamp.hex();
    let lossy = String::from_utf8_lossy(&bytes);
    let parsed = match std::str::from_utf8(&bytes) {
        Ok(text) => front_matter::parse(text, zone)
            .map_err(|fault| format!("line {}: {}", fault.line, fault.what))
            .map(|(head, _)| head),
        Err(error) => Err(not_utf8(&bytes, error.valid_up_to())),
    };
    match parsed {
        Ok(head) => {
            let id = head.id.clone().unwrap_or(path_id);
            let result = entry(&id, &head, &hash);
            remember(seen, &id, hash, Some(head));
            Ok(Some(result))
        }
        Err(what) => {
            let id = front_matter::claimed_id(&lossy).or(known_id).unwrap_or(path_id);
            remember(seen, &id, hash, None);
            Err(unusable(what, Some(id)))
        }
    }
}

fn not_utf8(bytes: &[u8], valid: usize) -> String {
    let line = bytes.iter().take(valid).filter(|byte| **byte == b'\n').count() + 1;
    format!("line {line}: the text is not UTF-8; save the file again as UTF-8")
}

/// `None` when the file is gone.
fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let cannot = |error: io::Error| format!("cannot be read ({error}); give loa the right to read it");
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(error)),
    };
    let mut bytes = Vec::new();
    // One byte more than allowed tells "too large" even of a file that grows while it is read.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("the file is larger than {} MB; shorten it", MAX_BYTES / 1024 / 1024));
    }
    Ok(Some(bytes))
}

/// The id that the head of an overlong file claims.
fn claimed(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(16 * 1024).read_to_end(&mut bytes).ok()?;
    front_matter::claimed_id(&String::from_utf8_lossy(&bytes))
}

/// Two files with one id: neither is right, so neither is shown or gone.
fn set_doubles_apart(found: &mut Survey) {
    let mut by_id: HashMap<&str, Vec<&str>> = HashMap::new();
    for entry in &found.entries {
        by_id.entry(&entry.id).or_default().push(&entry.shown);
    }
    let doubles: HashMap<String, String> = by_id
        .into_iter()
        .filter(|(_, files)| files.len() > 1)
        .map(|(id, files)| (id.to_owned(), files.join(" and ")))
        .collect();
    found.entries.retain(|entry| !doubles.contains_key(&entry.id));
    let mut faults: Vec<Fault> = doubles
        .into_iter()
        .map(|(id, files)| Fault {
            message: format!("{files} have the same id `{id}`; give one of them its own `id: …` line"),
            external_id: id,
        })
        .collect();
    faults.sort_by(|a, b| a.external_id.cmp(&b.external_id));
    found.faults.append(&mut faults);
}
