//! Laws of reading what comes back.
