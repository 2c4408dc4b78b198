//! The configuration, read again: on SIGHUP, and when a file changes. What cannot be read changes
//! nothing and is reported whole.

use std::path::PathBuf;

use super::drain::{Asked, Signals};
use super::gate::Gate;
use crate::config::{Complaint, Complaints, Overrides, Program, Watch, load_to_run};

/// Keeps the gate as it is written until it is told to end.
pub(super) async fn until_ended(
    gate: &mut Gate,
    signals: &mut Signals,
    files: &[PathBuf],
    overrides: &Overrides,
    program: &Program,
) {
    let watched = program.watch_config && !files.is_empty();
    let mut watch = watched.then(|| Watch::new(files));
    loop {
        let changed = async {
            match &mut watch {
                Some(watch) => watch.changed().await,
                None => std::future::pending().await,
            }
        };
        let why = tokio::select! {
            asked = signals.next() => match asked {
                Asked::End => return,
                Asked::Reload => "SIGHUP",
            },
            () = changed => "a file changed",
        };
        reload(gate, files, overrides, why).await;
    }
}

/// Logs what may not do what its writer thinks.
pub(super) fn tell_warnings(warnings: &[Complaint]) {
    for warning in warnings {
        tracing::warn!(%warning, "may not do what it says");
    }
}

/// Logs what is wrong with a configuration that is not taken.
pub(super) fn tell_complaints(complaints: &Complaints, why: &str) {
    for complaint in complaints {
        tracing::error!(%complaint, "not understood");
    }
    let complaints = complaints.len();
    tracing::error!(why, complaints, "the configuration stays as it was");
}

/// Logs the keys of which a new value is not taken while the gate runs.
pub(super) fn name_what_needs_a_restart(keys: &[(&str, bool)]) {
    for (key, _) in keys.iter().filter(|(_, changed)| *changed) {
        tracing::warn!(key, "a change of this takes effect at the next start");
    }
}

async fn reload(gate: &mut Gate, files: &[PathBuf], overrides: &Overrides, why: &str) {
    let read = match load_to_run(files, overrides) {
        Ok(config) => gate.devices.suffice(&config).await.map(|()| config),
        Err(complaints) => Err(complaints),
    };
    match read {
        Ok(config) => {
            tracing::info!(why, "reading the configuration again");
            tell_warnings(&config.warnings);
            gate.apply(&config);
        }
        Err(complaints) => {
            tell_complaints(&complaints, why);
        }
    }
}
