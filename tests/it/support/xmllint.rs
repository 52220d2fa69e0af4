//! libxml2 as a judge of XML.
