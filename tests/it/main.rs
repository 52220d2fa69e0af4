//! One test binary: laws of the house, each a sentence. `support` has the real parts that the tests talk to.

mod architecture;
mod bounces;
mod browser;
mod chaos;
mod cli;
mod feeds;
mod lanes;
mod mail;
mod outbound;
mod portal;
mod smtp;
mod sources;
mod store;
mod support;
mod topics;
mod web;
mod work;
