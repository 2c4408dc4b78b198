//! Which ports of a Service lead to a model server, and why a Service cannot be led through the gate.

use std::collections::BTreeMap;

use super::facts::{ServicePort, ServiceView, Target};
use crate::revision::CallerPath;

/// What is known of a revision to find the ports that lead to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Where its model server takes requests.
    pub port: u16,
    /// The ports of its containers that have names.
    pub names: BTreeMap<String, u16>,
}

impl Server {
    fn number(&self, target: &Target) -> Option<u16> {
        match target {
            Target::Number(number) => Some(*number),
            Target::Name(name) => self.names.get(name).copied(),
        }
    }

    fn is_led_to(&self, port: &ServicePort) -> bool {
        port.tcp && self.number(&port.target) == Some(self.port)
    }
}

/// The ports of a Service whose callers can be led through the gate; why none can, in words.
pub(super) fn leading<'a>(
    service: &'a ServiceView,
    server: &Server,
    path: CallerPath,
) -> Result<Vec<&'a ServicePort>, String> {
    let (name, at) = (&service.at.name, server.port);
    if service.local {
        return Err(format!(
            "callers of Service {name} come to what runs on their own node (internalTrafficPolicy: Local), \
             and a gateway does not run on each"
        ));
    }
    let (led, others): (Vec<_>, Vec<_>) = service
        .ports
        .iter()
        .partition(|port| server.is_led_to(port));
    if led.is_empty() {
        return Err(format!(
            "no port of Service {name} leads to port {at}, where the model server takes requests"
        ));
    }
    let (led, strange): (Vec<_>, Vec<_>) = led.into_iter().partition(|port| http2(port).is_none());
    if let Some(port) = strange.first()
        && (led.is_empty() || path == CallerPath::Always)
    {
        return Err(format!(
            "port {} of Service {name} is for HTTP/2 ({}), and the gate speaks HTTP/1.1 alone: the Service \
             stays as it is",
            port.number,
            http2(port).unwrap_or_default(),
        ));
    }
    match others.first() {
        Some(other) if path == CallerPath::Always => Err(format!(
            "port {} of Service {name} leads to {}, and not to port {at}, where the model server takes \
             requests: path always would take it away",
            other.number,
            target(other),
        )),
        _ => Ok(led),
    }
}

/// By which word a port is one of HTTP/2, which the gate could neither read nor send on. What is written
/// as `appProtocol` counts, else the port's name.
fn http2(port: &ServicePort) -> Option<&str> {
    let is_http2 = |word: &str| matches!(word, "kubernetes.io/h2c" | "h2c" | "http2" | "grpc");
    if let Some(protocol) = &port.app_protocol {
        return Some(protocol.as_str()).filter(|word| is_http2(word));
    }
    let name = port.name.as_deref()?;
    let (first, rest) = name.split_once('-').unwrap_or((name, ""));
    // gRPC-Web is made for HTTP/1.1.
    Some(name).filter(|_| is_http2(first) && rest != "web")
}

fn target(port: &ServicePort) -> String {
    match &port.target {
        _ if !port.tcp => "no port of TCP".to_owned(),
        Target::Number(number) => format!("port {number}"),
        Target::Name(name) => format!("port {name}"),
    }
}
