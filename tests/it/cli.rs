//! Laws: cli.
