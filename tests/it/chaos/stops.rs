//! Laws of an orderly stop, and of who may serve.

use std::time::Duration;

use super::{FANNED_OUT, Moment, PEOPLE, Stage};
use crate::support::binary::LONG;

/// A stop waits for the mails on their way and for requests under way: seconds, never a minute.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn sigterm_ends_it_within_seconds_and_nothing_is_lost_or_sent_twice() {
    let mut stage = Stage::set(None, &[], "immediate");
    for (moment, signal) in
        [(Moment::Mail(50), "TERM"), (Moment::Found, "TERM"), (Moment::Webhook(3), "INT"), (Moment::Mail(1), "TERM")]
    {
        let running = stage.place.serve("loa.toml");
        let title = moment.publish(&mut stage, &running);
        let (code, took, log) = running.stop(signal);
        assert_eq!(code, 0, "{log}");
        assert!(took < SOON, "it took {took:?} to stop:\n{log}");
        assert!(log.contains("loa has stopped"), "{log}");
        assert!(!log.contains("ERROR"), "an orderly stop is no fault:\n{log}");
        let running = stage.place.serve("loa.toml");
        let rest = stage.wait_for_all(&title, LONG);
        eprintln!("stopped at {moment:?} within {took:.1?}; the rest came {rest:.1?} after the next start");
        running.terminate();
    }
    assert_eq!(stage.judge(0), (0, 0), "after an orderly stop nothing comes again");
}

#[test]
fn a_second_service_on_the_same_file_says_who_is_in_the_way_and_the_first_goes_on() {
    let mut stage = Stage::set(None, &[], "immediate");
    let first = stage.place.serve("loa.toml");
    stage
        .place
        .write("second.toml", stage.place.read("loa.toml").replace("listen = \"127.0.0.1:", "listen = \"127.0.0.3:"));
    let told = stage.place.bare(&["--config", "second.toml", "serve"]).refused();
    assert!(told.contains("loa.db") && told.contains("PostgreSQL"), "{told}");
    assert!(told.contains(&format!("process {}", first.pid())), "{told}");
    let title = stage.publish();
    stage.wait_for_all(&title, LONG);
    assert_eq!(first.count(FANNED_OUT), 1);
    assert_eq!(stage.ledger.people_with(&title), PEOPLE);
    first.terminate();
    assert_eq!(stage.judge(0), (0, 0));
}
