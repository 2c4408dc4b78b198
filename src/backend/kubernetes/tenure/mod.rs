//! Who steers while several gateways of one installation run, as they do while one is replaced by the
//! next: a lease says whose numbers of replicas count, and the installation's own pods say whether
//! anybody else answers requests. What follows from it is decided elsewhere.

mod identity;
mod lease;
mod others;
mod roll;
mod token;

use std::time::{Duration, Instant};

use kube::Client;
use kube::runtime::utils::Backoff;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use self::identity::PodIdentity;
use self::lease::Candidate;
use super::seams::Tenure;
use crate::peers::{Credential, Roll};
use crate::sync::{self, now};

/// A watch that has broken is begun again so soon, however long nobody has answered: two watches burden
/// no API server, and what they tell says who may do what.
const BROKEN: Duration = Duration::from_secs(1);

struct Soon;

impl Iterator for Soon {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(BROKEN)
    }
}

impl Backoff for Soon {
    fn reset(&mut self) {}
}

/// What this gateway may do, as long as this is kept. Dropped, the lease runs out by itself.
#[derive(Debug)]
pub struct Reign {
    tenure: watch::Receiver<Tenure>,
    number: watch::Receiver<Option<u64>>,
    inherits: watch::Receiver<bool>,
    roll: watch::Receiver<Roll>,
    outdone: watch::Sender<u64>,
    /// `None` outside a pod.
    credential: Option<Credential>,
    end: CancellationToken,
    /// Nothing is held, and nothing is sought any more.
    released: watch::Receiver<bool>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl Reign {
    /// Seeks the lease from now on, and watches the other pods of the installation. Without an identity
    /// there is neither: a gateway on somebody's own machine steers, and thinks itself alone. Must be
    /// called inside a tokio runtime.
    #[must_use]
    pub fn start(client: &Client, identity: Option<PodIdentity>) -> Self {
        let Some(identity) = identity else {
            return Self::outside_a_pod();
        };
        let end = CancellationToken::new();
        let until = watch::Sender::new(None);
        let (tell, tenure) = watch::channel(Tenure::default());
        let (release, released) = watch::channel(false);
        let ((call, roll), (reign, number)) =
            (watch::channel(Roll::default()), watch::channel(None));
        let combining = combine(until.clone(), roll.clone(), tell);
        let watching = others::follow(client.clone(), identity.clone(), call);
        let outdone = watch::Sender::new(0);
        let (inherit, inherits) = watch::channel(true);
        let seen = (roll.clone(), outdone.subscribe());
        let candidate = Candidate::new(client.clone(), &identity, seen, until, (reign, inherit));
        let seeking = candidate.run(end.clone(), tenure.clone(), release);
        let (credential, looking) =
            token::follow(client.clone(), &identity.namespace, number.clone());
        let tasks = [
            AbortOnDropHandle::new(tokio::spawn(combining)),
            AbortOnDropHandle::new(tokio::spawn(watching)),
            AbortOnDropHandle::new(tokio::spawn(seeking)),
            looking,
        ];
        Self {
            tenure,
            number,
            inherits,
            roll,
            outdone,
            credential: Some(credential),
            end,
            released,
            _tasks: tasks.into(),
        }
    }

    fn outside_a_pod() -> Self {
        tracing::info!("not in a pod: steers without a lease, and looks for no other gateway");
        let all = Tenure {
            steers: true,
            heard: true,
        };
        Self {
            tenure: watch::Sender::new(all).subscribe(),
            number: watch::Sender::new(None).subscribe(),
            inherits: watch::Sender::new(false).subscribe(),
            roll: watch::Sender::new(Roll::default()).subscribe(),
            outdone: watch::Sender::new(0),
            credential: None,
            end: CancellationToken::new(),
            released: watch::Sender::new(true).subscribe(),
            _tasks: Vec::new(),
        }
    }

    /// What this gateway may do, now and whenever it changes. Of other gateways it knows here only
    /// whether there are any: none that runs is heard.
    #[must_use]
    pub fn tenure(&self) -> watch::Receiver<Tenure> {
        self.tenure.clone()
    }

    /// The number of this gateway's reign, while no other is known to have begun. It grows with every
    /// change of who steers, and with every start of the same. It may last when nothing can be steered
    /// any more: without an API server there is nobody who says that another has begun.
    #[must_use]
    pub fn number(&self) -> watch::Receiver<Option<u64>> {
        self.number.clone()
    }

    /// Whether somebody held the lease before this reign who did not give it back: nobody has seen then
    /// that everything of his had ended.
    #[must_use]
    pub fn inherits(&self) -> watch::Receiver<bool> {
        self.inherits.clone()
    }

    /// Where to say which reign another gateway obeys that is no earlier than ours: where the lease is
    /// ours, its number goes beyond that. So it is when the lease was deleted, or set back to what was
    /// saved.
    #[must_use]
    pub fn outdone(&self) -> watch::Sender<u64> {
        self.outdone.clone()
    }

    /// The other gateways of the installation. Outside a pod nobody looks for them.
    #[must_use]
    pub fn roll(&self) -> watch::Receiver<Roll> {
        self.roll.clone()
    }

    /// By what the gateways of the installation know each other. `None` outside a pod, where there are
    /// no peers.
    #[must_use]
    pub fn credential(&self) -> Option<Credential> {
        self.credential.clone()
    }

    /// Steers no more, and gives the lease back so that the next gateway takes it at once. Returns when
    /// that is done, or cannot be: within seconds.
    pub async fn abdicate(&self) {
        self.end.cancel();
        // The task has gone, which cannot be, or it is done: either way nothing is held any more.
        let _ = self.released.clone().wait_for(|released| *released).await;
    }
}

/// Puts together what the lease and the pods say, and lets time pass over the lease. Goes on when it
/// has been given back: while this gateway finishes what it has, it must know of the others.
async fn combine(
    held: watch::Sender<Option<Instant>>,
    mut roll: watch::Receiver<Roll>,
    tell: watch::Sender<Tenure>,
) {
    let mut until = held.subscribe();
    loop {
        let (held, now) = (*until.borrow_and_update(), now());
        let tenure = Tenure {
            steers: held.is_some_and(|until| until > now),
            heard: roll.borrow_and_update().is_alone(),
        };
        tell.send_if_modified(|known| {
            let changed = *known != tenure;
            if known.steers != tenure.steers {
                let steers = tenure.steers;
                tracing::info!(steers, "what this gateway may do has changed");
            }
            *known = tenure;
            changed
        });
        let turn = sync::until(held.filter(|at| *at > now));
        let changed = tokio::select! {
            changed = until.changed() => changed,
            changed = roll.changed() => changed,
            () = turn => Ok(()),
        };
        if changed.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
