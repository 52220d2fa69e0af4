//! Laws: work.
