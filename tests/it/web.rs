//! Laws of what calls in over HTTP.

mod admin;
mod api;
mod documents;
mod events;
mod health;
mod old;
mod outlook;
mod pages;
mod people;
mod preview;
mod search;
