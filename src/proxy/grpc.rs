//! What gRPC asks of whoever stands in the middle: HTTP/2 on both sides, its deadline passed on, and
//! refusals in its own words.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, Version};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::body::{Body, Cut};
use super::error::Refusal;
use super::rescue::REASON;
use super::shared::reset_by_replica;
use crate::counting::millis;

static TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
static STATUS: HeaderName = HeaderName::from_static("grpc-status");
static MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
static PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// A call is one by its content type, and gRPC-Web is none: that is made for HTTP/1.1.
pub(super) fn is_call<B>(request: &Request<B>) -> bool {
    if request.version() != Version::HTTP_2 {
        return false;
    }
    let kind = request.headers().get(CONTENT_TYPE);
    let rest = kind.and_then(|kind| kind.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// How long the caller waits.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(&TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

/// Tells the replica how long the caller still waits; rounded down, and eight digits at most.
pub(super) fn tell_timeout(headers: &mut HeaderMap, left: Duration) {
    let (most, ms) = (99_999_999, millis(left));
    let text = match left.as_micros() {
        us if us <= most => format!("{us}u"),
        _ if u128::from(ms) <= most => format!("{ms}m"),
        _ => format!("{}S", left.as_secs().min(99_999_999)),
    };
    let text = HeaderValue::try_from(text).expect("a number and a letter");
    headers.insert(&TIMEOUT, text);
}

// As gRPC numbers them.
const CANCELLED: u8 = 1;
const DEADLINE_EXCEEDED: u8 = 4;
const PERMISSION_DENIED: u8 = 7;
const RESOURCE_EXHAUSTED: u8 = 8;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
const UNAUTHENTICATED: u8 = 16;

/// The status of a refusal.
fn status(refusal: &Refusal) -> u8 {
    let (_, reason) = refusal.status_and_reason();
    match refusal {
        Refusal::QueueFull { .. } | Refusal::BodyTooLarge { .. } => RESOURCE_EXHAUSTED,
        Refusal::QueueTimeout { .. }
        | Refusal::ColdStartTimeout { .. }
        | Refusal::DeadlineUnmeetable { .. }
        | Refusal::BodyTimeout(_)
        | Refusal::UpstreamTimeout(_) => DEADLINE_EXCEEDED,
        Refusal::NoRoute { .. } | Refusal::Unnamed(_) | Refusal::NoUpgrade => UNIMPLEMENTED,
        // A revision that is gone is one that never was.
        Refusal::Outage { .. } if reason == "no_route" => UNIMPLEMENTED,
        Refusal::UpstreamReset(error) => of_broken(error),
        Refusal::Outage { .. } | Refusal::ConnectFailed(_) | Refusal::Unasked => UNAVAILABLE,
        Refusal::BodyMalformed | Refusal::Malformed(_) => INTERNAL,
        Refusal::Unauthorized => UNAUTHENTICATED,
        Refusal::Forbidden { .. } => PERMISSION_DENIED,
        Refusal::ClientClosed => CANCELLED,
    }
}

/// The status of what a replica broke off: that of the code with which it reset the stream, as gRPC has it
/// ("HTTP2 Transport Mapping").
fn of_broken(error: &hyper::Error) -> u8 {
    reset_by_replica(error).map_or(UNAVAILABLE, of_reset)
}

fn of_reset(reason: h2::Reason) -> u8 {
    match reason {
        h2::Reason::REFUSED_STREAM => UNAVAILABLE,
        h2::Reason::CANCEL => CANCELLED,
        h2::Reason::ENHANCE_YOUR_CALM => RESOURCE_EXHAUSTED,
        h2::Reason::INADEQUATE_SECURITY => PERMISSION_DENIED,
        _ => INTERNAL,
    }
}

/// The answer to a call, on its way.
pub(super) fn passes(mut response: Response<Body>) -> Response<Body> {
    if let Body::Through(through) = response.body_mut() {
        through.answers_call();
    }
    response
}

/// What a caller is told at the end of an answer that ends before its end. A reset says less to it: what is
/// no other's code is a fault within.
pub(super) fn last_word(cut: &Cut) -> HeaderMap {
    let (status, reason) = match cut {
        Cut::Timeout(_) => (DEADLINE_EXCEEDED, "upstream_timeout"),
        Cut::Upstream(error) => (of_broken(error), "upstream_reset"),
        Cut::Unended => (of_reset(h2::Reason::NO_ERROR), "upstream_reset"),
        Cut::Client(_) => (CANCELLED, "client_closed"),
        Cut::TooLarge(_) => (RESOURCE_EXHAUSTED, "body_too_large"),
        Cut::Malformed(_) | Cut::Otherwise => (INTERNAL, "body_malformed"),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert(&STATUS, HeaderValue::from(u16::from(status)));
    trailers.insert(&MESSAGE, message(cut));
    trailers.insert(&REASON, HeaderValue::from_static(reason));
    trailers
}

fn message(told: &impl ToString) -> HeaderValue {
    let message = utf8_percent_encode(&told.to_string(), ENCODED).to_string();
    HeaderValue::try_from(message).expect("only printable characters are left")
}

/// What may not stand in a message as it is: all but printable ASCII, and the sign of the encoding.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// The answer of a refusal: its head is all of it ("trailers only").
pub(super) fn rescue(refusal: &Refusal, now: Instant) -> Response<Body> {
    let mut response = Response::new(Body::own(Bytes::new()));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/grpc");
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(&STATUS, HeaderValue::from(u16::from(status(refusal))));
    headers.insert(&MESSAGE, message(refusal));
    if let Some(wait) = refusal.retry_after(now) {
        headers.insert(&PUSHBACK, HeaderValue::from(millis(wait)));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(version: Version, kind: &str) -> Request<()> {
        let request = Request::builder().version(version);
        request.header(CONTENT_TYPE, kind).body(()).expect("valid")
    }

    #[test]
    fn a_call_is_known_by_its_content_type_over_http2() {
        let check = |kind, want| assert_eq!(is_call(&asked(Version::HTTP_2, kind)), want, "{kind}");
        check("application/grpc", true);
        check("application/grpc+proto", true);
        check("application/grpc;charset=utf-8", true);
        check("application/grpc-web", false);
        check("application/grpcweb", false);
        check("application/json", false);
        assert!(!is_call(&asked(Version::HTTP_11, "application/grpc")));
    }

    #[test]
    fn a_timeout_is_read_in_every_unit_and_told_in_one_that_fits() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(&TIMEOUT, text.parse().expect("a value"));
            timeout(&headers)
        };
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("3S"), Some(Duration::from_secs(3)));
        assert_eq!(read("4m"), Some(Duration::from_millis(4)));
        assert_eq!(read("5u"), Some(Duration::from_micros(5)));
        assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for wrong in ["", "S", "1", "1s", "123456789S", "-1S", "1.5S", "1é"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        for secs in [0, 1, 99, 100, 99_999, 100_000, 99_999_999] {
            let mut headers = HeaderMap::new();
            tell_timeout(&mut headers, Duration::from_secs(secs));
            assert!(headers[&TIMEOUT].len() <= 9, "{:?}", headers[&TIMEOUT]);
            assert_eq!(timeout(&headers), Some(Duration::from_secs(secs)));
        }
    }
}
