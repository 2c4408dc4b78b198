//! Starts a process: how long it takes, and when it is noticed.

use std::time::Duration;

use super::Member;
use crate::backend::places::arbiter::PlaceId;
use crate::backend::recovery::Attempt;
use crate::ports::ReplicaState;
use crate::revision::ReplicaId;
use crate::simulate::agenda::Event;
use crate::simulate::load::{AsRecorded, Start};
use crate::simulate::site::{Scene, Site};

impl AsRecorded {
    /// Nobody takes time for it but the process itself.
    const fn at_once(took: Duration) -> Self {
        Self {
            launch: Duration::ZERO,
            took,
            counted: took,
            listed: Duration::ZERO,
        }
    }
}

impl Site {
    pub(super) fn start(&mut self, attempt: Attempt, place: PlaceId, scene: &mut Scene) {
        let agenda = &mut scene.agenda;
        let fleet = &mut self.fleet;
        fleet.newest += 1;
        let id = ReplicaId(fleet.newest);
        scene.places.assign(place, id);
        self.tally.started(fleet.total() == 0);
        let (start, event) = match (self.load.starts)() {
            Start::ReadyAfter(took) => (AsRecorded::at_once(took), Event::Ready(id)),
            Start::FailsAfter(took) => (AsRecorded::at_once(took), Event::Failed(id)),
            Start::AsRecorded(start) => (start, Event::Ready(id)),
        };
        let began = agenda.now() + start.launch;
        fleet.members.push(Member {
            id,
            state: ReplicaState::Starting,
            began,
            place,
            streak: attempt.streak,
            counted: start.counted,
            since: began,
            heard_of: began,
            unheard: start.listed,
        });
        self.tally.there(fleet.members.len());
        let timeout = self.start_timeout.filter(|timeout| start.took > *timeout);
        let (took, event) = match timeout {
            Some(timeout) => (timeout, Event::Failed(id)),
            None => (start.took, event),
        };
        agenda.after(start.launch + took, self.index, event);
    }
}
