//! Who is told what, where the admin port can be reached from elsewhere.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::StatusCode;

use super::problem;

/// Whom the admin port tells everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Whoever reaches it.
    Everybody,
    /// Who comes over loopback, as `kubectl port-forward` and what runs inside the pod do. Others are
    /// told whether it is alive and ready, and the metrics: kubelet and Prometheus come from elsewhere.
    Loopback,
}

/// What everybody is told.
const PUBLIC: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

pub(super) fn guarded(router: Router, audience: Audience) -> Router {
    match audience {
        Audience::Everybody => router,
        Audience::Loopback => router.layer(from_fn(guard)),
    }
}

async fn guard(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    // One that nobody knows comes from elsewhere.
    let near = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    if near || PUBLIC.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let detail = "this is told over loopback only, as through kubectl port-forward or by \
                  holdgate explain inside the pod; /healthz, /readyz and /metrics are for everybody";
    problem(StatusCode::FORBIDDEN, detail)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::Body;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt;

    use super::super::{Board, router, serve};
    use super::*;
    use crate::proxy::Registry;

    fn board() -> Arc<Board> {
        let board = Board::new(Arc::new(Registry::default()));
        board.set_ready(true);
        Arc::new(board)
    }

    async fn status(audience: Audience, peer: Option<&str>, path: &str) -> u16 {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        if let Some(peer) = peer {
            let peer: SocketAddr = peer.parse().unwrap();
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let router = guarded(router(board()), audience);
        router.oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn who_comes_from_elsewhere_is_told_only_what_kubelet_and_prometheus_ask() {
        use Audience::{Everybody, Loopback};
        let (near, far) = ("127.0.0.1:5", "10.2.0.7:5");
        let cases = [
            (Loopback, Some(near), "/revisions", 200),
            (Loopback, Some("[::1]:5"), "/revisions", 200),
            (Loopback, Some("[::ffff:127.0.0.1]:5"), "/queue", 200),
            (Loopback, Some(far), "/revisions", 403),
            (Loopback, Some(far), "/revisions/a/explain", 403),
            (Loopback, Some("[::ffff:10.2.0.7]:5"), "/queue", 403),
            (Loopback, Some("[fd00::7]:5"), "/", 403),
            (Loopback, Some(far), "/metrics/", 403),
            (Loopback, Some(far), "/nothing", 403),
            (Loopback, None, "/queue", 403),
            (Loopback, Some(far), "/healthz", 200),
            (Loopback, Some(far), "/readyz", 200),
            (Loopback, Some(far), "/metrics", 200),
            (Everybody, Some(far), "/revisions", 200),
        ];
        for (audience, peer, path, want) in cases {
            let got = status(audience, peer, path).await;
            assert_eq!(got, want, "{audience:?} {peer:?} {path}");
        }
    }

    #[tokio::test]
    async fn a_peer_is_known_by_the_address_it_connects_from() {
        let listener = crate::server::listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let end = CancellationToken::new();
        let served = serve(board(), listener, Audience::Loopback, end.clone());
        let served = tokio::spawn(served);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let asked = b"GET /queue HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(asked).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        end.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(30), served).await;
        ended.expect("it ends").unwrap();
    }
}
