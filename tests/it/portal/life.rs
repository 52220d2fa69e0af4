//! A portal lives a day: every kind of edit that Joomla makes, most of them without a trace in `modified`. After each, the
//! documents hold exactly what a visitor may see, the right people and endpoints hear of it once, and nothing that is
//! hidden is anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loa::domain::subscriber::Frequency;
use loa::work::ingest::Report;

use super::at;
use super::read::{Feed, named};
use super::stage::{Keep, Sent, Stage, copies, mark, pairs, source, visible};
use crate::sources::joomla::Portal;
use crate::support::databases::Engine;
use crate::support::smtp_server::{Act, Step};

macro_rules! lives {
    ($($name:ident: $joomla:literal, $engine:ident, $keep:ident;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let test = concat!("portal::life::", stringify!($name));
            if let Some(portal) = Portal::new($joomla, Engine::$engine, test).await
                && let Some(life) = Life::begin(portal, Keep::$keep, test).await
            {
                live(life).await;
            }
        }
    )+};
}

lives! {
    a_day_of_joomla_3_on_mariadb: 3, MariaDb, Sqlite;
    a_day_of_joomla_3_on_postgresql: 3, Postgres, Sqlite;
    a_day_of_joomla_5_on_mariadb: 5, MariaDb, Sqlite;
    a_day_of_joomla_5_on_postgresql: 5, Postgres, Sqlite;
    a_day_of_joomla_5_on_postgresql_with_loa_on_postgresql: 5, Postgres, Postgres;
}

/// Who follows what at once. `tat-ca` holds everything.
const PEOPLE: [(&str, &[&str]); 3] = [
    ("tat", &["tat-ca", "cong-tac-to-chuc", "ket-nap-dang-vien"]),
    ("nam", &["giai-phong-mien-nam"]),
    ("toi", &["ket-nap-dang-vien-90"]),
];

/// Which endpoint follows what.
const ENDPOINTS: [(&str, &[&str]); 2] = [("tat", &["tat-ca"]), ("nam", &["giai-phong-mien-nam"])];

struct Life {
    portal: Portal,
    stage: Stage,
    /// Who was mailed of what.
    told: BTreeSet<(String, i64)>,
    feeds: BTreeMap<String, Feed>,
    shown: BTreeSet<i64>,
    /// Articles that the digest of the next morning may bring.
    news: BTreeSet<i64>,
    events: BTreeSet<(String, String)>,
}

/// What an edit should come to.
#[derive(Debug, Default)]
struct Expect<'a> {
    published: &'a [i64],
    revised: &'a [i64],
    withdrawn: &'a [i64],
    /// Of which people hear, if they follow a feed that it entered and never heard of it.
    told: &'a [i64],
}

fn set(ids: &[i64]) -> BTreeSet<i64> {
    ids.iter().copied().collect()
}

impl Life {
    /// The first poll, which tells nobody, although some were there before it.
    async fn begin(portal: Portal, keep: Keep, test: &str) -> Option<Self> {
        mark(&portal).await;
        portal.run("UPDATE #__content SET publish_up = '2026-11-23 00:30:00' WHERE id = 106").await;
        portal.run("UPDATE #__content SET publish_down = '2026-11-23 00:40:00' WHERE id = 120").await;
        // A recent one that is there from the beginning.
        portal.run("UPDATE #__content SET publish_up = '2026-11-22 07:00:00' WHERE id = 127").await;
        let stage = Stage::build(source(&portal.db.url), keep, test).await?;
        stage.follow("tat", PEOPLE[0].1.split_last().expect("feeds").1, Frequency::Immediate).await;
        stage.follow("ngay", &["tat-ca", "cong-tac-to-chuc"], Frequency::Daily).await;
        stage.endpoint("tat", ENDPOINTS[0].1).await;
        let report = stage.poll().await.expect("a poll");
        assert_eq!(report.applied.baseline, 13, "{report:?}");
        // It is seven in the morning: the digest has nothing to say.
        assert_eq!(stage.digests.run().await.expect("a digest run"), 0);
        let sent = stage.quiet().await;
        assert!(sent.mails.is_empty() && sent.events.is_empty(), "{sent:?}");
        let mut life = Self {
            told: BTreeSet::new(),
            feeds: BTreeMap::new(),
            shown: BTreeSet::new(),
            news: BTreeSet::new(),
            events: BTreeSet::new(),
            portal,
            stage,
        };
        life.look(&sent, &BTreeSet::new()).await;
        let stage = &life.stage;
        stage.follow("tat", &["ket-nap-dang-vien"], Frequency::Immediate).await;
        for (name, slugs) in &PEOPLE[1..] {
            stage.follow(name, slugs, Frequency::Immediate).await;
        }
        stage.endpoint("nam", ENDPOINTS[1].1).await;
        stage.ask("chua", "tat-ca").await;
        let sent = stage.quiet().await;
        assert_eq!(sent.mails.len(), 1, "only the question whether they want it");
        assert!(sent.mails[0].0.starts_with("chua@"));
        life.look(&sent, &BTreeSet::new()).await;
        Some(life)
    }

    /// All documents against the rule, and nothing hidden anywhere. `known` may be named in events: they were withdrawn.
    async fn look(&mut self, sent: &Sent, known: &BTreeSet<i64>) {
        let expected = visible(&self.portal, self.stage.clock.now()).await;
        let ids: BTreeSet<i64> = expected.keys().copied().collect();
        self.feeds = self.stage.feeds().await;
        let shown: BTreeSet<i64> = self.feeds.values().flat_map(|feed| feed.ids.iter().copied()).collect();
        assert_eq!(shown, ids, "what is in the feeds and what a visitor may see");
        assert_eq!(self.feeds["tat-ca"].ids.len(), ids.len());
        let all = pairs(&self.portal, &format!("SELECT id, catid FROM {}content", self.portal.prefix)).await;
        let hidden: BTreeSet<i64> = all.into_keys().filter(|id| !ids.contains(id)).collect();
        assert!(hidden.len() > 10);
        for (slug, feed) in &self.feeds {
            for text in &feed.texts {
                assert_eq!(named(text, &hidden), BTreeSet::new(), "hidden articles in {slug}");
            }
        }
        for (to, mail) in &sent.mails {
            assert_eq!(named(mail, &hidden), BTreeSet::new(), "hidden articles in a mail to {to}");
        }
        let secret: BTreeSet<i64> = hidden.difference(known).copied().collect();
        for event in &sent.events {
            assert_eq!(named(&event.body, &secret), BTreeSet::new(), "hidden articles in {}", event.body);
        }
        // Every category that has no file of its own holds exactly its articles and those of its children.
        let parents = pairs(&self.portal, &format!("SELECT id, parent_id FROM {}categories", self.portal.prefix)).await;
        for (slug, root) in
            [("ket-nap-dang-vien", 11), ("danh-cho-khach", 50), ("ket-nap-dang-vien-90", 90), ("doi-moi-sang-tao", 91)]
        {
            let below = |category: &i64| {
                std::iter::successors(Some(*category), |id| parents.get(id).copied()).take(9).any(|id| id == root)
            };
            let expected: BTreeSet<i64> =
                expected.iter().filter(|(_, category)| below(category)).map(|(id, _)| *id).collect();
            assert_eq!(set(&self.feeds[slug].ids), expected, "{slug}");
        }
        self.shown = ids;
    }

    /// An edit, a minute, a poll; and all that must come of it.
    async fn after(&mut self, what: &str, edits: &[&str], expect: Expect<'_>) -> Report {
        self.stage.clock.advance(Duration::from_mins(1));
        for edit in edits {
            self.portal.run(edit).await;
        }
        let report = self.stage.poll().await.unwrap_or_else(|error| panic!("{what}: {error}"));
        let sent = self.stage.quiet().await;
        self.judge(what, &report, &sent, &expect).await;
        report
    }

    async fn judge(&mut self, what: &str, report: &Report, sent: &Sent, expect: &Expect<'_>) {
        let applied = report.applied;
        assert_eq!(
            (applied.published, applied.revised, applied.withdrawn),
            (expect.published.len(), expect.revised.len(), expect.withdrawn.len()),
            "{what}: {report:?}"
        );
        assert!(!report.held && report.kept == 0 && report.faults.is_empty(), "{what}: {report:?}");
        let in_feed = |feeds: &BTreeMap<String, Feed>, slug: &str, id: i64| {
            feeds.get(slug).is_some_and(|feed| feed.ids.contains(&id))
        };
        let before = std::mem::take(&mut self.feeds);
        self.look(sent, &set(expect.withdrawn)).await;

        let mut mails = BTreeSet::new();
        for (name, slugs) in PEOPLE {
            for id in expect.told {
                let entered = |slug: &&str| {
                    in_feed(&self.feeds, slug, *id) && (expect.published.contains(id) || !in_feed(&before, slug, *id))
                };
                if slugs.iter().any(entered) && self.told.insert((name.to_owned(), *id)) {
                    mails.insert((format!("{name}@example.vn"), *id));
                }
            }
        }
        self.news.extend(expect.told);
        let got: Vec<(String, i64)> = sent
            .mails
            .iter()
            .flat_map(|(to, mail)| named(mail, &self.shown).into_iter().map(|id| (to.clone(), id)))
            .collect();
        assert_eq!(got.len(), sent.mails.len(), "{what}: a mail about none or several: {got:?}");
        assert_eq!(got.iter().cloned().collect::<BTreeSet<_>>(), mails, "{what}: mails");
        assert_eq!(got.len(), mails.len(), "{what}: a mail came twice: {got:?}");

        let mut events = BTreeSet::new();
        let kinds = [("published", expect.published), ("revised", expect.revised), ("withdrawn", expect.withdrawn)];
        for ((endpoint, slugs), (kind, ids)) in
            ENDPOINTS.into_iter().flat_map(|endpoint| kinds.into_iter().map(move |kind| (endpoint, kind)))
        {
            for id in ids {
                if slugs.iter().any(|slug| in_feed(&before, slug, *id) || in_feed(&self.feeds, slug, *id)) {
                    events.insert((endpoint.to_owned(), format!("article.{kind}"), *id));
                }
            }
        }
        let mut heard = BTreeSet::new();
        for event in &sent.events {
            let body: serde_json::Value = serde_json::from_str(&event.body).expect("JSON");
            let id = super::read::id(body["data"]["id"].as_str().expect("an id"));
            let kind = body["type"].as_str().expect("a type").to_owned();
            assert!(heard.insert((event.path.clone(), kind, id)), "{what}: an event came twice: {event:?}");
            assert!(self.events.insert((event.path.clone(), event.id.clone())), "{what}: an id came twice: {event:?}");
        }
        assert_eq!(heard, events, "{what}: events");
    }

    /// Atom's `updated` of an article, as every feed that has it says.
    fn updated(&self, id: i64) -> String {
        self.feeds["tat-ca"].updated[&id].clone()
    }
}

const NONE: Expect<'static> = Expect { published: &[], revised: &[], withdrawn: &[], told: &[] };

async fn live(mut life: Life) {
    life.after("a second after 126 expired", &[], Expect { withdrawn: &[126], ..NONE }).await;
    life.after("nothing", &["UPDATE #__content SET hits = hits + 7, ordering = 3, checked_out = 42"], NONE).await;
    lists(&mut life).await;
    texts(&mut life).await;
    categories(&mut life).await;
    levels(&mut life).await;
    clocks(&mut life).await;
    down(&mut life).await;
    morning(&mut life).await;
}

/// What the lists do: publish, unpublish, archive, trash, delete.
async fn lists(life: &mut Life) {
    let publish = |id: i64| format!("UPDATE #__content SET state = 1 WHERE id = {id}");
    life.after("publish a draft of yesterday", &[&publish(103)], Expect { published: &[103], told: &[103], ..NONE })
        .await;
    assert_eq!(life.feeds["tat-ca"].ids[0], 103, "news is on top");
    life.after("publish one of 2021", &[&publish(104)], Expect { published: &[104], ..NONE }).await;
    assert_ne!(life.feeds["tat-ca"].ids[0], 104, "an old article goes to its place");
    life.after("unpublish", &["UPDATE #__content SET state = 0 WHERE id = 103"], Expect { withdrawn: &[103], ..NONE })
        .await;
    life.after("publish again", &[&publish(103)], Expect { published: &[103], told: &[103], ..NONE }).await;
    life.after("archive", &["UPDATE #__content SET state = 2 WHERE id = 104"], Expect { withdrawn: &[104], ..NONE })
        .await;
    life.after("trash", &["UPDATE #__content SET state = -2 WHERE id = 102"], Expect { withdrawn: &[102], ..NONE })
        .await;
    life.after("out of the trash", &[&publish(102)], Expect { published: &[102], ..NONE }).await;
    life.after("delete", &["DELETE FROM #__content WHERE id = 128"], Expect { withdrawn: &[128], ..NONE }).await;
}

/// Edits of what is read, and of what stands around it.
async fn texts(life: &mut Life) {
    let before = life.updated(103);
    let revised = |ids| Expect { revised: ids, ..NONE };
    let title = "UPDATE #__content SET title = 'Tên mới td103q' WHERE id = 103";
    life.after("a new title", &[title], revised(&[103])).await;
    assert_eq!(life.feeds["tat-ca"].titles[&103], "Tên mới td103q");
    let second = life.updated(103);
    assert!(second > before, "{second} {before}");
    let text =
        "UPDATE #__content SET introtext = '<p>Viết lại, tb103q.</p>', modified = '2026-11-23 00:09:00' WHERE id = 103";
    life.after("a new text", &[text], revised(&[103])).await;
    assert!(life.feeds["tat-ca"].texts.iter().all(|text| text.contains("Viết lại, tb103q.")));
    let third = life.updated(103);
    assert!(third > second, "{third} {second}");

    life.after("a new alias", &["UPDATE #__content SET alias = 'ten-moi' WHERE id = 103"], revised(&[103])).await;
    assert!(life.feeds["tat-ca"].links[&103].ends_with("/bai/103-ten-moi"), "{}", life.feeds["tat-ca"].links[&103]);
    assert_eq!(life.updated(103), third, "readers need not show a new address as news");
    let touched = "UPDATE #__content SET modified = '2026-11-23 00:10:00' WHERE id = 103";
    life.after("saved without an edit", &[touched], NONE).await;

    let old = life.updated(100);
    assert!(life.feeds["tat-ca"].texts.iter().all(|text| text.contains("Chi bộ")));
    life.after("a tag is unpublished", &["UPDATE #__tags SET published = 0 WHERE id = 2"], revised(&[100])).await;
    assert!(life.feeds["tat-ca"].texts.iter().all(|text| !text.contains(">Chi bộ<") && !text.contains("\"Chi bộ\"")));
    // 101 has a pen name; 103, 110 and the rest carry the account's.
    let signed: Vec<i64> = life.shown.iter().copied().filter(|id| *id != 101).collect();
    let rename = "UPDATE #__users SET name = 'Nguyễn Văn Bình' WHERE id = 42";
    life.after("an author is renamed", &[rename], revised(&signed)).await;
    assert!(
        life.feeds["tat-ca"]
            .texts
            .iter()
            .all(|text| text.contains("Nguyễn Văn Bình") && !text.contains("Nguyễn Văn An"))
    );
    assert_eq!((life.updated(100), life.updated(103)), (old, third), "a new name of an author is no news");
}

/// Moves, and categories that come and go with what is in them.
async fn categories(life: &mut Life) {
    let move_to = "UPDATE #__content SET catid = 13 WHERE id = 103";
    // Only those who follow the new category alone have not heard of it.
    life.after("a move", &[move_to], Expect { revised: &[103], told: &[103], ..NONE }).await;
    assert!(life.told.contains(&("nam".to_owned(), 103)));
    life.after(
        "an old one moves",
        &["UPDATE #__content SET catid = 10 WHERE id = 119"],
        Expect { revised: &[119], ..NONE },
    )
    .await;
    let back = "UPDATE #__content SET catid = 13 WHERE id = 119";
    life.after("and moves back", &[back], Expect { revised: &[119], ..NONE }).await;

    // 127 is of yesterday and was there at the first poll: it is no news when it comes back.
    let hide = "UPDATE #__categories SET published = 0 WHERE id = 12";
    life.after("a category is unpublished", &[hide], Expect { withdrawn: &[102, 127], ..NONE }).await;
    let show = "UPDATE #__categories SET published = 1 WHERE id = 12";
    life.after("and published", &[show], Expect { published: &[102, 127], ..NONE }).await;
    let hide = "UPDATE #__categories SET access = 2 WHERE id = 13";
    life.after("a category is for members", &[hide], Expect { withdrawn: &[103, 119, 130], ..NONE }).await;
    let show = "UPDATE #__categories SET access = 1 WHERE id = 13";
    life.after("and for all", &[show], Expect { published: &[103, 119, 130], told: &[103], ..NONE }).await;

    let new = "INSERT INTO #__categories (id, parent_id, lft, rgt, level, path, extension, title, alias, description, \
               published, access, params, language, modified_time) VALUES (92, 1, 37, 38, 1, 'chuyen-de', 'com_content', \
               'Chuyên đề', 'chuyen-de', '', 1, 1, '{}', '*', '2026-11-20 00:00:00')";
    let backlog = copies(&life.portal, 140..143, 92, "2026-11-22 09:00:00");
    let expect = Expect { published: &[140, 141, 142], ..NONE };
    life.after("a new category with a backlog", &[new, &backlog], expect).await;
    assert_eq!(set(&life.feeds["chuyen-de"].ids), set(&[140, 141, 142]));
    let next = copies(&life.portal, 143..144, 92, "2026-11-22 10:00:00");
    life.after("and its first news", &[&next], Expect { published: &[143], told: &[143], ..NONE }).await;
}

/// Access levels of single articles.
async fn levels(life: &mut Life) {
    let level = |level, id| format!("UPDATE #__content SET access = {level} WHERE id = {id}");
    life.after("for members", &[&level(2, 143)], Expect { withdrawn: &[143], ..NONE }).await;
    life.after("for editors", &[&level(3, 124)], Expect { withdrawn: &[124], ..NONE }).await;
    let both = [level(1, 143), level(1, 124)];
    let expect = Expect { published: &[124, 143], told: &[143], ..NONE };
    life.after("for all", &[&both[0], &both[1]], expect).await;
    life.after("never seen before", &[&level(1, 108)], Expect { published: &[108], told: &[108], ..NONE }).await;
}

/// Times that pass.
async fn clocks(life: &mut Life) {
    life.stage.clock.set(at("2026-11-23T00:28:59Z"));
    life.after("a second before its time", &[], NONE).await;
    life.stage.clock.set(at("2026-11-23T00:29:00Z"));
    life.after("publish_up passes", &[], Expect { published: &[106], told: &[106], ..NONE }).await;
    life.stage.clock.set(at("2026-11-23T00:39:00Z"));
    life.after("the last second of publish_down", &[], NONE).await;
    life.stage.clock.set(at("2026-11-23T00:39:01Z"));
    life.after("publish_down passes", &[], Expect { withdrawn: &[120], ..NONE }).await;
}

/// The relay is away while an article comes and goes.
async fn down(life: &mut Life) {
    let (state, stage) = ("UPDATE #__content SET state = 1 WHERE id = 105", &life.stage);
    stage.clock.advance(Duration::from_mins(1));
    stage.smtp.always(Step::Connect, Act::reply_then_close("421 4.3.2 closed"));
    let before = stage.smtp.connections();
    stage.smtp.drop_idle(None);
    life.portal.run(state).await;
    let report = stage.poll().await.expect("a poll");
    assert_eq!(report.applied.published, 1);
    stage.smtp.wait_until(super::stage::LONG, "try", |smtp| smtp.connections() > before).await;
    // Else the minute that passes would end the lease of an event that is on its way.
    stage.empty(|depth| depth.channel == "webhook").await;

    stage.clock.advance(Duration::from_mins(1));
    life.portal.run("UPDATE #__content SET state = -2 WHERE id = 105").await;
    let report = stage.poll().await.expect("a poll");
    assert_eq!((report.applied.withdrawn, report.applied.cancelled > 0), (1, true), "{report:?}");
    let sent = stage.quiet().await;
    assert!(sent.mails.is_empty(), "{sent:?}");
    let kinds: Vec<_> =
        sent.events.iter().map(|event| (event.path.as_str(), event.body.contains("article.withdrawn"))).collect();
    assert_eq!(kinds, [("tat", false), ("tat", true)], "{sent:?}");
    stage.smtp.behave();
    life.feeds = stage.feeds().await;
    stage.clock.advance(Duration::from_hours(2));
    let expect = NONE;
    life.after("long after its retry would have been due", &[], expect).await;
    // Nobody had the mail, so everyone gets it now, once.
    life.after("out of the trash", &[state], Expect { published: &[105], told: &[105], ..NONE }).await;
}

/// The digest of the next morning has exactly what came since, and is still public.
async fn morning(life: &mut Life) {
    life.stage.clock.set(at("2026-11-23T23:58:59Z"));
    let gone = "UPDATE #__content SET state = 0 WHERE id = 108";
    life.after("one goes at the last minute", &[gone], Expect { withdrawn: &[108], ..NONE }).await;
    assert_eq!(life.stage.digests.run().await.expect("a digest run"), 0);
    life.stage.clock.set(at("2026-11-24T00:00:00Z"));
    assert_eq!(life.stage.digests.run().await.expect("a digest run"), 1);
    let sent = life.stage.quiet().await;
    life.look(&sent, &BTreeSet::new()).await;
    assert_eq!(sent.mails.len(), 1, "{sent:?}");
    let (to, mail) = &sent.mails[0];
    let expected: BTreeSet<i64> = life.news.intersection(&life.shown).copied().collect();
    assert_eq!((to.as_str(), named(mail, &(100..200).collect())), ("ngay@example.vn", expected.clone()));
    assert_eq!(expected, set(&[103, 105, 106, 143]));
    life.stage.clock.advance(Duration::from_hours(1));
    assert_eq!(life.stage.digests.run().await.expect("a digest run"), 0);
    assert!(life.stage.quiet().await.mails.is_empty(), "a digest went out twice");
}
