//! One key set to one value from outside the files, for all revisions or one: what `simulate` tries
//! one after another. It goes through the same tables, bounds and messages as files do.

use std::fmt;

use super::complaint::{Complaint, Complaints, Origin};
use super::key::{AnyKey, Shape};
use super::keys::{MAX_PROCESSES, NAME, REVISION, TOP};
use super::layers::Layer;
use super::nearest::{or_the_nearest, similar};
use super::tree::{Node, Value};

const FLAG: &str = "--set";

/// A key and a value for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Whose; `None` is every revision's, or the whole gate's.
    revision: Option<String>,
    path: &'static str,
    node: Node,
}

impl Setting {
    /// Reads `key=value` or `key=value,value`, of which each is one setting. A key is its path, or
    /// the end of its path where no other ends alike; before it may stand the name of one of these
    /// revisions and a dot.
    ///
    /// # Errors
    /// There is no such key, it has no single value, or it cannot have one of these.
    pub fn read(text: &str, revisions: &[&str]) -> Result<Vec<Self>, Complaints> {
        let mut complaints = Complaints::default();
        let settings = read(text, revisions, &mut complaints);
        complaints.unless_any(settings)
    }

    /// The value as it was written.
    #[must_use]
    pub fn value(&self) -> String {
        self.node.found()
    }

    /// The key in one word, behind the name of its revision: `stableWindow`, `a.stableWindow`.
    #[must_use]
    pub fn key(&self) -> String {
        let last = self.path.rsplit('.').next().unwrap_or_default();
        let alike = |path: &str| path.rsplit('.').next() == Some(last);
        let alone = known().filter(|key| alike(key.about().path)).count() == 1;
        let key = if alone { last } else { self.path };
        match &self.revision {
            Some(name) => format!("{name}.{key}"),
            None => key.to_owned(),
        }
    }

    /// Both set the same key of the same revision.
    #[must_use]
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        self.path == other.path && self.revision == other.revision
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key(), self.value())
    }
}

/// What can be set: everything of a revision, and what all of them share.
fn known() -> impl Iterator<Item = &'static dyn AnyKey> {
    let shared: &'static dyn AnyKey = &MAX_PROCESSES;
    std::iter::once(shared).chain(REVISION.iter().copied())
}

fn read(text: &str, revisions: &[&str], complaints: &mut Complaints) -> Option<Vec<Setting>> {
    let Some((written, values)) = text.split_once('=') else {
        let what = "wanted key=value, such as scaleTarget=1 or scaleTarget=1,2,4";
        complaints.push(complaint(text, what));
        return None;
    };
    let written = written.trim();
    let (revision, key) = match find(written, revisions) {
        Ok(found) => found,
        Err(message) => {
            complaints.push(complaint(written, message));
            return None;
        }
    };
    let about = key.about();
    if about.shape != Shape::One || about.path == NAME.about.path {
        complaints.push(complaint(written, "cannot be tried: it is not one value"));
        return None;
    }
    let mut read = Vec::new();
    for value in values.split(',').map(str::trim) {
        let mut node = Node::plain(&Origin::Flag(FLAG.to_owned()), value);
        written.clone_into(&mut node.path);
        if value.is_empty() {
            node.value = Value::Nothing;
        }
        key.check(&node, complaints);
        read.push(Setting {
            revision: revision.map(str::to_owned),
            path: about.path,
            node,
        });
    }
    Some(read)
}

fn complaint(path: &str, message: impl Into<String>) -> Complaint {
    Complaint {
        origin: Origin::Flag(FLAG.to_owned()),
        path: path.to_owned(),
        message: message.into(),
    }
}

/// The key that is meant, and whose it is.
fn find<'a>(
    written: &str,
    revisions: &[&'a str],
) -> Result<(Option<&'a str>, &'static dyn AnyKey), String> {
    let mut own = revisions.iter().copied().filter_map(|name| {
        let key = written.strip_prefix(name)?.strip_prefix('.')?;
        Some((name, key))
    });
    match key(written) {
        Ok(key) => Ok((None, key)),
        Err(message) => match own.next() {
            Some((_, word)) if word == MAX_PROCESSES.about.path => {
                Err("belongs to all revisions together".to_owned())
            }
            Some((name, word)) => key(word).map(|key| (Some(name), key)),
            None => Err(no_owner(written, revisions).unwrap_or(message)),
        },
    }
}

/// A key behind the name of no revision.
fn no_owner(written: &str, revisions: &[&str]) -> Option<String> {
    let mut dots = written.match_indices('.');
    let (dot, _) = dots.find(|(dot, _)| key(&written[dot + 1..]).is_ok())?;
    let (name, known) = (&written[..dot], revisions.join(", "));
    Some(format!(
        "no revision is called {name}, wanted one of {known}"
    ))
}

fn key(written: &str) -> Result<&'static dyn AnyKey, String> {
    if let Some(key) = known().find(|key| key.about().path == written) {
        return Ok(key);
    }
    let ending = format!(".{written}");
    let mut alike = known().filter(|key| key.about().path.ends_with(&ending));
    match (alike.next(), alike.next()) {
        (Some(key), None) => Ok(key),
        (Some(first), Some(second)) => {
            let rest = alike.map(|key| key.about().path);
            let all = [first.about().path, second.about().path].into_iter();
            let all: Vec<&str> = all.chain(rest).collect();
            Err(format!("wanted one of {}", all.join(", ")))
        }
        (None, _) => Err(unknown(written)),
    }
}

fn unknown(written: &str) -> String {
    let paths = || known().map(|key| key.about().path);
    if TOP.iter().any(|key| key.about().path == written) {
        return "cannot be tried: it changes nothing in a simulation".to_owned();
    }
    let ends = paths().filter_map(|path| path.rsplit('.').next());
    or_the_nearest("unknown key", similar(written, paths().chain(ends)))
}

/// Settings in layers: of the whole gate, of every revision, of some by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings {
    top: Layer,
    revision: Layer,
    named: Vec<(String, Layer)>,
}

impl Settings {
    pub(super) fn new(settings: &[Setting]) -> Self {
        let mut all = Self::default();
        for setting in settings {
            let is_top = setting.path == MAX_PROCESSES.about.path;
            let layer = match &setting.revision {
                None if is_top => &mut all.top,
                None => &mut all.revision,
                Some(name) => all.named(name),
            };
            let key = known().find(|key| key.about().path == setting.path);
            let key = key.expect("a setting is made from a known key");
            layer.set(key, setting.node.clone(), &mut Complaints::default());
        }
        all
    }

    fn named(&mut self, name: &str) -> &mut Layer {
        let place = self.named.iter().position(|(known, _)| known == name);
        let place = place.unwrap_or_else(|| {
            self.named.push((name.to_owned(), Layer::default()));
            self.named.len() - 1
        });
        &mut self.named[place].1
    }

    /// What is set for the whole gate.
    pub(super) fn top(&self) -> &Layer {
        &self.top
    }

    /// What is set for a revision, the lowest layer first.
    pub(super) fn of(&self, name: Option<&str>) -> impl Iterator<Item = &Layer> {
        let named = self.named.iter();
        let named = named.filter(move |(known, _)| Some(known.as_str()) == name);
        std::iter::once(&self.revision).chain(named.map(|(_, layer)| layer))
    }
}
