//! How the server answers: lists in pages, watches from a version on, and refusals.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{
    DEPLOYMENTS, EVENTS, Fake, HPAS, ISVCS, MAPS, PODS, ROLLOUTS, SERVICES, State, Watcher, selects,
};

/// A watch is accepted before it tells anything.
const HEADERS_FIRST: Duration = Duration::from_millis(100);

/// The namespace, and a selector by fields.
type Wanted = (Option<String>, Option<String>);
type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

impl Fake {
    pub(super) fn answer(&self, request: &Request<Body>) -> Result<Answer, io::Error> {
        let mut state = self.0.lock();
        if state.away {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let uri = request.uri();
        state.asked.push(uri.to_string());
        let (base, namespace) = parted(uri.path());
        if let Some((code, message)) = state.refused.get(&base) {
            return Ok(status(*code, message));
        }
        let usual = [
            PODS,
            DEPLOYMENTS,
            SERVICES,
            HPAS,
            MAPS,
            EVENTS,
            "/apis/apps/v1/statefulsets",
        ];
        let extra = base == ISVCS || base == ROLLOUTS;
        if ROLLOUTS.strip_suffix("/rollouts") == Some(&base) && !state.unserved.contains(ROLLOUTS) {
            return Ok(body(StatusCode::OK, &rollouts()));
        }
        if state.unserved.contains(&base) || !(extra || usual.contains(&base.as_str())) {
            return Ok(status(
                404,
                "the server could not find the requested resource",
            ));
        }
        let query = uri.query().unwrap_or_default();
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(key, _)| *key == name)
                .map(|(_, value)| percent_decode_str(value).decode_utf8_lossy().into_owned())
        };
        let fields = value("fieldSelector");
        if value("watch").as_deref() == Some("true") {
            let from = value("resourceVersion")
                .and_then(|it| it.parse().ok())
                .unwrap_or(0);
            return Ok(state.watch(base, (namespace, fields), from));
        }
        let from = value("continue")
            .and_then(|it| it.parse().ok())
            .unwrap_or(0);
        if from > 0 && state.outdated > 0 {
            state.outdated -= 1;
            return Ok(status(410, "the provided continue parameter is too old"));
        }
        let limit = value("limit")
            .and_then(|it| it.parse().ok())
            .unwrap_or(usize::MAX);
        Ok(state.list(&base, (namespace, fields), from, limit))
    }
}

impl State {
    fn watch(&mut self, base: String, (namespace, fields): Wanted, from: u64) -> Answer {
        let (sender, receiver) = mpsc::unbounded_channel();
        let watcher = Watcher {
            base,
            namespace,
            fields,
            sender,
            deaf: false,
        };
        if from < self.oldest {
            let expired = json!({"type": "ERROR", "object": {
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "too old resource version", "reason": "Expired", "code": 410
            }});
            watcher
                .sender
                .send(Ok(format!("{expired}\n").into()))
                .expect("it is open");
        } else {
            let missed = self
                .events
                .iter()
                .filter(|it| it.version > from && watcher.wants(it));
            for event in missed {
                let line = Ok(event.line.clone());
                watcher.sender.send(line).expect("it is open");
            }
            self.watchers.push(watcher);
        }
        let lines = stream::unfold((receiver, true), |(mut receiver, first)| async move {
            if first {
                sleep(HEADERS_FIRST).await;
            }
            let line = receiver.recv().await?;
            Some((line.map(Frame::data), (receiver, false)))
        });
        Response::new(StreamBody::new(lines).boxed_unsync())
    }

    fn list(&self, base: &str, wanted: Wanted, from: usize, limit: usize) -> Answer {
        let (namespace, fields) = wanted;
        let all = self.objects.iter().filter(|((at, within, _), object)| {
            at == base
                && namespace.as_ref().is_none_or(|it| it == within)
                && selects(fields.as_deref(), base, object)
        });
        let all: Vec<&Value> = all.map(|(_, object)| object).collect();
        let page: Vec<_> = all.iter().skip(from).take(limit).collect();
        let end = from + page.len();
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if end < all.len() {
            metadata["continue"] = json!(end.to_string());
        }
        body(
            StatusCode::OK,
            &json!({"kind": "List", "metadata": metadata, "items": page}),
        )
    }
}

/// What of a group there is.
fn rollouts() -> Value {
    let resource = |name: &str, kind: &str| json!({"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"]});
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "argoproj.io/v1alpha1",
        "resources": [
            resource("rollouts", "Rollout"),
            resource("rollouts/scale", "Scale"),
            resource("experiments", "Experiment")
        ]
    })
}

/// A path without its namespace, and the namespace.
fn parted(path: &str) -> (String, Option<String>) {
    let Some((root, rest)) = path.split_once("/namespaces/") else {
        return (path.to_owned(), None);
    };
    let (namespace, plural) = rest.split_once('/').expect("a kind is named");
    (format!("{root}/{plural}"), Some(namespace.to_owned()))
}

fn status(code: u16, message: &str) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": "x", "code": code
    });
    body(StatusCode::from_u16(code).expect("it is a status"), &status)
}

fn body(status: StatusCode, text: &Value) -> Answer {
    let body = Full::new(Bytes::from(text.to_string())).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    answer
}
