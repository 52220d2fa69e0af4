//! The SQL of scans: hashes that the database makes of a row, one text for both dialects where they allow it. Every part of
//! a hash is made non-NULL and long texts carry their length, so that no part can pose as another. Reads no text itself.

use super::layout::Optional;
use super::query::{Public, Queries};
use super::sums::WIDTH;
use crate::source::database::Engine;

/// Whose time has come.
const STARTED: &str = "(a.publish_up IS NULL OR a.publish_up <= clock.t)";
/// The clock alone will make it public or hide it.
const WILL_FLIP: &str = "(a.publish_up > clock.t OR a.publish_down >= clock.t)";

/// Columns of [`Queries::narrow`] and [`Queries::flips`].
pub(super) mod narrow {
    pub(in super::super) const ID: usize = 0;
    pub(in super::super) const CATID: usize = 1;
    /// `1` if it only waits for its time.
    pub(in super::super) const WAITING: usize = 2;
    /// When it flips by the clock: `publish_up` if it waits, else `publish_down`; NULL if it does not.
    pub(in super::super) const FLIP: usize = 3;
    /// The hash; not in [`Queries::flips`].
    pub(in super::super) const HASH: usize = 4;
}

/// Columns of [`Queries::lights`].
pub(super) mod light {
    pub(in super::super) const ID: usize = 0;
    pub(in super::super) const CATID: usize = 1;
    pub(in super::super) const NARROW: usize = 2;
    pub(in super::super) const BODY: usize = 3;
}

/// Columns of [`Queries::sums`].
pub(super) mod sum {
    pub(in super::super) const BUCKET: usize = 0;
    pub(in super::super) const COUNT: usize = 1;
    pub(in super::super) const NARROW: usize = 2;
    /// How many the clock alone will make public or hide.
    pub(in super::super) const FLIPS: usize = 3;
    /// Of a deep sweep only.
    pub(in super::super) const BODY: usize = 4;
}

/// 60 bits of a hash as 15 digits.
fn hash(text: &str) -> String {
    format!("LEFT(MD5({text}), 15)")
}

impl Engine {
    /// [`hash`] as a number.
    fn number(self, text: &str) -> String {
        let hash = hash(text);
        match self {
            Self::MySql => format!("CAST(CONV({hash}, 16, 10) AS UNSIGNED)"),
            Self::Postgres => format!("CAST(CAST('x' || {hash} AS bit(60)) AS bigint)"),
        }
    }

    /// `a` divided by a number, down to a whole one.
    fn over(self, column: &str, by: i64) -> String {
        match self {
            Self::MySql => format!("{column} DIV {by}"),
            Self::Postgres => format!("{column} / {by}"),
        }
    }
}

impl Queries<'_> {
    /// The lowest of the `newest` highest ids of all articles, whatever their state. By the primary key.
    pub(super) fn floor(self, newest: usize) -> String {
        let content = self.table("content");
        let newest = format!("SELECT id FROM {content} ORDER BY id DESC LIMIT {newest}");
        format!("SELECT {} FROM ({newest}) newest", self.engine.text("MIN(id)"))
    }

    /// What can be reached and is published or waits, among those that meet a condition; see [`narrow`]. Reads no texts.
    ///
    pub(super) fn narrow(self, public: &Public, condition: &str) -> String {
        let columns = format!("{}, {}", self.moments(), hash(&self.narrow_text()));
        format!("SELECT {columns} {} AND {condition}", self.reachable(public, true))
    }

    /// What the clock alone will make public or hide, among those that meet a condition; see [`narrow`].
    pub(super) fn flips(self, public: &Public, condition: &str) -> String {
        let from = self.reachable(public, false);
        format!("SELECT {} {from} AND {WILL_FLIP} AND {condition}", self.moments())
    }

    /// What is public, among those that meet a condition; see [`light`]. Reads the texts.
    pub(super) fn lights(self, public: &Public, condition: &str) -> String {
        let Self { engine, .. } = self;
        let columns = [engine.text("a.id"), engine.text("a.catid"), hash(&self.narrow_text()), hash(&self.body_text())];
        let from = self.reachable(public, true);
        format!("SELECT {} {from} AND {STARTED} AND {condition}", columns.join(", "))
    }

    /// Sums over what is public, for each bucket of ids; see [`sum`]. Reads the texts only if `deep`.
    pub(super) fn sums(self, public: &Public, deep: bool) -> String {
        let Self { engine, .. } = self;
        let bucket = engine.over("a.id", WIDTH);
        let total = |what: &str| engine.text(&format!("SUM(CASE WHEN {STARTED} THEN {what} ELSE 0 END)"));
        let mut columns = vec![
            engine.text(&bucket),
            total("1"),
            total(&engine.number(&self.narrow_text())),
            engine.text(&format!("SUM(CASE WHEN {WILL_FLIP} THEN 1 ELSE 0 END)")),
        ];
        if deep {
            columns.push(total(&engine.number(&self.body_text())));
        }
        format!("SELECT {} {} GROUP BY {bucket}", columns.join(", "), self.reachable(public, true))
    }

    /// For each article with public tags, or those of them with these ids, its id and the sum of its tags' hashes. `types`
    /// leads the server to its index.
    pub(super) fn tag_sums(self, guests: &str, among: Option<(&str, &str)>) -> String {
        let Self { engine, .. } = self;
        let among = among.map(|(types, ids)| format!(" AND m.type_id IN ({types}) AND m.content_item_id IN ({ids})"));
        let hash = engine.number(&format!(
            "CONCAT_WS('|', {}, {}, t.title)",
            engine.text("m.content_item_id"),
            engine.text("t.id")
        ));
        format!(
            "SELECT {}, {} FROM {} m JOIN {} t ON t.id = m.tag_id WHERE m.type_alias = 'com_content.article' AND \
             t.published = 1 AND t.access IN ({guests}){} GROUP BY m.content_item_id",
            engine.text("m.content_item_id"),
            engine.text(&format!("SUM({hash})")),
            self.table("contentitem_tag_map"),
            self.table("tags"),
            among.unwrap_or_default(),
        )
    }

    /// How many public tags there are, and the sum of their hashes.
    pub(super) fn tag_stamp(self, guests: &str) -> String {
        let Self { engine, .. } = self;
        let hash = engine.number(&format!("CONCAT_WS('|', {}, t.title)", engine.text("t.id")));
        format!(
            "SELECT {}, {} FROM {} t WHERE t.published = 1 AND t.access IN ({guests})",
            engine.text("COUNT(*)"),
            engine.text(&format!("COALESCE(SUM({hash}), 0)")),
            self.table("tags")
        )
    }

    /// The first columns of [`narrow`].
    fn moments(self) -> String {
        let Self { engine, .. } = self;
        let [up, down] = ["a.publish_up", "a.publish_down"].map(|column| engine.date(column));
        format!(
            "{}, {}, CASE WHEN a.publish_up > clock.t THEN '1' ELSE '0' END, \
             CASE WHEN a.publish_up > clock.t THEN {up} WHEN a.publish_down >= clock.t THEN {down} END",
            engine.text("a.id"),
            engine.text("a.catid"),
        )
    }

    /// Everything of a row that a reader may come to see, but its text.
    fn narrow_text(self) -> String {
        let Self { engine, .. } = self;
        let plain = ["id", "catid", "state", "access", "language", "created", "modified", "publish_up", "publish_down"];
        let plain = plain.map(|column| format!("COALESCE({}, '')", engine.text(&format!("a.{column}"))));
        let author = self.author();
        let long = ["a.title", "a.alias", "a.created_by_alias", author, "a.images"]
            .map(|column| format!("OCTET_LENGTH(COALESCE({column}, '')), COALESCE({column}, '')"));
        format!("CONCAT_WS('|', {}, {})", plain.join(", "), long.join(", "))
    }

    /// The text, with the id, so that two articles that change places show in a sum.
    fn body_text(self) -> String {
        let Self { engine, .. } = self;
        let full = format!("a.{}", engine.quote("fulltext"));
        format!(
            "CONCAT_WS('|', {}, OCTET_LENGTH(COALESCE(a.introtext, '')), COALESCE(a.introtext, ''), COALESCE({full}, ''))",
            engine.text("a.id")
        )
    }

    /// Joins the author's name only where it is asked for.
    fn reachable(self, public: &Public, named: bool) -> String {
        let users = named && self.layout.has(Optional::Users);
        self.visible(public, users)
    }
}
