//! The admin port: is it alive, what is there, and why. It reads and changes nothing; what is
//! counted is counted elsewhere. Labels of metrics are bounded: never a path, a host or a client.

mod board;
mod families;
mod metrics;
pub mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use jiff::Zoned;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use crate::config::nearest_names;
use crate::revision::RevisionId;
use metrics::Metrics;

pub use board::{Board, Told, Watched};

/// The longest an answer may take to begin.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer under way may hold up the end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Answers on `listener` until it is told to end.
pub async fn serve(board: Arc<Board>, listener: TcpListener, until: CancellationToken) {
    let end = until.clone();
    let answering =
        axum::serve(listener, router(board)).with_graceful_shutdown(end.cancelled_owned());
    let overdue = async {
        until.cancelled().await;
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        ended = answering => if let Err(error) = ended {
            tracing::error!(%error, "the admin port does not answer any more");
        },
        () = overdue => {}
    }
}

/// What every answer is made from.
#[derive(Debug)]
struct Desk {
    board: Arc<Board>,
    metrics: Metrics,
}

/// Everything the admin port answers.
pub fn router(board: Arc<Board>) -> Router {
    let desk = Arc::new(Desk {
        metrics: Metrics::new(Arc::clone(&board)),
        board,
    });
    let never_kept = HeaderValue::from_static("no-store");
    Router::new()
        .route("/healthz", show(|_| "ok\n".into_response()))
        .route("/readyz", show(readiness))
        .route("/metrics", show(scrape))
        .route("/revisions", show(revisions))
        .route("/revisions/{name}", show_one(report::revision))
        .route("/revisions/{name}/decisions", show_one(report::decisions))
        .route("/revisions/{name}/explain", get(explain))
        .route("/queue", show(queue))
        .fallback(async |uri: Uri| {
            let detail = format!("nothing is at {}", uri.path());
            problem(StatusCode::NOT_FOUND, &detail)
        })
        .method_not_allowed_fallback(async || {
            let detail = "the admin port is for reading: use GET";
            problem(StatusCode::METHOD_NOT_ALLOWED, detail)
        })
        .layer(SetResponseHeaderLayer::if_not_present(
            CACHE_CONTROL,
            never_kept,
        ))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            TIMEOUT,
        ))
        .with_state(desk)
}

fn show(answer: fn(&Desk) -> Response) -> MethodRouter<Arc<Desk>> {
    get(async move |State(desk): State<Arc<Desk>>| answer(&desk))
}

/// What there is to say about the revision named in the path.
fn show_one<T>(report: fn(&board::Present) -> T) -> MethodRouter<Arc<Desk>>
where
    T: serde::Serialize + 'static,
{
    get(
        async move |State(desk): State<Arc<Desk>>, Path(name): Path<String>| match desk
            .board
            .present(&RevisionId::new(name.as_str()))
        {
            Some(present) => Json(report(&present)).into_response(),
            None => unknown(&desk, &name),
        },
    )
}

/// Why a revision has the replicas it has: in words, or as JSON for who accepts that.
async fn explain(
    State(desk): State<Arc<Desk>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(present) = desk.board.present(&RevisionId::new(name.as_str())) else {
        return unknown(&desk, &name);
    };
    let Some(explained) = report::explained(present, Zoned::now()) else {
        let detail = format!("nothing decides on the replicas of {name:?}");
        return problem(StatusCode::NOT_FOUND, &detail);
    };
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if accepted.is_some_and(|accept| accept.contains("application/json")) {
        Json(explained).into_response()
    } else {
        explained.explanation.to_string().into_response()
    }
}

fn unknown(desk: &Desk, name: &str) -> Response {
    let names = desk.board.names();
    let known = nearest_names(name, names.iter().map(RevisionId::as_str));
    let known = match known.as_slice() {
        [] => "there is none".to_owned(),
        names => format!("known: {}", names.join(", ")),
    };
    let detail = format!("no revision is named {name:?}; {known}");
    problem(StatusCode::NOT_FOUND, &detail)
}

fn readiness(desk: &Desk) -> Response {
    if desk.board.is_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

fn scrape(desk: &Desk) -> Response {
    ([(CONTENT_TYPE, Metrics::CONTENT_TYPE)], desk.metrics.text()).into_response()
}

fn revisions(desk: &Desk) -> Response {
    let (all, unread) = (desk.board.all(), desk.board.unread());
    let there = all.iter().map(|one| json!(report::revision(one)));
    let unread = unread.into_iter().map(|one| json!(report::unread(one)));
    Json(there.chain(unread).collect::<Vec<_>>()).into_response()
}

fn queue(desk: &Desk) -> Response {
    Json(report::depths(&desk.board.all())).into_response()
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("refused"),
        "status": status.as_u16(),
        "detail": detail,
    });
    let content_type = [(CONTENT_TYPE, "application/problem+json")];
    (status, content_type, body.to_string() + "\n").into_response()
}
