//! What settings mean, in plain words.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use crate::autoscale::{Amount, Spec};
use crate::backend::beside::How;
use crate::callers::Keyring;
use crate::config::{
    ClientsNeed, Config, GatewayConfig, ReadClaim, RevisionConfig, SidecarConfig, TlsConfig, brief,
};
use crate::revision::{CallerPath, QueueOrder, RevisionId, RevisionSpec};
use crate::schedule::Schedule;

/// What is told of one thing, a line for each word under its name.
struct Told(String);

impl Told {
    fn say(&mut self, word: &str, text: &str) {
        let _ = writeln!(self.0, "  {word:<8}{text}");
    }

    /// How many replicas there are, and at which hours more.
    fn replicas(&mut self, spec: &RevisionSpec, schedule: &Schedule) {
        self.say("scales", &scaling(spec));
        for entry in &schedule.0 {
            self.say("hours", &format!("at least {entry}"));
        }
    }

    /// What becomes of requests.
    fn treatment(&mut self, spec: &RevisionSpec) {
        self.say("limits", &limits(spec));
        self.say("waits", &waiting(spec));
        self.say("answers", &answering(spec));
    }
}

/// What a sidecar's settings mean.
pub(super) fn sidecar_meaning(config: &SidecarConfig) -> String {
    let mut told = format!(
        "a sidecar that listens on {}, admin {}, metrics {}; at most {} connections\n",
        config.listen,
        or_off(config.admin),
        or_off(config.metrics),
        config.max_connections,
    );
    told.push_str(&securing(config.tls.as_ref()));
    let _ = writeln!(told, "\n{}", config.spec.id);
    let mut told = Told(told);
    told.say("guards", &config.app.to_string());
    for check in &config.readiness {
        let how = match &check.how {
            How::Tcp => format!("once {} takes connections", check.at),
            How::Http { path, .. } => format!("once GET {path} at {} answers 200 to 399", check.at),
            How::Grpc { .. } => format!("once the health service at {} says so", check.at),
        };
        told.say("ready", &how);
    }
    told.treatment(&config.spec);
    let shutdown_delay = config
        .shutdown_delay
        .map_or("3s in a pod".to_owned(), brief);
    let drain = brief(config.drain_timeout);
    told.say(
        "ends",
        &format!("serving on for {shutdown_delay}, then within {drain}"),
    );
    if let Some(to) = &config.report_to {
        told.say("reports", &format!("to {}{}", to.authority, to.prefix));
    }
    told.0
}

/// What a gateway's settings mean, and those of a workload that says nothing of its own.
pub(super) fn gateway_meaning(gateway: &GatewayConfig, workload: &ReadClaim) -> String {
    let mut told = format!(
        "a gateway that listens on {}, admin {}, peers {}; at most {} connections\n",
        gateway.listen,
        or_off(gateway.admin),
        or_off(gateway.peers),
        gateway.max_connections,
    );
    told.push_str(&securing(gateway.tls.as_ref()));
    let mut told = Told(told);
    let domain = gateway.domain.as_deref();
    told.say("domain", domain.unwrap_or("KServe's, else example.com"));
    let spaces = match gateway.namespaces.as_slice() {
        [] => "all namespaces".to_owned(),
        some => some.join(", "),
    };
    let kinds = gateway.workloads.iter().map(|kind| kind.kind.as_str());
    let kinds: Vec<_> = ["Deployment", "StatefulSet"]
        .into_iter()
        .chain(kinds)
        .collect();
    told.say("looks", &format!("in {spaces}, at {}", kinds.join(", ")));
    let ports = &gateway.takeover_ports;
    let (from, to) = (ports.start(), ports.end());
    told.say(
        "callers",
        &format!("of Services that pass the gate come in at ports {from} to {to}"),
    );
    if let Some(record) = &gateway.record {
        told.say("records", &format!("to {}", record.display()));
    }
    told.0 + &opening(&gateway.api_keys) + "\n" + &workload_meaning(workload)
}

fn workload_meaning(workload: &ReadClaim) -> String {
    let spec = &workload.spec;
    let mut told = Told("a workload that says nothing of its own\n".to_owned());
    told.replicas(spec, &workload.schedule);
    told.treatment(spec);
    told.say("callers", calling(spec));
    told.0
}

/// Where TLS is spoken, and with whom; nothing where it is not.
fn securing(tls: Option<&TlsConfig>) -> String {
    let Some(tls) = tls else {
        return String::new();
    };
    let clients = match (&tls.client_ca, tls.client_certificates) {
        (None, _) => "any client",
        (_, ClientsNeed::Optional) => "clients with a certificate of theirs, or none",
        (_, ClientsNeed::Required) => "clients with a certificate of theirs",
    };
    let shown: Vec<_> = tls.certificates.iter().map(ToString::to_string).collect();
    let shown = shown.join(", ");
    format!("TLS on {}, shows {shown} to {clients}\n", tls.listen)
}

fn or_off(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "off".to_owned(), |address| address.to_string())
}

/// What settings mean, a few plain lines for each revision.
#[must_use]
pub fn meaning(config: &Config) -> String {
    let admin = or_off(config.admin);
    let mut told = format!(
        "listens on {}, admin {admin}; at most {} connections and {} model servers\n",
        config.listen, config.max_connections, config.max_processes,
    );
    told.push_str(&securing(config.tls.as_ref()));
    if let Some(gpus) = &config.gpus {
        let _ = writeln!(told, "gives model servers GPUs {}", gpus.join(", "));
    }
    told.push_str(&opening(&config.api_keys));
    let is_lone = config.revisions.len() == 1;
    for revision in &config.revisions {
        told.push_str(&tell(revision, is_lone));
    }
    told
}

/// Who may ask; of a key nothing is told but whose it is and what it opens.
fn opening(keys: &Keyring) -> String {
    let mut told = String::new();
    for key in keys.iter() {
        let revisions = key.revisions.iter().flatten();
        let revisions: Vec<&str> = revisions.map(RevisionId::as_str).collect();
        let opened = match revisions.as_slice() {
            [] => "every revision".to_owned(),
            some => some.join(", "),
        };
        let _ = writeln!(told, "key {} of {} opens {opened}", key.name, key.tenant);
    }
    told
}

fn tell(revision: &RevisionConfig, is_lone: bool) -> String {
    let spec = &revision.spec;
    let mut told = Told(format!("\n{}\n", spec.id));
    told.say("takes", &leads_here(spec, is_lone));
    if let Some(process) = &revision.process {
        told.say("starts", &process.command.join(" "));
        let ready = match &process.readiness.path {
            Some(path) => format!("once GET {path} answers 200 to 399"),
            None => "once its port takes connections".to_owned(),
        };
        told.say(
            "ready",
            &format!("{ready}, within {}", brief(process.readiness.timeout)),
        );
    } else {
        told.say("starts", "nothing yet: to run it, a command is needed");
    }
    if let Some(gpus @ 1..) = revision.process.as_ref().map(|process| process.gpus) {
        let noun = if gpus == 1 { "GPU" } else { "GPUs" };
        told.say(
            "holds",
            &format!("{gpus} {noun} in each replica, to itself"),
        );
    }
    told.replicas(spec, &revision.schedule);
    told.treatment(spec);
    told.0
}

fn leads_here(spec: &RevisionSpec, is_lone: bool) -> String {
    let mut ways = Vec::new();
    if is_lone {
        ways.push("every host".to_owned());
    } else if !spec.hosts.is_empty() {
        ways.push(format!("hosts {}", spec.hosts.join(", ")));
    }
    if !spec.models.is_empty() {
        ways.push(format!("models {}", spec.models.join(", ")));
    }
    ways.join("; ")
}

fn scaling(spec: &RevisionSpec) -> String {
    let scaling = &spec.scaling;
    let most = scaling
        .max_replicas
        .map_or_else(|| "any number of".to_owned(), |max| max.to_string());
    let metrics = Spec::new(scaling.clone(), spec.container_concurrency);
    let aims = metrics
        .metrics()
        .map(|(metric, target)| Amount(metric, target.total).per_replica());
    let aims = aims.collect::<Vec<_>>().join(" and ");
    let idle = match scaling.stop_after_idle {
        Some(idle) if scaling.min_replicas == 0 => {
            format!("; the last one goes {} after the last request", brief(idle))
        }
        _ => String::new(),
    };
    format!(
        "{} to {most} replicas, aims for {aims} in each{idle}",
        scaling.min_replicas
    )
}

fn limits(spec: &RevisionSpec) -> String {
    match spec.container_concurrency.written() {
        0 => "no hard limit".to_owned(),
        limit => format!("never more than {limit} at once in a replica"),
    }
}

fn waiting(spec: &RevisionSpec) -> String {
    let queue = &spec.queue;
    let order = match queue.order {
        QueueOrder::Fifo => "",
        QueueOrder::Fair { .. } => "; by class, and every tenant in turn",
    };
    format!(
        "at most {} requests and {}, for {}, for {} while no replica is ready{order}",
        queue.max_requests,
        size(queue.max_bytes),
        brief(queue.timeout),
        brief(queue.cold_timeout),
    )
}

fn answering(spec: &RevisionSpec) -> String {
    let or_never = |bound: Option<Duration>| bound.map_or_else(|| "no bound".to_owned(), brief);
    let timeouts = &spec.timeouts;
    format!(
        "within {}, streams within {}, ends after {} without a byte",
        or_never(timeouts.total),
        or_never(timeouts.stream),
        or_never(timeouts.idle),
    )
}

fn calling(spec: &RevisionSpec) -> &'static str {
    match spec.path {
        CallerPath::Host => "of its Services pass the gate by",
        CallerPath::Takeover => "of its Services pass the gate while no pod is ready",
        CallerPath::Always => "of its Services all pass the gate",
    }
}

/// Bytes in the largest unit that leaves nothing over.
fn size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units
        .iter()
        .find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor))
    {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes} bytes"),
    }
}
