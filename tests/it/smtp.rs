//! Laws: smtp.
