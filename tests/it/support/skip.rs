//! A test that lacks its real part says so, and is counted; it never passes in silence.

use std::fs::OpenOptions;
use std::io::Write;

/// Says that this test was skipped and why: `SKIPPED <test>: <why>`, on the real standard error and, when
/// `LOA_TEST_SKIPPED` names a file, as a line of it, which is what `tests/run` counts.
///
/// With `LOA_TEST_ALL=1` (as `tests/run` sets it when every real part is there) a skip is a failure.
///
/// # Panics
/// When `LOA_TEST_ALL=1`, or the file cannot be written.
pub fn skip(test: &str, why: &str) {
    assert!(std::env::var("LOA_TEST_ALL").as_deref() != Ok("1"), "{test} may not be skipped here: {why}");
    let line = format!("SKIPPED {test}: {why}\n");
    // Not eprintln!: the test runner swallows what a passing test prints through the macros.
    std::io::stderr().write_all(line.as_bytes()).expect("standard error takes a line");
    if let Some(file) = std::env::var_os("LOA_TEST_SKIPPED") {
        let mut file = OpenOptions::new().create(true).append(true).open(file).expect("LOA_TEST_SKIPPED names a file");
        file.write_all(line.as_bytes()).expect("the file takes a line");
    }
}
