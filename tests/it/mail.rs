//! Laws: mail.
