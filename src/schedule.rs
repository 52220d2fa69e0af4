//! Beats and wakes; no rule lives here.
