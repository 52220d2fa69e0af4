//! Mails as .eml files in a folder.
