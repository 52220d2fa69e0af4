//! The law above all others, tried on random lives: nobody is mailed an article twice, nobody is mailed one that was
//! composed after its withdrawal, and whoever followed a feed throughout is told of each of its articles, exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loa::domain::delivery::{Channel, Lane};
use loa::domain::link::Link;
use loa::domain::subscriber::Frequency::{self, Daily, Immediate, Weekly};
use loa::domain::subscriber::Locale;
use loa::store::delivery::{LEASE, Settle, Settled};
use loa::store::subscriber::Wish;
use loa::work::compose::{Composed, Composer};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::house::letters::Letter;
use crate::support::house::{House, ORGANISATION, Paper, UNIONS, hours};

const PEOPLE: usize = 4;
const FEEDS: [&str; 3] = ["cong-tac-to-chuc", "doan-the", "tat-ca"];
const STEPS: usize = 60;

/// What a portal, its readers and our own poll do.
#[derive(Clone, Debug)]
enum Small {
    Publish(bool),
    Edit(usize),
    Hide(usize),
    Show(usize),
    Move(usize),
    Poll,
    FanOut,
    Wish(usize, usize, Option<Frequency>),
    Leave(usize, Frequency),
}

/// A step of a life.
#[derive(Clone, Debug)]
enum Step {
    Small(Small),
    Hours(u64),
    Digests,
    /// Claims and composes a lane; some things happen while the mails are on their way; then they arrive, or not.
    Send(Lane, bool, Vec<Small>),
    /// Claims and composes a lane, and dies.
    Crash(Lane),
}

fn small() -> impl Strategy<Value = Small> {
    let frequency = prop_oneof![Just(Immediate), Just(Daily), Just(Weekly)];
    prop_oneof![
        4 => any::<bool>().prop_map(Small::Publish),
        1 => (0..99_usize).prop_map(Small::Edit),
        2 => (0..99_usize).prop_map(Small::Hide),
        2 => (0..99_usize).prop_map(Small::Show),
        2 => (0..99_usize).prop_map(Small::Move),
        8 => Just(Small::Poll),
        5 => Just(Small::FanOut),
        6 => (0..PEOPLE, 0..FEEDS.len(), prop::option::weighted(0.8, frequency.clone()))
            .prop_map(|(person, feed, frequency)| Small::Wish(person, feed, frequency)),
        1 => (0..PEOPLE, frequency).prop_map(|(person, frequency)| Small::Leave(person, frequency)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let lane = prop_oneof![Just(Lane::Immediate), Just(Lane::Digest)];
    let meanwhile = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(small(), 1..6)];
    prop_oneof![
        24 => small().prop_map(Step::Small),
        4 => (1..40_u64).prop_map(Step::Hours),
        4 => Just(Step::Digests),
        8 => (lane.clone(), prop::bool::weighted(0.65), meanwhile)
            .prop_map(|(lane, arrives, meanwhile)| Step::Send(lane, arrives, meanwhile)),
        1 => lane.prop_map(Step::Crash),
    ]
}

/// A person and an article, by number.
type Pair = (usize, usize);

/// A house and what must come true in it.
struct Life {
    house: House,
    composer: Composer,
    people: Vec<i64>,
    feeds: Vec<i64>,
    follows: Vec<[Option<Frequency>; 3]>,
    papers: Vec<Paper>,
    hidden: BTreeSet<usize>,
    /// The category of each article as the last poll saw it; absent if it was not public then.
    seen: BTreeMap<usize, String>,
    known: BTreeSet<usize>,
    /// By which feeds a person must be told of an article: those that both were in since it was first public.
    owed: BTreeMap<Pair, BTreeSet<usize>>,
    told: BTreeMap<Pair, usize>,
    /// What happened, for whoever must understand a failure.
    diary: Vec<String>,
    lease: i64,
}

fn holds(feed: usize, category: &str) -> bool {
    feed == 2 || category == [ORGANISATION, UNIONS][feed]
}

fn id(article: usize) -> String {
    format!("tin-{article:03}")
}

impl Life {
    async fn begin() -> Self {
        let house = House::sqlite().await;
        let mut feeds = Vec::new();
        for slug in FEEDS {
            feeds.push(house.feed(slug).await);
        }
        let first =
            [[Some(Immediate), None, Some(Daily)], [Some(Daily), None, Some(Weekly)], [None, Some(Immediate), None]];
        let mut life = Self {
            composer: house.composer(),
            feeds,
            people: Vec::new(),
            follows: Vec::new(),
            papers: Vec::new(),
            hidden: BTreeSet::new(),
            seen: BTreeMap::new(),
            known: BTreeSet::new(),
            owed: BTreeMap::new(),
            told: BTreeMap::new(),
            diary: Vec::new(),
            lease: 0,
            house,
        };
        for person in 0..PEOPLE {
            let follows = first.get(person).copied().unwrap_or([Some(Weekly), Some(Daily), Some(Immediate)]);
            let wishes: Vec<(&str, Frequency)> =
                FEEDS.iter().zip(follows).filter_map(|(slug, f)| Some((*slug, f?))).collect();
            life.people.push(life.house.follow(&format!("p{person}@so.example.vn"), &wishes).await);
            life.follows.push(follows);
        }
        life
    }

    fn some(&self, n: usize) -> Option<usize> {
        (!self.papers.is_empty()).then(|| n % self.papers.len())
    }

    async fn small(&mut self, small: &Small) {
        match small {
            Small::Publish(first) if self.papers.len() < 15 => {
                let category = if *first { ORGANISATION } else { UNIONS };
                self.papers.push(self.house.publish(&id(self.papers.len()), category));
            }
            Small::Publish(_) => {}
            Small::Edit(n) => self.change(*n, |paper| paper.title.push_str(" (sửa)")),
            Small::Move(n) => self.change(*n, |paper| {
                let other = if paper.category == UNIONS { ORGANISATION } else { UNIONS };
                other.clone_into(&mut paper.category);
            }),
            Small::Hide(n) => {
                if let Some(n) = self.some(*n).filter(|n| !self.hidden.contains(n)) {
                    self.house.remove(&self.papers[n].id);
                    self.hidden.insert(n);
                }
            }
            Small::Show(n) => {
                let Some(n) = self.hidden.iter().nth(n % self.hidden.len().max(1)).copied() else { return };
                self.hidden.remove(&n);
                self.house.write(&self.papers[n]);
            }
            Small::Poll => self.poll().await,
            Small::FanOut => drop(self.house.fan_out.run().await.expect("a fan-out")),
            Small::Wish(person, feed, frequency) => {
                self.follows[*person][*feed] = *frequency;
                let wish = |(feed, f): (&i64, Option<Frequency>)| Some(Wish { feed_id: *feed, frequency: f? });
                let wishes: Vec<Wish> = self.feeds.iter().zip(self.follows[*person]).filter_map(wish).collect();
                let (store, now) = (&self.house.base.store, self.house.clock.now());
                store.set_wishes(self.people[*person], &wishes, Locale::Vi, now).await.expect("changed");
                self.forgive(*person);
            }
            Small::Leave(person, frequency) => {
                let link = Link::Unsubscribe(self.house.public(self.people[*person]).await, *frequency);
                let token = self.house.subscribe.keys().sign(link);
                self.house.subscribe.unsubscribe(&token).await.expect("left");
                for follows in self.follows[*person].iter_mut().filter(|f| **f == Some(*frequency)) {
                    *follows = None;
                }
                self.forgive(*person);
            }
        }
    }

    fn change(&mut self, n: usize, change: impl Fn(&mut Paper)) {
        let Some(n) = self.some(n) else { return };
        change(&mut self.papers[n]);
        if !self.hidden.contains(&n) {
            self.house.write(&self.papers[n]);
        }
    }

    /// A feed that is no longer followed owes nothing.
    fn forgive(&mut self, person: usize) {
        for ((_, _), feeds) in self.owed.iter_mut().filter(|((p, _), _)| *p == person) {
            feeds.retain(|f| self.follows[person][*f].is_some());
        }
    }

    async fn poll(&mut self) {
        self.house.pass(Duration::from_secs(1));
        self.house.poll().await;
        let now = self.house.clock.now();
        let public: Vec<usize> = (0..self.papers.len()).filter(|n| !self.hidden.contains(n)).collect();
        self.diary.push(format!("{} polled: public are {public:?}", now.millis()));
        for (n, paper) in self.papers.iter().enumerate() {
            if self.hidden.contains(&n) {
                self.seen.remove(&n);
                self.owed.retain(|(_, article), _| *article != n);
                continue;
            }
            if self.known.insert(n) && now.since(paper.published) < hours(7 * 24) {
                for (person, follows) in self.follows.iter().enumerate() {
                    let feeds = (0..3).filter(|f| follows[*f].is_some() && holds(*f, &paper.category)).collect();
                    self.owed.insert((person, n), feeds);
                }
            }
            for (_, feeds) in self.owed.iter_mut().filter(|((_, article), _)| *article == n) {
                feeds.retain(|f| holds(*f, &paper.category));
            }
            self.seen.insert(n, paper.category.clone());
        }
    }

    /// Claims and composes what is due in a lane: settle lines that say "sent" or "cancelled", and what each letter tells.
    async fn compose(&mut self, lane: Lane) -> Result<Vec<(Settle, Vec<Pair>)>, TestCaseError> {
        self.lease += 1;
        let (store, now) = (&self.house.base.store, self.house.clock.now());
        let claimed = store.claim(Channel::Email, lane, self.lease, now, now.plus(LEASE), 500).await.expect("a claim");
        let composed = self.composer.compose(&claimed).await.expect("composed");
        let mut lines = Vec::new();
        for (row, composed) in claimed.iter().zip(composed) {
            let mut line = Settle {
                id: row.id,
                lease: self.lease.to_string(),
                state: Settled::Sent,
                due_at: 0,
                untried: 0,
                cause: None,
                detail: String::new(),
                bounce: None,
            };
            let mut tells = Vec::new();
            match composed {
                Composed::Letter(letter) => {
                    let mut bytes = Vec::new();
                    letter.write(&mut bytes);
                    let letter = Letter::read(&bytes);
                    let person = self.people.iter().position(|p| *p == row.subscriber_id).expect("one of ours");
                    for article in 0..self.papers.len() {
                        let times = letter.tells(&id(article));
                        prop_assert!(times <= 1, "{} tells {} twice", letter.subject, id(article));
                        if times == 1 {
                            prop_assert!(self.seen.contains_key(&article), "{} was withdrawn", id(article));
                            tells.push((person, article));
                        }
                    }
                    prop_assert!(!tells.is_empty(), "a mail without news: {}", letter.text);
                }
                Composed::Cancel(why) => {
                    self.diary.push(format!("{} delivery {} cancelled: {why}", now.millis(), row.id));
                    (line.state, line.untried, line.detail) = (Settled::Cancelled, 1, why.to_owned());
                }
                Composed::Unmakeable(why) => prop_assert!(false, "cannot be made: {}", why),
            }
            lines.push((line, tells));
        }
        Ok(lines)
    }

    async fn send(&mut self, lane: Lane, arrives: bool, meanwhile: &[Small]) -> Result<usize, TestCaseError> {
        let mut lines = self.compose(lane).await?;
        for small in meanwhile {
            self.small(small).await;
        }
        let now = self.house.clock.now();
        for (line, tells) in &mut lines {
            if line.state == Settled::Sent && !arrives {
                (line.state, line.due_at, line.cause) =
                    (Settled::Pending, now.plus(Duration::from_mins(30)).millis(), Some("busy"));
            } else if line.state == Settled::Sent {
                for pair in std::mem::take(tells) {
                    self.diary.push(format!(
                        "{} delivery {} told p{} of {}",
                        now.millis(),
                        line.id,
                        pair.0,
                        id(pair.1)
                    ));
                    *self.told.entry(pair).or_default() += 1;
                }
            }
        }
        let lines: Vec<Settle> = lines.into_iter().map(|(line, _)| line).collect();
        let settled = self.house.base.store.settle(&lines, now).await;
        prop_assert!(settled.is_ok(), "{:?}", settled);
        Ok(lines.len())
    }

    async fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Small(small) => self.small(small).await,
            Step::Hours(n) => self.house.pass(hours(*n)),
            Step::Digests => drop(self.house.digests.run().await.expect("a run")),
            Step::Send(lane, arrives, meanwhile) => drop(self.send(*lane, *arrives, meanwhile).await?),
            Step::Crash(lane) => {
                self.compose(*lane).await?;
                // Before anything else, its lease ends.
                self.house.pass(LEASE);
            }
        }
        Ok(())
    }

    /// Lets nine quiet days pass, so that everything arrives.
    async fn end(&mut self) -> Result<(), TestCaseError> {
        self.poll().await;
        for _ in 0..9 {
            self.house.fan_out.run().await.expect("a fan-out");
            self.house.digests.run().await.expect("a run");
            for lane in Lane::ALL {
                while self.send(lane, true, &[]).await? > 0 {}
            }
            self.house.pass(hours(24));
        }
        Ok(())
    }

    fn judge(&self) -> Result<(), TestCaseError> {
        for ((person, article), times) in &self.told {
            prop_assert!(*times <= 1, "p{} was mailed {} {} times", person, id(*article), times);
        }
        for ((person, article), feeds) in self.owed.iter().filter(|(_, feeds)| !feeds.is_empty()) {
            let times = self.told.get(&(*person, *article)).copied().unwrap_or_default();
            let by: Vec<&str> = feeds.iter().map(|f| FEEDS[*f]).collect();
            prop_assert!(times == 1, "p{} was never told of {}, which {:?} held throughout", person, id(*article), by);
        }
        Ok(())
    }
}

/// So many lives from one seed; `LOA_TEST_LIVES` asks for more of them.
fn live(seed: u8, lives: u32) {
    let lives = std::env::var("LOA_TEST_LIVES").ok().and_then(|n| n.parse().ok()).unwrap_or(lives);
    let config = Config { cases: lives, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]));
    let (owed, told) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let result = runner.run(&prop::collection::vec(step(), STEPS..STEPS + 1), |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut life = Life::begin().await;
            for step in &steps {
                life.step(step).await?;
            }
            life.end().await?;
            owed.set(owed.get() + life.owed.values().filter(|feeds| !feeds.is_empty()).count());
            told.set(told.get() + life.told.len());
            let deliveries =
                "SELECT 'delivery', id, kind, state, 'to', subscriber_id, 'article', article_id, 'run', run_id,
                'set', set_id, 'without', left_out, created_at FROM delivery ORDER BY id";
            let deliveries = life.house.base.lines(deliveries).await;
            life.diary.extend(deliveries);
            let sets =
                life.house.base.lines("SELECT 'set', id, 'run', run_id, sections FROM digest_set ORDER BY id").await;
            life.diary.extend(sets);
            life.judge().map_err(|error| match error {
                TestCaseError::Fail(why) => TestCaseError::fail(format!("{why}\n{:#?}", life.diary)),
                TestCaseError::Reject(why) => TestCaseError::Reject(why),
            })
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // A walk in which nothing happens proves nothing.
    let lives = usize::try_from(lives).expect("few");
    assert!(owed.get() > lives * 3 && told.get() > lives * 5, "{} owed, {} told", owed.get(), told.get());
}

#[test]
fn whatever_happens_each_reader_is_told_of_each_article_once() {
    live(1, 20);
}

#[test]
fn whatever_else_happens_each_reader_is_told_of_each_article_once() {
    live(2, 20);
}
