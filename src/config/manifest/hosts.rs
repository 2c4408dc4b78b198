//! What an `InferenceService` is called, and by which host names it is asked for: those that its
//! components have in a cluster.

use super::site::Site;
use crate::backend::Component;
use crate::config::complaint::Complaints;
use crate::config::keys as k;
use crate::config::layers::{Layer, Layers};
use crate::config::pod;
use crate::config::tree::{Node, Value};

/// What an `InferenceService` is called.
pub(super) struct Service {
    /// Where its name was written.
    pub(super) at: Node,
    pub(super) name: String,
    pub(super) namespace: String,
}

impl Service {
    pub(super) fn read(service: &Node, complaints: &mut Complaints) -> Option<Self> {
        let metadata = service.given("metadata");
        let Some(at) = metadata.and_then(|metadata| metadata.given("name")) else {
            let at = metadata.unwrap_or(service);
            complaints.push(at.complaint("wanted a name of the InferenceService"));
            return None;
        };
        let name = at.text().filter(|name| is_name(name));
        let Some(name) = name else {
            let what = "a name of lower-case letters, digits and - that begins with a letter";
            complaints.push(at.wanted(what));
            return None;
        };
        let namespace = metadata.and_then(|metadata| metadata.given("namespace"));
        let namespace = namespace.and_then(Node::text).unwrap_or("default");
        Some(Self {
            at: at.clone(),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
        })
    }

    /// The name of a component, as its Deployment has it; a predictor may have one of its own.
    pub(super) fn component(&self, role: Component, own: Option<&str>) -> Node {
        let own = own.map(|own| format!("{own}-")).unwrap_or_default();
        self.at
            .saying(&format!("{}-{own}{}", self.name, role.as_str()))
    }

    /// The hosts of a component. Those of the service itself lead to its entry.
    pub(super) fn hosts(
        &self,
        component: &str,
        role: Component,
        is_entry: bool,
        site: Site<'_>,
    ) -> Vec<Node> {
        let (namespace, domain) = (self.namespace.as_str(), site.domain());
        // Objects from before 0.16 are called otherwise.
        let workload = site.facts().and_then(|facts| facts.workload(namespace));
        let names = [
            Some(component),
            is_entry.then_some(self.name.as_str()),
            workload,
        ];
        let forms = |name: &str| {
            let routed = routed(name, namespace, domain);
            routed.into_iter().chain(inside(name, namespace))
        };
        let old = format!(
            "{}-{}-default.{namespace}.{domain}",
            self.name,
            role.as_str()
        );
        let hosts = names.into_iter().flatten().flat_map(forms).chain([old]);
        hosts.map(|host| self.at.saying(&host)).collect()
    }

    /// The models of a component: its service's name, where it is the entry.
    pub(super) fn models(&self, is_entry: bool) -> Node {
        let model = is_entry.then(|| self.at.saying(&self.name));
        list(&self.at, model.into_iter().collect())
    }
}

/// A list that somebody might have written in this place.
fn list(at: &Node, items: Vec<Node>) -> Node {
    Node {
        value: Value::List(items),
        ..at.clone()
    }
}

/// The names that routes give.
pub(super) fn routed(name: &str, namespace: &str, domain: &str) -> [String; 2] {
    [
        format!("{name}.{namespace}.{domain}"),
        format!("{name}-{namespace}.{domain}"),
    ]
}

/// The names that a Service has inside its cluster.
fn inside(service: &str, namespace: &str) -> [String; 3] {
    ["", ".svc", ".svc.cluster.local"].map(|end| format!("{service}.{namespace}{end}"))
}

/// All hosts that lead to a revision: those it has of itself, those of the Services that lead to its
/// pods, and those that somebody wrote, which are taken out of the layer.
pub(super) fn all(
    own: Vec<Node>,
    at: &Node,
    namespace: &str,
    ours: &mut Layer,
    site: Site<'_>,
) -> Node {
    let chosen = Layers::new(vec![ours]).written(&pod::SERVICE);
    let seen = || site.facts().map(|facts| facts.services.clone());
    let chosen = chosen.filter(|services| !services.is_empty());
    let services = chosen.or_else(seen).unwrap_or_default();
    let of_services = services.iter().flat_map(|name| inside(name, namespace));
    let mut hosts = own;
    hosts.extend(of_services.map(|host| at.saying(&host)));
    if let Some(written) = ours.take(k::HOSTS.about.path) {
        hosts.extend(written.items().iter().cloned());
    }
    list(at, hosts)
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || c == '-')
}
