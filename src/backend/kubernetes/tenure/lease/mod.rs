//! The lease: held by one life of one gateway at a time, renewed while it lives, taken over when it has
//! run out, was given back, or its holder is known to have ended. How often it changed hands is the
//! number of the reign. Every clock is one's own: the times written in it are for people, and for
//! telling the lives of one pod from each other.

mod known;
mod written;

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use self::known::{Known, Me, Standing};
use self::written::{free, held, holder, transitions, version};
use super::{PodIdentity, Soon};
use crate::backend::kubernetes::call::{self, Failure, in_time, writing};
use crate::backend::kubernetes::own::GATEWAY;
use crate::backend::kubernetes::seams::{ApiError, Tenure};
use crate::peers::Roll;
use crate::sync::now;

/// Nobody else takes it before it has stood unchanged for so long.
const DURATION: Duration = Duration::from_secs(6);

/// Its holder believes in it for so long after it began to renew it: what was begun at the last
/// moment has ended before anybody else begins.
const KEPT: Duration = DURATION.saturating_sub(call::LONGEST);

/// How often its holder renews it.
const RENEWED: Duration = Duration::from_millis(1500);

/// How long after a call that failed the next one is made.
const AGAIN: Duration = Duration::from_secs(1);

/// How often it is tried to give it back, should it have changed meanwhile.
const ATTEMPTS: u32 = 3;

/// One who seeks the lease.
pub(super) struct Candidate {
    leases: Api<Lease>,
    me: Me,
    /// The other gateways.
    roll: watch::Receiver<Roll>,
    /// The highest number of a reign that was seen, and the highest that others tell of.
    highest: u64,
    outdone: watch::Receiver<u64>,
    known: Known,
    /// When the last renewal began; `None` unless it is ours.
    renewed: Option<Instant>,
    /// The last call came to nothing: no other before then.
    not_before: Option<Instant>,
    /// A call has failed, and none has succeeded since.
    failing: bool,
    /// Until when we hold it, by our own clock.
    until: watch::Sender<Option<Instant>>,
    /// Which reign is ours, until it is known that somebody else's has begun.
    reign: watch::Sender<Option<u64>>,
    /// Somebody held it before us who did not give it back.
    inherits: watch::Sender<bool>,
}

impl Candidate {
    pub(super) fn new(
        client: Client,
        own: &PodIdentity,
        (roll, outdone): (watch::Receiver<Roll>, watch::Receiver<u64>),
        until: watch::Sender<Option<Instant>>,
        (reign, inherits): (watch::Sender<Option<u64>>, watch::Sender<bool>),
    ) -> Self {
        Self {
            leases: Api::namespaced(client, &own.namespace),
            me: Me::new(own),
            roll,
            highest: 0,
            outdone,
            known: Known::Nothing,
            renewed: None,
            not_before: None,
            failing: false,
            until,
            reign,
            inherits,
        }
    }

    /// Seeks and holds it until told to end, then gives it back.
    pub(super) async fn run(
        mut self,
        end: CancellationToken,
        mut tenure: watch::Receiver<Tenure>,
        released: watch::Sender<bool>,
    ) {
        let seeking = end.run_until_cancelled(self.seek());
        seeking.await;
        self.until.send_replace(None);
        self.reign.send_replace(None);
        // Only when nobody here steers any more somebody else may.
        let _ = tenure.wait_for(|tenure| !tenure.steers).await;
        self.release().await;
        released.send_replace(true);
    }

    async fn seek(&mut self) {
        let watched = watcher::watch_object(self.leases.clone(), GATEWAY).backoff(Soon);
        let mut watched = pin!(watched);
        loop {
            let due = self.due();
            tokio::select! {
                seen = watched.next() => match seen {
                    Some(Ok(lease)) => self.note(lease),
                    Some(Err(error)) => tracing::debug!(%error, "the lease cannot be watched"),
                    None => std::future::pending().await,
                },
                // Its holder may be known to have ended.
                Ok(()) = self.roll.changed() => {}
                Ok(()) = self.outdone.changed() => {
                    self.highest = self.highest.max(*self.outdone.borrow_and_update());
                }
                () = sleep_until(due.into()) => self.act().await,
            }
        }
    }

    fn standing(&self) -> Standing {
        self.known.standing(&self.me, &self.roll.borrow())
    }

    fn is_outdone(&self) -> bool {
        let known = self.known.lease();
        known.is_some_and(|lease| transitions(lease) < self.highest)
    }

    /// When the next call is to be made.
    fn due(&self) -> Instant {
        let due = match self.standing() {
            Standing::Unknown => now(),
            // Others obey a later reign than ours.
            Standing::Ours if self.is_outdone() => now(),
            Standing::Ours => self.renewed.map_or_else(now, |at| at + RENEWED),
            Standing::Free(from) | Standing::Theirs(from) => from,
        };
        self.not_before.map_or(due, |at| due.max(at))
    }

    async fn act(&mut self) {
        let begun = now();
        self.tell_inheritance();
        let done = match (self.standing(), self.known.clone()) {
            (Standing::Unknown, _) => self.look().await,
            (_, Known::There(lease, _)) => {
                let lease = held(&lease, &self.me.life, self.highest);
                let put = in_time(self.leases.replace(GATEWAY, &writing(), &lease)).await;
                put.map(|lease| self.hold(lease, begun))
            }
            (_, Known::Nothing | Known::Absent(_)) => {
                let lease = held(&Lease::default(), &self.me.life, self.highest);
                let made = in_time(self.leases.create(&writing(), &lease)).await;
                made.map(|lease| self.hold(lease, begun))
            }
        };
        // Somebody was faster, or took it away.
        let beaten = matches!(
            &done,
            Err(Failure {
                error: ApiError::Conflict | ApiError::Gone,
                ..
            })
        );
        let done = if beaten { self.look().await } else { done };
        self.not_before = (beaten || done.is_err()).then(|| now() + AGAIN);
        let failed_before = std::mem::replace(&mut self.failing, done.is_err());
        if let (Err(Failure { error, .. }), false) = (done, failed_before) {
            tracing::warn!(%error, "the lease cannot be had or kept");
        }
    }

    /// Before the lease is asked for: what is told of the reign that follows.
    fn tell_inheritance(&self) {
        let inherits = match (self.standing(), &self.known) {
            (Standing::Unknown, _) => return,
            (Standing::Ours, _) if !self.is_outdone() => return,
            (_, Known::There(lease, _)) => holder(lease).is_some(),
            // Who took it away may have had it taken from somebody.
            (_, Known::Absent(_) | Known::Nothing) => self.highest > 0,
        };
        self.inherits.send_replace(inherits);
    }

    /// Takes what is there now, even where its version is older: so it is when the cluster was set back
    /// to what it had saved.
    async fn look(&mut self) -> Result<(), Failure> {
        let lease = in_time(self.leases.get_opt(GATEWAY)).await?;
        let seen = lease.as_ref().and_then(version);
        if seen.is_none() || seen != self.known.version() {
            self.take(lease);
        }
        Ok(())
    }

    /// It is ours from when we began to ask for it.
    fn hold(&mut self, lease: Lease, begun: Instant) {
        self.see(&lease);
        self.known = Known::There(Box::new(lease), begun);
        self.renewed = Some(begun);
        self.until.send_replace(Some(begun + KEPT));
        self.tell_reign();
    }

    /// Takes what is told. What is older than what is known came late.
    fn note(&mut self, told: Option<Lease>) {
        let version = told.as_ref().and_then(version);
        if version.is_some() && version <= self.known.version() {
            return;
        }
        self.take(told);
    }

    fn take(&mut self, lease: Option<Lease>) {
        let Some(lease) = lease else {
            let from = match self.standing() {
                Standing::Theirs(_) => now() + DURATION,
                Standing::Free(from) => from,
                Standing::Unknown | Standing::Ours => now(),
            };
            self.known = Known::Absent(from);
            return;
        };
        self.see(&lease);
        self.known = Known::There(Box::new(lease), now());
        if self.standing() != Standing::Ours && self.renewed.take().is_some() {
            tracing::warn!("the lease was taken from us");
            self.until.send_replace(None);
        }
        self.tell_reign();
    }

    fn see(&mut self, lease: &Lease) {
        self.highest = self.highest.max(transitions(lease));
    }

    /// It goes on while nobody can be asked: a later one is heard of from whoever begins it.
    fn tell_reign(&self) {
        let ours = match &self.known {
            Known::There(lease, _) if self.standing() == Standing::Ours => Some(transitions(lease)),
            Known::There(..) => None,
            Known::Absent(_) | Known::Nothing => return,
        };
        self.reign
            .send_if_modified(|known| std::mem::replace(known, ours) != ours);
    }

    async fn release(&mut self) {
        for _ in 0..ATTEMPTS {
            if let Err(Failure { error, .. }) = self.look().await {
                tracing::warn!(%error, "the lease is left to run out");
                return;
            }
            let Known::There(lease, _) = self.known.clone() else {
                return;
            };
            if self.standing() != Standing::Ours {
                return;
            }
            let free = free(&lease);
            match in_time(self.leases.replace(GATEWAY, &writing(), &free)).await {
                Ok(_) => return,
                Err(Failure {
                    error: ApiError::Conflict,
                    ..
                }) => {}
                Err(Failure { error, .. }) => {
                    tracing::warn!(%error, "the lease is left to run out");
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
