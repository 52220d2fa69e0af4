//! Feed documents: json.
