//! What is claimed no more and has requests inside: until the last of them has ended its pods are looked
//! after, and whoever claims it again finds its slots as they are.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::time::sleep;

use super::claimed::Claimed;
use super::seams::Cluster;
use crate::backend::kubernetes::Claim;
use crate::revision::RevisionId;

/// Between two looks at whether the last request has ended.
const A_LOOK: Duration = Duration::from_secs(1);

/// Revisions that are on their way out.
pub(super) struct Parting<C: Cluster>(BTreeMap<RevisionId, Claimed<C>>);

impl<C: Cluster> Parting<C> {
    /// Nobody parts.
    pub(super) const fn nobody() -> Self {
        Self(BTreeMap::new())
    }

    /// One parts, at once where nothing is inside.
    pub(super) fn part(&mut self, claimed: Claimed<C>) {
        claimed.part();
        if claimed.is_busy() {
            self.0.insert(claimed.spec().id.clone(), claimed);
        }
    }

    /// The one that is claimed again, if it is the same that parts.
    pub(super) fn take_back(&mut self, claim: &Claim) -> Option<Claimed<C>> {
        let parting = self.0.remove(&claim.revision)?;
        (parting.claim().owner.uid == claim.owner.uid).then_some(parting)
    }

    /// Lets go of those in which nothing is left.
    pub(super) fn forget_the_empty(&mut self) {
        self.0.retain(|_, parting| parting.is_busy());
    }

    /// Lets go of each once the last request inside has ended.
    pub(super) async fn see_off(&mut self) -> Infallible {
        while !self.0.is_empty() {
            sleep(A_LOOK).await;
            self.forget_the_empty();
        }
        pending().await
    }
}
