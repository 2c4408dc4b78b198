//! The settings of a sidecar, read again: on SIGHUP, and when a file changes. What cannot be read
//! changes nothing and is reported whole.

use std::path::PathBuf;

use crate::app::circle::Circle;
use crate::app::drain::Signals;
use crate::app::reload::{
    asked_again, name_what_needs_a_restart, tell_complaints, tell_warnings, watch,
};
use crate::app::tls::Tls;
use crate::config::{Overrides, SidecarConfig, load_sidecar};
use crate::proxy::Registry;
use crate::schedule::Schedule;

/// What holds, and where it comes from.
pub(super) struct Written {
    config: SidecarConfig,
    files: Vec<PathBuf>,
    overrides: Overrides,
    tls: Option<Tls>,
    watch: bool,
}

impl Written {
    pub(super) fn new(
        config: SidecarConfig,
        files: Vec<PathBuf>,
        overrides: Overrides,
        tls: Option<Tls>,
        watch: bool,
    ) -> Self {
        tell_warnings(&config.warnings);
        Self {
            config,
            files,
            overrides,
            tls,
            watch,
        }
    }

    pub(super) fn config(&self) -> &SidecarConfig {
        &self.config
    }

    fn read_again(&mut self, circle: &mut Circle, registry: &Registry, why: &str) {
        let tls = self.tls.as_ref();
        let read = load_sidecar(&self.files, &self.overrides)
            .and_then(|config| Tls::suffices(tls, config.tls.as_ref()).map(|()| config));
        match read {
            Ok(config) => {
                tracing::info!(why, "reading the configuration again");
                tell_warnings(&config.warnings);
                self.take(config, circle, registry);
            }
            Err(complaints) => tell_complaints(&complaints, why),
        }
    }

    /// The name goes with what is counted, so it stays.
    fn take(&mut self, mut new: SidecarConfig, circle: &mut Circle, registry: &Registry) {
        let old = &self.config;
        name_what_needs_a_restart(&[
            ("listen", old.listen != new.listen),
            ("admin", old.admin != new.admin),
            ("metrics", old.metrics != new.metrics),
            ("maxConnections", old.max_connections != new.max_connections),
            ("maxStreams", old.max_streams != new.max_streams),
            (
                "maxHeaderBytes, maxHeaders, headerTimeout, idleConnectionTimeout",
                old.bounds != new.bounds,
            ),
            ("port", old.app != new.app),
            ("readiness", old.readiness != new.readiness),
            ("name", old.spec.id != new.spec.id),
            (
                "report",
                (&old.report_to, &old.report_token) != (&new.report_to, &new.report_token),
            ),
        ]);
        Tls::apply(self.tls.as_ref(), new.tls.as_ref());
        new.spec.id = old.spec.id.clone();
        if new.spec != old.spec {
            circle.change(&new.spec, &Schedule::default());
            registry.set(vec![circle.entry()]);
        }
        self.config.spec = new.spec;
        self.config.shutdown_delay = new.shutdown_delay;
        self.config.drain_timeout = new.drain_timeout;
    }
}

/// Keeps the sidecar as it is written until it is told to end.
pub(super) async fn until_ended(
    circle: &mut Circle,
    registry: &Registry,
    signals: &mut Signals,
    written: &mut Written,
) {
    let mut watch = watch(&written.files, written.watch);
    while let Some(why) = asked_again(signals, &mut watch).await {
        written.read_again(circle, registry, why);
    }
}
