//! The one database, on SQLite or PostgreSQL: one SQL text for both, a second constant only where they must differ.
//! Knows rows and transactions; decides nothing about who is told what beyond what a key or a join can say.

pub mod article;
pub mod bounce;
pub mod delivery;
pub mod digest;
pub mod endpoint;
pub mod engine;
pub mod explain;
pub mod farewell;
pub mod feed;
pub mod history;
pub mod holdings;
pub mod import;
pub mod keys;
pub mod lease;
pub mod moving;
pub mod opt_in;
pub mod outlook;
pub mod presence;
pub mod push;
pub mod search;
pub mod selection;
pub mod source;
pub mod status;
pub mod subscriber;
pub mod suppression;
