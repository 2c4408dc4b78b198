//! Where everything that is heard of other gateways, and everything that is to be said to them, passes
//! one at a time: so that what is told of a member and what it is told are never of two minds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::member::{Member, words};
use super::names::Early;
use super::reign::{Listening, Reign};
use super::{Command, Lease, Standing};
use crate::backend::kubernetes::Tenure;
use crate::peers::{Holds, Inbox, News, Peers, Roll};
use crate::revision::RevisionId;
use crate::shares::{Holdings, Order, Word};
use crate::sync::{now, until};

/// How often a member tells what was measured.
const SECOND: Duration = Duration::from_secs(1);

/// Speaks with the other gateways.
pub(super) struct Actor {
    pub(super) began: Instant,
    pub(super) peers: Peers,
    pub(super) roll: watch::Receiver<Roll>,
    tenure: watch::Receiver<Tenure>,
    /// The number of our reign, if it is ours.
    number: watch::Receiver<Option<u64>>,
    pub(super) inherits: watch::Receiver<bool>,
    /// What the leader before has left behind is in the notebook.
    pub(super) learned: watch::Receiver<bool>,
    /// The highest reign that somebody obeys who does not obey ours.
    pub(super) outdone: watch::Sender<u64>,
    pub(super) tell: watch::Sender<Standing>,
    pub(super) allow: watch::Sender<Tenure>,
    /// At which doors the others listen; `None` where another is asked, or before they have said so.
    pub(super) listening: watch::Sender<Option<Listening>>,
    pub(super) unheard: Arc<AtomicBool>,
    pub(super) members: BTreeMap<RevisionId, Member>,
    /// Granted of revisions that are not here.
    pub(super) early: BTreeMap<RevisionId, Early>,
    pub(super) reign: Option<Reign>,
    /// Whose orders are obeyed, by its pod's UID.
    pub(super) leader: Option<Arc<str>>,
    pub(super) mode: Mode,
    /// It ends, and keeps only what its requests need.
    pub(super) drains: bool,
    /// It has nothing any more, and wants nothing.
    leaves: bool,
    /// Something was let go while requests were inside: they may run on where they were sent.
    pub(super) cuts: bool,
    /// When something is to be looked at again, by revision.
    pub(super) wakes: BTreeMap<RevisionId, Instant>,
}

/// Where it is told how this gateway stands, and what follows from it.
pub(super) struct Told {
    pub(super) standing: watch::Sender<Standing>,
    pub(super) allowed: watch::Sender<Tenure>,
    pub(super) listening: watch::Sender<Option<Listening>>,
    pub(super) unheard: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Nobody has said yet whether there are others.
    Unknown,
    Alone,
    Beside,
}

impl Actor {
    pub(super) fn new(
        peers: Peers,
        roll: watch::Receiver<Roll>,
        Lease {
            tenure,
            number,
            inherits,
            learned,
            outdone,
        }: Lease,
        Told {
            standing: tell,
            allowed: allow,
            listening,
            unheard,
        }: Told,
    ) -> Self {
        Self {
            began: now(),
            peers,
            roll,
            tenure,
            number,
            inherits,
            learned,
            outdone,
            tell,
            allow,
            listening,
            unheard,
            members: BTreeMap::new(),
            early: BTreeMap::new(),
            reign: None,
            leader: None,
            mode: Mode::Unknown,
            drains: false,
            leaves: false,
            cuts: false,
            wakes: BTreeMap::new(),
        }
    }

    /// Until nobody wants anything any more.
    pub(super) async fn run(
        mut self,
        mut inbox: Inbox,
        mut commands: mpsc::UnboundedReceiver<Command>,
    ) {
        let mut second = tokio::time::interval(SECOND);
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        self.stand();
        loop {
            let due = self.reign.as_ref().and_then(Reign::due);
            let wake = self.wakes.values().copied().chain(due).min();
            tokio::select! {
                // Before anything is told to a member, what was heard of it.
                biased;
                Some(news) = inbox.recv() => self.hear(news),
                Ok(()) = self.tenure.changed() => {}
                Ok(()) = self.number.changed() => {}
                Ok(()) = self.learned.changed() => {}
                Ok(()) = self.roll.changed() => {}
                command = commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                _ = second.tick() => self.second(),
                () = until(wake) => self.wake(),
            }
            self.stand();
        }
    }

    /// Makes of this gateway what the lease and the pods allow, and tells of it.
    fn stand(&mut self) {
        let alone = self.roll.borrow_and_update().is_alone();
        let tenure = *self.tenure.borrow_and_update();
        // Leading outlasts steering: without an API server nobody else begins.
        let number = *self.number.borrow_and_update();
        self.mode = match self.mode {
            Mode::Unknown if alone => match self.follows_a_crash(number) {
                Some(false) => self.unite(),
                Some(true) => Mode::Beside,
                None => Mode::Unknown,
            },
            Mode::Unknown if self.roll.borrow().seen.is_some() => Mode::Beside,
            Mode::Alone if !alone => self.divide(),
            mode => mode,
        };
        let reign = number.filter(|_| self.mode == Mode::Beside && !self.leaves);
        if self.reign.as_ref().map(|reign| reign.number) != reign {
            self.lead(reign);
        }
        self.close_accounts();
        if self.mode == Mode::Beside && alone && self.is_all_ours() {
            self.lead(None);
            self.mode = self.unite();
        }
        self.publish(tenure);
    }

    fn unite(&mut self) -> Mode {
        tracing::info!("no other gateway runs: uses whole replicas");
        for member in self.members.values() {
            member.commons.throttler.unite();
        }
        self.early.clear();
        Mode::Alone
    }

    fn divide(&mut self) -> Mode {
        tracing::info!("another gateway runs: shares replicas with it");
        for member in self.members.values() {
            member.commons.throttler.divide(true);
        }
        Mode::Beside
    }

    pub(super) fn hear(&mut self, news: News) {
        match news {
            // What was on its way to who has left is another's by now.
            News::Led { .. } | News::Ordered(_) if self.leaves => {}
            News::Led { leader, ask, .. } => {
                tracing::info!(%leader, "a gateway leads");
                if self.mode != Mode::Beside {
                    // It has seen us, and we not it yet.
                    self.mode = self.divide();
                }
                self.leader = Some(leader);
                ask.answer(self.holds());
            }
            News::Leaderless => {
                tracing::info!("no gateway is heard to lead: serves with what it has");
                self.leader = None;
            }
            News::Ordered(orders) => {
                for (id, order) in orders {
                    tracing::debug!(revision = %id, ?order, "ordered");
                    self.order(&id, order);
                }
            }
            news => self.hear_as_leader(news),
        }
    }

    /// Everything that is ours, for who leads from now on. What was granted of revisions that never
    /// came is not among it.
    fn holds(&mut self) -> Holds {
        self.early.clear();
        let members = self.members.iter_mut();
        members
            .map(|(id, member)| (id.clone(), member.holds()))
            .filter(|(_, held)| *held != Holdings::default())
            .collect()
    }

    fn order(&mut self, id: &RevisionId, order: Order) {
        let words = match self.members.get_mut(id) {
            Some(member) => member.obey(order),
            None => words(self.early.entry(id.clone()).or_default().obey(order)),
        };
        self.say(id, words);
    }

    pub(super) fn say(&self, id: &RevisionId, words: Vec<Word>) {
        if !words.is_empty() && self.leader.is_some() {
            let said = words.into_iter().map(|word| (id.clone(), word));
            self.peers.say(said.collect());
        }
    }

    pub(super) async fn obey(&mut self, command: Command) {
        match command {
            Command::Open(commons, world) => self.open(commons, world),
            Command::Close(commons) => self.close(&commons),
            Command::Look(id) => self.look(&id),
            Command::Shares(id) => self.shares(&id),
            Command::Drain => {
                self.drains = true;
                self.second();
            }
            Command::Leave(done) => {
                self.leaves = true;
                self.lead(None);
                let mut busy = self.cuts;
                for (id, member) in &mut self.members {
                    let words = member.spare();
                    busy |= member.commons.throttler.read().running > 0;
                    let said = words.into_iter().map(|word| (id.clone(), word));
                    self.peers.say(said.collect());
                }
                // What is cut may run on where it was sent: then nothing is over yet.
                if !busy {
                    self.peers.leave().await;
                }
                let _ = done.send(());
            }
        }
    }
}
