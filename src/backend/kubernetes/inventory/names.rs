//! What revisions are called. Two that would have one name: the older has it.

use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;
use std::time::SystemTime;

use super::Key;
use super::claims::Stand;
use crate::backend::kubernetes::claim::{Claim, Obstacle};
use crate::backend::kubernetes::objects::ObjectRef;
use crate::revision::RevisionId;

/// A claim that has no name of its own yet.
pub(super) struct Draft {
    /// What its workload is called, or will be.
    pub(super) name: Arc<str>,
    /// What it is a revision of.
    pub(super) kind: Arc<str>,
    pub(super) claim: Claim,
    pub(super) workload: Option<Key>,
}

/// Gives each a name that is its own. Whoever loses his is told who has it, and gets one with the kind
/// of the object in it.
pub(super) fn name(namespace: &str, mut drafts: Vec<Draft>) -> BTreeMap<RevisionId, Stand> {
    drafts.sort_by(|a, b| {
        age(&a.claim)
            .cmp(&age(&b.claim))
            .then_with(|| a.name.cmp(&b.name))
    });
    let mut named = BTreeMap::<RevisionId, Stand>::new();
    let mut losers = Vec::new();
    for draft in drafts {
        let wanted = RevisionId::new(format!("{}.{namespace}", draft.name));
        match named.entry(wanted) {
            btree_map::Entry::Vacant(free) => {
                let revision = free.key().clone();
                free.insert(draft.named(revision));
            }
            btree_map::Entry::Occupied(taken) => {
                let holder = taken.get().claim.owner.clone();
                losers.push((draft, holder));
            }
        }
    }
    // After everybody else, as none of them must lose a name to a substitute.
    for (mut draft, holder) in losers {
        draft.claim.obstacle = Some(Obstacle::NameTaken(holder));
        let mut substitutes = draft.substitutes(namespace).into_iter();
        if let Some(revision) = substitutes.find(|name| !named.contains_key(name)) {
            named.insert(revision.clone(), draft.named(revision));
        }
    }
    named
}

impl Draft {
    /// Names for it where its own is taken, the nicest first.
    fn substitutes(&self, namespace: &str) -> [RevisionId; 3] {
        let (kind, uid) = (self.kind.to_ascii_lowercase(), &self.claim.owner.uid);
        let short: String = uid.chars().take(8).collect();
        let middle = [
            kind.clone(),
            format!("{kind}-{short}"),
            format!("{kind}-{uid}"),
        ];
        middle.map(|middle| RevisionId::new(format!("{}.{middle}.{namespace}", self.name)))
    }

    fn named(self, revision: RevisionId) -> Stand {
        let claim = Claim {
            revision,
            ..self.claim
        };
        Stand {
            claim: Arc::new(claim),
            workload: self.workload,
        }
    }
}

fn age(claim: &Claim) -> (SystemTime, &ObjectRef) {
    (claim.created, &claim.owner)
}
