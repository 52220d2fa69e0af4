//! Laws of what is news, and for whom.

use loa::domain::subscriber::Frequency::{Daily, Immediate};
use loa::domain::subscriber::Locale;
use loa::work::ingest::IngestError;
use loa::work::subscribe::Ask;

use crate::support::house::base::Base;
use crate::support::house::hook::Hook;
use crate::support::house::letters::receivers;
use crate::support::house::{House, ORGANISATION, Paper, SOURCE, UNIONS, hours, laws};

laws! {
    a_new_article_is_one_mail_to_each_immediate_subscriber_and_a_digest_for_the_others,
    an_edit_is_told_to_endpoints_and_not_by_a_second_mail,
    a_moved_article_is_told_only_to_those_of_its_new_category_and_once,
}

async fn shown(house: &House, slug: &str) -> Vec<String> {
    let feed = house.feed(slug).await;
    let articles = house.base.store.feed_articles(feed, 200).await.expect("read");
    articles.into_iter().map(|a| a.article.external_id).collect()
}

#[tokio::test]
async fn the_first_sight_of_a_source_fills_feeds_and_tells_nobody() {
    let house = House::unpolled(Base::sqlite().await).await;
    let hook = Hook::start().await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    house.follow("binh@so.example.vn", &[("tat-ca", Daily)]).await;
    house.endpoint(&hook, &["tat-ca"]).await;
    for id in ["a", "b", "c"] {
        house.publish(id, ORGANISATION);
    }
    assert_eq!(house.news().await.applied.baseline, 3);
    assert_eq!((shown(&house, "tat-ca").await.len(), shown(&house, "cong-tac-to-chuc").await.len()), (3, 3));
    house.at("2026-11-20T07:00:00+07:00");
    assert_eq!(house.digests.run().await.expect("a run"), 0);
    assert!(house.deliver().await.is_empty());
    house.post().await;
    assert!(hook.posts().is_empty());
    house.publish("d", ORGANISATION);
    assert_eq!(house.news().await.applied.published, 1);
    assert_eq!(receivers(&house.deliver().await), ["an@so.example.vn"], "what comes then is news");
}

async fn a_new_article_is_one_mail_to_each_immediate_subscriber_and_a_digest_for_the_others(base: Base) {
    let house = House::on(base).await;
    house.follow("ca-hai@so.example.vn", &[("tat-ca", Immediate), ("cong-tac-to-chuc", Immediate)]).await;
    house.follow("mot@so.example.vn", &[("cong-tac-to-chuc", Immediate)]).await;
    house.follow_in("anh@so.example.vn", &[("tat-ca", Immediate)], Locale::En).await;
    house.follow("khac@so.example.vn", &[("doan-the", Immediate)]).await;
    house.follow("ngay@so.example.vn", &[("tat-ca", Daily), ("cong-tac-to-chuc", Daily)]).await;
    let slugs = ["tat-ca".to_owned()];
    house
        .subscribe
        .request(&Ask::new("chua@so.example.vn", &slugs, Immediate, Locale::Vi, "form"))
        .await
        .expect("asked");
    let asked = house.deliver().await;
    assert_eq!(receivers(&asked), ["chua@so.example.vn"]);
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    let letters = house.deliver().await;
    assert_eq!(receivers(&letters), ["anh@so.example.vn", "ca-hai@so.example.vn", "mot@so.example.vn"]);
    assert!(letters.iter().all(|l| l.tells("tin-1") == 1), "{letters:#?}");
    assert!(letters.iter().all(|l| l.subject.contains("Hội nghị sơ kết tin-1")));
    assert!(letters[0].text.contains("All news") && letters[1].text.contains("Tất cả tin"), "each in their language");
    let words = letters[1].text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Công tác tổ chức") && words.contains("Tất cả tin"), "the mail names both feeds: {words}");
    assert!(house.deliver().await.is_empty() && house.news().await.applied.published == 0);
    house.subscribe.confirm(&asked[0].token("confirm")).await.expect("confirmed");
    assert!(house.deliver().await.is_empty(), "who confirms later is not told of what was before");
    house.at("2026-11-20T07:00:00+07:00");
    house.digests.run().await.expect("a run");
    let digests = house.deliver().await;
    assert_eq!(receivers(&digests), ["ngay@so.example.vn"]);
    assert_eq!(digests[0].tells("tin-1"), 1, "{}", digests[0].text);
    house.publish("tin-2", UNIONS);
    house.news().await;
    let letters = house.deliver().await;
    let expected = ["anh@so.example.vn", "ca-hai@so.example.vn", "chua@so.example.vn", "khac@so.example.vn"];
    assert_eq!(receivers(&letters), expected);
}

async fn an_edit_is_told_to_endpoints_and_not_by_a_second_mail(base: Base) {
    let house = House::on(base).await;
    let hook = Hook::start().await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    house.follow("binh@so.example.vn", &[("tat-ca", Daily)]).await;
    house.endpoint(&hook, &["tat-ca", "cong-tac-to-chuc"]).await;
    let mut paper = house.publish("tin-1", ORGANISATION);
    house.news().await;
    assert_eq!(house.deliver().await.len(), 1);
    house.post().await;
    for title in ["Tên mới", "Tên mới hơn"] {
        paper.title = title.to_owned();
        house.write(&paper);
        assert_eq!(house.news().await.applied.revised, 1);
        assert!(house.deliver().await.is_empty());
        house.post().await;
    }
    assert_eq!(hook.kinds(), ["article.published", "article.revised", "article.revised"]);
    let posts = hook.posts();
    let ids: Vec<&str> = posts.iter().map(|p| p.header("webhook-id")).collect();
    let row = house.article("tin-1").await;
    assert_eq!(ids, [format!("art_{row}_1_p"), format!("art_{row}_2_r"), format!("art_{row}_3_r")]);
    assert!(posts[2].json.to_string().contains("Tên mới hơn"));
    house.at("2026-11-20T07:00:00+07:00");
    house.digests.run().await.expect("a run");
    let digests = house.deliver().await;
    assert_eq!((receivers(&digests), digests[0].tells("tin-1")), (vec!["binh@so.example.vn"], 1));
    assert!(digests[0].text.contains("Tên mới hơn"), "as it stands when it is composed");
}

#[tokio::test]
async fn an_article_withdrawn_before_sending_is_not_mailed() {
    let house = House::sqlite().await;
    let hook = Hook::start().await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    house.endpoint(&hook, &["tat-ca"]).await;
    house.publish("tin-1", ORGANISATION);
    house.publish("tin-2", ORGANISATION);
    house.news().await;
    house.remove("tin-1");
    let report = house.news().await;
    assert_eq!((report.applied.withdrawn, report.applied.cancelled), (1, 2));
    let letters = house.deliver().await;
    assert_eq!((letters.len(), letters[0].tells("tin-2")), (1, 1));
    house.post().await;
    let mut kinds = hook.kinds();
    kinds.sort();
    assert_eq!(kinds, ["article.published", "article.withdrawn"]);
    assert!(!shown(&house, "tat-ca").await.contains(&"tin-1".to_owned()));
    // Back again: now it is told.
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    let letters = house.deliver().await;
    assert_eq!((letters.len(), letters[0].tells("tin-1")), (1, 1));
    house.remove("tin-1");
    house.news().await;
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    assert!(house.deliver().await.is_empty(), "and never a second time");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_not_gone() {
    let house = House::sqlite().await;
    let hook = Hook::start().await;
    house.endpoint(&hook, &["tat-ca"]).await;
    let paper = house.publish("tin-1", ORGANISATION);
    house.news().await;
    house.post().await;
    for broken in ["---\ntitle: Thiếu ngày\n---\nabc", "không có phần đầu", "---\npublished: hôm qua\n", ""]
    {
        house.write_raw("tin-1", broken);
        let report = house.news().await;
        assert_eq!((report.applied.withdrawn, report.faults.len()), (0, 1), "{broken:?}");
        assert!(report.faults[0].contains("tin-1.md"), "{:?} says where", report.faults);
        assert!(shown(&house, "tat-ca").await.contains(&"tin-1".to_owned()));
    }
    let kept = house.base.store.sources().await.expect("read").remove(0).faults;
    assert!(kept.contains("tin-1.md"), "the operator is told: {kept}");
    house.write(&paper);
    let report = house.news().await;
    assert_eq!((report.applied, report.faults.len()), (loa::store::article::Applied::default(), 0), "as it was");
    house.post().await;
    assert_eq!(hook.kinds(), ["article.published"]);
}

#[tokio::test]
async fn a_source_that_cannot_be_read_concludes_nothing() {
    let house = House::sqlite().await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    let aside = house.papers.path().with_extension("aside");
    std::fs::rename(house.papers.path(), &aside).expect("renamed");
    house.pass(hours(1));
    for _ in 0..4 {
        let error = house.ingest.poll(SOURCE).await.expect_err("there is no folder");
        assert!(matches!(error, IngestError::Source(_)), "{error}");
    }
    let source = house.base.store.sources().await.expect("read").remove(0);
    assert_eq!((source.visible, source.missing_polls), (2, 0));
    assert!(source.error.expect("told").contains("no folder"));
    std::fs::rename(&aside, house.papers.path()).expect("renamed");
    assert_eq!(house.news().await.applied, loa::store::article::Applied::default());
    assert!(house.deliver().await.is_empty());
    assert!(house.base.store.sources().await.expect("read").remove(0).error.is_none());
}

#[tokio::test]
async fn a_sudden_mass_of_articles_is_held_until_a_person_releases_it() {
    let house = House::sqlite().await;
    let hook = Hook::start().await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    house.follow("binh@so.example.vn", &[("tat-ca", Daily)]).await;
    house.endpoint(&hook, &["tat-ca"]).await;
    for n in 0..50 {
        house.publish(&format!("vua-{n:03}"), ORGANISATION);
    }
    assert!(!house.news().await.held, "50 are a busy day");
    assert_eq!(house.deliver().await.len(), 50);
    for n in 0..51 {
        house.publish(&format!("lon-{n:03}"), ORGANISATION);
    }
    assert!(house.news().await.held);
    assert!(house.deliver().await.is_empty());
    house.post().await;
    assert_eq!(hook.posts().len(), 50, "endpoints wait as well");
    assert_eq!(shown(&house, "tat-ca").await.len(), 103, "feeds show them all the same");
    house.at("2026-11-20T07:00:00+07:00");
    house.digests.run().await.expect("a run");
    let digest = house.deliver().await;
    assert!(digest.len() == 1 && !digest[0].text.contains("lon-0"), "nor does a digest tell them");
    assert_eq!(house.ingest.release(SOURCE).await.expect("released"), 51);
    house.fan_out.run().await.expect("a fan-out");
    assert_eq!(house.deliver().await.len(), 51);
    house.post().await;
    assert_eq!(hook.posts().len(), 101);
    house.at("2026-11-21T07:00:00+07:00");
    house.digests.run().await.expect("a run");
    let digest = house.deliver().await;
    assert!(digest.len() == 1 && digest[0].text.contains("51 tin mới"), "{}", digest[0].text);
}

#[tokio::test]
async fn a_mass_that_vanished_is_believed_at_the_third_poll() {
    let house = House::unpolled(Base::sqlite().await).await;
    for n in 0..120 {
        house.publish(&format!("tin-{n:03}"), ORGANISATION);
    }
    house.poll().await;
    for n in 0..24 {
        house.remove(&format!("tin-{n:03}"));
    }
    assert_eq!(house.news().await.applied.withdrawn, 24, "a fifth may go at once");
    for n in 24..48 {
        house.remove(&format!("tin-{n:03}"));
    }
    let report = house.news().await;
    assert_eq!((report.applied.withdrawn, report.kept), (0, 24), "24 of 96 may not");
    // Some come back: what is left is no mass.
    house.publish("tin-024", ORGANISATION);
    for n in 25..31 {
        house.publish(&format!("tin-{n:03}"), ORGANISATION);
    }
    assert_eq!(house.news().await.applied.withdrawn, 17);
    for n in 48..72 {
        house.remove(&format!("tin-{n:03}"));
    }
    for _ in 0..2 {
        let report = house.news().await;
        assert_eq!((report.applied.withdrawn, report.kept), (0, 24));
        assert_eq!(shown(&house, "tat-ca").await.len(), 79);
    }
    assert_eq!(house.news().await.applied.withdrawn, 24);
    assert_eq!(shown(&house, "tat-ca").await.len(), 55);
}

#[tokio::test]
async fn an_old_article_enters_the_feeds_and_not_the_mails() {
    let house = House::sqlite().await;
    let hook = Hook::start().await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    house.follow("binh@so.example.vn", &[("tat-ca", Daily)]).await;
    house.endpoint(&hook, &["tat-ca"]).await;
    house.write(&Paper::new("xua", ORGANISATION, house.clock.now().minus(hours(8 * 24))));
    house.news().await;
    assert!(house.deliver().await.is_empty());
    house.post().await;
    assert_eq!(hook.kinds(), ["article.published"]);
    let order = shown(&house, "tat-ca").await;
    assert_eq!(order.last().map(String::as_str), Some("xua"), "at its place by date: {order:?}");
    house.write(&Paper::new("gan-day", ORGANISATION, house.clock.now().minus(hours(6 * 24))));
    house.news().await;
    assert_eq!(house.deliver().await.len(), 1, "six days are news still");
    house.at("2026-11-20T07:00:00+07:00");
    house.digests.run().await.expect("a run");
    let digest = house.deliver().await;
    assert_eq!((digest.len(), digest[0].tells("xua"), digest[0].tells("gan-day")), (1, 0, 1));
}

#[tokio::test]
async fn a_scheduled_article_appears_when_its_time_has_come() {
    let house = House::sqlite().await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    let flip = house.clock.now().plus(hours(3));
    house.write(&Paper::new("hen-gio", ORGANISATION, flip));
    assert_eq!(house.news().await.applied.published, 0);
    assert_eq!(house.base.store.sources().await.expect("read").remove(0).next_flip, Some(flip.millis()));
    assert!(house.deliver().await.is_empty());
    house.pass(hours(2));
    assert_eq!(house.news().await.applied.published, 0);
    house.pass(hours(1));
    assert_eq!(house.news().await.applied.published, 1, "though nobody touched the file");
    assert_eq!(house.deliver().await.len(), 1);
    assert_eq!(house.base.store.sources().await.expect("read").remove(0).next_flip, None);
}

#[tokio::test]
async fn a_sudden_mass_of_edits_is_in_the_feeds_at_once_and_endpoints_are_told_when_a_person_releases_it() {
    let house = House::unpolled(Base::sqlite().await).await;
    let mut papers: Vec<Paper> = (0..620)
        .map(|n| Paper::new(&format!("bai-{n}"), ORGANISATION, house.clock.now().minus(hours(48 + n))))
        .collect();
    for paper in &papers {
        house.write(paper);
    }
    house.poll().await;
    let hook = Hook::start().await;
    house.endpoint(&hook, &["tat-ca"]).await;
    house.follow("ngay@so.example.vn", &[("tat-ca", Daily)]).await;
    house.pass(hours(1));
    for paper in &mut papers {
        paper.title = format!("{} (sửa)", paper.title);
        house.write(paper);
    }
    let report = house.news().await;
    assert_eq!((report.applied.revised, report.held), (620, true));
    house.post().await;
    assert_eq!(hook.kinds(), Vec::<String>::new());
    let tat_ca = house.feed("tat-ca").await;
    let shown = house.base.store.feed_articles(tat_ca, 1_000).await.expect("read");
    assert!(shown.len() == 620 && shown.iter().all(|stored| stored.article.title.ends_with("(sửa)")));
    assert_eq!(house.ingest.release(SOURCE).await.expect("released"), 620);
    house.fan_out.run().await.expect("it fans out");
    house.post().await;
    assert_eq!(hook.kinds(), vec!["article.revised"; 620]);
    house.at("2026-11-20T07:00:00+07:00");
    house.digests.run().await.expect("a run");
    assert!(house.deliver().await.is_empty(), "an edit is no news, released or not");
}

#[tokio::test]
async fn the_clock_s_own_changes_are_polled_without_waiting_for_a_beat() {
    let house = House::sqlite().await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    house.write(&Paper::new("hen-gio", ORGANISATION, house.clock.now().plus(hours(3))));
    house.news().await;
    let polled = async || house.base.store.sources().await.expect("read").remove(0).polled_at;
    let before = polled().await;
    house.pass(hours(2));
    house.ingest.poll_called().await;
    assert_eq!(polled().await, before, "nothing flips yet");
    house.pass(hours(1));
    house.ingest.poll_called().await;
    house.fan_out.run().await.expect("it fans out");
    assert_eq!(house.deliver().await.len(), 1);
    let after = polled().await;
    house.pass(hours(1));
    house.ingest.poll_called().await;
    assert_eq!(polled().await, after, "once");
}

async fn a_moved_article_is_told_only_to_those_of_its_new_category_and_once(base: Base) {
    let house = House::on(base).await;
    let (old, new) = (Hook::start().await, Hook::start().await);
    house.follow("cu@so.example.vn", &[("cong-tac-to-chuc", Immediate)]).await;
    house.follow("moi@so.example.vn", &[("doan-the", Immediate)]).await;
    house.follow("ca-hai@so.example.vn", &[("cong-tac-to-chuc", Immediate), ("doan-the", Immediate)]).await;
    house.follow("ngay@so.example.vn", &[("doan-the", Daily)]).await;
    house.follow("ca-ngay@so.example.vn", &[("cong-tac-to-chuc", Immediate), ("doan-the", Daily)]).await;
    house.endpoint(&old, &["cong-tac-to-chuc"]).await;
    house.endpoint(&new, &["doan-the"]).await;
    let mut paper = house.publish("tin-1", ORGANISATION);
    house.news().await;
    let expected = ["ca-hai@so.example.vn", "ca-ngay@so.example.vn", "cu@so.example.vn"];
    assert_eq!(receivers(&house.deliver().await), expected);
    house.post().await;
    for (category, told) in [(UNIONS, vec!["moi@so.example.vn"]), (ORGANISATION, vec![]), (UNIONS, vec![])] {
        paper.category = category.to_owned();
        house.write(&paper);
        house.news().await;
        assert_eq!(receivers(&house.deliver().await), told);
        house.post().await;
    }
    assert_eq!(old.kinds(), ["article.published", "article.revised", "article.revised", "article.revised"]);
    assert_eq!(new.kinds(), ["article.revised", "article.revised", "article.revised"]);
    house.at("2026-11-20T07:00:00+07:00");
    house.digests.run().await.expect("a run");
    assert_eq!(receivers(&house.deliver().await), ["ngay@so.example.vn"], "who had the mail is not told again");
    assert_eq!(shown(&house, "cong-tac-to-chuc").await, ["cu-1"]);
}
