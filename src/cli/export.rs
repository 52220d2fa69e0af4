//! `loa feeds export`: what the service serves, as files for a web server that runs without it. The same bytes, written
//! beside and renamed, so that a reader never meets half a document. Removes only what an earlier export wrote.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::domain::site::Site;
use crate::feed::document::Format;
use crate::store::engine::Store;
use crate::web::pages::Pages;
use crate::work::publish::Publisher;
use crate::work::publish::ready::Ready;

/// Names what an export wrote, so that the next one knows what is its own.
const LIST: &str = ".loa-export";

/// Below this folder lies what the web server shows.
const ROOT: &str = "www";

/// The configuration of nginx for the export, with the folder's place filled in.
const NGINX: &str = include_str!("../../deploy/nginx/exported-feeds.conf");

/// What an export did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Done {
    written: usize,
    same: usize,
    removed: usize,
}

/// Exports every feed to a folder.
pub(super) async fn export(store: &Store, config: &Config, clock: &Clock, dir: &Path) -> anyhow::Result<()> {
    let site = config.site();
    let items = usize::try_from(config.feeds.items).unwrap_or(usize::MAX);
    let publisher = Arc::new(Publisher::new(store.clone(), clock.clone(), site.clone(), items));
    publisher.refresh().await?;
    if publisher.all().is_empty() {
        bail!("there is no feed yet: start the service once (or run `loa poll`), so that there is something to export");
    }
    let done = Export::open(dir)?.run(&site, &publisher).await?;
    store.close().await;
    println!(
        "{} feeds in {}: {} files written, {} unchanged, {} removed",
        publisher.all().len(),
        dir.join(ROOT).display(),
        done.written,
        done.same,
        done.removed
    );
    println!("{} tells nginx how to serve them.", dir.join("nginx.conf").display());
    Ok(())
}

/// One export under way.
struct Export<'d> {
    dir: &'d Path,
    /// What earlier exports wrote, relative to the folder.
    before: BTreeSet<String>,
    now: BTreeSet<String>,
    done: Done,
}

impl<'d> Export<'d> {
    fn open(dir: &'d Path) -> anyhow::Result<Self> {
        fs::create_dir_all(dir.join(ROOT))
            .with_context(|| format!("cannot make the folder {}: choose one that you may write to", dir.display()))?;
        let list = dir.join(LIST);
        let before = match fs::read_to_string(&list) {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => BTreeSet::new(),
            Err(e) => bail!("cannot read {}, the list of what an earlier export wrote: {e}", list.display()),
        };
        Ok(Self { dir, before, now: BTreeSet::new(), done: Done::default() })
    }

    async fn run(mut self, site: &Site, publisher: &Arc<Publisher>) -> anyhow::Result<Done> {
        let pages = Pages::new(site, Arc::clone(publisher));
        let all = publisher.all();
        let bar = ProgressBar::new(all.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} feeds {elapsed_precise}") {
            bar.set_style(style);
        }
        let mut newest = Timestamp::default();
        for feed in &all {
            let slug = &feed.feed.spec.slug;
            if !feed.is_read() {
                let why = feed.trouble.as_ref().map_or("it was not read", |trouble| &trouble.reason);
                eprintln!("loa: the feed {slug} is left out: {why}");
                continue;
            }
            for format in Format::ALL {
                let name = format!("{ROOT}/feeds/{slug}.{}", format.extension());
                self.document(&name, &*publisher.document(feed, format).await, feed.changed)?;
            }
            self.page(&format!("{ROOT}/feeds/{slug}.html"), &pages.feed(feed)?)?;
            newest = newest.max(feed.changed);
            bar.inc(1);
        }
        bar.finish_and_clear();
        if let Some(opml) = publisher.opml() {
            self.document(&format!("{ROOT}/feeds.opml"), &opml, newest)?;
        }
        self.page(&format!("{ROOT}/index.html"), &pages.home()?)?;
        for (name, bytes) in Pages::files() {
            self.file(&format!("{ROOT}/static/{name}"), bytes, None)?;
        }
        let root = fs::canonicalize(self.dir.join(ROOT))?;
        let max_age = all.iter().map(|feed| feed.max_age).min().unwrap_or(900).to_string();
        let nginx = NGINX
            .replace("/srv/loa/www", &root.to_string_lossy())
            .replace("max-age=900", &format!("max-age={max_age}"));
        self.file("nginx.conf", nginx.as_bytes(), None)?;
        self.finish()
    }

    /// A document and its compressed twin, dated as it is served.
    fn document(&mut self, name: &str, ready: &Ready, changed: Timestamp) -> anyhow::Result<()> {
        self.file(name, &ready.identity, Some(changed))?;
        if !ready.gzip.is_empty() {
            self.file(&format!("{name}.gz"), &ready.gzip, Some(changed))?;
        }
        Ok(())
    }

    fn page(&mut self, name: &str, html: &str) -> anyhow::Result<()> {
        self.file(name, html.as_bytes(), None)
    }

    /// Writes a file beside and renames it, unless it is there already.
    fn file(&mut self, name: &str, bytes: &[u8], changed: Option<Timestamp>) -> anyhow::Result<()> {
        self.now.insert(name.to_owned());
        let path = self.dir.join(name);
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            self.done.same += 1;
            return Ok(());
        }
        let write = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(self.dir);
            fs::create_dir_all(folder)?;
            let beside =
                path.with_file_name(format!(".{}.new", path.file_name().unwrap_or_default().to_string_lossy()));
            let mut file = fs::File::create(&beside)?;
            file.write_all(bytes)?;
            if let Some(at) = changed.and_then(|at| u64::try_from(at.millis()).ok()) {
                // What the service says as Last-Modified, so that a web server says the same.
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(at))?;
            }
            file.sync_all()?;
            fs::rename(&beside, &path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
        self.done.written += 1;
        Ok(())
    }

    /// Removes what is no longer exported, and notes what is.
    fn finish(mut self) -> anyhow::Result<Done> {
        for gone in self.before.difference(&self.now) {
            let Some(path) = own(self.dir, gone) else { continue };
            match fs::remove_file(&path) {
                Ok(()) => self.done.removed += 1,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => bail!("cannot remove {}, whose feed is gone: {e}", path.display()),
            }
        }
        let list = self.now.iter().fold(String::new(), |list, name| list + name + "\n");
        let now = std::mem::take(&mut self.now);
        if self.before != now {
            let beside = self.dir.join(format!("{LIST}.new"));
            fs::write(&beside, list).and_then(|()| fs::rename(&beside, self.dir.join(LIST)))?;
        }
        Ok(self.done)
    }
}

/// A path that the list names, if it lies within the folder: a list that somebody changed removes nothing elsewhere.
fn own(dir: &Path, name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    path.components().all(|part| matches!(part, Component::Normal(_))).then(|| dir.join(path))
}
