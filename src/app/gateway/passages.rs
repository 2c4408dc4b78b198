//! Which callers of Services are led through the gate: those of revisions that are ours and want it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::claimed::Claimed;
use super::seams::Cluster;
use crate::backend::kubernetes::doors::facts::Place;
use crate::backend::kubernetes::{Claim, Passages};
use crate::revision::RevisionId;

/// Everything that is led, beside those of whose settings nobody knows any.
pub(super) fn passages<'a, C: Cluster>(
    claimed: &BTreeMap<RevisionId, Claimed<C>>,
    unread: impl Iterator<Item = &'a Claim>,
) -> Passages {
    let wished = claimed.iter();
    let wished = wished.filter_map(|(id, it)| Some((id.clone(), it.passage()?)));
    let mut seen = BTreeSet::new();
    let all = claimed.values().flat_map(|it| places(it.claim()));
    let further = claimed.values().map(Claimed::claim);
    let further = further.flat_map(|claim| named(claim, claim.shared.iter()));
    Passages {
        wished: wished.collect(),
        shared: all
            .filter(|at| !seen.insert(at.clone()))
            .chain(further)
            .collect(),
        unknown: unread.flat_map(places).collect(),
    }
}

fn places(claim: &Claim) -> impl Iterator<Item = Place> {
    named(claim, claim.services.keys())
}

/// Services of these names where a claim is.
fn named<'a>(
    claim: &'a Claim,
    names: impl Iterator<Item = &'a String>,
) -> impl Iterator<Item = Place> {
    let namespace = &claim.owner.namespace;
    names.map(|name| (namespace.clone(), Arc::from(name.as_str())))
}
