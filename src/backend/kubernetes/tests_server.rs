//! An API server for tests, in memory and so in virtual time: keeps objects by path, gives them
//! versions and refuses changes of older ones as the real one does, tells who watches, and fails on
//! request.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The server as one of its clients meets it, and what tests ask of it.
#[derive(Clone, Default)]
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
    link: Arc<Mutex<Link>>,
}

/// What becomes of the requests of one client.
#[derive(Default)]
struct Link {
    asked: Vec<Asked>,
    faults: VecDeque<Fault>,
    always: Option<Fault>,
    watching: Vec<(String, UnboundedSender<Bytes>)>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    /// What became of every object, as its watchers are told: version, path, line.
    history: Vec<(u64, String, Bytes)>,
    links: Vec<Weak<Mutex<Link>>>,
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) what: String,
    pub(crate) query: String,
    pub(crate) body: Value,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// None: it is served, and the next request meets the next fault.
    Pass,
    /// Refused with this status and message.
    Refuse(u16, &'static str),
    /// Never answered, and not done.
    Hang,
    /// Done, and never answered.
    HangDone,
    /// Nobody is there.
    Away,
}

impl Server {
    /// A client of this server.
    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { server.serve(request).await }
        });
        Client::new(service, "default")
    }

    async fn serve(&self, request: Request<Body>) -> Result<Answer, tower::BoxError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let path = head.uri.path().to_owned();
        let query = head.uri.query().unwrap_or_default().to_owned();
        let watches = query.contains("watch=true");
        let fault = {
            let mut link = self.link.lock();
            let method = if watches {
                "WATCH"
            } else {
                head.method.as_str()
            };
            link.asked.push(Asked {
                what: format!("{method} {path}"),
                query: query.clone(),
                body: body.clone(),
            });
            link.always.clone().or_else(|| link.faults.pop_front())
        };
        let answer = |server: &Self| {
            let mut state = server.state.lock();
            if watches {
                return state.watch(&path, &query, &server.link);
            }
            state.answer(&head.method, &path, &body)
        };
        match fault {
            None | Some(Fault::Pass) => Ok(answer(self)),
            Some(Fault::Refuse(status, message)) => Ok(refusal(status, message)),
            Some(Fault::Away) => Err("nobody listens".into()),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::HangDone) => {
                let _unsent = answer(self);
                std::future::pending().await
            }
        }
    }

    /// The same server for another client, which meets faults of its own.
    pub(crate) fn link(&self) -> Self {
        let (state, link) = (Arc::clone(&self.state), Arc::default());
        Self { state, link }
    }

    /// The next request meets this; several are met in their order.
    pub(crate) fn fail(&self, fault: Fault) {
        self.link.lock().faults.push_back(fault);
    }

    /// Every request meets this from now on, and whoever watches hears no more; or none any longer.
    pub(crate) fn fail_always(&self, fault: Option<Fault>) {
        let mut link = self.link.lock();
        if fault.is_some() {
            link.watching.clear();
        }
        link.always = fault;
    }

    /// Puts an object there as if somebody else had.
    pub(crate) fn put(&self, path: &str, object: Value) {
        self.state.lock().store(path, object);
    }

    /// Takes an object away as if somebody else had.
    pub(crate) fn delete(&self, path: &str) {
        self.state.lock().delete(path);
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.state.lock().objects.get(path).cloned()
    }

    /// The objects below a path.
    pub(crate) fn all(&self, path: &str) -> Vec<Value> {
        let state = self.state.lock();
        let all = state.objects.iter().filter(|(at, _)| at.starts_with(path));
        all.map(|(_, object)| object.clone()).collect()
    }

    /// The requests since the last time this was called.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.link.lock().asked)
    }

    /// What was asked since the last time, without queries and bodies.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.what).collect()
    }
}

impl State {
    fn answer(&mut self, method: &Method, path: &str, body: &Value) -> Answer {
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

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let is_new = self
            .objects
            .insert(path.to_owned(), object.clone())
            .is_none();
        self.tell(path, if is_new { "ADDED" } else { "MODIFIED" }, &object);
        object
    }

    fn delete(&mut self, path: &str) {
        if let Some(object) = self.objects.remove(path) {
            self.version += 1;
            self.tell(path, "DELETED", &object);
        }
    }

    fn tell(&mut self, path: &str, what: &str, object: &Value) {
        let line = Bytes::from(format!("{}\n", json!({ "type": what, "object": object })));
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
    fn watch(&mut self, path: &str, query: &str, link: &Arc<Mutex<Link>>) -> Answer {
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

fn refusal(status: u16, message: &str) -> Answer {
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
