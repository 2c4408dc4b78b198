//! Looks whether a process listens on its port and answers what it was asked.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Collected, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::either::Either;

use super::seams::{Probe, Sight};
use crate::revision::Endpoint;
use crate::tls::{ReplicaTls, Secured, Speech};

/// The longest one look may take.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// The longest answer that is listened to.
const MOST_BYTES: usize = 64 * 1024;

/// Looks over the network, by TLS where replicas speak it: an accepted connection, or an HTTP answer of
/// 200 to 399.
#[derive(Clone, Debug)]
pub struct NetProbe(pub(super) watch::Receiver<Option<ReplicaTls>>);

impl Probe for NetProbe {
    async fn look(&self, endpoint: Endpoint, path: Option<&str>) -> Sight {
        let Ok(Ok(stream)) = timeout(LOOK, connect(endpoint.0)).await else {
            return Sight::Nobody;
        };
        let tls = self.0.borrow().clone();
        let speech = path.map_or(Speech::Any, |_| Speech::Http1);
        let stream = match behind(tls.as_ref(), stream, endpoint.0, speech).await {
            Ok(stream) => stream,
            Err(what) => return Sight::NotReady(what),
        };
        let Some(path) = path else {
            return Sight::Ready;
        };
        match get(stream, endpoint.0, path).await {
            Ok(answer) => {
                let status = answer.status;
                // Closing in the middle of its answer would look like an error in the server's log.
                tokio::spawn(answer.body());
                match status.as_u16() {
                    200..=399 => Sight::Ready,
                    _ => Sight::NotReady(format!("answers GET {path} with {status}")),
                }
            }
            Err(what) => Sight::NotReady(what),
        }
    }
}

/// What can be spoken on.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<I: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for I {}

/// Connects, and not to itself.
pub(crate) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A port nobody listens on may be picked as our own end of the connection, which then
    // connects to itself (TCP simultaneous open).
    if stream.local_addr()? == address {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

/// The stream behind a handshake where TLS is spoken, else as it is. What is wrong, in words.
pub(super) async fn behind(
    tls: Option<&ReplicaTls>,
    stream: TcpStream,
    at: SocketAddr,
    speech: Speech,
) -> Result<Either<TcpStream, Secured<TcpStream>>, String> {
    let Some(tls) = tls else {
        return Ok(Either::Left(stream));
    };
    match timeout(LOOK, tls.shake(stream, at, speech)).await {
        Ok(Ok(stream)) => Ok(Either::Right(stream)),
        Ok(Err(error)) => Err(format!("accepts connections, but {error}")),
        Err(_) => Err("accepts connections but ends no TLS handshake".to_owned()),
    }
}

/// What somebody answers.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    rest: Incoming,
}

impl Answer {
    /// The rest of it, unless it is too long or never ends: then nothing.
    pub(super) async fn body(self) -> Bytes {
        let all = Limited::new(self.rest, MOST_BYTES).collect();
        let all = timeout(LOOK, all).await;
        all.map_or_else(
            |_| Bytes::new(),
            |all| all.map(Collected::to_bytes).unwrap_or_default(),
        )
    }
}

/// Asks once and closes the connection after the answer. What is wrong otherwise, in words.
pub(super) async fn get<I: Stream>(
    stream: I,
    at: SocketAddr,
    path: &str,
) -> Result<Answer, String> {
    let mut client = http1::Builder::new();
    client.title_case_headers(true);
    let mut question = question(at, path, "holdgate-probe");
    let anything = HeaderValue::from_static("*/*");
    question.headers_mut().insert(header::ACCEPT, anything);
    match timeout(LOOK, ask(&client, stream, question)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if error.is_parse() => Err(format!(
            "answers GET {path} with something that is not HTTP"
        )),
        Ok(Err(error)) => Err(format!("breaks off on GET {path} ({error})")),
        Err(_) => Err(format!(
            "accepts connections but leaves GET {path} unanswered"
        )),
    }
}

/// The question of a look, by whoever goes by this name.
pub(super) fn question(at: SocketAddr, path: &str, agent: &'static str) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::<Bytes>::new());
    // A path that is none cannot be asked for: the root then says that somebody is there.
    *request.uri_mut() = path.parse().unwrap_or_default();
    let host = HeaderValue::try_from(at.to_string()).expect("an address is a header");
    let headers = request.headers_mut();
    headers.insert(header::HOST, host);
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    request
}

/// Asks it on a connection of its own, which ends with the answer.
pub(super) async fn ask<I: Stream>(
    client: &http1::Builder,
    stream: I,
    question: Request<Empty<Bytes>>,
) -> hyper::Result<Answer> {
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await?;
    // It ends with the answer, or when nobody waits for one any more.
    tokio::spawn(connection);
    let response = sender.send_request(question).await?;
    Ok(Answer {
        status: response.status(),
        rest: response.into_body(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn probe() -> NetProbe {
        NetProbe(watch::channel(None).1)
    }

    /// Answers one connection and returns what it was asked.
    async fn server(answer: &'static str) -> (Endpoint, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint(listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1024];
            let n = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            request.truncate(n);
            String::from_utf8(request).unwrap()
        });
        (endpoint, asked)
    }

    #[tokio::test]
    async fn two_hundreds_and_three_hundreds_on_the_path_are_ready() {
        let (endpoint, asked) = server("HTTP/1.0 302 Found\r\n\r\n").await;
        assert_eq!(probe().look(endpoint, Some("/up")).await, Sight::Ready);
        assert!(
            asked
                .await
                .unwrap()
                .starts_with("GET /up HTTP/1.1\r\nHost: 127.0.0.1:")
        );
    }

    #[tokio::test]
    async fn another_status_is_named() {
        let (endpoint, _asked) = server("HTTP/1.1 404 Not Found\r\n\r\n").await;
        let seen = probe().look(endpoint, Some("/up")).await;
        assert_eq!(
            seen,
            Sight::NotReady("answers GET /up with 404 Not Found".into())
        );
    }

    #[tokio::test]
    async fn an_accepted_connection_is_enough_without_a_path() {
        let (endpoint, _asked) = server("").await;
        assert_eq!(probe().look(endpoint, None).await, Sight::Ready);
    }

    #[tokio::test]
    async fn a_port_nobody_listens_on_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint(listener.local_addr().unwrap());
        drop(listener);
        assert_eq!(probe().look(endpoint, Some("/up")).await, Sight::Nobody);
    }

    #[tokio::test]
    async fn something_that_is_not_http_is_not_ready() {
        let (endpoint, _asked) = server("SSH-2.0-OpenSSH\r\n").await;
        let seen = probe().look(endpoint, Some("/up")).await;
        assert!(matches!(seen, Sight::NotReady(what) if what.contains("not HTTP")));
    }

    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn one_that_speaks_tls_is_looked_at_behind_the_handshake() {
        let (at, tls, other) = crate::tls::samples::server("HTTP/1.0 200 OK\r\n\r\n").await;
        let look = |tls: &ReplicaTls, path| {
            let probe = NetProbe(watch::channel(Some(tls.clone())).1);
            async move { probe.look(Endpoint(at), path).await }
        };
        for path in [Some("/up"), None] {
            assert_eq!(look(&tls, path).await, Sight::Ready, "{path:?}");
            let seen = look(&other, path).await;
            let Sight::NotReady(what) = seen else {
                panic!("{path:?}: {seen:?}");
            };
            assert!(
                what.starts_with("accepts connections, but the TLS handshake failed: "),
                "{what}"
            );
        }
        let plain = probe().look(Endpoint(at), Some("/up")).await;
        assert!(matches!(plain, Sight::NotReady(_)), "{plain:?}");
    }
}
