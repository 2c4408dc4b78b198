//! What is spoken at a port, by the words that a Service or a container has for it.

use super::facts::{ServicePort, Target};

/// What a port of a Service says is spoken where it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Where it leads to.
    pub target: Target,
    /// HTTP/2, or else something that is not.
    pub http2: bool,
}

impl Spoken {
    /// What a port says; `None` where it says nothing. What is written as `appProtocol` counts, else
    /// the port's name.
    pub(in super::super) fn at(port: &ServicePort) -> Option<Self> {
        let said = match &port.app_protocol {
            Some(word) => Some(is_http2(
                word.strip_prefix("kubernetes.io/").unwrap_or(word),
            )),
            None => by_name(port.name.as_deref()?),
        };
        let http2 = said.filter(|_| port.tcp)?;
        let target = port.target.clone();
        Some(Self { target, http2 })
    }
}

/// Whether a port with this name is one for HTTP/2, or for HTTP/1.1; most names say neither.
pub(super) fn by_name(name: &str) -> Option<bool> {
    match name.split_once('-').map_or(name, |(first, _)| first) {
        // gRPC-Web is made for HTTP/1.1.
        _ if name == "grpc-web" => Some(false),
        first if is_http2(first) => Some(true),
        "http" | "http1" => Some(false),
        _ => None,
    }
}

fn is_http2(word: &str) -> bool {
    matches!(word, "h2c" | "http2" | "grpc")
}
