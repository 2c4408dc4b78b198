//! The metrics pages of replicas, each asked for once on a connection of its own, bounded in time
//! and bytes. Nothing of it passes the gate: it is no request, takes no slot and wakes nobody.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::exposition;
use crate::backend::probe::{behind, connect};
use crate::ports::Missing;
use crate::revision::{Endpoint, ScaleMetric, Scrape};
use crate::tls::{ReplicaTls, Speech};

/// The longest one page may take.
const WITHIN: Duration = Duration::from_millis(500);
/// The largest page read.
const MOST_BYTES: usize = 4 << 20;

/// Every page that was asked for, by its path: one for each replica, or why it is not here.
#[derive(Debug)]
pub(in crate::backend) struct Pages(Vec<(String, Result<String, String>)>);

impl Pages {
    /// Begins to ask all replicas for every page that one of these metrics stands on, by TLS where they
    /// speak it.
    pub(in crate::backend) fn get(
        endpoints: &[Endpoint],
        metrics: &[ScaleMetric],
        tls: Option<&ReplicaTls>,
    ) -> impl Future<Output = Self> + Send + use<> {
        let mut paths: Vec<&String> = Vec::new();
        for metric in metrics {
            if let ScaleMetric::Scraped(scrape) = metric
                && !paths.contains(&&scrape.path)
            {
                paths.push(&scrape.path);
            }
        }
        let mut asking = JoinSet::new();
        for path in paths {
            for endpoint in endpoints {
                asking.spawn(ask_in_time(*endpoint, path.clone(), tls.cloned()));
            }
        }
        async move { Self(asking.join_all().await) }
    }

    /// The sum of one metric over all replicas.
    pub(in crate::backend) fn sum(&self, scrape: &Scrape) -> Result<f64, Missing> {
        let pages = self.0.iter().filter(|(path, _)| *path == scrape.path);
        let values = pages.map(|(path, page)| {
            let page = page.as_ref().map_err(String::clone)?;
            exposition::sum(page, &scrape.name).map_err(|why| format!("GET {path}: {why}"))
        });
        values.sum::<Result<f64, String>>().map_err(Missing::Failed)
    }
}

async fn ask_in_time(
    endpoint: Endpoint,
    path: String,
    tls: Option<ReplicaTls>,
) -> (String, Result<String, String>) {
    let page = match timeout(WITHIN, ask(endpoint, &path, tls.as_ref())).await {
        Ok(page) => page,
        Err(_) => Err(format!("no answer within {WITHIN:?}")),
    };
    let page = page.map_err(|why| format!("GET {path}: {why}"));
    (path, page)
}

async fn ask(endpoint: Endpoint, path: &str, tls: Option<&ReplicaTls>) -> Result<String, String> {
    let stream = connect(endpoint.0).await.map_err(|error| plain(&error))?;
    let stream = behind(tls, stream, endpoint.0, Speech::Http1).await?;
    let io = TokioIo::new(stream);
    let (mut sender, connection) = http1::handshake(io).await.map_err(|e| e.to_string())?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::get(path)
        .header(header::HOST, endpoint.to_string())
        .header(header::USER_AGENT, "holdgate-scrape")
        .header(header::ACCEPT, "text/plain;version=0.0.4")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.status() != StatusCode::OK {
        return Err(format!("answered with {}", answer.status()));
    }
    let page = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
    let page = page.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => format!("more than {} MiB", MOST_BYTES >> 20),
        None => error.to_string(),
    })?;
    String::from_utf8(page.to_bytes().into()).map_err(|_| "not UTF-8 text".to_owned())
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one connection.
    async fn replica(answer: impl Into<Vec<u8>>) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint(listener.local_addr().unwrap());
        let answer = answer.into();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            // Who has read enough hangs up in the middle.
            let _ = stream.write_all(&answer).await;
            std::future::pending::<()>().await;
        });
        endpoint
    }

    fn page(text: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        )
    }

    async fn waiting(endpoints: Vec<Endpoint>) -> Result<f64, Missing> {
        let scrape = Arc::new(Scrape {
            name: "waiting".into(),
            path: "/metrics".into(),
        });
        let metrics = [ScaleMetric::Scraped(Arc::clone(&scrape))];
        Pages::get(&endpoints, &metrics, None).await.sum(&scrape)
    }

    #[tokio::test]
    async fn the_values_of_all_replicas_are_added_up() {
        let replicas = vec![
            replica(page("waiting{a=\"1\"} 2\nwaiting{a=\"2\"} 3\n")).await,
            replica(page("waiting 4.5\n")).await,
        ];
        assert_eq!(waiting(replicas).await, Ok(9.5));
    }

    #[tokio::test]
    async fn one_replica_without_a_value_leaves_the_sum_unknown() {
        let endless = format!(
            "HTTP/1.1 200 OK\r\n\r\n{}",
            "# x\n".repeat(MOST_BYTES / 4 + 9)
        );
        for (answer, want) in [
            (page("other 1\n").into_bytes(), "there is no waiting"),
            (
                b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
                "answered with 404 Not Found",
            ),
            (Vec::new(), "no answer within 500ms"),
            (endless.into_bytes(), "more than 4 MiB"),
        ] {
            let replicas = vec![replica(page("waiting 4.5\n")).await, replica(answer).await];
            let want = Missing::Failed(format!("GET /metrics: {want}"));
            assert_eq!(waiting(replicas).await, Err(want));
        }
    }

    #[tokio::test]
    async fn a_replica_that_cannot_be_reached_leaves_the_sum_unknown() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = Endpoint(listener.local_addr().unwrap());
        drop(listener);
        let want = Missing::Failed("GET /metrics: nobody listens".into());
        assert_eq!(waiting(vec![gone]).await, Err(want));
    }

    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn pages_of_those_that_speak_tls_are_behind_the_handshake() {
        let page = "HTTP/1.0 200 OK\r\n\r\nqueue 7\n";
        let (at, tls, other) = crate::tls::samples::server(page).await;
        let scrape = Scrape {
            name: "queue".into(),
            path: "/metrics".into(),
        };
        let metrics = [ScaleMetric::Scraped(Arc::new(scrape.clone()))];
        let sum = async |tls| {
            let pages = Pages::get(&[Endpoint(at)], &metrics, tls).await;
            pages.sum(&scrape)
        };
        assert_eq!(sum(Some(&tls)).await, Ok(7.0));
        let Err(Missing::Failed(why)) = sum(Some(&other)).await else {
            panic!("it is not believed");
        };
        assert!(why.contains("the TLS handshake failed"), "{why}");
    }
}
