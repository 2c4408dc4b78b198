//! The outermost step: every failure becomes an answer here and nowhere else.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::json;

use super::body::Body;
use super::error::Refusal;

/// Why the gate answered, for programs.
pub(super) static REASON: HeaderName = HeaderName::from_static("x-holdgate-reason");

/// The form of an error answer, told from the path asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `application/problem+json` (RFC 9457).
    Problem,
    /// The error object that `OpenAI` clients read.
    OpenAi,
}

impl Form {
    /// The form that clients of `path` understand.
    #[must_use]
    pub(super) fn of(path: &str) -> Self {
        let path = path.strip_prefix("/openai").unwrap_or(path);
        let paths = [
            "/v1/chat/",
            "/v1/completions",
            "/v1/embeddings",
            "/v1/responses",
            "/v1/rerank",
            "/v1/images/",
            "/v1/audio/",
        ];
        if paths.iter().any(|known| path.starts_with(known)) {
            Self::OpenAi
        } else {
            Self::Problem
        }
    }
}

/// Makes the answer of a refusal.
#[must_use]
pub(super) fn rescue(refusal: &Refusal, form: Form, now: Instant) -> Response<Body> {
    let (_, reason) = refusal.status_and_reason();
    let status = refusal.status();
    let (content_type, body) = match form {
        Form::Problem => ("application/problem+json", problem(refusal, status, reason)),
        Form::OpenAi => ("application/json", openai(refusal, status, reason)),
    };
    let mut response = Response::new(Body::own(Bytes::from(body.to_string() + "\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(&REASON, HeaderValue::from_static(reason));
    if let Some(wait) = refusal.retry_after(now) {
        headers.insert(RETRY_AFTER, HeaderValue::from(retry_after_seconds(wait)));
    }
    response
}

/// Whole seconds, rounded up, 1 to 120: clients of the `OpenAI` libraries stop trying beyond.
fn retry_after_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    seconds.clamp(1, 120)
}

fn problem(refusal: &Refusal, status: StatusCode, reason: &str) -> serde_json::Value {
    json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("refused"),
        "status": status.as_u16(),
        "reason": reason,
        "detail": refusal.to_string(),
    })
}

fn openai(refusal: &Refusal, status: StatusCode, reason: &str) -> serde_json::Value {
    let kind = match status.as_u16() {
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        503 => "service_unavailable",
        _ => "server_error",
    };
    let message = refusal.to_string();
    json!({ "error": { "message": message, "type": kind, "param": null, "code": reason } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_whole_seconds_between_1_and_120() {
        let check = |ms, want| assert_eq!(retry_after_seconds(Duration::from_millis(ms)), want);
        check(0, 1);
        check(1, 1);
        check(1000, 1);
        check(1001, 2);
        check(119_500, 120);
        check(3_600_000, 120);
    }

    #[test]
    fn the_form_follows_the_path() {
        let check = |path, want| assert_eq!(Form::of(path), want, "{path}");
        check("/v1/chat/completions", Form::OpenAi);
        check("/openai/v1/completions", Form::OpenAi);
        check("/v1/models/m:predict", Form::Problem);
        check("/", Form::Problem);
    }
}
