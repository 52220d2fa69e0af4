//! Laws of coming and going: requests that meet, people who move, pauses, and lists that bring nobody back.

use loa::domain::delivery::{Channel, Lane};
use loa::domain::hour::Hour;
use loa::domain::public_id::PublicId;
use loa::domain::subscriber::Frequency::{Daily, Immediate, Weekly};
use loa::domain::subscriber::{EndReason, Locale};
use loa::store::delivery::Settled;
use loa::store::import::Imported;
use loa::store::opt_in::{Confirmed, Consent, Purpose, Request};
use loa::store::subscriber::Wish;

use super::given::{address, chance, claim, claim_of, fan_out, feeds, person, publish, settle, t, wishes};
use crate::support::house::base::Base;
use crate::support::house::laws;

laws! {
    two_requests_that_meet_are_one_question,
    an_evidence_of_consent_says_what_when_and_how,
    nobody_is_named_by_the_number_of_a_row,
    a_restored_backup_gives_nobody_the_links_of_another,
    a_list_brings_back_nobody_who_left,
    a_dry_import_counts_and_writes_nothing,
    a_move_changes_nothing_until_the_new_address_confirms,
    who_moves_takes_everything_along_and_leaves_the_old_address_nothing,
    who_moves_to_an_address_that_follows_already_is_one_person,
    an_address_is_asked_to_take_a_person_in_no_more_than_three_times_a_day,
    who_was_erased_after_a_move_has_no_address_left,
    a_pause_holds_mails_back_and_loses_none,
    a_request_that_nobody_confirmed_is_forgotten,
}

async fn ask(base: &Base, email: &str, wanted: &[Wish], second: i64) -> Option<i64> {
    let email = address(email);
    let request = Request::new(&email, wanted, Locale::Vi, "form", chance());
    base.store.request_opt_in(&request, t(second)).await.expect("asked")
}

async fn confirm(base: &Base, request: i64, second: i64) -> Confirmed {
    base.store.confirm(request, chance(), t(second)).await.expect("done")
}

async fn import(base: &Base, email: &str, wanted: &[Wish], second: i64) -> Imported {
    let email = address(email);
    let request = Request::new(&email, wanted, Locale::Vi, "import", chance());
    base.store.import_people(&[request], false, t(second)).await.expect("imported")
}

async fn sent(base: &Base, second: i64) -> Vec<String> {
    let mut to = Vec::new();
    for mail in claim_of(&base.store, Channel::Email, Lane::Transactional, 1, t(second), 9).await {
        settle(&base.store, mail.id, 1, Settled::Sent, t(second)).await;
        to.push(mail.email.expect("an address"));
    }
    to.sort();
    to
}

async fn live(base: &Base) -> Vec<String> {
    base.lines(
        "SELECT p.email_key, f.slug, s.frequency FROM subscription s JOIN subscriber p ON p.id = s.subscriber_id
         JOIN feed f ON f.id = s.feed_id WHERE s.state = 'confirmed' ORDER BY p.email_key, f.slug, s.frequency",
    )
    .await
}

async fn two_requests_that_meet_are_one_question(base: Base) {
    let [a, b, c] = feeds(&base.store, ["a", "b", "c"]).await;
    let first = ask(&base, "an@so.example.vn", &wishes(&[(a, Daily), (b, Daily)]), 1).await.expect("asked");
    let second = ask(&base, "An@so.example.vn", &wishes(&[(b, Weekly)]), 2).await.expect("asked");
    assert_eq!(first, second, "its mail is not sent yet: it is the mail of both");
    assert_eq!(sent(&base, 2).await, ["an@so.example.vn"]);
    // Now the mail is out, and a further request needs one of its own.
    let third = ask(&base, "an@so.example.vn", &wishes(&[(c, Immediate)]), 3).await.expect("asked");
    assert_eq!(sent(&base, 3).await.len(), 1);
    let asked = base.store.opt_in(first).await.expect("read").expect("there");
    assert_eq!(asked.wishes, base.store.opt_in(third).await.expect("read").expect("there").wishes);
    assert!(matches!(confirm(&base, first, 4).await, Confirmed::Now(_)), "either link confirms all of it");
    assert_eq!(
        live(&base).await,
        ["an@so.example.vn a daily", "an@so.example.vn b weekly", "an@so.example.vn c immediate"]
    );
    let id = base.store.person_by_email(&address("an@so.example.vn")).await.expect("read").expect("there");
    base.store.set_wishes(id, &wishes(&[(a, Weekly)]), Locale::Vi, t(5)).await.expect("changed");
    assert!(matches!(confirm(&base, third, 6).await, Confirmed::Before(_)));
    assert_eq!(live(&base).await, ["an@so.example.vn a weekly"], "the other link brings nothing back");
}

async fn an_evidence_of_consent_says_what_when_and_how(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let (email, wanted) = (address("an@so.example.vn"), wishes(&[(a, Daily)]));
    let consent = Consent { text_version: "2026-11", text_hash: Some("ab12"), method: "form", ..Consent::default() };
    let request = Request::new(&email, &wanted, Locale::Vi, "", chance());
    let request = Request { consent, hour: Hour::from_minutes(390), ..request };
    let asked = base.store.request_opt_in(&request, t(1)).await.expect("asked").expect("taken");
    let Confirmed::Now(id) = confirm(&base, asked, 2).await else { panic!("now") };
    let kept = base.store.consents_of(id).await.expect("read").remove(0);
    assert_eq!(
        (kept.text_version.as_str(), kept.text_hash.as_deref(), kept.method.as_str()),
        ("2026-11", Some("ab12"), "form")
    );
    assert_eq!((kept.requested_at, kept.confirmed_at), (t(1).millis(), Some(t(2).millis())));
    let person = base.store.person(id).await.expect("read").expect("there");
    assert_eq!(person.hour.map(|h| h.to_string()).as_deref(), Some("06:30"), "the hour counts once it is confirmed");
}

async fn nobody_is_named_by_the_number_of_a_row(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let id = person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    let public = base.store.person(id).await.expect("read").expect("there").public_id;
    assert!(public.0 > 1 << 60, "{public}");
    assert_eq!(base.store.person_of(public).await.expect("read").map(|p| p.id), Some(id));
    assert!(base.store.person_of(PublicId(id)).await.expect("read").is_none());
    let asked = ask(&base, "binh@so.example.vn", &wishes(&[(a, Daily)]), 1).await.expect("asked");
    let request = base.store.opt_in(asked).await.expect("read").expect("there").public_id;
    assert!(request.0 > 1 << 60 && base.store.opt_in_of(PublicId(asked)).await.expect("read").is_none());
    publish(&base.store, "x", &[a], t(2)).await;
    fan_out(&base.store, t(2)).await;
    assert_eq!(claim(&base.store, 1, t(2), 9).await[0].public_id, public.0);
}

async fn a_restored_backup_gives_nobody_the_links_of_another(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let wanted = wishes(&[(a, Daily)]);
    // Who was there when ids were first drawn keeps the number of old links.
    let old = person(&base.store, "cu@so.example.vn", &[(a, Daily)], t(0)).await;
    base.rows("UPDATE subscriber SET public_id = id").await;
    assert_eq!(base.store.person_of(PublicId(old)).await.expect("read").map(|p| p.id), Some(old));
    // Somebody came after the backup; the restored database counts on from before, and gives their row to somebody else.
    let lost = person(&base.store, "an@so.example.vn", &[(a, Daily)], t(1)).await;
    let link = base.store.person(lost).await.expect("read").expect("there").public_id;
    base.rows(&format!("DELETE FROM subscription WHERE subscriber_id = {lost}")).await;
    base.rows(&format!("DELETE FROM opt_in WHERE subscriber_id = {lost}")).await;
    base.rows(&format!("DELETE FROM subscriber WHERE id = {lost}")).await;
    let email = address("binh@so.example.vn");
    let request = Request::new(&email, &wanted, Locale::Vi, "import", [9; 16]);
    base.store.import_people(&[request], false, t(2)).await.expect("imported");
    let id = base.store.person_by_email(&email).await.expect("read").expect("there");
    base.rows(&format!("UPDATE subscription SET subscriber_id = {old} WHERE subscriber_id = {id} AND FALSE")).await;
    assert!(base.store.person_of(link).await.expect("read").is_none(), "the lost person's link opens nobody's page");
}

async fn a_list_brings_back_nobody_who_left(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let both = wishes(&[(a, Daily), (b, Daily)]);
    let left = person(&base.store, "left@so.example.vn", &[(a, Daily)], t(0)).await;
    let erased = person(&base.store, "erased@so.example.vn", &[(a, Daily)], t(0)).await;
    let part = person(&base.store, "part@so.example.vn", &[(a, Immediate), (b, Daily)], t(0)).await;
    let bounced = person(&base.store, "bounced@so.example.vn", &[(a, Daily)], t(0)).await;
    base.store.unsubscribe(left, None, EndReason::Unsubscribed, t(1)).await.expect("left");
    base.store.erase(erased, t(1)).await.expect("erased");
    base.store.unsubscribe(part, Some(Immediate), EndReason::Unsubscribed, t(1)).await.expect("left");
    base.store.unsubscribe(bounced, None, EndReason::Undeliverable, t(1)).await.expect("ended");
    let gone = Imported { gone: 1, ..Imported::default() };
    assert_eq!(import(&base, "Left@so.example.vn", &both, 2).await, gone);
    assert_eq!(import(&base, "erased@so.example.vn", &both, 2).await, gone);
    assert_eq!(import(&base, "part@so.example.vn", &both, 2).await, Imported { declined: 1, ..Imported::default() });
    assert_eq!(import(&base, "bounced@so.example.vn", &both, 2).await.new, 2, "they did not leave by themselves");
    // Also when nothing but the hash is left of them.
    base.store.sweep_people(t(50)).await.expect("swept");
    assert_eq!(import(&base, "left@so.example.vn", &both, 60).await, gone);
    // Their own word counts.
    let asked = ask(&base, "left@so.example.vn", &wishes(&[(b, Weekly)]), 61).await.expect("asked");
    assert_eq!(import(&base, "left@so.example.vn", &both, 62).await, gone, "a request by anybody is not their word");
    assert!(matches!(confirm(&base, asked, 63).await, Confirmed::Now(_)));
    assert_eq!(import(&base, "left@so.example.vn", &both, 64).await.new, 1);
    base.store.bar(&address("never@so.example.vn"), t(65)).await.expect("barred");
    assert_eq!(import(&base, "never@so.example.vn", &both, 66).await, gone);
}

async fn a_dry_import_counts_and_writes_nothing(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Daily)], t(0)).await;
    let before = base.lines("SELECT id, email FROM subscriber").await;
    let (an, binh, wanted, one) = (
        address("an@so.example.vn"),
        address("binh@so.example.vn"),
        wishes(&[(a, Daily), (b, Daily)]),
        wishes(&[(a, Daily)]),
    );
    let batch = [
        Request::new(&an, &one, Locale::Vi, "import", chance()),
        Request::new(&binh, &wanted, Locale::Vi, "import", chance()),
    ];
    let came = base.store.import_people(&batch, true, t(1)).await.expect("tried");
    assert_eq!(came, Imported { new: 2, known: 1, ..Imported::default() });
    assert_eq!(base.lines("SELECT id, email FROM subscriber").await, before);
    assert_eq!(live(&base).await.len(), 1);
}

async fn move_to(base: &Base, who: i64, to: &str, second: i64) -> bool {
    base.store.request_move(who, &address(to), Locale::Vi, chance(), t(second)).await.expect("asked")
}

async fn newest(base: &Base) -> i64 {
    base.number("SELECT max(id) FROM opt_in WHERE purpose = 'move'").await
}

async fn a_move_changes_nothing_until_the_new_address_confirms(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let id = person(&base.store, "cu@so.example.vn", &[(a, Immediate)], t(0)).await;
    let before = base.store.person(id).await.expect("read");
    assert!(move_to(&base, id, "moi@so.example.vn", 1).await);
    assert_eq!(sent(&base, 1).await, ["moi@so.example.vn"]);
    assert_eq!(base.store.person(id).await.expect("read"), before);
    publish(&base.store, "x", &[a], t(2)).await;
    fan_out(&base.store, t(2)).await;
    assert_eq!(claim(&base.store, 1, t(2), 9).await[0].email.as_deref(), Some("cu@so.example.vn"));
    // A second wish takes the place of the first.
    let first = newest(&base).await;
    assert!(move_to(&base, id, "khac@so.example.vn", 3).await);
    assert_eq!(confirm(&base, first, 4).await, Confirmed::Lapsed);
    assert_eq!(base.store.person(id).await.expect("read"), before);
    assert!(!move_to(&base, id, "CU@so.example.vn", 5).await, "to where they are");
}

async fn who_moves_takes_everything_along_and_leaves_the_old_address_nothing(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let id = person(&base.store, "cu@so.example.vn", &[(a, Immediate), (b, Weekly)], t(0)).await;
    let old = base.store.person(id).await.expect("read").expect("there");
    base.store.set_hour(id, Hour::from_minutes(480)).await.expect("set");
    let told = publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    let row = claim(&base.store, 1, t(1), 9).await[0].id;
    settle(&base.store, row, 1, Settled::Sent, t(1)).await;
    publish(&base.store, "y", &[a], t(2)).await;
    fan_out(&base.store, t(2)).await;
    move_to(&base, id, "moi@so.example.vn", 3).await;
    sent(&base, 3).await;
    let asked = newest(&base).await;
    let Confirmed::Now(now) = confirm(&base, asked, 4).await else { panic!("now") };
    assert_eq!(now, id, "the ledger stays with the person");
    let person = base.store.person(id).await.expect("read").expect("there");
    assert_eq!((person.email.as_deref(), &person.wishes), (Some("moi@so.example.vn"), &old.wishes));
    assert_eq!(person.hour, Hour::from_minutes(480));
    assert!(base.store.person_of(old.public_id).await.expect("read").is_none(), "old links open nothing");
    assert_eq!(base.store.mailed_before(&[id], &[told]).await.expect("read"), [(id, told)]);
    assert_eq!(
        claim(&base.store, 2, t(4), 9).await[0].email.as_deref(),
        Some("moi@so.example.vn"),
        "what waited follows"
    );
    assert_eq!(sent(&base, 4).await, ["cu@so.example.vn"], "the old address is told");
    let word = base.number("SELECT max(id) FROM opt_in WHERE purpose = 'moved'").await;
    assert_eq!(base.store.opt_in(word).await.expect("read").map(|o| o.purpose), Some(Purpose::Moved));
    assert_eq!(confirm(&base, word, 5).await, Confirmed::Lapsed, "a word is no question");
    assert_eq!(confirm(&base, asked, 6).await, Confirmed::Before(id));
    assert_eq!(import(&base, "cu@so.example.vn", &wishes(&[(a, Daily)]), 7).await.gone, 1);
    // It is forgotten like any address without a subscription.
    assert_eq!(base.store.sweep_people(t(100)).await.expect("swept"), 1);
    assert_eq!(base.lines("SELECT email FROM subscriber WHERE email IS NOT NULL").await, ["moi@so.example.vn"]);
}

async fn who_moves_to_an_address_that_follows_already_is_one_person(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let id = person(&base.store, "cu@so.example.vn", &[(a, Immediate), (b, Immediate)], t(0)).await;
    let there = person(&base.store, "moi@so.example.vn", &[(a, Daily)], t(0)).await;
    let old = base.store.person(id).await.expect("read").expect("there").public_id;
    let x = publish(&base.store, "x", &[a, b], t(1)).await;
    fan_out(&base.store, t(1)).await;
    let row = claim(&base.store, 1, t(1), 9).await[0].id;
    settle(&base.store, row, 1, Settled::Sent, t(1)).await;
    publish(&base.store, "y", &[b], t(2)).await;
    fan_out(&base.store, t(2)).await;
    move_to(&base, id, "moi@so.example.vn", 3).await;
    let asked = newest(&base).await;
    assert_eq!(confirm(&base, asked, 4).await, Confirmed::Now(there));
    assert_eq!(live(&base).await, ["moi@so.example.vn a daily", "moi@so.example.vn b immediate"]);
    assert_eq!(base.store.mailed_before(&[there], &[x]).await.expect("read"), [(there, x)], "nothing is told twice");
    let waits = claim(&base.store, 2, t(4), 9).await;
    assert_eq!((waits.len(), waits[0].email.as_deref()), (1, Some("moi@so.example.vn")));
    assert!(base.store.person_of(old).await.expect("read").is_none());
    assert_eq!(sent(&base, 4).await, ["cu@so.example.vn", "moi@so.example.vn"], "the question, and the word");
}

async fn an_address_is_asked_to_take_a_person_in_no_more_than_three_times_a_day(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    for n in 0..3 {
        let id = person(&base.store, &format!("nguoi-{n}@so.example.vn"), &[(a, Daily)], t(0)).await;
        assert!(move_to(&base, id, "nan.nhan@so.example.vn", n).await);
    }
    let more = person(&base.store, "them@so.example.vn", &[(a, Daily)], t(0)).await;
    assert!(!move_to(&base, more, "nan.nhan@so.example.vn", 4).await);
    assert_eq!(ask(&base, "nan.nhan@so.example.vn", &wishes(&[(a, Daily)]), 5).await, None);
    for n in 0..3 {
        assert!(move_to(&base, more, &format!("noi-{n}@so.example.vn"), 6 + n).await);
        assert_eq!(sent(&base, 6 + n).await.len(), if n == 0 { 4 } else { 1 });
    }
    // Each wish took the place of the one before, and still nobody can be made to write to all the world.
    assert!(!move_to(&base, more, "noi-3@so.example.vn", 9).await);
}

async fn who_was_erased_after_a_move_has_no_address_left(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let id = person(&base.store, "cu@so.example.vn", &[(a, Immediate)], t(0)).await;
    let other = person(&base.store, "ban@so.example.vn", &[(a, Immediate)], t(0)).await;
    move_to(&base, id, "moi@so.example.vn", 1).await;
    let asked = newest(&base).await;
    confirm(&base, asked, 2).await;
    move_to(&base, id, "nua@so.example.vn", 3).await;
    base.store.erase(id, t(4)).await.expect("erased");
    assert_eq!(base.lines("SELECT email FROM subscriber WHERE email IS NOT NULL").await, ["ban@so.example.vn"]);
    // Who asked to move to somebody else's address takes nothing with them.
    let third = person(&base.store, "ke@so.example.vn", &[(a, Immediate)], t(5)).await;
    move_to(&base, third, "ban@so.example.vn", 6).await;
    base.store.erase(third, t(7)).await.expect("erased");
    let kept = base.store.person(other).await.expect("read").expect("there");
    assert_eq!((kept.email.as_deref(), kept.wishes.len()), (Some("ban@so.example.vn"), 1));
    assert_eq!(base.number("SELECT count(*) FROM delivery WHERE kind = 'confirm' AND state = 'pending'").await, 0);
}

async fn a_pause_holds_mails_back_and_loses_none(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let id = person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    person(&base.store, "binh@so.example.vn", &[(a, Immediate)], t(0)).await;
    let before = publish(&base.store, "before", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    base.store.set_pause(id, Some(t(100)), t(2)).await.expect("paused");
    let during = publish(&base.store, "during", &[a], t(3)).await;
    fan_out(&base.store, t(3)).await;
    let now = claim(&base.store, 1, t(3), 9).await;
    assert!(now.len() == 2 && now.iter().all(|c| c.subscriber_id != id), "nothing goes to who pauses");
    for row in &now {
        settle(&base.store, row.id, 1, Settled::Sent, t(3)).await;
    }
    assert!(claim(&base.store, 2, t(99), 9).await.is_empty());
    ask(&base, "an@so.example.vn", &wishes(&[(a, Daily)]), 4).await.expect("asked");
    assert_eq!(sent(&base, 4).await, ["an@so.example.vn"], "an answer to what they do is not held back");
    let told: Vec<i64> = claim(&base.store, 3, t(100), 9).await.iter().map(|c| c.article_id.expect("one")).collect();
    assert_eq!(told, [before, during]);
    for row in claim(&base.store, 4, t(200), 9).await {
        settle(&base.store, row.id, 4, Settled::Sent, t(200)).await;
    }
    // Who goes on earlier gets it earlier.
    base.store.set_pause(id, Some(t(900)), t(201)).await.expect("paused");
    publish(&base.store, "later", &[a], t(202)).await;
    fan_out(&base.store, t(202)).await;
    base.store.set_pause(id, None, t(203)).await.expect("resumed");
    assert_eq!(claim(&base.store, 5, t(203), 9).await.iter().filter(|c| c.subscriber_id == id).count(), 1);
}

async fn a_request_that_nobody_confirmed_is_forgotten(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Daily)], t(0)).await;
    ask(&base, "an@so.example.vn", &wishes(&[(a, Weekly)]), 1).await.expect("asked");
    sent(&base, 1).await;
    base.store.sweep_people(t(50)).await.expect("swept");
    assert_eq!(base.number("SELECT count(*) FROM opt_in").await, 1, "the consent that stands is kept");
}
