//! A model server that speaks TLS, and notes who came, how, and how many at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use holdgate::server::listen;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::support::Authority;

/// One request as it was seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) version: Version,
    pub(super) uri: http::Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The name that was asked for in the handshake.
    pub(super) name: Option<String>,
    /// It came with a certificate.
    pub(super) shown: bool,
}

#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) handshakes: AtomicUsize,
    pub(super) failed: AtomicUsize,
    inside: AtomicUsize,
    pub(super) most: AtomicUsize,
    pub(super) seen: Mutex<Vec<Seen>>,
}

/// How it is reached.
pub(super) struct Manner<'a> {
    pub(super) signed_by: &'a Authority,
    pub(super) name: &'a str,
    /// It wants a certificate that this one has signed.
    pub(super) clients: Option<&'a Authority>,
    pub(super) protocols: &'a [&'a [u8]],
}

impl<'a> Manner<'a> {
    pub(super) fn of(signed_by: &'a Authority, name: &'a str) -> Self {
        Self {
            signed_by,
            name,
            clients: None,
            protocols: &[b"h2", b"http/1.1"],
        }
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let (cert, key) = self.signed_by.sign(self.name, 2100);
        let cert = CertificateDer::from_pem_slice(cert.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("there are suites");
        let config = match self.clients {
            None => config.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                let root = CertificateDer::from_pem_slice(authority.pem().as_bytes());
                roots
                    .add(root.expect("a certificate"))
                    .expect("an authority");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
                config.with_client_cert_verifier(verifier.expect("a verifier"))
            }
        };
        let mut config = config
            .with_single_cert(vec![cert], key)
            .expect("they belong together");
        config.alpn_protocols = self.protocols.iter().map(|name| name.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

pub(super) struct Replica {
    pub(super) at: SocketAddr,
    pub(super) notes: Arc<Notes>,
    /// What it shows from the next handshake on.
    pub(super) shows: Arc<Mutex<TlsAcceptor>>,
    _serving: AbortOnDropHandle<()>,
}

impl Replica {
    pub(super) fn new(manner: &Manner<'_>) -> Self {
        let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
        let at = listener.local_addr().expect("it is bound");
        let notes = Arc::<Notes>::default();
        let shows = Arc::new(Mutex::new(manner.acceptor()));
        let serving = tokio::spawn(serve(listener, Arc::clone(&shows), Arc::clone(&notes)));
        Self {
            at,
            notes,
            shows,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.notes.seen.lock().clone()
    }

    pub(super) fn handshakes(&self) -> usize {
        self.notes.handshakes.load(SeqCst)
    }
}

async fn serve(listener: TcpListener, shows: Arc<Mutex<TlsAcceptor>>, notes: Arc<Notes>) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = shows.lock().clone();
        tokio::spawn(converse(stream, acceptor, Arc::clone(&notes)));
    }
}

async fn converse(stream: TcpStream, acceptor: TlsAcceptor, notes: Arc<Notes>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        notes.failed.fetch_add(1, SeqCst);
        return;
    };
    notes.handshakes.fetch_add(1, SeqCst);
    let (_, session) = stream.get_ref();
    let name = session.server_name().map(str::to_owned);
    let shown = session.peer_certificates().is_some();
    let service = service_fn(|request| answer(request, Arc::clone(&notes), name.clone(), shown));
    let builder = auto::Builder::new(TokioExecutor::new());
    let conversation = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let _ = conversation.await;
}

async fn answer(
    mut request: Request<Incoming>,
    notes: Arc<Notes>,
    name: Option<String>,
    shown: bool,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let inside = notes.inside.fetch_add(1, SeqCst) + 1;
    notes.most.fetch_max(inside, SeqCst);
    let switches = request.headers().contains_key("upgrade");
    let upgrade = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    notes.seen.lock().push(Seen {
        version: head.version,
        uri: head.uri,
        headers: head.headers,
        body,
        name,
        shown,
    });
    // Others come in meanwhile, if anybody lets them.
    tokio::time::sleep(Duration::from_millis(2)).await;
    notes.inside.fetch_sub(1, SeqCst);
    let mut response = Response::new(Full::from("answered"));
    if switches {
        *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert("connection", "upgrade".parse().expect("a value"));
        headers.insert("upgrade", "chat".parse().expect("a value"));
        *response.body_mut() = Full::default();
        tokio::spawn(async move {
            let Ok(upgraded) = upgrade.await else { return };
            echo(TokioIo::new(upgraded)).await;
        });
    }
    Ok(response)
}

/// Says what it hears; whoever says `x` is hung up on without a word.
async fn echo<I: AsyncReadExt + AsyncWriteExt + Unpin>(mut io: I) {
    let mut heard = [0; 64];
    loop {
        match io.read(&mut heard).await {
            Ok(n) if n > 0 && heard[0] != b'x' => {
                let told = io.write_all(&heard[..n]).await;
                if told.is_err() || io.flush().await.is_err() {
                    return;
                }
            }
            Ok(0) => {
                let _ = io.write_all(b"bye").await;
                let _ = io.shutdown().await;
                return;
            }
            _ => return,
        }
    }
}
