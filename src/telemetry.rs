//! Logs and metrics: lines on standard error, and numbers for a collector. Never masks anything itself: addresses and
//! secrets are of types that cannot be printed whole.

pub mod metrics;
pub mod registry;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What an operator has no use for, unless `level` names it: what scheduler and server tell of themselves at each start, and
/// an error of the server's for every request that it cannot read, with which whoever scans for open doors would fill the log.
const QUIET: &str = "tokio_cron_scheduler=warn,actix_server=warn,actix_http::h1::dispatcher=off";

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: coloured on a terminal.
    Text,
    /// For a collector: one JSON object a line, with the fields of the event at its top.
    Json,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is neither a level nor directives such as `info,loa::work=debug`.
    #[error("[log] level: {0}; write one such as \"info\" or \"info,loa::work=debug\"")]
    Level(String),
    /// Something else in this process logs already.
    #[error("logging has begun already in this process")]
    Twice,
}

/// Begins to log to standard error, so that standard output stays for what a command prints. Once per process.
///
/// # Errors
/// When `level` cannot be read, or logging has begun already.
pub fn init(format: Format, level: &str) -> Result<(), TelemetryError> {
    let level = format!("{QUIET},{level}");
    let filter = EnvFilter::builder().parse(&level).map_err(|e| TelemetryError::Level(e.to_string()))?;
    // A line that cannot be written is lost: to say so on the same standard error would panic.
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    match format {
        Format::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
    }
    .map_err(|_| TelemetryError::Twice)
}
