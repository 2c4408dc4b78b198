//! Who is told what, where the admin port can be reached from elsewhere.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

use super::problem;
use crate::callers::{bearer, same_secret};

/// Whom the admin port tells everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Whoever reaches it.
    Everybody,
    /// Who comes over loopback, as `kubectl port-forward` and what runs inside the pod do. Others are
    /// told whether it is alive and ready, and the metrics: kubelet and Prometheus come from elsewhere.
    Loopback,
    /// The same, and who knows the token in this file. It is read whenever somebody shows one, so that
    /// another may be put in its place.
    LoopbackOrToken(Arc<Path>),
}

impl Audience {
    /// These, or who knows the token, where there is one.
    #[must_use]
    pub fn or_token(self, file: Option<&Path>) -> Self {
        file.map_or(self, |file| Self::LoopbackOrToken(file.into()))
    }
}

/// What everybody is told, and where sidecars prove themselves by a token of their own.
const PUBLIC: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/reports"];

pub(super) fn guarded(router: Router, audience: Audience) -> Router {
    match audience {
        Audience::Everybody => router,
        Audience::Loopback => router.layer(from_fn(|request, next| guard(None, request, next))),
        Audience::LoopbackOrToken(file) => router.layer(from_fn(move |request, next| {
            guard(Some(Arc::clone(&file)), request, next)
        })),
    }
}

async fn guard(token: Option<Arc<Path>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    // One that nobody knows comes from elsewhere.
    let near = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    if near || PUBLIC.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let Some(token) = token else {
        let detail = "this is told over loopback only, as through kubectl port-forward or by \
                      holdgate explain inside the pod; /healthz, /readyz and /metrics are for \
                      everybody";
        return problem(StatusCode::FORBIDDEN, detail);
    };
    let shown = shown(request.headers()).map(<[u8]>::to_vec);
    if let Some(shown) = shown
        && knows(token, shown).await
    {
        return next.run(request).await;
    }
    let detail = "this is told over loopback, or to who shows the admin token as Authorization: \
                  Bearer TOKEN; /healthz, /readyz and /metrics are for everybody";
    let refused = problem(StatusCode::UNAUTHORIZED, detail);
    ([(WWW_AUTHENTICATE, "Bearer")], refused).into_response()
}

fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    bearer(headers.get(AUTHORIZATION)?.as_bytes())
}

async fn knows(file: Arc<Path>, shown: Vec<u8>) -> bool {
    let reading = tokio::task::spawn_blocking(move || (std::fs::read(&file), file));
    match reading.await {
        Ok((Ok(token), _)) => {
            let token = token.trim_ascii();
            !token.is_empty() && same_secret(token, &shown)
        }
        Ok((Err(error), file)) => {
            tracing::warn!(%error, file = %file.display(), "could not read the admin token");
            false
        }
        Err(_) => false,
    }
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
    async fn who_comes_from_elsewhere_is_told_everything_with_the_token() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();
        let ask = async |peer: &str, path: &str, shown: Option<&str>| {
            let mut request = Request::get(path);
            if let Some(shown) = shown {
                request = request.header("authorization", shown);
            }
            let mut request = request.body(Body::empty()).unwrap();
            let peer: SocketAddr = peer.parse().unwrap();
            request.extensions_mut().insert(ConnectInfo(peer));
            let audience = Audience::Everybody.or_token(Some(&file));
            let router = guarded(router(board()), audience);
            let answer = router.oneshot(request).await.unwrap();
            let challenged = answer.headers().contains_key("www-authenticate");
            assert_eq!(challenged, answer.status() == 401);
            answer.status().as_u16()
        };
        let (near, far) = ("127.0.0.1:5", "10.2.0.7:5");
        for (peer, path, shown, want) in [
            (near, "/revisions", None, 200),
            (far, "/metrics", None, 200),
            (far, "/revisions", None, 401),
            (far, "/revisions", Some("Bearer s3cret"), 200),
            (far, "/queue", Some("bearer  s3cret "), 200),
            (far, "/revisions", Some("Bearer S3cret"), 401),
            (far, "/revisions", Some("Bearer "), 401),
            (far, "/revisions", Some("Basic s3cret"), 401),
            (far, "/revisions", Some("s3cret"), 401),
        ] {
            assert_eq!(
                ask(peer, path, shown).await,
                want,
                "{peer} {path} {shown:?}"
            );
        }
        // Another one in its place.
        std::fs::write(&file, "other").unwrap();
        assert_eq!(ask(far, "/queue", Some("Bearer s3cret")).await, 401);
        assert_eq!(ask(far, "/queue", Some("Bearer other")).await, 200);
        std::fs::write(&file, "\n").unwrap();
        assert_eq!(ask(far, "/queue", Some("Bearer ")).await, 401);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(ask(far, "/queue", Some("Bearer other")).await, 401);
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
            let got = status(audience.clone(), peer, path).await;
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
