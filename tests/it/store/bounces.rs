//! Laws of refusals and suppression.

use loa::domain::bounce::Cause;
use loa::domain::bounce::standing::Reason;
use loa::domain::subscriber::Frequency::{Daily, Immediate};
use loa::domain::subscriber::{EndReason, Locale};
use loa::store::bounce::{Kind, NewBounce};
use loa::store::delivery::{Settle, Settled};
use loa::store::opt_in::Request;
use loa::store::suppression::NewSuppression;

use super::given::{address, chance, claim, fan_out, feeds, line, person, publish, t, wishes};
use crate::support::house::base::Base;
use crate::support::house::laws;

laws! {
    a_settle_writes_what_a_reply_says_of_the_address_once,
    a_refusal_of_a_question_for_confirmation_says_nothing,
    suppressed_people_are_left_out_of_mails_and_digests,
    a_suppression_finds_whoever_comes_with_the_address_later,
    a_complaint_is_not_softened_by_what_a_server_says,
    lifting_after_long_begins_digests_anew_and_shortly_after_catches_up,
    a_refusal_is_judged_once,
    sweeping_drops_old_refusals_and_keeps_suppressions,
}

fn reply(cause: Option<&'static str>, id: i64) -> Settle {
    let detail = "550 5.1.1 no\0 such user".to_owned();
    Settle { cause: Some("address"), bounce: cause, detail, ..line(id, 1, Settled::Dead) }
}

async fn a_settle_writes_what_a_reply_says_of_the_address_once(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let an = person(&base.store, "An@so.example.vn", &[(a, Immediate)], t(0)).await;
    person(&base.store, "binh@so.example.vn", &[(a, Immediate)], t(0)).await;
    publish(&base.store, "tin", &[a], t(1)).await;
    fan_out(&base.store, t(2)).await;
    let claimed = claim(&base.store, 1, t(3), 10).await;
    let mut lines: Vec<Settle> = claimed.iter().map(|c| reply(None, c.id)).collect();
    let ans = claimed.iter().position(|c| c.subscriber_id == an).expect("claimed");
    lines[ans].bounce = Some("no_such_user");
    for second in [4, 5] {
        base.store.settle(&lines, t(second)).await.expect("settled");
    }
    let kept = base.lines("SELECT subscriber_id, kind, cause, domain, detail FROM bounce").await;
    assert_eq!(kept, [format!("{an} reply no_such_user so.example.vn 550 5.1.1 no  such user")]);
}

async fn a_refusal_of_a_question_for_confirmation_says_nothing(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let (email, wanted) = (address("an@so.example.vn"), wishes(&[(a, Daily)]));
    let request = Request::new(&email, &wanted, Locale::Vi, "form", chance());
    base.store.request_opt_in(&request, t(0)).await.expect("asked");
    let id = base.number("SELECT id FROM delivery WHERE kind = 'confirm'").await;
    base.store.settle(&[reply(Some("no_such_user"), id)], t(1)).await.expect("settled");
    let person = base.number("SELECT id FROM subscriber").await;
    let new = NewBounce {
        subscriber_id: person,
        delivery_id: Some(id),
        kind: Kind::Report,
        cause: Some(Cause::NoSuchUser),
        domain: "so.example.vn",
        detail: "550 5.1.1",
    };
    assert!(!base.store.add_bounce(&new, t(1)).await.expect("asked"));
    assert_eq!(base.number("SELECT count(*) FROM bounce").await, 0);
}

async fn suppressed_people_are_left_out_of_mails_and_digests(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let at_once = person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    let daily = person(&base.store, "binh@so.example.vn", &[(a, Daily)], t(0)).await;
    let others = [
        person(&base.store, "chi@so.example.vn", &[(a, Immediate)], t(0)).await,
        person(&base.store, "dung@so.example.vn", &[(a, Daily)], t(0)).await,
    ];
    for email in ["an@so.example.vn", "binh@so.example.vn", "nobody@so.example.vn"] {
        let new = NewSuppression::now(Reason::Operator, "asked by letter", t(1));
        base.store.suppress(&address(email), &new).await.expect("suppressed");
    }
    let mut suppressed = base.store.suppressed(&[at_once, daily, others[0], others[1]]).await.expect("read");
    suppressed.sort_unstable();
    assert_eq!(suppressed, [at_once, daily]);
    publish(&base.store, "tin", &[a], t(2)).await;
    assert_eq!(fan_out(&base.store, t(3)).await, 1);
    assert_eq!(base.lines("SELECT subscriber_id FROM delivery").await, [others[0].to_string()]);
    let due = loa::domain::digest::DueRun { frequency: Daily, date: jiff::civil::date(2026, 11, 24), window_to: t(4) };
    base.store.begin_life(t(0)).await.expect("begun");
    assert!(base.store.begin_run(&due, t(5)).await.expect("begun"));
    let run = base.store.open_runs().await.expect("read").pop().expect("a run");
    let members = base.store.run_members(&run, 100).await.expect("read");
    assert_eq!(members.iter().map(|m| m.subscriber_id).collect::<Vec<_>>(), [others[1]]);
}

async fn a_suppression_finds_whoever_comes_with_the_address_later(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let email = address("An@so.example.vn");
    let new = NewSuppression::now(Reason::NoSuchUser, "refused 2 times", t(0));
    base.store.suppress(&email, &new).await.expect("suppressed");
    let shown = base.store.suppression_of(&address("an@SO.example.vn")).await.expect("read").expect("there");
    assert_eq!((shown.email, shown.reason.as_str()), (None, "no_such_user"));
    let wanted = wishes(&[(a, Immediate)]);
    let request = Request::new(&email, &wanted, Locale::Vi, "form", chance());
    let asked = base.store.request_opt_in(&request, t(1)).await.expect("asked").expect("a mail");
    let id = base.number("SELECT id FROM subscriber").await;
    assert_eq!(base.store.suppressed(&[id]).await.expect("read"), [id], "until they show that the mailbox is theirs");
    base.store.confirm(asked, chance(), t(2)).await.expect("confirmed");
    assert_eq!(base.number("SELECT count(*) FROM suppression").await, 0);
    assert!(!base.store.lift(&email, t(3)).await.expect("asked"));

    base.store.suppress(&email, &new).await.expect("suppressed");
    base.store.erase(id, t(4)).await.expect("erased");
    assert_eq!(base.lines("SELECT subscriber_id FROM suppression").await, ["-"]);
    for table in ["suppression", "bounce"] {
        for row in base.lines(&format!("SELECT * FROM {table}")).await {
            assert!(!row.contains("so.example.vn"), "{row}");
        }
    }
}

async fn a_complaint_is_not_softened_by_what_a_server_says(base: Base) {
    let email = address("an@so.example.vn");
    let say = async |reason| {
        base.store.suppress(&email, &NewSuppression::now(reason, "said", t(1))).await.expect("suppressed");
        base.lines("SELECT reason FROM suppression").await.join(" ")
    };
    assert_eq!(say(Reason::MailboxFull).await, "mailbox_full");
    assert_eq!(say(Reason::NoSuchUser).await, "no_such_user");
    assert_eq!(say(Reason::Complaint).await, "complaint");
    assert_eq!(say(Reason::NoSuchUser).await, "complaint");
    assert_eq!(say(Reason::Operator).await, "operator");
}

async fn lifting_after_long_begins_digests_anew_and_shortly_after_catches_up(base: Base) {
    const DAY: i64 = 86_400;
    let [a] = feeds(&base.store, ["a"]).await;
    for (email, lifted_on, told) in [("an@so.example.vn", 3, false), ("binh@so.example.vn", 8, true)] {
        let id = person(&base.store, email, &[(a, Daily)], t(0)).await;
        let new = NewSuppression::now(Reason::NoSuchUser, "refused", t(0));
        base.store.suppress(&address(email), &new).await.expect("suppressed");
        publish(&base.store, email, &[a], t(1)).await;
        assert!(base.store.lift(&address(email), t(lifted_on * DAY)).await.expect("lifted"));
        let behind = base
            .number(&format!(
                "SELECT count(*) FROM subscription WHERE subscriber_id = {id}
                   AND told_until = (SELECT value FROM counter WHERE name = 'feed_version')"
            ))
            .await;
        assert_eq!(behind == 1, told, "{email}");
    }
}

async fn a_refusal_is_judged_once(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let an = person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    let new = NewBounce {
        subscriber_id: an,
        delivery_id: None,
        kind: Kind::Complaint,
        cause: None,
        domain: "so.example.vn",
        detail: "abuse",
    };
    assert!(base.store.add_bounce(&new, t(1)).await.expect("kept"));
    let open = base.store.open_bounces(10).await.expect("read");
    let suppression = NewSuppression::now(Reason::Complaint, "called spam", t(2));
    let email = address("an@so.example.vn");
    base.store.judged_complaint(&open[0], &email, &suppression).await.expect("judged");
    assert!(base.store.open_bounces(10).await.expect("read").is_empty());
    let ended = base.lines("SELECT end_reason FROM subscription").await;
    assert_eq!(ended, [EndReason::Complained.as_str()]);
    // A judge that comes late, after the person asked anew.
    base.store.lift(&email, t(3)).await.expect("lifted");
    base.store.judged_complaint(&open[0], &email, &suppression).await.expect("judged");
    assert_eq!(base.number("SELECT count(*) FROM suppression").await, 0);
}

async fn sweeping_drops_old_refusals_and_keeps_suppressions(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let an = person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    for second in [1, 9] {
        let new = NewBounce {
            subscriber_id: an,
            delivery_id: None,
            kind: Kind::Report,
            cause: Some(Cause::NoSuchUser),
            domain: "so.example.vn",
            detail: "550 5.1.1",
        };
        base.store.add_bounce(&new, t(second)).await.expect("kept");
    }
    base.store.begin_wave("so.example.vn", 5, t(9), t(20)).await.expect("begun");
    let new = NewSuppression::now(Reason::NoSuchUser, "refused", t(9));
    base.store.suppress(&address("an@so.example.vn"), &new).await.expect("suppressed");
    assert_eq!(base.store.sweep_bounces(t(5), t(9)).await.expect("swept"), 1);
    assert_eq!(base.store.waves().await.expect("read").len(), 1);
    base.store.sweep_bounces(t(5), t(10)).await.expect("swept");
    assert!(base.store.waves().await.expect("read").is_empty());
    assert_eq!(base.number("SELECT count(*) FROM suppression").await, 1);
}
