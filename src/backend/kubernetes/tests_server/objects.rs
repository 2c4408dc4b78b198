//! What the server keeps: objects by path, how requests change them, and everything that became of
//! them, for who watches.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use super::{Answer, Link};

#[derive(Default)]
pub(super) struct State {
    pub(super) objects: BTreeMap<String, Value>,
    version: u64,
    /// What became of every object, as its watchers are told: version, path, line.
    history: Vec<(u64, String, Bytes)>,
    links: Vec<Weak<Mutex<Link>>>,
    /// Which objects by the end of their path, where in them, and what stands there once admitted.
    pub(super) policies: Vec<(String, String, Value)>,
}

impl State {
    pub(super) fn answer(&mut self, method: &Method, path: &str, body: &Value) -> Answer {
        let (object, scale) = match path.strip_suffix("/scale") {
            Some(object) => (object, true),
            None => (path, false),
        };
        let known = self.objects.get(object).cloned();
        match (method, known) {
            (&Method::GET, Some(known)) => whole(200, &known),
            (&Method::GET, None) if is_collection(path) => self.list(path),
            (&Method::POST, _) => {
                let name = body["metadata"]["name"].as_str().expect("a name");
                let path = format!("{path}/{name}");
                if self.objects.contains_key(&path) {
                    return refusal(409, "it exists");
                }
                whole(201, &self.store(&path, body.clone()))
            }
            (&Method::DELETE, Some(_)) => {
                self.delete(object);
                whole(200, &json!({ "kind": "Status", "status": "Success" }))
            }
            (&Method::PATCH, Some(known)) if scale && body.is_array() => {
                match changed_scale(&known, body) {
                    Some(new) => scale_of(&self.store(object, new)),
                    None => refusal(
                        422,
                        "the server rejected our request due to an error in our request",
                    ),
                }
            }
            (&Method::PUT | &Method::PATCH, Some(known)) => {
                let same = |key: &str| {
                    let wanted = &body["metadata"][key];
                    wanted.is_null() || *wanted == known["metadata"][key]
                };
                if !same("resourceVersion") || !same("uid") {
                    return refusal(409, "the object has been modified");
                }
                let mut new = known;
                if method == Method::PUT {
                    new = body.clone();
                } else {
                    merge(&mut new, body);
                }
                let stored = self.store(object, new);
                if scale {
                    return scale_of(&stored);
                }
                whole(200, &stored)
            }
            _ => refusal(404, "not found"),
        }
    }

    pub(super) fn store(&mut self, path: &str, mut object: Value) -> Value {
        for (at, place, value) in &self.policies {
            if path.ends_with(at.as_str())
                && let Some(there) = object.pointer_mut(place)
            {
                there.clone_from(value);
            }
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let is_new = self
            .objects
            .insert(path.to_owned(), object.clone())
            .is_none();
        self.tell(path, if is_new { "ADDED" } else { "MODIFIED" }, &object);
        object
    }

    pub(super) fn delete(&mut self, path: &str) {
        if let Some(object) = self.objects.remove(path) {
            self.version += 1;
            self.tell(path, "DELETED", &object);
        }
    }

    fn tell(&mut self, path: &str, what: &str, object: &Value) {
        // As the API server writes it: the type first.
        let line = format!("{{\"type\":\"{what}\",\"object\":{object}}}\n");
        let line = Bytes::from(line);
        self.history
            .push((self.version, path.to_owned(), line.clone()));
        self.links.retain(|link| link.strong_count() > 0);
        for link in self.links.iter().filter_map(Weak::upgrade) {
            let hears = |at: &str| path.starts_with(at);
            link.lock()
                .watching
                .retain(|(at, watcher)| !hears(at) || watcher.send(line.clone()).is_ok());
        }
    }

    fn list(&self, path: &str) -> Answer {
        let items = self.objects.iter().filter(|(at, _)| at.starts_with(path));
        let items: Vec<&Value> = items.map(|(_, object)| object).collect();
        let version = self.version.to_string();
        let list = json!({ "metadata": { "resourceVersion": version }, "items": items });
        whole(200, &list)
    }

    /// Everything since the version that was seen, and then what comes.
    pub(super) fn watch(&mut self, path: &str, query: &str, link: &Arc<Mutex<Link>>) -> Answer {
        let since = query
            .split('&')
            .find_map(|part| part.strip_prefix("resourceVersion="));
        let since: u64 = since.and_then(|since| since.parse().ok()).unwrap_or(0);
        let (tell, told) = unbounded_channel();
        for (version, at, line) in &self.history {
            if *version > since && at.starts_with(path) {
                tell.send(line.clone()).expect("it listens");
            }
        }
        link.lock().watching.push((path.to_owned(), tell));
        if !self
            .links
            .iter()
            .any(|known| known.as_ptr() == Arc::as_ptr(link))
        {
            self.links.push(Arc::downgrade(link));
        }
        let lines = stream::unfold(told, |mut told| async move {
            let heard = told.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(heard)), told))
        });
        Response::new(StreamBody::new(lines).boxed_unsync())
    }
}

/// `…/namespaces/NAMESPACE/PLURAL` and no name behind it.
fn is_collection(path: &str) -> bool {
    let mut parts = path.split('/').skip_while(|part| *part != "namespaces");
    parts.nth(2).is_some() && parts.next().is_none()
}

fn scale_of(object: &Value) -> Answer {
    whole(
        200,
        &json!({ "metadata": object["metadata"], "spec": object["spec"] }),
    )
}

/// An object whose scale a JSON patch has changed; `None` where the patch does not apply. A scale has
/// no number where that is zero.
fn changed_scale(known: &Value, patch: &Value) -> Option<Value> {
    let mut spec = json!({ "replicas": known["spec"]["replicas"] });
    if spec["replicas"] == 0 {
        spec = json!({});
    }
    let mut scale = json!({ "metadata": known["metadata"], "spec": spec });
    for step in patch.as_array()? {
        let place = step["path"].as_str()?;
        match step["op"].as_str()? {
            "test" if scale.pointer(place).unwrap_or(&Value::Null) == &step["value"] => {}
            "add" => {
                let (parent, key) = place.rsplit_once('/')?;
                scale.pointer_mut(parent)?[key] = step["value"].clone();
            }
            _ => return None,
        }
    }
    let mut new = known.clone();
    new["spec"]["replicas"] = scale["spec"]["replicas"].clone();
    Some(new)
}

fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            into.as_object_mut().expect("an object").remove(key);
        } else {
            merge(&mut into[key.as_str()], value);
        }
    }
}

fn whole(status: u16, object: &Value) -> Answer {
    let text = Bytes::from(object.to_string());
    let answer = Response::builder().status(status);
    answer
        .body(Full::new(text).boxed_unsync())
        .expect("a status")
}

pub(super) fn refusal(status: u16, message: &str) -> Answer {
    let reason = match status {
        404 => "NotFound",
        409 => "Conflict",
        _ => "",
    };
    let told = json!({
        "kind": "Status", "status": "Failure", "code": status, "message": message, "reason": reason,
    });
    whole(status, &told)
}
