//! Laws of claiming.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use loa::domain::delivery::{Channel, Lane};
use loa::domain::subscriber::EndReason;
use loa::domain::subscriber::Frequency::Immediate;

use super::given::{apply, claim, claim_of, endpoint, fan_out, feeds, person, publish, t, upsert, wishes, withdraw};
use crate::support::house::base::Base;
use crate::support::house::laws;
use loa::domain::article::ChangeKind;
use loa::domain::subscriber::Locale;

laws! {
    eight_claimers_take_two_thousand_rows_and_each_row_once,
    a_claim_hides_the_row_until_its_lease_ends,
    an_extended_claim_stays_hidden,
    the_longest_waiting_are_claimed_first_and_each_lane_and_channel_by_itself,
    a_claim_knows_who_follows_what_at_that_moment,
    the_next_due_moment_is_known,
}

async fn eight_claimers_take_two_thousand_rows_and_each_row_once(base: Base) {
    base.rows("INSERT INTO subscriber (kind, locale, created_at) VALUES ('person', 'vi', 0)").await;
    let due = t(1).millis();
    base.rows(&format!(
        "INSERT INTO delivery (lane, channel, kind, state, subscriber_id, opt_in_id, due_at, created_at)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         SELECT 'transactional', 'email', 'confirm', 'pending', 1, i, {due}, {due} FROM n"
    ))
    .await;
    let other = base.another().await;
    let claimer = |n: i64| {
        let store = if n % 2 == 0 { base.store.clone() } else { other.clone() };
        tokio::spawn(async move {
            let mut taken = Vec::new();
            for round in 0.. {
                let lease = n * 1000 + round;
                let rows = claim_of(&store, Channel::Email, Lane::Transactional, lease, t(2), 37).await;
                if rows.is_empty() {
                    return taken;
                }
                assert!(rows.len() <= 37 && rows.iter().all(|r| r.attempts == 1));
                taken.extend(rows.iter().map(|r| r.id));
            }
            taken
        })
    };
    let taken: Vec<i64> = join_all((0..8).map(claimer)).await.into_iter().flat_map(|t| t.expect("no panic")).collect();
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 2000);
    assert_eq!(taken.len(), 2000, "a row was given twice");
}

async fn a_claim_hides_the_row_until_its_lease_ends(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    assert!(claim(&base.store, 1, t(0), 9).await.is_empty(), "it is not due yet");
    let first = claim(&base.store, 1, t(1), 9).await;
    assert_eq!((first.len(), first[0].attempts, first[0].email.as_deref()), (1, 1, Some("an@so.example.vn")));
    assert!(claim(&base.store, 2, t(60), 9).await.is_empty());
    let second = claim(&base.store, 2, t(61), 9).await;
    assert_eq!((second.len(), second[0].id, second[0].attempts), (1, first[0].id, 2));
    assert_eq!(second[0].created_at, first[0].created_at, "the mail's date stays");
}

async fn an_extended_claim_stays_hidden(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    let id = claim(&base.store, 1, t(1), 9).await[0].id;
    assert_eq!(base.store.extend(2, &[id], t(500)).await.expect("done"), 0, "not by another's token");
    assert_eq!(base.store.extend(1, &[id + 1], t(500)).await.expect("done"), 0);
    assert_eq!(base.store.extend(1, &[id, id + 1], t(500)).await.expect("done"), 1);
    assert!(claim(&base.store, 3, t(499), 9).await.is_empty());
    assert_eq!(claim(&base.store, 3, t(500), 9).await.len(), 1);
}

async fn the_longest_waiting_are_claimed_first_and_each_lane_and_channel_by_itself(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    endpoint(&base.store, "ep_1", &[a], t(0)).await;
    let mut articles = Vec::new();
    for n in 1..=3 {
        articles.push(publish(&base.store, &format!("x{n}"), &[a], t(n)).await);
        fan_out(&base.store, t(10 - n)).await;
    }
    articles.reverse();
    let first = claim(&base.store, 1, t(20), 2).await;
    assert_eq!(
        first.iter().map(|c| c.article_id.expect("one")).collect::<BTreeSet<_>>(),
        articles[..2].iter().copied().collect()
    );
    assert_eq!(claim(&base.store, 2, t(20), 9).await.len(), 1);
    assert!(claim_of(&base.store, Channel::Email, Lane::Digest, 3, t(20), 9).await.is_empty());
    assert!(claim_of(&base.store, Channel::Email, Lane::Transactional, 3, t(20), 9).await.is_empty());
    let posts = claim_of(&base.store, Channel::Webhook, Lane::Immediate, 4, t(20), 9).await;
    assert_eq!(posts.len(), 3);
    assert!(posts.iter().all(|p| p.email.is_none() && p.revision == 1));
}

async fn a_claim_knows_who_follows_what_at_that_moment(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let stays = person(&base.store, "an@so.example.vn", &[(a, Immediate), (b, Immediate)], t(0)).await;
    let goes = person(&base.store, "binh@so.example.vn", &[(a, Immediate)], t(0)).await;
    publish(&base.store, "x", &[a, b], t(1)).await;
    let y = publish(&base.store, "y", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    base.store.set_wishes(stays, &wishes(&[(b, Immediate)]), Locale::En, t(2)).await.expect("changed");
    base.store.unsubscribe(goes, None, EndReason::Unsubscribed, t(2)).await.expect("left");
    let claimed = claim(&base.store, 1, t(3), 9).await;
    assert_eq!(claimed.len(), 1, "what nobody wants any more was cancelled");
    assert_eq!(
        (claimed[0].subscriber_id, claimed[0].feeds.clone(), claimed[0].locale.as_str()),
        (stays, vec![b], "en")
    );
    // An article that left the feed by which it was to be told.
    let last = person(&base.store, "chi@so.example.vn", &[(b, Immediate)], t(3)).await;
    let z = publish(&base.store, "z", &[b], t(4)).await;
    fan_out(&base.store, t(4)).await;
    apply(&base.store, vec![upsert("z", &[a], Some(ChangeKind::Revised), t(5))], t(5)).await;
    let claimed = claim(&base.store, 2, t(6), 9).await;
    assert!(claimed.iter().all(|c| c.article_id == Some(z) && c.feeds.is_empty()), "{claimed:#?}");
    assert!(claimed.iter().any(|c| c.subscriber_id == last));
    withdraw(&base.store, y, t(7)).await;
}

async fn the_next_due_moment_is_known(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    assert_eq!(base.store.next_due(Channel::Email).await.expect("read"), None);
    person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(2)).await;
    assert_eq!(base.store.next_due(Channel::Email).await.expect("read"), Some(t(2)));
    assert_eq!(base.store.next_due(Channel::Webhook).await.expect("read"), None);
    claim(&base.store, 1, t(3), 9).await;
    assert_eq!(base.store.next_due(Channel::Email).await.expect("read"), Some(t(63)));
}
