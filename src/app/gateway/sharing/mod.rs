//! Several gateways of one installation act as one. Each may use its share of every replica: the one
//! that leads keeps the books of who has what, its members tell it what is asked of them, and do as
//! they are told. Who leads, and how they reach each other, is decided elsewhere.
//!
//! A gateway that knows that no other runs, nor has just crashed, uses whole replicas, and there is no
//! book. It begins to share when another appears, with everything it has; one that starts beside others
//! begins with nothing.

mod books;
mod commons;
mod hall;
mod leading;
mod ledger;
mod member;
mod names;
mod occupancy;
mod others;
mod past;
mod reign;
mod revisions;
mod standing;
mod tally;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_hall;
#[cfg(test)]
mod tests_member;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

pub(super) use self::commons::Commons;
use self::commons::Hall;
use self::hall::{Actor, Told};
pub(super) use self::reign::Listening;
use crate::admin::{Board, Gateways};
use crate::backend::kubernetes::Tenure;
use crate::peers::{Inbox, Peers, Roll};
use crate::ports::World;
use crate::proxy::Throttler;
use crate::revision::{RevisionId, RevisionSpec};
use crate::state::Notebook;

/// What this gateway shares with others. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Sharing(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    /// The UID of our pod.
    own: Arc<str>,
    hall: Hall,
    tenure: watch::Receiver<Tenure>,
    listening: watch::Receiver<Option<Listening>>,
    _actor: AbortOnDropHandle<()>,
}

/// What the lease says, and is told.
#[derive(Debug)]
pub(super) struct Lease {
    /// What it lets this gateway do.
    pub(super) tenure: watch::Receiver<Tenure>,
    /// The number of our reign, while no other is known to have begun.
    pub(super) number: watch::Receiver<Option<u64>>,
    /// Somebody steered before who did not resign.
    pub(super) inherits: watch::Receiver<bool>,
    /// What whoever steered before has left behind is in the notebook.
    pub(super) learned: watch::Receiver<bool>,
    /// Which reign others obey that is no earlier.
    pub(super) outdone: watch::Sender<u64>,
}

/// How this gateway stands to the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Whether there are others is not known yet: nothing is used.
    #[default]
    Unknown,
    /// No other runs: every replica is ours as a whole.
    Alone,
    /// Others run.
    Beside {
        /// Who leads, by its pod's UID; `None` while nobody is heard to.
        leader: Option<Arc<str>>,
        /// Others that live and are heard by us, the leader; `None` where another leads.
        heard: Option<u32>,
        /// Others that live and are not.
        unheard: u32,
    },
}

/// What is wanted of the one who speaks with the others.
#[derive(Debug)]
pub(super) enum Command {
    /// The replicas of a revision are shared from now on.
    Open(Arc<Commons>, watch::Receiver<World>),
    /// Not any more.
    Close(Arc<Commons>),
    /// What is there of it, or what is wanted of it, has changed.
    Look(RevisionId),
    /// Its shares fell due, or somebody waits.
    Shares(RevisionId),
    /// It ends: whatever idles is handed back, from now on.
    Drain,
    /// Nothing runs here any more: everything is handed back.
    Leave(oneshot::Sender<()>),
}

/// The replicas of a revision are shared for as long as this is kept.
#[derive(Debug)]
pub(super) struct Stake {
    commons: Arc<Commons>,
    _listening: Option<AbortOnDropHandle<()>>,
}

impl Sharing {
    /// There is never another gateway.
    pub(super) fn never() -> Self {
        Self(None)
    }

    /// Speaks with the others from now on. Must be called inside a tokio runtime.
    pub(super) fn start(
        (peers, inbox): (Peers, Inbox),
        roll: watch::Receiver<Roll>,
        lease: Lease,
    ) -> Self {
        let (commands, wanted) = mpsc::unbounded_channel();
        let (tell, standing) = watch::channel(Standing::Unknown);
        let (allow, allowed) = watch::channel(Tenure::default());
        let (doors, listening) = watch::channel(None);
        let unheard = Arc::new(AtomicBool::new(true));
        let hall = Hall {
            commands,
            standing,
            unheard: Arc::clone(&unheard),
        };
        let own = Arc::clone(&peers.me().pod);
        let told = Told {
            standing: tell,
            allowed: allow,
            listening: doors,
            unheard,
        };
        let actor = Actor::new(peers, roll, lease, told);
        let actor = AbortOnDropHandle::new(tokio::spawn(actor.run(inbox, wanted)));
        Self(Some(Arc::new(Shared {
            own,
            hall,
            tenure: allowed,
            listening,
            _actor: actor,
        })))
    }

    /// What this gateway may do, the others considered; `None` where there never are any.
    pub(super) fn tenure(&self) -> Option<watch::Receiver<Tenure>> {
        self.0.as_ref().map(|shared| shared.tenure.clone())
    }

    /// At which doors the others listen; `None` while another gateway leads, or that is not known yet.
    pub(super) fn listening(&self) -> watch::Receiver<Option<Listening>> {
        match &self.0 {
            Some(shared) => shared.listening.clone(),
            None => watch::channel(Some(Listening::new())).1,
        }
    }

    /// How this gateway stands to the others; `None` where there never are any.
    pub(super) fn standing(&self) -> Option<watch::Receiver<Standing>> {
        self.0.as_ref().map(|shared| shared.hall.standing.clone())
    }

    /// Shows how this gateway stands to the others, now and whenever it changes.
    pub(super) async fn show(&self, board: Arc<Board>) {
        let Some(mut standing) = self.standing() else {
            return;
        };
        let own = self.0.as_ref().map(|shared| &*shared.own);
        loop {
            board.set_gateways(standing.borrow_and_update().told(own.unwrap_or_default()));
            if standing.changed().await.is_err() {
                return;
            }
        }
    }

    /// The replicas of a revision. Nothing of them is ours before they are shared.
    /// What an earlier life knew of it is in the notebook.
    pub(super) fn commons(
        &self,
        spec: &RevisionSpec,
        throttler: Arc<Throttler>,
        notebook: Option<Notebook>,
    ) -> Arc<Commons> {
        let hall = self.0.as_ref().map(|shared| shared.hall.clone());
        if hall.is_some() {
            throttler.divide(false);
        }
        Arc::new(Commons::new(spec, throttler, hall, notebook))
    }

    /// They are shared from now on, as this world has them.
    pub(super) fn share(&self, commons: &Arc<Commons>, world: watch::Receiver<World>) -> Stake {
        let listening = self.0.as_ref().map(|_| {
            commons.tell(Command::Open(Arc::clone(commons), world.clone()));
            let listening = Arc::clone(commons).listen(world);
            AbortOnDropHandle::new(tokio::spawn(listening))
        });
        Stake {
            commons: Arc::clone(commons),
            _listening: listening,
        }
    }

    /// This gateway is about to end: whatever idles is handed back, what its requests need is asked for.
    pub(super) fn drain(&self) {
        if let Some(shared) = &self.0 {
            let _ = shared.hall.commands.send(Command::Drain);
        }
    }

    /// Nothing runs here any more: hands everything back, and says so. Returns when that has gone out,
    /// within about a second.
    pub(super) async fn leave(&self) {
        if let Some(shared) = &self.0 {
            let (tell, told) = oneshot::channel();
            let _ = shared.hall.commands.send(Command::Leave(tell));
            let _ = told.await;
        }
    }
}

impl Standing {
    /// As it is told to a person.
    fn told(&self, own: &str) -> Gateways {
        match self {
            Self::Beside {
                leader,
                heard,
                unheard,
            } => Gateways {
                leader: leader.as_deref().map(str::to_owned),
                leads: heard.is_some(),
                heard: heard.unwrap_or(0),
                unheard: *unheard,
            },
            Self::Unknown | Self::Alone => Gateways {
                leader: (*self == Self::Alone).then(|| own.to_owned()),
                leads: *self == Self::Alone,
                heard: 0,
                unheard: 0,
            },
        }
    }
}

impl Stake {
    /// Whose.
    pub(super) const fn commons(&self) -> &Arc<Commons> {
        &self.commons
    }
}

impl Drop for Stake {
    fn drop(&mut self) {
        self.commons.tell(Command::Close(Arc::clone(&self.commons)));
    }
}
