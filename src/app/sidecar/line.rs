//! The way of reports to a gateway: one connection that is kept, and the token, which may be renewed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::config::ReportTo;
use crate::loads::{Load, mark};
use crate::proxy::beside::Porter;

/// The longest answer that is read.
const MOST_BYTES: usize = 4096;

/// The way to who is told.
pub(super) struct Line {
    to: ReportTo,
    token: Option<PathBuf>,
    /// Knows by the same token which requests are a gateway's.
    door: Arc<Porter>,
    open: Option<Open>,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    _driver: AbortOnDropHandle<()>,
}

impl Line {
    /// Knows the token before the first request: a gateway's own are never taken for others.
    pub(super) fn new(to: ReportTo, token: Option<PathBuf>, door: Arc<Porter>) -> Self {
        if let Some(Ok(token)) = token.as_deref().map(std::fs::read_to_string) {
            door.know(&mark(token.trim()));
        }
        Self {
            to,
            token,
            door,
            open: None,
        }
    }

    /// Begins anew with the next.
    pub(super) fn hang_up(&mut self) {
        self.open = None;
    }

    pub(super) async fn tell(&mut self, load: &Load) -> Result<(), String> {
        let body = serde_json::to_vec(load).map_err(|e| e.to_string())?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        let path = format!("{}/reports", self.to.prefix);
        *request.uri_mut() = path.parse().map_err(|_| format!("no path: {path}"))?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let host = HeaderValue::try_from(self.to.authority.as_str());
        headers.insert(HOST, host.map_err(|e| e.to_string())?);
        if let Some(file) = &self.token {
            // Read each time: tokens that Kubernetes gives out are renewed in place.
            let token = token(file).await?;
            headers.insert(AUTHORIZATION, bearer(&token, file)?);
            self.door.know(&mark(&token));
        }
        let open = match self.open.take() {
            Some(open) if !open.sender.is_closed() => open,
            _ => dial(&self.to.authority).await?,
        };
        let open = self.open.insert(open);
        open.sender.ready().await.map_err(|e| e.to_string())?;
        let answer = open.sender.send_request(request).await;
        let answer = answer.map_err(|e| e.to_string())?;
        let status = answer.status();
        let rest = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
        rest.map_err(|e| e.to_string())?;
        if status.is_success() {
            return Ok(());
        }
        Err(format!("it is answered with {status}"))
    }
}

async fn token(file: &Path) -> Result<String, String> {
    let read = tokio::task::spawn_blocking({
        let file = file.to_owned();
        move || std::fs::read_to_string(file)
    });
    let read = read.await.map_err(|e| e.to_string())?;
    let token = read.map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(token.trim().to_owned())
}

fn bearer(token: &str, file: &Path) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| format!("{}: wanted a token on one line", file.display()))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn dial(authority: &str) -> Result<Open, String> {
    let named = authority.parse::<http::uri::Authority>();
    let has_port = named.is_ok_and(|named| named.port_u16().is_some());
    let address = if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let stream = TcpStream::connect(&address).await;
    let stream = stream.map_err(|e| format!("{address}: {e}"))?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(|e| e.to_string())?;
    let driver = tokio::spawn(async move {
        // How it ended is told to whoever sends.
        let _ = connection.await;
    });
    Ok(Open {
        sender,
        _driver: AbortOnDropHandle::new(driver),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::sidecar::tests::door;
    use crate::loads::{Pod, Rates};

    #[tokio::test]
    async fn the_mark_is_known_before_the_first_report_and_that_of_a_new_token_with_the_next() {
        let dir = tempfile::tempdir().expect("a folder");
        let token = dir.path().join("token");
        std::fs::write(&token, "old\n").expect("written");
        let door = door();
        let knows = |token: &str| {
            let shown = HeaderValue::try_from(mark(token)).expect("a header value");
            door.knows(&shown)
        };
        let to = ReportTo {
            authority: "127.0.0.1:0".to_owned(),
            prefix: String::new(),
        };
        let mut line = Line::new(to, Some(token.clone()), Arc::clone(&door));
        assert!(knows("old") && !knows("new"));
        std::fs::write(&token, "new\n").expect("written");
        let load = Load {
            pod: Pod::default(),
            uptime_seconds: 0.0,
            in_flight: 0,
            queued: 0,
            proxied: 0,
            rates: Rates::default(),
        };
        line.tell(&load).await.expect_err("nobody is there");
        assert!(knows("new") && !knows("old"));
    }
}
