//! Looks whether a process listens on its port and answers what it was asked.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::seams::{Probe, Sight};
use crate::revision::Endpoint;

/// The longest one look may take.
const LOOK: Duration = Duration::from_secs(1);
/// The longest status line read.
const STATUS_BYTES: usize = 1024;

/// Looks over the network: an accepted connection, or an HTTP answer of 200 to 399.
#[derive(Clone, Copy, Debug)]
pub struct NetProbe;

impl Probe for NetProbe {
    async fn look(&self, endpoint: Endpoint, path: Option<&str>) -> Sight {
        let Ok(Ok(mut stream)) = timeout(LOOK, connect(endpoint.0)).await else {
            return Sight::Nobody;
        };
        let Some(path) = path else {
            return Sight::Ready;
        };
        match timeout(LOOK, ask(&mut stream, endpoint, path)).await {
            Ok(Ok(status)) => {
                tokio::spawn(listen_to_the_end(stream));
                judge(&status, path)
            }
            Ok(Err(error)) => Sight::NotReady(format!("breaks off on GET {path} ({error})")),
            Err(_) => Sight::NotReady(format!(
                "accepts connections but leaves GET {path} unanswered"
            )),
        }
    }
}

/// Connects, and not to itself.
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A port nobody listens on may be picked as our own end of the connection, which then
    // connects to itself (TCP simultaneous open).
    if stream.local_addr()? == address {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

/// Returns the status line.
async fn ask(stream: &mut TcpStream, endpoint: Endpoint, path: &str) -> io::Result<String> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {endpoint}\r\nUser-Agent: holdgate-probe\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut line = Vec::new();
    while line.len() < STATUS_BYTES && !line.contains(&b'\n') {
        if stream.read_buf(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).trim_end().to_owned())
}

/// Closing in the middle of its answer would look like an error in the server's log.
async fn listen_to_the_end(mut stream: TcpStream) {
    let mut rest = [0; 4096];
    let reading = async { while stream.read(&mut rest).await.is_ok_and(|n| n > 0) {} };
    // One that never ends is cut off.
    let _ = timeout(LOOK, reading).await;
}

fn judge(status_line: &str, path: &str) -> Sight {
    let status = status_line
        .strip_prefix("HTTP/1")
        .and_then(|rest| rest.split_once(' '));
    let Some((_, status)) = status else {
        return Sight::NotReady(format!(
            "answers GET {path} with something that is not HTTP"
        ));
    };
    let code: u16 = status
        .get(..3)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    match code {
        200..=399 => Sight::Ready,
        _ => Sight::NotReady(format!("answers GET {path} with {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
