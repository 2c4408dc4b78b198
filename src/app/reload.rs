//! The configuration, read again: on SIGHUP, and when a file changes. What cannot be read changes
//! nothing and is reported whole.

use std::path::PathBuf;

use super::drain::{Asked, Signals};
use super::gate::Gate;
use super::tls::Tls;
use crate::config::{Complaint, Complaints, Overrides, Program, Watch, load_to_run};

/// Where the settings are written, and who else than the gate keeps some of them.
pub(super) struct Written<'a> {
    pub(super) files: &'a [PathBuf],
    pub(super) overrides: &'a Overrides,
    pub(super) tls: Option<&'a Tls>,
}

/// Keeps the gate as it is written until it is told to end.
pub(super) async fn until_ended(
    gate: &mut Gate,
    signals: &mut Signals,
    written: &Written<'_>,
    program: &Program,
) {
    let watched = |gate: &Gate| all_of(written.files, gate.replica_files().to_vec());
    let mut files = watched(gate);
    let mut watch = watch(&files, program.watch_config);
    while let Some(why) = asked_again(signals, &mut watch).await {
        reload(gate, written, why).await;
        let named = watched(gate);
        if watch.is_some() && named != files {
            files = named;
            watch = Some(Watch::new(&files));
            // What they said before they were watched is said again.
            reload(gate, written, "it names other files").await;
        }
    }
}

/// The files of the configuration, and those that they name.
pub(super) fn all_of(files: &[PathBuf], named: Vec<PathBuf>) -> Vec<PathBuf> {
    files.iter().cloned().chain(named).collect()
}

/// Watches the files that settings are written in, if there are any and they are to be watched.
pub(super) fn watch(files: &[PathBuf], watched: bool) -> Option<Watch> {
    (watched && !files.is_empty()).then(|| Watch::new(files))
}

/// Why settings are to be read again; `None` once it is to end.
pub(super) async fn asked_again(
    signals: &mut Signals,
    watch: &mut Option<Watch>,
) -> Option<&'static str> {
    tokio::select! {
        asked = signals.next() => match asked {
            Asked::End => None,
            Asked::Reload => Some("SIGHUP"),
        },
        () = Watch::changed_if_watched(watch) => Some("a file changed"),
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

async fn reload(gate: &mut Gate, written: &Written<'_>, why: &str) {
    let tls = written.tls;
    let read = load_to_run(written.files, written.overrides)
        .and_then(|config| Tls::suffices(tls, config.tls.as_ref()).map(|()| config));
    let read = match read {
        Ok(config) => gate.devices.suffice(&config).await.map(|()| config),
        Err(complaints) => Err(complaints),
    };
    match read {
        Ok(config) => {
            tracing::info!(why, "reading the configuration again");
            tell_warnings(&config.warnings);
            gate.apply(&config);
            Tls::apply(tls, config.tls.as_ref());
        }
        Err(complaints) => {
            tell_complaints(&complaints, why);
        }
    }
}
