//! Laws: browser.
