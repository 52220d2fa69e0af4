//! Lines to standard output and standard error, whoever reads them: `println!` and `eprintln!` of this crate are those
//! below, since the ones of the standard library panic once `loa check | head` has closed the pipe. Never asks what is said.

use std::fmt;
use std::io::{Error, ErrorKind, Result, Write, stdout};

/// What a shell reports of a program that a closed pipe ended: 128 and the number of SIGPIPE. Not 0: that nobody read on does
/// not mean that all went well.
const CLOSED: i32 = 141;

/// A line on standard output; ends the process where it cannot be written: quietly if nobody reads on, else with the cause.
macro_rules! println {
    () => { $crate::say::line(format_args!("")) };
    ($($words:tt)+) => { $crate::say::line(format_args!($($words)+)) };
}

/// A line on standard error; one that cannot be written is lost, since there is no other place to say so.
macro_rules! eprintln {
    ($($words:tt)+) => { $crate::say::aside(format_args!($($words)+)) };
}

/// See `println!`.
pub fn line(words: fmt::Arguments<'_>) {
    // One write a line; a flush would be another, and the standard library's does so at each line already.
    if let Err(error) = writeln!(stdout().lock(), "{words}") {
        end(&error);
    }
}

/// See `eprintln!`.
pub fn aside(words: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{words}");
}

/// Standard output for what is not written in lines of words; ends the process as `println!` does.
#[derive(Clone, Copy, Debug)]
pub struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        stdout().write(bytes).inspect_err(end)
    }

    fn flush(&mut self) -> Result<()> {
        stdout().flush().inspect_err(end)
    }
}

fn end(error: &Error) {
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(CLOSED);
    }
    eprintln!("loa: cannot write to standard output: {error}; see where it is sent, and whether there is room");
    std::process::exit(1);
}
