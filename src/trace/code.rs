//! How events become bytes: each says how long it came after the one before it of the same
//! revision, and how far its request is behind the newest, so that most numbers are small.

use serde::{Deserialize, Serialize};

use super::{Decided, Event};

/// What both ends remember of a revision from one event to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    last: u64,
    next_ticket: u64,
    decided: Option<Box<Decided>>,
}

/// An event as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// Nanoseconds since the event before, which may be later: clocks are read before the lock.
    gap: i64,
    event: Event,
}

impl Context {
    /// Appends an event of this moment.
    pub(super) fn encode(&mut self, at: u64, mut event: Event, out: &mut Vec<u8>) {
        let gap = at.wrapping_sub(self.last).cast_signed();
        self.last = at;
        if let Some(moment) = event.moment_mut() {
            *moment = at.wrapping_sub(*moment);
        }
        let newest = self.newest(&event);
        if let Some(ticket) = event.ticket_mut() {
            let absolute = *ticket;
            *ticket = newest.wrapping_sub(absolute);
            self.next_ticket = self.next_ticket.max(absolute.wrapping_add(1));
        }
        if let Event::Decided(decided) = &mut event {
            if *decided == self.decided {
                *decided = None;
            } else {
                self.decided.clone_from(decided);
            }
        }
        *out = postcard::to_extend(&Line { gap, event }, std::mem::take(out))
            .expect("memory takes what is written");
    }

    /// Takes one event off the front, with its moment. An error leaves `bytes` as they are.
    pub(super) fn decode(&mut self, bytes: &mut &[u8]) -> postcard::Result<(u64, Event)> {
        let (Line { gap, mut event }, rest) = postcard::take_from_bytes(bytes)?;
        *bytes = rest;
        let at = self.last.wrapping_add(gap.cast_unsigned());
        self.last = at;
        if let Some(moment) = event.moment_mut() {
            *moment = at.wrapping_sub(*moment);
        }
        let newest = self.newest(&event);
        if let Some(ticket) = event.ticket_mut() {
            *ticket = newest.wrapping_sub(*ticket);
            self.next_ticket = self.next_ticket.max(ticket.wrapping_add(1));
        }
        if let Event::Decided(decided) = &mut event {
            if decided.is_none() {
                decided.clone_from(&self.decided);
            } else {
                self.decided.clone_from(decided);
            }
        }
        Ok((at, event))
    }

    /// What a ticket is counted back from: an arrival from the one that is due.
    const fn newest(&self, event: &Event) -> u64 {
        match event {
            Event::Admitted { .. } | Event::Queued { .. } => self.next_ticket,
            _ => self.next_ticket.wrapping_sub(1),
        }
    }
}
