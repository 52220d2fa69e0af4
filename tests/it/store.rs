//! Laws of the store. Each is one async fn over a fresh database and is stamped for both engines.

mod bounces;
mod claims;
mod coming;
mod digests;
mod fan_out;
mod feeds;
mod given;
mod history;
mod leases;
mod outlook;
mod people;
mod polls;
mod push;
mod schema;
mod selections;
mod serving;
mod settling;
