//! The admin port: is it alive, what is there, and why. It reads and changes nothing; what is
//! counted is counted elsewhere. Labels of metrics are bounded: never a path, a host or a client.

mod board;
mod certificates;
mod families;
mod find;
mod gateways;
mod guard;
mod metrics;
pub mod report;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use jiff::Zoned;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use crate::callers::same_secret;
use crate::loads::Load;
use crate::sync::now;
use find::Found;
use metrics::Metrics;

pub use board::{Board, Watched};
pub use certificates::Certificates;
pub use find::LeftAlone;
pub use gateways::Gateways;
pub use guard::Audience;

/// The longest an answer may take to begin.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of what a sidecar says.
const LONGEST_REPORT: usize = 4 * 1024;
/// How long an answer under way may hold up the end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Answers on `listener` until it is told to end.
pub async fn serve(
    board: Arc<Board>,
    listener: TcpListener,
    audience: Audience,
    until: CancellationToken,
) {
    let pages = guard::guarded(router(board), audience);
    serve_pages(pages, listener, until).await;
}

/// Answers with these pages and no others.
pub async fn serve_pages(pages: Router, listener: TcpListener, until: CancellationToken) {
    let end = until.clone();
    let service = pages.into_make_service_with_connect_info::<SocketAddr>();
    let answering = axum::serve(listener, service).with_graceful_shutdown(end.cancelled_owned());
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

/// What this audience is told, and besides what is everybody's business.
pub fn pages(board: Arc<Board>, audience: Audience, besides: Router) -> Router {
    guard::guarded(router(board), audience).merge(besides)
}

/// The metrics and nothing else.
pub fn metrics_alone(board: Arc<Board>) -> Router {
    let desk = Desk {
        metrics: Metrics::new(Arc::clone(&board)),
        board,
    };
    let pages = Router::new().route("/metrics", show(scrape));
    pages.with_state(Arc::new(desk))
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
        .route("/revisions/{name}", show_one(revision))
        .route("/revisions/{name}/decisions", show_one(decisions))
        .route("/revisions/{name}/explain", get(explain))
        .route("/queue", show(queue))
        .route(
            "/reports",
            post(take_report).layer(DefaultBodyLimit::max(LONGEST_REPORT)),
        )
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

/// What there is to say about what goes by the name in the path.
fn show_one(answer: fn(Found) -> Response) -> MethodRouter<Arc<Desk>> {
    get(
        async move |State(desk): State<Arc<Desk>>, Path(name): Path<String>| {
            answer(desk.board.find(&name))
        },
    )
}

fn revision(found: Found) -> Response {
    match found {
        Found::Here(present) => Json(report::revision(&present)).into_response(),
        Found::LeftAlone(left) => Json(report::left_alone(&left)).into_response(),
        Found::Unclear(why) => problem(StatusCode::NOT_FOUND, &why),
    }
}

fn decisions(found: Found) -> Response {
    match found {
        Found::Here(present) => Json(report::decisions(&present)).into_response(),
        Found::LeftAlone(left) => {
            let detail = format!(
                "nothing decides on the replicas of {}: {}",
                left.name, left.why
            );
            problem(StatusCode::NOT_FOUND, &detail)
        }
        Found::Unclear(why) => problem(StatusCode::NOT_FOUND, &why),
    }
}

/// Why a revision has the replicas it has: in words, or as JSON for who accepts that.
async fn explain(
    State(desk): State<Arc<Desk>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let explained = match desk.board.find(&name) {
        Found::Here(present) => report::explained(*present, Zoned::now()),
        Found::LeftAlone(left) => Some(report::explained_left_alone(&left)),
        Found::Unclear(why) => return problem(StatusCode::NOT_FOUND, &why),
    };
    let Some(explained) = explained else {
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
    let all = desk.board.all();
    let here = all.iter().map(report::revision).map(report::Listed::from);
    let left_alone = desk.board.left_alone();
    let left_alone = left_alone.iter().map(report::left_alone);
    let reports: Vec<_> = here.chain(left_alone.map(report::Listed::from)).collect();
    Json(reports).into_response()
}

fn queue(desk: &Desk) -> Response {
    Json(report::depths(&desk.board.all())).into_response()
}

/// What a sidecar says of the requests at its door, if it knows the token that was set for that.
async fn take_report(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(token) = desk.board.report_token() else {
        let detail = "no reports are taken: no token is set for them (reportTokenFile)";
        return problem(StatusCode::NOT_FOUND, detail);
    };
    let said = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let said = said.and_then(|said| said.strip_prefix(b"Bearer "));
    if !said.is_some_and(|said| same_secret(said, token.as_bytes())) {
        return problem(StatusCode::UNAUTHORIZED, "wanted the token for reports");
    }
    match serde_json::from_slice::<Load>(&body) {
        Ok(load) => heard(desk.board.loads().take(load, now())),
        Err(error) => problem(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

fn heard(taken: bool) -> Response {
    if taken {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = "it says no pod, or there are too many";
    problem(StatusCode::UNPROCESSABLE_ENTITY, detail)
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
