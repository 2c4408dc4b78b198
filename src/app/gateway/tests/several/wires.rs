//! How the gateways of these tests reach each other: pipes in memory.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::{Notify, mpsc, watch};

use crate::peers::{Credential, Inbox, Net, Peers, Roll};

/// Where everybody is reached.
#[derive(Default)]
pub(super) struct Wires(Mutex<HashMap<IpAddr, mpsc::UnboundedSender<DuplexStream>>>);

/// One gateway's end of them.
struct End {
    wires: Arc<Wires>,
    came: tokio::sync::Mutex<mpsc::UnboundedReceiver<DuplexStream>>,
}

pub(super) fn ip(number: usize) -> IpAddr {
    let number = u8::try_from(number + 1).expect("few gateways");
    [10, 9, 0, number].into()
}

impl Wires {
    /// A gateway is reached here from now on.
    pub(super) fn join(
        self: &Arc<Self>,
        uid: &Arc<str>,
        at: IpAddr,
        roll: watch::Receiver<Roll>,
    ) -> (Peers, Inbox) {
        let (tell, came) = mpsc::unbounded_channel();
        self.0.lock().insert(at, tell);
        let end = End {
            wires: Arc::clone(self),
            came: tokio::sync::Mutex::new(came),
        };
        let token = watch::Sender::new(Some(Arc::from("a-token"))).subscribe();
        let credential = Credential::new(token, Arc::new(Notify::new()));
        let doors = watch::Sender::new(BTreeSet::new()).subscribe();
        Peers::start(uid.clone(), end, roll, credential, doors)
    }

    /// Nobody is reached here any more.
    pub(super) fn cut(&self, at: IpAddr) {
        self.0.lock().remove(&at);
    }
}

impl Net for End {
    type Stream = DuplexStream;

    async fn dial(&self, to: IpAddr) -> io::Result<DuplexStream> {
        let (ours, theirs) = duplex(1 << 16);
        let to = self.wires.0.lock().get(&to).cloned();
        let reached = to.is_some_and(|to| to.send(theirs).is_ok());
        reached
            .then_some(ours)
            .ok_or_else(|| io::ErrorKind::ConnectionRefused.into())
    }

    async fn accept(&self) -> io::Result<DuplexStream> {
        let came = self.came.lock().await.recv().await;
        came.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}
