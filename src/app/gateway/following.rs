//! Follows what the cluster and the configuration say until the gateway is told to end. What cannot
//! be read changes nothing and is reported whole.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::claims::Gateway;
use super::seams::Cluster;
use crate::app::drain::{Asked, Signals};
use crate::app::reload::{
    all_of, name_what_needs_a_restart, tell_complaints, tell_warnings, watch,
};
use crate::app::tls::Tls;
use crate::backend::kubernetes::{Claim, Claims, Entrance, Server, Tenure};
use crate::config::{
    ClaimFacts, ClaimSettings, Complaints, GatewayConfig, Overrides, ReadClaim, Watch,
    load_gateway, read_claim,
};
use crate::proxy::Registry;
use crate::tls::ReplicaTls;

/// How often it is said that the cluster has not answered yet.
const STILL_NOTHING: Duration = Duration::from_secs(30);

/// What the cluster says.
pub(super) struct Sources {
    /// `None` until everything was listed once.
    pub(super) claims: watch::Receiver<Option<Arc<Claims>>>,
    /// The routes that lead to this gateway.
    pub(super) entrances: watch::Receiver<Arc<Vec<Entrance>>>,
    /// The domain of `KServe`'s routes.
    pub(super) domain: watch::Receiver<Option<String>>,
    pub(super) tenure: watch::Receiver<Tenure>,
}

/// What the configuration says.
pub(super) struct Written {
    config: GatewayConfig,
    files: Vec<PathBuf>,
    overrides: Overrides,
    watch: Option<Watch>,
    /// The files that the configuration names, which are watched with it.
    named: Vec<PathBuf>,
    /// How replicas are reached by TLS, as far as it is said for all of them.
    replicas: Option<ReplicaTls>,
    /// Keeps what is written of TLS.
    pub(super) tls: Option<Arc<Tls>>,
    registry: Arc<Registry>,
}

impl Written {
    /// What was read at the start, to be read again when a file changes (`watched`).
    pub(super) fn new(
        config: GatewayConfig,
        files: Vec<PathBuf>,
        overrides: Overrides,
        watched: bool,
        registry: Arc<Registry>,
    ) -> Self {
        tell_warnings(&config.warnings);
        registry.set_keys(Arc::clone(&config.api_keys));
        let named = config.replica_files();
        let watch = watch(&all_of(&files, named.clone()), watched);
        Self {
            // That it can be read was seen before.
            replicas: config.replica_tls().unwrap_or_default(),
            config,
            files,
            overrides,
            watch,
            named,
            tls: None,
            registry,
        }
    }

    /// Reads what claims say, where this is the domain of `KServe`'s routes.
    pub(super) fn reader(
        &self,
        domain: Option<String>,
    ) -> impl Fn(&Claim) -> Result<ReadClaim, Complaints> {
        move |claim| {
            let settings = ClaimSettings::of(&claim.settings);
            let facts = ClaimFacts::of(claim, domain.clone());
            let mut read = read_claim(&settings, &facts, &self.config)?;
            if let Some(template) = claim.template.as_deref() {
                let server = Server::of(&read.pod, template);
                read.spec.protocol = server.protocol(read.spec.protocol, &claim.spoken);
            }
            Ok(read)
        }
    }

    /// How many requests may wait over all revisions, and how many bytes they may hold.
    pub(super) const fn bounds(&self) -> (usize, u64) {
        let config = &self.config;
        (config.max_queued_requests, config.max_queued_bytes)
    }

    async fn changed(&mut self) {
        Watch::changed_if_watched(&mut self.watch).await;
    }

    /// Whether there is something new in it.
    pub(super) fn read_again(&mut self, why: &str) -> bool {
        let tls = self.tls.clone();
        let tls = tls.as_deref();
        let read = load_gateway(&self.files, &self.overrides)
            .and_then(|config| Tls::suffices(tls, config.tls.as_ref()).map(|()| config))
            .and_then(|config| {
                // Watched before they are read, so that no change is missed in between.
                self.watch_also(config.replica_files());
                config.replica_tls().map(|replicas| (config, replicas))
            });
        match read {
            Ok((config, replicas)) => {
                tracing::info!(why, "reading the configuration again");
                tell_warnings(&config.warnings);
                self.name_what_needs_a_restart(&config);
                Tls::apply(tls, config.tls.as_ref());
                self.registry.set_keys(Arc::clone(&config.api_keys));
                let changed = config.domain != self.config.domain
                    || config.defaults != self.config.defaults
                    || replicas != self.replicas;
                self.replicas = replicas;
                self.config.domain = config.domain;
                self.config.defaults = config.defaults;
                self.config.max_queued_requests = config.max_queued_requests;
                self.config.max_queued_bytes = config.max_queued_bytes;
                changed
            }
            Err(complaints) => {
                tell_complaints(&complaints, why);
                false
            }
        }
    }

    /// Watches the files that are named now, if files are watched.
    fn watch_also(&mut self, named: Vec<PathBuf>) {
        if named != self.named && self.watch.is_some() {
            self.named.clone_from(&named);
            self.watch = watch(&all_of(&self.files, named), true);
        }
    }

    fn name_what_needs_a_restart(&self, config: &GatewayConfig) {
        let old = &self.config;
        name_what_needs_a_restart(&[
            ("listen", old.listen != config.listen),
            ("admin", old.admin != config.admin),
            (
                "adminTokenFile",
                old.admin_token_file != config.admin_token_file,
            ),
            (
                "maxConnections",
                old.max_connections != config.max_connections,
            ),
            ("maxStreams", old.max_streams != config.max_streams),
            ("reportTokenFile", old.report_token != config.report_token),
            ("namespaces", old.namespaces != config.namespaces),
            ("workloads", old.workloads != config.workloads),
            ("takeoverPorts", old.takeover_ports != config.takeover_ports),
            (
                "maxHeaderBytes, maxHeaders, headerTimeout, idleConnectionTimeout",
                old.bounds != config.bounds,
            ),
            ("record", old.record != config.record),
            ("recordSize", old.record_size != config.record_size),
            ("modelScan", old.model_scan != config.model_scan),
        ]);
    }
}

/// Keeps the gateway as the cluster and the configuration want it, until it is told to end. `opens` is
/// called when everything that is claimed runs for the first time.
pub(super) async fn until_ended<C: Cluster>(
    gateway: &mut Gateway<C>,
    sources: &mut Sources,
    written: &mut Written,
    signals: &mut Signals,
    opens: impl FnOnce(usize),
) {
    let mut opens = Some(opens);
    sources.claims.mark_changed();
    sources.tenure.mark_changed();
    sources.entrances.mark_changed();
    let mut patience = tokio::time::interval(STILL_NOTHING);
    patience.reset();
    loop {
        let news = tokio::select! {
            asked = signals.next() => match asked {
                Asked::End => return,
                Asked::Reload => News::Claims { anew: written.read_again("SIGHUP") },
            },
            () = written.changed() => News::Claims { anew: written.read_again("a file changed") },
            news = next(gateway, sources) => news,
            _ = patience.tick(), if opens.is_some() => {
                tracing::warn!("the cluster has not told yet what is there, not ready");
                continue;
            }
        };
        gateway.bound_waiting(written.bounds());
        if let Some(claims) = take(gateway, sources, written, news)
            && let Some(opens) = opens.take()
        {
            opens(claims);
        }
    }
}

/// Keeps the gateway as the cluster wants it while it ends: who waits there is served when the way is
/// free, or told that nothing comes of it. What the configuration says is not read any more.
pub(super) async fn while_ending<C: Cluster>(
    gateway: &mut Gateway<C>,
    sources: &mut Sources,
    written: &Written,
) -> Infallible {
    loop {
        let news = next(gateway, sources).await;
        take(gateway, sources, written, news);
    }
}

/// What there is to hear.
#[derive(Clone, Copy, Debug)]
enum News {
    /// What is claimed, or what it means: read again whatever did not change, too (`anew`).
    Claims {
        anew: bool,
    },
    Entrances,
    Tenure,
}

impl Sources {
    async fn next(&mut self) -> News {
        tokio::select! {
            () = heard(&mut self.claims) => News::Claims { anew: false },
            () = heard(&mut self.domain) => News::Claims { anew: true },
            () = heard(&mut self.entrances) => News::Entrances,
            () = heard(&mut self.tenure) => News::Tenure,
        }
    }
}

/// What is heard next; until then the gateway sees off what has parted.
async fn next<C: Cluster>(gateway: &mut Gateway<C>, sources: &mut Sources) -> News {
    tokio::select! {
        news = sources.next() => news,
        never = gateway.see_off() => match never {},
    }
}

/// Makes of the gateway what was heard. Returns of how many claims, if they were to be looked at.
fn take<C: Cluster>(
    gateway: &mut Gateway<C>,
    sources: &Sources,
    written: &Written,
    news: News,
) -> Option<usize> {
    match news {
        News::Entrances => gateway.enter_by(sources.entrances.borrow().clone()),
        News::Tenure => {
            gateway.reign(*sources.tenure.borrow());
            // Who comes to steer has just read what the one before it had kept of settings.
            return apply(gateway, sources, written, false);
        }
        News::Claims { anew } => return apply(gateway, sources, written, anew),
    }
    None
}

fn apply<C: Cluster>(
    gateway: &mut Gateway<C>,
    sources: &Sources,
    written: &Written,
    anew: bool,
) -> Option<usize> {
    let claims = sources.claims.borrow().clone()?;
    let domain = sources.domain.borrow().clone();
    gateway.apply(&claims, &written.reader(domain), anew);
    Some(claims.len())
}

/// Waits for the next word; who will not say anything any more is not waited for.
async fn heard<T>(word: &mut watch::Receiver<T>) {
    match word.changed().await {
        Ok(()) => {
            word.borrow_and_update();
        }
        Err(_) => std::future::pending().await,
    }
}
