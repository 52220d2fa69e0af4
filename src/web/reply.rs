//! HTTP meaning of what went wrong.
