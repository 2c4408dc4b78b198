//! What an `InferenceService` is called, and by which host names it is asked for: those that its
//! components have in a cluster.

use super::component::Role;
use crate::config::complaint::Complaints;
use crate::config::tree::{Node, Value};

/// The domain of routes where nobody set another, as `KServe` and Knative have it.
const DOMAIN: &str = "example.com";

/// What an `InferenceService` is called.
pub(super) struct Service {
    /// Where its name was written.
    at: Node,
    name: String,
    namespace: String,
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
    pub(super) fn component(&self, role: Role, own: Option<&str>) -> Node {
        let own = own.map(|own| format!("{own}-")).unwrap_or_default();
        self.at
            .saying(&format!("{}-{own}{}", self.name, role.as_str()))
    }

    /// The hosts of a component. Those of the service itself lead to its entry.
    pub(super) fn hosts(&self, component: &str, role: Role, is_entry: bool) -> Node {
        let Self {
            name, namespace, ..
        } = self;
        let names = [Some(component), is_entry.then_some(name)];
        let forms = |name: &str| {
            [
                format!("{name}.{namespace}.{DOMAIN}"),
                format!("{name}-{namespace}.{DOMAIN}"),
                format!("{name}.{namespace}"),
                format!("{name}.{namespace}.svc"),
                format!("{name}.{namespace}.svc.cluster.local"),
            ]
        };
        let old = format!("{name}-{}-default.{namespace}.{DOMAIN}", role.as_str());
        let hosts = names.into_iter().flatten().flat_map(forms);
        let hosts = hosts.chain([old]);
        self.list(hosts.map(|host| self.at.saying(&host)).collect())
    }

    /// The models of a component: its service's name, where it is the entry.
    pub(super) fn models(&self, is_entry: bool) -> Node {
        let model = is_entry.then(|| self.at.saying(&self.name));
        self.list(model.into_iter().collect())
    }

    fn list(&self, items: Vec<Node>) -> Node {
        Node {
            value: Value::List(items),
            ..self.at.clone()
        }
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || c == '-')
}
