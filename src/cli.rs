//! The commands: what a person types, and what is printed. Results go to standard output, logs to standard error.
//! Builds what it needs through [`crate::service`]; decides nothing about the trade.

mod check;
mod export;
mod people;
mod source;
mod suppression;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::Clock;
use crate::config::feeds::feed_files;
use crate::config::{Config, environment};
use crate::demo;
use crate::domain::delivery::Outcome;
use crate::domain::scope::{Scope, Scopes};
use crate::domain::subscriber::{EmailAddress, Frequency};
use crate::service::{self, DemoParts, Service, log_format, stop_signal};
use crate::store::engine::Store;
use crate::telemetry;
use crate::work::access;
use crate::work::explain::explain;

/// Feeds, mails and webhooks for a portal's new articles.
#[derive(Parser, Debug)]
#[command(name = "loa", version, about, max_term_width = 100)]
struct Arguments {
    /// The configuration file. Without it, the built-in defaults and LOA_… variables count.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs the service.
    Serve,
    /// Shows the whole way on sample articles: feeds, mails, webhooks. Needs nothing else.
    Demo {
        /// The folder of the demo's files.
        #[arg(long, default_value = "var/demo", value_name = "FOLDER")]
        dir: PathBuf,
        /// Begins anew: what an earlier demo left in the folder is removed.
        #[arg(long)]
        fresh: bool,
        /// The port to listen on; if it is taken, a free one.
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// Seconds between two new articles.
        #[arg(long, default_value_t = 30, value_name = "SECONDS")]
        every: u64,
    },
    /// Checks the configuration, feeds, templates, sources and the relay, and tells every fault at once.
    Check {
        /// Checks files only: connects to nothing.
        #[arg(long)]
        offline: bool,
        /// Checks only the feed files, and measures topics on headlines with known answers.
        #[arg(long)]
        feeds: bool,
        /// With --feeds: headlines of your own, in the form of docs/topics.md, instead of those that loa ships.
        #[arg(long, requires = "feeds", value_name = "FILE")]
        labels: Option<PathBuf>,
    },
    /// Polls one source, or all of them, now.
    Poll {
        /// The source's name.
        source: Option<String>,
        /// Lets go what the flood guard holds, instead of polling.
        #[arg(long)]
        release: bool,
    },
    /// Sources: a look at one before it is trusted.
    #[command(subcommand)]
    Source(SourceCommand),
    /// Makes a digest run now, instead of at its hour.
    Digest {
        /// daily or weekly.
        #[arg(long, value_name = "FREQUENCY")]
        run: String,
    },
    /// Tells why somebody did or did not get an article.
    Explain {
        /// Mail address.
        address: String,
        /// The article: its id in the source, its entry id (tag:…) or loa's number.
        article: String,
    },
    /// Sends one sample mail, to see what the relay and the mailbox make of it. Counts nowhere.
    SendTest {
        /// Mail address.
        address: String,
    },
    /// Bearer tokens of the API and the console.
    #[command(subcommand)]
    Token(TokenCommand),
    /// The feeds as files.
    #[command(subcommand)]
    Feeds(FeedsCommand),
    /// Subscribers as CSV.
    #[command(subcommand)]
    Subscribers(SubscribersCommand),
    /// Addresses that get no mail: because it came back, because of a complaint, or because you say so.
    #[command(subcommand)]
    Suppression(SuppressionCommand),
}

#[derive(Subcommand, Debug)]
enum SuppressionCommand {
    /// Lists them. Addresses are masked; `export` has them whole.
    List,
    /// Stops all mail to an address but answers to what its owner asks for.
    Add {
        /// Mail address.
        address: String,
        /// Why, for whoever reads it later; without the address.
        #[arg(long, default_value = "decided by an operator", value_name = "TEXT")]
        note: String,
    },
    /// Lets an address be mailed again, and forgets what its servers said.
    Remove {
        /// Mail address, or the hash from the list.
        address: String,
    },
    /// Lists domains whose "no such user" is not believed at the moment.
    Waves,
    /// Writes all of them as CSV, in the form that import reads.
    Export {
        /// The file; standard output without it.
        file: Option<PathBuf>,
    },
    /// Reads CSV: email or the hash of one, reason; since, lapses and evidence if you like.
    Import {
        /// The file; - for standard input.
        file: PathBuf,
    },
}

#[derive(Subcommand, Debug)]
enum SourceCommand {
    /// Connects, tells what is there, how its newest articles would be published, and what is hidden and why. Changes
    /// nothing.
    Try {
        /// The source's name in the configuration.
        name: String,
        /// How many of the newest articles are shown.
        #[arg(long, default_value_t = 10, value_name = "N")]
        count: usize,
    },
}

#[derive(Subcommand, Debug)]
enum TokenCommand {
    /// Makes a token and prints it: the only time that it is shown.
    Create {
        /// Who or what it is for.
        name: String,
        /// What it may do: read, poll, subscribers, endpoints or all; several times for several. Without it, all.
        #[arg(long, value_name = "SCOPE", value_parser = scope)]
        scope: Vec<Scope>,
    },
    /// Lists tokens by name; the tokens themselves are kept nowhere.
    List,
    /// Revokes the tokens of that name.
    Revoke {
        /// The name.
        name: String,
    },
    /// Makes a new key for the links in mails. It signs from the next start on; links in old mails go on working.
    RotateLinks,
}

#[derive(Subcommand, Debug)]
enum FeedsCommand {
    /// Writes every feed, its page and the list of feeds as files, for a web server that serves them without loa.
    Export {
        /// The folder. What an earlier export wrote there is brought up to date; nothing else is touched.
        dir: PathBuf,
    },
}

#[derive(Subcommand, Debug)]
enum SubscribersCommand {
    /// Adds confirmed subscriptions from CSV (email, feeds, frequency; see docs/people.md). You hold the consent of these
    /// people. Mails nobody; who left or was erased stays away.
    Import {
        /// The file; - for standard input.
        file: PathBuf,
        /// Only says what it would do.
        #[arg(long)]
        dry_run: bool,
    },
    /// Writes every live subscription as CSV, in the form that import reads.
    Export {
        /// The file; standard output without it.
        file: Option<PathBuf>,
    },
    /// Erases a person: the address is gone from every table, and only a keyed hash keeps lists from bringing it back.
    Erase {
        /// Mail address.
        address: String,
    },
}

/// Reads the arguments, runs the command, and says by the exit code how it went: 0 well, 1 a fault, 2 wrong usage.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("loa: cannot start: {e}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(arguments));
    // Threads that wait for a name server or a terminal must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match result {
        Ok(code) => code,
        Err(e) => {
            eprintln!("loa: {e:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    let file = arguments.config.as_deref();
    match arguments.command {
        Command::Demo { dir, fresh, port, every } => {
            demo::run(&dir, fresh, port, std::time::Duration::from_secs(every.max(1)), clock).await?;
        }
        Command::Check { feeds: true, labels, .. } => return Ok(check::check_feeds(file, labels.as_deref())),
        Command::Check { offline, .. } => return check::check(file, offline, clock).await,
        Command::Serve => serve(file, clock).await?,
        Command::Poll { source, release } => poll(file, clock, source, release).await?,
        Command::Source(SourceCommand::Try { name, count }) => return source::look(file, &clock, &name, count).await,
        Command::Digest { run } => {
            let frequency = Frequency::parse(&run).filter(|f| *f != Frequency::Immediate);
            let frequency = frequency.ok_or_else(|| anyhow!("--run: write daily or weekly, not \"{run}\""))?;
            let service = quiet_service(file, clock).await?;
            let made = service.digests.run_now(frequency).await?;
            service.store.close().await;
            let Some(mails) = made else {
                bail!("today's {run} digest was begun before: a date has one, so that nobody gets two");
            };
            match mails {
                0 => println!("There is nothing new for anybody: no mail was made."),
                1 => println!("1 mail waits in the outbox; the running service sends it."),
                n => println!("{n} mails wait in the outbox; the running service sends them."),
            }
        }
        Command::Explain { address, article } => {
            let email = EmailAddress::parse(&address).map_err(|e| {
                anyhow!("the first word is not a mail address: {e}; write: loa explain ADDRESS ARTICLE")
            })?;
            let (store, config) = open_store(file).await?;
            let story = explain(&store, &config.site(), &email, &article).await?;
            store.close().await;
            let Some(story) = story else {
                bail!(
                    "there is no article \"{article}\": give its id in the source, its entry id (tag:…) or loa's number"
                );
            };
            for line in story {
                println!("{line}");
            }
        }
        Command::SendTest { address } => return send_test(file, &clock, &address).await,
        Command::Token(command) => token(file, clock, command).await?,
        Command::Feeds(FeedsCommand::Export { dir }) => {
            let (store, config) = open_store(file).await?;
            export::export(&store, &config, &clock, &dir).await?;
        }
        Command::Subscribers(SubscribersCommand::Import { file: csv, dry_run }) => {
            let (store, config) = open_store(file).await?;
            return people::import(&store, &clock, &config.site(), &csv, dry_run).await;
        }
        Command::Suppression(command) => return suppression(file, &clock, command).await,
        Command::Subscribers(SubscribersCommand::Export { file: csv }) => {
            let (store, config) = open_store(file).await?;
            people::export(&store, &config.site(), csv.as_deref()).await?;
        }
        Command::Subscribers(SubscribersCommand::Erase { address }) => {
            let (store, _) = open_store(file).await?;
            people::erase(&store, &clock, &address).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn suppression(file: Option<&Path>, clock: &Clock, command: SuppressionCommand) -> anyhow::Result<ExitCode> {
    let (store, config) = open_store(file).await?;
    let zone = config.site().zone;
    let code = match command {
        SuppressionCommand::List => suppression::list(&store, &zone).await,
        SuppressionCommand::Add { address, note } => suppression::add(&store, clock, &address, &note).await,
        SuppressionCommand::Remove { address } => suppression::remove(&store, clock, &address).await,
        SuppressionCommand::Waves => suppression::waves(&store, &zone).await,
        SuppressionCommand::Export { file } => suppression::export(&store, &zone, file.as_deref()).await,
        SuppressionCommand::Import { file } => suppression::import(&store, clock, &file).await,
    };
    store.close().await;
    code
}

/// Loads the configuration; every fault is in the error, one a line.
fn load(file: Option<&Path>) -> anyhow::Result<Config> {
    Config::load(file, environment()).map_err(|faults| anyhow!("the configuration has faults:\n{faults}"))
}

async fn open_store(file: Option<&Path>) -> anyhow::Result<(Store, Config)> {
    let config = load(file)?;
    let store = Store::open(config.store.url.expose()).await?;
    Ok((store, config))
}

/// The service's parts for a command that ends: logs only errors, since the command prints its own results and faults.
async fn quiet_service(file: Option<&Path>, clock: Clock) -> anyhow::Result<Service> {
    let config = load(file)?;
    telemetry::init(log_format(&config), "error")?;
    let (feeds, faults) = feed_files(&config.feeds.dir);
    for fault in faults {
        eprintln!("loa: this feed file is left out: {fault}");
    }
    Service::build(config, feeds, clock).await
}

async fn serve(file: Option<&Path>, clock: Clock) -> anyhow::Result<()> {
    let config = load(file)?;
    telemetry::init(log_format(&config), &config.log.level)?;
    let (feeds, faults) = feed_files(&config.feeds.dir);
    for fault in faults {
        tracing::error!("this feed file is left out, the others are served: {fault}");
    }
    if config.sources.is_empty() {
        tracing::warn!("no [[source]] is configured: there is nothing to watch");
    }
    let service = Service::build(config, feeds, clock).await?;
    service.run(DemoParts::default(), stop_signal()).await
}

async fn poll(file: Option<&Path>, clock: Clock, source: Option<String>, release: bool) -> anyhow::Result<()> {
    let service = quiet_service(file, clock).await?;
    service.declare_feeds().await?;
    let mut names: Vec<String> = service.ingest.sources().map(str::to_owned).collect();
    if names.is_empty() {
        bail!("no [[source]] is configured: there is nothing to poll");
    }
    if let Some(one) = source {
        if !names.contains(&one) {
            bail!("there is no source named \"{one}\"; the configuration has: {}", names.join(", "));
        }
        names = vec![one];
    }
    let mut failed = Vec::new();
    let bar = progress("articles");
    let watched = bar.clone();
    service.ingest.watch(Box::new(move |done, all| {
        watched.set_length(all as u64);
        watched.set_position(done as u64);
        if watched.is_hidden() && done > 0 && done.is_multiple_of(5_000) {
            eprintln!("loa: {done} of {all} articles are read");
        }
    }));
    for name in names {
        if release {
            let freed = service.ingest.release(&name).await?;
            println!("{name}: {freed} held changes are free");
            continue;
        }
        let polled = service.ingest.poll(&name).await;
        bar.finish_and_clear();
        bar.reset();
        match polled {
            Ok(report) if report.busy => println!("{name}: another process is polling it just now"),
            Ok(report) => {
                let a = report.applied;
                println!(
                    "{name}: {} published, {} revised, {} withdrawn, {} taken over silently",
                    a.published, a.revised, a.withdrawn, a.baseline
                );
                if report.held {
                    println!("{name}: notices are held; `loa poll {name} --release` lets them go");
                }
                if report.kept > 0 {
                    println!("{name}: {} articles look gone and are kept for two more polls", report.kept);
                }
                if report.partial {
                    println!("{name}: {}", report.what_lacks());
                }
                for fault in report.faults {
                    eprintln!("loa: {name}: left out: {fault}");
                }
            }
            Err(e) => {
                // The fault names its source.
                eprintln!("loa: {e}");
                failed.push(name);
            }
        }
    }
    // A running service fans out by itself; without one, the deliveries wait ready in the outbox.
    let made = service.fan_out.run().await?;
    if made > 0 {
        println!("Deliveries made: {made}. They wait in the outbox; the running service sends them.");
    }
    service.store.close().await;
    if failed.is_empty() { Ok(()) } else { Err(anyhow!("not polled, nothing was concluded: {}", failed.join(", "))) }
}

async fn send_test(file: Option<&Path>, clock: &Clock, address: &str) -> anyhow::Result<ExitCode> {
    let config = load(file)?;
    telemetry::init(log_format(&config), "warn")?;
    let to = EmailAddress::parse(address).map_err(|e| anyhow!("the address: {e}"))?;
    let outcome = service::send_test(&config, clock, &to).await?;
    Ok(match outcome {
        Outcome::Sent(reply) => {
            println!("accepted: {reply}");
            println!("That is the next server's word; look into the mailbox, and at the headers that it shows.");
            ExitCode::SUCCESS
        }
        Outcome::Retry { cause, detail, .. } | Outcome::Dead { cause, detail } => {
            println!("not sent ({}): {detail}", cause.as_str());
            ExitCode::FAILURE
        }
    })
}

async fn token(file: Option<&Path>, clock: Clock, command: TokenCommand) -> anyhow::Result<()> {
    let (store, config) = open_store(file).await?;
    let zone = config.site().zone;
    match command {
        TokenCommand::Create { name, scope } => {
            if name.trim().is_empty() {
                bail!("give the token a name that says who uses it, so that it can be revoked later");
            }
            let token = access::create_token(&store, &clock, &name, &Scopes::new(scope)).await?;
            println!("{token}");
            eprintln!("This is the only time that this token is shown. Requests carry it as: Authorization: Bearer …");
        }
        TokenCommand::List => {
            for token in store.tokens().await? {
                let made = crate::clock::Timestamp(token.created_at).rfc3339(&zone);
                let state = if token.revoked_at.is_some() { "revoked" } else { "live" };
                println!("{made}  {state:7}  {}  ({})", token.name, token.scopes);
            }
        }
        TokenCommand::Revoke { name } => {
            let gone = store.revoke_token(&name, clock.now()).await?;
            if gone == 0 {
                bail!("there is no live token named \"{name}\"; `loa token list` names them");
            }
            println!("{gone} revoked");
        }
        TokenCommand::RotateLinks => {
            let id = access::rotate_link_key(&store, &clock).await?;
            let id = id.ok_or_else(|| anyhow!("all 255 keys of links were used; keep the newest"))?;
            println!(
                "Key {id} signs the links of mails from the next start of the service on. Old links go on working."
            );
        }
    }
    store.close().await;
    Ok(())
}

/// Reads a file, or standard input for `-`.
fn reader(path: &Path) -> anyhow::Result<Box<dyn std::io::Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Box::new(file))
}

fn scope(word: &str) -> Result<Scope, String> {
    Scope::parse(word).ok_or_else(|| "write read, poll, subscribers, endpoints or all".to_owned())
}

/// `1 source`, `2 sources`.
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A bar on a terminal; nothing elsewhere.
fn progress(what: &str) -> ProgressBar {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template(&format!("{{bar:40}} {{pos}} {what} {{elapsed_precise}}")) {
        bar.set_style(style);
    }
    bar
}
