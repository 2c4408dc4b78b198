//! Looks whether a process listens on its port and answers what it was asked.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Collected, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::seams::{Probe, Sight};
use crate::revision::Endpoint;

/// The longest one look may take.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// The longest answer that is listened to.
const MOST_BYTES: usize = 64 * 1024;

/// Looks over the network: an accepted connection, or an HTTP answer of 200 to 399.
#[derive(Clone, Copy, Debug)]
pub struct NetProbe;

impl Probe for NetProbe {
    async fn look(&self, endpoint: Endpoint, path: Option<&str>) -> Sight {
        let Ok(Ok(stream)) = timeout(LOOK, connect(endpoint.0)).await else {
            return Sight::Nobody;
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
pub(super) async fn get(stream: TcpStream, at: SocketAddr, path: &str) -> Result<Answer, String> {
    match timeout(LOOK, ask(stream, at, path)).await {
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

async fn ask(stream: TcpStream, at: SocketAddr, path: &str) -> hyper::Result<Answer> {
    let mut client = http1::Builder::new();
    let (mut sender, connection) = client
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await?;
    // It ends with the answer, or when nobody waits for one any more.
    tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    // A path that is none cannot be asked for: the root then says that somebody is there.
    *request.uri_mut() = path.parse().unwrap_or_default();
    let host = at.to_string();
    let headers = [
        (header::HOST, host.as_str()),
        (header::USER_AGENT, "holdgate-probe"),
        (header::ACCEPT, "*/*"),
        (header::CONNECTION, "close"),
    ];
    for (name, value) in headers {
        let value = value.parse().expect("an address and a word are headers");
        request.headers_mut().insert(name, value);
    }
    let response = sender.send_request(request).await?;
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
        assert_eq!(NetProbe.look(endpoint, Some("/up")).await, Sight::Ready);
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
        let seen = NetProbe.look(endpoint, Some("/up")).await;
        assert_eq!(
            seen,
            Sight::NotReady("answers GET /up with 404 Not Found".into())
        );
    }

    #[tokio::test]
    async fn an_accepted_connection_is_enough_without_a_path() {
        let (endpoint, _asked) = server("").await;
        assert_eq!(NetProbe.look(endpoint, None).await, Sight::Ready);
    }

    #[tokio::test]
    async fn a_port_nobody_listens_on_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint(listener.local_addr().unwrap());
        drop(listener);
        assert_eq!(NetProbe.look(endpoint, Some("/up")).await, Sight::Nobody);
    }

    #[tokio::test]
    async fn something_that_is_not_http_is_not_ready() {
        let (endpoint, _asked) = server("SSH-2.0-OpenSSH\r\n").await;
        let seen = NetProbe.look(endpoint, Some("/up")).await;
        assert!(matches!(seen, Sight::NotReady(what) if what.contains("not HTTP")));
    }
}
