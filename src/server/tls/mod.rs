//! TLS for clients: which certificate a client is shown, whether it has to show one itself, and the
//! handshake. What certificates there are may change while connections go on: a handshake takes
//! those of the moment when it begins.

mod stream;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsAcceptor;

use super::stream::ClientStream;
use crate::proxy::Wire;
use crate::sync::Mutex;
use crate::tls::read_certificates;

pub use crate::tls::{Certificate, Flaw};
pub(super) use stream::SecureStream;

/// How long a client may take from its connection to the end of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What clients may speak on a connection, what they should first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Whether clients show a certificate, and who must have signed it.
#[derive(Clone)]
pub struct ClientCertificates(Arc<dyn ClientCertVerifier>);

impl fmt::Debug for ClientCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientCertificates").finish_non_exhaustive()
    }
}

impl ClientCertificates {
    /// Those that the authorities of a file (PEM) have signed; every client has one, or it may also
    /// have none.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(authorities: &Path, required: bool) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for authority in read_certificates(authorities)? {
            let unlike = |error| format!("it has no authority that can be used: {error}");
            roots.add(authority).map_err(unlike)?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
        let verifier = if required {
            verifier
        } else {
            verifier.allow_unauthenticated()
        };
        let unlike = |error| format!("it has no authorities that can be used: {error}");
        verifier.build().map(Self).map_err(unlike)
    }
}

/// Shakes hands with clients.
#[derive(Debug)]
pub struct Tls(Mutex<Arc<ServerConfig>>);

impl Tls {
    /// Shows these certificates: of those whose names a client asks for the first that it can read,
    /// exact names before wildcards, and the first of all to others.
    #[must_use]
    pub fn new(certificates: &[Certificate], clients: Option<&ClientCertificates>) -> Self {
        Self(Mutex::new(config(certificates, clients)))
    }

    /// Shows these from the next handshake on.
    pub fn set(&self, certificates: &[Certificate], clients: Option<&ClientCertificates>) {
        *self.0.lock() = config(certificates, clients);
    }

    /// The connection behind a client's handshake; `None` if there was none in time.
    pub(super) async fn accept(
        &self,
        stream: ClientStream,
        wire: Arc<Wire>,
    ) -> Option<SecureStream> {
        let config = Arc::clone(&self.0.lock());
        let shaking = TlsAcceptor::from(config).accept(stream).into_fallible();
        match tokio::time::timeout(HANDSHAKE, shaking).await {
            Ok(Ok(stream)) => Some(SecureStream::new(stream, wire)),
            Ok(Err((error, stream))) => {
                tracing::debug!(%error, "a TLS handshake failed");
                tell(stream, &wire).await;
                None
            }
            Err(_) => {
                tracing::debug!("a TLS handshake took longer than {HANDSHAKE:?}");
                wire.cut();
                None
            }
        }
    }
}

/// The alert has been written: it reaches a client that is still sending only if what that sends is read.
async fn tell(mut stream: ClientStream, wire: &Wire) {
    wire.asked(true);
    let told: io::Result<()> = stream.shutdown().await;
    drop(told);
}

fn config(certificates: &[Certificate], clients: Option<&ClientCertificates>) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions");
    let builder = match clients {
        Some(ClientCertificates(verifier)) => {
            builder.with_client_cert_verifier(Arc::clone(verifier))
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName::new(certificates)));
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Arc::new(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Certificates by the names that they are for.
#[derive(Debug)]
struct ByName {
    all: Vec<Arc<CertifiedKey>>,
    /// Places among all of them.
    named: HashMap<String, Vec<usize>>,
}

impl ByName {
    fn new(certificates: &[Certificate]) -> Self {
        let mut named: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, certificate) in certificates.iter().enumerate() {
            for name in certificate.names() {
                named.entry(name.clone()).or_default().push(place);
            }
        }
        let all = certificates.iter().map(|one| Arc::clone(&one.key));
        Self {
            all: all.collect(),
            named,
        }
    }

    /// Those for a name, the best first; all of them for a name that none is for.
    fn of(&self, name: Option<&str>) -> Vec<&Arc<CertifiedKey>> {
        let name = name.map(str::to_ascii_lowercase).unwrap_or_default();
        let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let places = [Some(name), wildcard].into_iter().flatten();
        let places = places.filter_map(|name| self.named.get(&name)).flatten();
        let named: Vec<_> = places.filter_map(|place| self.all.get(*place)).collect();
        if named.is_empty() {
            return self.all.iter().collect();
        }
        named
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fitting = self.of(hello.server_name());
        let can_read = |one: &&&Arc<CertifiedKey>| {
            let scheme = one.key.choose_scheme(hello.signature_schemes());
            scheme.is_some()
        };
        let shown = fitting.iter().find(can_read).or(fitting.first());
        shown.map(|one| Arc::clone(one))
    }
}
