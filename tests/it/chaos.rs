//! Laws: chaos.
