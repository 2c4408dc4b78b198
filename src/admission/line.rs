//! The line of waiting requests: first come, first served, bounded by count and bytes.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Ticket;

/// Waiting requests in order of arrival.
///
/// A `BTreeMap`, not a deque: a request whose replica could not be reached goes back to its own
/// place, and one that leaves from the middle leaves nothing behind.
#[derive(Debug, Default)]
pub struct Line {
    waiting: BTreeMap<Ticket, Entry>,
    bytes: u64,
}

#[derive(Debug)]
struct Entry {
    bytes: u64,
    since: Instant,
}

impl Line {
    pub(super) fn join(&mut self, ticket: Ticket, bytes: u64, now: Instant) {
        self.bytes += bytes;
        self.waiting.insert(ticket, Entry { bytes, since: now });
    }

    pub(super) fn contains(&self, ticket: Ticket) -> bool {
        self.waiting.contains_key(&ticket)
    }

    pub(super) fn hold_more(&mut self, ticket: Ticket, bytes: u64) {
        if let Some(entry) = self.waiting.get_mut(&ticket) {
            entry.bytes += bytes;
            self.bytes += bytes;
        }
    }

    pub(super) fn pop(&mut self) -> Option<Ticket> {
        let (ticket, entry) = self.waiting.pop_first()?;
        self.bytes -= entry.bytes;
        Some(ticket)
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> bool {
        let removed = self.waiting.remove(&ticket);
        self.bytes -= removed.as_ref().map_or(0, |entry| entry.bytes);
        removed.is_some()
    }

    pub(super) fn drain(&mut self) -> Vec<Ticket> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting).into_keys().collect()
    }

    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, entry)| entry.since)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
