//! The replicas of one revision as all gateways of the installation use them: what is asked of all of
//! them together, and who may be let go. Alone it is the throttler and nothing else.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};

use super::ledger::Ledger;
use super::names::Names;
use super::past::Past;
use super::reign::Wait;
use super::{Command, Standing};
use crate::autoscaler::Demand;
use crate::loads::Book;
use crate::ports::World;
use crate::proxy::Throttler;
use crate::revision::{OnDisconnect, ReplicaId, RevisionId, RevisionSpec};
use crate::shares::{Pod, UNLIMITED};
use crate::state::Notebook;
use crate::sync::{now, wall};
use crate::throttler::Sample;
use crate::trace::Tape;

/// The replicas of one revision as all gateways use them.
#[derive(Debug)]
pub(in crate::app::gateway) struct Commons {
    pub(super) id: RevisionId,
    pub(super) throttler: Arc<Throttler>,
    /// `None` where there never is another gateway.
    pub(super) hall: Option<Hall>,
    pub(super) known: Mutex<Known>,
    /// Changes whenever the backend should look again.
    vacancies: watch::Sender<u64>,
    /// Somebody waits at some gateway, and no replica serves.
    poke: Notify,
    notebook: Option<Notebook>,
}

/// The way to whoever speaks with the other gateways.
#[derive(Clone, Debug)]
pub(super) struct Hall {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) standing: watch::Receiver<Standing>,
    /// Another gateway answers requests, and says nothing of them.
    pub(super) unheard: Arc<AtomicBool>,
}

/// What is known of it beside what the throttler knows.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) names: Names,
    /// The slots of each replica.
    pub(super) slots: u32,
    /// How long what was sent may run on where nothing was measured; nothing: not at all.
    pub(super) longest: Duration,
    /// Taken out of service by our own backend.
    pub(super) retired: BTreeSet<Pod>,
    /// Found stuck here, as long as something is in it.
    pub(super) stuck: Vec<ReplicaId>,
    /// The longest that an answer took, as it is in the notebook.
    noted: Option<Duration>,
    /// Kept while this gateway leads.
    pub(super) ledger: Option<Ledger>,
    /// What came past every gateway, once sidecars are heard.
    past: Option<Past>,
}

impl Commons {
    pub(super) fn new(
        spec: &RevisionSpec,
        throttler: Arc<Throttler>,
        hall: Option<Hall>,
        notebook: Option<Notebook>,
    ) -> Self {
        let (slots, longest) = (slots(spec), longest(spec));
        let known = Known {
            names: Names::default(),
            slots,
            longest,
            retired: BTreeSet::new(),
            stuck: Vec::new(),
            noted: None,
            ledger: None,
            past: None,
        };
        Self {
            id: spec.id.clone(),
            throttler,
            hall,
            known: Mutex::new(known),
            vacancies: watch::Sender::new(0),
            poke: Notify::new(),
            notebook,
        }
    }

    /// Its settings have changed.
    pub(in crate::app::gateway) fn change(&self, spec: &RevisionSpec) {
        let mut known = self.known.lock();
        (known.slots, known.longest) = (slots(spec), longest(spec));
        drop(known);
        self.tell(Command::Look(self.id.clone()));
    }

    /// What sidecars say of these replicas counts as well.
    pub(in crate::app::gateway) fn hear(&self, loads: &Arc<Book>, world: watch::Receiver<World>) {
        self.known.lock().past = Some(Past::new(Arc::clone(loads), world));
    }

    /// The backend looks again.
    pub(super) fn stir(&self) {
        self.vacancies.send_modify(|count| *count += 1);
    }

    /// Somebody waits, and no replica serves.
    pub(super) fn poke(&self) {
        self.poke.notify_one();
    }

    pub(super) fn stirred(&self) -> watch::Receiver<u64> {
        self.vacancies.subscribe()
    }

    pub(super) fn tell(&self, command: Command) {
        if let Some(hall) = &self.hall {
            // Nobody hears it only where everything ends.
            let _ = hall.commands.send(command);
        }
    }

    /// How long what somebody sent may run on after its connections are closed.
    pub(super) fn wait(&self, known: &Known) -> Wait {
        let remembered = self.notebook.as_ref().and_then(|notebook| {
            let recalled = notebook.recall(&self.id, wall());
            recalled?.longest_service
        });
        let ends = known.longest.is_zero().then_some(Duration::ZERO);
        Wait {
            known: ends.or_else(|| self.longest(known).max(remembered)),
            most: known.longest,
        }
    }

    /// The longest that an answer took, here or at a member.
    fn longest(&self, known: &Known) -> Option<Duration> {
        let told = known
            .ledger
            .as_ref()
            .and_then(|ledger| ledger.longest(now()));
        self.throttler.longest_service().max(told)
    }

    /// Whoever comes when nobody is left finds it.
    fn note_service(&self, known: &mut Known) {
        let (Some(notebook), Some(longest)) = (&self.notebook, self.longest(known)) else {
            return;
        };
        if known.noted != Some(longest) && notebook.note_service(&self.id, longest) {
            known.noted = Some(longest);
        }
    }

    /// Others use the same replicas.
    pub(super) fn is_divided(&self) -> bool {
        let hall = self.hall.as_ref();
        hall.is_some_and(|hall| *hall.standing.borrow() != Standing::Alone)
    }

    /// Tells of everything that happens here, until dropped.
    pub(super) async fn listen(self: Arc<Self>, mut world: watch::Receiver<World>) {
        let mut news = self.throttler.share_news();
        let mut vacancies = crate::ports::Occupancy::vacancies(&*self.throttler);
        let look = || self.tell(Command::Look(self.id.clone()));
        loop {
            let told = tokio::select! {
                changed = world.changed() => changed.map(|()| look()),
                changed = news.changed() => {
                    changed.map(|()| self.tell(Command::Shares(self.id.clone())))
                }
                changed = vacancies.changed() => changed.map(|()| self.stir()),
                () = self.throttler.poked() => {
                    self.poke();
                    self.tell(Command::Shares(self.id.clone()));
                    Ok(())
                }
            };
            if told.is_err() {
                return;
            }
        }
    }

    /// What is asked here, together with what is asked at the others and past all of them.
    fn sum(&self, measured: bool, own: impl FnOnce(&dyn Fn(Sample) -> Sample) -> Sample) -> Sample {
        let mut known = self.known.lock();
        let Known {
            names,
            ledger,
            past,
            ..
        } = &mut *known;
        let asked = (past.is_some() || ledger.is_some()).then(|| self.throttler.asked(false));
        let busy = asked
            .iter()
            .flat_map(|asked| &asked.busy)
            .map(|(id, _)| *id);
        let past = past
            .as_mut()
            .map(|past| past.look(busy.clone().collect(), measured, now()));
        let others = ledger.as_mut().map(|ledger| {
            let busy: HashSet<Pod> = busy.filter_map(|id| names.pod(id).cloned()).collect();
            ledger.others(busy, measured)
        });
        if measured {
            self.note_service(&mut known);
        }
        drop(known);
        let hall = self.hall.as_ref();
        let unheard = hall.is_some_and(|hall| hall.unheard.load(Ordering::Relaxed));
        own(&|own: Sample| {
            let own = others.map_or(own, |others| others.with(own));
            let (own, silent) =
                past.map_or((own, false), |(past, silent)| (past.with(own), silent));
            Sample {
                unheard: unheard || silent,
                ..own
            }
        })
    }
}

impl Demand for Commons {
    fn sample(&self) -> Sample {
        self.sum(true, |with| self.throttler.sample_with(with))
    }

    fn peek(&self) -> Sample {
        self.sum(false, |with| self.throttler.peek_with(with))
    }

    async fn poked(&self) {
        match self.hall {
            Some(_) => self.poke.notified().await,
            None => self.throttler.poked().await,
        }
    }

    fn rest(&self, enough: Option<u32>) {
        let mut known = self.known.lock();
        let resting = self.resting(&known, enough);
        let Known { names, ledger, .. } = &mut *known;
        let Some(ledger) = ledger else {
            drop(known);
            return self.throttler.rest(enough);
        };
        let pods = resting.iter().filter_map(|id| names.pod(*id).cloned());
        let is_news = ledger.rest(pods.collect());
        drop(known);
        self.throttler.rest_these(&resting);
        if is_news {
            self.tell(Command::Look(self.id.clone()));
        }
    }

    fn tape(&self) -> &Tape {
        self.throttler.tape()
    }
}

/// The slots of each replica.
fn slots(spec: &RevisionSpec) -> u32 {
    match spec.container_concurrency.written() {
        0 => UNLIMITED,
        limit => limit,
    }
}

/// How long what was sent may run on where nothing was measured: not at all where its slot is free as
/// soon as its connection is closed.
fn longest(spec: &RevisionSpec) -> Duration {
    const USUAL: Duration = Duration::from_secs(300);
    match spec.on_disconnect {
        OnDisconnect::Release => Duration::ZERO,
        OnDisconnect::Auto | OnDisconnect::Finish => spec.timeouts.total.unwrap_or(USUAL),
    }
}
