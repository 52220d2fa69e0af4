//! Laws: sources.
