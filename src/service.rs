//! The only place where everything is built: from the configuration to a running service, and to an orderly stop.

pub mod sources;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::config::fault::Fault;
use crate::config::secret::SecretUrl;
use crate::config::sections::{LogFormat, OldAddressSection, OldIds, Transport as TransportConfig};
use crate::domain::delivery::Outcome;
use crate::domain::feed::{FeedOrigin, FeedSpec};
use crate::domain::link::TOKEN_LEN;
use crate::domain::site::Site;
use crate::domain::subscriber::{EmailAddress, Frequency};
use crate::domain::verp::ReturnPath;
use crate::http::client::{Client, Settings as HttpSettings};
use crate::http::guard::Guard;
use crate::notify::email::dkim::{Key, Signer};
use crate::notify::email::sender::Sender;
use crate::notify::email::{Personal, Prepared, Purpose};
use crate::notify::folder::Folder;
use crate::notify::inbound::lmtp::Lmtp;
use crate::notify::inbound::maildir::Maildir;
use crate::notify::message::line::Line;
use crate::notify::message::{MessageError, Templates, sample};
use crate::notify::smtp::relays::Relays;
use crate::notify::smtp::settings::Settings as SmtpSettings;
use crate::schedule::{Beats, Work, follow};
use crate::source::SMALL;
use crate::store::engine::Store;
use crate::telemetry::metrics::Metrics;
use crate::text::html::agency::Agencies;
use crate::web::demo::hook::DemoHook;
use crate::web::{self, Doors};
use crate::work::access;
use crate::work::bounces::Bounces;
use crate::work::compose::Composer;
use crate::work::deliver_mail::{Mailer, Staging, Transport};
use crate::work::deliver_webhook::Webhooks;
use crate::work::digest::Digests;
use crate::work::fan_out::FanOut;
use crate::work::ingest::{Ingest, Settings as IngestSettings};
use crate::work::judge::Judge;
use crate::work::normalise::Credit;
use crate::work::old::{Ids, OldAddress};
use crate::work::presence::Presence;
use crate::work::publish::Publisher;
use crate::work::subscribe::Subscribe;
use crate::work::sweep::{Retention, sweep};
use crate::work::wakes::Wakes;

/// How often work that waits for a bell looks by itself: another replica's bell does not ring here.
const LOOK: Duration = Duration::from_secs(1);

/// How often the Maildir is looked into.
const MAILDIR_LOOK: Duration = Duration::from_secs(5);

/// At one look in so many, about hourly, old mails are removed from it.
const MAILDIR_SWEEP: u32 = 720;

/// How long requests that are under way may take when the service stops.
const SHUTDOWN_SECONDS: u64 = 10;

/// Everything that is built, not yet running. The parts are public to the commands that need only some of them.
pub struct Service {
    /// Who loa speaks for.
    pub site: Site,
    /// The database.
    pub store: Store,
    /// Time and chance.
    pub clock: Clock,
    /// Polling.
    pub ingest: Arc<Ingest>,
    /// Feed documents.
    pub publisher: Arc<Publisher>,
    /// The doors for people.
    pub subscribe: Subscribe,
    /// Digest runs.
    pub digests: Digests,
    /// Fan-out.
    pub fan_out: FanOut,
    /// Bells between the steps.
    pub wakes: Wakes,
    /// Numbers for a collector.
    pub metrics: Metrics,
    /// The guarded outbound client.
    pub client: Client,
    judge: Judge,
    presence: Presence,
    international: Arc<AtomicBool>,
    config: Config,
    feed_specs: Vec<FeedSpec>,
}

/// What only the demo has.
#[derive(Clone, Default)]
pub struct DemoParts {
    /// The folder of mails that the mailbox page shows.
    pub mailbox: Option<PathBuf>,
    /// The folder of sample articles, whose pages the demo serves.
    pub articles: Option<PathBuf>,
    /// The endpoint that the demo serves itself.
    pub hook: Option<Arc<DemoHook>>,
}

/// Where feeds were found before, by the configuration.
#[must_use]
pub fn old_addresses(config: &Config) -> Vec<OldAddress> {
    let zone = &config.site.timezone;
    let one = |old: &OldAddressSection| OldAddress {
        path: old.path.clone(),
        query: old.query.clone(),
        feed: old.feed.clone(),
        format: old.format,
        ids: match old.ids {
            OldIds::Entries => Ids::Entries,
            OldIds::Links => Ids::LinksUntil(old.cut_over.map(|day| day.begins(zone))),
        },
        origin: old.origin.clone(),
    };
    config.old_addresses.iter().map(one).collect()
}

/// Who an article is by, by the configuration.
#[must_use]
pub fn credit(config: &Config) -> Credit {
    Credit { byline: config.ingest.byline_as_author, agencies: Agencies::new(&config.ingest.agencies) }
}

/// The sender of mails.
#[must_use]
pub fn sender(config: &Config) -> Sender {
    Sender {
        name: Line::new(&config.email.from.name),
        address: config.email.from.address.clone(),
        reply_to: config.email.reply_to.as_ref().map(|r| r.address.clone()),
    }
}

/// Settings and weight of each relay; none if mails go into a folder.
///
/// # Errors
/// What is wrong with a relay's URL.
pub fn relays(config: &Config) -> anyhow::Result<Vec<(SmtpSettings, u32)>> {
    let email = &config.email;
    let TransportConfig::Smtp(url) = &email.transport else { return Ok(Vec::new()) };
    let host = config.site.base_url.host_str().unwrap_or("localhost");
    let one = |url: &SecretUrl, connections: Option<usize>, rate: Option<u32>| {
        let mut settings = SmtpSettings::parse(url.expose(), email.hello.as_deref().unwrap_or(host))
            .map_err(|e| anyhow!("[email] {e}"))?;
        settings.connections = connections.unwrap_or(email.connections);
        settings.rate = rate.unwrap_or(email.rate);
        anyhow::Ok(settings)
    };
    if email.relays.is_empty() {
        return Ok(vec![(one(url, None, None)?, 1)]);
    }
    email.relays.iter().map(|r| Ok((one(&r.url, r.connections, r.rate)?, r.weight))).collect()
}

/// Where mails go, and who is kept from them. `international` learns whether the relay takes addresses beyond ASCII; of
/// several each would have to, so that it learns nothing then.
///
/// # Errors
/// What is wrong with a relay, or with the staging guard.
pub fn transport(config: &Config, international: &Arc<AtomicBool>) -> anyhow::Result<Transport> {
    let email = &config.email;
    if let TransportConfig::Folder(path) = &email.transport {
        return Ok(Transport::Folder(Folder::new(path)));
    }
    let mut relays = relays(config)?;
    if let [(only, _)] = relays.as_mut_slice() {
        only.international = Arc::clone(international);
    }
    let relays = Relays::new(relays);
    if config.site.production {
        return Ok(Transport::Smtp(relays));
    }
    let folder = email.folder.as_ref().context(
        "[email] folder: missing; with [site] production = false, mails to those whom [email] only does not list lie there",
    )?;
    Ok(Transport::Staging(relays, Staging { only: email.only.clone().into(), folder: Folder::new(folder) }))
}

/// The keys that sign mails.
///
/// # Errors
/// Each key that cannot be used, with its place.
pub fn signer(config: &Config) -> Result<Signer, Vec<Fault>> {
    let (mut keys, mut faults) = (Vec::new(), Vec::new());
    for section in &config.email.dkim {
        let domain = section.domain.as_deref().unwrap_or(config.email.from.address.domain());
        match Key::read(&section.key, domain, &section.selector) {
            Ok(key) => keys.push(key),
            Err(e) => faults.push(Fault::new(section.place.clone(), format!("[[email.dkim]] key: {e}"))),
        }
    }
    if faults.is_empty() { Ok(Signer::new(keys)) } else { Err(faults) }
}

/// The templates of mails: the operator's over the built-in ones.
///
/// # Errors
/// Every file that is no template, with its line.
pub fn templates(config: &Config) -> Result<Templates, MessageError> {
    Templates::load(config.email.templates.as_deref())
}

/// The guarded client for endpoints.
///
/// # Errors
/// When it cannot be made.
pub fn client(config: &Config) -> anyhow::Result<Client> {
    let own = config.site.base_url.host_str().map(str::to_owned).into_iter().collect();
    let guard = Guard::new(config.webhook.allow.clone(), own);
    let user_agent = format!("loa/{} (+{})", env!("CARGO_PKG_VERSION"), config.site.base_url);
    let settings = HttpSettings { timeout: config.webhook.timeout, user_agent, ..HttpSettings::default() };
    Client::new(guard, settings).context("the outbound client")
}

impl Service {
    /// Builds everything over an open database. Nothing runs yet, and nothing was polled.
    ///
    /// # Errors
    /// What an operator must mend.
    pub async fn build(config: Config, feed_specs: Vec<FeedSpec>, clock: Clock) -> anyhow::Result<Self> {
        let store = Store::open(config.store.url.expose()).await?;
        store.begin_life(clock.now()).await?;
        let site = config.site();
        let wakes = Wakes::default();
        let metrics = Metrics::new(clock.now());
        let (sources, faults) = sources::sources(&config);
        if !faults.is_empty() {
            bail!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
        for name in sources.keys() {
            metrics.source(name);
        }
        let settings = IngestSettings {
            max_new: usize::try_from(config.ingest.max_new).unwrap_or(usize::MAX),
            max_age: config.ingest.max_age,
            each_category: config.feeds.each_category,
            window: config.feeds.items.into(),
            small: SMALL,
        };
        let keys = access::link_keys(&store, &clock).await?;
        let presence = Presence::new(&store, &clock);
        // A folder takes any address; a relay says at its first connection whether it does.
        let international = Arc::new(AtomicBool::new(matches!(config.email.transport, TransportConfig::Folder(_))));
        let items = usize::try_from(config.feeds.items).unwrap_or(usize::MAX);
        Ok(Self {
            ingest: Arc::new(
                Ingest::new(
                    store.clone(),
                    clock.clone(),
                    site.clone(),
                    sources,
                    settings,
                    wakes.clone(),
                    metrics.clone(),
                )
                .among(presence.clone())
                .crediting(credit(&config)),
            ),
            publisher: Arc::new(
                Publisher::new(store.clone(), clock.clone(), site.clone(), items)
                    .over(config.sources.iter().map(|source| source.name.clone())),
            ),
            subscribe: Subscribe::new(store.clone(), clock.clone(), keys, wakes.clone())
                .over(Arc::clone(&international)),
            digests: Digests::new(store.clone(), clock.clone(), config.calendar(), wakes.clone()),
            fan_out: FanOut::new(store.clone(), clock.clone(), wakes.clone()),
            client: client(&config)?,
            judge: Judge::new(store.clone(), clock.clone(), metrics.clone()),
            presence,
            international,
            site,
            store,
            clock,
            wakes,
            metrics,
            config,
            feed_specs,
        })
    }

    /// Makes the stored feeds equal to the declared ones.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn declare_feeds(&self) -> anyhow::Result<()> {
        self.ingest.declare(FeedOrigin::File, &self.feed_specs).await?;
        self.ingest.declare_category_feeds().await?;
        Ok(())
    }

    /// Runs until `stop` turns true; then lets what is under way come to its end.
    ///
    /// # Errors
    /// What kept it from starting.
    pub async fn run(self, demo: DemoParts, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        self.store.take_for_serving().await?;
        self.presence.begin(&self.store).await?;
        self.declare_feeds().await?;
        // Documents are made by the worker, or by who asks first: a portal of many feeds answers at once.
        self.publisher.look().await?;
        let servers = self.servers(&demo)?;
        let mailer = self.mailer()?.among(self.presence.clone());
        let webhooks = Webhooks::new(
            self.store.clone(),
            self.clock.clone(),
            self.site.clone(),
            self.client.clone(),
            self.wakes.clone(),
            self.metrics.clone(),
        )
        .among(self.presence.clone());
        // Workers stop with the servers, also when a server ends by itself.
        let (halt, halted) = watch::channel(false);
        let mut workers = vec![
            tokio::spawn(mailer.run(halted.clone())),
            tokio::spawn(webhooks.run(halted.clone())),
            tokio::spawn(follow("fan-out", Arc::clone(&self.wakes.changes), LOOK, halted.clone(), self.fan_out_work())),
            tokio::spawn(follow("called polls", Arc::clone(&self.wakes.polls), LOOK, halted.clone(), self.call_work())),
            tokio::spawn(follow("publish", Arc::clone(&self.wakes.feeds), LOOK, halted.clone(), self.publish_work())),
            tokio::spawn(follow("bounces", Arc::clone(&self.wakes.bounces), LOOK, halted.clone(), self.judge_work())),
        ];
        workers.extend(self.inlets(&halted).await?);
        // Until the workers have ended: what they hold must not be taken for a vanished replica's.
        let (gone, present) = watch::channel(false);
        let presence = tokio::spawn(self.presence.clone().run(self.store.clone(), present));
        let offset = self.clock.now().in_zone(&self.site.zone).offset().seconds();
        let beats = Beats::start(self.beats(), offset).await?;
        // The first poll does not wait for the first beat: a fresh start shows its feeds at once.
        for name in self.config.sources.iter().map(|s| s.name.clone()) {
            tokio::spawn(self.poll_work(name)());
        }
        tracing::info!(
            engine = self.store.engine_name(),
            sources = self.config.sources.len(),
            "loa serves at {}",
            self.site.base_url
        );
        let serving = async {
            let handles: Vec<_> = servers.iter().map(actix_web::dev::Server::handle).collect();
            let joined = futures_util::future::try_join_all(servers);
            let mut stop = stop.clone();
            tokio::pin!(joined);
            tokio::select! {
                ended = &mut joined => ended.map(drop),
                _ = stop.wait_for(|s| *s) => {
                    halt.send_replace(true);
                    // A server stops only while it is polled: both at once.
                    let stops = futures_util::future::join_all(handles.iter().map(|handle| handle.stop(true)));
                    futures_util::future::join(stops, joined).await.1.map(drop)
                }
            }
        };
        let served = serving.await.context("the web server ended");
        halt.send_replace(true);
        beats.stop(Duration::from_secs(SHUTDOWN_SECONDS)).await;
        for worker in workers {
            let _ = worker.await;
        }
        gone.send_replace(true);
        let _ = presence.await;
        self.presence.leave(&self.store).await;
        self.store.close().await;
        tracing::info!("loa has stopped; nothing is lost");
        served
    }

    fn servers(&self, demo: &DemoParts) -> anyhow::Result<Vec<actix_web::dev::Server>> {
        let state = web::State {
            site: self.site.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            publisher: Arc::clone(&self.publisher),
            subscribe: self.subscribe.clone(),
            ingest: Arc::clone(&self.ingest),
            client: self.client.clone(),
            metrics: self.metrics.clone(),
            trusted_proxies: self.config.web.trusted_proxies.clone(),
            mailbox: demo.mailbox.clone(),
            articles: demo.articles.clone(),
            hook: demo.hook.clone(),
        };
        let web = web::Web::with_old_addresses(state, old_addresses(&self.config));
        let workers = self.config.web.workers;
        let doors = match self.config.web.admin {
            None => vec![(self.config.web.listen, Doors::All)],
            Some(admin) => vec![(self.config.web.listen, Doors::Public), (admin, Doors::Operator)],
        };
        let mut servers = Vec::new();
        for (address, doors) in doors {
            let web = web.clone();
            let mut server = actix_web::HttpServer::new(move || web.app(doors));
            if let Some(workers) = workers {
                server = server.workers(workers);
            }
            let server = server
                .disable_signals()
                .shutdown_timeout(SHUTDOWN_SECONDS)
                .bind(address)
                .with_context(|| format!("cannot listen on {address}: is another program there? Change [web] listen"))?
                .run();
            servers.push(server);
        }
        Ok(servers)
    }

    fn mailer(&self) -> anyhow::Result<Mailer> {
        let templates = templates(&self.config)?;
        let sender = sender(&self.config);
        let keys = self.subscribe.keys().clone();
        let signer = signer(&self.config)
            .map_err(|faults| anyhow!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
        let composer = Composer::new(self.store.clone(), self.site.clone(), templates, sender, keys)
            .signing(signer)
            .returning(self.return_path());
        let transport = transport(&self.config, &self.international)?;
        let connections = match &transport {
            Transport::Folder(_) => 4,
            Transport::Smtp(relays) => relays.connections(),
            Transport::Staging(relays, staging) => {
                self.metrics.staging();
                tracing::warn!(
                    listed = staging.only.len(),
                    "this is not production ([site] production = false): mail goes only to those whom [email] only \
                     lists, everyone else's is written into {}",
                    staging.folder.path().display()
                );
                relays.connections()
            }
        };
        if let Transport::Smtp(relays) | Transport::Staging(relays, _) = &transport {
            let relays = relays.clone();
            tokio::spawn(async move { relays.ask().await });
        }
        Ok(Mailer::new(
            self.store.clone(),
            self.clock.clone(),
            composer,
            transport,
            connections,
            self.wakes.clone(),
            self.metrics.clone(),
        ))
    }

    fn beats(&self) -> Vec<(String, String, Work)> {
        let mut beats: Vec<(String, String, Work)> = self
            .config
            .sources
            .iter()
            .map(|s| (format!("poll {}", s.name), s.poll.clone(), self.poll_work(s.name.clone())))
            .collect();
        let digests = self.digests.clone();
        beats.push((
            "digest".to_owned(),
            "*/20 * * * * *".to_owned(),
            Arc::new(move || {
                let digests = digests.clone();
                Box::pin(async move {
                    if let Err(e) = digests.run().await {
                        tracing::error!("the digest run stops here and goes on at the next beat: {e}");
                    }
                })
            }),
        ));
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let keep =
            Retention { deliveries: self.config.retention.deliveries, addresses: self.config.retention.addresses };
        beats.push((
            "sweep".to_owned(),
            "30 17 * * * *".to_owned(),
            Arc::new(move || {
                let (store, clock) = (store.clone(), clock.clone());
                Box::pin(async move {
                    if let Err(e) = sweep(&store, &clock, keep).await {
                        tracing::error!("the sweep stops here and goes on next time: {e}");
                    }
                })
            }),
        ));
        beats
    }

    fn poll_work(&self, name: String) -> Work {
        let ingest = Arc::clone(&self.ingest);
        Arc::new(move || {
            let (ingest, name) = (Arc::clone(&ingest), name.clone());
            Box::pin(async move {
                if let Err(e) = ingest.poll_on_beat(&name).await {
                    tracing::error!(source = name, "poll failed, nothing was concluded: {e}");
                }
            })
        })
    }

    fn call_work(&self) -> Work {
        let ingest = Arc::clone(&self.ingest);
        Arc::new(move || {
            let ingest = Arc::clone(&ingest);
            Box::pin(async move { ingest.poll_called().await })
        })
    }

    /// Where mails come back, if they come back here.
    fn return_path(&self) -> Option<ReturnPath> {
        let template = self.config.bounce.address.clone()?;
        Some(ReturnPath::new(template, self.subscribe.keys().clone()))
    }

    /// What takes mails that come back.
    async fn inlets(&self, halted: &watch::Receiver<bool>) -> anyhow::Result<Vec<tokio::task::JoinHandle<()>>> {
        let Some(returns) = self.return_path() else { return Ok(Vec::new()) };
        let template = returns.template().clone();
        let bounces = Bounces::new(
            self.store.clone(),
            self.clock.clone(),
            returns,
            self.subscribe.clone(),
            self.wakes.clone(),
            self.metrics.clone(),
        );
        let mut workers = Vec::new();
        if let Some(path) = &self.config.bounce.maildir {
            let maildir = Maildir::new(path);
            maildir.prepare().with_context(|| {
                format!("[bounce] maildir: {} cannot be made; see that this account may write there", path.display())
            })?;
            let (bell, work) = (Arc::new(tokio::sync::Notify::new()), maildir_work(bounces.clone(), maildir));
            workers.push(tokio::spawn(follow("maildir", bell, MAILDIR_LOOK, halted.clone(), work)));
        }
        if let Some(address) = &self.config.bounce.lmtp {
            let lmtp = Lmtp::bind(address, template, bounces.taker())
                .await
                .with_context(|| format!("[bounce] lmtp: cannot listen on {address}; is another program there?"))?;
            workers.push(tokio::spawn(lmtp.run(halted.clone())));
        }
        Ok(workers)
    }

    fn judge_work(&self) -> Work {
        let judge = self.judge.clone();
        // What was judged in another life is in the numbers from the start.
        let measured = Arc::new(AtomicBool::new(false));
        Arc::new(move || {
            let (judge, measured) = (judge.clone(), Arc::clone(&measured));
            Box::pin(async move {
                let judged = judge.run().await;
                let told = match judged {
                    Ok(0) if measured.load(Ordering::Relaxed) => Ok(()),
                    Ok(_) => judge.measure().await,
                    Err(e) => Err(e),
                };
                match told {
                    Ok(()) => measured.store(true, Ordering::Relaxed),
                    Err(e) => tracing::error!("refusals wait to be judged: {e}"),
                }
            })
        })
    }

    fn fan_out_work(&self) -> Work {
        let fan_out = self.fan_out.clone();
        Arc::new(move || {
            let fan_out = fan_out.clone();
            Box::pin(async move {
                if let Err(e) = fan_out.run().await {
                    tracing::error!("fan-out stops here and goes on in a moment: {e}");
                }
            })
        })
    }

    fn publish_work(&self) -> Work {
        let publisher = Arc::clone(&self.publisher);
        Arc::new(move || {
            let publisher = Arc::clone(&publisher);
            Box::pin(async move {
                if let Err(e) = publisher.refresh().await {
                    tracing::error!("feeds stay as they were: {e}");
                }
            })
        })
    }
}

fn maildir_work(bounces: Bounces, maildir: Maildir) -> Work {
    // What was dealt with is looked through seldom: there may be many.
    let looks = Arc::new(AtomicU32::new(0));
    Arc::new(move || {
        let (bounces, maildir) = (bounces.clone(), maildir.clone());
        let sweeps = looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(MAILDIR_SWEEP);
        Box::pin(async move {
            let looked = match bounces.look_into(&maildir).await {
                Ok(_) if sweeps => bounces.sweep(&maildir).await.map(drop),
                Ok(_) => Ok(()),
                Err(e) => Err(e),
            };
            if let Err(e) = looked {
                tracing::error!("mails that came back wait: {e}");
            }
        })
    })
}

/// Sends a sample of the mail that brings an article, as the service would send it.
///
/// # Errors
/// What is wrong with the configuration or the templates; what the relay says is the outcome.
pub async fn send_test(config: &Config, clock: &Clock, to: &EmailAddress) -> anyhow::Result<Outcome> {
    let (site, sender) = (config.site(), sender(config));
    let templates = templates(config)?;
    let sample = sample::samples(site.locale).into_iter().find(|s| s.mail.is_bulk()).context("a sample mail")?;
    let content = templates.render(&site, site.locale, &sample.mail)?;
    let archive = site.base_url.to_string();
    let purpose = Purpose::Bulk { frequency: Frequency::Immediate, archive: &archive };
    let signer = signer(config)
        .map_err(|faults| anyhow!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let prepared = Prepared::new(&site, &sender, purpose, clock.now(), &content)?.signed(&Arc::new(signer));
    // Tokens of no key: the links of a test lead to "this link is not valid".
    let token = "A".repeat(TOKEN_LEN);
    let message_id = format!("test.{}", clock.now().millis());
    let mut bytes = Vec::new();
    let personal = Personal {
        to,
        message_id: &message_id,
        follows: None,
        manage_token: &token,
        unsubscribe_token: &token,
        unsubscribe_mail: None,
    };
    prepared.write(&personal, &mut bytes);
    let transport = transport(config, &Arc::default())?;
    let outcome = transport.send(sender.address.as_str(), to, &message_id, &bytes).await;
    transport.close().await;
    Ok(outcome)
}

/// The form of log lines that the configuration asks for.
#[must_use]
pub const fn log_format(config: &Config) -> crate::telemetry::Format {
    match config.log.format {
        LogFormat::Text => crate::telemetry::Format::Text,
        LogFormat::Json => crate::telemetry::Format::Json,
    }
}

/// Turns true at Ctrl-C or SIGTERM.
#[must_use]
pub fn stop_signal() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminate.recv() => {}
                }
            }
            Err(_) => {
                let _ = tokio::signal::ctrl_c().await;
            }
        }
        let _ = stop.send(true);
    });
    stopped
}
