//! Who asks: one client connection, or one stream of it, and what is said to it when it ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http::header::{CONNECTION, HeaderValue};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::body::Body;
use super::error::Refusal;
use super::headers::ClientName;
use super::keys::LastKey;
use super::wire::Wire;

/// The other end of one client connection.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) name: ClientName,
    stream: Option<Arc<TcpStream>>,
    pub(super) wire: Arc<Wire>,
    /// The port number of the door it came in by; `None` is the data port.
    pub(super) door: Option<u16>,
    pub(super) key: Arc<LastKey>,
    /// The wire of the whole connection, where this is one of its streams.
    pub(super) connection: Option<Arc<Wire>>,
}

impl Client {
    /// A client at an address; with its stream, a hang-up behind an unread body can be seen.
    #[must_use]
    pub fn new(ip: IpAddr, stream: Option<Arc<TcpStream>>) -> Self {
        Self {
            name: ClientName::new(ip),
            stream,
            wire: Arc::new(Wire::new()),
            door: None,
            key: Arc::default(),
            connection: None,
        }
    }

    /// The same client on a stream of its HTTP/2 connection, which has a wire of its own. That it has
    /// left is seen on the stream.
    #[must_use]
    pub fn stream(&self) -> Self {
        Self {
            name: self.name.clone(),
            stream: None,
            wire: Arc::new(Wire::new()),
            door: self.door,
            key: Arc::clone(&self.key),
            connection: Some(Arc::clone(&self.wire)),
        }
    }

    /// The same client, behind a handshake: what it says, nobody on the way has read.
    #[must_use]
    pub fn secured(self) -> Self {
        let name = self.name.secured();
        Self { name, ..self }
    }

    /// The same client, come in by a door, or by the data port (`None`).
    #[must_use]
    pub fn by_door(self, door: Option<u16>) -> Self {
        Self { door, ..self }
    }

    /// What its exchanges tell about its connection.
    #[must_use]
    pub fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    /// Resolves once the client has left; never, if that cannot be seen. Looks at the socket
    /// twenty times a second while it holds unread bytes, since those keep it readable.
    pub(super) async fn hung_up(&self) {
        let Some(stream) = &self.stream else {
            return std::future::pending().await;
        };
        loop {
            match stream.ready(Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => {}
                Ok(_) | Err(_) => return,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Says that the connection ends with this answer where nobody will read what the client may still
/// be sending: a request sent behind it would be lost. What was sent on to a replica has been read,
/// but for an upload that breaks off.
pub(super) fn closing(
    response: Response<Body>,
    refusal: &Refusal,
    client: &Client,
) -> Response<Body> {
    let sent = matches!(
        refusal,
        Refusal::UpstreamReset(_) | Refusal::UpstreamTimeout(_)
    );
    // Nor does anybody know what follows what has no one meaning.
    let unsound = matches!(refusal, Refusal::Malformed(_));
    if sent {
        return response;
    }
    closing_if(client.wire.is_unread() || unsound, response, client)
}

/// The same where nothing was sent on.
pub(super) fn closing_unread(response: Response<Body>, client: &Client) -> Response<Body> {
    closing_if(client.wire.is_unread(), response, client)
}

fn closing_if(ends: bool, mut response: Response<Body>, client: &Client) -> Response<Body> {
    if ends {
        if let Some(connection) = &client.connection {
            // hyper tells the stream that nobody reads it. What is still on its way must not turn the
            // end of the connection into a reset.
            connection.asked(true);
        } else {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
    }
    response
}
