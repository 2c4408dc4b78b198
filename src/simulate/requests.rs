//! The requests that are here, each found by its key or, while it waits, by its ticket.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::load::Turns;
use crate::admission::{Deadline, Seat, Ticket};

/// Which request. A key whose request has gone finds none, whoever took its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    index: u32,
    life: u32,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) arrived: Instant,
    /// How long it occupies a slot.
    pub(super) service: Duration,
    /// Its answer is an event stream.
    pub(super) stream: bool,
    /// Until when its answer is of use.
    pub(super) deadline: Option<Deadline>,
    pub(super) turns: Turns,
    /// The group of the worker who sent it.
    pub(super) worker: Option<u32>,
    pub(super) stage: Stage,
}

/// What has become of a request so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has just come.
    Arriving,
    /// It waits in line.
    Waiting(Ticket),
    /// It is being answered, since then.
    Running(Seat, Instant),
    /// Nobody waits for it any more, but the replica works on.
    Abandoned(Seat),
}

/// All requests of one revision. Rooms are used again, so that a request allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Requests {
    rooms: Vec<Room>,
    free: Vec<u32>,
    waiting: HashMap<Ticket, Key>,
}

#[derive(Debug)]
struct Room {
    life: u32,
    request: Option<Request>,
}

impl Requests {
    pub(super) fn add(&mut self, request: Request) -> Key {
        let index = self.free.pop().unwrap_or_else(|| {
            self.rooms.push(Room {
                life: 0,
                request: None,
            });
            u32::try_from(self.rooms.len() - 1).expect("no more requests at once than tickets")
        });
        let room = &mut self.rooms[index as usize];
        room.request = Some(request);
        let life = room.life;
        let key = Key { index, life };
        if let Stage::Waiting(ticket) = request.stage {
            self.waiting.insert(ticket, key);
        }
        key
    }

    /// A request that is still here.
    pub(super) fn get(&mut self, key: Key) -> Option<&mut Request> {
        let room = self.rooms.get_mut(key.index as usize)?;
        room.request.as_mut().filter(|_| room.life == key.life)
    }

    /// Who waits with this ticket, waiting no longer.
    pub(super) fn called(&mut self, ticket: Ticket) -> Key {
        self.waiting
            .remove(&ticket)
            .expect("a granted ticket is that of a request")
    }

    /// A request that is gone.
    pub(super) fn remove(&mut self, key: Key) {
        let room = &mut self.rooms[key.index as usize];
        if let Some(request) = room.request.take() {
            room.life = room.life.wrapping_add(1);
            self.free.push(key.index);
            if let Stage::Waiting(ticket) = request.stage {
                self.waiting.remove(&ticket);
            }
        }
    }

    /// Everybody who is here.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Request> {
        self.rooms.iter().filter_map(|room| room.request.as_ref())
    }

    /// Requests that somebody still waits for.
    pub(super) fn unfinished(&self) -> u64 {
        let here = self.rooms.iter().filter_map(|room| room.request.as_ref());
        let wanted = here.filter(|request| !matches!(request.stage, Stage::Abandoned(_)));
        wanted.count() as u64
    }
}
