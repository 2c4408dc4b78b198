//! When no replica can come, so that nobody waits for one.

use std::sync::Arc;

use tokio::time::Instant;

use super::Crew;
use super::place::finds_no_node;
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::pods::trouble::Hopeless;
use crate::backend::kubernetes::seams::{Announcer, Api};
use crate::ports::{Occupancy, Outage, OutageReason};

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    pub(super) fn outage(&self, now: Instant) -> Option<Arc<Outage>> {
        let outage = |reason,
                      Hopeless {
                          detail,
                          next_attempt,
                      }: Hopeless| {
            let next_attempt = next_attempt.map(Instant::into_std);
            Some(Arc::new(Outage {
                reason,
                detail,
                next_attempt,
            }))
        };
        if self.settings.stopped {
            let (detail, next_attempt) = ("its owner has stopped it".to_owned(), None);
            return outage(
                OutageReason::Stopped,
                Hopeless {
                    detail,
                    next_attempt,
                },
            );
        }
        let sky = self.sky(now);
        let (mut fails, mut unplaced) = (None, None);
        for member in self.members.iter().filter(|m| m.is_in_service()) {
            if member.is_ready() {
                return None;
            }
            // One that may still come is waited for.
            if let Some(kept) = self.trouble.keeps(member, self.settings.failed_starts) {
                fails = Some(kept);
            } else {
                let none = finds_no_node(member, &sky)?;
                unplaced.get_or_insert(none);
            }
        }
        match (fails, unplaced) {
            // What has found a node and fails is for its owner to see to.
            (Some(kept), _) => outage(OutageReason::ColdStartFailed, kept),
            // Who leaves now makes room for it.
            (None, Some(_)) if self.makes_room() => None,
            (None, Some(none)) => outage(OutageReason::Unschedulable, none),
            (None, None) => self.cannot_be_made(now).map(Arc::new),
        }
    }
}
