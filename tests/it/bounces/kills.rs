//! The real service, killed while mails come back.

use std::fs;
use std::time::Duration;

use super::given::fixture;
use crate::support::binary::{ALL_FEED, LONG, Place, config};
use crate::support::smtp_server::SmtpServer;

const PEOPLE: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_every_report_is_written_once_and_none_is_lost() {
    let relay = SmtpServer::start().await;
    let place = Place::new();
    place.write("feeds/tat-ca.toml", ALL_FEED);
    place.article("cu", "Tin cũ");
    let settings = format!(
        "{}\n[bounce]\naddress = \"bounces+{{token}}@bantin.example.vn\"\nmaildir = \"bounces\"\n",
        config("sqlite://loa.db", &relay.url(), 4)
    );
    place.write("loa.toml", &settings);
    let told = place.run(&["poll"]).well();
    assert!(told.contains("1 taken over silently"), "{told}");
    let rows = (0..PEOPLE).map(|n| format!("p{n}@d{n}.example.vn,tat-ca,immediate\n")).collect::<Vec<_>>().concat();
    place.write("people.csv", format!("email,feeds,frequency\n{rows}"));
    place.run(&["subscribers", "import", "people.csv"]).well();
    let mut running = place.serve("loa.toml");
    place.article("moi", "Tin mới");
    let mails = relay.wait_for(PEOPLE, LONG).await;
    for (n, mail) in mails.iter().enumerate() {
        // Every report twice, as by a server that was cut off as well.
        for copy in ["a", "b"] {
            let report = fixture("postfix-no-such-user", &mail.from, &mail.from);
            place.write(&format!("bounces/tmp/{n}{copy}"), report);
            fs::rename(place.path(&format!("bounces/tmp/{n}{copy}")), place.path(&format!("bounces/new/{n}{copy}")))
                .expect("delivered");
        }
    }
    let waiting = || fs::read_dir(place.path("bounces/new")).expect("read").count();
    for round in 0..200_u64 {
        if waiting() == 0 {
            break;
        }
        // It looks at its start; cut off somewhere behind that, each time elsewhere.
        std::thread::sleep(Duration::from_millis(20 + round * 37 % 400));
        running.kill();
        running = place.serve("loa.toml");
        running.wait_line("loa serves at", LONG);
    }
    assert_eq!(waiting(), 0, "all were dealt with");
    running.terminate();
    let url = format!("sqlite://{}", place.path("loa.db").display());
    let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.expect("a database");
    let kept: (i64, i64) =
        sqlx::query_as("SELECT count(*), count(DISTINCT delivery_id) FROM bounce WHERE kind = 'report'")
            .fetch_one(&mut connection)
            .await
            .expect("read");
    let people = i64::try_from(PEOPLE).expect("few");
    assert_eq!(kept, (people, people));
    assert_eq!(fs::read_dir(place.path("bounces/cur")).expect("read").count(), PEOPLE * 2);
}
