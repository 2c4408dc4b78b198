//! A network in memory that breaks when told to.

use std::collections::HashMap;
use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::sync::{mpsc, watch};

use crate::peers::Net;

/// What becomes of bytes on their way to or from a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Open,
    /// They wait.
    Stuck,
    /// Connections are closed, and none is made.
    Closed,
}

/// Everything between the gateways.
#[derive(Clone, Default)]
pub(super) struct Network(Arc<Mutex<HashMap<IpAddr, Place>>>);

struct Place {
    comes: mpsc::UnboundedSender<DuplexStream>,
    way: watch::Sender<Way>,
}

/// Where one of them is.
pub(super) struct At {
    network: Network,
    comes: tokio::sync::Mutex<mpsc::UnboundedReceiver<DuplexStream>>,
}

pub(super) fn ip(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, n])
}

impl Network {
    pub(super) fn at(&self, n: u8) -> At {
        let (comes, coming) = mpsc::unbounded_channel();
        let way = watch::Sender::new(Way::Open);
        self.0.lock().insert(ip(n), Place { comes, way });
        At {
            network: self.clone(),
            comes: tokio::sync::Mutex::new(coming),
        }
    }

    /// From now on, until told otherwise.
    pub(super) fn set(&self, n: u8, way: Way) {
        self.0.lock()[&ip(n)].way.send_replace(way);
    }

    /// Breaks every connection to it once.
    pub(super) async fn cut(&self, n: u8) {
        self.set(n, Way::Closed);
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.set(n, Way::Open);
    }

    pub(super) fn connect(&self, to: IpAddr) -> io::Result<DuplexStream> {
        let places = self.0.lock();
        let place = places.get(&to).ok_or(io::ErrorKind::HostUnreachable)?;
        if *place.way.borrow() == Way::Closed {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let ((near, a), (b, far)) = (duplex(4096), duplex(4096));
        place
            .comes
            .send(far)
            .map_err(|_| io::ErrorKind::ConnectionRefused)?;
        tokio::spawn(relay(a, b, place.way.subscribe()));
        Ok(near)
    }
}

async fn relay(a: DuplexStream, b: DuplexStream, way: watch::Receiver<Way>) {
    let ((mut from_a, mut to_a), (mut from_b, mut to_b)) = (split(a), split(b));
    let mut closed = way.clone();
    tokio::select! {
        () = carry(&mut from_a, &mut to_b, way.clone()) => {}
        () = carry(&mut from_b, &mut to_a, way) => {}
        _ = closed.wait_for(|way| *way == Way::Closed) => {}
    }
}

async fn carry(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut way: watch::Receiver<Way>,
) {
    let mut bytes = [0; 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        if way.wait_for(|way| *way == Way::Open).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}

impl Net for At {
    type Stream = DuplexStream;

    async fn dial(&self, to: IpAddr) -> io::Result<DuplexStream> {
        self.network.connect(to)
    }

    async fn accept(&self) -> io::Result<DuplexStream> {
        match self.comes.lock().await.recv().await {
            Some(stream) => Ok(stream),
            None => pending().await,
        }
    }
}
