//! Composing: from claimed deliveries to mails, at the last moment before sending. Content is made once for all readers
//! who get the same; nothing is stored.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;

use crate::clock::Timestamp;
use crate::domain::article::StoredArticle;
use crate::domain::feed::{Feed, FeedSpec};
use crate::domain::link::{KeyRing, Link};
use crate::domain::public_id::PublicId;
use crate::domain::selection::query;
use crate::domain::site::Site;
use crate::domain::subscriber::{EmailAddress, Frequency, Locale};
use crate::domain::verp::{self, ReturnPath};
use crate::notify::email::dkim::Signer;
use crate::notify::email::id::{message_id_article, message_id_confirm, message_id_digest};
use crate::notify::email::sender::Sender;
use crate::notify::email::{Personal, Prepared, Purpose};
use crate::notify::message::Templates;
use crate::notify::message::content::{ArticleMail, Card, DigestMail, FeedLink, Mail, Section};
use crate::notify::message::line::Line;
use crate::notify::message::question::{ConfirmMail, MoveMail, MovedMail, WishedFeed};
use crate::store::delivery::Claimed;
use crate::store::digest::{Run, Section as Stored};
use crate::store::engine::{Result, Store};
use crate::store::opt_in::{OptIn, Purpose as Asked};
use crate::store::selection::SelectionWish;

/// Digests that may overlap with this one were made within this time.
const OVERLAP: Duration = Duration::from_hours(15 * 24);

/// A mail for one reader, to be written when it is sent.
#[derive(Clone)]
pub struct Letter {
    prepared: Arc<Prepared>,
    /// Whom it goes to.
    pub to: EmailAddress,
    /// The left part of its message id.
    pub message_id: String,
    /// Where it comes back, if not to the sender's own address.
    pub return_path: Option<String>,
    manage: String,
    unsubscribe: String,
    unsubscribe_mail: Option<String>,
}

impl Letter {
    /// Appends the mail's bytes to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let personal = Personal {
            to: &self.to,
            message_id: &self.message_id,
            follows: None,
            manage_token: &self.manage,
            unsubscribe_token: &self.unsubscribe,
            unsubscribe_mail: self.unsubscribe_mail.as_deref(),
        };
        self.prepared.write(&personal, out);
    }
}

/// What a claimed delivery comes to.
pub enum Composed {
    /// A mail to be sent.
    Letter(Letter),
    /// Nobody wants it any more; why.
    Cancel(&'static str),
    /// It cannot be made; why, for the operator.
    Unmakeable(String),
}

/// Makes mails. One for the process.
pub struct Composer {
    store: Store,
    site: Site,
    templates: Templates,
    sender: Sender,
    keys: KeyRing,
    /// Makes an address of its own for each mail to come back to, where there is a mailbox for it.
    returns: Option<ReturnPath>,
    signer: Arc<Signer>,
}

/// What a batch shares: each article, feed and content is read and made once.
#[derive(Default)]
struct Batch {
    feeds: HashMap<i64, Feed>,
    articles: HashMap<i64, Option<Arc<StoredArticle>>>,
    made: HashMap<String, std::result::Result<Arc<Prepared>, String>>,
    runs: HashMap<i64, Option<Run>>,
    sets: HashMap<i64, Arc<Vec<Stored>>>,
    /// Who of the digests' readers follows anything.
    following: HashSet<i64>,
    /// What digests do not bring after all, by delivery: a later mail may.
    left_out: Vec<(i64, Vec<i64>)>,
    /// What mails do not bring after all: person and article.
    untold: Vec<(i64, i64)>,
}

impl Composer {
    /// A composer that speaks for this site.
    #[must_use]
    pub fn new(store: Store, site: Site, templates: Templates, sender: Sender, keys: KeyRing) -> Self {
        Self { store, site, templates, sender, keys, returns: None, signer: Arc::default() }
    }

    /// The same, with every mail signed.
    #[must_use]
    pub fn signing(mut self, signer: Signer) -> Self {
        self.signer = Arc::new(signer);
        self
    }

    /// The same composer, whose mails come back to addresses of their own.
    #[must_use]
    pub fn returning(mut self, returns: Option<ReturnPath>) -> Self {
        self.returns = returns;
        self
    }

    /// The return path of mails that have none of their own: the sender's address.
    #[must_use]
    pub fn return_path(&self) -> &str {
        self.sender.address.as_str()
    }

    /// Makes the mails of one claim, in its order.
    ///
    /// # Errors
    /// When the database fails: then nothing was made, and the claim lapses by itself.
    pub async fn compose(&self, claimed: &[Claimed]) -> Result<Vec<Composed>> {
        let mut batch =
            Batch { feeds: self.store.feeds().await?.into_iter().map(|f| (f.id, f)).collect(), ..Batch::default() };
        let told = self.told_before(claimed, &mut batch).await?;
        let digested = self.told_by_digests(claimed, &mut batch).await?;
        let digests: Vec<i64> = claimed.iter().filter(|d| d.kind == "digest").map(|d| d.subscriber_id).collect();
        if !digests.is_empty() {
            batch.following = self.store.following(&digests).await?.into_iter().collect();
        }
        // Answers to what a person just asked for go out all the same.
        let unasked: Vec<i64> = claimed.iter().filter(|d| d.kind != "confirm").map(|d| d.subscriber_id).collect();
        let suppressed: HashSet<i64> = if unasked.is_empty() {
            HashSet::new()
        } else {
            self.store.suppressed(&unasked).await?.into_iter().collect()
        };
        let mut composed = Vec::with_capacity(claimed.len());
        for delivery in claimed {
            if delivery.kind != "confirm" && suppressed.contains(&delivery.subscriber_id) {
                composed.push(Composed::Cancel("the address is suppressed"));
                continue;
            }
            let Some(to) = delivery.email.as_deref().and_then(|e| EmailAddress::parse_international(e).ok()) else {
                composed.push(Composed::Cancel("the address is gone"));
                continue;
            };
            composed.push(match delivery.kind.as_str() {
                "published"
                    if digested.contains(&(delivery.subscriber_id, delivery.article_id.unwrap_or_default())) =>
                {
                    Composed::Cancel("told by a digest")
                }
                "published" => self.article(delivery, to, &mut batch).await?,
                "digest" => self.digest(delivery, to, &told, &mut batch).await?,
                "confirm" => self.confirm(delivery, to, &batch).await?,
                other => Composed::Unmakeable(format!("no mail is of the kind \"{other}\"")),
            });
        }
        if !batch.untold.is_empty() {
            self.store.retell(&batch.untold).await?;
        }
        if !batch.left_out.is_empty() {
            self.store.keep_left_out(&batch.left_out).await?;
        }
        Ok(composed)
    }

    async fn article(&self, delivery: &Claimed, to: EmailAddress, batch: &mut Batch) -> Result<Composed> {
        if delivery.feeds.is_empty() {
            batch.untold.push((delivery.subscriber_id, delivery.article_id.unwrap_or_default()));
            return Ok(Composed::Cancel("withdrawn, or no longer followed"));
        }
        let locale = Locale::parse(&delivery.locale);
        let id = delivery.article_id.unwrap_or_default();
        let key = format!("a{id}/{}/{}/{:?}", locale.as_str(), delivery.created_at, delivery.feeds);
        if !batch.made.contains_key(&key) {
            let Some(stored) = self.stored(id, batch).await?.filter(|s| s.visible) else {
                return Ok(Composed::Cancel("withdrawn"));
            };
            let feeds: Vec<FeedLink> =
                delivery.feeds.iter().filter_map(|f| self.feed_link(*f, locale, batch)).collect();
            let archive = feeds.first().map_or_else(|| self.site.base_url.to_string(), |f| f.url.to_string());
            let mail = Mail::Article(ArticleMail { articles: vec![Card::new(&stored, &self.site, locale, &feeds)] });
            let purpose = Purpose::Bulk { frequency: Frequency::Immediate, archive: &archive };
            let made = self.prepare(&mail, locale, purpose, Timestamp(delivery.created_at));
            batch.made.insert(key.clone(), made);
        }
        let entry = self.stored(id, batch).await?.map(|stored| stored.entry_id.clone()).unwrap_or_default();
        let who = PublicId(delivery.public_id);
        let message_id = message_id_article(&entry, delivery.revision, who);
        Ok(self.letter(&batch.made[&key], delivery, Frequency::Immediate, to, message_id))
    }

    async fn digest(
        &self,
        delivery: &Claimed,
        to: EmailAddress,
        told: &HashMap<i64, HashSet<(i64, i64)>>,
        batch: &mut Batch,
    ) -> Result<Composed> {
        let Some(run) = self.run(delivery.run_id.unwrap_or_default(), batch).await? else {
            return Ok(Composed::Cancel("the digest run is gone"));
        };
        if !batch.following.contains(&delivery.subscriber_id) {
            return Ok(Composed::Cancel("no longer followed"));
        }
        let frequency = Frequency::parse(&run.frequency).unwrap_or(Frequency::Daily);
        let locale = Locale::parse(&delivery.locale);
        let set = self.set(delivery.set_id.unwrap_or_default(), batch).await?;
        let told = told.get(&run.id);
        let mut left_out: Vec<i64> = Vec::new();
        for article in set.iter().flat_map(|s| &s.articles) {
            let gone = self.stored(*article, batch).await?.is_none_or(|a| !a.visible);
            if gone || told.is_some_and(|told| told.contains(&(delivery.subscriber_id, *article))) {
                left_out.push(*article);
            }
        }
        if !left_out.is_empty() {
            batch.left_out.push((delivery.id, left_out.clone()));
        }
        let key = format!("d{}/{}/{left_out:?}", delivery.set_id.unwrap_or_default(), locale.as_str());
        if !batch.made.contains_key(&key) {
            let mut sections = Vec::new();
            for section in set.iter() {
                let Some(feed) = self.feed_link(section.feed_id, locale, batch) else { continue };
                let articles: Vec<Card> = section
                    .articles
                    .iter()
                    .filter(|id| !left_out.contains(id))
                    .filter_map(|id| batch.articles.get(id).and_then(Option::as_ref))
                    .map(|stored| Card::new(stored, &self.site, locale, std::slice::from_ref(&feed)))
                    .collect();
                if !articles.is_empty() {
                    sections.push(Section { feed, articles });
                }
            }
            let days = if frequency == Frequency::Weekly { 7 } else { 1 };
            let from = Timestamp(run.window_to).minus(Duration::from_hours(24 * days));
            let date =
                run.date.parse::<Date>().unwrap_or_else(|_| Timestamp(run.window_to).in_zone(&self.site.zone).date());
            let mail = DigestMail::new(frequency, date, from, sections, &self.site);
            let made = if mail.total() == 0 {
                Err(String::new())
            } else {
                let archive = self.site.base_url.to_string();
                let purpose = Purpose::Bulk { frequency, archive: &archive };
                self.prepare(&Mail::Digest(mail), locale, purpose, Timestamp(delivery.created_at))
            };
            batch.made.insert(key.clone(), made);
        }
        let made = &batch.made[&key];
        if made.as_ref().is_err_and(String::is_empty) {
            return Ok(Composed::Cancel("nothing new is left for this digest"));
        }
        let date = run.date.parse::<Date>().unwrap_or_default();
        let who = PublicId(delivery.public_id);
        let message_id = message_id_digest(frequency, date, who);
        Ok(self.letter(made, delivery, frequency, to, message_id))
    }

    async fn confirm(&self, delivery: &Claimed, to: EmailAddress, batch: &Batch) -> Result<Composed> {
        let Some(opt_in) = self.store.opt_in(delivery.opt_in_id.unwrap_or_default()).await? else {
            return Ok(Composed::Cancel("the request is gone"));
        };
        let mail = self.answer(&opt_in, batch).await?;
        let made = self.prepare(&mail, opt_in.locale, Purpose::Answer, Timestamp(delivery.created_at));
        let message_id = message_id_confirm(opt_in.public_id);
        Ok(self.letter(&made, delivery, Frequency::Immediate, to, message_id))
    }

    /// What a request is answered by.
    async fn answer(&self, opt_in: &OptIn, batch: &Batch) -> Result<Mail> {
        let other = match opt_in.moves_id {
            Some(id) => self.store.person(id).await?.and_then(|p| p.email),
            None => None,
        };
        // Masked: what is in a mail is passed on with it.
        let other = other.and_then(|e| EmailAddress::parse_international(&e).ok()).map(|e| e.to_string());
        let other = Line::new(&other.unwrap_or_default());
        let token = self.keys.sign(Link::Confirm(opt_in.public_id));
        Ok(match opt_in.purpose {
            Asked::Move => Mail::Move(MoveMail { from: other, token }),
            Asked::Moved => Mail::Moved(MovedMail { to: other }),
            Asked::Subscribe => {
                let feeds = opt_in
                    .wishes
                    .iter()
                    .filter_map(|w| Some((self.feed_link(w.feed_id, opt_in.locale, batch)?, w.frequency)))
                    .chain(opt_in.selections.iter().map(|s| (self.search_link(s, opt_in.locale), s.frequency)));
                let feeds = feeds.map(|(feed, frequency)| WishedFeed { feed, frequency }).collect();
                Mail::Confirm(ConfirmMail { feeds, frequency: opt_in.frequency(), token })
            }
        })
    }

    fn prepare(
        &self,
        mail: &Mail,
        locale: Locale,
        purpose: Purpose<'_>,
        date: Timestamp,
    ) -> std::result::Result<Arc<Prepared>, String> {
        let content = self.templates.render(&self.site, locale, mail).map_err(|e| e.to_string())?;
        Prepared::new(&self.site, &self.sender, purpose, date, &content)
            .map(|prepared| Arc::new(prepared.signed(&self.signer)))
            .map_err(|e| e.to_string())
    }

    fn letter(
        &self,
        made: &std::result::Result<Arc<Prepared>, String>,
        delivery: &Claimed,
        frequency: Frequency,
        to: EmailAddress,
        message_id: String,
    ) -> Composed {
        let (subscriber, who) = (delivery.subscriber_id, PublicId(delivery.public_id));
        let address = |purpose| self.returns.as_ref().map(|r| r.address(purpose, subscriber, delivery.id, &to));
        match made {
            Err(e) => Composed::Unmakeable(e.clone()),
            Ok(prepared) => Composed::Letter(Letter {
                prepared: Arc::clone(prepared),
                return_path: address(verp::Purpose::Return),
                unsubscribe_mail: address(verp::Purpose::Unsubscribe(frequency)),
                to,
                message_id,
                manage: self.keys.sign(Link::Manage(who)),
                unsubscribe: self.keys.sign(Link::Unsubscribe(who, frequency)),
            }),
        }
    }

    /// Which articles each person of these digests has had: by a mail of its own, or in another digest. By run, since of two
    /// digests in one claim the later one leaves out for the earlier one's sake.
    async fn told_before(&self, claimed: &[Claimed], batch: &mut Batch) -> Result<HashMap<i64, HashSet<(i64, i64)>>> {
        let mut all = HashMap::new();
        let mut by_run: HashMap<i64, (Vec<i64>, HashSet<i64>)> = HashMap::new();
        for delivery in claimed.iter().filter(|d| d.kind == "digest") {
            let set = self.set(delivery.set_id.unwrap_or_default(), batch).await?;
            let (people, articles) = by_run.entry(delivery.run_id.unwrap_or_default()).or_default();
            people.push(delivery.subscriber_id);
            articles.extend(set.iter().flat_map(|s| &s.articles));
        }
        for (run_id, (people, articles)) in by_run {
            let articles: Vec<i64> = articles.into_iter().collect();
            let mut told: HashSet<(i64, i64)> =
                self.store.mailed_before(&people, &articles).await?.into_iter().collect();
            let Some(run) = self.run(run_id, batch).await? else { continue };
            let from = Timestamp(run.window_to).minus(OVERLAP);
            for digest in self.store.digests_before(&people, run_id, from).await? {
                let set = self.set(digest.set_id, batch).await?;
                let articles = set.iter().flat_map(|s| &s.articles).filter(|a| !digest.left_out.contains(a));
                told.extend(articles.map(|article| (digest.subscriber_id, *article)));
            }
            all.insert(run_id, told);
        }
        Ok(all)
    }

    /// What digests told the readers of these mails. A mail of news need not ask: no digest can have had it.
    async fn told_by_digests(&self, claimed: &[Claimed], batch: &mut Batch) -> Result<HashSet<(i64, i64)>> {
        let mut told = HashSet::new();
        let mut people = Vec::new();
        let mut from = i64::MAX;
        for delivery in claimed.iter().filter(|d| d.kind == "published") {
            let seen = self.stored(delivery.article_id.unwrap_or_default(), batch).await?.map_or(0, |a| a.first_seen.0);
            if delivery.attempts > 1 || seen < delivery.created_at {
                people.push(delivery.subscriber_id);
                from = from.min(delivery.created_at);
            }
        }
        if people.is_empty() {
            return Ok(told);
        }
        for digest in self.store.digests_before(&people, 0, Timestamp(from).minus(OVERLAP)).await? {
            let set = self.set(digest.set_id, batch).await?;
            let articles = set.iter().flat_map(|s| &s.articles).filter(|a| !digest.left_out.contains(a));
            told.extend(articles.map(|article| (digest.subscriber_id, *article)));
        }
        Ok(told)
    }

    async fn stored(&self, id: i64, batch: &mut Batch) -> Result<Option<Arc<StoredArticle>>> {
        if let Some(stored) = batch.articles.get(&id) {
            return Ok(stored.clone());
        }
        let stored = self.store.article(id).await?.map(Arc::new);
        batch.articles.insert(id, stored.clone());
        Ok(stored)
    }

    async fn run(&self, id: i64, batch: &mut Batch) -> Result<Option<Run>> {
        if let Some(run) = batch.runs.get(&id) {
            return Ok(run.clone());
        }
        let run = self.store.run(id).await?;
        batch.runs.insert(id, run.clone());
        Ok(run)
    }

    async fn set(&self, id: i64, batch: &mut Batch) -> Result<Arc<Vec<Stored>>> {
        if let Some(set) = batch.sets.get(&id) {
            return Ok(Arc::clone(set));
        }
        let set = Arc::new(self.store.digest_set(id).await?);
        batch.sets.insert(id, Arc::clone(&set));
        Ok(set)
    }

    /// A selection that nobody follows yet, by the search that finds it.
    fn search_link(&self, wish: &SelectionWish, locale: Locale) -> FeedLink {
        let slug = format!("search?{}", query::write(&wish.spec.select));
        FeedLink::new(&FeedSpec { slug, ..wish.spec.clone() }, &self.site, locale)
    }

    fn feed_link(&self, id: i64, locale: Locale, batch: &Batch) -> Option<FeedLink> {
        batch.feeds.get(&id).map(|f| FeedLink::new(&f.spec, &self.site, locale))
    }
}
