//! What a mail says, from templates.
