//! Which ports of a Service lead to a model server, and why a Service cannot be led through the gate.

use std::collections::BTreeMap;

use super::facts::{ServicePort, ServiceView, Target};
use super::spoken::{Spoken, by_name};
use crate::backend::PodSpec;
use crate::backend::kubernetes::door::Door;
use crate::backend::kubernetes::objects::Template;
use crate::revision::{CallerPath, Protocol};

/// What is known of a revision to find the ports that lead to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Where its model server takes requests.
    pub port: u16,
    /// The ports of its containers that have names.
    pub names: BTreeMap<String, u16>,
}

impl Server {
    /// That of pods which are made of this.
    #[must_use]
    pub fn of(pod: &PodSpec, template: &Template) -> Self {
        let ports = template.containers.iter().flat_map(|it| &it.ports);
        let names = ports.filter_map(|port| Some((port.name.clone()?, port.number)));
        Self {
            port: Door::find(pod, template).port,
            names: names.collect(),
        }
    }

    /// Whether it is one for HTTP/2: the ports of Services that lead to it say so, and none says
    /// otherwise; where they say nothing, the name of its own port does.
    fn speaks_http2(&self, spoken: &[Spoken]) -> bool {
        let here = spoken
            .iter()
            .filter(|it| self.number(&it.target) == Some(self.port));
        let mut said = here.map(|it| it.http2).peekable();
        if said.peek().is_some() {
            return said.all(|http2| http2);
        }
        let mut own = self.names.iter().filter(|(_, port)| **port == self.port);
        own.any(|(name, _)| by_name(name) == Some(true))
    }

    /// What it is spoken to in where this is written: what is left open, its port decides.
    #[must_use]
    pub fn protocol(&self, written: Protocol, spoken: &[Spoken]) -> Protocol {
        match written {
            Protocol::Auto if self.speaks_http2(spoken) => Protocol::H2c,
            written => written,
        }
    }

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

fn target(port: &ServicePort) -> String {
    match &port.target {
        _ if !port.tcp => "no port of TCP".to_owned(),
        Target::Number(number) => format!("port {number}"),
        Target::Name(name) => format!("port {name}"),
    }
}
