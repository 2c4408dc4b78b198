//! What a transformer does: asks its predictor, and hands on what that says.

use anyhow::Context;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// The port of every Service that `KServe` makes.
const USUAL_PORT: u16 = 80;

/// A model server that another asks, by its name in the cluster.
#[derive(Debug)]
pub(super) struct Predictor {
    /// As it was written: the `Host` of every request.
    name: String,
    /// With a port.
    address: String,
}

impl Predictor {
    /// At `HOST` or `HOST:PORT`.
    pub(super) fn at(name: &str) -> Self {
        let has_port = name
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port {
            name.to_owned()
        } else {
            format!("{name}:{USUAL_PORT}")
        };
        let name = name.to_owned();
        Self { name, address }
    }

    /// Asks it, on a connection of its own: each request finds whoever answers by that name now.
    pub(super) async fn ask(&self, path: &str, body: Bytes) -> anyhow::Result<(StatusCode, Bytes)> {
        let stream = TcpStream::connect(&self.address)
            .await
            .with_context(|| format!("could not reach {}", self.address))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = Request::post(path)
            .header(HOST, &self.name)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok((head.status, body.collect().await?.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predictor_without_a_port_is_asked_where_kserve_puts_it() {
        let address = |name| Predictor::at(name).address;
        assert_eq!(address("m-predictor.ns"), "m-predictor.ns:80");
        assert_eq!(address("m-predictor.ns:8080"), "m-predictor.ns:8080");
    }
}
