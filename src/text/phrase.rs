//! Phrases found in Vietnamese text on word bounds.
