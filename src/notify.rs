//! What goes out to people and sites: what a mail or an event says, and how it is handed over. Never decides who gets it.

pub mod email;
pub mod folder;
pub mod message;
pub mod smtp;
pub mod webhook;
