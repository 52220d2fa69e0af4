//! Laws of several replicas on one PostgreSQL.

use std::time::{Duration, Instant};

use super::{FOUND, Moment, PEOPLE, Stage, block_on};
use crate::support::binary::{LONG, Running};
use crate::support::databases;

/// Both replicas of a stage.
const BOTH: [&str; 2] = ["a.toml", "b.toml"];

#[test]
fn of_two_replicas_one_is_killed_and_the_other_finishes_its_work_before_its_leases_end() {
    let test = "of_two_replicas_one_is_killed_and_the_other_finishes_its_work_before_its_leases_end";
    let Some(db) = block_on(databases::postgres(test)) else { return };
    let mut stage = Stage::set(Some(&db.url), &BOTH, "immediate");
    let moments = [
        Moment::Mail(1),
        Moment::Webhook(1),
        Moment::Mail(1 + stage.chance.below(PEOPLE - 1)),
        Moment::After(stage.chance.up_to(Duration::from_millis(1_500))),
        Moment::Mail(1 + stage.chance.below(PEOPLE - 1)),
        Moment::Mail(PEOPLE / 2),
    ];
    let mut replicas: [Running; 2] = BOTH.map(|name| stage.place.serve(name));
    for (round, moment) in moments.into_iter().enumerate() {
        let killed = round % 2;
        let title = moment.publish(&mut stage, &replicas[killed]);
        let [a, b] = replicas;
        let (dead, alive) = if killed == 0 { (a, b) } else { (b, a) };
        dead.kill();
        // A claim lasts a minute; a vanished holder is noticed within a few beats.
        let rest = stage.wait_for_all(&title, Duration::from_secs(40));
        eprintln!("round {round}: one of two was killed at {moment:?}; the rest came within {rest:.1?}");
        let again = stage.place.serve(BOTH[killed]);
        replicas = if killed == 0 { [again, alive] } else { [alive, again] };
    }
    for replica in replicas {
        replica.terminate();
    }
    let (mails, webhooks) = stage.judge(moments.len());
    eprintln!("{} kills: {mails} mails and {webhooks} webhooks came again, each under its id", moments.len());
}

#[test]
fn two_replicas_share_the_work_and_nothing_is_done_twice() {
    let test = "two_replicas_share_the_work_and_nothing_is_done_twice";
    let Some(db) = block_on(databases::postgres(test)) else { return };
    let mut stage = Stage::set(Some(&db.url), &BOTH, "immediate");
    let begun = Instant::now();
    let replicas = BOTH.map(|name| stage.place.serve(name));
    for _ in 0..3 {
        let title = stage.publish();
        stage.wait_for_all(&title, LONG);
    }
    let [a, b] = replicas.map(Running::terminate);
    assert_eq!(stage.judge(0), (0, 0), "without a kill nothing comes again");
    let both = |text: &str| a.matches(text).count() + b.matches(text).count();
    assert_eq!(both(FOUND), 3, "each article is found once");
    // One poll a second, whoever makes it; a beat that is late by a second may be one more.
    let (polls, seconds) = (both("polled source"), usize::try_from(begun.elapsed().as_secs()).expect("few") + 1);
    assert!(polls > 3 && polls <= seconds + 2, "{polls} polls in {seconds} seconds");
}

#[test]
fn a_replica_that_stood_still_until_another_took_its_work_over_does_not_send_it_again() {
    let test = "a_replica_that_stood_still_until_another_took_its_work_over_does_not_send_it_again";
    let Some(db) = block_on(databases::postgres(test)) else { return };
    let mut stage = Stage::set(Some(&db.url), &BOTH, "immediate");
    let sleeper = stage.place.serve(BOTH[0]);
    let title = Moment::Mail(40).publish(&mut stage, &sleeper);
    sleeper.signal("STOP");
    let other = stage.place.serve(BOTH[1]);
    let rest = stage.wait_for_all(&title, Duration::from_secs(40));
    let before = stage.relay.taken();
    sleeper.signal("CONT");
    sleeper.wait_line("this replica stood still", LONG);
    // It works again: what comes now is shared, and found once.
    let title = stage.publish();
    stage.wait_for_all(&title, LONG);
    eprintln!("the rest came within {rest:.1?}; {} mails after it woke up", stage.relay.taken() - before);
    sleeper.terminate();
    other.terminate();
    // As much again as a kill: what waited behind each busy connection goes out too when it wakes up.
    let (mails, webhooks) = stage.judge(2);
    eprintln!("{mails} mails and {webhooks} webhooks came again, each under its id");
}
