//! TLS as far as it is not a door's: certificates as files have them, and how replicas are reached by
//! it. What clients are shown is in `server::tls`; who decides that replicas speak TLS is not here.

#[cfg(feature = "tls")]
mod certificate;
#[cfg(feature = "tls")]
mod replicas;
#[cfg(not(feature = "tls"))]
#[path = "no_replicas.rs"]
mod replicas;
#[cfg(all(test, feature = "tls"))]
pub(crate) mod samples;
#[cfg(feature = "tls")]
pub(crate) mod unverified;

#[cfg(feature = "tls")]
pub(crate) use certificate::read_certificates;
#[cfg(feature = "tls")]
pub use certificate::{Certificate, Flaw};
#[cfg(feature = "tls")]
pub use replicas::Unfit;
pub use replicas::{ReplicaTls, Secured};

/// What is to be spoken behind a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// HTTP/1.1, or whatever a server that names no protocol speaks first.
    Http1,
    /// HTTP/2.
    Http2,
    /// Either of them, as nothing is said.
    Any,
}
