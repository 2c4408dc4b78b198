//! What is no sound request although it can be read as one. Two who read it differently would not
//! agree on whose it is or where it ends, and in front of us may stand somebody who does.
//!
//! The parser has refused before what has no one meaning at all: lengths that contradict each other, a
//! coding behind `chunked`, line folding, bare CR. Of a request with both a length and chunks it has
//! taken the chunks, and closes the connection behind it (RFC 9112, 6.1).

use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use http_body::Body;

use super::error::Refusal;

/// Refuses what is not sound.
pub(super) fn check<B: Body>(request: &Request<B>) -> Result<(), Refusal> {
    let wrong = wrong_with_target(request.method(), request.uri())
        .or_else(|| wrong_with_host(request))
        .or_else(|| wrong_with_names(request))
        .or_else(|| wrong_with_coding(request));
    match wrong {
        None => Ok(()),
        Some(wrong) => Err(Refusal::Malformed(wrong)),
    }
}

/// A path, a whole address, or `*` of OPTIONS alone (RFC 9112, 3.2).
fn wrong_with_target(method: &Method, uri: &Uri) -> Option<&'static str> {
    if uri.authority().is_some() && uri.scheme().is_none() {
        return (method != Method::CONNECT).then_some("its target is no path");
    }
    let is_sound = uri.path().starts_with('/') || (uri.path() == "*" && method == Method::OPTIONS);
    (!is_sound).then_some("its target is no path")
}

/// Exactly one in HTTP/1.1, and never two (RFC 9112, 3.2); in HTTP/2 the same as the authority.
fn wrong_with_host<B>(request: &Request<B>) -> Option<&'static str> {
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    if authority.is_some_and(|authority| authority.contains('@')) {
        return Some("its target names a user");
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let Some(host) = hosts.next() else {
        let needed = request.version() == Version::HTTP_11;
        return needed.then_some("it has no Host");
    };
    if hosts.next().is_some() {
        return Some("it has more than one Host");
    }
    if !host.as_bytes().iter().all(|byte| may_be_in_host(*byte)) {
        return Some("its Host is none");
    }
    let differs = |authority: &str| !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
    let two = request.version() == Version::HTTP_2 && authority.is_some_and(differs);
    two.then_some("its Host is not its authority")
}

/// In HTTP/2 the library lets a quotation mark stand in a name, which no name has in HTTP/1.1 (RFC 9110, 5.1).
fn wrong_with_names<B>(request: &Request<B>) -> Option<&'static str> {
    let is_new = request.version() == Version::HTTP_2;
    let is_none = |name: &HeaderName| name.as_str().contains('"');
    let wrong = is_new && request.headers().keys().any(is_none);
    wrong.then_some("one of its headers has no name")
}

/// RFC 3986, 3.2.2, and the colon before a port.
const fn may_be_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'.' | b'-'
                | b'_'
                | b'~'
                | b':'
                | b'['
                | b']'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

/// We take chunks apart and nothing else, so that there may be nothing else (RFC 9112, 6.1). Who
/// announced a length sent no chunks.
fn wrong_with_coding<B: Body>(request: &Request<B>) -> Option<&'static str> {
    let is_old = request.version() < Version::HTTP_2;
    if !is_old || request.body().size_hint().exact().is_some() {
        return None;
    }
    let is_sound = is_chunked_alone(request.headers());
    (!is_sound).then_some("its transfer coding is not chunked alone")
}

fn is_chunked_alone(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    codings.next().is_none_or(chunked) && codings.next().is_none()
}
