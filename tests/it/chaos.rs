//! Laws of a life with power cuts: the real program, killed at any moment between the poll and the last send, and started
//! again. Everybody gets everything; what was on its way may come twice, under the same id, and nothing else does.

mod digests;
mod ledger;
mod polls;
mod portal;
mod postgres;
mod receiver;
mod sqlite;
mod stops;
mod webhooks;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use loa::clock::Clock;
use loa::domain::delivery::Channel;
use loa::store::endpoint::NewEndpoint;
use loa::store::engine::Store;

use self::ledger::Ledger;
use self::receiver::Receiver;
use crate::support::binary::{ALL_FEED, LONG, Place, Running, config};
use crate::support::smtp_server::{Act, SmtpServer, Step};

/// People who follow the feed of everything.
const PEOPLE: usize = 300;

/// Endpoints that follow it.
const ENDPOINTS: usize = 12;

/// Connections to the relay.
const CONNECTIONS: usize = 8;

/// The longest that the relay takes over a mail.
const SLOWEST: Duration = Duration::from_millis(120);

/// How many mails a kill may repeat, on the average: one on each connection at that moment, and those that were accepted
/// but whose group of settles was not written yet: it lingers for 20 ms and then waits for the disk, some 100 ms on a busy
/// machine, while eight connections to a relay of 60 ms a mail finish 130 a second.
const MOST_REPEATED: usize = CONNECTIONS + 16;

/// Everything around the program: its folder, the relay, the site that takes webhooks, and what came there.
struct Stage {
    place: Place,
    relay: SmtpServer,
    receiver: Receiver,
    ledger: Ledger,
    store: String,
    articles: usize,
    chance: Chance,
}

/// Numbers for delays and moments: other ones in each run.
struct Chance(Clock);

impl Chance {
    fn below(&self, n: usize) -> usize {
        let bytes: [u8; 4] = self.0.random();
        usize::try_from(u32::from_le_bytes(bytes)).expect("32 bits") % n.max(1)
    }

    fn up_to(&self, longest: Duration) -> Duration {
        Duration::from_millis(self.below(usize::try_from(longest.as_millis()).expect("short")) as u64)
    }
}

/// Runs what waits, on a thread that has no runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(future)
}

impl Stage {
    /// A baseline of one article, and everybody subscribed; nothing runs. `replicas` configurations, `loa.toml` first.
    fn set(store: Option<&str>, replicas: &[&str], frequency: &str) -> Self {
        let (relay, receiver) = (block_on(SmtpServer::start()), Receiver::start(ENDPOINTS));
        let place = Place::new();
        let store = store.map_or_else(|| format!("sqlite://{}", place.path("loa.db").display()), str::to_owned);
        for name in [&["loa.toml"], replicas].concat() {
            place.write(name, config(&store, &relay.url(), CONNECTIONS));
        }
        place.write("feeds/tat-ca.toml", ALL_FEED);
        place.article("bai-0", "Bai 000");
        let told = place.run(&["poll"]).well();
        assert!(told.contains("1 taken over silently"), "{told}");

        let mut csv = "email,feeds,frequency,locale\n".to_owned();
        for n in 0..PEOPLE {
            let _ = writeln!(csv, "nguoi-{n:03}@so.example.vn,tat-ca,{frequency},vi");
        }
        place.write("people.csv", csv);
        let told = place.run(&["subscribers", "import", "people.csv"]).well();
        assert!(told.contains(&format!("{PEOPLE} new subscriptions")), "{told}");

        let endpoints = receiver.endpoints();
        block_on(async {
            let store = Store::open(&store).await.expect("the database opens");
            let feeds = store.feeds().await.expect("feeds are there");
            let feed = feeds.iter().find(|f| f.spec.slug == "tat-ca").expect("the feed was declared").id;
            for (n, (url, secret)) in endpoints.iter().enumerate() {
                let (public_id, name) = (format!("ep_{n}"), format!("Cổng {n}"));
                let new = NewEndpoint { public_id: &public_id, name: &name, url, secret, feeds: &[feed] };
                store.add_endpoint(&new, Clock::system().now()).await.expect("an endpoint is added");
            }
            store.close().await;
        });
        let chance = Chance(Clock::system());
        Self { place, relay, receiver, ledger: Ledger::default(), store, articles: 0, chance }
    }

    /// Publishes the next article and gives its title; the relay takes a random while over each of the coming mails.
    fn publish(&mut self) -> String {
        self.spread();
        self.articles += 1;
        let title = format!("Bai {:03}", self.articles);
        self.place.article(&format!("bai-{}", self.articles), &title);
        title
    }

    fn spread(&self) {
        self.relay.behave();
        for _ in 0..PEOPLE {
            self.relay.script(Step::Body, Act::Delay(self.chance.up_to(SLOWEST)));
        }
        self.relay.always(Step::Body, Act::Delay(SLOWEST / 8));
    }

    /// Waits until everybody and every endpoint has this article; gives how long that took.
    fn wait_for_all(&mut self, title: &str, within: Duration) -> Duration {
        let begun = Instant::now();
        loop {
            self.ledger.read(&self.relay);
            let have = self.ledger.people_with(title);
            if have == PEOPLE {
                break;
            }
            let left = within.saturating_sub(begun.elapsed());
            let more = self.ledger.taken() + 1;
            block_on(self.relay.wait_until(left, &format!("{title} for all: {have} have it"), |r| r.taken() >= more));
        }
        self.receiver.wait_until(within, &format!("{title} at every endpoint"), |events| {
            (0..ENDPOINTS).all(|n| events.iter().any(|e| e.endpoint == n && e.title == title))
        });
        begun.elapsed()
    }

    /// Waits until the relay has taken so many mails in all.
    fn wait_for_mails(&self, n: usize) {
        block_on(self.relay.wait_until(LONG, &format!("{n} mails in all"), |relay| relay.taken() >= n));
    }

    /// After the service has stopped in order: nothing waits, everything is written down as sent, and what came is
    /// lawful. Gives how many mails and how many webhooks came more than once.
    fn judge(&mut self, kills: usize) -> (usize, usize) {
        let (waiting, sent) = block_on(async {
            let store = Store::open(&self.store).await.expect("the database opens");
            let waiting = store.queue_depth(Clock::system().now()).await.expect("it answers");
            let counts = store.delivery_counts(None).await.expect("it answers");
            store.close().await;
            (waiting, counts)
        });
        assert!(waiting.is_empty(), "{waiting:?}");
        assert!(sent.iter().all(|line| line.state == "sent"), "{sent:?}");
        let count = |channel: Channel| -> i64 {
            sent.iter().filter(|line| line.channel == channel.as_str()).map(|line| line.n).sum()
        };
        assert_eq!(count(Channel::Email), i64::try_from(PEOPLE * self.articles).expect("few"));
        assert_eq!(count(Channel::Webhook), i64::try_from(ENDPOINTS * self.articles).expect("few"));

        self.ledger.read(&self.relay);
        assert_eq!(self.relay.violations(), Vec::<String>::new());
        let mails = self.ledger.repeated_mails(PEOPLE * self.articles);
        let webhooks = ledger::repeated_webhooks(&self.receiver.events(), ENDPOINTS * self.articles);
        assert!(mails <= kills * MOST_REPEATED, "{mails} mails came again after {kills} kills");
        (mails, webhooks)
    }
}

/// When to kill.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after the article was written.
    After(Duration),
    /// When the poll has found the article, before it is fanned out.
    Found,
    /// When so many mails were taken.
    Mail(usize),
    /// When so many webhooks came.
    Webhook(usize),
}

impl Moment {
    /// Publishes an article and waits for this moment of it.
    fn publish(self, stage: &mut Stage, running: &Running) -> String {
        let found = running.count(FOUND);
        match self {
            Self::After(time) => {
                let title = stage.publish();
                std::thread::sleep(time);
                title
            }
            Self::Found => {
                let title = stage.publish();
                running.wait_lines(FOUND, found + 1, LONG);
                title
            }
            Self::Mail(n) => {
                let (before, title) = (stage.relay.taken(), stage.publish());
                stage.wait_for_mails(before + n);
                title
            }
            Self::Webhook(n) => {
                let (before, title) = (stage.receiver.events().len(), stage.publish());
                stage.receiver.wait_until(LONG, &format!("{n} webhooks"), |events| events.len() >= before + n);
                title
            }
        }
    }
}

/// What the log says when a poll was written.
const FOUND: &str = "poll found changes";

/// What the log says when a change became deliveries.
const FANNED_OUT: &str = "fanned out";
