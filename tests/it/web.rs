//! Laws: web.
