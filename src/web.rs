//! HTTP in: the whole route table.
