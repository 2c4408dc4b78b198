//! Waiting for a slot: until it is this request's turn, its client leaves, or a deadline.
//!
//! While a request waits its body is read ahead, within a budget: hyper notices that a client has
//! left only while it may read. A body beyond the budget stays in the socket, which is then watched.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

use super::admit::{Admitted, Errand, cannot_come, queue_full};
use super::body::Cut;
use super::error::Refusal;
use super::headers::Waited;
use super::terms::{ends_wait, latest};
use super::upload::ReadAhead;
use super::{Client, Permit, Place, Revision, now};
use crate::admission::Full;
use crate::stats::WaitOutcome;
use crate::throttler::Denied;

/// A request in line.
pub(super) struct Wait {
    pub(super) errand: Box<Errand>,
    pub(super) place: Place,
    /// Bytes the line already counts for it.
    pub(super) reserved: u64,
}

/// Why a wait was interrupted.
enum Event {
    Turn(Result<Permit, Denied>),
    Body(Result<ReadAhead, Cut>),
    /// More of the body than may be held.
    Full(Full),
    HangUp,
    Due,
}

/// The replica that could not be reached before the wait, and why.
pub(super) type Rebuff = Option<(crate::revision::ReplicaId, io::Error)>;

impl Wait {
    /// Waits for a slot until a deadline, reading ahead.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn would keep its arguments twice, and this is what a held request is"
    )]
    pub(super) fn out(
        mut self,
        client: &Client,
        rebuff: Rebuff,
    ) -> impl Future<Output = Result<Admitted, Refusal>> + Send {
        async move {
            let mut tab = WaitTab {
                revision: Arc::clone(&self.errand.revision),
                since: self.errand.arrived,
                outcome: WaitOutcome::Cancelled,
            };
            let ticket = self.place.ticket();
            self.errand.stands(Some(ticket));
            let turn = self.turn(client, rebuff).await;
            tab.outcome = match &turn {
                Ok(_) => WaitOutcome::Admitted,
                Err(Refusal::ClientClosed) => WaitOutcome::Cancelled,
                Err(_) => WaitOutcome::Refused,
            };
            if let Err(refusal) = &turn {
                self.place.ends(refusal.fate());
            }
            let permit = turn?;
            let mut errand = self.errand;
            errand.stands(None);
            let warm_since = errand.revision.throttler.outlook().warm_since;
            errand.waited = split(errand.arrived, permit.since(), warm_since);
            Ok(Admitted { permit, errand })
        }
    }

    async fn turn(&mut self, client: &Client, rebuff: Rebuff) -> Result<Permit, Refusal> {
        let mut timer = pin!(sleep_until(self.deadline().into()));
        let mut hang_up = pin!(client.hung_up());
        let mut reading = true;
        loop {
            let event = self
                .next_event(timer.as_mut(), hang_up.as_mut(), reading)
                .await;
            match event {
                Event::Turn(Ok(permit)) => return Ok(permit),
                Event::Turn(Err(Denied::Outage(outage))) => {
                    return Err(cannot_come(&self.errand.revision, outage));
                }
                Event::Turn(Err(Denied::GaveWay)) => {
                    return Err(queue_full(&self.errand.revision, Full::Requests));
                }
                Event::Full(full) => return Err(queue_full(&self.errand.revision, full)),
                Event::Body(Ok(ReadAhead::Refused)) => {
                    return Err(queue_full(&self.errand.revision, Full::Bytes));
                }
                Event::Body(Ok(ReadAhead::Complete | ReadAhead::Partial)) => reading = false,
                Event::Body(Err(cut)) => return Err(Refusal::from(&cut)),
                Event::HangUp => return Err(Refusal::ClientClosed),
                Event::Due => {
                    let deadline = self.deadline();
                    if deadline <= now() {
                        return Err(self.waited_too_long(rebuff));
                    }
                    timer.as_mut().reset(deadline.into());
                }
            }
        }
    }

    async fn next_event(
        &mut self,
        mut timer: Pin<&mut Sleep>,
        mut hang_up: Pin<&mut impl Future<Output = ()>>,
        reading: bool,
    ) -> Event {
        let read_ahead = self.errand.revision.spec.queue.read_ahead;
        let (place, reserved) = (&mut self.place, &mut self.reserved);
        let upload = self.errand.request.body_mut();
        poll_fn(move |cx| {
            if let Poll::Ready(turn) = Future::poll(Pin::new(&mut *place), cx) {
                return Poll::Ready(Event::Turn(turn));
            }
            if reading {
                let (mut held, mut full) = (upload.held_bytes(), None);
                let read = upload.poll_read_ahead(cx, read_ahead, |piece| {
                    held += piece.len() as u64;
                    let more = held.saturating_sub(*reserved);
                    *reserved += more;
                    full = (more > 0).then(|| place.hold_more(more).err()).flatten();
                    full.is_none()
                });
                if let Some(full) = full {
                    return Poll::Ready(Event::Full(full));
                }
                if let Poll::Ready(read) = read {
                    return Poll::Ready(Event::Body(read));
                }
            } else if hang_up.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::HangUp);
            }
            timer.as_mut().poll(cx).map(|()| Event::Due)
        })
        .await
    }

    /// When the wait ends at the latest, as things stand.
    fn deadline(&self) -> Instant {
        let revision = &self.errand.revision;
        let warm_since = revision.throttler.outlook().warm_since;
        let queue = &revision.spec.queue;
        let own = ends_wait(self.errand.deadline);
        latest(queue, (self.errand.arrived, own), warm_since, now())
    }

    fn waited_too_long(&self, rebuff: Rebuff) -> Refusal {
        let throttler = &self.errand.revision.throttler;
        if let Some((replica, cause)) = rebuff
            && throttler.lists(replica)
            && throttler.read().serving == 0
        {
            return Refusal::ConnectFailed(cause);
        }
        if ends_wait(self.errand.deadline).is_some_and(|own| own <= now()) {
            return Refusal::DeadlineUnmeetable {
                wait: throttler.outlook().estimate,
            };
        }
        let outlook = throttler.outlook();
        let queue = &self.errand.revision.spec.queue;
        match outlook.warm_since {
            Some(_) => Refusal::QueueTimeout {
                waited: queue.timeout,
                estimate: outlook.estimate,
            },
            None => Refusal::ColdStartTimeout {
                waited: queue.cold_timeout,
                diagnosis: outlook.diagnosis,
                estimate: outlook.estimate,
            },
        }
    }
}

/// Tells the two waits apart: for a replica, and for a slot.
fn split(arrived: Instant, admitted: Instant, warm_since: Option<Instant>) -> Waited {
    let total = admitted.saturating_duration_since(arrived);
    let cold = warm_since
        .filter(|&warm| warm > arrived)
        .map(|warm| warm.saturating_duration_since(arrived).min(total));
    Waited {
        queue: total.saturating_sub(cold.unwrap_or_default()),
        cold,
    }
}

/// Counts one wait when it is over, however it ends.
struct WaitTab {
    revision: Arc<Revision>,
    since: Instant,
    outcome: WaitOutcome,
}

impl Drop for WaitTab {
    fn drop(&mut self) {
        let took = now().saturating_duration_since(self.since);
        self.revision.stats.waited(self.outcome, took);
    }
}
