//! The lease: held by one gateway at a time, renewed while it lives, taken over when it has run out
//! or was given back. Every clock is one's own: the times written in it are for people.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::{PodIdentity, Soon};
use crate::backend::kubernetes::call::{self, Failure, in_time, timestamp, writing};
use crate::backend::kubernetes::seams::{ApiError, Tenure};
use crate::sync::{now, wall};

/// What it is called.
const NAME: &str = "holdgate-gateway";

/// Nobody else takes it before it has stood unchanged for so long.
const DURATION: Duration = Duration::from_secs(15);

/// Its holder believes in it for so long after it began to renew it: what was begun at the last
/// moment has ended before anybody else begins.
const KEPT: Duration = DURATION.saturating_sub(call::LONGEST);

/// How often its holder renews it.
const RENEWED: Duration = Duration::from_secs(5);

/// How long after a call that failed the next one is made.
const AGAIN: Duration = Duration::from_secs(1);

/// How often it is tried to give it back, should it have changed meanwhile.
const ATTEMPTS: u32 = 3;

/// One who seeks the lease.
pub(super) struct Candidate {
    leases: Api<Lease>,
    me: String,
    known: Known,
    /// When the last renewal began; `None` unless it is ours.
    renewed: Option<Instant>,
    /// When a call failed last, and none has succeeded since.
    failed: Option<Instant>,
    /// Until when we hold it, by our own clock.
    until: watch::Sender<Option<Instant>>,
}

/// What is known of the lease.
#[derive(Clone, Debug)]
enum Known {
    Nothing,
    /// It is not there, and may be made from then on: whoever held it when somebody took it away may
    /// not have seen that.
    Absent(Instant),
    /// As it was first seen then.
    There(Box<Lease>, Instant),
}

/// What the lease is for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Unknown,
    /// Nobody holds it from then on.
    Free(Instant),
    Ours,
    /// Somebody else does, or did until then.
    Theirs(Instant),
}

impl Candidate {
    pub(super) fn new(
        client: Client,
        own: &PodIdentity,
        until: watch::Sender<Option<Instant>>,
    ) -> Self {
        Self {
            leases: Api::namespaced(client, &own.namespace),
            me: own.name.clone(),
            known: Known::Nothing,
            renewed: None,
            failed: None,
            until,
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
        // Only when nobody here steers any more somebody else may.
        let _ = tenure.wait_for(|tenure| !tenure.steers).await;
        self.release().await;
        released.send_replace(true);
    }

    async fn seek(&mut self) {
        let watched = watcher::watch_object(self.leases.clone(), NAME).backoff(Soon);
        let mut watched = pin!(watched);
        loop {
            tokio::select! {
                seen = watched.next() => match seen {
                    Some(Ok(lease)) => self.note(lease),
                    Some(Err(error)) => tracing::debug!(%error, "the lease cannot be watched"),
                    None => std::future::pending().await,
                },
                () = sleep_until(self.due().into()) => self.act().await,
            }
        }
    }

    fn standing(&self) -> Standing {
        match &self.known {
            Known::Nothing => Standing::Unknown,
            Known::Absent(from) => Standing::Free(*from),
            Known::There(lease, since) => match holder(lease) {
                None => Standing::Free(*since),
                Some(holder) if holder == self.me => Standing::Ours,
                Some(_) => Standing::Theirs(*since + duration(lease)),
            },
        }
    }

    /// When the next call is to be made.
    fn due(&self) -> Instant {
        let due = match self.standing() {
            Standing::Unknown => now(),
            Standing::Ours => self.renewed.map_or_else(now, |at| at + RENEWED),
            Standing::Free(from) | Standing::Theirs(from) => from,
        };
        self.failed.map_or(due, |at| due.max(at + AGAIN))
    }

    async fn act(&mut self) {
        let begun = now();
        let done = match (self.standing(), self.known.clone()) {
            (Standing::Unknown, _) => self.look().await,
            (_, Known::There(lease, _)) => {
                let lease = self.held(&lease);
                let put = in_time(self.leases.replace(NAME, &writing(), &lease)).await;
                put.map(|lease| self.hold(lease, begun))
            }
            (_, Known::Nothing | Known::Absent(_)) => {
                let lease = self.held(&Lease::default());
                let made = in_time(self.leases.create(&writing(), &lease)).await;
                made.map(|lease| self.hold(lease, begun))
            }
        };
        let done = match done {
            // Somebody was faster, or took it away.
            Err(Failure {
                error: ApiError::Conflict | ApiError::Gone,
                ..
            }) => self.look().await,
            done => done,
        };
        match done {
            Ok(()) => self.failed = None,
            Err(Failure { error, .. }) => {
                if self.failed.is_none() {
                    tracing::warn!(%error, "the lease cannot be had or kept");
                }
                self.failed = Some(now());
            }
        }
    }

    async fn look(&mut self) -> Result<(), Failure> {
        let lease = in_time(self.leases.get_opt(NAME)).await?;
        self.note(lease);
        Ok(())
    }

    /// It is ours from when we began to ask for it.
    fn hold(&mut self, lease: Lease, begun: Instant) {
        self.known = Known::There(Box::new(lease), begun);
        self.renewed = Some(begun);
        self.until.send_replace(Some(begun + KEPT));
    }

    /// Takes what is there. What is older than what is known came late.
    fn note(&mut self, seen: Option<Lease>) {
        let known = match &self.known {
            Known::There(lease, _) => version(lease),
            Known::Nothing | Known::Absent(_) => None,
        };
        let Some(lease) = seen else {
            let from = match self.standing() {
                Standing::Theirs(_) => now() + DURATION,
                Standing::Free(from) => from,
                Standing::Unknown | Standing::Ours => now(),
            };
            self.known = Known::Absent(from);
            return;
        };
        if version(&lease).is_some_and(|new| known.is_some_and(|old| new <= old)) {
            return;
        }
        self.known = Known::There(Box::new(lease), now());
        if self.standing() != Standing::Ours && self.renewed.take().is_some() {
            tracing::warn!("the lease was taken from us");
            self.until.send_replace(None);
        }
    }

    /// The lease with us as its holder.
    fn held(&self, lease: &Lease) -> Lease {
        let before = lease.spec.clone().unwrap_or_default();
        let is_new = before.holder_identity.as_ref() != Some(&self.me);
        let at = Some(MicroTime(timestamp(wall())));
        let transitions = before.lease_transitions.unwrap_or(0);
        let mut lease = lease.clone();
        lease.metadata.name = Some(NAME.to_owned());
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: if is_new {
                at.clone()
            } else {
                before.acquire_time
            },
            lease_transitions: Some(transitions.saturating_add(i32::from(is_new))),
            renew_time: at,
            ..before
        });
        lease
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
            let mut free = *lease;
            if let Some(spec) = &mut free.spec {
                spec.holder_identity = Some(String::new());
            }
            match in_time(self.leases.replace(NAME, &writing(), &free)).await {
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

fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref()?;
    Some(holder).filter(|holder| !holder.is_empty())
}

/// How long its holder asked for; nobody waits forever for what somebody else wrote.
fn duration(lease: &Lease) -> Duration {
    let written = lease
        .spec
        .as_ref()
        .and_then(|spec| spec.lease_duration_seconds);
    let seconds = written.and_then(|seconds| u64::try_from(seconds).ok());
    seconds
        .map_or(DURATION, Duration::from_secs)
        .min(4 * DURATION)
}

/// Versions are opaque by the book, and numbers that grow in every API server there is.
fn version(lease: &Lease) -> Option<u64> {
    lease.metadata.resource_version.as_ref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::kubernetes::tests_server::Server;

    #[tokio::test(start_paused = true)]
    async fn news_that_come_late_take_nothing_from_its_holder() {
        let own = PodIdentity {
            namespace: "holdgate-system".to_owned(),
            name: "a".to_owned(),
            uid: "u".to_owned(),
            selector: String::new(),
        };
        let until = watch::Sender::new(None);
        let mut candidate = Candidate::new(Server::default().client(), &own, until.clone());
        let of = |holder: &str, version: u64| {
            let mut lease = Lease::default();
            lease.metadata.resource_version = Some(version.to_string());
            lease.spec = Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                ..LeaseSpec::default()
            });
            lease
        };
        candidate.note(Some(of("b", 9)));
        candidate.hold(of("a", 10), now());
        candidate.note(Some(of("b", 9)));
        assert_eq!(candidate.standing(), Standing::Ours);
        assert!(until.borrow().is_some());
        candidate.note(Some(of("b", 11)));
        assert_eq!(*until.borrow(), None);
    }
}
