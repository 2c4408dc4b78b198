//! The keeper of doors: leads callers of a Service's own name to the gateways, while no pod is ready
//! (path `takeover`) or at all times (`always`), by `EndpointSlices` of our own and by the selector of
//! the Service. What a revision wants is decided elsewhere, and so is who listens.

mod deeds;
mod exit;
pub mod facts;
mod keeper;
mod moment;
mod numbers;
mod spoken;
#[cfg(test)]
mod tests;
mod ways;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub(super) use self::deeds::{give_back, services, slices};
pub use self::exit::{Exit, Word};
use self::facts::{DoorSight, Place};
use self::keeper::{Keeper, Note};
pub use self::spoken::Spoken;
pub use self::ways::Server;
use super::objects::ObjectRef;
use super::seams::{Announcer, Tenure};
use crate::revision::{CallerPath, RevisionId};
use crate::sync::until;

/// A change of endpoints or of a selector is everywhere by then: kube-proxy takes up to 0.74 s.
pub const SETTLED: Duration = Duration::from_secs(1);

/// The gateways of this installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gateways(pub Vec<GatewayAt>);

/// One gateway: where it is, and at which of the numbers of doors it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayAt {
    /// Its address.
    pub ip: IpAddr,
    /// The node that it runs on, where that is known.
    pub node: Option<Arc<str>>,
    /// Where it listens.
    pub doors: BTreeSet<u16>,
}

/// A revision whose callers are to pass the gate.
#[derive(Clone, Debug)]
pub struct Passage {
    /// Whom Events are about.
    pub owner: ObjectRef,
    /// Which of them, and when.
    pub path: CallerPath,
    /// The Services that lead to its pods, by name.
    pub services: BTreeSet<Arc<str>>,
    /// Where its model server is.
    pub server: Server,
    /// How its last pod leaves.
    pub exit: Exit,
}

/// What is to be led through the gate. Every other Service leads to its pods.
#[derive(Clone, Debug, Default)]
pub struct Passages {
    /// By revision.
    pub wished: BTreeMap<RevisionId, Passage>,
    /// Services that lead to several workloads: whose their callers are, nobody knows.
    pub shared: BTreeSet<Place>,
    /// Services of which nobody knows what is wanted: they stay as they are.
    pub unknown: BTreeSet<Place>,
}

/// What the keeper goes by.
pub struct Inputs {
    /// What is there.
    pub sight: watch::Receiver<Arc<DoorSight>>,
    /// Who listens.
    pub gateways: watch::Receiver<Arc<Gateways>>,
    /// Whether we may write at all.
    pub tenure: watch::Receiver<Tenure>,
}

/// Keeps the doors of all revisions, for as long as this is kept.
pub struct Doorkeeper {
    passages: watch::Sender<Option<Arc<Passages>>>,
    news: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

impl Doorkeeper {
    /// Begins, and does nothing before it is told what is to be led. `numbers` are those at which gateways
    /// may listen for callers of Services.
    #[must_use]
    pub fn start<N: Announcer>(
        client: Client,
        announcer: N,
        inputs: Inputs,
        numbers: RangeInclusive<u16>,
    ) -> Self {
        let (passages, told) = watch::channel(None);
        let (tell, notes) = mpsc::unbounded_channel();
        let news = Arc::new(Notify::new());
        let actor = Actor {
            keeper: Keeper::new(client, announcer, tell, numbers),
            inputs,
            passages: told,
            notes,
            news: news.clone(),
        };
        Self {
            passages,
            news,
            _task: AbortOnDropHandle::new(tokio::spawn(actor.run())),
        }
    }

    /// This is to be led through the gate from now on, and nothing else.
    pub fn lead(&self, passages: Passages) {
        self.passages.send_replace(Some(Arc::new(passages)));
    }

    /// A way out for the last pod of a revision.
    #[must_use]
    pub fn exit(&self) -> Exit {
        Exit::new(self.news.clone())
    }
}

struct Actor<N> {
    keeper: Keeper<N>,
    inputs: Inputs,
    passages: watch::Receiver<Option<Arc<Passages>>>,
    notes: mpsc::UnboundedReceiver<Note>,
    /// A crew has said something.
    news: Arc<Notify>,
}

impl<N: Announcer> Actor<N> {
    async fn run(mut self) {
        loop {
            // Whatever happened, the answer is the same: compare what is with what is wanted.
            let now = Instant::now();
            self.keeper.see(
                self.inputs.sight.borrow_and_update().clone(),
                self.inputs.gateways.borrow_and_update().clone(),
                self.passages.borrow_and_update().clone(),
                self.inputs.tenure.borrow_and_update().steers,
            );
            self.keeper.reconcile(now);
            tokio::select! {
                biased;
                () = changed(&mut self.inputs.tenure) => {}
                () = changed(&mut self.inputs.sight) => {}
                () = changed(&mut self.inputs.gateways) => {}
                open = self.passages.changed() => if open.is_err() { return },
                Some(note) = self.notes.recv() => self.keeper.hear(&note, Instant::now()),
                () = self.news.notified() => {}
                () = until(self.keeper.wake()) => {}
            }
        }
    }
}

/// Waits for another word; who will not say anything any more is not waited for.
async fn changed<T>(word: &mut watch::Receiver<T>) {
    if word.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
