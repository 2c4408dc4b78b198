//! What is still there of a revision, in the events that told of it: a new file begins with them,
//! so that it can be read without the one before.

use std::collections::BTreeMap;
use std::mem::discriminant;

use super::{Event, Step};

/// Requests that are not over and replicas that are not gone, with everything told of them.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    requests: BTreeMap<u64, Vec<(u64, Event)>>,
    replicas: BTreeMap<u64, Vec<(u64, Step)>>,
}

impl Shadow {
    /// Follows what happens.
    pub(super) fn follow(&mut self, at: u64, event: &Event) {
        match event {
            Event::Admitted { ticket, .. } | Event::Queued { ticket, .. } => {
                self.requests.insert(*ticket, vec![(at, event.clone())]);
            }
            Event::Over {
                ticket, done: true, ..
            }
            | Event::Vacated { ticket } => {
                self.requests.remove(ticket);
            }
            Event::HeldMore { ticket, .. }
            | Event::Seated { ticket, .. }
            | Event::Rebuffed { ticket }
            | Event::Over { ticket, .. } => {
                if let Some(told) = self.requests.get_mut(ticket) {
                    told.push((at, event.clone()));
                }
            }
            Event::Replica { id, step } => self.step(*id, at, *step),
            // Somebody may have left without our hearing of it.
            Event::Lost(_) => self.requests.clear(),
            Event::Opened
            | Event::TurnedAway { .. }
            | Event::Measured { .. }
            | Event::Looked { .. }
            | Event::Turned { .. }
            | Event::Decided(_)
            | Event::Changed
            | Event::Recalled(_) => {}
        }
    }

    fn step(&mut self, id: u64, at: u64, step: Step) {
        if let Step::Gone(_) = step {
            self.replicas.remove(&id);
            return;
        }
        let told = self.replicas.entry(id).or_default();
        told.retain(|(_, before)| discriminant(before) != discriminant(&step));
        told.push((at, step));
    }

    /// Tells it all again, replicas before requests.
    pub(super) fn retell(&self) -> impl Iterator<Item = (u64, Event)> + '_ {
        let replicas = self.replicas.iter().flat_map(|(&id, told)| {
            let event = move |&(at, step): &(u64, Step)| (at, Event::Replica { id, step });
            told.iter().map(event)
        });
        replicas.chain(self.requests.values().flatten().cloned())
    }
}
