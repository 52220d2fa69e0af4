//! The words that people see, in Vietnamese and English, from `templates/text/`.
