//! The outermost step: every failure becomes an answer here and nowhere else.

use std::time::{Duration, Instant};

use http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use serde_json::json;

use super::body::Body;
use super::error::Refusal;
use super::grpc;

/// Why the gate answered, for programs.
pub(super) static REASON: HeaderName = HeaderName::from_static("x-holdgate-reason");

/// The form of an error answer, told from what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `application/problem+json` (RFC 9457).
    Problem,
    /// The error object that `OpenAI` clients read.
    OpenAi,
    /// The status that callers of gRPC read.
    Grpc,
}

impl Form {
    /// The form that whoever asks this understands.
    #[must_use]
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        if grpc::is_call(request) {
            return Self::Grpc;
        }
        Self::of_path(request.uri().path())
    }

    /// The same where it is no call of gRPC.
    pub(super) fn of_path(path: &str) -> Self {
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
    let mut response = match form {
        Form::Problem => json_answer(
            "application/problem+json",
            &problem(refusal, status, reason),
        ),
        Form::OpenAi => json_answer("application/json", &openai(refusal, status, reason)),
        Form::Grpc => grpc::rescue(refusal, now),
    };
    if form != Form::Grpc {
        *response.status_mut() = status;
    }
    let headers = response.headers_mut();
    headers.insert(&REASON, HeaderValue::from_static(reason));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(wait) = refusal.retry_after(now) {
        headers.insert(RETRY_AFTER, HeaderValue::from(retry_after_seconds(wait)));
    }
    response
}

fn json_answer(content_type: &'static str, body: &serde_json::Value) -> Response<Body> {
    let content_type = HeaderValue::from_static(content_type);
    Body::answer(body.to_string() + "\n", content_type)
}

/// Whole seconds, rounded up, 1 to 120: clients of the `OpenAI` libraries stop trying beyond.
pub(super) fn retry_after_seconds(wait: Duration) -> u64 {
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
    error_object(&refusal.to_string(), status, reason)
}

/// The error object that `OpenAI` clients read.
pub(super) fn error_object(message: &str, status: StatusCode, reason: &str) -> serde_json::Value {
    let kind = match status.as_u16() {
        403 => "permission_error",
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        503 => "service_unavailable",
        _ => "server_error",
    };
    // The one code that its clients know by name.
    let code = if status == StatusCode::UNAUTHORIZED {
        "invalid_api_key"
    } else {
        reason
    };
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use http_body_util::BodyExt as _;

    use super::*;
    use crate::admission::Full;
    use crate::ports::{Outage, OutageReason};
    use crate::revision::{OverloadStatus, RevisionId};

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
        let check = |path, want| assert_eq!(Form::of_path(path), want, "{path}");
        check("/v1/chat/completions", Form::OpenAi);
        check("/openai/v1/completions", Form::OpenAi);
        check("/v1/models/m:predict", Form::Problem);
        check("/", Form::Problem);
    }
    const README: &str = include_str!("../../README.md");

    fn outage(reason: OutageReason) -> Refusal {
        let outage = Arc::new(Outage {
            reason,
            detail: "the detail".to_owned(),
            next_attempt: None,
        });
        Refusal::Outage {
            outage,
            expected: None,
        }
    }

    /// Every refusal, and what it is called in gRPC; but for a replica's reset, which cannot be made here.
    fn all() -> Vec<(Refusal, u16)> {
        let second = Duration::from_secs(1);
        let full = |status| Refusal::QueueFull {
            full: Full::Requests,
            status,
            estimate: Some(second),
        };
        vec![
            (Refusal::Malformed("its Host is none"), 13),
            (Refusal::Unauthorized, 16),
            (
                Refusal::Forbidden {
                    revision: RevisionId::new("m"),
                },
                7,
            ),
            (
                Refusal::NoRoute {
                    host: String::new(),
                    path: String::new(),
                },
                12,
            ),
            (Refusal::Unnamed("nobody".to_owned()), 12),
            (Refusal::BodyTimeout(second), 4),
            (full(OverloadStatus::TooManyRequests), 8),
            (full(OverloadStatus::ServiceUnavailable), 8),
            (Refusal::BodyTooLarge { limit: 1 }, 8),
            (Refusal::BodyMalformed, 13),
            (Refusal::DeadlineUnmeetable { wait: None }, 4),
            (
                Refusal::QueueTimeout {
                    waited: second,
                    estimate: None,
                },
                4,
            ),
            (
                Refusal::ColdStartTimeout {
                    waited: second,
                    diagnosis: None,
                    estimate: None,
                },
                4,
            ),
            (outage(OutageReason::ColdStartFailed), 14),
            (outage(OutageReason::Unschedulable), 14),
            (outage(OutageReason::Stopped), 14),
            (outage(OutageReason::Removed), 12),
            (outage(OutageReason::Draining), 14),
            (
                Refusal::ConnectFailed(io::ErrorKind::ConnectionRefused.into()),
                14,
            ),
            (Refusal::Unasked, 14),
            (Refusal::NoUpgrade, 12),
            (Refusal::UpstreamTimeout(second), 4),
            (Refusal::ClientClosed, 1),
        ]
    }

    async fn told(refusal: &Refusal, form: Form) -> (http::response::Parts, String) {
        let (head, body) = rescue(refusal, form, crate::sync::now()).into_parts();
        let body = body.collect().await.expect("it is our own").to_bytes();
        (head, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn every_refusal_is_told_in_each_form_as_the_readme_has_it() {
        for (refusal, status) in all() {
            let (code, reason) = refusal.status_and_reason();
            let row = |line: &&str| line.ends_with(&format!("| `{reason}` |"));
            let row = README
                .lines()
                .find(row)
                .unwrap_or_else(|| panic!("no row: {reason}"));
            assert!(row.contains(&code.to_string()), "{code}: {row}");
            for form in [Form::Problem, Form::OpenAi, Form::Grpc] {
                let (head, body) = told(&refusal, form).await;
                assert_eq!(head.headers[&REASON], reason, "{form:?}");
                if form == Form::Grpc {
                    let number = status.to_string();
                    assert_eq!((head.status.as_u16(), body.as_str()), (200, ""), "{reason}");
                    assert_eq!(head.headers["grpc-status"], number.as_str(), "{reason}");
                    assert!(head.headers.contains_key("grpc-message"), "{reason}");
                    continue;
                }
                assert_eq!(head.status.as_u16(), code, "{form:?} {reason}");
                let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
                let words = body.get("detail").unwrap_or(&body["error"]["message"]);
                assert_eq!(words, &refusal.to_string(), "{form:?} {reason}");
            }
        }
    }
}
