//! What the exchange on a client's connection tells whoever reads and writes that connection.
//!
//! The body of an answer is asked only while the client takes it, so its budgets cannot end an
//! answer that nobody reads; and how a connection must be closed depends on what passed over it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::beside::Proxied;
use super::upgrade::Tunnel;
use crate::sync::Mutex;

/// One connection of HTTP/1.1, which has one exchange on it at a time, or one stream of HTTP/2.
#[derive(Debug)]
pub struct Wire(Mutex<State>, AtomicBool);

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
    /// What the connection becomes once it has ended as HTTP.
    tunnel: Option<Box<Tunnel>>,
    /// Since when a piece of the answer waits to be taken; of a stream.
    offered: Option<Instant>,
}

impl Wire {
    pub(super) fn new() -> Self {
        Self(
            Mutex::new(State {
                due: None,
                idle: None,
                passing: false,
                unread: false,
                cut: false,
                tunnel: None,
                offered: None,
            }),
            AtomicBool::new(false),
        )
    }

    /// Bytes have come that nobody has made anything of yet.
    pub(crate) fn hear(&self) {
        self.1.store(true, Relaxed);
    }

    /// They were the head of a request, and what else came was its own.
    pub(crate) fn heed(&self) {
        self.1.store(false, Relaxed);
    }

    /// Whether such bytes have come.
    pub(crate) fn was_heard(&self) -> bool {
        self.1.load(Relaxed)
    }

    /// An answer passes through.
    pub(crate) fn is_passing(&self) -> bool {
        self.0.lock().passing
    }

    /// A request has come in.
    pub(crate) fn asked(&self, with_body: bool) {
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
        // The rest of a body that came in pieces begins no other request.
        self.heed();
        let mut state = self.0.lock();
        state.passing = false;
        state.due = None;
        state.unread &= !request_read;
    }

    /// Whoever takes nothing of what is sent for so long is not served further, whatever passes.
    pub(crate) fn bound(&self, idle: Duration) {
        self.0.lock().idle = Some(idle);
    }

    /// A piece of the answer waits to be taken since then; or none does, as the next is asked for.
    pub(super) fn offer(&self, since: Option<Instant>) {
        self.0.lock().offered = since;
    }

    /// Since when a piece waits.
    pub(crate) fn offered(&self) -> Option<Instant> {
        self.0.lock().offered
    }

    /// Nothing was asked for a while: what is not passing through has ended.
    pub(crate) fn quiet(&self) {
        let mut state = self.0.lock();
        // While an answer passes through, its request may still be coming.
        state.unread &= state.passing;
    }

    /// The connection becomes a tunnel: its budgets are its own, and all that comes is read.
    pub(super) fn lay(&self, tunnel: Box<Tunnel>) {
        let mut state = self.0.lock();
        (state.due, state.idle, state.unread) = (None, None, false);
        state.tunnel = Some(tunnel);
    }

    /// The tunnel is one of a gateway's requests until it is over.
    pub(super) fn counts(&self, proxied: Proxied) {
        if let Some(tunnel) = &mut self.0.lock().tunnel {
            tunnel.counts(proxied);
        }
    }

    /// What the connection becomes now that it has ended as HTTP, if it does.
    pub(crate) fn tunnel(&self) -> Option<Box<Tunnel>> {
        self.0.lock().tunnel.take()
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
