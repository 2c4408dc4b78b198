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
    let filter = EnvFilter::try_new(with_quiet(level)).unwrap_or_else(|_| EnvFilter::new("info"));
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

/// Who says too much unless somebody asks for it by name, and what is still heard of them.
const QUIET: [(&str, &str); 2] = [
    // Logs every attempt that fails as an error, several a second while the API server is away. That it
    // is, and that it is back, is said once by those who ask.
    ("kube_client", "off"),
    // Warns of what clients do, so that any of them could fill the log.
    ("h2", "error"),
];

fn with_quiet(level: &str) -> String {
    let mut filter = level.to_owned();
    for (who, heard) in QUIET {
        if !names(level, who) {
            filter = format!("{filter},{who}={heard}");
        }
    }
    filter
}

/// Whether a filter says something of this crate, or of a part of it.
fn names(filter: &str, who: &str) -> bool {
    filter.split(',').any(|directive| {
        let rest = directive.trim().strip_prefix(who);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', ':', '[']))
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::EnvFilter;

    use super::with_quiet;

    #[test]
    fn who_says_too_much_is_heard_only_where_somebody_asks_for_it() {
        let check = |level, want| assert_eq!(with_quiet(level), want, "{level}");
        check("info", "info,kube_client=off,h2=error");
        check("info,kube_client=debug", "info,kube_client=debug,h2=error");
        check("h2=trace, info", "h2=trace, info,kube_client=off");
        check("h2::codec=debug,kube_client", "h2::codec=debug,kube_client");
        check("h2x=debug", "h2x=debug,kube_client=off,h2=error");
    }

    /// What is heard with this filter of one warning of each of two.
    fn heard(level: &str) -> (bool, bool) {
        #[derive(Clone, Default)]
        struct Log(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Log {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().expect("nobody panics").extend(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let log = Log::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(with_quiet(level)))
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(lines, || {
            tracing::warn!(target: "h2::proto::ping_pong", "recv PING ack that we never sent");
            tracing::warn!(target: "holdgate::server", "could not accept a connection");
        });
        let said = log.0.lock().expect("nobody panics").clone();
        let said = String::from_utf8(said).expect("text");
        (said.contains("PING"), said.contains("accept"))
    }

    #[test]
    fn a_client_does_not_fill_the_log() {
        for level in ["warn", "info", "debug"] {
            assert_eq!(heard(level), (false, true), "{level}");
        }
        assert_eq!(heard("info,h2=warn"), (true, true));
    }
}
