//! How this gateway stands to the others, as it is told to whoever depends on it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Standing;
use super::hall::{Actor, Mode};
use super::reign::{Listening, Reign};
use crate::backend::kubernetes::Tenure;
use crate::counting::count;
use crate::sync::now;

/// Who does not have the lease for so long, and is alone, does without: a lease that was left lying is
/// had before.
const LEASED: Duration = Duration::from_secs(10);

impl Actor {
    /// Whether somebody ended without a word, and what it had sent may run on; `None` while that is not
    /// known. Who cannot have the lease does not hear of it, and does not wait for ever.
    pub(super) fn follows_a_crash(&self, number: Option<u64>) -> Option<bool> {
        let follows = match number {
            _ if self.roll.borrow().has_crashed() => Some(true),
            // Nobody led before.
            Some(1) => Some(false),
            Some(_) => Some(*self.inherits.borrow()),
            None => (now() >= self.began + LEASED).then_some(false),
        };
        if follows == Some(true) {
            tracing::info!(
                "whoever led before ended without a word: what it sent may run on, and replicas with a \
                 hard limit wait for the longest that an answer takes"
            );
        }
        follows
    }

    /// Tells of it, where it has changed.
    pub(super) fn publish(&self, tenure: Tenure) {
        let roll = self.roll.borrow();
        let joined = |uid: &Arc<str>| self.reign.as_ref().is_some_and(|reign| reign.hears(uid));
        let living = count(roll.living().count());
        let heard = count(roll.living().filter(|pod| joined(&pod.uid)).count());
        let is_own = self.reign.as_ref().is_some_and(Reign::is_own_known);
        let all = match self.mode {
            Mode::Unknown => false,
            Mode::Alone => true,
            Mode::Beside => is_own && heard == living,
        };
        self.unheard.store(!all, Ordering::Relaxed);
        let standing = match self.mode {
            Mode::Unknown => Standing::Unknown,
            Mode::Alone => Standing::Alone,
            Mode::Beside => Standing::Beside {
                leader: self.leader.clone(),
                heard: self.reign.is_some().then_some(heard),
                unheard: if self.reign.is_some() {
                    living - heard
                } else {
                    0
                },
            },
        };
        self.tell.send_if_modified(|known| {
            let changed = *known != standing;
            if changed {
                tracing::info!(
                    ?standing,
                    "how this gateway stands to the others has changed"
                );
                *known = standing;
            }
            changed
        });
        self.publish_listening();
        let steers = tenure.steers && (self.mode == Mode::Alone || self.reign.is_some());
        let tenure = Tenure { steers, heard: all };
        self.allow
            .send_if_modified(|known| std::mem::replace(known, tenure) != tenure);
    }

    /// Tells at which doors the others listen. Copied only where it has changed: this is asked after every
    /// word between gateways, and there may be many doors.
    fn publish_listening(&self) {
        let nobody = Listening::new();
        let listening = match self.mode {
            Mode::Unknown => None,
            Mode::Alone => Some(&nobody),
            Mode::Beside => {
                let reign = self.reign.as_ref();
                reign.and_then(|reign| reign.listening(now()))
            }
        };
        self.listening.send_if_modified(|known| {
            let changed = known.as_ref() != listening;
            if changed {
                *known = listening.cloned();
            }
            changed
        });
    }
}
