//! Takes the selector of a Service away, so that nobody reaches its pods past the gate.

use std::time::Duration;

use tokio::time::Instant;

use super::Keeper;
use super::lead::Scene;
use crate::backend::kubernetes::dispute::Answer;
use crate::backend::kubernetes::doors::deeds::{poke, take};
use crate::backend::kubernetes::doors::words;
use crate::backend::kubernetes::reason::Reason;
use crate::backend::kubernetes::seams::Announcer;

/// Admission has taken a Service by then, or there is no policy.
const POLICY: Duration = Duration::from_secs(5);
/// How soon it is asked again: the policy may have come since.
const POKES: Duration = Duration::from_secs(60);

impl<N: Announcer> Keeper<N> {
    /// Its own pods get callers no longer but through the gate.
    pub(super) fn take(&mut self, scene: &Scene<'_>, now: Instant) {
        let (at, service, owner) = (scene.at, scene.service, &scene.passage.owner);
        let may_write = self.may_write(at, now);
        let moment = self.moments.entry(at.clone()).or_default();
        if service.is_taken() {
            (moment.poked, moment.told) = (None, None);
            moment.was_taken = true;
            // It may have been so before we came: no news.
            if std::mem::take(&mut moment.takes) {
                self.announce(owner, Reason::PathTaken, words::taken(&at.1));
            }
            return;
        }
        if moment.dispute.yields_until(now).is_some() || !may_write {
            return;
        }
        moment.takes = true;
        let set_back = std::mem::take(&mut moment.was_taken);
        let answer = set_back.then(|| moment.dispute.again(now));
        if let Some(answer) = answer {
            let pause = match answer {
                Answer::SetBack => None,
                Answer::Yield(pause) => Some(pause),
            };
            self.announce(owner, Reason::PathNotTaken, words::set_back(&at.1, pause));
            if pause.is_some() {
                return;
            }
        }
        if service.made {
            self.ask_admission(scene, now);
        } else {
            self.write(at, owner, take(service), now);
        }
    }

    /// What `KServe` made it sets back within seconds, unless it is so when it is admitted.
    fn ask_admission(&mut self, scene: &Scene<'_>, now: Instant) {
        let (at, owner) = (scene.at, &scene.passage.owner);
        let moment = self.moments.entry(at.clone()).or_default();
        match moment.poked {
            Some(poked) if now < poked + POLICY => self.look_again(poked + POLICY),
            Some(poked) if now < poked + POKES => {
                self.look_again(poked + POKES);
                self.complain(at, owner, words::no_policy(&at.1));
            }
            _ => {
                moment.poked = Some(now);
                self.look_again(now + POLICY);
                self.write(at, owner, poke(scene.service), now);
            }
        }
    }
}
