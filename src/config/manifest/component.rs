//! One component of an `InferenceService` as a revision: its fields over its annotations.

use super::annotations::Annotations;
use super::fields::{self, FIELDS, MODEL_SERVERS};
use super::hosts::{self, Service};
use super::model;
use super::resources::{self, Kind};
use super::site::Site;
use super::subject::{Subject, What};
use crate::backend::Component;
use crate::config::complaint::Complaints;
use crate::config::file::Section;
use crate::config::keys as k;
use crate::config::layers::{Layer, Layers};
use crate::config::tree::{Node, Value};

/// The container that `KServe` takes for the model server, now and in its first group.
const MAIN_CONTAINERS: [&str; 2] = ["kserve-container", "kfserving-container"];

/// Who of `KServe`'s scales a component in a cluster.
const AUTOSCALER_CLASS: &str = "serving.kserve.io/autoscalerClass";
const EXTERNAL: &str = "external";
const CLASSES: [&str; 4] = ["hpa", EXTERNAL, "keda", "none"];

/// Whether it is to be there at all.
const STOP: &str = "serving.kserve.io/stop";

/// One component as it was written.
pub(super) struct Part<'a> {
    pub(super) role: Component,
    pub(super) node: &'a Node,
    pub(super) annotations: Annotations<'a>,
    /// The service's own name leads to it.
    pub(super) is_entry: bool,
    /// The autoscaler class of the cluster.
    pub(super) of_cluster: Option<String>,
    pub(super) site: Site<'a>,
}

impl<'a> Part<'a> {
    pub(super) fn section(&self, service: &Service, complaints: &mut Complaints) -> Section {
        self.look_at_class(complaints);
        self.look_at_stop(complaints);
        let written = resources::of_component(self.container(complaints), complaints);
        let resources = self.site.resources(written);
        let class = self.of_cluster.clone();
        let mut knative = self.annotations.knative(class, complaints);
        let mut ours = self.annotations.ours(self.site, complaints);
        let mut fields = self.fields(complaints);
        self.name_dropped(&knative, &fields, complaints);
        let kind = Kind::of(self.node, complaints);
        let metric = Layers::new(vec![&knative, &ours, &fields]).written(&k::SCALE_METRIC);
        if let Some(metric) = metric {
            resources::look_at_percentage(&fields, &metric, kind, complaints);
            resources::convert(&mut fields, &metric, kind, resources);
            let kind = Kind::of_annotation(&metric);
            resources::convert(&mut knative, &metric, kind, resources);
        }
        let mut named = self.name(service, &mut ours, complaints);
        resources::write(&mut named, self.node, resources);
        if let Some(metrics) = resources::metrics(self.node, resources, complaints) {
            named.set(&k::METRICS, metrics, complaints);
        }
        let name = named.get(k::NAME.about.path).map(Node::found);
        let args = self.site.facts().map(|facts| facts.args.as_slice());
        let subject = Subject {
            what: What::Component(self.role),
            name: name.unwrap_or_default(),
            defaults: self.defaults(),
            model: model::of(self, &service.name, args.unwrap_or_default()),
            port: fields::port_before(self.node),
        };
        Section {
            at: self.node.clone(),
            layers: vec![named, knative, ours, fields],
            subject: Some(subject),
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
                None => fields::name_what_is_not_read(entry, self.site, complaints),
            }
        }
        layer
    }

    /// The layer of what it is called. What its annotations say of models wins; in a cluster, where
    /// many have services of one name, nothing but those leads to a model.
    fn name(&self, service: &Service, ours: &mut Layer, complaints: &mut Complaints) -> Layer {
        let own = self.node.given("name").and_then(Node::text);
        let name = service.component(self.role, own.filter(|_| self.role == Component::Predictor));
        let mut layer = Layer::default();
        let (at, namespace) = (&service.at, &service.namespace);
        let hosts = service.hosts(&name.found(), self.role, self.is_entry, self.site);
        let hosts = hosts::all(hosts, at, namespace, ours, self.site);
        layer.set(&k::HOSTS, hosts, complaints);
        if self.site.is_here() {
            layer.set(&k::NAME, name, complaints);
            layer.set(&k::MODELS, service.models(self.is_entry), complaints);
        }
        layer
    }

    fn look_at_class(&self, complaints: &mut Complaints) {
        let Some((node, class)) = self.annotations.text(AUTOSCALER_CLASS) else {
            return;
        };
        if !CLASSES.contains(&class) {
            complaints.push(node.wanted(&CLASSES.join(" or ")));
        } else if class != EXTERNAL && self.site.is_here() {
            let message = "in a cluster KServe scales this itself, external leaves it to Holdgate";
            complaints.warn(node.complaint(message));
        }
    }

    /// Whoever starts a manifest by hand wants it to run.
    fn look_at_stop(&self, complaints: &mut Complaints) {
        let stop = self.annotations.text(STOP);
        let stopped = stop.filter(|(_, text)| text.eq_ignore_ascii_case("true"));
        if let Some((node, _)) = stopped.filter(|_| self.site.is_here()) {
            let message = "in a cluster it is stopped by this and answers 503, here it runs";
            complaints.warn(node.complaint(message));
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

    fn containers(&self) -> &'a [Node] {
        let containers = self.node.given("containers");
        containers.map(Node::items).unwrap_or_default()
    }

    /// Of the containers that are written out, the model server.
    pub(super) fn main_container(&self) -> Option<&'a Node> {
        main(self.containers())
    }

    /// The container whose resources count. A component has exactly one implementation.
    fn container(&self, complaints: &mut Complaints) -> Option<&'a Node> {
        let servers = MODEL_SERVERS
            .iter()
            .filter_map(|field| self.node.given(field));
        let mut servers: Vec<&Node> = match self.role {
            Component::Predictor => servers.collect(),
            _ => Vec::new(),
        };
        for server in &servers {
            if let Some(name) = server.given("name") {
                complaints.push(name.complaint("KServe names this container itself"));
            }
        }
        let containers = self.containers();
        servers.extend(containers.iter().filter(|node| is_main(node)));
        match servers[..] {
            [one] => Some(one),
            [] if !containers.is_empty() => containers.first(),
            [] if self.role == Component::Explainer => None,
            [] => {
                let what = match self.role {
                    Component::Predictor => "a model server (model, or containers)",
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

fn is_main(container: &Node) -> bool {
    let name = container.given("name").and_then(Node::text);
    name.is_some_and(is_model_server)
}

/// Whether a container of this name is the model server, wherever it stands.
pub(in crate::config) fn is_model_server(name: &str) -> bool {
    MAIN_CONTAINERS.contains(&name)
}

/// The model server among containers.
pub(super) fn main(containers: &[Node]) -> Option<&Node> {
    let called = containers.iter().find(|node| is_main(node));
    called.or_else(|| containers.first())
}
