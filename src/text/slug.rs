//! ASCII names for addresses.
