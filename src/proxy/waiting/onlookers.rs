//! Those who look at a page while a model starts. They have asked for it as much as those who wait,
//! so as long as somebody looks, somebody stands in line for all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::time::timeout_at;

use super::super::{Arrival, Place, Revision, now};
use crate::revision::RevisionId;

/// A page that was not asked for again for so long is looked at no longer.
const LOOKS: Duration = Duration::from_secs(15);

/// Until when each revision's page is looked at. An entry is there while somebody stands in line.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Onlookers(Mutex<HashMap<RevisionId, Instant>>);

impl Onlookers {
    /// Somebody looks. False: it is of no use, since nobody may wait or there is nothing to wait for.
    pub(super) fn look(self: &Arc<Self>, revision: &Arc<Revision>, now: Instant) -> bool {
        let (id, until) = (&revision.spec.id, now + LOOKS);
        let mut looked_at = self.0.lock();
        if let Some(known) = looked_at.get_mut(id) {
            *known = until;
            return true;
        }
        let Arrival::Waiting(place) = revision.throttler.arrive(0) else {
            return false;
        };
        looked_at.insert(id.clone(), until);
        tokio::spawn(Arc::clone(self).stand(id.clone(), until, place));
        true
    }

    /// Stands in line until it is the turn, which nobody takes, or nobody looks any more.
    async fn stand(self: Arc<Self>, id: RevisionId, mut until: Instant, mut place: Place) {
        let _gone = Gone(&self, &id);
        while timeout_at(until.into(), &mut place).await.is_err() {
            let looked_at = self.0.lock();
            until = *looked_at
                .get(&id)
                .expect("it is there while somebody stands");
            if until <= now() {
                return;
            }
        }
    }
}

/// Strikes an entry out.
struct Gone<'a>(&'a Onlookers, &'a RevisionId);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.0.lock().remove(self.1);
    }
}
