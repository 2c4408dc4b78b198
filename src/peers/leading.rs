//! One reign of this gateway: whom it has reached, who is silent and who has ended.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::link::Outbox;
use super::news::News;
use super::peer::{Dialing, Life, Peer, State, Telling};
use super::roll::{GatewayPod, PodState, Roll};
use super::wire::{self, FromLeader, FromMember, Welcome};
use crate::revision::RevisionId;
use crate::shares::{MemberId, Order};
use crate::sync::now;

/// One reign of this gateway.
pub(super) struct Leading {
    pub(super) reign: u64,
    /// The next session with a member.
    sessions: u64,
    peers: HashMap<Arc<str>, Peer>,
    /// Since when the others are known; `None` before.
    seen: Option<Instant>,
    /// What we hold ourselves is known.
    own_joined: bool,
    accounted: bool,
    /// The latest reign of others that was told of.
    outdone: u64,
    /// When the last of those had ended that never joined.
    ended: Option<Instant>,
}

impl Leading {
    pub(super) fn new(reign: u64) -> Self {
        Self {
            reign,
            sessions: 0,
            peers: HashMap::new(),
            seen: None,
            own_joined: false,
            accounted: false,
            outdone: 0,
            ended: None,
        }
    }

    /// A session that has not been before.
    pub(super) fn session(&mut self) -> u64 {
        self.sessions += 1;
        self.sessions
    }

    /// What we hold ourselves is known.
    pub(super) fn own_joined(&mut self, tell: &mut Telling) {
        self.own_joined = true;
        self.account(tell);
    }

    /// Takes the present roll; `dial` begins to reach a pod at an address.
    pub(super) fn call(
        &mut self,
        roll: &Roll,
        mut dial: impl FnMut(&GatewayPod, IpAddr) -> Dialing,
        tell: &mut Telling,
    ) {
        self.seen = roll.seen;
        for pod in &roll.others {
            let peer = self.peers.entry(pod.uid.clone()).or_insert_with(|| Peer {
                pod: pod.clone(),
                dialer: None,
                life: None,
            });
            peer.pod = pod.clone();
        }
        for peer in self.peers.values_mut() {
            if !roll.others.iter().any(|pod| pod.uid == peer.pod.uid) {
                // Nobody remembers it any more.
                peer.pod.restarted = None;
                if !matches!(peer.pod.state, PodState::Ended(_)) {
                    peer.pod.state = PodState::Ended(now());
                }
            }
            let wanted = peer.wants_dialing();
            let stays = match (&peer.dialer, wanted) {
                (Some(known), Some(to)) => known.to == to,
                (Some(_), None) => peer.is_connected(),
                (None, _) => false,
            };
            if !stays {
                peer.lose(tell);
                peer.dialer = wanted.map(|to| dial(&peer.pod, to));
            }
            peer.settle(tell);
        }
        self.peers.retain(|uid, peer| {
            peer.dialer.is_some() || roll.others.iter().any(|pod| pod.uid == *uid)
        });
        self.account(tell);
    }

    /// A gateway obeys.
    pub(super) fn welcome(
        &mut self,
        task: u64,
        welcome: Welcome,
        outbox: Outbox,
        tell: &mut Telling,
    ) {
        let session = self.session();
        let same = |peer: &&mut Peer| peer.pod.uid == welcome.member.pod;
        let Some(peer) = self.of(task).filter(same) else {
            // Its address is somebody else's by now.
            return outbox.cut();
        };
        let unseen = peer.answers(&welcome, session, outbox, tell);
        if !welcome.leaves {
            tracing::info!(gateway = %peer.pod.name, "another gateway has joined");
            let joined = News::Joined {
                member: welcome.member,
                holds: wire::read(welcome.holds),
                doors: welcome.doors,
            };
            tell.push((joined, Some(session)));
        }
        self.ended = self.ended.max(unseen);
        self.account(tell);
    }

    /// A member has said something.
    pub(super) fn said(&mut self, task: u64, said: FromMember, tell: &mut Telling) {
        let Some(peer) = self.of(task) else {
            return;
        };
        let Some(life) = peer.life.as_ref().filter(|_| peer.is_connected()) else {
            return;
        };
        let member = life.member.clone();
        match said {
            FromMember::Words(words) => {
                let words = wire::read(words);
                tell.push((News::Said { member, words }, None));
            }
            FromMember::Doors(open) => tell.push((News::Doors { member, open }, None)),
            FromMember::Bye => peer.over(tell),
            FromMember::Beat | FromMember::Welcome(_) | FromMember::Refused(_) => {}
        }
    }

    /// Somebody obeys another leader; told once of each reign.
    pub(super) fn outdone(&mut self, by: u64) -> Option<(News, Option<u64>)> {
        let is_new = by >= self.reign && by > self.outdone;
        self.outdone = self.outdone.max(by);
        is_new.then_some((News::Outdone(by), None))
    }

    /// The connection of a member is no more.
    pub(super) fn lost(&mut self, task: u64, tell: &mut Telling) {
        if let Some(peer) = self.of(task) {
            peer.lose(tell);
            peer.settle(tell);
            if peer.wants_dialing().is_none() {
                peer.dialer = None;
            }
        }
    }

    /// Tells a member what to do, provided that the session goes on that this was decided for.
    pub(super) fn order(&self, member: &MemberId, session: u64, orders: &[(RevisionId, Order)]) {
        let peer = self.peers.get(&member.pod);
        let life = peer.and_then(|peer| peer.life.as_ref());
        let same = |life: &&Life| life.member == *member && life.session == session;
        let Some(State::Connected(outbox)) = life.filter(same).map(|life| &life.state) else {
            return;
        };
        for batch in wire::batches(orders) {
            outbox.send(&FromLeader::Orders(batch));
        }
    }

    fn of(&mut self, task: u64) -> Option<&mut Peer> {
        let is = |dialing: &Dialing| dialing.task == task;
        let mut peers = self.peers.values_mut();
        peers.find(|peer| peer.dialer.as_ref().is_some_and(is))
    }

    /// Tells once that every gateway that may hold something has joined or ended.
    fn account(&mut self, tell: &mut Telling) {
        let (Some(seen), true, false) = (self.seen, self.own_joined, self.accounted) else {
            return;
        };
        let unheard = |peer: &Peer| peer.pod.state == PodState::Living && peer.life.is_none();
        if self.peers.values().any(unheard) {
            return;
        }
        // Who was gone before we looked may have ended a moment before; in the first reign there was
        // nobody.
        let before = (self.reign > 1).then_some(seen);
        let mut at = self.ended;
        for peer in self.peers.values() {
            let gone = match peer.pod.state {
                PodState::Ended(at) if peer.life.is_none() => Some(at),
                _ => None,
            };
            at = at
                .max(gone)
                .max(peer.pod.restarted.map(|restart| restart.heard));
        }
        self.accounted = true;
        tell.push((News::AllAccounted { at, before }, None));
    }
}
