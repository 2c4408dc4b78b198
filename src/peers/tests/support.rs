//! Gateways in memory, and what they hear as text.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;

use super::network::{Network, ip};
use crate::peers::{Credential, GatewayPod, Holds, Inbox, News, Peers, PodState, Roll};
use crate::revision::RevisionId;
use crate::shares::{Holdings, MemberId, Order, Slots, Word};
use crate::sync::now;

/// A gateway, and what it hears.
pub(super) struct Gateway {
    pub(super) peers: Peers,
    /// What it has not heard, of one that reads only when told to.
    pub(super) inbox: Option<Inbox>,
    heard: mpsc::UnboundedReceiver<String>,
    pub(super) roll: watch::Sender<Roll>,
    pub(super) doors: watch::Sender<BTreeSet<u16>>,
    pub(super) token: watch::Sender<Option<Arc<str>>>,
    pub(super) doubt: Arc<Notify>,
    /// What it says when asked.
    pub(super) holds: Arc<Mutex<Holds>>,
}

impl Gateway {
    /// The one in pod `uid-N`, which knows of nobody yet.
    pub(super) fn start(network: &Network, n: u8) -> Self {
        let mut gateway = Self::unread(network, n);
        let mut inbox = gateway.inbox.take().expect("nobody reads it yet");
        let (tell, heard) = mpsc::unbounded_channel();
        gateway.heard = heard;
        let holds = Arc::clone(&gateway.holds);
        tokio::spawn(async move {
            while let Some(news) = inbox.recv().await {
                if tell.send(words(news, &holds)).is_err() {
                    return;
                }
            }
        });
        gateway
    }

    /// One that reads only when told to.
    pub(super) fn unread(network: &Network, n: u8) -> Self {
        let roll = watch::Sender::new(Roll::default());
        let doors = watch::Sender::new(BTreeSet::new());
        let token = watch::Sender::new(Some(Arc::from("secret")));
        let doubt = Arc::new(Notify::new());
        let credential = Credential::new(token.subscribe(), Arc::clone(&doubt));
        let (peers, inbox) = Peers::start(
            uid(n),
            network.at(n),
            roll.subscribe(),
            credential,
            doors.subscribe(),
        );
        Self {
            peers,
            inbox: Some(inbox),
            heard: mpsc::unbounded_channel().1,
            roll,
            doors,
            token,
            doubt,
            holds: Arc::default(),
        }
    }

    pub(super) fn knows(&self, others: &[u8]) {
        let others = others.iter().map(|n| pod(*n)).collect();
        self.roll.send_replace(Roll {
            others,
            seen: Some(now()),
        });
    }

    pub(super) fn changes(&self, n: u8, change: impl FnOnce(&mut GatewayPod)) {
        self.roll.send_modify(|roll| {
            let pod = roll.others.iter_mut().find(|pod| pod.uid == uid(n));
            change(pod.expect("it is known"));
        });
    }

    pub(super) fn me(&self) -> MemberId {
        self.peers.me().clone()
    }

    /// What it hears next.
    pub(super) async fn hears(&mut self) -> String {
        let heard = timeout(Duration::from_secs(60), self.next()).await;
        heard.expect("nothing is heard").expect("it goes on")
    }

    async fn next(&mut self) -> Option<String> {
        match &mut self.inbox {
            Some(inbox) => Some(words(inbox.recv().await?, &self.holds)),
            None => self.heard.recv().await,
        }
    }

    /// Everything that it hears within a time.
    pub(super) async fn within(&mut self, time: Duration) -> Vec<String> {
        let end = tokio::time::Instant::now() + time;
        let mut all = Vec::new();
        while let Ok(Some(news)) = tokio::time::timeout_at(end, self.next()).await {
            all.push(news);
        }
        all
    }
}

/// News as text. Whoever asks what is held is told.
fn words(news: News, held: &Mutex<Holds>) -> String {
    let ago = |at| now().saturating_duration_since(at).as_secs();
    match news {
        News::Joined {
            member,
            holds,
            doors,
        } => {
            let held = holds.iter().flat_map(|(_, held)| &held.slots);
            let held: u32 = held.map(|slots| slots.slots).sum();
            format!("{} joined with {held} {doors:?}", member.pod)
        }
        News::Said { member, words } => {
            let words = words
                .iter()
                .map(|(id, word)| format!(" {id}: {}", said(word)));
            format!("{} said{}", member.pod, words.collect::<String>())
        }
        News::Doors { member, open } => format!("{} listens on {open:?}", member.pod),
        News::Silent(member) => format!("{} is silent", member.pod),
        News::Ended { member, at } => format!("{} ended {} s ago", member.pod, ago(at)),
        News::Left(member) => format!("{} left", member.pod),
        News::AllAccounted { at, before } => match at.max(before) {
            None => "all are accounted for".to_owned(),
            Some(at) => format!("all are accounted for since {} s", ago(at)),
        },
        News::Outdone(by) => format!("outdone by {by}"),
        News::Led { reign, leader, ask } => {
            ask.answer(held.lock().clone());
            format!("led by {leader} in {reign}")
        }
        News::Ordered(orders) => {
            let orders = orders
                .iter()
                .map(|(id, order)| format!(" {id}: {}", wanted(order)));
            format!("ordered{}", orders.collect::<String>())
        }
        News::Leaderless => "leaderless".to_owned(),
    }
}

fn said(word: &Word) -> String {
    match word {
        Word::Returned(slots) => format!("returned {}", slots.slots),
        Word::Report(report) => format!("{} in flight", report.in_flight),
    }
}

fn wanted(order: &Order) -> String {
    match order {
        Order::Grant(slots) => format!("grant {}", slots.slots),
        Order::Recall(slots) => format!("recall {slots}"),
        Order::Retire(pods) => format!("retire {}", pods.len()),
        Order::Rest(pods) => format!("rest {}", pods.len()),
        Order::Spare(slots) => format!("spare {slots}"),
        Order::Keep(slots) => format!("keep {} {}", slots.pod, slots.slots),
    }
}

pub(super) fn uid(n: u8) -> Arc<str> {
    Arc::from(format!("uid-{n}"))
}

/// A living pod.
pub(super) fn pod(n: u8) -> GatewayPod {
    GatewayPod {
        uid: uid(n),
        name: Arc::from(format!("gateway-{n}")),
        ip: Some(ip(n)),
        node: None,
        created: SystemTime::UNIX_EPOCH,
        state: PodState::Living,
        since: None,
        restarted: None,
    }
}

pub(super) fn of(revision: &str, orders: &[Order]) -> Vec<(RevisionId, Order)> {
    let all = orders.iter();
    all.map(|order| (RevisionId::new(revision), order.clone()))
        .collect()
}

pub(super) fn grant(slots: u32) -> Vec<(RevisionId, Order)> {
    of("a", &[Order::Grant(some(slots))])
}

pub(super) fn returned(slots: u32) -> Vec<(RevisionId, Word)> {
    vec![(RevisionId::new("a"), Word::Returned(some(slots)))]
}

/// What is held of one revision.
pub(super) fn holds(slots: u32) -> Holds {
    let slots = vec![some(slots)];
    let held = Holdings {
        slots,
        ..Holdings::default()
    };
    vec![(RevisionId::new("a"), held)]
}

pub(super) fn some(slots: u32) -> Slots {
    Slots {
        pod: Arc::from("p"),
        slots,
    }
}

pub(super) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
