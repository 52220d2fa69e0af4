//! loa watches a portal's content store, publishes its articles as feeds, and brings new articles to people by
//! email and to sites by signed webhook.
//!
//! The house has seven floors; an import may only go down, and rooms on one floor never import each other
//! (`tests/it/architecture.rs` keeps both rules):
//!
//! ```text
//! 7 main, cli, demo, service       the only places that see everything
//! 6 web | schedule                 what calls in: HTTP, and the beat of time
//! 5 work                           where the wings meet: ingest, publish, fan out, digest, deliver
//! 4 config, telemetry              read only by service and cli
//! 3 source | feed | store | notify the wings: content stores, feed documents, SQL, mail and webhooks
//! 2 domain, http                   pure words of the trade; the one guarded outbound client
//! 1 clock, text, say               time and chance; Vietnamese text; lines on standard output
//! ```
//!
//! `ARCHITECTURE.md` has the same map with walkthroughs.

// First, so that its `println!` is everybody's.
#[macro_use]
pub mod say;

pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod domain;
pub mod feed;
pub mod http;
pub mod notify;
pub mod schedule;
pub mod service;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod web;
pub mod work;
