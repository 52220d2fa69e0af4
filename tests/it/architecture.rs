//! Laws: architecture.
