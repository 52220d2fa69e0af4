//! Real parts that the tests talk to: servers on loopback, temporary folders, parsers that are not loa's own.

pub mod binary;
pub mod browser;
pub mod client;
pub mod databases;
pub mod house;
pub mod served;
pub mod skip;
pub mod smtp_server;
pub mod xmllint;
