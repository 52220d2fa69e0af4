//! Joomla's own tables, read-only.
