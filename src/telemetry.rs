//! What the program says: one line an event on stderr, coloured for a person at a terminal, JSON
//! for machines. The only place that looks at the wall clock.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// For machines.
    Json,
}

impl Format {
    /// For people where one looks, else for machines.
    #[must_use]
    pub fn detect() -> Self {
        if io::stderr().is_terminal() {
            Self::Human
        } else {
            Self::Json
        }
    }
}

/// Starts logging at `level`, as [`EnvFilter`] reads it. What cannot be read logs at `info`.
pub fn start(format: Format, level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    // A second start changes nothing: the first one is already heard.
    let _ = match format {
        Format::Human => lines
            .with_target(false)
            .with_ansi(io::stderr().is_terminal())
            .try_init(),
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    };
}
