//! The doors of a gateway: ports of its own for callers of Services that lead through it. Decides when
//! one is open. Who is to listen where stands in the claims; who is sent here, others decide by what
//! is open.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::words;
use crate::backend::kubernetes::{Announcer, Claim, Claims, Notice, ObjectRef, Obstacle, Reason};
use crate::proxy::Registry;
use crate::proxy::connect::Dial;
use crate::registry::Lead;
use crate::server::Server;
use crate::sync::until;

/// How long a door stays open that nobody wants any more: whoever was sent there may not have heard.
const LINGER: Duration = Duration::from_secs(5);

/// Between two tries at a port that could not be opened.
const RETRY: Duration = Duration::from_secs(5);

/// One door that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Door {
    /// To whom it leads.
    pub(super) lead: Lead,
    /// The Service whose callers come here.
    service: Arc<str>,
    /// Whom Events are about.
    owner: ObjectRef,
}

/// All of them, by port number.
pub(super) type Wanted = BTreeMap<u16, Door>;

/// The doors of some claims. A number that several want is that of the one whose owner is the older, and
/// of one that serves before others, as it is with hosts.
pub(super) fn wanted(claims: &Claims) -> Wanted {
    let serves = |claim: &Claim| matches!(claim.obstacle, None | Some(Obstacle::SteeredBy(_)));
    let mut claims: Vec<_> = claims.values().collect();
    claims.sort_by_key(|claim| (!serves(claim), claim.created, claim.revision.clone()));
    let mut wanted = Wanted::new();
    for claim in claims {
        for door in &claim.doors {
            wanted.entry(door.number).or_insert_with(|| Door {
                lead: if door.by_host {
                    Lead::ByHost
                } else {
                    Lead::To(claim.revision.clone())
                },
                service: Arc::clone(&door.service),
                owner: claim.owner.clone(),
            });
        }
    }
    wanted
}

/// How a port is opened.
pub(super) type Opener = Box<dyn Fn(SocketAddr) -> io::Result<TcpListener> + Send>;

/// What doors are part of.
pub(super) struct House {
    /// The data port. What goes by host may come in there as well.
    pub(super) data: SocketAddr,
    pub(super) opener: Opener,
    /// Is told which doors are open.
    pub(super) open: watch::Sender<BTreeSet<u16>>,
    /// Nobody is to be sent here any more: none is open for those who ask, whoever comes is served.
    pub(super) leaving: CancellationToken,
}

/// The doors of a gateway.
pub(super) struct Doors<D, A> {
    server: Server<D>,
    registry: Arc<Registry>,
    announcer: Arc<A>,
    house: House,
    held: BTreeMap<u16, Held<D>>,
    /// Just closed: what was on its way then still goes where it led, until this moment.
    left: BTreeMap<u16, (Lead, Instant)>,
    /// Could not be opened, and that was told.
    closed: BTreeSet<u16>,
}

/// One door that is open.
struct Held<D> {
    lead: Lead,
    /// `None` is the data port.
    server: Option<Server<D>>,
    /// Nobody wants it any more; it closes then.
    closes: Option<Instant>,
}

impl<D: Dial, A: Announcer> Doors<D, A> {
    /// None is open yet.
    pub(super) fn new(
        server: Server<D>,
        registry: Arc<Registry>,
        announcer: Arc<A>,
        house: House,
    ) -> Self {
        Self {
            server,
            registry,
            announcer,
            house,
            held: BTreeMap::new(),
            left: BTreeMap::new(),
            closed: BTreeSet::new(),
        }
    }

    /// Keeps them as they are wanted for as long as somebody says that.
    pub(super) async fn run(mut self, mut wanted: watch::Receiver<Wanted>) {
        loop {
            let due = self.due();
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() {
                    return;
                },
                () = until(due) => {}
                () = self.house.leaving.cancelled(), if self.is_told() => {}
            }
            let wanted = wanted.borrow_and_update().clone();
            self.keep(&wanted);
        }
    }

    /// Opens what is wanted and closes what has not been for a while. What cannot be opened is told
    /// once, and tried again.
    pub(super) fn keep(&mut self, wanted: &Wanted) {
        let now = Instant::now();
        self.let_go(wanted, now);
        self.closed.retain(|number| wanted.contains_key(number));
        // A door leads somewhere before anybody comes in by it.
        self.lead(wanted);
        for (number, door) in wanted {
            if !self.held.contains_key(number) {
                self.open(*number, door);
            }
        }
        let open = if self.house.leaving.is_cancelled() {
            BTreeSet::new()
        } else {
            self.held.keys().copied().collect()
        };
        let tell = |told: &mut BTreeSet<u16>| std::mem::replace(told, open.clone()) != open;
        self.house.open.send_if_modified(tell);
    }

    /// Some door is known to be open.
    fn is_told(&self) -> bool {
        !self.house.open.borrow().is_empty()
    }

    /// Marks what is wanted no more, and closes what has been so for long enough.
    fn let_go(&mut self, wanted: &Wanted, now: Instant) {
        for (number, held) in &mut self.held {
            held.closes = match (wanted.get(number), held.closes) {
                (Some(door), _) => {
                    held.lead = door.lead.clone();
                    None
                }
                (None, None) => Some(now + LINGER),
                (None, closes) => closes,
            };
        }
        self.left.retain(|_, (_, until)| *until > now);
        let is_over = |held: &Held<D>| held.closes.is_some_and(|closes| closes <= now);
        self.held.retain(|number, held| {
            if is_over(held) {
                tracing::info!(port = number, "this door is closed");
                held.server.iter().for_each(Server::close);
                self.left.insert(*number, (held.lead.clone(), now + LINGER));
            }
            !is_over(held)
        });
    }

    fn lead(&self, wanted: &Wanted) {
        let left = self.left.iter().map(|(n, (lead, _))| (*n, lead.clone()));
        let held = self.held.iter().map(|(n, held)| (*n, held.lead.clone()));
        let wanted = wanted.iter().map(|(n, door)| (*n, door.lead.clone()));
        let all = left.chain(held).chain(wanted);
        self.registry.set_doors(&all.collect());
    }

    fn open(&mut self, number: u16, door: &Door) {
        let server = if number == self.house.data.port() && door.lead == Lead::ByHost {
            None
        } else {
            let address = SocketAddr::new(self.house.data.ip(), number);
            match (self.house.opener)(address) {
                Ok(listener) => Some(self.accept(number, listener)),
                Err(error) => return self.tell(number, door, &error),
            }
        };
        self.closed.remove(&number);
        tracing::info!(port = number, service = %door.service, "this door is open");
        let held = Held {
            lead: door.lead.clone(),
            server,
            closes: None,
        };
        self.held.insert(number, held);
    }

    fn accept(&self, number: u16, listener: TcpListener) -> Server<D> {
        let server = self.server.door(number);
        let accepting = server.clone();
        tokio::spawn(async move { accepting.accept(listener).await });
        server
    }

    fn tell(&mut self, number: u16, door: &Door, error: &io::Error) {
        if !self.closed.insert(number) {
            return;
        }
        let message = words::door_closed(&door.service, number, error);
        tracing::warn!(port = number, "{message}");
        self.announcer.announce(Notice {
            about: door.owner.clone(),
            reason: Reason::DoorClosed,
            message,
        });
    }

    /// When there is something to do though nothing is heard.
    fn due(&self) -> Option<Instant> {
        let closes = self.held.values().filter_map(|held| held.closes);
        let left = self.left.values().map(|(_, until)| *until);
        let retry = (!self.closed.is_empty()).then(|| Instant::now() + RETRY);
        closes.chain(left).chain(retry).min()
    }
}
