//! The environment that Knative gives its queue-proxy, as a layer of a sidecar's settings: a sidecar
//! that stands in its place is configured by the same names. Unknown ones are ignored.

use std::time::Duration;

use serde_json::Value as Json;

use super::keys as k;
use crate::config::complaint::{Complaint, Complaints, Origin};
use crate::config::key::AnyKey;
use crate::config::keys as shared;
use crate::config::layers::Layer;
use crate::config::tree::Node;

/// Requests that may wait for each that may run.
const WAITING_PER_SLOT: u64 = 10;

/// Where it has its queue-proxy listen for a container whose port is named `h2c`.
const H2C_PORT: &str = "8013";

/// What Knative takes a timeout of 0 for.
const USUAL_TIMEOUT: u64 = 300;

/// What the environment says in Knative's names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::config) struct Knative {
    /// As keys.
    pub(super) layer: Layer,
    /// The limit is set in its way: it stands in queue-proxy's place.
    pub(super) in_its_place: bool,
    /// As many probes as there are containers; `None` where nothing is said of them.
    pub(super) probes: Option<Vec<Probe>>,
    /// How long a request may take, and so how long a drain.
    pub(super) timeout: Option<Duration>,
}

/// One container's readiness probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) kind: ProbeKind,
    pub(super) port: Option<u16>,
    pub(super) period: Duration,
    pub(super) timeout: Option<Duration>,
    pub(super) successes: u32,
    pub(super) failures: u32,
}

/// How it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProbeKind {
    Tcp,
    Http {
        path: String,
        headers: Vec<(String, String)>,
    },
    Grpc {
        service: String,
    },
}

impl Knative {
    pub(in crate::config) fn read(
        environment: impl Fn(&str) -> Option<String>,
        complaints: &mut Complaints,
    ) -> Self {
        let mut read = Reader {
            said: |name: &str| environment(name).filter(|text| !text.is_empty()),
            layer: Layer::default(),
            complaints,
        };
        let in_its_place = read.limit();
        read.set("SERVING_REVISION", &shared::NAME, str::to_owned);
        read.set("USER_PORT", &k::PORT, str::to_owned);
        read.set("QUEUE_SERVING_PORT", &k::LISTEN, |port| {
            format!("0.0.0.0:{port}")
        });
        read.set("QUEUE_SERVING_TLS_PORT", &k::TLS_LISTEN, |port| {
            format!("0.0.0.0:{port}")
        });
        read.protocol();
        let timeout = read.timeouts();
        let probes = read.probes();
        Self {
            layer: read.layer,
            in_its_place,
            probes,
            timeout,
        }
    }
}

struct Reader<'a, S> {
    said: S,
    layer: Layer,
    complaints: &'a mut Complaints,
}

impl<S: Fn(&str) -> Option<String>> Reader<'_, S> {
    fn set(&mut self, name: &str, key: &dyn AnyKey, write: impl Fn(&str) -> String) {
        if let Some(said) = (self.said)(name) {
            self.put(name, key, &write(&said));
        }
    }

    fn put(&mut self, name: &str, key: &dyn AnyKey, text: &str) {
        let node = Node::plain(&Origin::Environment(name.to_owned()), text);
        self.layer.set(key, node, self.complaints);
    }

    fn complain(&mut self, name: &str, message: &str) {
        self.complaints.push(Complaint {
            origin: Origin::Environment(name.to_owned()),
            path: String::new(),
            message: message.to_owned(),
        });
    }

    /// Its port for h2c is another than that for HTTP/1.1: who comes by one of them is passed on in the
    /// same.
    fn protocol(&mut self) {
        const NAME: &str = "QUEUE_SERVING_PORT";
        if (self.said)(NAME).as_deref() == Some(H2C_PORT) {
            self.put(NAME, &shared::PROTOCOL, "h2c");
        }
    }

    /// The limit, and with it queue-proxy's bound on the line and its answer to who finds it full.
    fn limit(&mut self) -> bool {
        const NAME: &str = "CONTAINER_CONCURRENCY";
        let Some(said) = (self.said)(NAME) else {
            return false;
        };
        self.put(NAME, &shared::CONTAINER_CONCURRENCY, &said);
        self.put(NAME, &shared::OVERLOAD_STATUS, "503");
        if let Some(limit) = said.parse::<u64>().ok().filter(|limit| *limit > 0) {
            let waiting = limit.saturating_mul(WAITING_PER_SLOT).to_string();
            self.put(NAME, &shared::QUEUE_MAX_REQUESTS, &waiting);
        }
        true
    }

    /// Its one timeout is here one for the wait and one for the answer, streams included.
    fn timeouts(&mut self) -> Option<Duration> {
        const NAME: &str = "REVISION_TIMEOUT_SECONDS";
        self.set(
            "REVISION_RESPONSE_START_TIMEOUT_SECONDS",
            &shared::FIRST_BYTE_TIMEOUT,
            str::to_owned,
        );
        self.set(
            "REVISION_IDLE_TIMEOUT_SECONDS",
            &shared::IDLE_TIMEOUT,
            str::to_owned,
        );
        let said = (self.said)(NAME)?;
        let Ok(seconds) = said.parse::<u64>() else {
            self.complain(NAME, "wanted whole seconds");
            return None;
        };
        let seconds = if seconds == 0 { USUAL_TIMEOUT } else { seconds };
        let keys: [&dyn AnyKey; 4] = [
            &shared::TIMEOUT,
            &shared::STREAM_TIMEOUT,
            &shared::QUEUE_TIMEOUT,
            &shared::QUEUE_COLD_TIMEOUT,
        ];
        let text = format!("{seconds}s");
        for key in keys {
            self.put(NAME, key, &text);
        }
        // Without one it has no timer for idleness: ours would cut what Knative lets be.
        if (self.said)("REVISION_IDLE_TIMEOUT_SECONDS").is_none() {
            self.put(NAME, &shared::IDLE_TIMEOUT, "0");
        }
        Some(Duration::from_secs(seconds))
    }

    /// One probe, or a list of one for each container.
    fn probes(&mut self) -> Option<Vec<Probe>> {
        const NAME: &str = "SERVING_READINESS_PROBE";
        let said = (self.said)(NAME)?;
        let read: Option<Json> = serde_json::from_str(&said).ok();
        let probes = match read {
            Some(Json::Array(all)) => all.iter().map(probe).collect(),
            Some(one) => probe(&one).map(|one| vec![one]),
            None => None,
        };
        if probes.is_none() {
            self.complain(
                NAME,
                "wanted a probe of Kubernetes as JSON, or a list of them",
            );
        }
        probes
    }
}

/// One probe; `None` if it is none.
fn probe(json: &Json) -> Option<Probe> {
    let fields = json.as_object()?;
    let whole = |name: &str| match fields.get(name) {
        None | Some(Json::Null) => Some(0),
        Some(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
    };
    let seconds = |name: &str| whole(name).map(|n| Duration::from_secs(n.into()));
    let given = |name: &str| fields.get(name).filter(|json| !json.is_null());
    let (kind, action) = match (given("httpGet"), given("grpc")) {
        (Some(http), _) => (http_get(http)?, Some(http)),
        (None, Some(grpc)) => {
            let service = grpc.get("service").and_then(Json::as_str);
            let service = service.unwrap_or_default().to_owned();
            (ProbeKind::Grpc { service }, Some(grpc))
        }
        // What is executed stays with the model server's own container.
        (None, None) => (ProbeKind::Tcp, given("tcpSocket")),
    };
    let port = action.and_then(|action| action.get("port"));
    Some(Probe {
        kind,
        port: port.and_then(port_number).filter(|port| *port > 0),
        period: seconds("periodSeconds")?,
        timeout: seconds("timeoutSeconds").map(|it| Some(it).filter(|it| !it.is_zero()))?,
        successes: whole("successThreshold")?.max(1),
        failures: match whole("failureThreshold")? {
            0 => 3,
            failures => failures,
        },
    })
}

/// A number, or a text that is one; a named port is not known here.
fn port_number(port: &Json) -> Option<u16> {
    let number = port.as_u64().and_then(|port| u16::try_from(port).ok());
    number.or_else(|| port.as_str()?.parse().ok())
}

fn http_get(json: &Json) -> Option<ProbeKind> {
    let path = json.get("path").and_then(Json::as_str).unwrap_or_default();
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    let headers = json.get("httpHeaders").and_then(Json::as_array);
    let pair = |header: &Json| {
        let part = |name: &str| header.get(name).and_then(Json::as_str).map(str::to_owned);
        part("name").zip(part("value"))
    };
    let headers: Option<Vec<_>> = headers.into_iter().flatten().map(pair).collect();
    Some(ProbeKind::Http {
        path,
        headers: headers?,
    })
}
