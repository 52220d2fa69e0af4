//! WordPress
