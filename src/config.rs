//! Configuration: defaults, file, environment, secrets.
