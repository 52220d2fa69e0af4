//! Laws of the whole way, from a file in a folder to what a relay and an endpoint receive.

mod digests;
mod endpoints;
mod news;
mod sending;
mod several;
mod story;
mod throughout;
mod trouble;
