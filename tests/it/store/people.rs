//! Laws of people: consent, changing, leaving, being forgotten.

use loa::domain::delivery::{Channel, Lane};
use loa::domain::subscriber::Frequency::{Daily, Immediate, Weekly};
use loa::domain::subscriber::{EndReason, Locale};
use loa::store::delivery::{Settle, Settled};
use loa::store::opt_in::{Confirmed, Request};
use loa::store::subscriber::Wish;

use super::given::{
    address, apply, chance, claim, claim_of, endpoint, fan_out, feeds, line, person, publish, settle, t, upsert, wishes,
};
use crate::support::house::base::Base;
use crate::support::house::laws;
use loa::domain::article::ChangeKind;

laws! {
    a_confirmation_counts_once,
    a_request_lapses_after_seven_days,
    an_address_gets_at_most_three_confirmations_a_day,
    a_request_writes_one_mail_and_no_subscription,
    two_spellings_of_an_address_are_one_person,
    leaving_cancels_that_persons_unsent_mails_only,
    leaving_one_frequency_leaves_the_others,
    an_erased_person_leaves_no_address_in_any_table,
    an_import_keeps_frequencies_and_counts_what_is_new,
    an_import_is_written_whole_or_not_at_all,
    moving_from_a_digest_to_immediate_mails_sends_what_waited,
    moving_from_immediate_mails_to_a_digest_keeps_what_was_not_sent,
    moving_between_digests_goes_on_where_the_first_stopped,
    a_new_follower_of_a_digest_begins_with_what_comes,
    sweeping_forgets_addresses_that_serve_nothing,
}

async fn ask(base: &Base, email: &str, wanted: &[Wish], second: i64) -> Option<i64> {
    let email = address(email);
    let request = Request::new(&email, wanted, Locale::En, "form", chance());
    base.store.request_opt_in(&request, t(second)).await.expect("asked")
}

async fn live(base: &Base) -> Vec<String> {
    base.lines(
        "SELECT p.email_key, f.slug, s.frequency FROM subscription s JOIN subscriber p ON p.id = s.subscriber_id
         JOIN feed f ON f.id = s.feed_id WHERE s.state = 'confirmed' ORDER BY p.email_key, f.slug, s.frequency",
    )
    .await
}

const DAY: i64 = 86_400;

async fn a_confirmation_counts_once(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let request = ask(&base, "an@so.example.vn", &wishes(&[(a, Daily), (b, Immediate)]), 1).await.expect("asked");
    let Confirmed::Now(id) = base.store.confirm(request, chance(), t(2)).await.expect("done") else {
        panic!("the first time")
    };
    let before = base.lines("SELECT * FROM subscription ORDER BY id").await;
    assert_eq!(live(&base).await, ["an@so.example.vn a daily", "an@so.example.vn b immediate"]);
    base.store.unsubscribe(id, Some(Immediate), EndReason::Unsubscribed, t(3)).await.expect("left");
    assert_eq!(base.store.confirm(request, chance(), t(4)).await.expect("done"), Confirmed::Before(id));
    assert_eq!(live(&base).await, ["an@so.example.vn a daily"], "an old link does not bring back what was left");
    assert_eq!(before.len(), 2);
    let person = base.store.person(id).await.expect("read").expect("there");
    assert_eq!((person.locale, person.wishes), (Locale::En, wishes(&[(a, Daily)])));
    assert_eq!(base.store.confirm(12_345, chance(), t(4)).await.expect("done"), Confirmed::Lapsed, "nobody asked");
}

async fn a_request_lapses_after_seven_days(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let late = ask(&base, "an@so.example.vn", &wishes(&[(a, Daily)]), 0).await.expect("asked");
    let intime = ask(&base, "binh@so.example.vn", &wishes(&[(a, Daily)]), 0).await.expect("asked");
    assert!(matches!(base.store.confirm(intime, chance(), t(7 * DAY)).await.expect("done"), Confirmed::Now(_)));
    assert_eq!(base.store.confirm(late, chance(), t(7 * DAY + 1)).await.expect("done"), Confirmed::Lapsed);
    assert_eq!(live(&base).await, ["binh@so.example.vn a daily"]);
}

async fn an_address_gets_at_most_three_confirmations_a_day(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let wanted = wishes(&[(a, Daily)]);
    let sent = async |second| {
        for mail in claim_of(&base.store, Channel::Email, Lane::Transactional, 1, t(second), 9).await {
            settle(&base.store, mail.id, 1, Settled::Sent, t(second)).await;
        }
    };
    for (second, email) in [(0, "an@so.example.vn"), (60, "AN@so.example.vn"), (120, "an@SO.example.vn")] {
        assert!(ask(&base, email, &wanted, second).await.is_some());
        sent(second).await;
    }
    assert_eq!(ask(&base, "An@so.example.vn", &wanted, 180).await, None);
    assert!(ask(&base, "binh@so.example.vn", &wanted, 180).await.is_some(), "another address is not meant");
    assert_eq!(ask(&base, "an@so.example.vn", &wanted, DAY - 1).await, None);
    assert!(ask(&base, "an@so.example.vn", &wanted, DAY + 1).await.is_some());
    assert_eq!(base.number("SELECT count(*) FROM delivery WHERE kind = 'confirm'").await, 5);
}

async fn a_request_writes_one_mail_and_no_subscription(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let request = ask(&base, "an@so.example.vn", &wishes(&[(a, Daily)]), 1).await.expect("asked");
    assert!(live(&base).await.is_empty());
    let mails = claim_of(&base.store, Channel::Email, Lane::Transactional, 1, t(1), 9).await;
    assert_eq!((mails.len(), mails[0].opt_in_id, mails[0].kind.as_str()), (1, Some(request), "confirm"));
    let kept = base.store.opt_in(request).await.expect("read").expect("there");
    assert_eq!((kept.wishes, kept.locale, kept.requested_at), (wishes(&[(a, Daily)]), Locale::En, t(1)));
    publish(&base.store, "x", &[a], t(2)).await;
    assert_eq!(fan_out(&base.store, t(2)).await, 0);
}

async fn two_spellings_of_an_address_are_one_person(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let first = person(&base.store, "Nguyen.An@So.example.vn", &[(a, Immediate)], t(0)).await;
    let second = person(&base.store, "nguyen.an@so.EXAMPLE.vn", &[(b, Immediate)], t(0)).await;
    assert_eq!(first, second);
    publish(&base.store, "x", &[a, b], t(1)).await;
    assert_eq!(fan_out(&base.store, t(1)).await, 1);
    assert_eq!(claim(&base.store, 1, t(1), 9).await[0].email.as_deref(), Some("Nguyen.An@so.example.vn"));
}

async fn leaving_cancels_that_persons_unsent_mails_only(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let goes = person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    person(&base.store, "binh@so.example.vn", &[(a, Immediate)], t(0)).await;
    endpoint(&base.store, "ep_1", &[a], t(0)).await;
    publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    let first = claim(&base.store, 1, t(1), 1).await[0].clone();
    settle(&base.store, first.id, 1, Settled::Sent, t(1)).await;
    publish(&base.store, "y", &[a], t(2)).await;
    fan_out(&base.store, t(2)).await;
    let reason = EndReason::Unsubscribed;
    assert_eq!(base.store.unsubscribe(goes, None, reason, t(3)).await.expect("left"), 1);
    assert_eq!(base.store.unsubscribe(goes, None, reason, t(4)).await.expect("pressed again"), 0);
    let states = "SELECT subscriber_id, channel, state, cause FROM delivery ORDER BY id";
    let told = base.lines(states).await;
    assert_eq!(told.iter().filter(|l| l.contains("cancelled unsubscribed")).count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|l| l.ends_with("pending -")).count(), 4, "{told:?}");
    let ended = base.lines("SELECT state, end_reason, ended_at FROM subscription WHERE state = 'ended'").await;
    assert_eq!(ended, [format!("ended unsubscribed {}", t(3).millis())]);
    publish(&base.store, "z", &[a], t(5)).await;
    assert_eq!(fan_out(&base.store, t(5)).await, 2, "the other person and the endpoint");
}

async fn leaving_one_frequency_leaves_the_others(base: Base) {
    let [a, b, c] = feeds(&base.store, ["a", "b", "c"]).await;
    let id = person(&base.store, "an@so.example.vn", &[(a, Immediate), (b, Daily), (c, Weekly)], t(0)).await;
    publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    let left = base.store.unsubscribe(id, Some(Daily), EndReason::Unsubscribed, t(2)).await.expect("left");
    assert_eq!((left, claim(&base.store, 1, t(2), 9).await.len()), (1, 1), "the immediate mail still goes");
    assert_eq!(live(&base).await, ["an@so.example.vn a immediate", "an@so.example.vn c weekly"]);
}

/// How often a text stands in any text column of any table.
async fn found(base: &Base, needle: &str) -> Vec<String> {
    let columns = if base.is_postgres() {
        "SELECT table_name, column_name FROM information_schema.columns
         WHERE table_schema = 'public' AND data_type NOT IN ('bigint', 'boolean') AND table_name NOT LIKE '%sqlx%'"
    } else {
        "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND c.type <> 'INTEGER' AND m.name NOT LIKE '%sqlx%' AND m.name NOT LIKE 'sqlite%'"
    };
    let mut found = Vec::new();
    let columns = base.rows(columns).await;
    assert!(columns.len() > 40, "only {} columns", columns.len());
    for column in columns {
        let (table, column) = (column[0].as_deref().expect("a table"), column[1].as_deref().expect("a column"));
        let sql = format!("SELECT count(*) FROM \"{table}\" WHERE lower(\"{column}\") LIKE '%{needle}%'");
        if base.number(&sql).await > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    found.sort();
    found
}

async fn an_erased_person_leaves_no_address_in_any_table(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let wanted = wishes(&[(a, Immediate), (b, Daily)]);
    let request = ask(&base, "Nguyen.An@so.example.vn", &wanted, 1).await.expect("asked");
    base.store.confirm(request, chance(), t(2)).await.expect("confirmed");
    let id = base.store.person_by_email(&address("nguyen.an@so.example.vn")).await.expect("read").expect("there");
    for (n, state) in [Settled::Sent, Settled::Dead, Settled::Pending].into_iter().enumerate() {
        let second = 3 + i64::try_from(n).expect("small");
        publish(&base.store, &format!("x{n}"), &[a], t(second)).await;
        fan_out(&base.store, t(second)).await;
        let row = claim(&base.store, 1, t(second), 1).await[0].id;
        let detail = "550 <nguyen.an@so.example.vn> no".to_owned();
        let settle = Settle { due_at: t(second).millis(), detail, ..line(row, 1, state) };
        base.store.settle(&[settle], t(second)).await.expect("settled");
    }
    ask(&base, "nguyen.an@so.example.vn", &wanted, 7).await.expect("asked again");
    let held = ["attempt.detail", "delivery.detail", "subscriber.email", "subscriber.email_key"];
    assert_eq!(found(&base, "nguyen.an").await, held);
    base.store.erase(id, t(8)).await.expect("erased");
    for part in ["nguyen", "so.example", "@"] {
        assert_eq!(found(&base, part).await, Vec::<String>::new(), "{part}");
    }
    assert_eq!(base.store.person_by_email(&address("nguyen.an@so.example.vn")).await.expect("read"), None);
    assert_eq!(base.number("SELECT count(*) FROM delivery WHERE state = 'pending'").await, 0);
    assert_eq!(base.number("SELECT count(*) FROM opt_in").await, 0);
    assert!(live(&base).await.is_empty());
    if let Some(bytes) = base.bytes() {
        assert!(!bytes.is_empty());
        for part in ["nguyen.an", "Nguyen.An"] {
            assert!(!bytes.windows(part.len()).any(|w| w == part.as_bytes()), "{part} is still in the file");
        }
    }
    let hash = base.store.address_hash(&address("Nguyen.AN@so.example.vn")).await.expect("hashed");
    assert_eq!(base.lines("SELECT reason, address_hash FROM farewell").await, [format!("erased {hash}")]);
    let again = ask(&base, "nguyen.an@so.example.vn", &wanted, 9).await.expect("asked");
    let Confirmed::Now(again) = base.store.confirm(again, chance(), t(9)).await.expect("done") else { panic!("now") };
    assert_ne!(again, id, "who comes back is somebody new");
    assert_eq!(base.number("SELECT count(*) FROM farewell").await, 0, "and said farewell to nothing");
}

async fn an_import_keeps_frequencies_and_counts_what_is_new(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Weekly)], t(0)).await;
    let (an, binh) = (address("an@so.example.vn"), address("binh@so.example.vn"));
    let wanted = wishes(&[(a, Immediate), (b, Daily)]);
    let request = |email| Request::new(email, &wanted, Locale::Vi, "import", chance());
    let batch = [request(&an), request(&binh)];
    assert_eq!(base.store.import_people(&batch, false, t(1)).await.expect("imported").new, 3);
    assert_eq!(base.store.import_people(&batch, false, t(2)).await.expect("imported").new, 0);
    let live = live(&base).await;
    assert_eq!(
        live,
        [
            "an@so.example.vn a weekly",
            "an@so.example.vn b daily",
            "binh@so.example.vn a immediate",
            "binh@so.example.vn b daily"
        ]
    );
    assert_eq!(base.store.count_subscriptions().await.expect("read"), 4);
    let page = base.store.export_page(0, 3).await.expect("read");
    let rest = base.store.export_page(page[2].id, 3).await.expect("read");
    assert_eq!((page.len(), rest.len(), page[0].email.as_str()), (3, 1, "an@so.example.vn"));
    assert_eq!(base.number("SELECT count(*) FROM delivery").await, 0, "an import mails nobody");
}

async fn an_import_is_written_whole_or_not_at_all(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let (an, binh) = (address("an@so.example.vn"), address("binh@so.example.vn"));
    let (good, bad) = (wishes(&[(a, Daily)]), wishes(&[(999, Daily)]));
    let request = |email, wishes| Request::new(email, wishes, Locale::Vi, "import", chance());
    assert!(base.store.import_people(&[request(&an, &good), request(&binh, &bad)], false, t(1)).await.is_err());
    assert_eq!(base.number("SELECT count(*) FROM subscriber").await, 0);
    assert!(live(&base).await.is_empty());
}

async fn moving_from_a_digest_to_immediate_mails_sends_what_waited(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    publish(&base.store, "old", &[a], t(1)).await;
    let id = person(&base.store, "an@so.example.vn", &[(a, Daily), (b, Immediate)], t(2)).await;
    let x = publish(&base.store, "x", &[a], t(3)).await;
    publish(&base.store, "both", &[a, b], t(4)).await;
    fan_out(&base.store, t(4)).await;
    let gone = publish(&base.store, "gone", &[a], t(5)).await;
    super::given::withdraw(&base.store, gone, t(6)).await;
    // Seen, but not fanned out yet.
    let open = publish(&base.store, "open", &[a], t(7)).await;
    base.store.set_wishes(id, &wishes(&[(a, Immediate), (b, Immediate)]), Locale::Vi, t(8)).await.expect("changed");
    fan_out(&base.store, t(9)).await;
    let mut told: Vec<i64> = claim(&base.store, 1, t(9), 9).await.iter().map(|c| c.article_id.expect("one")).collect();
    told.sort_unstable();
    let both = base.store.find_article("both").await.expect("read").expect("there").id;
    assert_eq!(told, [x, both, open], "neither what was before, nor what is gone, nor anything twice");
}

async fn moving_from_immediate_mails_to_a_digest_keeps_what_was_not_sent(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let id = person(&base.store, "an@so.example.vn", &[(a, Immediate), (b, Immediate)], t(0)).await;
    publish(&base.store, "sent", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    let row = claim(&base.store, 1, t(1), 9).await[0].id;
    settle(&base.store, row, 1, Settled::Sent, t(1)).await;
    let waits = publish(&base.store, "waits", &[a], t(2)).await;
    let other = publish(&base.store, "other", &[b], t(2)).await;
    fan_out(&base.store, t(2)).await;
    let open = publish(&base.store, "open", &[a], t(3)).await;
    base.store.set_wishes(id, &wishes(&[(a, Daily), (b, Immediate)]), Locale::Vi, t(4)).await.expect("changed");
    fan_out(&base.store, t(5)).await;
    let pending = base.lines("SELECT article_id FROM delivery WHERE state = 'pending'").await;
    assert_eq!(pending, [other.to_string()], "the other feed's mail still goes at once");
    let told_until =
        base.number("SELECT told_until FROM subscription WHERE frequency = 'daily' AND state = 'confirmed'").await;
    let next = base.store.entered(a, told_until, i64::MAX).await.expect("read");
    assert_eq!(next, [open, waits], "the digest brings what was not sent, and nothing that was");
    // Nothing waits but a change that was not fanned out.
    let alone = person(&base.store, "binh@so.example.vn", &[(a, Immediate)], t(5)).await;
    let late = publish(&base.store, "late", &[a], t(5)).await;
    base.store.set_wishes(alone, &wishes(&[(a, Weekly)]), Locale::Vi, t(5)).await.expect("changed");
    let weekly = base.number("SELECT told_until FROM subscription WHERE frequency = 'weekly'").await;
    assert_eq!(base.store.entered(a, weekly, i64::MAX).await.expect("read"), [late]);
    assert_eq!(fan_out(&base.store, t(5)).await, 0);
    // What is seen from now on is the digest's as well.
    let new = publish(&base.store, "new", &[a], t(6)).await;
    assert_eq!(fan_out(&base.store, t(6)).await, 0);
    assert_eq!(base.store.entered(a, told_until, i64::MAX).await.expect("read")[0], new);
}

async fn moving_between_digests_goes_on_where_the_first_stopped(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let id = person(&base.store, "an@so.example.vn", &[(a, Weekly)], t(0)).await;
    let told = "SELECT told_until FROM subscription WHERE state = 'confirmed'";
    let before = base.number(told).await;
    publish(&base.store, "x", &[a], t(1)).await;
    base.store.set_wishes(id, &wishes(&[(a, Daily)]), Locale::Vi, t(2)).await.expect("changed");
    assert_eq!(base.number(told).await, before);
    base.store.set_wishes(id, &wishes(&[(a, Weekly)]), Locale::Vi, t(3)).await.expect("changed");
    assert_eq!((base.number(told).await, fan_out(&base.store, t(4)).await), (before, 0));
    assert_eq!(base.lines("SELECT frequency FROM subscription WHERE state = 'confirmed'").await, ["weekly"]);
}

async fn a_new_follower_of_a_digest_begins_with_what_comes(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    publish(&base.store, "before", &[a], t(1)).await;
    let id = person(&base.store, "an@so.example.vn", &[(a, Daily)], t(2)).await;
    let x = publish(&base.store, "x", &[a, b], t(3)).await;
    base.store.set_wishes(id, &wishes(&[(a, Daily), (b, Daily)]), Locale::Vi, t(4)).await.expect("changed");
    let lines = base.rows("SELECT feed_id, told_until FROM subscription ORDER BY feed_id").await;
    let told: Vec<i64> = lines.iter().map(|l| l[1].as_deref().expect("one").parse().expect("a number")).collect();
    assert_eq!(base.store.entered(a, told[0], i64::MAX).await.expect("read"), [x]);
    assert_eq!(base.store.entered(b, told[1], i64::MAX).await.expect("read"), [0_i64; 0]);
    // Moved into the other feed later, it is that feed's news.
    let y = publish(&base.store, "y", &[a], t(5)).await;
    apply(&base.store, vec![upsert("y", &[b], Some(ChangeKind::Revised), t(6))], t(6)).await;
    assert_eq!(base.store.entered(b, told[1], i64::MAX).await.expect("read"), [y]);
}

async fn sweeping_forgets_addresses_that_serve_nothing(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let wanted = wishes(&[(a, Daily)]);
    ask(&base, "never@so.example.vn", &wanted, 1).await.expect("asked");
    let confirm = claim_of(&base.store, Channel::Email, Lane::Transactional, 1, t(1), 9).await[0].id;
    settle(&base.store, confirm, 1, Settled::Sent, t(1)).await;
    person(&base.store, "stays@so.example.vn", &[(a, Daily)], t(1)).await;
    let long = person(&base.store, "left-long-ago@so.example.vn", &[(a, Daily)], t(1)).await;
    base.store.unsubscribe(long, None, EndReason::Unsubscribed, t(2)).await.expect("left");
    let just = person(&base.store, "left-just-now@so.example.vn", &[(a, Daily)], t(1)).await;
    base.store.unsubscribe(just, None, EndReason::Unsubscribed, t(99)).await.expect("left");
    ask(&base, "asks-again@so.example.vn", &wanted, 1).await.expect("asked");
    ask(&base, "asks-again@so.example.vn", &wanted, 98).await.expect("asked");
    assert_eq!(base.store.sweep_people(t(1)).await.expect("swept"), 0);
    assert_eq!(base.store.sweep_people(t(50)).await.expect("swept"), 2);
    let left = base.lines("SELECT email FROM subscriber WHERE email IS NOT NULL ORDER BY email").await;
    assert_eq!(left, ["asks-again@so.example.vn", "left-just-now@so.example.vn", "stays@so.example.vn"]);
}
