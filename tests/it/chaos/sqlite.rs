//! Laws of one machine: killed and started again, twelve times.

use std::time::Duration;

use super::{Moment, PEOPLE, Stage};
use crate::support::binary::LONG;

#[test]
fn killed_at_any_moment_and_started_again_it_loses_nothing_and_repeats_only_what_was_on_its_way() {
    let mut stage = Stage::set(None, &[], "immediate");
    let some = |stage: &Stage, n| 1 + stage.chance.below(n);
    let moments = [
        Moment::Found,
        Moment::Mail(1),
        Moment::Webhook(1),
        Moment::After(stage.chance.up_to(Duration::from_millis(1_200))),
        Moment::Mail(some(&stage, PEOPLE - 1)),
        Moment::After(Duration::ZERO),
        Moment::Webhook(some(&stage, 11)),
        Moment::Mail(some(&stage, PEOPLE - 1)),
        Moment::Found,
        Moment::After(stage.chance.up_to(Duration::from_millis(2_500))),
        Moment::Mail(PEOPLE - 1),
        Moment::Mail(some(&stage, PEOPLE - 1)),
    ];
    let mut running = stage.place.serve("loa.toml");
    let mut kills = 0;
    for (round, moment) in moments.into_iter().enumerate() {
        let title = moment.publish(&mut stage, &running);
        running.kill();
        kills += 1;
        if round % 4 == 3 {
            // Cut off once more while it catches up.
            running = stage.place.serve("loa.toml");
            std::thread::sleep(stage.chance.up_to(Duration::from_millis(900)));
            running.kill();
            kills += 1;
        }
        running = stage.place.serve("loa.toml");
        let rest = stage.wait_for_all(&title, LONG);
        eprintln!("round {round}: killed at {moment:?}; the rest came {rest:.1?} after the start");
    }
    running.terminate();
    let (mails, webhooks) = stage.judge(kills);
    eprintln!("{kills} kills: {mails} mails and {webhooks} webhooks came again, each under its id");
}
