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

/// The Kubernetes client logs every attempt that fails as an error, several a second while the API
/// server is away. That it is, and that it is back, is said once by those who ask; whoever wants to
/// hear the client names it.
fn with_quiet(level: &str) -> String {
    const CLIENT: &str = "kube_client";
    if level.contains(CLIENT) {
        level.to_owned()
    } else {
        format!("{level},{CLIENT}=off")
    }
}

#[cfg(test)]
mod tests {
    use super::with_quiet;

    #[test]
    fn the_kubernetes_client_is_heard_only_where_somebody_asks_for_it() {
        assert_eq!(with_quiet("info"), "info,kube_client=off");
        assert_eq!(
            with_quiet("info,kube_client=debug"),
            "info,kube_client=debug"
        );
    }
}
