//! What is written about TLS: where it is listened for, which files have certificates and keys, and who
//! may be a client. Whether those files can be used is looked at where they are needed, not by whoever
//! only wants to know what is written.

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::path::PathBuf;

use super::complaint::{Complaint, Complaints, Origin};
use super::key::Key;
use super::keys as k;
use super::layers::Layers;
use super::tree::{Node, Value};
use super::value::{choice, list, text, wanted};
#[cfg(feature = "tls")]
use crate::server::tls::{Certificate, ClientCertificates, Flaw};

/// What is written about TLS.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsConfig {
    /// Where clients that speak TLS come in.
    pub listen: SocketAddr,
    /// At least one; the first is for clients that ask for no name of another.
    pub certificates: Vec<CertificateFiles>,
    /// Whose signature the certificates of clients bear; `None` asks clients for none.
    pub client_ca: Option<WrittenFile>,
    /// Whether they must have one.
    pub client_certificates: ClientsNeed,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq)]
pub struct CertificateFiles {
    /// The file with the certificate, and behind it those that lead to its authority.
    pub cert: WrittenFile,
    /// The file with its key.
    pub key: WrittenFile,
}

/// A file, and where it was named.
#[derive(Clone, Debug)]
pub struct WrittenFile {
    /// The file.
    pub path: PathBuf,
    origin: Origin,
    key: String,
}

/// Whether a client must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientsNeed {
    /// One that shows none is served; one that shows a wrong one is not.
    Optional,
    /// Only one that shows one is served.
    Required,
}

/// Which file it is, not where that was written: a line more above it is no change.
impl PartialEq for WrittenFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl WrittenFile {
    pub(super) fn new(node: &Node, path: PathBuf) -> Self {
        Self {
            path,
            origin: node.origin.clone(),
            key: node.path.clone(),
        }
    }

    /// Says what is wrong with the file where it was named.
    #[must_use]
    pub fn complaint(&self, what: impl Display) -> Complaint {
        Complaint {
            origin: self.origin.clone(),
            path: self.key.clone(),
            message: format!("{}: {what}", self.path.display()),
        }
    }
}

impl Display for CertificateFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cert.path.display().fmt(f)
    }
}

impl TlsConfig {
    /// Every file that is named.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let pairs = self.certificates.iter();
        let files = pairs.flat_map(|pair| [&pair.cert, &pair.key]);
        let files = files.chain(&self.client_ca);
        files.map(|file| file.path.clone()).collect()
    }
}

#[cfg(feature = "tls")]
impl CertificateFiles {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn read(&self) -> Result<Certificate, Complaint> {
        Certificate::read(&self.cert.path, &self.key.path).map_err(|flaw| match flaw {
            Flaw::Certificate(why) => self.cert.complaint(why),
            Flaw::Key(why) => self.key.complaint(why),
        })
    }

    /// What is odd about a certificate that was read of them, if something is.
    #[must_use]
    pub fn odd(&self, certificate: &Certificate) -> Option<Complaint> {
        let now = crate::sync::wall();
        let day = |at| {
            let at = jiff::Timestamp::try_from(at).ok();
            at.map_or_else(
                || "another day".to_owned(),
                |at| at.strftime("%F").to_string(),
            )
        };
        let (begins, ends) = (certificate.begins(), certificate.ends());
        let why = if ends < now {
            format!("it expired on {}", day(ends))
        } else if now < begins {
            format!("it does not hold before {}", day(begins))
        } else {
            return None;
        };
        Some(self.cert.complaint(why))
    }
}

#[cfg(feature = "tls")]
impl TlsConfig {
    /// The certificates that clients may show; `None` where none is asked for.
    ///
    /// # Errors
    /// What is wrong with the file of their authorities.
    pub fn clients(&self) -> Result<Option<ClientCertificates>, Complaint> {
        let required = self.client_certificates == ClientsNeed::Required;
        let read = |file: &WrittenFile| {
            let read = ClientCertificates::read(&file.path, required);
            read.map_err(|why| file.complaint(why))
        };
        self.client_ca.as_ref().map(read).transpose()
    }

    /// Looks at every file that is named: what is wrong with them, and what is only odd.
    #[must_use]
    pub fn look(&self) -> Complaints {
        let mut complaints = Complaints::default();
        for pair in &self.certificates {
            match pair.read() {
                Ok(certificate) => {
                    if let Some(odd) = pair.odd(&certificate) {
                        complaints.warn(odd);
                    }
                }
                Err(complaint) => complaints.push(complaint),
            }
        }
        if let Err(complaint) = self.clients() {
            complaints.push(complaint);
        }
        complaints
    }
}

/// The same where this build knows no TLS, so that nothing is written of it.
#[cfg(not(feature = "tls"))]
impl TlsConfig {
    /// There is nothing to look at.
    #[must_use]
    pub fn look(&self) -> Complaints {
        Complaints::default()
    }
}

/// What the layers say together; `None` where no certificate is named.
pub(super) fn settle(
    top: &Layers<'_>,
    listen: &Key<SocketAddr>,
    complaints: &mut Complaints,
) -> Option<TlsConfig> {
    let certificates = certificates(top, complaints);
    let authority = top.node(&k::TLS_CLIENT_CA);
    let need = top.node(&k::TLS_CLIENT_CERTIFICATES);
    if certificates.is_empty() {
        for node in [authority, need].into_iter().flatten() {
            let message = "wanted a certificate as well (tls.certFile, tls.keyFile)";
            complaints.push(node.complaint(message));
        }
        return None;
    }
    if let (None, Some(node)) = (authority, need) {
        complaints
            .push(node.complaint("wanted tls.clientCaFile as well: who signs their certificates"));
    }
    if !cfg!(feature = "tls") {
        let message = "this build of holdgate has no TLS";
        complaints.push(certificates[0].cert.complaint(message));
    }
    let client_ca = top.written(&k::TLS_CLIENT_CA);
    Some(TlsConfig {
        listen: top.value(listen),
        certificates,
        client_ca: client_ca
            .zip(authority)
            .map(|(path, node)| WrittenFile::new(node, path)),
        client_certificates: top
            .written(&k::TLS_CLIENT_CERTIFICATES)
            .unwrap_or(ClientsNeed::Required),
    })
}

/// Whether a certificate is named, without which nobody listens.
pub(super) fn is_spoken(top: &Layers<'_>) -> bool {
    top.node(&k::TLS_CERT_FILE).is_some() || top.node(&k::TLS_CERTIFICATES).is_some()
}

/// The one that flags can name before those of a list.
fn certificates(top: &Layers<'_>, complaints: &mut Complaints) -> Vec<CertificateFiles> {
    let file = |key: &Key<PathBuf>| {
        let node = top.node(key)?;
        Some(WrittenFile::new(node, top.written(key)?))
    };
    let first = match (file(&k::TLS_CERT_FILE), file(&k::TLS_KEY_FILE)) {
        (Some(cert), Some(key)) => Some(CertificateFiles { cert, key }),
        (Some(cert), None) => {
            complaints.push(cert.complaint("wanted its key as well (tls.keyFile)"));
            None
        }
        (None, Some(key)) => {
            complaints.push(key.complaint("wanted its certificate as well (tls.certFile)"));
            None
        }
        (None, None) => None,
    };
    let others = top.written(&k::TLS_CERTIFICATES).unwrap_or_default();
    first.into_iter().chain(others).collect()
}

/// A list of certificates, each a map of its two files.
pub(super) fn pairs(node: &Node, complaints: &mut Complaints) -> Option<Vec<CertificateFiles>> {
    list(
        node,
        complaints,
        "a list of certificates, each with cert and key",
        pair,
    )
}

fn pair(node: &Node, complaints: &mut Complaints) -> Option<CertificateFiles> {
    let Value::Map(entries) = &node.value else {
        return wanted(node, "a map of cert and key, each a file", complaints);
    };
    for entry in entries {
        if !["cert", "key"].contains(&entry.key.as_str()) {
            complaints.push(entry.complaint("unknown key, wanted cert or key"));
        }
    }
    let mut file = |name: &str, what: &str| {
        let Some(node) = node.given(name) else {
            complaints.push(node.missing(name, what));
            return None;
        };
        let path = text(node, complaints)?;
        Some(WrittenFile::new(node, path.into()))
    };
    let cert = file("cert", "the file with the certificate (PEM)");
    let key = file("key", "the file with its key (PEM)");
    Some(CertificateFiles {
        cert: cert?,
        key: key?,
    })
}

/// Whether a client must show one.
pub(super) fn need(node: &Node, complaints: &mut Complaints) -> Option<ClientsNeed> {
    let words = [
        ("optional", ClientsNeed::Optional),
        ("required", ClientsNeed::Required),
    ];
    choice(node, complaints, &words)
}
