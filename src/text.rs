//! Text in Vietnamese and for machines: safe characters, folding, slugs, excerpts, dates in words, clean HTML, the words
//! of pages and mails. Pure functions; nothing here reads a file, a clock or the network.

pub mod catalog;
pub mod collate;
pub mod date;
pub mod excerpt;
pub mod fold;
pub mod html;
pub mod media;
pub mod phrase;
pub mod slug;
pub mod xml;
