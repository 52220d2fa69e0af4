//! Laws: store.
