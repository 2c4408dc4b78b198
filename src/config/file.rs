//! Files as layers: what stands at their top, their defaults, and their revisions one by one.
//! Decides which files and which shapes of files are read at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::complaint::{Complaint, Complaints, Origin};
use super::keys::{DEFAULTS, HOSTS, MODELS, NAME, REVISION, REVISIONS, TOP};
use super::layers::Layer;
use super::tree::{self, Node, Value};

/// What all files say together.
#[derive(Default)]
pub(super) struct Files {
    pub(super) top: Layer,
    pub(super) defaults: Layer,
    pub(super) revisions: Vec<Section>,
    /// Kept until all files are read: the complaint, should none of them have a revision.
    pub(super) no_revisions: Option<Complaint>,
}

/// One revision as it was written.
pub(super) struct Section {
    /// Where it begins.
    pub(super) at: Node,
    pub(super) layer: Layer,
}

/// Reads files in their order. What stands at the top may be said once in all of them; defaults
/// hold for the revisions of all.
pub(super) fn read(files: &[PathBuf], complaints: &mut Complaints) -> Files {
    let roots = files.iter().map(|path| {
        let file: Arc<Path> = Arc::from(path.as_path());
        let text = text(&file, complaints)?;
        root(&file, &text, complaints)
    });
    let roots: Vec<_> = roots.collect();
    join(roots, complaints)
}

/// Reads the text of one file.
pub(super) fn read_text(name: &Path, text: &str, complaints: &mut Complaints) -> Files {
    let root = root(&Arc::from(name), text, complaints);
    join([root], complaints)
}

/// Puts what stands in each file together; `None` is a file that could not be read.
fn join(roots: impl IntoIterator<Item = Option<Node>>, complaints: &mut Complaints) -> Files {
    let mut all = Files::default();
    let mut every_file_is_read = true;
    for root in roots {
        match root {
            Some(root) => all.add(&root, complaints),
            None => every_file_is_read = false,
        }
    }
    if !all.revisions.is_empty() || !every_file_is_read {
        all.no_revisions = None;
    }
    all
}

fn text(file: &Arc<Path>, complaints: &mut Complaints) -> Option<String> {
    let complain =
        |error| complaints.push(whole(file, format!("could not be read: {}", plain(&error))));
    fs::read_to_string(file).map_err(complain).ok()
}

fn root(file: &Arc<Path>, text: &str, complaints: &mut Complaints) -> Option<Node> {
    let before = complaints.len();
    let root = tree::parse(file, text, complaints);
    match root {
        None if complaints.len() == before => {
            complaints.push(whole(file, "is empty, wanted revisions"));
            None
        }
        Some(root) => supported(root, complaints),
        None => None,
    }
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
        _ => error.to_string(),
    }
}

/// Refuses what is no file of ours as a whole, instead of key by key.
fn supported(root: Node, complaints: &mut Complaints) -> Option<Node> {
    if !matches!(root.value, Value::Map(_)) {
        complaints.push(root.wanted("a map of settings"));
        return None;
    }
    let Some(kind) = root.entry("kind").or_else(|| root.entry("apiVersion")) else {
        return Some(root);
    };
    let found = kind.node.found();
    let message = format!("Kubernetes manifests ({found}) are not read yet, wanted revisions");
    complaints.push(kind.node.complaint(message));
    None
}

impl Files {
    fn add(&mut self, root: &Node, complaints: &mut Complaints) {
        let mut top = Layer::read(root, TOP, complaints);
        if let Some(defaults) = top.take(DEFAULTS.about.path) {
            let layer = Layer::read(&defaults, REVISION, complaints);
            for path in [NAME.about.path, HOSTS.about.path, MODELS.about.path] {
                if let Some(node) = layer.get(path) {
                    complaints
                        .push(node.complaint("cannot be a default, every revision has its own"));
                }
            }
            self.defaults.join(layer, complaints);
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
                    layer,
                });
            }
        }
    }
}
