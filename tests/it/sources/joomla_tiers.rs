//! Hot scans and sweeps of a portal: what each finds, what it asks of the next, and that together they end where a look at
//! everything would.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loa::clock::Timestamp;
use loa::domain::article::Category;
use loa::domain::roll::Roll;
use loa::source::{AnySource, Ask, Depth, Flip, Reach, Rhythm, Scan, Source};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::joomla::{Portal, VISIBLE, now, on_each_portal, source_as};
use super::{fingerprints, set};
use crate::portal::stage::copies;
use crate::support::databases::Engine;

on_each_portal!(
    a_sweep_of_an_unchanged_portal_lists_nothing,
    scans_of_every_depth_give_one_fingerprint,
    a_hot_scan_sees_what_editors_do_to_the_newest_though_modified_stays,
    an_edit_far_below_the_newest_waits_for_the_sweep,
    what_readers_see_is_looked_at_wherever_it_lies,
    a_text_changed_behind_joomlas_back_is_found_by_a_deep_sweep_alone,
    a_tag_given_in_the_list_is_found_by_the_sweep,
    what_only_a_sweep_can_follow_asks_for_one,
    a_process_that_remembers_nothing_asks_for_a_sweep,
    two_articles_that_change_places_show,
    the_clock_is_foretold_and_what_is_due_is_looked_at,
    a_category_that_is_hidden_hides_its_articles_without_listing_others,
    what_an_older_loa_knew_is_read_again,
    any_edits_end_where_a_look_at_everything_would,
);

/// What loa does with scans: it keeps what they say, as ingest does.
pub struct Mirror {
    pub source: AnySource,
    /// Public articles and their fingerprints.
    pub known: BTreeMap<String, String>,
    pub flips: BTreeSet<Flip>,
    pub categories: Vec<Category>,
    /// What readers see; hot scans ask about these.
    pub shown: BTreeSet<i64>,
}

impl Mirror {
    /// After a first sweep, and the second that every text is read in.
    pub async fn of(source: AnySource, now: Timestamp) -> Self {
        let mut mirror = Self {
            source,
            known: BTreeMap::new(),
            flips: BTreeSet::new(),
            categories: Vec::new(),
            shown: BTreeSet::new(),
        };
        assert_eq!(mirror.sweep(now).await.reach, Reach::Whole);
        assert_eq!(mirror.sweep(now).await.reach, Reach::Only(BTreeSet::new()));
        mirror
    }

    async fn scan(&self, depth: Depth, now: Timestamp) -> (Scan, BTreeSet<String>) {
        let due: BTreeSet<String> =
            self.flips.iter().filter(|flip| flip.at <= now).map(|flip| flip.external_id.clone()).collect();
        let shown: BTreeSet<String> = self.shown.iter().map(ToString::to_string).collect();
        let asked = |id: &String| depth == Depth::Sweep || shown.contains(id) || due.contains(id);
        let known: Roll = self.known.iter().filter(|(id, _)| asked(id)).collect();
        let waiting = due.iter().filter(|id| !self.known.contains_key(*id)).cloned().collect();
        let ask = Ask { now, depth, known: known.public(), due: &waiting, categories: &self.categories };
        let scan = self.source.scan(&ask).await.expect("a scan");
        (scan, known.public().ids().map(str::to_owned).collect())
    }

    fn keep(&mut self, scan: &Scan, asked: &BTreeSet<String>, swept: bool, now: Timestamp) {
        let found = fingerprints(scan);
        match &scan.reach {
            Reach::Whole => self.known.retain(|id, _| found.contains_key(id)),
            Reach::Only(ids) => {
                assert!(ids.is_subset(asked), "concluded of what it was not asked");
                self.known.retain(|id, _| !ids.contains(id) || found.contains_key(id));
            }
            Reach::Part => panic!("nothing failed"),
        }
        self.known.extend(found);
        self.flips.retain(|flip| !swept && flip.at > now);
        self.flips.extend(scan.flips.iter().cloned());
        if let Some(categories) = &scan.categories {
            self.categories.clone_from(categories);
        }
    }

    /// Looks at everything.
    pub async fn sweep(&mut self, now: Timestamp) -> Scan {
        let (scan, asked) = self.scan(Depth::Sweep, now).await;
        assert!(!scan.deeper && scan.faults.is_empty());
        self.keep(&scan, &asked, true, now);
        scan
    }

    /// Looks at what matters at once; whether that asked for a sweep, which is then made.
    pub async fn hot(&mut self, now: Timestamp) -> bool {
        let (scan, asked) = self.scan(Depth::Hot, now).await;
        if scan.deeper {
            assert!(scan.articles.is_empty());
            self.sweep(now).await;
            return true;
        }
        assert_eq!(scan.reach, Reach::Only(asked.clone()));
        self.keep(&scan, &asked, false, now);
        false
    }

    fn ids(&self) -> BTreeSet<String> {
        self.known.keys().cloned().collect()
    }
}

/// More articles than a hot scan looks at: ids 1000 to 2499, like 119. The fixtures' own lie far below.
pub async fn crowd(portal: &Portal) {
    let columns = "state, catid, access, title, alias, introtext, created, modified, images, urls, attribs, metadesc, \
                   metadata, language, publish_up, publish_down, created_by, metakey";
    let full = if portal.db.engine == Engine::Postgres { "\"fulltext\"" } else { "`fulltext`" };
    let from = columns.split(", ").map(|c| format!("a.{c}")).collect::<Vec<_>>().join(", ");
    let numbers =
        |below: u32| format!("(SELECT id - 100 AS n FROM #__content WHERE id BETWEEN 100 AND {})", 99 + below);
    portal
        .run(&format!(
            "INSERT INTO #__content (id, {columns}, {full}) SELECT 1000 + x.n * 75 + y.n * 3 + z.n, {from}, a.{full} \
             FROM #__content a, {} x, {} y, {} z WHERE a.id = 119",
            numbers(20),
            numbers(25),
            numbers(3)
        ))
        .await;
}

async fn begin(portal: &Portal) -> Mirror {
    crowd(portal).await;
    let mirror = Mirror::of(portal.source(), now()).await;
    assert_eq!(mirror.known.len(), VISIBLE.len() + 1500);
    mirror
}

async fn first(portal: &Portal, now: Timestamp) -> BTreeMap<String, String> {
    fingerprints(&portal.source().scan(&Ask::first(now)).await.expect("a scan"))
}

fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> BTreeSet<String> {
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    all.into_iter().filter(|id| before.get(*id) != after.get(*id)).cloned().collect()
}

async fn a_sweep_of_an_unchanged_portal_lists_nothing(portal: Portal) {
    let mut mirror = begin(&portal).await;
    assert_eq!(mirror.source.rhythm(), Rhythm::Tiers { sweep: Duration::from_mins(10) });
    let scan = mirror.sweep(now()).await;
    assert!(scan.articles.is_empty() && scan.reach == Reach::Only(BTreeSet::new()));
    assert_eq!(scan.categories.map(|categories| categories.len()), Some(7));
}

async fn scans_of_every_depth_give_one_fingerprint(portal: Portal) {
    let mut mirror = begin(&portal).await;
    let whole = first(&portal, now()).await;
    assert_eq!(mirror.known, whole);
    // With nothing known of them, the newest and their texts are read; then not again.
    for _ in 0..2 {
        let (scan, _) = mirror.scan(Depth::Hot, now()).await;
        let hot = fingerprints(&scan);
        assert_eq!(hot.len(), 1000);
        assert!(hot.iter().all(|(id, print)| whole[id] == *print && id.parse::<i64>().expect("a number") >= 1500));
    }
    mirror.shown = BTreeSet::from([100, 101, 1000, 2499]);
    assert!(!mirror.hot(now()).await);
    assert_eq!(mirror.known, whole);
    // Listing a bucket gives the same too.
    portal.run("UPDATE #__content SET title = 'Khác' WHERE id = 2047").await;
    let scan = mirror.sweep(now()).await;
    assert_eq!(scan.articles.len(), 512, "only the bucket from 1536 to 2047");
    assert_eq!(changed(&whole, &mirror.known), set([2047]));
    assert_eq!(mirror.known, first(&portal, now()).await);
}

async fn a_hot_scan_sees_what_editors_do_to_the_newest_though_modified_stays(portal: Portal) {
    let mut mirror = begin(&portal).await;
    mirror.shown = (2300..2500).collect();
    for (edit, id) in [
        ("UPDATE #__content SET state = 0 WHERE id = 2400", 2400),
        ("UPDATE #__content SET state = 1 WHERE id = 2400", 2400),
        ("UPDATE #__content SET state = 2 WHERE id = 2401", 2401),
        ("UPDATE #__content SET state = -2 WHERE id = 2402", 2402),
        ("DELETE FROM #__content WHERE id = 2403", 2403),
        ("UPDATE #__content SET catid = 12 WHERE id = 2404", 2404),
        ("UPDATE #__content SET catid = 20 WHERE id = 2404", 2404),
        ("UPDATE #__content SET access = 2 WHERE id = 2405", 2405),
        ("UPDATE #__content SET access = 5 WHERE id = 2405", 2405),
        ("UPDATE #__content SET alias = 'ten-moi' WHERE id = 2406", 2406),
        ("UPDATE #__content SET title = 'Tên mới' WHERE id = 2406", 2406),
        ("UPDATE #__content SET created_by_alias = 'Bút danh' WHERE id = 2406", 2406),
        ("UPDATE #__content SET created_by = 0 WHERE id = 2407", 2407),
        ("UPDATE #__content SET images = '{\"image_intro\":\"images/moi.jpg\"}' WHERE id = 2406", 2406),
        ("UPDATE #__content SET language = 'en-GB' WHERE id = 2406", 2406),
        ("UPDATE #__content SET publish_up = '2026-11-22 00:00:00' WHERE id = 2406", 2406),
        ("UPDATE #__content SET publish_down = '2026-11-22 00:00:00' WHERE id = 2406", 2406),
        // Not shown to anybody yet: a draft that was begun long ago.
        ("UPDATE #__content SET state = 1, publish_up = '2026-11-22 10:00:00' WHERE id = 2401", 2401),
    ] {
        let before = mirror.known.clone();
        portal.run(edit).await;
        assert!(!mirror.hot(now()).await, "{edit}");
        assert_eq!(changed(&before, &mirror.known), set([id]), "{edit}");
        assert_eq!(mirror.known, first(&portal, now()).await, "{edit}");
    }
    // A saved text moves `modified`, and a new article has the highest id.
    let before = mirror.known.clone();
    portal.run("UPDATE #__content SET introtext = 'x', modified = '2026-11-22 10:00:00' WHERE id = 2410").await;
    portal.run(&copies(&portal, 2500..2502, 13, "2026-11-22 10:00:00")).await;
    assert!(!mirror.hot(now()).await);
    assert_eq!(changed(&before, &mirror.known), set([2410, 2500, 2501]));
    assert_eq!(mirror.known, first(&portal, now()).await);
}

async fn an_edit_far_below_the_newest_waits_for_the_sweep(portal: Portal) {
    let mut mirror = begin(&portal).await;
    mirror.shown = (2400..2500).collect();
    let edits = [
        "UPDATE #__content SET state = 0 WHERE id = 100",
        "UPDATE #__content SET state = 1 WHERE id = 103",
        "UPDATE #__content SET title = 'Tên mới' WHERE id = 101",
        "UPDATE #__content SET catid = 13 WHERE id = 102",
        "DELETE FROM #__content WHERE id = 1000",
    ];
    let before = mirror.known.clone();
    for edit in edits {
        portal.run(edit).await;
    }
    assert!(!mirror.hot(now()).await);
    assert_eq!(mirror.known, before, "the hot scan does not look there");
    let scan = mirror.sweep(now()).await;
    assert_eq!(changed(&before, &mirror.known), set([100, 101, 102, 103, 1000]));
    assert!(scan.articles.len() < 600, "only two buckets were listed");
    assert_eq!(mirror.known, first(&portal, now()).await);
}

async fn what_readers_see_is_looked_at_wherever_it_lies(portal: Portal) {
    let mut mirror = begin(&portal).await;
    mirror.shown = BTreeSet::from([100, 101, 102, 1000]);
    let before = mirror.known.clone();
    portal.run("UPDATE #__content SET state = 0 WHERE id = 100").await;
    portal.run("UPDATE #__content SET alias = 'moi' WHERE id = 101").await;
    portal.run("DELETE FROM #__content WHERE id = 1000").await;
    assert!(!mirror.hot(now()).await);
    assert_eq!(changed(&before, &mirror.known), set([100, 101, 1000]));
    assert_eq!(mirror.known, first(&portal, now()).await);
}

async fn a_text_changed_behind_joomlas_back_is_found_by_a_deep_sweep_alone(portal: Portal) {
    let mut mirror = begin(&portal).await;
    mirror.shown = BTreeSet::from([2400]);
    let before = mirror.known.clone();
    portal.run("UPDATE #__content SET introtext = '<p>Thay bằng SQL.</p>' WHERE id IN (1200, 2400)").await;
    assert!(!mirror.hot(now()).await);
    let soon = now().plus(Duration::from_hours(6)).minus(Duration::from_secs(1));
    // 126 expires by the clock.
    mirror.sweep(soon).await;
    assert_eq!(changed(&before, &mirror.known), set([126]), "a sweep reads no text");
    let before = mirror.known.clone();
    let later = now().plus(Duration::from_hours(6));
    mirror.sweep(later).await;
    assert_eq!(changed(&before, &mirror.known), set([1200, 2400]));
    assert_eq!(mirror.known, first(&portal, later).await);

    // What a deep sweep found may be lost with the poll: it is found again, until it is known.
    portal.run("UPDATE #__content SET introtext = '<p>Lại thay.</p>' WHERE id = 101").await;
    let much_later = later.plus(Duration::from_hours(7));
    for lost in [true, true, false] {
        let before = mirror.known.clone();
        mirror.sweep(much_later).await;
        assert_eq!(changed(&before, &mirror.known), set([101]));
        if lost {
            mirror.known = before;
        }
    }
    // A process that begins reads every text at its first sweep.
    portal.run("UPDATE #__content SET introtext = '<p>Thay nữa.</p>' WHERE id = 101").await;
    mirror.source = portal.source();
    let before = mirror.known.clone();
    mirror.sweep(much_later).await;
    assert_eq!(changed(&before, &mirror.known), set([101]));
}

async fn a_tag_given_in_the_list_is_found_by_the_sweep(portal: Portal) {
    let mut mirror = begin(&portal).await;
    mirror.shown = BTreeSet::from([2400]);
    let map =
        "INSERT INTO #__contentitem_tag_map (type_alias, core_content_id, content_item_id, tag_id, type_id) VALUES";
    for (edit, ids) in [
        (
            format!("{map} ('com_content.article', 9, 2400, 2, 1), ('com_content.article', 9, 101, 2, 1)"),
            vec![2400, 101],
        ),
        (format!("{map} ('com_content.article', 9, 102, 3, 1)"), vec![]),
        ("DELETE FROM #__contentitem_tag_map WHERE content_item_id = 101 AND type_id = 1".to_owned(), vec![101]),
        (
            "UPDATE #__contentitem_tag_map SET content_item_id = 102 WHERE content_item_id = 2400".to_owned(),
            vec![102, 2400],
        ),
    ] {
        let before = mirror.known.clone();
        portal.run(&edit).await;
        assert!(!mirror.hot(now()).await);
        assert_eq!(mirror.known, before, "{edit}");
        mirror.sweep(now()).await;
        assert_eq!(changed(&before, &mirror.known), set(ids), "{edit}");
        assert_eq!(mirror.known, first(&portal, now()).await, "{edit}");
    }
}

async fn what_only_a_sweep_can_follow_asks_for_one(portal: Portal) {
    let mut mirror = begin(&portal).await;
    mirror.shown = (2400..2500).collect();
    for edit in [
        "UPDATE #__categories SET title = 'Tổ chức' WHERE id = 10",
        "UPDATE #__categories SET alias = 'to-chuc' WHERE id = 10",
        "UPDATE #__categories SET language = 'en-GB' WHERE id = 12",
        "UPDATE #__categories SET published = 0 WHERE id = 10",
        "UPDATE #__categories SET published = 1 WHERE id = 10",
        // As Joomla 3.7 and later hide a tree, and what comes back of it.
        "UPDATE #__categories SET published = 0 WHERE id IN (10, 11)",
        "UPDATE #__categories SET published = 1 WHERE id = 10",
        "UPDATE #__categories SET published = 1 WHERE id = 11",
        "UPDATE #__categories SET published = 2 WHERE id = 90",
        "UPDATE #__categories SET parent_id = 12 WHERE id = 11",
        "UPDATE #__categories SET parent_id = 20 WHERE id = 11",
        "UPDATE #__categories SET access = 2 WHERE id = 12",
        "UPDATE #__categories SET access = 1 WHERE id = 12",
        "UPDATE #__viewlevels SET rules = '[8]' WHERE id = 5",
        "UPDATE #__viewlevels SET rules = '[9]' WHERE id = 5",
        "UPDATE #__tags SET title = 'Chi bộ mẫu' WHERE id = 2",
        "UPDATE #__tags SET published = 0 WHERE id = 2",
        "UPDATE #__extensions SET params = '{\"guest_usergroup\":\"1\"}' WHERE element = 'com_users'",
        "DELETE FROM #__categories WHERE id = 91",
    ] {
        portal.run(edit).await;
        assert!(mirror.hot(now()).await, "{edit}");
        assert_eq!(mirror.known, first(&portal, now()).await, "{edit}");
        assert!(!mirror.hot(now()).await, "{edit}: once is enough");
    }
    // An author is in the row's own sum.
    portal.run("UPDATE #__users SET name = 'Nguyễn Văn Bình' WHERE id = 42").await;
    let before = mirror.known.clone();
    assert!(!mirror.hot(now()).await);
    assert_eq!(changed(&before, &mirror.known), set(1500..2500), "the newest at once, old ones at the next sweep");
    mirror.sweep(now()).await;
    assert_eq!(mirror.known, first(&portal, now()).await);
}

async fn a_process_that_remembers_nothing_asks_for_a_sweep(portal: Portal) {
    let mut mirror = begin(&portal).await;
    mirror.shown = BTreeSet::from([2401]);
    assert!(!mirror.hot(now()).await);
    // Another process takes over, with what both keep in one place.
    let mut other = portal.source();
    std::mem::swap(&mut mirror.source, &mut other);
    portal.run("UPDATE #__content SET introtext = '<p>Thay bằng SQL.</p>' WHERE id = 2400").await;
    assert!(mirror.hot(now()).await);
    assert_eq!(mirror.known, first(&portal, now()).await);
    assert!(!mirror.hot(now()).await);

    // The first remembers an older text of 2400 than the other has found. Once asked for the article, it reads again.
    std::mem::swap(&mut mirror.source, &mut other);
    assert!(!mirror.hot(now()).await);
    let fetched = mirror.source.fetch(&set([2400]), now()).await.expect("an article");
    assert!(fetched.articles[0].content_html.contains("Thay bằng SQL"));
    assert!(!mirror.hot(now()).await);
    assert_eq!(mirror.known, first(&portal, now()).await);

    // Both see that the rules moved, each once.
    portal.run("UPDATE #__viewlevels SET rules = '[8]' WHERE id = 5").await;
    for deeper in [true, true, false, false] {
        assert_eq!(mirror.hot(now()).await, deeper);
        assert_eq!(mirror.known, first(&portal, now()).await);
        std::mem::swap(&mut mirror.source, &mut other);
    }
}

async fn two_articles_that_change_places_show(portal: Portal) {
    let mut mirror = begin(&portal).await;
    let full = if portal.db.engine == Engine::Postgres { "\"fulltext\"" } else { "`fulltext`" };
    // 1200 and 1201 lie in one bucket: its sums of texts and titles would be the same if they knew no ids.
    portal.run(&format!("UPDATE #__content SET introtext = 'a', {full} = '', title = 'A' WHERE id = 1200")).await;
    portal.run(&format!("UPDATE #__content SET introtext = 'b', {full} = '', title = 'B' WHERE id = 1201")).await;
    mirror.sweep(now()).await;
    let before = mirror.known.clone();
    portal.run("UPDATE #__content SET title = CASE id WHEN 1200 THEN 'B' ELSE 'A' END WHERE id IN (1200, 1201)").await;
    mirror.sweep(now()).await;
    assert_eq!(changed(&before, &mirror.known), set([1200, 1201]));
    let before = mirror.known.clone();
    portal
        .run("UPDATE #__content SET introtext = CASE id WHEN 1200 THEN 'b' ELSE 'a' END WHERE id IN (1200, 1201)")
        .await;
    mirror.sweep(now().plus(Duration::from_hours(6))).await;
    assert_eq!(changed(&before, &mirror.known), set([126, 1200, 1201]));
}

async fn the_clock_is_foretold_and_what_is_due_is_looked_at(portal: Portal) {
    let minute = |n: u64| now().plus(Duration::from_secs(n * 60));
    crowd(&portal).await;
    for edit in [
        "UPDATE #__content SET publish_up = '2026-11-23 00:10:00' WHERE id IN (107, 2450)",
        "UPDATE #__content SET publish_down = '2026-11-23 00:20:00' WHERE id IN (101, 107, 2451)",
        // Hidden otherwise, whatever its dates say.
        "UPDATE #__content SET publish_up = '2026-11-23 00:10:00' WHERE id IN (103, 108, 111)",
    ] {
        portal.run(edit).await;
    }
    let mut mirror = Mirror::of(portal.source(), minute(1)).await;
    let flips: BTreeSet<(u64, &str)> = mirror
        .flips
        .iter()
        .map(|flip| (flip.at.since(now()).as_secs(), flip.external_id.as_str()))
        .filter(|(at, _)| *at < 3600)
        .collect();
    let down = 20 * 60 + 1;
    assert_eq!(flips, BTreeSet::from([(600, "107"), (600, "2450"), (down, "101"), (down, "2451")]));

    for (n, public) in [(9, ["101", "2451"].as_slice()), (10, &["101", "107", "2450", "2451"]), (21, &["2450"])] {
        assert!(!mirror.hot(minute(n)).await);
        let of_these: Vec<&str> =
            ["101", "107", "2450", "2451"].into_iter().filter(|id| mirror.known.contains_key(*id)).collect();
        assert_eq!(of_these, public, "minute {n}");
    }
    assert_eq!(mirror.known, first(&portal, minute(21)).await);
    // A hot scan foretells too, for what it looks at.
    portal.run("UPDATE #__content SET publish_down = '2026-11-23 00:30:00' WHERE id = 2450").await;
    assert!(!mirror.hot(minute(22)).await);
    let due = Flip { at: minute(30).plus(Duration::from_secs(1)), external_id: "2450".into() };
    assert!(mirror.flips.contains(&due), "{:?}", mirror.flips);
    mirror.hot(minute(31)).await;
    assert!(!mirror.known.contains_key("2450"));
    // And the sweep does with every bucket as it was.
    mirror.flips.clear();
    mirror.sweep(minute(31)).await;
    let whole = portal.source().scan(&Ask::first(minute(31))).await.expect("a scan").flips;
    assert_eq!(mirror.flips, whole.into_iter().collect());
    assert!(!mirror.flips.is_empty());
}

async fn a_category_that_is_hidden_hides_its_articles_without_listing_others(portal: Portal) {
    let mut mirror = begin(&portal).await;
    portal.run("UPDATE #__categories SET published = 0 WHERE id = 13").await;
    let scan = mirror.sweep(now()).await;
    assert!(scan.articles.is_empty(), "the sums of the rest are as they were");
    assert_eq!(mirror.ids(), set(VISIBLE.into_iter().filter(|id| ![119, 130].contains(id))));
    portal.run("UPDATE #__categories SET published = 1 WHERE id = 13").await;
    mirror.sweep(now()).await;
    assert_eq!(mirror.known, first(&portal, now()).await);
}

async fn what_an_older_loa_knew_is_read_again(portal: Portal) {
    let mut mirror = begin(&portal).await;
    let old = || "d41d8cd98f00b204e9800998ecf8427e".to_owned();
    mirror.known = mirror.known.keys().map(|id| (id.clone(), old())).collect();
    mirror.known.insert("99".to_owned(), old());
    mirror.known.insert("bai-1".to_owned(), old());
    mirror.sweep(now()).await;
    assert_eq!(mirror.known, first(&portal, now()).await);
}

/// One edit; numbers choose among what there is.
#[derive(Clone, Debug)]
pub enum Edit {
    Article(usize, u8, u8),
    Category(u8, u8, u8),
    Rest(u8, u8),
    Minutes(u64),
    Sweep,
}

/// Sequences of edits.
pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        8 => (0_usize..60, 0_u8..12, any::<u8>()).prop_map(|(a, b, c)| Edit::Article(a, b, c)),
        3 => (0_u8..9, 0_u8..5, any::<u8>()).prop_map(|(a, b, c)| Edit::Category(a, b, c)),
        2 => (0_u8..6, any::<u8>()).prop_map(|(a, b)| Edit::Rest(a, b)),
        2 => (1_u64..9).prop_map(Edit::Minutes),
        1 => Just(Edit::Sweep),
    ];
    proptest::collection::vec(edit, 12..30)
}

fn pick<T: Copy>(from: &[T], by: u8) -> T {
    from[usize::from(by) % from.len()]
}

/// The SQL of an edit; nothing for those that are none.
pub fn sql(edit: &Edit, now: Timestamp, next_id: &mut i64, portal: &Portal) -> String {
    let date = |minutes: i64| {
        let at = Timestamp::from_millis(now.0 + minutes * 60_000);
        at.in_zone(&jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string()
    };
    match edit {
        Edit::Article(which, what, how) => {
            let which = i64::try_from(*which).expect("a number");
            let id = if which < 31 { 100 + which } else { 2499 - which };
            let to = match what {
                0 | 1 => format!("state = {}", pick(&[1, 1, 0, 2, -2], *how)),
                2 => format!("catid = {}", pick(&[10, 11, 12, 13, 20, 21, 31, 50, 90, 91, 999], *how)),
                3 => format!("access = {}", pick(&[1, 1, 5, 2], *how)),
                4 => format!("alias = 'b-{how}', title = 'Tên {how}'"),
                5 => format!("publish_up = '{}'", date(i64::from(how % 40) - 10)),
                6 => format!("publish_down = '{}'", date(i64::from(how % 40) - 5)),
                7 => format!("created_by_alias = '{}'", pick(&["", "Trúc Linh", "An"], *how)),
                8 => format!("introtext = '<p>{how}</p>', modified = '{}'", date(0)),
                9 => format!("introtext = '<p>Bằng SQL {how}</p>'"),
                10 => {
                    *next_id += 1;
                    return copies(portal, *next_id..*next_id + 1, 13, "2026-11-22 10:00:00");
                }
                _ => return format!("DELETE FROM #__content WHERE id = {id}"),
            };
            format!("UPDATE #__content SET {to} WHERE id = {id}")
        }
        Edit::Category(which, what, how) => {
            let id = pick(&[10, 11, 12, 13, 20, 21, 50, 90, 91], *which);
            let to = match what {
                0 | 1 => format!("published = {}", pick(&[1, 1, 0, 2, -2], *how)),
                2 => format!("access = {}", pick(&[1, 1, 5, 2], *how)),
                3 => format!("title = 'Đề mục {how}'"),
                // Never below itself: 12, 13 and the root move nowhere here.
                _ => {
                    return format!("UPDATE #__categories SET parent_id = {} WHERE id = 90", pick(&[1, 12, 13], *how));
                }
            };
            format!("UPDATE #__categories SET {to} WHERE id = {id}")
        }
        Edit::Rest(0, how) => {
            format!("UPDATE #__viewlevels SET rules = '{}' WHERE id = 5", pick(&["[9]", "[8]"], *how))
        }
        Edit::Rest(1, how) => format!("UPDATE #__tags SET published = {} WHERE id = 2", how % 2),
        Edit::Rest(2, how) => format!("UPDATE #__tags SET title = 'Thẻ {how}' WHERE id = {}", 2 + how % 3),
        Edit::Rest(3, how) => format!("UPDATE #__users SET name = 'Người {how}' WHERE id = 42"),
        Edit::Rest(4, how) => {
            format!("DELETE FROM #__contentitem_tag_map WHERE content_item_id = {}", pick(&[100, 101, 2480], *how))
        }
        Edit::Rest(_, how) => format!(
            "INSERT INTO #__contentitem_tag_map (type_alias, core_content_id, content_item_id, tag_id, type_id) \
             SELECT 'com_content.article', 7, {id}, {tag}, 1 FROM #__tags WHERE id = 1 AND NOT EXISTS \
             (SELECT 1 FROM #__contentitem_tag_map WHERE content_item_id = {id} AND tag_id = {tag})",
            id = pick(&[100, 101, 102, 2480, 2490], *how),
            tag = 2 + how % 3
        ),
        Edit::Minutes(_) | Edit::Sweep => String::new(),
    }
}

/// What is public, from the top of the tree down: the rule as another would write it.
pub async fn oracle(portal: &Portal, now: Timestamp) -> BTreeSet<String> {
    let at = now.in_zone(&jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let p = portal.prefix;
    let rules = portal.db.rows(&format!("SELECT rules FROM {p}viewlevels WHERE id = 5")).await;
    let levels = if rules[0][0].as_deref() == Some("[9]") { "1, 5" } else { "1" };
    let sql = format!(
        "WITH RECURSIVE reach AS ( \
           SELECT id FROM {p}categories WHERE extension = 'com_content' AND parent_id = 1 AND published = 1 AND access IN ({levels}) \
           UNION ALL SELECT c.id FROM {p}categories c JOIN reach o ON c.parent_id = o.id \
           WHERE c.extension = 'com_content' AND c.published = 1 AND c.access IN ({levels})) \
         SELECT a.id FROM {p}content a JOIN reach ON reach.id = a.catid WHERE a.state = 1 AND a.access IN ({levels}) \
         AND NOT COALESCE(a.publish_up > '{at}', 1 = 0) \
         AND NOT COALESCE(a.publish_down < '{at}' AND a.publish_down > '1971-01-01', 1 = 0)"
    );
    portal.db.rows(&sql).await.into_iter().map(|mut row| row.remove(0).expect("an id")).collect()
}

async fn any_edits_end_where_a_look_at_everything_would(portal: Portal) {
    crowd(&portal).await;
    let (mut now, mut next_id) = (now(), 2499);
    let mut mirror = Mirror::of(portal.source(), now).await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..5 {
        let edits = edits().new_tree(&mut runner).expect("edits").current();
        let told = format!("{edits:?}");
        for edit in &edits {
            match edit {
                Edit::Sweep => _ = mirror.sweep(now).await,
                Edit::Minutes(minutes) => {
                    now = now.plus(Duration::from_secs(minutes * 60));
                    mirror.shown = (2400..=next_id).chain([100, 101, 110, 120]).collect();
                    mirror.hot(now).await;
                    // Whatever it may look at is as it should be; the rest waits.
                    let expected = oracle(&portal, now).await;
                    let looked_at = |id: &&String| mirror.shown.contains(&id.parse().expect("a number"));
                    let newest: BTreeSet<&String> = expected.iter().filter(looked_at).collect();
                    // Those below the window that were not public are not looked for.
                    let found: BTreeSet<&String> = mirror.known.keys().filter(looked_at).collect();
                    assert!(found.is_subset(&newest), "{told}");
                    assert!(newest.difference(&found).all(|id| id.len() < 4), "{told}");
                }
                _ => portal.run(&sql(edit, now, &mut next_id, &portal)).await,
            }
        }
        mirror.sweep(now).await;
        assert_eq!(mirror.ids(), oracle(&portal, now).await, "{told}");
        let flips: BTreeSet<Flip> =
            portal.source().scan(&Ask::first(now)).await.expect("a scan").flips.into_iter().collect();
        assert_eq!(mirror.flips, flips, "{told}");
        now = now.plus(Duration::from_hours(6));
        mirror.sweep(now).await;
        assert_eq!(mirror.known, first(&portal, now).await, "{told}");
    }
}

#[tokio::test]
async fn tables_of_mixed_character_sets_are_read() {
    let test = "sources::joomla_tiers::tables_of_mixed_character_sets_are_read";
    let Some(portal) = Portal::new(3, Engine::MariaDb, test).await else { return };
    portal.run("ALTER TABLE #__users CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci").await;
    portal.run("ALTER TABLE #__categories CONVERT TO CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci").await;
    portal.run("ALTER TABLE #__content MODIFY alias varchar(255) CHARACTER SET latin1 NOT NULL DEFAULT ''").await;
    portal.run("ALTER TABLE #__content MODIFY title varchar(255) CHARACTER SET utf8mb3 NOT NULL DEFAULT ''").await;
    let mut mirror = Mirror::of(source_as(&portal.db.url, ""), now()).await;
    assert_eq!(mirror.ids(), set(VISIBLE));
    portal.run("UPDATE #__users SET name = 'Nguyễn Văn Ẩn' WHERE id = 42").await;
    let before = mirror.known.clone();
    mirror.sweep(now()).await;
    assert!(changed(&before, &mirror.known).contains("100"));
}
