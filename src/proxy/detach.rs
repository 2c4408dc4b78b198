//! What a waiting request is made of, in memory of its own.
//!
//! hyper parses in place: a header or a chunk of a body is a piece of the buffer it was read into,
//! and keeps all of it, 8 KiB at least. For a request that is sent on at once that costs nothing.
//! One that waits would keep the buffer and have hyper allocate another, only to hear of a
//! hang-up; so its pieces are copied, and the buffer is free for the next connection.

use std::io::Write;

use bytes::Bytes;
use http::{HeaderValue, Request, Uri};

/// Larger pieces are kept as they are: they fill half a buffer at least, and copying costs more
/// the more there is.
const MOST_COPIED: usize = 4 * 1024;

/// Copies target and header values into one allocation.
#[cold]
pub(super) fn detach<B>(request: &mut Request<B>) {
    let values = request.headers().values().map(HeaderValue::len);
    let target = request.uri().path_and_query();
    let target = target.map_or(0, |target| target.as_str().len());
    let mut copy = Vec::with_capacity(values.sum::<usize>() + target);
    write!(copy, "{}", request.uri()).expect("a vector takes what is written");
    let target = ..copy.len();
    for value in request.headers().values() {
        copy.extend_from_slice(value.as_bytes());
    }
    let copy = Bytes::from(copy);
    *request.uri_mut() =
        Uri::from_maybe_shared(copy.slice(target)).expect("it was a target before");
    let mut rest = copy.slice(target.end..);
    for value in request.headers_mut().values_mut() {
        let sensitive = value.is_sensitive();
        let bytes = rest.split_to(value.len());
        *value = HeaderValue::from_maybe_shared(bytes).expect("it was a value before");
        value.set_sensitive(sensitive);
    }
}

/// Copies a piece of a body, if it is small.
pub(super) fn detached(piece: Bytes) -> Bytes {
    if piece.len() > MOST_COPIED {
        return piece;
    }
    Bytes::copy_from_slice(&piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detached_request_is_the_same_and_keeps_no_buffer() {
        let buffer = Bytes::from(b"/a/b?c=d value \xff other".to_vec());
        let value = |range| HeaderValue::from_maybe_shared(buffer.slice(range)).unwrap();
        let mut request = Request::new(());
        *request.uri_mut() = Uri::from_maybe_shared(buffer.slice(..8)).unwrap();
        request.headers_mut().append("x", value(9..14));
        request.headers_mut().append("y", value(15..16));
        request.headers_mut().append("x", value(17..22));
        detach(&mut request);
        assert!(buffer.is_unique(), "somebody still holds the buffer");
        assert_eq!(request.uri(), "/a/b?c=d");
        let values: Vec<_> = request.headers().get_all("x").iter().collect();
        assert_eq!(values, ["value", "other"]);
        assert_eq!(request.headers()["y"].as_bytes(), b"\xff");
    }

    #[test]
    fn every_form_of_a_target_survives() {
        for target in ["/", "*", "/a?b", "example.org:443", "http://h:1/p?q"] {
            let mut request = Request::builder().uri(target).body(()).unwrap();
            detach(&mut request);
            assert_eq!(request.uri(), &target.parse::<Uri>().unwrap());
        }
    }

    #[test]
    fn a_large_piece_is_not_copied() {
        let check = |bytes, copied: bool| {
            let piece = Bytes::from(vec![7; bytes]);
            let detached = detached(piece.clone());
            assert_eq!(detached, piece);
            assert_eq!(detached.as_ptr() != piece.as_ptr(), copied, "{bytes} B");
        };
        check(1, true);
        check(MOST_COPIED, true);
        check(MOST_COPIED + 1, false);
    }
}
