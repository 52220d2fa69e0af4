//! Laws of mails that come back: how they are read, how they come in, what they mean for people, and that a kill at any
//! moment changes none of it.

mod given;
mod inlets;
mod kills;
mod leaving;
mod meaning;
mod postfix;
mod reading;
