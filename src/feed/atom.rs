//! Feed documents: atom.
