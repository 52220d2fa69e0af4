//! A small pool over lettre's SMTP connection.
