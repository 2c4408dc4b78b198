//! Everything that one gateway does among its peers, one thing at a time.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use super::dial::{Dialer, Heard};
use super::door;
use super::leading::Leading;
use super::link::Outbox;
use super::net::{Credential, Net};
use super::news::{Ask, Holds, News, Told};
use super::peer::{Dialing, Telling};
use super::roll::{GatewayPod, Roll};
use crate::revision::RevisionId;
use crate::shares::{MemberId, Order, Word};

/// Most things heard that wait to be taken in; whoever says more is read later.
const HEARD: usize = 256;

/// What is wanted of it.
#[derive(Debug)]
pub(super) enum Command {
    Lead {
        reign: Option<u64>,
        era: u64,
    },
    Order {
        member: MemberId,
        session: u64,
        orders: Vec<(RevisionId, Order)>,
    },
    Say(Vec<(RevisionId, Word)>),
    Answer {
        of: u64,
        holds: Holds,
    },
    Leave(oneshot::Sender<()>),
}

/// Everything that one gateway does among its peers.
pub(super) struct Actor<N> {
    pub(super) me: MemberId,
    pub(super) net: Arc<N>,
    pub(super) credential: Credential,
    pub(super) roll: watch::Receiver<Roll>,
    pub(super) doors: watch::Receiver<BTreeSet<u16>>,
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) told: mpsc::UnboundedSender<Told>,
    pub(super) started: (SystemTime, Instant),
    /// The highest reign that was heard of, and whose it is.
    pub(super) highest: (u64, Arc<str>),
    pub(super) leader: Leader,
    pub(super) leading: Option<Leading>,
    /// Which time of ours as a leader it is.
    pub(super) era: u64,
    /// The next question, and the next task.
    pub(super) numbers: u64,
    /// It has nothing any more.
    pub(super) leaves: bool,
    /// Its last words go out there.
    pub(super) parting: Option<Outbox>,
    /// A stranger has been told of, and no leader has come since.
    pub(super) warned: bool,
}

/// Whom it obeys.
pub(super) enum Leader {
    Nobody,
    /// Another gateway, that came with this visit.
    Other {
        visit: u64,
        outbox: Outbox,
        asked: Asked,
    },
    /// Itself.
    Own(Asked),
}

/// What is asked when somebody begins to lead.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// What is held; as this question.
    Waits(u64),
    /// It was answered; in this session where it is our own.
    Answered(u64),
}

impl<N: Net> Actor<N> {
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let (hear, mut heard) = mpsc::channel(HEARD);
        let (come, mut visits) = mpsc::channel(HEARD);
        let open = door::open(Arc::clone(&self.net), come);
        let _door = AbortOnDropHandle::new(tokio::spawn(open));
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command, &hear),
                    None => return,
                },
                Some((task, heard)) = heard.recv() => self.hear(task, heard),
                Some((visit, said)) = visits.recv() => self.receive(visit, said),
                Ok(()) = self.roll.changed() => self.call(&hear),
                Ok(()) = self.doors.changed() => self.tell_doors(),
            }
            // Nobody reads the news any more.
            if self.told.is_closed() {
                return;
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn obey(&mut self, command: Command, hear: &mpsc::Sender<(u64, Heard)>) {
        match command {
            Command::Lead { reign, era } => {
                self.era = era;
                self.lead(reign, hear);
            }
            Command::Order {
                member,
                session,
                orders,
            } => self.order(&member, session, orders),
            Command::Say(words) => self.say(words),
            Command::Answer { of, holds } => self.answer(of, holds),
            Command::Leave(done) => self.leave(done),
        }
    }

    fn lead(&mut self, reign: Option<u64>, hear: &mpsc::Sender<(u64, Heard)>) {
        self.leading = reign.map(Leading::new);
        if matches!(self.leader, Leader::Own(_)) {
            self.leader = Leader::Nobody;
            if reign.is_none() {
                self.tell(News::Leaderless);
            }
        }
        let Some(reign) = reign else {
            return;
        };
        if self.may_lead(reign, &self.me.pod) {
            let asked = self.begin(reign, self.me.pod.clone());
            self.leader = Leader::Own(asked);
            self.ask(asked);
        } else {
            tracing::warn!(reign, later = self.highest.0, "a later reign has begun");
            let later = self.leading.as_mut();
            let outdone = later.and_then(|leading| leading.outdone(self.highest.0));
            self.tell_as_leader(outdone.into_iter().collect());
        }
        self.call(hear);
    }

    /// Whether somebody may lead in a reign: nobody did in a later one, and nobody else in this.
    pub(super) fn may_lead(&self, reign: u64, leader: &Arc<str>) -> bool {
        let (highest, whose) = &self.highest;
        reign > *highest || (reign == *highest && leader == whose)
    }

    /// Nothing is heard any more of whoever led before.
    pub(super) fn begin(&mut self, reign: u64, leader: Arc<str>) -> Asked {
        self.highest = (reign, leader);
        match std::mem::replace(&mut self.leader, Leader::Nobody) {
            Leader::Other { outbox, .. } => outbox.cut(),
            Leader::Own(asked) => self.own_is_lost(asked),
            Leader::Nobody => {}
        }
        Asked::Waits(self.number())
    }

    pub(super) fn ask(&mut self, asked: Asked) {
        if let Asked::Waits(of) = asked {
            let (reign, leader) = self.highest.clone();
            let commands = self.commands.clone();
            let ask = Ask { of, commands };
            self.tell(News::Led { reign, leader, ask });
        }
    }

    /// As leader we hear no more of ourselves.
    fn own_is_lost(&self, asked: Asked) {
        if matches!(asked, Asked::Answered(_)) {
            self.tell_as_leader(vec![(News::Silent(self.me.clone()), None)]);
        }
    }

    fn order(&mut self, member: &MemberId, session: u64, orders: Vec<(RevisionId, Order)>) {
        if *member != self.me {
            if let Some(leading) = &self.leading {
                leading.order(member, session, &orders);
            }
        } else if matches!(self.leader, Leader::Own(Asked::Answered(ours)) if ours == session) {
            self.tell(News::Ordered(orders));
        }
    }

    fn hear(&mut self, task: u64, heard: Heard) {
        let Some(leading) = &mut self.leading else {
            return;
        };
        let mut telling = Telling::new();
        match heard {
            Heard::Welcome(welcome, outbox) => {
                leading.welcome(task, welcome, outbox, &mut telling);
            }
            Heard::Said(said) => leading.said(task, said, &mut telling),
            Heard::Outdone(reign) => telling.extend(leading.outdone(reign)),
            Heard::Lost => leading.lost(task, &mut telling),
        }
        self.tell_as_leader(telling);
    }

    /// Reaches everybody who lives.
    fn call(&mut self, hear: &mpsc::Sender<(u64, Heard)>) {
        let roll = self.roll.borrow_and_update().clone();
        let Some(leading) = &mut self.leading else {
            return;
        };
        let (reign, numbers) = (leading.reign, &mut self.numbers);
        let mut telling = Telling::new();
        let dial = |pod: &GatewayPod, to: IpAddr| {
            *numbers += 1;
            let dialer = Dialer {
                net: Arc::clone(&self.net),
                to,
                name: Arc::clone(&pod.name),
                reign,
                leader: Arc::clone(&self.me.pod),
                credential: self.credential.clone(),
                task: *numbers,
                tell: hear.clone(),
            };
            Dialing {
                task: *numbers,
                to,
                _handle: AbortOnDropHandle::new(tokio::spawn(dialer.run())),
            }
        };
        leading.call(&roll, dial, &mut telling);
        self.tell_as_leader(telling);
    }

    pub(super) fn tell(&self, news: News) {
        let _ = self.told.send(Told {
            era: None,
            session: None,
            news,
        });
    }

    pub(super) fn tell_as_leader(&self, telling: Telling) {
        let era = Some(self.era);
        for (news, session) in telling {
            let _ = self.told.send(Told { era, session, news });
        }
    }
}
