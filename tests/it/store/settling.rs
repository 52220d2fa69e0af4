//! Laws of settling, and of what a sweep may drop.

use loa::domain::article::ChangeKind;
use loa::domain::delivery::{Channel, Lane};
use loa::domain::subscriber::Frequency::Immediate;
use loa::store::delivery::{Claimed, Settle, Settled};
use loa::store::opt_in::Request;

use super::given::{
    address, apply, claim, claim_of, fan_out, feeds, line, person, publish, settle, t, upsert, wishes, withdraw,
};
use crate::support::house::base::Base;
use crate::support::house::laws;
use loa::domain::subscriber::Locale;

laws! {
    a_settle_under_a_stale_lease_changes_nothing,
    sent_wins_over_a_cancel_that_came_meanwhile,
    every_other_end_leaves_a_cancelled_mail_cancelled,
    a_put_back_does_not_count_as_a_try,
    each_failed_try_is_kept_and_a_sent_one_is_not,
    a_group_settles_its_rows_and_no_others,
    a_reply_with_any_characters_settles,
    a_sweep_keeps_what_prevents_a_second_mail,
}

/// Mails of one article to so many people, claimed under lease 1 at second 1.
async fn on_their_way(base: &Base, people: usize) -> Vec<Claimed> {
    let [a] = feeds(&base.store, ["a"]).await;
    for n in 0..people {
        person(&base.store, &format!("p{n}@so.example.vn"), &[(a, Immediate)], t(0)).await;
    }
    publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    claim(&base.store, 1, t(1), 99).await
}

const STATES: &str = "SELECT state, attempts, cause, detail FROM delivery ORDER BY id";

async fn a_settle_under_a_stale_lease_changes_nothing(base: Base) {
    let id = on_their_way(&base, 1).await[0].id;
    assert_eq!(claim(&base.store, 2, t(61), 9).await.len(), 1);
    for state in [Settled::Sent, Settled::Dead, Settled::Pending, Settled::Cancelled] {
        assert_eq!(settle(&base.store, id, 1, state, t(62)).await, 0);
    }
    assert_eq!(base.lines(STATES).await, ["pending 2 - -"]);
    assert_eq!(settle(&base.store, id, 2, Settled::Sent, t(63)).await, 1);
    assert_eq!(settle(&base.store, id, 2, Settled::Dead, t(64)).await, 0, "a lease settles once");
    assert_eq!(base.lines(STATES).await, ["sent 2 - "]);
}

async fn sent_wins_over_a_cancel_that_came_meanwhile(base: Base) {
    let claimed = on_their_way(&base, 1).await.remove(0);
    withdraw(&base.store, claimed.article_id.expect("one"), t(2)).await;
    assert_eq!(base.lines(STATES).await, ["cancelled 1 withdrawn -"]);
    assert_eq!(settle(&base.store, claimed.id, 1, Settled::Sent, t(3)).await, 1);
    assert_eq!(base.lines(STATES).await, ["sent 1 - "]);
    // So that it is never mailed again, should it come back.
    let [a] = feeds(&base.store, ["a"]).await;
    apply(&base.store, vec![upsert("x", &[a], Some(ChangeKind::Published), t(4))], t(4)).await;
    assert_eq!(fan_out(&base.store, t(4)).await, 0);
}

async fn every_other_end_leaves_a_cancelled_mail_cancelled(base: Base) {
    let claimed = on_their_way(&base, 3).await;
    withdraw(&base.store, claimed[0].article_id.expect("one"), t(2)).await;
    let ends = [Settled::Pending, Settled::Dead, Settled::Cancelled];
    for (row, state) in claimed.iter().zip(ends) {
        let line = Settle { due_at: t(3).millis(), cause: Some("busy"), ..line(row.id, 1, state) };
        assert_eq!(base.store.settle(&[line], t(3)).await.expect("settled"), 1);
    }
    let states = base.lines("SELECT state, cause, settled_at IS NULL FROM delivery").await;
    assert!(states.iter().all(|s| s.starts_with("cancelled withdrawn") && !s.ends_with(['1', 't'])), "{states:?}");
    assert!(claim(&base.store, 2, t(99), 9).await.is_empty());
    assert_eq!(base.store.sweep_deliveries(t(99)).await.expect("swept"), 3, "so that its record ends like any other's");
}

async fn a_put_back_does_not_count_as_a_try(base: Base) {
    let id = on_their_way(&base, 1).await[0].id;
    let back = Settle { due_at: t(9).millis(), untried: 1, ..line(id, 1, Settled::Pending) };
    assert_eq!(base.store.settle(&[back], t(2)).await.expect("settled"), 1);
    assert_eq!(
        base.lines("SELECT attempts, due_at, lease, settled_at FROM delivery").await,
        [format!("0 {} - -", t(9).millis())]
    );
    assert_eq!(base.number("SELECT count(*) FROM attempt").await, 0);
    assert!(claim(&base.store, 2, t(8), 9).await.is_empty());
    assert_eq!(claim(&base.store, 2, t(9), 9).await[0].attempts, 1);
}

async fn each_failed_try_is_kept_and_a_sent_one_is_not(base: Base) {
    let id = on_their_way(&base, 1).await[0].id;
    let retry = Settle {
        due_at: t(9).millis(),
        cause: Some("in_doubt"),
        detail: "no answer after the final dot".to_owned(),
        ..line(id, 1, Settled::Pending)
    };
    base.store.settle(&[retry], t(2)).await.expect("settled");
    claim(&base.store, 2, t(9), 9).await;
    settle(&base.store, id, 2, Settled::Sent, t(10)).await;
    let tries = base.lines("SELECT delivery_id, at, cause, detail FROM attempt").await;
    assert_eq!(tries, [format!("{id} {} in_doubt no answer after the final dot", t(2).millis())]);
    assert_eq!(
        base.lines("SELECT state, attempts, settled_at FROM delivery").await,
        [format!("sent 2 {}", t(10).millis())]
    );
}

async fn a_group_settles_its_rows_and_no_others(base: Base) {
    let claimed = on_their_way(&base, 5).await;
    let mut lines: Vec<Settle> = claimed.iter().take(4).map(|c| line(c.id, 1, Settled::Sent)).collect();
    lines[1].state = Settled::Dead;
    lines[2] = Settle { due_at: t(50).millis(), ..line(claimed[2].id, 1, Settled::Pending) };
    lines[3].lease = i64::MIN.to_string();
    assert_eq!(base.store.settle(&lines, t(2)).await.expect("settled"), 3);
    let states = base.lines("SELECT state, due_at FROM delivery ORDER BY id").await;
    let until = t(61).millis();
    assert_eq!(states[2], format!("pending {}", t(50).millis()));
    assert_eq!(states[3..], [format!("pending {until}"), format!("pending {until}")]);
    assert!(states[0].starts_with("sent") && states[1].starts_with("dead"), "{states:?}");
    assert_eq!(base.store.settle(&[], t(3)).await.expect("nothing to do"), 0);
}

async fn a_reply_with_any_characters_settles(base: Base) {
    let claimed = on_their_way(&base, 3).await;
    let replies = ["250 ok\0\u{1}\u{7f}", "\\u0000 \"quoted\" \\", "\u{fffe}🇻🇳\r\n"];
    let lines: Vec<Settle> = claimed
        .iter()
        .zip(replies)
        .map(|(c, reply)| Settle { detail: reply.to_owned(), ..line(c.id, 1, Settled::Sent) })
        .collect();
    assert_eq!(base.store.settle(&lines, t(2)).await.expect("one odd reply must not keep a group from settling"), 3);
    let kept = base.rows("SELECT detail FROM delivery ORDER BY id").await;
    assert_eq!(kept[1][0].as_deref(), Some(replies[1]));
}

async fn a_sweep_keeps_what_prevents_a_second_mail(base: Base) {
    let claimed = on_their_way(&base, 4).await;
    let [a] = feeds(&base.store, ["a"]).await;
    settle(&base.store, claimed[0].id, 1, Settled::Sent, t(2)).await;
    settle(&base.store, claimed[1].id, 1, Settled::Dead, t(2)).await;
    settle(&base.store, claimed[2].id, 1, Settled::Cancelled, t(2)).await;
    let (email, wanted) = (address("q@so.example.vn"), wishes(&[(a, Immediate)]));
    let request = Request::new(&email, &wanted, Locale::Vi, "form", super::given::chance());
    base.store.request_opt_in(&request, t(2)).await.expect("asked");
    let confirm = claim_of(&base.store, Channel::Email, Lane::Transactional, 3, t(2), 9).await[0].id;
    settle(&base.store, confirm, 3, Settled::Sent, t(3)).await;
    assert_eq!(base.store.sweep_deliveries(t(2)).await.expect("swept"), 0, "nothing is old enough");
    assert_eq!(base.store.sweep_deliveries(t(100)).await.expect("swept"), 3);
    assert_eq!(base.lines("SELECT state FROM delivery ORDER BY id").await, ["sent", "pending"]);
    assert_eq!(base.number("SELECT count(*) FROM attempt").await, 0);
    let x = claimed[0].article_id.expect("one");
    withdraw(&base.store, x, t(101)).await;
    apply(&base.store, vec![upsert("x", &[a], Some(ChangeKind::Published), t(102))], t(102)).await;
    fan_out(&base.store, t(102)).await;
    let of_first = format!("SELECT count(*) FROM delivery WHERE subscriber_id = {}", claimed[0].subscriber_id);
    assert_eq!(base.number(&of_first).await, 1, "who had the mail gets no second one");
}
