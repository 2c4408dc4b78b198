//! From another gateway to this one: takes its connections, and reads what a leader says in them.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::link::{Broken, FIRST_LINE, LINE, Lines, Outbox, SILENCE, outbox};
use super::net::Net;
use super::wire::{FromLeader, Hello};
use crate::shares::Order;

/// Most connections of those who have not said yet who they are.
const STRANGERS: usize = 64;

/// How long after a failure the next connection is taken.
const AGAIN: Duration = Duration::from_millis(100);

/// What happens at it, in order for each connection.
#[derive(Debug)]
pub(super) enum Came {
    /// Somebody says that it leads. Whether it does is to be answered.
    Hello(Hello, Outbox, oneshot::Sender<bool>),
    /// A leader's orders.
    Orders(Vec<(Arc<str>, Order)>),
    /// The connection of a leader is no more.
    Lost,
}

/// Takes connections until nobody wants to hear of them any more.
pub(super) async fn open<N: Net>(net: Arc<N>, tell: mpsc::Sender<(u64, Came)>) {
    let strangers = Arc::new(Semaphore::new(STRANGERS));
    let mut visits = JoinSet::new();
    for visit in 1.. {
        while visits.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&strangers).acquire_owned().await else {
            return;
        };
        match net.accept().await {
            Ok(stream) => drop(visits.spawn(receive(stream, visit, place, tell.clone()))),
            Err(error) => {
                tracing::debug!(%error, "a connection of another gateway could not be taken");
                sleep(AGAIN).await;
            }
        }
    }
}

async fn receive<S>(
    stream: S,
    visit: u64,
    place: OwnedSemaphorePermit,
    tell: mpsc::Sender<(u64, Came)>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let (reads, writes) = tokio::io::split(stream);
    let mut lines = Lines::new(reads, FIRST_LINE);
    let hello = match timeout(SILENCE, lines.next()).await {
        Ok(Ok(FromLeader::Hello(hello))) => hello,
        Ok(Ok(_)) => return tracing::debug!("a stranger at the door of the peers"),
        Ok(Err(broken)) => return tracing::debug!(%broken, "a stranger at the door of the peers"),
        Err(_) => return,
    };
    let (outbox, outgoing) = outbox();
    let (judge, judged) = oneshot::channel();
    let mut writing = std::pin::pin!(outgoing.write(writes, b"\"beat\"\n"));
    let came = Came::Hello(hello, outbox, judge);
    if tell.send((visit, came)).await.is_err() {
        return;
    }
    if !judged.await.unwrap_or(false) {
        // What it is told before the end is short.
        let _ = timeout(SILENCE, writing).await;
        return;
    }
    drop(place);
    lines.allow(LINE);
    let broken = tokio::select! {
        broken = read(lines, visit, &tell) => broken,
        broken = &mut writing => broken,
    };
    tracing::info!(%broken, "lost the connection to the gateway that leads");
    let _ = tell.send((visit, Came::Lost)).await;
}

async fn read<R>(mut lines: Lines<R>, visit: u64, tell: &mpsc::Sender<(u64, Came)>) -> Broken
where
    R: AsyncRead + Unpin,
{
    loop {
        let came = match lines.next().await {
            Ok(FromLeader::Beat) => continue,
            Ok(FromLeader::Orders(orders)) => Came::Orders(orders),
            Ok(FromLeader::Hello(_)) => return Broken::Garbage("a second hello".to_owned()),
            Err(broken) => return broken,
        };
        if tell.send((visit, came)).await.is_err() {
            return Broken::Closed;
        }
    }
}
