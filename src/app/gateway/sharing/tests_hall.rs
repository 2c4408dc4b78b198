//! What is heard of others, and by whom not any more.

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::io::DuplexStream;
use tokio::sync::{Notify, oneshot, watch};

use super::hall::{Actor, Told};
use super::{Command, Lease, Standing};
use crate::backend::kubernetes::Tenure;
use crate::peers::{Credential, Net, News, Peers, Roll};
use crate::revision::RevisionId;
use crate::shares::{Order, Slots};

/// Nobody is reached.
struct Nowhere;

impl Net for Nowhere {
    type Stream = DuplexStream;

    async fn dial(&self, _to: IpAddr) -> io::Result<DuplexStream> {
        pending().await
    }

    async fn accept(&self) -> io::Result<DuplexStream> {
        pending().await
    }
}

fn actor() -> Actor {
    let token = watch::Sender::new(None).subscribe();
    let credential = Credential::new(token, Arc::new(Notify::new()));
    let roll = watch::Sender::new(Roll::default()).subscribe();
    let doors = watch::Sender::new(BTreeSet::new()).subscribe();
    let (peers, _inbox) = Peers::start("gateway".into(), Nowhere, roll.clone(), credential, doors);
    let lease = Lease {
        tenure: watch::Sender::new(Tenure::default()).subscribe(),
        number: watch::Sender::new(None).subscribe(),
        inherits: watch::Sender::new(true).subscribe(),
        learned: watch::Sender::new(true).subscribe(),
        outdone: watch::Sender::new(0),
    };
    let told = Told {
        standing: watch::Sender::new(Standing::Unknown),
        allowed: watch::Sender::new(Tenure::default()),
        listening: watch::Sender::new(None),
        unheard: Arc::new(AtomicBool::new(true)),
    };
    Actor::new(peers, roll, lease, told)
}

#[tokio::test(start_paused = true)]
async fn who_has_left_takes_nothing_that_was_on_its_way() {
    let mut actor = actor();
    let grant = |slots| {
        let pod = "pod".into();
        let order = Order::Grant(Slots { pod, slots });
        News::Ordered(vec![(RevisionId::new("flowers.ns"), order)])
    };
    actor.hear(grant(1));
    let held = |actor: &Actor| {
        let early = actor.early.values().flat_map(super::names::Early::held);
        early.map(|held| held.slots).sum::<u32>()
    };
    assert_eq!(held(&actor), 1);
    let (tell, told) = oneshot::channel();
    actor.obey(Command::Leave(tell)).await;
    told.await.expect("it has left");
    actor.hear(grant(2));
    assert_eq!(held(&actor), 1, "as before");
}
