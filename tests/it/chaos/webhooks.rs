//! Laws of webhooks under power cuts: many events on their way to many endpoints, the program killed at any moment. Each
//! endpoint gets every event, numbered without a gap, under one id; only what was on its way comes twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loa::clock::Clock;
use loa::store::endpoint::NewEndpoint;
use loa::store::engine::Store;

use super::receiver::Receiver;
use super::{Chance, block_on};
use crate::support::binary::{ALL_FEED, LONG, Place, config};

/// Endpoints; each takes four milliseconds longer over an event than the one before it.
const ENDPOINTS: usize = 8;

/// Articles of a round.
const ARTICLES: usize = 25;

/// Rounds, each with a kill in the middle of its posts.
const ROUNDS: usize = 8;

/// Calls to one machine at a time, at most, and what was answered while a group of settles waited for its commit.
const MOST_REPEATED: usize = 64 + 64;

#[test]
fn killed_in_the_middle_of_many_posts_each_endpoint_has_every_event_and_only_what_was_on_its_way_twice() {
    let (place, receiver) = (Place::new(), Receiver::start(ENDPOINTS));
    let store = format!("sqlite://{}", place.path("loa.db").display());
    // Articles of several rounds may come in one poll, which is no flood here.
    place.write("loa.toml", config(&store, "", 1) + "\n[ingest]\nmax_new = 1000\n");
    place.write("feeds/tat-ca.toml", ALL_FEED);
    place.article("bai-0", "Bai 000");
    place.run(&["poll"]).well();
    block_on(async {
        let store = Store::open(&store).await.expect("the database opens");
        let feeds = store.feeds().await.expect("feeds are there");
        let feed = feeds.iter().find(|feed| feed.spec.slug == "tat-ca").expect("the feed was declared").id;
        for (n, (url, secret)) in receiver.endpoints().iter().enumerate() {
            let (public_id, name) = (format!("ep_{n}"), format!("Cổng {n}"));
            let new = NewEndpoint { public_id: &public_id, name: &name, url, secret, feeds: &[feed] };
            store.add_endpoint(&new, Clock::system().now()).await.expect("an endpoint is added");
        }
        store.close().await;
    });
    let chance = Chance(Clock::system());
    let mut running = place.serve("loa.toml");
    let mut kills = 0;
    for round in 0..ROUNDS {
        for n in 0..ARTICLES {
            place.article(&format!("bai-{round}-{n}"), &format!("Bai {round}.{n:02}"));
        }
        let before = receiver.events().len();
        let posts = 1 + chance.below(ENDPOINTS * ARTICLES - 1);
        receiver.wait_until(LONG, "some posts", |events| events.len() >= before + posts);
        running.kill();
        kills += 1;
        running = place.serve("loa.toml");
        if round % 3 == 0 {
            // Cut off once more while it catches up.
            std::thread::sleep(chance.up_to(Duration::from_millis(600)));
            running.kill();
            kills += 1;
            running = place.serve("loa.toml");
        }
    }
    let all = ENDPOINTS * ARTICLES * ROUNDS;
    receiver.wait_until(LONG, "every event at every endpoint", |events| {
        let different: BTreeSet<_> = events.iter().map(|event| (event.endpoint, &event.id)).collect();
        different.len() == all
    });
    running.terminate();

    let events = receiver.events();
    for endpoint in 0..ENDPOINTS {
        let mut numbers: BTreeMap<i64, BTreeSet<(&str, &str)>> = BTreeMap::new();
        for event in events.iter().filter(|event| event.endpoint == endpoint) {
            numbers.entry(event.seq).or_default().insert((&event.id, &event.title));
        }
        let last = i64::try_from(ARTICLES * ROUNDS).expect("few");
        assert!(numbers.keys().copied().eq(1..=last), "{endpoint} has no gap: {:?}", numbers.keys());
        assert!(numbers.values().all(|same| same.len() == 1), "{endpoint}: one event a number: {numbers:?}");
    }
    let repeated = events.len() - all;
    assert!(repeated <= kills * MOST_REPEATED, "{repeated} posts came again after {kills} kills");
    eprintln!("{kills} kills among {all} posts: {repeated} came again, each under its id and number");
}
