//! Looks at a pod: whether anybody listens at its door, and what it says of its model. How often is
//! decided by who waits for it.

mod turnstile;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use self::turnstile::Turnstile;
use super::door::{Ask, Door, Meaning};
use crate::backend::probe::{behind, connect, get};
use crate::tls::{ReplicaTls, Speech};

/// What looks at pods need of the network. A seam: tests simulate it.
pub trait Look: Send + Sync + 'static {
    /// Connects, and asks for a path if there is one, by TLS if that is spoken there. Bounded in time, and
    /// connecting by `patience`.
    fn ask(
        &self,
        address: SocketAddr,
        path: Option<(&str, Option<&ReplicaTls>)>,
        patience: Patience,
    ) -> impl Future<Output = Echo> + Send;
}

/// How long one look may take, and how long it may be put off for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// To connect.
    pub connect: Duration,
    /// It does not stand in line behind those for which nobody waits.
    pub hurried: bool,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Nobody listens.
    Nobody,
    /// A connection was accepted, and nothing was asked.
    Open,
    /// An answer.
    Answer {
        /// Its status.
        status: u16,
        /// The same with its name: "503 Service Unavailable".
        called: String,
        /// Its body, as far as it was read.
        body: Vec<u8>,
    },
    /// Somebody listens, and does not answer as one should; how, for a person.
    Odd(String),
}

/// What was found out about a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nobody listens.
    Nobody,
    /// Somebody listens; what keeps it from being ready, for a person.
    NotYet(String),
    /// It accepts connections, and has no word for the model that it is asked for: it may be ready, or
    /// not have come so far.
    Guess,
    /// It takes requests.
    Ready,
}

/// Looks once: at one thing after the other, until one of them tells.
pub async fn look<L: Look>(
    eyes: &L,
    door: &Door,
    ip: IpAddr,
    kubelet: bool,
    patience: Patience,
) -> Seen {
    let mut unknown = None;
    for ask in &door.asks {
        if *ask == Ask::Kubelet {
            return if kubelet {
                Seen::Ready
            } else {
                Seen::NotYet("kubelet does not call it ready yet".into())
            };
        }
        let address = SocketAddr::new(ip, ask.port().unwrap_or(door.port));
        let tls = door.tls.as_ref().filter(|_| address.port() == door.port);
        let path = ask.path().map(|path| (path, tls));
        match understand(ask, eyes.ask(address, path, patience).await) {
            // Somebody listens, that much was known.
            Ok(Seen::Guess) if unknown.is_none() => return Seen::Ready,
            Ok(seen) => return seen,
            Err(said) => unknown = Some(said),
        }
    }
    Seen::NotYet(unknown.unwrap_or_else(|| "nothing can be asked of it".into()))
}

/// What is seen by an answer, a guess where somebody merely listens; what was said where it means nothing.
fn understand(ask: &Ask, echo: Echo) -> Result<Seen, String> {
    let (status, called, body) = match echo {
        Echo::Nobody => return Ok(Seen::Nobody),
        Echo::Odd(what) => return Ok(Seen::NotYet(what)),
        Echo::Open => return Ok(Seen::Guess),
        Echo::Answer {
            status,
            called,
            body,
        } => (status, called, body),
    };
    let path = ask.path().unwrap_or_default();
    let said = format!("answers GET {path} with {called}");
    Ok(match ask.meaning(status, &body) {
        Meaning::Ready => Seen::Ready,
        Meaning::NotYet if status == 200 => {
            Seen::NotYet(format!("has no version of {path} loaded yet"))
        }
        Meaning::NotYet => Seen::NotYet(said),
        Meaning::Unknown => return Err(said),
    })
}

/// Looks over the network. Clones are one: together they never eat the processor.
#[derive(Clone, Debug)]
pub struct NetLook(Arc<Turnstile>);

impl NetLook {
    /// One for the whole process.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Turnstile::new()))
    }
}

impl Default for NetLook {
    fn default() -> Self {
        Self::new()
    }
}

impl Look for NetLook {
    async fn ask(
        &self,
        address: SocketAddr,
        path: Option<(&str, Option<&ReplicaTls>)>,
        patience: Patience,
    ) -> Echo {
        let _socket = self.0.pass(patience.hurried).await;
        let Ok(Ok(stream)) = timeout(patience.connect, connect(address)).await else {
            return Echo::Nobody;
        };
        let Some((path, tls)) = path else {
            return Echo::Open;
        };
        let stream = match behind(tls, stream, address, Speech::Http1).await {
            Ok(stream) => stream,
            Err(what) => return Echo::Odd(what),
        };
        match get(stream, address, path).await {
            Ok(answer) => Echo::Answer {
                status: answer.status.as_u16(),
                called: answer.status.to_string(),
                body: answer.body().await.to_vec(),
            },
            Err(what) => Echo::Odd(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const PATIENCE: Patience = Patience {
        connect: Duration::from_secs(1),
        hurried: true,
    };

    /// Answers by path, one connection after the other; `None` breaks off.
    async fn server(answers: Vec<(&'static str, &'static str)>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 1024];
                let n = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..n]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let known = answers.iter().find(|(known, _)| *known == path);
                let answer = known.map_or("HTTP/1.1 404 Not Found\r\n\r\n", |(_, answer)| answer);
                stream.write_all(answer.as_bytes()).await.ok();
            }
        });
        address
    }

    async fn seen(at: SocketAddr, asks: Vec<Ask>) -> Seen {
        let port = at.port();
        let tls = None;
        let door = Door { port, asks, tls };
        look(&NetLook::new(), &door, at.ip(), false, PATIENCE).await
    }

    fn model() -> Ask {
        let path = "/v1/models/x".into();
        Ask::ModelV1 { path }
    }

    #[tokio::test]
    async fn the_state_in_tensorflow_servings_body_is_believed() {
        let loading = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n37\r\n\
                       {\"model_version_status\":[{\"version\":\"1\",\"state\":\"START\"\r\n\
                       3\r\n}]}\r\n0\r\n\r\n";
        let at = server(vec![("/v1/models/x", loading)]).await;
        let want = "has no version of /v1/models/x loaded yet";
        assert_eq!(seen(at, vec![model()]).await, Seen::NotYet(want.into()));
    }

    #[tokio::test]
    async fn a_model_that_is_not_ready_is_told_with_its_answer() {
        let busy = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        let at = server(vec![("/v1/models/x", busy)]).await;
        let want = "answers GET /v1/models/x with 503 Service Unavailable";
        let asks = vec![model(), Ask::Connection { port: at.port() }];
        assert_eq!(seen(at, asks).await, Seen::NotYet(want.into()));
    }

    #[tokio::test]
    async fn who_does_not_know_the_model_is_asked_as_kubelet_asks() {
        let at = server(vec![(
            "/up",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        )])
        .await;
        let probe = |path: &str| Ask::Path {
            path: path.into(),
            port: at.port(),
        };
        assert_eq!(seen(at, vec![model(), probe("/up")]).await, Seen::Ready);
        let down = "answers GET /down with 404 Not Found";
        let found = seen(at, vec![model(), probe("/down")]).await;
        assert_eq!(found, Seen::NotYet(down.into()));
        let connection = Ask::Connection { port: at.port() };
        assert_eq!(seen(at, vec![model(), connection]).await, Seen::Guess);
        assert!(matches!(
            seen(at, vec![model(), Ask::Kubelet]).await,
            Seen::NotYet(_)
        ));
    }

    #[tokio::test]
    async fn nobody_listens_and_nobody_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let connection = vec![Ask::Connection { port: at.port() }];
        assert_eq!(seen(at, connection.clone()).await, Seen::Ready);
        drop(listener);
        assert_eq!(seen(at, connection).await, Seen::Nobody);
    }

    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn what_is_asked_where_requests_go_is_asked_as_those_and_nothing_else_is() {
        let ready = "HTTP/1.0 200 OK\r\n\r\n";
        let (at, tls, other) = crate::tls::samples::server(ready).await;
        let plain = server(vec![("/up", ready)]).await;
        let look_at = |tls: &ReplicaTls, asks: Vec<Ask>| {
            let (port, tls) = (at.port(), Some(tls.clone()));
            let door = Door { port, asks, tls };
            async move { look(&NetLook::new(), &door, at.ip(), false, PATIENCE).await }
        };
        assert_eq!(look_at(&tls, vec![model()]).await, Seen::Ready);
        let seen = look_at(&other, vec![model()]).await;
        assert!(
            matches!(&seen, Seen::NotYet(what) if what.contains("the TLS handshake failed")),
            "{seen:?}"
        );
        let path = "/up".to_owned();
        let port = plain.port();
        assert_eq!(
            look_at(&tls, vec![Ask::Path { path, port }]).await,
            Seen::Ready
        );
    }
}
