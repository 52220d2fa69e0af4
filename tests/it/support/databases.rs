//! PostgreSQL and MariaDB that tests/run started.
