//! Signed POSTs (Standard Webhooks).
