//! Which revision a person means, and those that are known and left alone.

use super::board::{Board, Present};
use crate::config::nearest_names;
use crate::revision::RevisionId;

/// A revision that was found and is not scaled here: somebody else steers it, or it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftAlone {
    /// What it would be called.
    pub name: RevisionId,
    /// What it is, as a person finds it: `InferenceService default/flowers`.
    pub owner: String,
    /// Why it is left alone, as the end of a sentence.
    pub why: String,
}

/// What there is under a name.
#[derive(Debug)]
pub(super) enum Found {
    /// A revision.
    Here(Box<Present>),
    /// One that is left alone.
    LeftAlone(LeftAlone),
    /// Nothing, or more than one; why, for a person.
    Unclear(String),
}

impl Board {
    /// The revision of a name: the whole of it, or what stands before its namespace where that is the
    /// name of one only.
    pub(super) fn find(&self, name: &str) -> Found {
        if let Some(revision) = self.registry().by_name(&RevisionId::new(name)) {
            return Found::Here(Box::new(self.look(revision)));
        }
        let left_alone = self.left_alone();
        if let Some(whole) = left_alone.iter().find(|left| left.name.as_str() == name) {
            return Found::LeftAlone(whole.clone());
        }
        let here = self.registry().all().into_iter();
        let mut names: Vec<RevisionId> = here.map(|revision| revision.spec.id.clone()).collect();
        names.extend(left_alone.into_iter().map(|left| left.name));
        let mut meant: Vec<&str> = names.iter().map(RevisionId::as_str).collect();
        meant.retain(|known| known.rsplit_once('.').is_some_and(|(own, _)| own == name));
        meant.dedup();
        match meant.as_slice() {
            [] => Found::Unclear(unknown(name, &names)),
            [whole] => self.find(whole),
            several => {
                let several = several.join(", ");
                Found::Unclear(format!("several revisions are named {name:?}: {several}"))
            }
        }
    }
}

fn unknown(name: &str, names: &[RevisionId]) -> String {
    let known = nearest_names(name, names.iter().map(RevisionId::as_str));
    let known = match known.as_slice() {
        [] => "there is none".to_owned(),
        names => format!("known: {}", names.join(", ")),
    };
    format!("no revision is named {name:?}; {known}")
}
