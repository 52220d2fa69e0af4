//! MIME made once per article and locale, personal parts spliced in.
