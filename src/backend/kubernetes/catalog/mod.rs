//! What the gateway sees of a cluster: one task that owns the inventory, and channels from which
//! everybody reads the present.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::claim::{Claims, Entrance};
use super::doors::facts::DoorSight;
use super::inventory::{Change, Changed, Inventory, Source, SourceId, Stale, Tells};
use super::objects::Present;
use super::scope::Scope;
use super::watch::{News, Watch, Watched, sources};
use crate::revision::RevisionId;
use crate::sync::wall;

/// Changes that wait to be taken; a watch that is ahead of that waits itself.
const WAITING: usize = 256;
/// Listings under way at once: each holds some megabytes of text for a moment.
const LISTINGS: usize = 2;
/// How often it is looked whether what was said of an object is too long ago.
const FORGET_EVERY: Duration = Duration::from_secs(10);

/// What the gateway sees of a cluster, for as long as this is kept.
pub struct Catalog {
    listeners: Arc<Listeners>,
    claims: watch::Receiver<Option<Arc<Claims>>>,
    entrances: watch::Receiver<Arc<Vec<Entrance>>>,
    domain: watch::Receiver<Option<String>>,
    doors: watch::Receiver<Arc<DoorSight>>,
    _task: AbortOnDropHandle<()>,
}

/// Who wants to know what is present of which revision.
#[derive(Default)]
struct Listeners {
    presents: Mutex<HashMap<RevisionId, watch::Sender<Present>>>,
    came: Notify,
}

impl Catalog {
    /// Begins to look.
    #[must_use]
    pub fn start(client: Client, scope: Scope) -> Self {
        let (claims, claims_seen) = watch::channel(None);
        let (entrances, entrances_seen) = watch::channel(Arc::default());
        let (domain, domain_seen) = watch::channel(None);
        let (doors, doors_seen) = watch::channel(Arc::default());
        let (sender, news) = mpsc::channel(WAITING);
        let watched = sources(&scope);
        let own = scope
            .own
            .map(|(namespace, name)| (namespace.into(), name.into()));
        let told = watched.iter().map(|it| Source {
            tells: it.tells,
            namespace: it.namespace.clone(),
        });
        let inventory = Inventory::new(told.collect(), own);
        // Nobody waits for what others may say.
        let all = (0..watched.len()).map(SourceId);
        let unsettled = all.filter(|id| inventory.tells(*id) != Tells::Words);
        let unsettled = unsettled.collect();
        let listeners = Arc::<Listeners>::default();
        let actor = Actor {
            unsettled,
            silent: HashSet::new(),
            inventory,
            listeners: listeners.clone(),
            claims,
            entrances,
            domain,
            doors,
            _tasks: spawn(client, watched, sender),
        };
        Self {
            listeners,
            claims: claims_seen,
            entrances: entrances_seen,
            domain: domain_seen,
            doors: doors_seen,
            _task: AbortOnDropHandle::new(tokio::spawn(actor.run(news))),
        }
    }

    /// What wants to be a revision; `None` until everything was listed once.
    #[must_use]
    pub fn claims(&self) -> watch::Receiver<Option<Arc<Claims>>> {
        self.claims.clone()
    }

    /// The routes with a timeout that lead to the gateway's own Service.
    #[must_use]
    pub fn entrances(&self) -> watch::Receiver<Arc<Vec<Entrance>>> {
        self.entrances.clone()
    }

    /// The domain of hosts in `KServe`'s own settings.
    #[must_use]
    pub fn domain(&self) -> watch::Receiver<Option<String>> {
        self.domain.clone()
    }

    /// Every Service, and every slice of ours.
    #[must_use]
    pub fn doors(&self) -> watch::Receiver<Arc<DoorSight>> {
        self.doors.clone()
    }

    /// What is there of a revision, before and after its workload is there too. Not fresh until the
    /// first look.
    #[must_use]
    pub fn present(&self, revision: &RevisionId) -> watch::Receiver<Present> {
        let mut presents = self.listeners.presents.lock();
        let sender = presents.entry(revision.clone()).or_insert_with(|| {
            self.listeners.came.notify_one();
            watch::Sender::new(Present::default())
        });
        sender.subscribe()
    }
}

/// A task for each watch. Takes the sender, so that the news end with the watches.
fn spawn(
    client: Client,
    watched: Vec<Watched>,
    news: mpsc::Sender<(SourceId, News)>,
) -> JoinSet<()> {
    let turns = Arc::new(Semaphore::new(LISTINGS));
    let each = iter::repeat_n((client, turns, news), watched.len());
    let run = |((id, watched), (client, turns, news))| {
        Watch::new(client, watched, turns, SourceId(id), news).run()
    };
    watched.into_iter().enumerate().zip(each).map(run).collect()
}

/// Owns what is known.
struct Actor {
    inventory: Inventory,
    /// Who has not yet told everything once.
    unsettled: HashSet<SourceId>,
    /// Who had told everything that happens, and does not any more.
    silent: HashSet<SourceId>,
    listeners: Arc<Listeners>,
    claims: watch::Sender<Option<Arc<Claims>>>,
    entrances: watch::Sender<Arc<Vec<Entrance>>>,
    domain: watch::Sender<Option<String>>,
    doors: watch::Sender<Arc<DoorSight>>,
    /// The watches end with it.
    _tasks: JoinSet<()>,
}

impl Actor {
    async fn run(mut self, mut news: mpsc::Receiver<(SourceId, News)>) {
        let listeners = self.listeners.clone();
        let mut batch = Vec::with_capacity(WAITING);
        let mut forget_at = Instant::now();
        loop {
            tokio::select! {
                taken = news.recv_many(&mut batch, WAITING) => {
                    if taken == 0 {
                        return;
                    }
                    let was_settled = self.unsettled.is_empty();
                    for (source, news) in batch.drain(..) {
                        self.hear(source, news);
                    }
                    let changed = self.inventory.settle();
                    let settles = !was_settled && self.unsettled.is_empty();
                    self.publish(&changed, settles);
                }
                () = listeners.came.notified() => self.publish_presents(&Stale::All),
                () = sleep_until(forget_at), if self.inventory.remembers() => {
                    forget_at = Instant::now() + FORGET_EVERY;
                    self.inventory.forget(wall());
                    let changed = self.inventory.settle();
                    self.publish(&changed, false);
                }
            }
        }
    }

    fn hear(&mut self, source: SourceId, news: News) {
        match news {
            News::Settled => {
                self.unsettled.remove(&source);
            }
            News::Change(change) => {
                self.note_silence(source, &change);
                self.inventory.take(source, change);
            }
        }
    }

    /// Says once that the cluster is out of sight, and once that it is seen again.
    fn note_silence(&mut self, source: SourceId, change: &Change) {
        // What others say is told from time to time.
        if self.inventory.tells(source) == Tells::Words {
            return;
        }
        let was_silent = !self.silent.is_empty();
        match change {
            Change::Heard(true) => self.silent.remove(&source),
            Change::Heard(false) => self.silent.insert(source),
            Change::Listed(_) | Change::Put(_) | Change::Gone(..) => return,
        };
        match (was_silent, self.silent.is_empty()) {
            (false, false) => tracing::warn!(
                "the API server does not tell what happens any more; what was known stays in use"
            ),
            (true, true) => tracing::info!("the API server tells what happens again"),
            (false, true) | (true, false) => {}
        }
    }

    fn publish(&self, changed: &Changed, settles: bool) {
        if changed.domain {
            self.domain.send_replace(self.inventory.domain());
        }
        if changed.doors {
            self.doors
                .send_replace(Arc::new(self.inventory.door_sight()));
        }
        if changed.entrances {
            self.entrances
                .send_replace(self.inventory.entrances().clone());
        }
        // Before the claims: who hears of one finds its present up to date.
        self.publish_presents(&changed.presents);
        if settles || (changed.claims && self.unsettled.is_empty()) {
            self.claims
                .send_replace(Some(self.inventory.claims().clone()));
        }
    }

    /// Tells who listens, and forgets who does not any more.
    fn publish_presents(&self, stale: &Stale) {
        let is_stale = |revision: &RevisionId| match stale {
            Stale::All => true,
            Stale::Some(revisions) => revisions.contains(revision),
        };
        if matches!(stale, Stale::Some(revisions) if revisions.is_empty()) {
            return;
        }
        self.listeners.presents.lock().retain(|revision, sender| {
            if sender.is_closed() {
                return false;
            }
            if is_stale(revision) {
                let present = self.inventory.present(revision);
                sender.send_if_modified(|known| {
                    let differs = *known != present;
                    *known = present;
                    differs
                });
            }
            true
        });
    }
}
