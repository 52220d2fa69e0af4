//! The flood guard's side for what is new or changed: what a sudden mass means. Holds notices back, never an article.

use crate::domain::article::ChangeKind;
use crate::store::article::Upsert;

/// More revised articles than this in one poll are a mass: endpoints are told of them when a person releases them.
const MASS: usize = 500;

/// Takes the revised articles out, to be held, once they are a mass or `already` were.
pub(super) fn mass_of_revised(upserts: &mut Vec<Upsert>, already: bool) -> Vec<Upsert> {
    let revised = |upsert: &Upsert| upsert.change == Some(ChangeKind::Revised);
    if !already && upserts.iter().filter(|upsert| revised(upsert)).count() <= MASS {
        return Vec::new();
    }
    let (mut part, rest) = std::mem::take(upserts).into_iter().partition(revised);
    *upserts = rest;
    for upsert in &mut part {
        upsert.held = true;
    }
    part
}

/// Lets the flood guard hold what is new, if that is more than `most`; otherwise holds nothing. Whether it holds.
pub(super) fn hold(upserts: &mut [Upsert], most: usize) -> bool {
    let flood = upserts.iter().filter(|upsert| upsert.held).count() > most;
    if !flood {
        for upsert in upserts {
            upsert.held = false;
        }
    }
    flood
}
