//! Walks a list that a server shows page by page, while rows come and go under it. Pure: says which page to read next, and
//! whether the walk missed nothing.
//!
//! The list is in ascending order of id, and each page begins with the last row of the page before. As long as it does, no
//! row slipped through between the two; where it does not, the walk goes back. So every row that was in the list all the
//! time is met, and a row that is not met was absent when its place was read.

/// How often a walk goes back before it is given up: a list that moves so much, or a server that ignores what it is asked,
/// cannot be read whole.
const PATIENCE: u32 = 20;

/// What to do after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Take the rows from this index on, and read on at [`Walk::offset`].
    On(usize),
    /// Take nothing; read again at [`Walk::offset`], which lies before.
    Back,
    /// Take the rows from this index on; that was all.
    End(usize),
    /// Take nothing: the list cannot be walked.
    Lost,
}

/// Where a walk is.
#[derive(Debug)]
pub(super) struct Walk {
    limit: usize,
    offset: usize,
    last: Option<i64>,
    trouble: u32,
}

impl Walk {
    /// A walk from the beginning, so many rows a page (at least 2).
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, offset: 0, last: None, trouble: 0 }
    }

    /// Where the next page begins.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    /// Rows a page.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Looks at the ids of the page that was read at [`Walk::offset`]; `more` says whether the server has rows behind them.
    pub(super) fn read(&mut self, ids: &[i64], more: bool) -> Step {
        if !ids.is_sorted_by(|a, b| a < b) {
            return self.again(self.offset);
        }
        let joins = match (self.last, ids.first()) {
            _ if self.offset == 0 => true,
            (Some(last), Some(first)) => *first <= last,
            _ => false,
        };
        if !joins {
            return self.again(self.offset.saturating_sub(self.limit));
        }
        let new = ids.partition_point(|id| self.last.is_some_and(|last| *id <= last));
        let nothing_new = new == ids.len();
        self.last = self.last.max(ids.last().copied());
        if !more || (nothing_new && ids.len() < self.limit) {
            return Step::End(new);
        }
        if nothing_new && self.again(self.offset) == Step::Lost {
            return Step::Lost;
        }
        self.offset += (ids.len() - 1).max(1);
        Step::On(new)
    }

    /// Moves the next page to where this server really begins it. Joomla's lists begin the last page at a multiple of its
    /// length, whatever is asked, so that a page that laps over its end would leave a gap: `pages` is the number of pages
    /// that the server last told.
    pub(super) fn align(&mut self, pages: usize) {
        let last = pages.saturating_sub(1) * self.limit;
        let sure = (last + 1).saturating_sub(self.limit);
        if self.offset >= last {
            self.offset = last;
        } else if self.offset > sure {
            self.offset = sure;
        }
    }

    fn again(&mut self, offset: usize) -> Step {
        self.trouble += 1;
        self.offset = offset;
        if self.trouble > PATIENCE { Step::Lost } else { Step::Back }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A server with lists of this many rows a page; `snap` as Joomla begins its last page.
    fn page(rows: &[i64], offset: usize, limit: usize, snap: bool) -> (Vec<i64>, bool, usize) {
        let pages = rows.len().div_ceil(limit);
        let mut start = offset;
        if snap && start > 0 && start + limit > rows.len() {
            start = pages.saturating_sub(1) * limit;
        }
        let page: Vec<i64> = rows.iter().skip(start).take(limit).copied().collect();
        let more = if snap { start + limit < pages * limit } else { start + page.len() < rows.len() };
        (page, more, pages)
    }

    /// Walks, letting `shift` change the rows before each page; what was met, and whether the walk came to its end.
    fn walk(mut rows: Vec<i64>, limit: usize, snap: bool, mut shift: impl FnMut(&mut Vec<i64>)) -> (Vec<i64>, bool) {
        let (mut walk, mut met) = (Walk::new(limit), Vec::new());
        loop {
            shift(&mut rows);
            let (ids, more, pages) = page(&rows, walk.offset(), limit, snap);
            match walk.read(&ids, more) {
                Step::On(from) => met.extend(&ids[from..]),
                Step::Back => {}
                Step::End(from) => {
                    met.extend(&ids[from..]);
                    return (met, true);
                }
                Step::Lost => return (met, false),
            }
            if snap {
                walk.align(pages);
            }
        }
    }

    proptest! {
        #[test]
        fn a_list_that_stands_still_is_met_whole(count in 0_i64..60, limit in 2_usize..9, snap: bool) {
            let rows: Vec<i64> = (0..count).map(|n| n * 3).collect();
            prop_assert_eq!(walk(rows.clone(), limit, snap, |_| {}), (rows, true));
        }

        #[test]
        fn no_row_that_stays_is_missed_whatever_else_moves(
            count in 0_i64..60, limit in 2_usize..9, snap: bool, moves in proptest::collection::vec((0_i64..60, any::<bool>()), 0..12)
        ) {
            let rows: Vec<i64> = (0..count).collect();
            let moved: Vec<i64> = moves.iter().map(|(id, _)| *id).collect();
            let mut moves = moves.into_iter();
            let (met, ended) = walk(rows.clone(), limit, snap, |rows| {
                if let Some((id, come)) = moves.next() {
                    rows.retain(|row| *row != id);
                    if come {
                        rows.push(id);
                        rows.sort_unstable();
                    }
                }
            });
            prop_assert!(met.is_sorted_by(|a, b| a < b), "{:?}", met);
            if ended {
                for row in rows.iter().filter(|row| !moved.contains(row)) {
                    prop_assert!(met.contains(row), "{} of {:?}", row, met);
                }
            }
        }
    }

    #[test]
    fn a_row_that_leaves_while_the_walk_is_on_costs_no_other_row() {
        let mut turn = 0;
        let (met, ended) = walk((0..30).collect(), 5, true, |rows| {
            turn += 1;
            if turn == 3 {
                rows.drain(..3);
            }
        });
        assert_eq!((met, ended), ((0..30).collect(), true));
    }

    #[test]
    fn a_list_that_never_stands_still_is_given_up() {
        let mut next = 0;
        let (_, ended) = walk((0..1_000).collect(), 5, false, |rows| {
            next += 1;
            rows.drain(..5.min(rows.len()));
            rows.extend((0..5).map(|n| 1_000 + next * 5 + n));
        });
        assert!(!ended);
    }

    #[test]
    fn a_server_that_ignores_where_a_page_begins_or_how_it_is_sorted_is_given_up() {
        for ids in [[1, 2, 3, 4], [4, 3, 2, 1], [2, 2, 3, 4]] {
            let mut walk = Walk::new(4);
            let end = (0..1_000).map(|_| walk.read(&ids, true)).find(|step| matches!(step, Step::Lost | Step::End(_)));
            assert_eq!(end, Some(Step::Lost));
        }
    }
}
