//! Requests come, end and go.

use std::time::Duration;

use holdgate::admission::Verdict;

use super::{BOUNDS, Event, Ledger};

impl Ledger {
    pub(super) fn request(&mut self, event: Event) {
        match event {
            Event::Arrive(bytes) => self.arrive(bytes),
            Event::HoldMore(i, bytes) => {
                if let Some(ticket) = Self::pick(self.waiting.iter().copied(), i)
                    && self.admission.hold_more(ticket, bytes)
                {
                    *self.bytes.get_mut(&ticket).expect("it waits") += bytes;
                }
            }
            Event::Leave(i) => self.leave(i),
            Event::Cancel(i) => {
                if let Some(ticket) = Self::pick(self.waiting.iter().copied(), i) {
                    assert!(self.admission.cancel(ticket, self.now));
                    self.waiting.remove(&ticket);
                    self.bytes.remove(&ticket);
                    assert!(!self.admission.cancel(ticket, self.now), "cancelled twice");
                }
            }
            Event::Abandon(i) => {
                if let Some(index) = Self::pick(0..self.running.len(), i)
                    && !std::mem::replace(&mut self.running[index].2, true)
                {
                    self.admission.abandon(self.now);
                }
            }
            Event::Rebuff(i) => self.rebuff(i),
            Event::Dismiss => {
                let dismissed = self.admission.dismiss(self.now);
                assert_eq!(dismissed, self.waiting.iter().copied().collect::<Vec<_>>());
                self.waiting.clear();
                self.bytes.clear();
            }
            _ => unreachable!("it is none of requests"),
        }
    }

    fn arrive(&mut self, bytes: u64) {
        match self.admission.arrive(bytes, self.now) {
            Verdict::Admitted(ticket, seat) => {
                assert!(self.waiting.is_empty(), "overtaken by a newcomer");
                self.seated(ticket, seat);
            }
            Verdict::Queued(ticket) => {
                self.waiting.insert(ticket);
                self.bytes.insert(ticket, bytes);
            }
            Verdict::Refused => {
                let held: u64 = self.bytes.values().sum();
                let full = self.waiting.len() >= BOUNDS.max_requests;
                assert!(
                    full || held + bytes > BOUNDS.max_bytes,
                    "refused without need"
                );
            }
        }
    }

    fn leave(&mut self, index: usize) {
        let Some((_, seat, abandoned)) = self.take_running(index) else {
            return;
        };
        let took = Duration::from_millis(5);
        let retired = self.is_retired(seat.replica);
        let left = if abandoned {
            self.admission.vacate(seat, self.now)
        } else {
            self.admission.leave(seat, took, self.now)
        };
        self.left(seat.replica, retired, left);
    }

    fn rebuff(&mut self, index: usize) {
        let Some((ticket, seat, abandoned)) = self.take_running(index) else {
            return;
        };
        if abandoned {
            self.running.push((ticket, seat, abandoned));
            return;
        }
        match self.admission.rebuff(ticket, seat, 3, self.now) {
            Verdict::Admitted(ticket, seat) => {
                assert!(self.waiting.is_empty(), "a free slot beside a line");
                self.seated(ticket, seat);
            }
            Verdict::Queued(ticket) => {
                self.waiting.insert(ticket);
                self.bytes.insert(ticket, 3);
            }
            Verdict::Refused => panic!("what was accepted is not refused"),
        }
    }
}
