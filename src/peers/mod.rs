//! How the gateways of one installation talk. The one that leads reaches every other that lives, proves
//! itself by a token and says which reign it is; a member obeys the highest that it has heard of. Then
//! the leader's [`Order`]s go one way, a member's [`Word`]s the other. What they mean is decided
//! elsewhere.
//!
//! A connection may break at any time, and what is in it is then lost: a member that is reached again
//! says what it holds ([`News::Joined`]), and nothing of an older connection is heard after that. A
//! gateway that leads is a member of its own: [`Peers::lead`] asks it what it holds as any leader does,
//! and what it says and is told goes the same ways, through no connection.

mod actor;
mod dial;
mod door;
mod leading;
mod link;
mod net;
mod news;
mod obeying;
mod peer;
mod roll;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::TryRng;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use self::actor::{Actor, Command, Leader};
pub use self::net::{Credential, Net, TcpNet};
use self::news::Desk;
pub use self::news::{Ask, Holds, Inbox, News};
pub use self::roll::{GatewayPod, PodState, Restart, Roll};
use crate::revision::RevisionId;
use crate::shares::{MemberId, Order, Word};
use crate::sync::{now, wall};

/// How long the last word may take.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The other gateways, and what is said to them. Calls never wait; each is carried out after those
/// before it.
#[derive(Clone, Debug)]
pub struct Peers {
    me: MemberId,
    commands: mpsc::UnboundedSender<Command>,
    desk: Arc<Desk>,
    _actor: Arc<AbortOnDropHandle<()>>,
}

impl Peers {
    /// Takes connections from now on, as the gateway in the pod of this UID; `doors` are the ports of
    /// doors that it listens on. Ends when the last handle is dropped. Must be called inside a tokio
    /// runtime.
    pub fn start<N: Net>(
        pod: Arc<str>,
        net: N,
        roll: watch::Receiver<Roll>,
        credential: Credential,
        doors: watch::Receiver<BTreeSet<u16>>,
    ) -> (Self, Inbox) {
        let (commands, wanted) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let (desk, me) = (Arc::new(Desk::new()), MemberId { pod, life: life() });
        let actor = Actor {
            me: me.clone(),
            net: Arc::new(net),
            credential,
            roll,
            doors,
            commands: commands.clone(),
            told: tell,
            started: (wall(), now()),
            highest: (0, Arc::from("")),
            leader: Leader::Nobody,
            leading: None,
            era: 0,
            numbers: 0,
            leaves: false,
            parting: None,
            warned: false,
        };
        let actor = AbortOnDropHandle::new(tokio::spawn(actor.run(wanted)));
        let peers = Self {
            me,
            commands,
            desk: Arc::clone(&desk),
            _actor: Arc::new(actor),
        };
        (peers, Inbox { told, desk })
    }

    /// This life of this gateway.
    #[must_use]
    pub fn me(&self) -> &MemberId {
        &self.me
    }

    /// Leads in this reign from now on, or leads no more. Of an older reign nothing is heard any more.
    pub fn lead(&self, reign: Option<u64>) {
        if let Some(era) = self.desk.lead(reign) {
            self.wants(Command::Lead { reign, era });
        }
    }

    /// As leader: tells a member what to do. Goes to the connection that the last [`News::Joined`] read
    /// from the inbox was about, and nowhere if that is no more: then another `Joined`, or its silence,
    /// is to be read.
    pub fn order(&self, member: &MemberId, orders: Vec<(RevisionId, Order)>) {
        if let Some(session) = self.desk.session(member) {
            let member = member.clone();
            self.wants(Command::Order {
                member,
                session,
                orders,
            });
        }
    }

    /// As a member: tells the leader something. Goes nowhere while nobody leads, or has asked what is
    /// held and was not answered: then the answer says it.
    pub fn say(&self, words: Vec<(RevisionId, Word)>) {
        self.wants(Command::Say(words));
    }

    /// As a member: says that it has nothing any more, and asks for nothing. Returns when that has gone
    /// out, within a second. Every leader that comes later hears the same.
    pub async fn leave(&self) {
        let (tell, told) = oneshot::channel();
        self.wants(Command::Leave(tell));
        // Unsaid, it is heard when the container has ended.
        let _ = tokio::time::timeout(LAST_WORD, told).await;
    }

    fn wants(&self, command: Command) {
        // The actor has gone only where nobody reads the news any more.
        let _ = self.commands.send(command);
    }
}

/// A number that is another one in each life of a gateway.
///
/// # Panics
/// When the system has no random numbers.
#[must_use]
pub fn life() -> u64 {
    let drawn = rand::rngs::SysRng.try_next_u64();
    drawn.expect("the system has random numbers")
}

#[cfg(test)]
mod tests;
