//! `loa feeds export`: what the service serves, as files for a web server that runs without it. The same bytes, written
//! beside and renamed, so that a reader never meets half a document. Removes only what an earlier export wrote.

mod nginx;

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
use crate::service::old_addresses;
use crate::store::engine::Store;
use crate::web::pages::Pages;
use crate::work::old::{OldAddress, OldFeeds};
use crate::work::publish::Publisher;
use crate::work::publish::archive::Walk;
use crate::work::publish::published::Published;
use crate::work::publish::ready::{Coding, Ready};

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
    let old = OldFeeds::new(site.clone(), old_addresses(config));
    let done = Export::open(dir)?.run(&site, &publisher, &old, clock.now()).await?;
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

    async fn run(
        mut self,
        site: &Site,
        publisher: &Arc<Publisher>,
        old: &OldFeeds,
        now: Timestamp,
    ) -> anyhow::Result<Done> {
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
            self.feed(publisher, feed).await?;
            self.archive(publisher, feed).await?;
            self.page(&format!("{ROOT}/feeds/{slug}.html"), &pages.feed(feed)?)?;
            newest = newest.max(feed.changed);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let mut gone = Vec::new();
        for feed in publisher.retired() {
            if feed.is_gone(now) || !feed.is_read() {
                gone.push(feed.feed.spec.slug.clone());
            } else {
                self.feed(publisher, &feed).await?;
            }
        }
        if let Some(opml) = publisher.opml() {
            self.document(&format!("{ROOT}/feeds.opml"), &opml, newest).await?;
        }
        self.page(&format!("{ROOT}/index.html"), &pages.home()?)?;
        for (name, bytes) in Pages::files() {
            self.file(&format!("{ROOT}/static/{name}"), bytes, None)?;
        }
        let old = self.old_addresses(publisher, old, now).await?;
        let root = fs::canonicalize(self.dir.join(ROOT))?;
        let max_age = all.iter().map(|feed| feed.max_age).min().unwrap_or(900).to_string();
        let nginx = NGINX
            .replace("/srv/loa/www", &root.to_string_lossy())
            .replace("max-age=900", &format!("max-age={max_age}"));
        let nginx = format!("{nginx}{}{}", nginx::gone(&gone), nginx::old_addresses(&old));
        self.file("nginx.conf", nginx.as_bytes(), None)?;
        self.finish()
    }

    /// A feed's documents.
    async fn feed(&mut self, publisher: &Publisher, feed: &Arc<Published>) -> anyhow::Result<()> {
        for format in Format::ALL {
            let name = format!("{ROOT}/feeds/{}.{}", feed.feed.spec.slug, format.extension());
            self.document(&name, &*publisher.document(feed, format).await, feed.changed).await?;
        }
        Ok(())
    }

    /// What a feed ever held. A month lies at its own address too, from where the service sends on to the one for good.
    async fn archive(&mut self, publisher: &Publisher, feed: &Published) -> anyhow::Result<()> {
        let mut walk = Walk::default();
        while let Some(found) = publisher.next_part(feed, &mut walk).await? {
            for path in [&found.month, &found.path] {
                self.document(&format!("{ROOT}/{path}"), &found.document, feed.changed).await?;
            }
        }
        Ok(())
    }

    /// What lies at the addresses from before loa, and which of them lead to which files.
    async fn old_addresses<'o>(
        &mut self,
        publisher: &Publisher,
        old: &'o OldFeeds,
        now: Timestamp,
    ) -> anyhow::Result<Vec<(&'o OldAddress, String)>> {
        let mut led = Vec::new();
        for (at, address) in old.all().enumerate() {
            let Some(feed) = publisher.open(&address.feed).await? else { continue };
            if !feed.is_read() || feed.is_gone(now) {
                continue;
            }
            let document = old.document(address, &feed, publisher).await?;
            let name = format!("old/{at}.{}", address.format.extension());
            self.document(&format!("{ROOT}/feeds/{name}"), &document, feed.changed).await?;
            led.push((address, format!("/feeds/{name}")));
        }
        Ok(led)
    }

    /// A document and its compressed twins, dated as it is served.
    async fn document(&mut self, name: &str, ready: &Ready, changed: Timestamp) -> anyhow::Result<()> {
        self.file(name, &ready.identity, Some(changed))?;
        for coding in Coding::DENSEST {
            let Some(ending) = coding.ending().filter(|_| ready.offers(coding)) else { continue };
            if let (made, bytes) = ready.coded(coding).await
                && made == coding
            {
                self.file(&format!("{name}.{ending}"), &bytes, Some(changed))?;
            }
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
