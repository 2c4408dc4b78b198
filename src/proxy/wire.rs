//! What the exchange on a client's connection tells whoever reads and writes that connection.
//!
//! The body of an answer is asked only while the client takes it, so its budgets cannot end an
//! answer that nobody reads; and how a connection must be closed depends on what passed over it.

use std::time::{Duration, Instant};

use crate::sync::Mutex;

/// One connection; HTTP/1.1 has one exchange on it at a time.
#[derive(Debug)]
pub struct Wire(Mutex<State>);

#[derive(Debug)]
struct State {
    /// When the answer must have been taken.
    due: Option<Instant>,
    /// Longest time without a byte taken. Stays for what is left of an answer that has ended.
    idle: Option<Duration>,
    /// An answer passes through.
    passing: bool,
    /// A request may not have been read to its end.
    unread: bool,
    cut: bool,
}

impl Wire {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            due: None,
            idle: None,
            passing: false,
            unread: false,
            cut: false,
        }))
    }

    /// A request has come in.
    pub(super) fn asked(&self, with_body: bool) {
        self.0.lock().unread = with_body;
    }

    /// An answer passes through, within these budgets.
    pub(super) fn passing(&self, due: Option<Instant>, idle: Option<Duration>) {
        let mut state = self.0.lock();
        state.passing = true;
        state.due = due;
        state.idle = idle;
    }

    /// It has been read to its end.
    pub(super) fn passed(&self, request_read: bool) {
        let mut state = self.0.lock();
        state.passing = false;
        state.due = None;
        state.unread &= !request_read;
    }

    /// Nothing was asked for a while: what is not passing through has ended.
    pub(crate) fn quiet(&self) {
        let mut state = self.0.lock();
        // While an answer passes through, its request may still be coming.
        state.unread &= state.passing;
    }

    /// What is sent on this connection ends before its end.
    pub(crate) fn cut(&self) {
        self.0.lock().cut = true;
    }

    /// It must be reset: a client may know the end of an answer only by the end of the connection.
    pub(crate) fn is_cut(&self) -> bool {
        self.0.lock().cut
    }

    /// The client may still be sending a body that nobody reads.
    pub(crate) fn is_unread(&self) -> bool {
        self.0.lock().unread
    }

    /// When a write that waits `since` then must have moved; `None` if it may wait for ever.
    pub(crate) fn due(&self, since: Instant) -> Option<Instant> {
        let state = self.0.lock();
        let idle = state.idle.map(|budget| since + budget);
        [state.due, idle].into_iter().flatten().min()
    }
}
