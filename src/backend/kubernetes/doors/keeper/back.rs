//! The way back: a Service that nobody leads through the gate any more leads to its pods again.

use tokio::time::Instant;

use super::Keeper;
use crate::backend::kubernetes::dispute::Answer;
use crate::backend::kubernetes::doors::deeds::{give_back, remove};
use crate::backend::kubernetes::doors::facts::{DoorSight, Place, ServiceView};
use crate::backend::kubernetes::doors::moment::since;
use crate::backend::kubernetes::doors::{SETTLED, words};
use crate::backend::kubernetes::objects::ObjectRef;
use crate::backend::kubernetes::reason::Reason;
use crate::backend::kubernetes::seams::Announcer;

impl<N: Announcer> Keeper<N> {
    /// Leads callers of a Service to its pods again: the selector first, then without the gateways.
    pub(super) fn let_go(&mut self, at: &Place, sight: &DoorSight, now: Instant) {
        let (service, slice) = (sight.services.get(at), sight.slices.get(at));
        let moment = self.moments.entry(at.clone()).or_default();
        let is_taken = service.is_some_and(|service| service.is_taken());
        let own = since(&mut moment.own, !is_taken, now).is_some_and(|at| now >= at + SETTLED);
        (moment.stands, moment.ready, moment.lacking) = (None, None, None);
        (moment.was_taken, moment.takes, moment.wrote) = (false, false, None);
        let Some(service) = service else {
            if let Some(slice) = slice {
                let about = slice.at.clone();
                self.write(at, &about, remove(slice), now);
            }
            return;
        };
        let about = &service.at;
        if self.give_back(at, about, service, now) {
            return;
        }
        if is_taken {
            self.complain(at, about, words::lost(&at.1));
        } else if let Some(slice) = slice.filter(|_| own) {
            self.write(at, about, remove(slice), now);
        }
    }

    /// Gives a Service its selector back. Returns whether there is anything to give back.
    pub(super) fn give_back(
        &mut self,
        at: &Place,
        about: &ObjectRef,
        service: &ServiceView,
        now: Instant,
    ) -> bool {
        let Some(deed) = give_back(service) else {
            return false;
        };
        let may_write = self.may_write(at, now);
        let moment = self.moments.entry(at.clone()).or_default();
        if moment.dispute.yields_until(now).is_some() || !may_write {
            return true;
        }
        // An admission policy may take it away again with every write.
        let again = service.is_taken() && moment.has_written();
        if again && let Answer::Yield(_) = moment.dispute.again(now) {
            let told = words::not_given_back(&at.1);
            self.announce(about, Reason::PathNotGivenBack, told);
        } else {
            self.write(at, about, deed, now);
        }
        true
    }
}
