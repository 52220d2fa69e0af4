//! What goes out to people and sites: what a mail or an event says, and how it is handed over; and what of it comes back
//! (`inbound`). Never decides who gets it.

pub mod email;
pub mod folder;
pub mod inbound;
pub mod message;
pub mod smtp;
pub mod webhook;
