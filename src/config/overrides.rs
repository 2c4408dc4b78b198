//! What flags and environment say on top of the files. They go through the same tables, bounds and
//! messages as files do; a complaint names the flag or the variable instead of a line.

use std::time::Duration;

use super::complaint::{Complaint, Complaints, Origin};
use super::gateway::{self, GATEWAY};
use super::key::{About, Shape, Table};
use super::keys::{COMMAND, NAME, REVISION, TOP};
use super::layers::Layer;
use super::program::{self, GATEWAY_PROGRAM, LOGGING, PROGRAM, Program};
use super::setting::{Setting, Settings};
use super::sidecar::{self, Knative, TOP_OF_SIDECAR};
use super::tree::{Entry, Node, Value};

/// What flags and environment say. File < environment < flag.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    environment: Sheet,
    flags: Sheet,
    knative: Knative,
    settings: Settings,
    complaints: Complaints,
}

/// What one of the two says about the program, the whole file, a gateway and one revision.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sheet {
    program: Layer,
    top: Layer,
    gateway: Layer,
    sidecar: Layer,
    revision: Layer,
}

/// The flags that every command has.
pub fn logging_flags() -> impl Iterator<Item = &'static About> {
    flags_of(LOGGING)
}

/// The flags of a gateway in a cluster.
pub fn gateway_flags() -> impl Iterator<Item = &'static About> {
    flags_of(GATEWAY)
        .chain(flags_of(PROGRAM))
        .chain(flags_of(GATEWAY_PROGRAM))
}

/// The flags of a gate of local processes as a whole.
pub fn gate_flags() -> impl Iterator<Item = &'static About> {
    flags_of(TOP).chain(flags_of(PROGRAM))
}

/// The flags of a sidecar, but for those of its one revision.
pub fn sidecar_flags() -> impl Iterator<Item = &'static About> {
    flags_of(&TOP_OF_SIDECAR).chain(flags_of(PROGRAM))
}

/// The flags of a sidecar's one revision.
pub fn sidecar_revision_flags() -> impl Iterator<Item = &'static About> {
    let is_top = |about: &About| {
        TOP_OF_SIDECAR
            .iter()
            .any(|key| key.about().path == about.path)
    };
    flags_of(sidecar::sidecar()).filter(move |about| !is_top(about))
}

/// The flags of one revision.
pub fn revision_flags() -> impl Iterator<Item = &'static About> {
    flags_of(REVISION)
}

fn flags_of(table: Table) -> impl Iterator<Item = &'static About> {
    table
        .iter()
        .map(|key| key.about())
        .filter(|about| about.shape != Shape::NoFlag)
}

impl Overrides {
    /// Reads flags, the environment, and the command after `--` (empty when there is none).
    /// `flag` gives the values of a flag by its name without dashes, `environment` a variable.
    pub fn new(
        flag: impl Fn(&str) -> Vec<String>,
        environment: impl Fn(&str) -> Option<String>,
        command: &[String],
    ) -> Self {
        let mut complaints = Complaints::default();
        let from_environment = |about: &About| {
            let name = about.environment();
            let values = environment(&name).map_or_else(Vec::new, |text| split(about, &text));
            (Origin::Environment(name), values)
        };
        let from_flags =
            |about: &About| (Origin::Flag(format!("--{}", about.flag)), flag(about.flag));
        let environment = Sheet::read(from_environment, &mut complaints);
        let mut flags = Sheet::read(from_flags, &mut complaints);
        if !command.is_empty() {
            let node = node_of(Shape::List, &Origin::CommandLine, command);
            set(&mut flags.revision, &COMMAND, node, &mut complaints);
        }
        Self {
            environment,
            flags,
            knative: Knative::default(),
            settings: Settings::default(),
            complaints,
        }
    }

    /// The same for a sidecar, which knows the names of Knative's queue-proxy as well.
    pub fn beside(
        flag: impl Fn(&str) -> Vec<String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Self {
        // Kubernetes sets these in every pod for a Service called holdgate or holdgate-readiness.
        let of_a_service = |text: &String| text.contains("://");
        let ours = |name: &str| {
            let said = environment(name);
            said.filter(|text| !(name.ends_with("_PORT") && of_a_service(text)))
        };
        let mut overrides = Self::new(flag, ours, &[]);
        overrides.knative = Knative::read(environment, &mut overrides.complaints);
        overrides
    }

    /// The same with these settings on top of everything.
    #[must_use]
    pub fn with(&self, settings: &[Setting]) -> Self {
        Self {
            settings: Settings::new(settings),
            ..self.clone()
        }
    }

    /// What holds for the program as a whole, with defaults for what cannot be read: something must
    /// hold while complaints are told.
    #[must_use]
    pub fn program(&self) -> Program {
        program::program(&[&self.environment.program, &self.flags.program])
    }

    /// What is wrong with flags and environment; `load` tells it together with the files.
    #[must_use]
    pub fn complaints(&self) -> &Complaints {
        &self.complaints
    }

    /// What is said about the whole file, the environment first.
    pub(super) fn top(&self) -> [&Layer; 3] {
        [&self.environment.top, &self.flags.top, self.settings.top()]
    }

    /// What is said about a gateway, the environment first.
    pub(super) fn gateway(&self) -> [&Layer; 2] {
        [&self.environment.gateway, &self.flags.gateway]
    }

    /// What is said about a sidecar besides its revision, the environment first.
    pub(super) fn sidecar(&self) -> [&Layer; 2] {
        [&self.environment.sidecar, &self.flags.sidecar]
    }

    /// What Knative says in the environment.
    pub(super) fn knative(&self) -> &Knative {
        &self.knative
    }

    /// How long a drain may take: as it is said, else this long, else as long as usual.
    pub(super) fn drain_timeout(&self, otherwise: Option<Duration>) -> Duration {
        program::drain_timeout(&[&self.environment.program, &self.flags.program], otherwise)
    }

    /// What is said that a sidecar is never told. What flags mean elsewhere and here alike is its own.
    pub(super) fn not_for_a_sidecar(&self) -> impl Iterator<Item = Complaint> {
        let said = self.revision().into_iter().flat_map(Layer::iter);
        let is_own = |path: &str| {
            let mut own = TOP_OF_SIDECAR.iter().map(|key| key.about().flag);
            let mut keys = REVISION.iter().map(|key| key.about());
            keys.any(|about| about.path == path && own.any(|flag| flag == about.flag))
        };
        said.filter(move |(path, _)| !is_own(path))
            .filter_map(|(path, node)| sidecar::misplaced_beside(path, node))
    }

    /// What is said that only a gateway is told.
    pub(super) fn only_for_a_gateway(&self) -> impl Iterator<Item = Complaint> {
        let is_shared = |path: &str| TOP.iter().any(|key| key.about().path == path);
        let said = self.gateway().into_iter().flat_map(Layer::iter);
        let only = said.filter(move |(path, _)| !is_shared(path));
        only.map(|(_, node)| node.complaint(gateway::NOT_FOR_PROCESSES))
    }

    /// What is said that a gateway is never told.
    pub(super) fn not_for_a_gateway(&self) -> impl Iterator<Item = Complaint> {
        let sheets = [&self.environment, &self.flags].into_iter();
        let said = sheets.flat_map(|sheet| sheet.top.iter().chain(sheet.revision.iter()));
        said.filter_map(|(path, node)| gateway::misplaced(path, node))
    }

    /// What is set for revisions by name or for all of them.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is said about one revision, the environment first.
    pub(super) fn revision(&self) -> [&Layer; 2] {
        [&self.environment.revision, &self.flags.revision]
    }

    /// The name that picks a revision.
    pub(super) fn name(&self) -> Option<&Node> {
        self.revision()
            .into_iter()
            .rev()
            .find_map(|layer| layer.get(NAME.about.path))
    }

    /// The first thing said about one revision besides its name.
    pub(super) fn first_of_revision(&self) -> Option<&Node> {
        self.revision()
            .into_iter()
            .flat_map(Layer::iter)
            .find(|(path, _)| *path != NAME.about.path)
            .map(|(_, node)| node)
    }

    /// The command after `--`.
    pub(super) fn command(&self) -> Option<&Node> {
        self.flags.revision.get(COMMAND.about.path)
    }
}

impl Sheet {
    fn read(said: impl Fn(&About) -> (Origin, Vec<String>), complaints: &mut Complaints) -> Self {
        let mut read = |tables: &[Table]| {
            let mut layer = Layer::default();
            for key in tables.iter().flat_map(|table| table.iter()) {
                let about = key.about();
                if about.shape == Shape::NoFlag {
                    continue;
                }
                let (origin, values) = said(about);
                if !values.is_empty() {
                    set(
                        &mut layer,
                        *key,
                        node_of(about.shape, &origin, &values),
                        complaints,
                    );
                }
            }
            layer
        };
        Self {
            program: read(&[LOGGING, PROGRAM, GATEWAY_PROGRAM]),
            top: read(&[TOP]),
            gateway: read(&[GATEWAY]),
            sidecar: read(&[&TOP_OF_SIDECAR]),
            revision: read(&[REVISION]),
        }
    }
}

fn set(
    layer: &mut Layer,
    key: &dyn super::key::AnyKey,
    node: Result<Node, Complaint>,
    complaints: &mut Complaints,
) {
    match node {
        Ok(node) => layer.set(key, node, complaints),
        Err(complaint) => complaints.push(complaint),
    }
}

/// The values in one variable. An empty variable says nothing: composing tools cannot unset one.
pub(super) fn split(about: &About, text: &str) -> Vec<String> {
    let parts: Vec<&str> = match about.shape {
        Shape::One | Shape::NoFlag => vec![text],
        Shape::List | Shape::Map => text.split(',').map(str::trim).collect(),
    };
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The values of a flag as they would stand in a file.
pub(super) fn node_of(shape: Shape, origin: &Origin, values: &[String]) -> Result<Node, Complaint> {
    let value = match shape {
        Shape::List => Value::List(values.iter().map(|v| Node::plain(origin, v)).collect()),
        Shape::Map => Value::Map(
            values
                .iter()
                .map(|v| variable(origin, v))
                .collect::<Result<_, _>>()?,
        ),
        Shape::One | Shape::NoFlag => {
            return Ok(Node::plain(
                origin,
                values.last().map_or("", String::as_str),
            ));
        }
    };
    Ok(Node {
        origin: origin.clone(),
        path: String::new(),
        value,
    })
}

fn variable(origin: &Origin, written: &str) -> Result<Entry, Complaint> {
    let Some((key, value)) = written.split_once('=') else {
        let node = Node::plain(origin, written);
        return Err(node.wanted("NAME=VALUE"));
    };
    let node = Node::plain(origin, value);
    Ok(Entry {
        key: key.to_owned(),
        origin: origin.clone(),
        node,
    })
}
