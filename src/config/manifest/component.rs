//! One component of an `InferenceService` as a revision: its fields over its annotations.

use super::annotations::Annotations;
use super::fields::{self, FIELDS, MODEL_SERVERS};
use super::hosts::Service;
use super::resources::{self, Kind};
use crate::config::complaint::Complaints;
use crate::config::file::Section;
use crate::config::keys as k;
use crate::config::layers::{Layer, Layers};
use crate::config::tree::{Node, Value};

/// The container that `KServe` takes for the model server, now and in its first group.
const MAIN_CONTAINERS: [&str; 2] = ["kserve-container", "kfserving-container"];

/// Who of `KServe`'s scales a component in a cluster.
const AUTOSCALER_CLASS: &str = "serving.kserve.io/autoscalerClass";

/// What a component does for its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Predictor,
    Transformer,
    Explainer,
}

impl Role {
    pub(super) const ALL: [Self; 3] = [Self::Predictor, Self::Transformer, Self::Explainer];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Predictor => "predictor",
            Self::Transformer => "transformer",
            Self::Explainer => "explainer",
        }
    }

    pub(super) fn called(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// What only a manifest says of a revision.
pub(in crate::config) struct Component {
    role: Role,
    name: String,
    /// Below the defaults of files: what `KServe` writes for what its manifests leave out, over what
    /// a cluster says of all.
    pub(in crate::config) defaults: Layer,
}

impl Component {
    /// It stands before or beside a predictor: flags and the command are not meant for it.
    pub(in crate::config) fn helps(&self) -> bool {
        self.role != Role::Predictor
    }

    /// Where its command is looked for.
    pub(in crate::config) fn wanted_command(&self) -> String {
        let name = &self.name;
        let file = format!("a file with a revision {name} and its process.command");
        match self.role {
            Role::Predictor => format!("no command to run it, wanted -- COMMAND, or {file}"),
            _ => format!("no command to run it, wanted {file}"),
        }
    }
}

/// One component as it was written.
pub(super) struct Part<'a> {
    pub(super) role: Role,
    pub(super) node: &'a Node,
    pub(super) annotations: Annotations<'a>,
    /// The autoscaler class of the cluster.
    pub(super) of_cluster: Option<String>,
}

impl Part<'_> {
    pub(super) fn section(
        &self,
        service: &Service,
        is_entry: bool,
        complaints: &mut Complaints,
    ) -> Section {
        self.look_at_class(complaints);
        let resources = resources::of(self.container(complaints), complaints);
        let class = self.of_cluster.clone();
        let mut knative = self.annotations.knative(class, complaints);
        let ours = self.annotations.ours(complaints);
        let mut fields = self.fields(complaints);
        self.name_dropped(&knative, &fields, complaints);
        let kind = Kind::of(self.node, complaints);
        let metric = Layers::new(vec![&knative, &ours, &fields]).written(&k::SCALE_METRIC);
        if let Some(metric) = metric {
            resources::convert(&mut fields, &metric, kind, resources);
            let kind = Kind::of_annotation(&metric);
            resources::convert(&mut knative, &metric, kind, resources);
        }
        let mut named = self.name(service, is_entry, complaints);
        resources::write(&mut named, self.node, resources);
        if let Some(metrics) = resources::metrics(self.node, resources, complaints) {
            named.set(&k::METRICS, metrics, complaints);
        }
        let name = named.get(k::NAME.about.path).map(Node::found);
        let component = Component {
            role: self.role,
            name: name.unwrap_or_default(),
            defaults: self.defaults(),
        };
        Section {
            at: self.node.clone(),
            layers: vec![named, knative, ours, fields],
            component: Some(component),
        }
    }

    fn defaults(&self) -> Layer {
        let mut layer = Layer::default();
        let one = self.node.saying("1");
        layer.set(&k::MIN_REPLICAS, one, &mut Complaints::default());
        layer
    }

    fn fields(&self, complaints: &mut Complaints) -> Layer {
        let mut layer = Layer::default();
        if !matches!(self.node.value, Value::Map(_)) {
            complaints.push(self.node.wanted("a map"));
        }
        for entry in self.node.entries() {
            let field = FIELDS.iter().find(|word| word.name == entry.key);
            match field {
                _ if entry.node.value == Value::Nothing => {}
                Some(field) => field.set(&entry.node, &mut layer, complaints),
                None => fields::name_what_is_not_read(entry, complaints),
            }
        }
        layer
    }

    /// The layer of what it is called. What its annotations say of hosts and models wins.
    fn name(&self, service: &Service, is_entry: bool, complaints: &mut Complaints) -> Layer {
        let own = self.node.given("name").and_then(Node::text);
        let name = service.component(self.role, own.filter(|_| self.role == Role::Predictor));
        let mut layer = Layer::default();
        let hosts = service.hosts(&name.found(), self.role, is_entry);
        layer.set(&k::NAME, name, complaints);
        layer.set(&k::HOSTS, hosts, complaints);
        layer.set(&k::MODELS, service.models(is_entry), complaints);
        layer
    }

    fn look_at_class(&self, complaints: &mut Complaints) {
        let Some((node, class)) = self.annotations.text(AUTOSCALER_CLASS) else {
            return;
        };
        match class {
            "external" => {}
            "hpa" | "keda" | "none" => {
                let message =
                    "in a cluster KServe scales this itself, external leaves it to Holdgate";
                complaints.warn(node.complaint(message));
            }
            _ => complaints.push(node.wanted("hpa or external or keda or none")),
        }
    }

    /// Knative's bounds as annotations: `KServe` drops them on their way.
    fn name_dropped(&self, knative: &Layer, fields: &Layer, complaints: &mut Complaints) {
        for path in [k::MIN_REPLICAS.about.path, k::MAX_REPLICAS.about.path] {
            let Some(node) = knative.get(path) else {
                continue;
            };
            let message = match fields.get(path) {
                Some(_) => format!("is not read beside {}.{path}", self.node.path),
                None => format!("counts here, but KServe drops it; {path} is read everywhere"),
            };
            complaints.warn(node.complaint(message));
        }
    }

    /// The container whose resources count. A component has exactly one implementation.
    fn container(&self, complaints: &mut Complaints) -> Option<&Node> {
        let servers = MODEL_SERVERS
            .iter()
            .filter_map(|field| self.node.given(field));
        let mut servers: Vec<&Node> = match self.role {
            Role::Predictor => servers.collect(),
            _ => Vec::new(),
        };
        for server in &servers {
            if let Some(name) = server.given("name") {
                complaints.push(name.complaint("KServe names this container itself"));
            }
        }
        let containers = self
            .node
            .given("containers")
            .map(Node::items)
            .unwrap_or_default();
        let is_main = |node: &&Node| {
            let name = node.given("name").and_then(Node::text);
            name.is_some_and(|name| MAIN_CONTAINERS.contains(&name))
        };
        servers.extend(containers.iter().filter(is_main));
        match servers[..] {
            [one] => Some(one),
            [] if !containers.is_empty() => containers.first(),
            [] if self.role == Role::Explainer => None,
            [] => {
                let what = match self.role {
                    Role::Predictor => "a model server (model, or containers)",
                    _ => "containers",
                };
                complaints.push(self.node.complaint(format!("wanted {what}")));
                None
            }
            [_, second, ..] => {
                complaints.push(second.complaint("wanted one model server, this is another"));
                None
            }
        }
    }
}
