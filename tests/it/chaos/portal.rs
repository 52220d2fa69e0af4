//! Laws of a portal's database: killed in the middle of its polls, over a slow wire, it tells each change once and
//! nothing that no visitor could see.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use loa::clock::Clock;
use loa::store::endpoint::NewEndpoint;
use loa::store::engine::Store;
use url::Url;

use super::ledger::Ledger;
use super::receiver::Receiver;
use super::{Chance, block_on};
use crate::sources::joomla::Portal;
use crate::support::binary::{ALL_FEED, LONG, Place, config};
use crate::support::databases::Engine;
use crate::support::smtp_server::SmtpServer;

/// People who follow everything.
const PEOPLE: usize = 10;

/// Endpoints that follow it.
const ENDPOINTS: usize = 2;

/// What each answer of the portal's database takes longer on its way: a poll is in the middle of something nearly always.
const SLOW: Duration = Duration::from_millis(25);

#[test]
fn killed_in_the_middle_of_polls_it_tells_each_change_of_a_joomla_on_mariadb_once() {
    live(Engine::MariaDb);
}

#[test]
fn killed_in_the_middle_of_polls_it_tells_each_change_of_a_joomla_on_postgresql_once() {
    live(Engine::Postgres);
}

/// One change that an editor makes, and the event that each endpoint gets of it.
struct Edit {
    sql: String,
    event: &'static str,
    title: String,
    /// Whether people get a mail of it.
    mail: bool,
}

fn live(engine: Engine) {
    let Some(portal) = block_on(Portal::new(5, engine, "killed_in_the_middle_of_polls")) else { return };
    let run = |sql: &str| block_on(portal.run(sql));
    // One old article is public; the others never are, whatever is killed when.
    run("UPDATE #__content SET state = 0, title = 'Tuyệt mật' WHERE id <> 119");
    run("UPDATE #__content SET publish_up = '2020-01-01 00:00:00', publish_down = NULL WHERE id = 119");
    let (relay, receiver) = (block_on_kept(SmtpServer::start()), Receiver::start(ENDPOINTS));
    let place = Place::new();
    let store = format!("sqlite://{}", place.path("loa.db").display());
    let source = format!(
        "kind = \"joomla\"\nurl = \"{}\"\nsite_url = \"https://portal.example.vn\"\nprefix = \"{}\"",
        slow(&portal.db.url),
        portal.prefix
    );
    let text = config(&store, &relay.1.url(), 4);
    place.write("loa.toml", text.replace("kind = \"folder\"", &source).replace("path = \"articles\"\n", ""));
    place.write("feeds/tat-ca.toml", ALL_FEED);
    let told = place.run(&["poll"]).well();
    assert!(told.contains("1 taken over silently"), "{told}");
    follow(&place, &store, &receiver);

    let chance = Chance(Clock::system());
    let mut expected: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut mails = BTreeSet::new();
    let mut ledger = Ledger::default();
    let mut running = place.serve("loa.toml");
    for round in 0..4 {
        for edit in edits(round) {
            run(&edit.sql);
            std::thread::sleep(chance.up_to(Duration::from_millis(1_200)));
            running.kill();
            running = place.serve("loa.toml");
            if chance.below(2) == 0 {
                std::thread::sleep(chance.up_to(Duration::from_millis(700)));
                running.kill();
                running = place.serve("loa.toml");
            }
            let of = |n: usize, events: &[super::receiver::Event]| {
                let same = events.iter().filter(|e| e.endpoint == n && e.kind == edit.event && e.title == edit.title);
                same.map(|e| e.id.clone()).collect::<BTreeSet<_>>().len()
            };
            let wanted = expected.entry((edit.title.clone(), edit.event)).or_default();
            *wanted += 1;
            let (wanted, what) = (*wanted, format!("{} of {}", edit.event, edit.title));
            receiver.wait_until(LONG, &what, |events| (0..ENDPOINTS).all(|n| of(n, events) >= wanted));
            if edit.mail {
                mails.insert(edit.title.clone());
                let until = std::time::Instant::now() + LONG;
                while ledger.people_with(&edit.title) < PEOPLE {
                    assert!(std::time::Instant::now() < until, "no mail of {} for all", edit.title);
                    std::thread::sleep(Duration::from_millis(20));
                    ledger.read(&relay.1);
                }
            }
        }
    }
    running.terminate();

    ledger.read(&relay.1);
    ledger.repeated_mails(PEOPLE * mails.len());
    let events = receiver.events();
    for endpoint in 0..ENDPOINTS {
        let mut came: BTreeMap<(String, &str), BTreeSet<&str>> = BTreeMap::new();
        for event in events.iter().filter(|event| event.endpoint == endpoint) {
            came.entry((event.title.clone(), event.kind.as_str())).or_default().insert(&event.id);
        }
        let came: BTreeMap<_, _> = came.into_iter().map(|(event, ids)| (event, ids.len())).collect();
        assert_eq!(came, expected, "each change is one event under one id, and there are no others");
    }
}

/// What an editor does with one article, as Joomla's lists and forms do it.
fn edits(round: usize) -> Vec<Edit> {
    let id = 5_000 + round;
    let title = format!("Bai {round:03}");
    let now = Clock::system().now().minus(Duration::from_mins(1));
    let up = now.in_zone(&jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let edit = |sql: String, event, title: &str, mail| Edit { sql, event, title: title.to_owned(), mail };
    let insert = format!(
        "CREATE TABLE one AS SELECT * FROM #__content WHERE id = 119; \
         UPDATE one SET id = {id}, title = '{title}', alias = 'bai-{id}', publish_up = '{up}', created = '{up}'; \
         INSERT INTO #__content SELECT * FROM one; DROP TABLE one;"
    );
    let better = format!("{title}, sửa");
    vec![
        edit(insert, "article.published", &title, true),
        edit(format!("UPDATE #__content SET title = '{better}' WHERE id = {id}"), "article.revised", &better, false),
        edit(format!("UPDATE #__content SET state = 0 WHERE id = {id}"), "article.withdrawn", &better, false),
        edit(format!("UPDATE #__content SET state = 1 WHERE id = {id}"), "article.published", &better, false),
        edit(format!("DELETE FROM #__content WHERE id = {id}"), "article.withdrawn", &better, false),
    ]
}

fn follow(place: &Place, store: &str, receiver: &Receiver) {
    let people: Vec<_> = (0..PEOPLE).map(|n| format!("nguoi-{n}@so.example.vn,tat-ca,immediate,vi")).collect();
    place.write("people.csv", format!("email,feeds,frequency,locale\n{}\n", people.join("\n")));
    place.run(&["subscribers", "import", "people.csv"]).well();
    block_on(async {
        let store = Store::open(store).await.expect("the database opens");
        let feeds = store.feeds().await.expect("feeds are there");
        let feed = feeds.iter().find(|feed| feed.spec.slug == "tat-ca").expect("the feed was declared").id;
        for (n, (url, secret)) in receiver.endpoints().iter().enumerate() {
            let (public_id, name) = (format!("ep_{n}"), format!("Cổng {n}"));
            let new = NewEndpoint { public_id: &public_id, name: &name, url, secret, feeds: &[feed] };
            store.add_endpoint(&new, Clock::system().now()).await.expect("an endpoint is added");
        }
        store.close().await;
    });
}

/// What waits on a runtime, with the runtime that it lives on.
fn block_on_kept<T>(future: impl Future<Output = T>) -> (tokio::runtime::Runtime, T) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("it starts");
    let value = runtime.block_on(future);
    (runtime, value)
}

/// The database's address through a wire on which each answer takes [`SLOW`] longer. Its threads end with the process.
fn slow(url: &str) -> String {
    let mut url = Url::parse(url).expect("an address");
    let server = (url.host_str().expect("a host").to_owned(), url.port().expect("a port"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address: SocketAddr = listener.local_addr().expect("a listener has an address");
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = TcpStream::connect(&server) else { continue };
            let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { continue };
            std::thread::spawn(move || pass(near, far, Duration::ZERO));
            std::thread::spawn(move || pass(far_too, near_too, SLOW));
        }
    });
    url.set_port(Some(address.port())).expect("an address with a host");
    url.into()
}

fn pass(mut from: TcpStream, mut to: TcpStream, pause: Duration) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(n) = from.read(&mut bytes) {
        std::thread::sleep(pause);
        if n == 0 || to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}
