//! One certificate and its key, as two files have them: whether they belong together, which names
//! they are for, and until when.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::InconsistentKeys;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;
use webpki::{EndEntityCert, KeyUsage};

/// A certificate that can be shown.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(crate) key: Arc<CertifiedKey>,
    names: Vec<String>,
    begins: SystemTime,
    ends: SystemTime,
}

/// What is wrong with a pair of files, and with which of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The one with the certificate.
    Certificate(String),
    /// The one with the key.
    Key(String),
}

impl Certificate {
    /// Reads a certificate, followed by those that lead to its authority, and its key; both PEM.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, Flaw> {
        let chain = read_certificates(certificate).map_err(Flaw::Certificate)?;
        let key = bytes(key)
            .and_then(|pem| PrivateKeyDer::from_pem_slice(&pem).map_err(|e| told(&e, "a key")))
            .map_err(Flaw::Key)?;
        let key = aws_lc_rs::sign::any_supported_type(&key)
            .map_err(|error| Flaw::Key(format!("it has no key that can be used: {error}")))?;
        let facts = Facts::of(&chain).map_err(Flaw::Certificate)?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(Flaw::Key("it is not the key of the certificate".to_owned())),
        }
        Ok(Self {
            key: Arc::new(key),
            names: facts.names,
            begins: facts.begins,
            ends: facts.ends,
        })
    }

    /// The names that it is for, in lower case, with `*.` before those of which it is for any.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// When it begins to hold.
    #[must_use]
    pub fn begins(&self) -> SystemTime {
        self.begins
    }

    /// When it ends to hold, or the first of those that lead to its authority does.
    #[must_use]
    pub fn ends(&self) -> SystemTime {
        self.ends
    }
}

/// What certificates say of themselves.
struct Facts {
    names: Vec<String>,
    begins: SystemTime,
    ends: SystemTime,
}

impl Facts {
    fn of(chain: &[CertificateDer<'_>]) -> Result<Self, String> {
        let unlike =
            |error: webpki::Error| format!("it has no certificate that can be used: {error}");
        let mut facts = Self {
            names: Vec::new(),
            begins: SystemTime::UNIX_EPOCH,
            ends: SystemTime::UNIX_EPOCH + Duration::from_secs(u64::MAX >> 24),
        };
        for (place, der) in chain.iter().enumerate() {
            let certificate = EndEntityCert::try_from(der).map_err(unlike)?;
            if place == 0 {
                let names = certificate.valid_dns_names();
                facts.names = names.map(str::to_ascii_lowercase).collect();
            }
            let (begins, ends) = holds(&certificate).map_err(unlike)?;
            facts.begins = facts.begins.max(begins);
            facts.ends = facts.ends.min(ends);
        }
        Ok(facts)
    }
}

/// From when to when a certificate holds. It is asked whether it holds at the beginning and at the end
/// of all time, which it answers with when it does: nothing else in the library tells.
fn holds(certificate: &EndEntityCert<'_>) -> Result<(SystemTime, SystemTime), webpki::Error> {
    let at = |seconds| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let usage = KeyUsage::server_auth();
        let held = certificate.verify_for_usage(&[], &[], &[], time, usage, None, None);
        held.err().unwrap_or(webpki::Error::UnknownIssuer)
    };
    let since = |time: UnixTime| SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs());
    let begins = match at(0) {
        webpki::Error::CertNotValidYet { not_before, .. } => since(not_before),
        // It has held for as long as there was a clock.
        webpki::Error::UnknownIssuer => SystemTime::UNIX_EPOCH,
        other => return Err(other),
    };
    match at(u64::MAX >> 24) {
        webpki::Error::CertExpired { not_after, .. } => Ok((begins, since(not_after))),
        other => Err(other),
    }
}

/// Every certificate of a file, at least one.
pub(crate) fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = bytes(file)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match read {
        Ok(chain) if chain.is_empty() => Err(told(&pem::Error::NoItemsFound, "a certificate")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(told(&error, "a certificate")),
    }
}

fn bytes(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => error.to_string(),
        };
        format!("it could not be read: {why}")
    })
}

fn told(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("it has no section with {what} (PEM)"),
        error => format!("it has no section with {what} that can be read (PEM): {error}"),
    }
}
