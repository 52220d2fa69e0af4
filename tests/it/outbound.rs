//! Laws: outbound.
