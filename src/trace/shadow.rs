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
    /// The terms of the request that comes next.
    terms: Option<(u64, Event)>,
}

impl Shadow {
    /// Follows what happens.
    pub(super) fn follow(&mut self, at: u64, event: &Event) {
        match event {
            Event::Admitted { ticket, .. } | Event::Queued { ticket, .. } => {
                let terms = self.terms.take().into_iter();
                let told = terms.chain([(at, event.clone())]).collect();
                self.requests.insert(*ticket, told);
            }
            Event::Over {
                ticket, done: true, ..
            }
            | Event::Vacated { ticket } => {
                self.requests.remove(ticket);
            }
            Event::HeldMore { ticket, bytes } => self.hold_more(*ticket, at, *bytes),
            Event::Seated { ticket, .. }
            | Event::Rebuffed { ticket }
            | Event::Over { ticket, .. } => {
                if let Some(told) = self.requests.get_mut(ticket) {
                    told.push((at, event.clone()));
                }
            }
            Event::Replica { id, step } => self.step(*id, at, *step),
            // Somebody may have left without our hearing of it.
            Event::Lost(_) => {
                self.requests.clear();
                self.terms = None;
            }
            Event::Terms { .. } => self.terms = Some((at, event.clone())),
            Event::TurnedAway { .. } => self.terms = None,
            Event::Opened
            | Event::Measured { .. }
            | Event::Looked { .. }
            | Event::Turned { .. }
            | Event::Decided(_)
            | Event::Changed
            | Event::Recalled(_) => {}
        }
    }

    /// A body may come in very many small pieces: what is kept of them is one.
    fn hold_more(&mut self, ticket: u64, at: u64, more: u64) {
        let Some(told) = self.requests.get_mut(&ticket) else {
            return;
        };
        if let Some((last, Event::HeldMore { bytes, .. })) = told.last_mut() {
            *last = at;
            *bytes = bytes.saturating_add(more);
        } else {
            let bytes = more;
            told.push((at, Event::HeldMore { ticket, bytes }));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_many_pieces_takes_no_more_room_than_in_one() {
        let mut shadow = Shadow::default();
        let (ticket, announced, bytes) = (7, 0, 1);
        shadow.follow(1, &Event::Queued { ticket, announced });
        for at in 2..1002 {
            shadow.follow(at, &Event::HeldMore { ticket, bytes });
        }
        let bytes = 1000;
        let told = [
            (1, Event::Queued { ticket, announced }),
            (1001, Event::HeldMore { ticket, bytes }),
        ];
        assert_eq!(shadow.retell().collect::<Vec<_>>(), told);

        // It may have left unheard of.
        shadow.follow(1002, &Event::Lost(1));
        assert_eq!(shadow.retell().count(), 0);
    }
}
