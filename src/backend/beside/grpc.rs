//! The standard health service of gRPC, asked once: one small message each way, so that no library for
//! messages is wanted.

use std::net::SocketAddr;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::Verdict;
use super::look::why;
use crate::counting::count;

/// The longest answer that is read.
const MOST: usize = 4096;
/// `HealthCheckResponse.ServingStatus.SERVING`
const SERVING: u8 = 1;

/// Asks whether a service serves.
pub(super) async fn check(stream: TcpStream, at: SocketAddr, service: &str) -> Verdict {
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|e| why(e.to_string()))?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{at}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "kube-probe/holdgate")
        .body(Full::new(question(service)))
        .map_err(|e| why(e.to_string()))?;
    let answer = sender.send_request(request).await;
    let answer = answer.map_err(|e| why(format!("its health service: {e}")))?;
    let failed = answer.headers().get("grpc-status").cloned();
    let body = Limited::new(answer.into_body(), MOST).collect().await;
    let body = body.map_err(|e| why(format!("its health service: {e}")))?;
    let trailers = body.trailers().and_then(|all| all.get("grpc-status"));
    let status = trailers.cloned().or(failed);
    match status.as_ref().and_then(|status| status.to_str().ok()) {
        Some("0") => {}
        status => {
            let status = status.unwrap_or("no");
            return Err(why(format!(
                "its health service answers with status {status}"
            )));
        }
    }
    match serving(&body.to_bytes()) {
        Some(SERVING) => Ok(()),
        _ => Err(why(
            "its health service says that it does not serve".to_owned()
        )),
    }
}

/// A message of one field, the name of the service, behind the five bytes of its frame.
fn question(service: &str) -> Bytes {
    const SERVICE: u8 = (1 << 3) | 2;
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(SERVICE);
        let mut length = service.len();
        while length >= 0x80 {
            #[expect(clippy::cast_possible_truncation, reason = "seven bits of it")]
            message.put_u8((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        #[expect(clippy::cast_possible_truncation, reason = "less than 128 is left")]
        message.put_u8(length as u8);
        message.put_slice(service.as_bytes());
    }
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(count(message.len()));
    frame.unsplit(message);
    frame.freeze()
}

/// The first field of the message in a frame; `None` where it is not whole.
fn serving(frame: &[u8]) -> Option<u8> {
    const STATUS: u8 = 1 << 3;
    let (head, message) = frame.split_at_checked(5)?;
    match (head[0], message) {
        (0, [STATUS, status, ..]) => Some(*status),
        // A field of value 0 is left out.
        (0, []) => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_one_frame_with_the_name_of_the_service() {
        assert_eq!(&question("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&question("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = "x".repeat(300);
        assert_eq!(&question(&long)[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 2]);
    }

    #[test]
    fn only_a_whole_frame_that_says_serving_is_serving() {
        assert_eq!(serving(&[0, 0, 0, 0, 2, 8, 1]), Some(SERVING));
        assert_eq!(serving(&[0, 0, 0, 0, 2, 8, 2]), Some(2));
        assert_eq!(serving(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(serving(&[1, 0, 0, 0, 2, 8, 1]), None);
        assert_eq!(serving(&[0, 0, 0]), None);
    }
}
