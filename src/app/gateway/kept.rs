//! What a gateway that starts anew is to know of settings: those that cannot be read tell it nothing,
//! and those before them it has never seen.

use std::collections::BTreeMap;

use super::claimed::Claimed;
use super::seams::Cluster;
use crate::backend::kubernetes::Claim;
use crate::config::essential;
use crate::revision::RevisionId;
use crate::state::{LastGood, Notebook};

/// A claim with the settings that it had when an earlier gateway could read them last.
pub(super) fn before(notebook: &Notebook, claim: &Claim) -> Option<Claim> {
    let settings = notebook.last_good(&claim.revision, &claim.owner.uid)?;
    Some(Claim {
        settings,
        ..claim.clone()
    })
}

/// Keeps the last good settings where there are others that cannot be read. Where nobody has ever read
/// any, what an earlier gateway kept may still come to count.
pub(super) fn keep<C: Cluster>(
    notebook: &Notebook,
    claimed: &BTreeMap<RevisionId, Claimed<C>>,
    is_unread: impl Fn(&RevisionId) -> bool,
) {
    let kept = claimed.iter().filter_map(|(id, claimed)| {
        let settings = essential(claimed.last_good()?);
        let owner = &claimed.claim().owner.uid;
        Some((id.clone(), LastGood::new(owner, &settings)))
    });
    notebook.keep(kept, is_unread);
}
