//! Everything that was written, as the settings of a gate, or everything that is wrong with it.
//! Puts the layers on top of each other and holds the rules between revisions.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::api_keys::check_revisions;
use super::complaint::{Complaint, Complaints, Origin};
use super::file::{self, Files, Section};
use super::key::Key;
use super::keys as k;
use super::layers::{Layer, Layers};
use super::manifest::Subject;
use super::overrides::Overrides;
use super::revision::{Commands, Draft};
use super::tls;
use super::tree::{Node, Value};
use super::upstream;
use super::words;
use super::{Config, RevisionConfig};
use crate::callers::Keyring;
use crate::server::{Bounds, Patience};

/// Reads files and what flags and environment say on top of them.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn load(files: &[PathBuf], overrides: &Overrides) -> Result<Config, Complaints> {
    read(files, overrides, Commands::MayCome)
}

fn read(
    files: &[PathBuf],
    overrides: &Overrides,
    commands: Commands,
) -> Result<Config, Complaints> {
    let mut complaints = overrides.complaints().clone();
    let written = file::read(files, &mut complaints);
    if files.is_empty() && overrides.command().is_none() {
        complaints.push(Complaint {
            origin: Origin::CommandLine,
            path: String::new(),
            message: match commands {
                Commands::Needed => "wanted a file (-f FILE) or a command (-- COMMAND)".to_owned(),
                Commands::MayCome | Commands::MayComeLooked => "wanted a file (-f FILE)".to_owned(),
            },
        });
    }
    settle(written, overrides, commands, complaints)
}

/// The same, and looks at the files that it names for TLS with replicas.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn load_to_look(files: &[PathBuf], overrides: &Overrides) -> Result<Config, Complaints> {
    read(files, overrides, Commands::MayComeLooked)
}

/// The same for a gate that starts what it reads: there, a component of a manifest needs a command
/// as well.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn load_to_run(files: &[PathBuf], overrides: &Overrides) -> Result<Config, Complaints> {
    read(files, overrides, Commands::Needed)
}

/// The same for the text of one file that was read already; complaints call it `name`.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn load_text(name: &Path, text: &str, overrides: &Overrides) -> Result<Config, Complaints> {
    let mut complaints = overrides.complaints().clone();
    let written = file::read_text(name, text, &mut complaints);
    settle(written, overrides, Commands::MayCome, complaints)
}

fn settle(
    mut written: Files,
    overrides: &Overrides,
    commands: Commands,
    mut complaints: Complaints,
) -> Result<Config, Complaints> {
    overrides
        .only_for_a_gateway()
        .for_each(|misplaced| complaints.push(misplaced));
    let target = if written.revisions.is_empty() && overrides.command().is_some() {
        written.revisions.push(from_command(overrides));
        Some(0)
    } else {
        if let Some(complaint) = written.no_revisions.take() {
            complaints.push(complaint);
        }
        target(&written.revisions, overrides, &mut complaints)
    };
    let drafts: Vec<Draft> = (0..)
        .zip(&written.revisions)
        .map(|(i, section)| draft(section, &written, overrides, target == Some(i)))
        .collect();
    let revisions: Vec<Option<RevisionConfig>> = drafts
        .iter()
        .map(|draft| draft.check(commands, &mut complaints))
        .collect();
    check_between(&drafts, &mut complaints);
    let [environment, flags, settings] = overrides.top();
    let top = Layers::new(vec![&written.top, environment, flags, settings]);
    if let Some(pool) = top.written(&k::GPUS) {
        check_devices(&drafts, pool.len(), &mut complaints);
    }
    let tls = tls::settle(&top, &k::TLS_LISTEN, &mut complaints);
    let names = drafts
        .iter()
        .filter_map(|draft| draft.layers.written(&k::NAME));
    let names: Vec<String> = names.collect();
    check_revisions(top.node(&k::API_KEYS), &names, &mut complaints);
    let files = drafts
        .iter()
        .flat_map(|draft| upstream::files(&draft.layers));
    let replica_files: BTreeSet<PathBuf> = files.collect();
    let warnings = complaints.warnings();
    let revisions: Option<Vec<_>> = revisions.into_iter().collect();
    complaints.unless_any(revisions.map(|revisions| Config {
        tls,
        replica_files: replica_files.into_iter().collect(),
        ..whole(&top, revisions, warnings)
    }))
}

fn whole(top: &Layers, revisions: Vec<RevisionConfig>, warnings: Vec<Complaint>) -> Config {
    Config {
        listen: top.value(&k::LISTEN),
        admin: top.value(&k::ADMIN),
        tls: None,
        replica_files: Vec::new(),
        max_connections: top.value(&k::MAX_CONNECTIONS),
        max_streams: top.value(&k::MAX_STREAMS),
        max_queued_requests: top.value(&k::MAX_QUEUED_REQUESTS),
        max_queued_bytes: top.value(&k::MAX_QUEUED_BYTES),
        admin_token_file: top.written(&k::ADMIN_TOKEN_FILE),
        bounds: bounds(top),
        max_processes: top.value(&k::MAX_PROCESSES),
        state: top.written(&k::STATE).unwrap_or_default(),
        gpus: top.written(&k::GPUS),
        record: top.written(&k::RECORD),
        record_size: top.value(&k::RECORD_SIZE),
        api_keys: Arc::new(Keyring::new(top.written(&k::API_KEYS).unwrap_or_default())),
        model_scan: top.value(&k::MODEL_SCAN),
        revisions,
        warnings,
    }
}

/// What one client may send and how long it may take, for a gate and for a gateway.
pub(super) fn bounds(top: &Layers<'_>) -> Bounds {
    Bounds {
        head_bytes: top.value(&k::MAX_HEADER_BYTES),
        headers: top.value(&k::MAX_HEADERS),
        patience: Patience {
            head: top.value(&k::HEADER_TIMEOUT),
            idle: top.value(&k::IDLE_CONNECTION_TIMEOUT),
        },
    }
}

fn draft<'a>(
    section: &'a Section,
    written: &'a Files,
    overrides: &'a Overrides,
    is_target: bool,
) -> Draft<'a> {
    let mut layers = vec![&written.cluster];
    layers.extend(section.subject.as_ref().map(|subject| &subject.defaults));
    layers.push(&written.defaults);
    layers.extend(&section.layers);
    if is_target {
        layers.extend(overrides.revision());
    }
    layers.extend(overrides.settings().of(section.name().as_deref()));
    Draft {
        at: &section.at,
        layers: Layers::new(layers),
        subject: section.subject.as_ref(),
    }
}

/// A revision of which only the command is known; it is called as its program is, unless a flag
/// names it.
fn from_command(overrides: &Overrides) -> Section {
    let origin = Origin::CommandLine;
    let program = overrides
        .command()
        .and_then(|command| command.items().first());
    let program = program.map(Node::found).unwrap_or_default();
    let file_name = program.rsplit('/').next().unwrap_or_default();
    let name = Node::plain(&origin, &words::sanitised_name(file_name));
    let mut layer = Layer::default();
    layer.set(&k::NAME, name, &mut Complaints::default());
    Section {
        at: Node {
            origin,
            path: String::new(),
            value: Value::Nothing,
        },
        layers: vec![layer],
        subject: None,
    }
}

/// Which revision the flags of one revision mean: the one that the name picks, or the only one
/// that is no transformer or explainer of another.
fn target(
    revisions: &[Section],
    overrides: &Overrides,
    complaints: &mut Complaints,
) -> Option<usize> {
    let known: Vec<String> = revisions.iter().filter_map(Section::name).collect();
    if revisions.is_empty() {
        return None;
    }
    if let Some(node) = overrides.name() {
        let name = node.found();
        let picked = revisions
            .iter()
            .position(|section| section.name().as_ref() == Some(&name));
        if picked.is_none() {
            let what = format!("the name of a revision ({})", known.join(", "));
            complaints.push(node.wanted(&what));
        }
        return picked;
    }
    let helps = |section: &Section| section.subject.as_ref().is_some_and(Subject::helps);
    let mut leading = (0..).zip(revisions).filter(|(_, section)| !helps(section));
    let lone = leading.next().filter(|_| leading.next().is_none());
    if lone.is_none()
        && let Some(node) = overrides.first_of_revision()
    {
        let message = format!("wanted --name to pick one revision ({})", known.join(", "));
        complaints.push(node.complaint(message));
    }
    lone.map(|(place, _)| place)
}

/// No replica wants more devices than there are.
fn check_devices(drafts: &[Draft], pool: usize, complaints: &mut Complaints) {
    for layers in drafts.iter().map(|draft| &draft.layers) {
        let wanted = layers.written(&k::PROCESS_GPUS);
        let too_many = wanted.is_some_and(|n| usize::try_from(n).is_ok_and(|n| n > pool));
        if let Some(node) = layers.node(&k::PROCESS_GPUS).filter(|_| too_many) {
            complaints.push(node.wanted(&format!("at most as many as there are in gpus ({pool})")));
        }
    }
}

/// The rules between revisions: nothing leads to two of them, and something leads to each.
fn check_between(drafts: &[Draft], complaints: &mut Complaints) {
    let mut names = Claims::new("name", words::name);
    let mut hosts = Claims::new("host", words::host);
    let mut models = Claims::new("model", words::model);
    for (i, draft) in drafts.iter().enumerate() {
        let items = |key: &Key<Vec<String>>| draft.layers.node(key).map_or(&[][..], Node::items);
        let before = complaints.len();
        names.claim(i, draft.layers.node(&k::NAME), complaints);
        if draft.subject.is_some() && complaints.len() > before {
            // A manifest that is there twice: its hosts and models come of the name that was told.
            continue;
        }
        hosts.claim(i, items(&k::HOSTS), complaints);
        models.claim(i, items(&k::MODELS), complaints);
        // What cannot be read was complained about, and may lead here once it is put right.
        let empty = |node: &Node| matches!(&node.value, Value::List(items) if items.is_empty());
        let reached = [&k::HOSTS, &k::MODELS]
            .iter()
            .any(|key| draft.layers.node(key).is_some_and(|node| !empty(node)));
        if drafts.len() > 1 && !reached {
            let message =
                "wanted hosts or models, as nothing else leads to one of several revisions";
            complaints.push(draft.at.complaint(message));
        }
    }
}

/// Words that each belong to one revision.
struct Claims {
    what: &'static str,
    read: fn(&Node, &mut Complaints) -> Option<String>,
    taken: HashMap<String, (usize, Origin)>,
}

impl Claims {
    fn new(what: &'static str, read: fn(&Node, &mut Complaints) -> Option<String>) -> Self {
        Self {
            what,
            read,
            taken: HashMap::new(),
        }
    }

    fn claim<'a>(
        &mut self,
        revision: usize,
        nodes: impl IntoIterator<Item = &'a Node>,
        complaints: &mut Complaints,
    ) {
        for node in nodes {
            let Some(word) = (self.read)(node, &mut Complaints::default()) else {
                continue;
            };
            match self.taken.get(&word) {
                Some((first, at)) if *first != revision => {
                    let what = self.what;
                    let message = format!("wanted a {what} of its own, {word} is taken at {at}");
                    complaints.push(node.complaint(message));
                }
                Some(_) => {}
                None => {
                    self.taken.insert(word, (revision, node.origin.clone()));
                }
            }
        }
    }
}
