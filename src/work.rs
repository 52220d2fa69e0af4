//! Where the wings meet.
