//! Another gateway in one reign of ours: the life of it that joined last, and how that one ends.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use tokio_util::task::AbortOnDropHandle;

use super::link::Outbox;
use super::news::News;
use super::roll::{GatewayPod, PodState};
use super::wire::Welcome;
use crate::shares::MemberId;
use crate::sync::now;

/// The start of a process may be so much later than that of its container.
const STARTING: Duration = Duration::from_secs(5);

/// Another gateway.
pub(super) struct Peer {
    pub(super) pod: GatewayPod,
    pub(super) dialer: Option<Dialing>,
    pub(super) life: Option<Life>,
}

/// Who tries to reach it.
pub(super) struct Dialing {
    pub(super) task: u64,
    pub(super) to: IpAddr,
    pub(super) _handle: AbortOnDropHandle<()>,
}

/// The life of it that joined last.
pub(super) struct Life {
    pub(super) member: MemberId,
    pub(super) started: SystemTime,
    pub(super) session: u64,
    pub(super) state: State,
}

/// How it stands.
pub(super) enum State {
    Connected(Outbox),
    Silent(Instant),
    /// It has said that it goes, or its end has been told.
    Over,
}

/// What is to be told, and as the beginning of which session.
pub(super) type Telling = Vec<(News, Option<u64>)>;

impl Peer {
    pub(super) fn is_connected(&self) -> bool {
        let life = self.life.as_ref();
        life.is_some_and(|life| matches!(life.state, State::Connected(_)))
    }

    pub(super) fn wants_dialing(&self) -> Option<IpAddr> {
        self.pod.ip.filter(|_| self.pod.state == PodState::Living)
    }

    /// A life of it obeys us. When one ended before it that never joined.
    pub(super) fn answers(
        &mut self,
        welcome: &Welcome,
        session: u64,
        outbox: Outbox,
        tell: &mut Telling,
    ) -> Option<Instant> {
        let again = |life: &Life| life.member == welcome.member;
        let before = self.life.take_if(|life| !again(life));
        let started = SystemTime::UNIX_EPOCH + welcome.started;
        let unseen = self.succeeded(before, started, welcome.age, tell);
        let state = if welcome.leaves {
            self.over(tell);
            State::Over
        } else {
            State::Connected(outbox)
        };
        self.life = Some(Life {
            member: welcome.member.clone(),
            started,
            session,
            state,
        });
        unseen
    }

    /// It is not connected any more.
    pub(super) fn lose(&mut self, tell: &mut Telling) {
        if !self.is_connected() {
            return;
        }
        if let Some(life) = &mut self.life {
            life.state = State::Silent(now());
            tell.push((News::Silent(life.member.clone()), None));
        }
    }

    /// It has nothing any more.
    pub(super) fn over(&mut self, tell: &mut Telling) {
        if let Some(life) = &mut self.life
            && !matches!(life.state, State::Over)
        {
            life.state = State::Over;
            tell.push((News::Left(life.member.clone()), None));
        }
    }

    /// Tells when the pods say that a silent life has ended.
    pub(super) fn settle(&mut self, tell: &mut Telling) {
        let Some(life) = &mut self.life else {
            return;
        };
        let State::Silent(since) = life.state else {
            return;
        };
        if let Some(at) = self.pod.ended(life.started) {
            life.state = State::Over;
            let (member, at) = (life.member.clone(), at.max(since));
            tell.push((News::Ended { member, at }, None));
        }
    }

    /// Another life of it has answered: the one before has ended. When that was, as far as it concerns
    /// one that never joined.
    fn succeeded(
        &self,
        before: Option<Life>,
        started: SystemTime,
        age: Duration,
        tell: &mut Telling,
    ) -> Option<Instant> {
        if let Some(before) = before {
            let since = match before.state {
                State::Connected(_) => now(),
                State::Silent(since) => since,
                State::Over => return None,
            };
            let at = self.pod.ended(before.started).unwrap_or_else(now);
            let (member, at) = (before.member, at.max(since));
            tell.push((News::Ended { member, at }, None));
            return None;
        }
        // Its container is younger than the pods tell: there was another one, which we do not know of.
        let unseen = self
            .pod
            .since
            .is_some_and(|since| started > since + STARTING);
        (self.life.is_none() && unseen).then(|| now().checked_sub(age).unwrap_or_else(now))
    }
}
