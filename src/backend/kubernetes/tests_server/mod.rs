//! An API server for tests, in memory and so in virtual time: keeps objects by path, gives them
//! versions and refuses changes of older ones as the real one does, tells who watches, and fails on
//! request.

mod objects;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use self::objects::{State, refusal};

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

    /// Whatever somebody writes at such a path, this place of it becomes so when it is admitted.
    pub(crate) fn admit(&self, path: &str, place: &str, value: Value) {
        let policy = (path.to_owned(), place.to_owned(), value);
        self.state.lock().policies.push(policy);
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

    /// How many calls were made with this method.
    pub(crate) fn count(&self, method: &str) -> usize {
        let calls = self.calls();
        calls.iter().filter(|call| call.starts_with(method)).count()
    }
}
