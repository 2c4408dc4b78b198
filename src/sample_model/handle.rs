//! One request: what it asks for, the work it takes, the answer it gets.

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use tokio::time::sleep;

use super::Server;
use super::answer::{self, Answer};
use super::appetite::Order;
use super::completion::{Completion, Wish};
use super::predictor::Predictor;
use super::route::{self, Dialect, LookUp, Misdirected, Question};
use super::stats::AtWork;

/// Which request this is, as the client counts.
const SEQUENCE: &str = "x-sample-sequence";
/// How long to work on this very request.
const SERVICE_TIME: &str = "x-sample-service-time";

/// Answers one request.
pub(super) async fn answer(
    server: Arc<Server>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let answer = match route::question(&head.method, head.uri.path()) {
        Err(Misdirected::NoSuchPath) => answer::error(StatusCode::NOT_FOUND, "no such path"),
        Err(Misdirected::NoSuchMethod) => answer::error(
            StatusCode::METHOD_NOT_ALLOWED,
            "no such method on this path",
        ),
        Ok(question) => respond(server, question, &head, body).await,
    };
    Ok(answer)
}

async fn respond(
    server: Arc<Server>,
    question: Question<'_>,
    head: &Parts,
    body: Incoming,
) -> Answer {
    if let Some(other) = question.model().filter(|model| *model != server.model) {
        return answer::no_such_model(other);
    }
    match question {
        Question::LookUp(what) => look_up(&server, what, head.uri.query()),
        Question::Use => obey(&server, head.uri.query().unwrap_or_default()).await,
        Question::Complete(dialect) => complete(server, dialect, &head.headers, body).await,
        Question::Predict(_) => {
            let prediction = server.bodies.prediction.clone();
            predict(server, head, body, prediction).await
        }
        Question::Infer(_) => {
            let inference = server.bodies.inference.clone();
            predict(server, head, body, inference).await
        }
    }
}

/// Questions that take no work.
fn look_up(server: &Server, what: LookUp<'_>, query: Option<&str>) -> Answer {
    let ready = server.ready;
    match what {
        LookUp::Ready => answer::readiness(ready, &json!({ "ready": ready })),
        LookUp::Live => answer::json(&json!({ "live": true })),
        LookUp::Stats => answer::json(&server.stats.read(query == Some("sequence=1"))),
        LookUp::Metrics => answer::metrics(&server.stats.read(false), server.appetite.gauge()),
        LookUp::Server => answer::server(),
        LookUp::Models => answer::models(&server.model),
        LookUp::Status(model) => answer::model_status(model, ready),
        LookUp::Metadata(model) => answer::metadata(model),
        LookUp::ModelReady(model) => {
            answer::readiness(ready, &json!({ "name": model, "ready": ready }))
        }
    }
}

async fn obey(server: &Server, query: &str) -> Answer {
    match Order::read(query) {
        Ok(order) => {
            server.appetite.obey(order).await;
            answer::json(&json!({}))
        }
        Err(error) => answer::error(StatusCode::BAD_REQUEST, &format!("{error:#}")),
    }
}

async fn predict(server: Arc<Server>, head: &Parts, body: Incoming, prediction: Bytes) -> Answer {
    let service_time = match server.take_in(&head.headers).await {
        Ok(service_time) => service_time,
        Err(error) => return answer::error(StatusCode::BAD_REQUEST, &format!("{error:#}")),
    };
    if let Some(predictor) = &server.predictor {
        return transform(&server, predictor, head.uri.path(), body, service_time).await;
    }
    if let Err(error) = read_past(body).await {
        return answer::error(StatusCode::BAD_REQUEST, &error.to_string());
    }
    let at_work = server.stats.begin();
    server.work(at_work, service_time).await;
    answer::ready_made(prediction)
}

/// Its own work comes first, as if it made an image fit; it is at work until the predictor has
/// answered.
async fn transform(
    server: &Server,
    predictor: &Predictor,
    path: &str,
    body: Incoming,
    service_time: Duration,
) -> Answer {
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return answer::error(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let _at_work = server.stats.begin();
    sleep(service_time).await;
    match predictor.ask(path, body).await {
        Ok((status, body)) => answer::with_status(status, body),
        Err(error) => answer::error(StatusCode::BAD_GATEWAY, &format!("{error:#}")),
    }
}

async fn complete(
    server: Arc<Server>,
    dialect: Dialect,
    headers: &HeaderMap,
    body: Incoming,
) -> Answer {
    let bad = |error: &str| answer::completion_error(StatusCode::BAD_REQUEST, error);
    let first = match server.take_in(headers).await {
        Ok(service_time) => service_time,
        Err(error) => return bad(&format!("{error:#}")),
    };
    let wish: Wish = match body.collect().await {
        Err(error) => return bad(&error.to_string()),
        Ok(body) => match serde_json::from_slice(&body.to_bytes()) {
            Err(error) => return bad(&format!("the body is not a completion request: {error}")),
            Ok(wish) => wish,
        },
    };
    if let Some(other) = wish.model.as_ref().filter(|model| **model != server.model) {
        let message = format!("The model `{other}` does not exist.");
        return answer::completion_error(StatusCode::NOT_FOUND, &message);
    }
    let completion = Completion {
        dialect,
        model: server.model.clone(),
        tokens: wish.tokens(server.tokens),
        first,
        pace: server.token_time,
    };
    let at_work = server.stats.begin();
    if wish.stream {
        let (answer, tokens) = Completion::stream();
        let work = completion.generate(at_work, tokens, server.can_cancel);
        server.tasks.spawn(work);
        return answer;
    }
    server.work(at_work, completion.duration()).await;
    completion.whole()
}

impl Server {
    /// Counts a request whose head is here. How long it is to be worked on; never returns from
    /// the request that crashes the server.
    async fn take_in(&self, headers: &HeaderMap) -> anyhow::Result<Duration> {
        let nth = self
            .stats
            .arrived(header(headers, SEQUENCE, u64::from_str)?);
        if self.crash_after_requests.is_some_and(|most| nth > most) {
            self.crashed.cancel();
            std::future::pending::<()>().await;
        }
        let ordered = header(headers, SERVICE_TIME, humantime::parse_duration)?;
        Ok(ordered.unwrap_or_else(|| self.service_time.draw()))
    }

    /// Works on a request. Our caller is dropped when its client goes away; a model server that
    /// cannot be stopped does not notice, so the work is a task of its own.
    async fn work(&self, at_work: AtWork, duration: Duration) {
        if duration.is_zero() {
            return;
        }
        if self.can_cancel {
            sleep(duration).await;
            drop(at_work);
            return;
        }
        let work = self.tasks.spawn(async move {
            sleep(duration).await;
            drop(at_work);
        });
        work.await.expect("sleeping does not panic");
    }
}

/// A header's value, parsed; `None` where it is absent.
fn header<T, E>(
    headers: &HeaderMap,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> anyhow::Result<Option<T>>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let parsed = parse(value.to_str()?).with_context(|| format!("header {name}"))?;
    Ok(Some(parsed))
}

/// Reads a body to its end and keeps nothing of it.
async fn read_past(mut body: Incoming) -> hyper::Result<()> {
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}
