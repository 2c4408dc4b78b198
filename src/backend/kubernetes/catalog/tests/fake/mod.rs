//! An API server in memory: lists in pages, watches from a version on, forgets old versions, goes
//! away and comes back.

mod answers;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;

pub(super) const PODS: &str = "/api/v1/pods";
pub(super) const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";
pub(super) const SERVICES: &str = "/api/v1/services";
pub(super) const HPAS: &str = "/apis/autoscaling/v2/horizontalpodautoscalers";
pub(super) const ISVCS: &str = "/apis/serving.kserve.io/v1beta1/inferenceservices";
pub(super) const MAPS: &str = "/api/v1/configmaps";

pub(super) const EVENTS: &str = "/api/v1/events";

pub(super) const ROLLOUTS: &str = "/apis/argoproj.io/v1alpha1/rollouts";

/// An API server; clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    version: u64,
    /// Nothing is told from before this version.
    oldest: u64,
    objects: BTreeMap<(String, String, String), Value>,
    events: Vec<Event>,
    watchers: Vec<Watcher>,
    away: bool,
    unserved: BTreeSet<String>,
    /// What is asked of these is answered with a status.
    refused: BTreeMap<String, (u16, &'static str)>,
    asked: Vec<String>,
    /// So many listings will be told that what they have begun is too old to go on with.
    outdated: u32,
}

#[derive(Clone)]
struct Event {
    version: u64,
    base: String,
    namespace: String,
    object: Value,
    line: Bytes,
}

struct Watcher {
    base: String,
    namespace: Option<String>,
    fields: Option<String>,
    sender: mpsc::UnboundedSender<io::Result<Bytes>>,
    deaf: bool,
}

impl Fake {
    /// Serves what every cluster has, and no `InferenceServices` and the like.
    pub(super) fn new() -> Self {
        let fake = Self::default();
        fake.0.lock().version = 1;
        fake
    }

    pub(super) fn client(&self) -> Client {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let answer = fake.answer(&request);
            async move { answer }
        });
        Client::new(service, "default")
    }

    /// Creates or changes an object.
    pub(super) fn put(&self, base: &str, mut object: Value) {
        let mut state = self.0.lock();
        state.version += 1;
        object["metadata"]["resourceVersion"] = json!(state.version.to_string());
        let key = key(base, &object);
        let kind = if state.objects.contains_key(&key) {
            "MODIFIED"
        } else {
            "ADDED"
        };
        state.objects.insert(key, object.clone());
        state.tell(base, kind, &object);
    }

    pub(super) fn delete(&self, base: &str, name: &str) {
        let mut state = self.0.lock();
        state.version += 1;
        let at = (base.to_owned(), "default".to_owned(), name.to_owned());
        let mut object = state.objects.remove(&at).expect("it is there");
        object["metadata"]["resourceVersion"] = json!(state.version.to_string());
        state.tell(base, "DELETED", &object);
    }

    /// Ends every watch.
    pub(super) fn cut(&self) {
        self.0.lock().watchers.clear();
    }

    /// Every watch finds out that its connection is dead.
    pub(super) fn tear(&self) {
        for watcher in self.0.lock().watchers.drain(..) {
            // Who has left does not hear it.
            let _ = watcher.sender.send(Err(io::ErrorKind::TimedOut.into()));
        }
    }

    /// Keeps the connections of watches open, and tells nothing on them any more.
    pub(super) fn fall_silent(&self) {
        self.0
            .lock()
            .watchers
            .iter_mut()
            .for_each(|watcher| watcher.deaf = true);
    }

    /// Nobody answers any more.
    pub(super) fn leave(&self) {
        self.0.lock().away = true;
        self.cut();
    }

    pub(super) fn come_back(&self) {
        self.0.lock().away = false;
    }

    /// Tells every watch how far it has come.
    pub(super) fn bookmark(&self) {
        let state = self.0.lock();
        let version = state.version.to_string();
        let bookmark = json!({"type": "BOOKMARK", "object": {
            "kind": "x", "apiVersion": "v1", "metadata": {"resourceVersion": version}
        }});
        for watcher in &state.watchers {
            let line = Ok(format!("{bookmark}\n").into());
            watcher.sender.send(line).expect("it is open");
        }
    }

    /// Forgets everything but the present.
    pub(super) fn compact(&self) {
        let mut state = self.0.lock();
        state.oldest = state.version;
        state.events.clear();
    }

    /// The next listing that is not over after its first page has to begin again.
    pub(super) fn outdate_listing(&self) {
        self.0.lock().outdated += 1;
    }

    /// A kind that is not there in every cluster is, or is not any more.
    pub(super) fn serve(&self, base: &str, served: bool) {
        let mut state = self.0.lock();
        if served {
            state.unserved.remove(base);
        } else {
            state.unserved.insert(base.to_owned());
        }
    }

    pub(super) fn forbid(&self, base: &str) {
        self.refuse(base, 403, "you may not");
    }

    pub(super) fn refuse(&self, base: &str, code: u16, message: &'static str) {
        let mut state = self.0.lock();
        state.refused.insert(base.to_owned(), (code, message));
    }

    pub(super) fn allow(&self, base: &str) {
        self.0.lock().refused.remove(base);
    }

    /// What was asked since this was last called: paths and queries.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().asked)
    }
}

impl State {
    fn tell(&mut self, base: &str, kind: &str, object: &Value) {
        // As the API server writes it: the type first.
        let line = format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n");
        let event = Event {
            version: self.version,
            base: base.to_owned(),
            namespace: object["metadata"]["namespace"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            object: object.clone(),
            line: line.into(),
        };
        self.watchers.retain(|watcher| {
            let hears = !watcher.deaf && watcher.wants(&event);
            !hears || watcher.sender.send(Ok(event.line.clone())).is_ok()
        });
        self.events.push(event);
    }
}

impl Watcher {
    fn wants(&self, event: &Event) -> bool {
        let within = self.namespace.as_ref();
        self.base == event.base
            && within.is_none_or(|it| *it == event.namespace)
            && selects(self.fields.as_deref(), &self.base, &event.object)
    }
}

/// Whether a selector by fields wants an object. Only those of Events are looked at: of everything else
/// there is nothing that is not wanted.
fn selects(fields: Option<&str>, base: &str, object: &Value) -> bool {
    let terms = fields.into_iter().flat_map(|fields| fields.split(','));
    let mut terms = terms.filter_map(|term| term.split_once('='));
    let holds = |(name, value)| match name {
        "reason" => object["reason"] == value,
        "source" => object["source"]["component"] == value,
        _ => panic!("the API server refuses {name}"),
    };
    base != EVENTS || terms.all(holds)
}

fn key(base: &str, object: &Value) -> (String, String, String) {
    let said = |name: &str| {
        object["metadata"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    (base.to_owned(), said("namespace"), said("name"))
}
