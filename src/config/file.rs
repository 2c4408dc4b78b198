//! Files as layers: what stands at their top, their defaults, and their revisions one by one.
//! Decides which files and which shapes of files are read at all, and how what several of them say
//! of one revision is put together. What a manifest means is in `manifest`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::complaint::{Complaint, Complaints, Origin};
use super::gateway;
use super::keys::{DEFAULTS, HOSTS, MODELS, NAME, REVISION, REVISIONS, TOP};
use super::layers::{Layer, Layers};
use super::manifest::{self, Manifest, Subject};
use super::tree::{Node, Value};
use super::yaml;

/// What all files say together.
#[derive(Default)]
pub(super) struct Files {
    pub(super) top: Layer,
    /// What a cluster's `ConfigMap` says of every revision.
    pub(super) cluster: Layer,
    pub(super) defaults: Layer,
    pub(super) revisions: Vec<Section>,
    /// Read when all files are: the `ConfigMap` may stand behind them.
    manifests: Vec<Manifest>,
    /// Kept until all files are read: the complaint, should none of them have a revision.
    pub(super) no_revisions: Option<Complaint>,
}

/// One revision as it was written.
pub(super) struct Section {
    /// Where it begins.
    pub(super) at: Node,
    /// What was written about it, the lowest layer first.
    pub(super) layers: Vec<Layer>,
    /// What only a manifest says.
    pub(super) subject: Option<Subject>,
}

impl Section {
    /// The name, if it has one that can be read.
    pub(super) fn name(&self) -> Option<String> {
        Layers::new(self.layers.iter().collect()).written(&NAME)
    }
}

/// Reads files in their order. What stands at the top may be said once in all of them; defaults
/// hold for the revisions of all.
pub(super) fn read(files: &[PathBuf], complaints: &mut Complaints) -> Files {
    let roots = files.iter().map(|path| {
        let file: Arc<Path> = Arc::from(path.as_path());
        let text = text(&file, complaints)?;
        documents(&file, &text, complaints)
    });
    let roots: Vec<_> = roots.collect();
    join(roots, complaints)
}

/// Reads the text of one file.
pub(super) fn read_text(name: &Path, text: &str, complaints: &mut Complaints) -> Files {
    let documents = documents(&Arc::from(name), text, complaints);
    join([documents], complaints)
}

/// Puts what stands in each file together; `None` is a file that could not be read.
fn join(files: impl IntoIterator<Item = Option<Vec<Node>>>, complaints: &mut Complaints) -> Files {
    let mut all = Files::default();
    let mut every_file_is_read = true;
    for documents in files {
        match documents {
            Some(documents) => all.add_file(&documents, complaints),
            None => every_file_is_read = false,
        }
    }
    all.add_manifests(complaints);
    if !all.revisions.is_empty() || !every_file_is_read {
        all.no_revisions = None;
    }
    all
}

/// What holds for every revision that does not say otherwise.
pub(super) fn defaults(written: &Node, complaints: &mut Complaints) -> Layer {
    let layer = Layer::read(written, REVISION, complaints);
    for path in [NAME.about.path, HOSTS.about.path, MODELS.about.path] {
        if let Some(node) = layer.get(path) {
            complaints.push(node.complaint("cannot be a default, every revision has its own"));
        }
    }
    layer
}

pub(super) fn text(file: &Arc<Path>, complaints: &mut Complaints) -> Option<String> {
    let complain =
        |error| complaints.push(whole(file, format!("could not be read: {}", plain(&error))));
    fs::read_to_string(file).map_err(complain).ok()
}

/// The documents of a file that has at least one.
fn documents(file: &Arc<Path>, text: &str, complaints: &mut Complaints) -> Option<Vec<Node>> {
    let documents = any_documents(file, text, complaints)?;
    if documents.is_empty() {
        complaints.push(whole(file, "is empty, wanted revisions"));
        return None;
    }
    Some(documents)
}

/// The documents of a file: one of ours, or any number of manifests.
pub(super) fn any_documents(
    file: &Arc<Path>,
    text: &str,
    complaints: &mut Complaints,
) -> Option<Vec<Node>> {
    let mut documents = yaml::parse(file, text, complaints)?;
    // Between two separators there may be only comments, and so in a whole file.
    documents.retain(|document| document.value != Value::Nothing);
    let ours = |document: &Node| !manifest::is_manifest(document);
    if let [_, second, ..] = documents.as_slice()
        && documents.iter().any(ours)
    {
        let message = "a second document begins here, wanted one document per file";
        complaints.push(second.complaint(message));
        return None;
    }
    let is_map = |document: &&Node| matches!(document.value, Value::Map(_));
    if let Some(other) = documents.iter().find(|document| !is_map(document)) {
        complaints.push(other.wanted("a map of settings"));
        return None;
    }
    Some(documents)
}

fn whole(file: &Arc<Path>, message: impl Into<String>) -> Complaint {
    let origin = Origin::WholeFile(Arc::clone(file));
    Complaint {
        origin,
        path: String::new(),
        message: message.into(),
    }
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::InvalidData => "not UTF-8 text".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

impl Files {
    fn add_file(&mut self, documents: &[Node], complaints: &mut Complaints) {
        for document in documents {
            if manifest::is_manifest(document) {
                self.add_manifest(document, complaints);
            } else {
                self.add_ours(document, complaints);
            }
        }
    }

    fn add_manifest(&mut self, document: &Node, complaints: &mut Complaints) {
        let before = complaints.len();
        let read = manifest::read(document, complaints);
        let scales = |one: &Manifest| !matches!(one, Manifest::ConfigAutoscaler(_));
        // What is wrong with one that is there is said, not that none is.
        if complaints.len() == before && !read.iter().any(scales) {
            self.no_revisions.get_or_insert_with(|| {
                document.complaint(
                    "wanted at least one revision, InferenceService or workload with \
                     holdgate.dev/enabled: \"true\"",
                )
            });
        }
        for manifest in read {
            match manifest {
                Manifest::ConfigAutoscaler(layer) => self.cluster.join(layer, complaints),
                later => self.manifests.push(later),
            }
        }
    }

    /// Puts what files of ours say of what a manifest describes on top of it, and takes the others as
    /// they are.
    fn add_manifests(&mut self, complaints: &mut Complaints) {
        for manifest in std::mem::take(&mut self.manifests) {
            for mut section in manifest.sections(&self.cluster, complaints) {
                let name = section.name();
                let same = |ours: &Section| {
                    ours.subject.is_none() && name.is_some() && ours.name() == name
                };
                if let Some(place) = self.revisions.iter().position(same) {
                    section.layers.extend(self.revisions.remove(place).layers);
                }
                self.revisions.push(section);
            }
        }
    }

    fn add_ours(&mut self, root: &Node, complaints: &mut Complaints) {
        let root = &gateway::without_its_keys(root, complaints);
        let mut top = Layer::read(root, TOP, complaints);
        if let Some(written) = top.take(DEFAULTS.about.path) {
            self.defaults
                .join(defaults(&written, complaints), complaints);
        }
        let revisions = top.take(REVISIONS.about.path);
        let said_none = |node: &Node| match &node.value {
            Value::List(items) => items.is_empty(),
            value => *value == Value::Nothing,
        };
        if revisions.as_ref().is_none_or(said_none) {
            self.no_revisions.get_or_insert_with(|| Complaint {
                origin: revisions.as_ref().unwrap_or(root).origin.clone(),
                path: REVISIONS.about.path.to_owned(),
                message: "wanted at least one revision".to_owned(),
            });
        }
        if let Some(revisions) = revisions {
            self.add_revisions(&revisions, complaints);
        }
        self.top.join(top, complaints);
    }

    fn add_revisions(&mut self, revisions: &Node, complaints: &mut Complaints) {
        if !matches!(revisions.value, Value::List(_) | Value::Nothing) {
            complaints.push(revisions.wanted("a list of revisions"));
        }
        for item in revisions.items() {
            let layer = Layer::read(item, REVISION, complaints);
            // Anything else was complained about, and has no name or command to miss.
            if matches!(item.value, Value::Map(_)) {
                self.revisions.push(Section {
                    at: item.clone(),
                    layers: vec![layer],
                    subject: None,
                });
            }
        }
    }
}
