//! The one outbound HTTP client and its address guard: whatever loa calls (endpoints, hubs, portals) is called from
//! here, under one deadline and with every address vetted. Never follows a redirect, never reads a proxy from the
//! environment, never decompresses, never connects to an address that the guard has not seen.
//!
//! It drives hyper's HTTP/1.1 connections itself: only where the connection is opened do the vetted addresses, the port,
//! the age of the connection and the question "was anything sent yet?" meet.

mod address;
pub mod client;
mod connect;
pub mod fault;
pub mod guard;
mod pool;
pub mod resolve;
pub mod tls;
