//! One slot in use, from the connection on which it is used to the budgets it may take.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::Permit;
use super::connect::Connection;
use super::now;
use super::upload::Progress;
use crate::autoscale::StartPhase;
use crate::guests::Guest;
use crate::revision::OnDisconnect;
use crate::stats::Stats;

/// The permit, the connection it is used on, and what is known of the upload.
#[derive(Debug)]
pub(super) struct Exchange {
    // Before the permit: dropped together, the connection is closed when the slot passes on.
    pub(super) connection: Connection,
    pub(super) guest: Guest,
    pub(super) permit: Permit,
    pub(super) upload: Option<Arc<Progress>>,
    pub(super) on_disconnect: OnDisconnect,
    pub(super) watchdog: Watchdog,
    /// How long the replica may go on working for nobody before it counts as stuck.
    pub(super) patience: Option<Duration>,
}

impl Exchange {
    /// The answer has been read to its end: the connection first, so that whoever gets the slot
    /// finds it.
    pub(super) fn end(self) {
        if self.is_sent() {
            let now = now();
            self.permit.replica().connections.keep(self.connection, now);
        }
    }

    /// The replica begins to answer. How long the first answer of a new one takes is a phase of its start.
    pub(super) fn answers(&self, stats: &Stats, now: Instant) {
        if self.permit.replica().answers_first() {
            let took = now.saturating_duration_since(self.watchdog.began);
            stats.start_phase(StartPhase::FirstAnswer, took);
        }
    }

    /// Nobody waits for the answer any more, but the replica still works.
    pub(super) fn abandon(&mut self) {
        self.permit.abandon();
        self.guest.abandoned(self.permit.replica().id, now());
    }

    /// Waits for something that the replica does while nobody else waits for it. One that does not in
    /// time is stuck, and reported: its slots come back when it is replaced.
    pub(super) async fn patiently<T>(&self, done: impl Future<Output = T>) -> T {
        let mut done = pin!(done);
        if let Some(patience) = self.patience {
            if let Ok(done) = tokio::time::timeout(patience, done.as_mut()).await {
                return done;
            }
            let permit = &self.permit;
            permit.throttler().report_stuck(permit.replica().id);
        }
        done.await
    }

    /// Keeps the slot of an upload that was broken off until the replica has closed its end of the
    /// connection as well. It can never be answered, and may still be worked on.
    pub(super) async fn outlast_upload(mut self) {
        let closed = self.connection.closing();
        self.patiently(closed).await;
    }

    /// The request has been sent to its end.
    pub(super) fn is_sent(&self) -> bool {
        self.upload.as_ref().is_none_or(|upload| upload.is_done())
    }

    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let timer = self.connection.timer.as_mut();
        let upload = self.upload.as_deref();
        let budget = std::task::ready!(self.watchdog.poll_expired(timer, upload, cx));
        self.connection.retire();
        Poll::Ready(budget)
    }
}

/// The budgets of one exchange: in all, and without a byte in either direction.
#[derive(Debug)]
pub(super) struct Watchdog {
    pub(super) began: Instant,
    last: Instant,
    pub(super) total: Option<Duration>,
    pub(super) idle: Option<Duration>,
    /// What the timer is set to. It may be early: a byte that moves does not touch the timer.
    armed: Option<Instant>,
}

impl Watchdog {
    pub(super) fn new(now: Instant, total: Option<Duration>, idle: Option<Duration>) -> Self {
        Self {
            began: now,
            last: now,
            total,
            idle,
            armed: None,
        }
    }

    /// From here on another budget counts, from the same beginning.
    pub(super) fn set_total(&mut self, total: Option<Duration>) {
        self.total = total;
        self.armed = None;
    }

    pub(super) fn fed(&mut self, now: Instant) {
        self.last = now;
    }

    /// The budget for all of it, if that has run out.
    pub(super) fn is_over(&self, now: Instant) -> Option<Duration> {
        self.total.filter(|budget| now >= self.began + *budget)
    }

    /// Ready with the budget that ran out.
    fn poll_expired(
        &mut self,
        mut timer: Pin<&mut Sleep>,
        upload: Option<&Progress>,
        cx: &mut Context<'_>,
    ) -> Poll<Duration> {
        loop {
            let last = upload.map_or(self.last, |upload| upload.last().max(self.last));
            let total = self.total.map(|budget| (self.began + budget, budget));
            let idle = self.idle.map(|budget| (last + budget, budget));
            let Some((due, budget)) = [total, idle].into_iter().flatten().min() else {
                return Poll::Pending;
            };
            if self.armed.is_none_or(|armed| armed > due) {
                timer.as_mut().reset(due.into());
                self.armed = Some(due);
            }
            std::task::ready!(timer.as_mut().poll(cx));
            self.armed = None;
            if now() >= due {
                return Poll::Ready(budget);
            }
        }
    }
}
