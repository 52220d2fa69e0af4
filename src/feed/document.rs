//! Feed documents: document.
