//! TLS to replicas: whose certificates are believed, which name they must have, what we show ourselves,
//! and the handshake. Files are read once: to read them again is to make another of these, and
//! connections that were opened by the one before are not used by it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::unverified::Unverified;
use super::{Certificate, Flaw, Speech, read_certificates};

/// What HTTP/1.1 and HTTP/2 are called in a handshake.
const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// A stream behind a handshake.
pub type Secured<I> = tokio_rustls::client::TlsStream<I>;

/// How the replicas of one revision are reached by TLS. Two are equal if they believe and show the same.
#[derive(Clone)]
pub struct ReplicaTls(Arc<Inner>);

struct Inner {
    believed: Believed,
    http1: TlsConnector,
    http2: TlsConnector,
    any: TlsConnector,
}

/// What it was made of.
#[derive(PartialEq)]
struct Believed {
    /// `None` believes everybody.
    authorities: Option<Vec<CertificateDer<'static>>>,
    /// `None` is the address.
    name: Option<ServerName<'static>>,
    own: Vec<CertificateDer<'static>>,
}

/// Which of the things that were said cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The file with the authorities.
    Authorities(String),
    /// The name.
    Name(String),
    /// The file with our certificate.
    Certificate(String),
    /// The file with its key.
    Key(String),
}

impl ReplicaTls {
    /// Believes replicas whose certificate these authorities (a file, PEM) have signed, `None` any; for
    /// this name, `None` for the address that is dialled. Shows them a certificate where they ask for
    /// one and there is one (its file and that of its key).
    ///
    /// # Errors
    /// What cannot be used.
    pub fn read(
        authorities: Option<&Path>,
        name: Option<&str>,
        own: Option<(&Path, &Path)>,
    ) -> Result<Self, Unfit> {
        let authorities = authorities.map(read_certificates).transpose();
        let authorities = authorities.map_err(Unfit::Authorities)?;
        let verifier = match &authorities {
            Some(authorities) => verifier(authorities).map_err(Unfit::Authorities)?,
            None => Arc::new(Unverified::new(provider())),
        };
        let name = name.map(|name| {
            let read = ServerName::try_from(name.to_owned());
            read.map_err(|_| Unfit::Name("wanted a name of DNS or an address".to_owned()))
        });
        let name = name.transpose()?;
        let own = own.map(|(certificate, key)| Certificate::read(certificate, key));
        let own = own.transpose().map_err(|flaw| match flaw {
            Flaw::Certificate(why) => Unfit::Certificate(why),
            Flaw::Key(why) => Unfit::Key(why),
        })?;
        let believed = Believed {
            authorities,
            name,
            own: own.iter().flat_map(|own| own.key.cert.clone()).collect(),
        };
        let config = config(verifier, own);
        let speaking = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        };
        Ok(Self(Arc::new(Inner {
            believed,
            http1: speaking(&[HTTP1]),
            http2: speaking(&[HTTP2]),
            any: speaking(&[HTTP2, HTTP1]),
        })))
    }

    /// Shakes hands with a replica at this address.
    ///
    /// # Errors
    /// It is not believed, does not believe us or does not speak what is wanted: no byte of a request
    /// can have reached it.
    pub async fn shake<I>(&self, io: I, at: SocketAddr, speech: Speech) -> io::Result<Secured<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let connector = match speech {
            Speech::Http1 => &self.0.http1,
            Speech::Http2 => &self.0.http2,
            Speech::Any => &self.0.any,
        };
        let name = self.0.believed.name.clone();
        let name = name.unwrap_or_else(|| ServerName::IpAddress(at.ip().into()));
        let shaken = connector.connect(name, io).await;
        let stream = shaken.map_err(|error| {
            io::Error::new(error.kind(), format!("the TLS handshake failed: {error}"))
        })?;
        let (_, session) = stream.get_ref();
        if speech == Speech::Http2 && session.alpn_protocol() != Some(HTTP2) {
            return Err(io::Error::other("it speaks no HTTP/2 over TLS"));
        }
        Ok(stream)
    }
}

impl PartialEq for ReplicaTls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.believed == other.0.believed
    }
}

impl Eq for ReplicaTls {}

impl fmt::Debug for ReplicaTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicaTls")
            .field("name", &self.0.believed.name)
            .field("verifies", &self.0.believed.authorities.is_some())
            .finish_non_exhaustive()
    }
}

fn verifier(
    authorities: &[CertificateDer<'static>],
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        let unlike = |error| format!("it has no authority that can be used: {error}");
        roots.add(authority.clone()).map_err(unlike)?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider());
    let unlike = |error| format!("it has no authorities that can be used: {error}");
    Ok(verifier.build().map_err(unlike)?)
}

fn config(verifier: Arc<dyn ServerCertVerifier>, own: Option<Certificate>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match own {
        Some(own) => {
            let shown = SingleCertAndKey::from(own.key);
            builder.with_client_cert_resolver(Arc::new(shown))
        }
        None => builder.with_no_client_auth(),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
