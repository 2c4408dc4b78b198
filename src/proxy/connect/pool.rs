//! The connections to one replica that are kept, and what is known of how it can be reached.

use std::io;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;
use tokio::sync::Notify;

use super::connection::{Connection, Link};
use crate::proxy::shared::Shared;
use crate::proxy::upload::Upload;
use crate::throttler::Kept;
use crate::tls::ReplicaTls;

/// How long an unused connection is kept. uvicorn closes its own after 5 s.
const KEEP_IDLE: Duration = Duration::from_secs(4);

/// How long a connection may take from the end of one exchange until it takes another.
const SETTLES_WITHIN: Duration = Duration::from_millis(10);

/// Pauses between looks at a replica that could not be reached.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Most unused connections kept to one replica.
const MOST_IDLE: usize = 1024;

/// The unused connections to one replica.
#[derive(Debug, Default)]
pub struct Connections {
    kept: parking_lot::Mutex<Idle>,
    /// Told when the replica leaves.
    left: Notify,
    /// One HTTP/2 connection is opened at a time: those who wait find room on it.
    pub(super) opening: tokio::sync::Mutex<()>,
    pub(super) probing: AtomicBool,
}

#[derive(Debug, Default)]
struct Idle {
    connections: Vec<Connection>,
    /// Those of HTTP/2, used or not.
    shared: Vec<Shared>,
    /// The replica is going away: nothing is kept.
    leaving: bool,
    /// How often in a row it could be connected to again, and no request got through.
    setbacks: u32,
}

impl Kept for Connections {
    fn leaves(&self, leaving: bool) {
        let mut kept = self.kept.lock();
        kept.leaving = leaving;
        if leaving {
            kept.connections.clear();
            kept.shared.clear();
            drop(kept);
            self.left.notify_waiters();
        }
    }
}

impl Connections {
    /// The connection used last that is still good, and was opened as one would be now.
    pub(super) async fn reuse(&self, tls: Option<&ReplicaTls>, now: Instant) -> Option<Connection> {
        loop {
            let mut connection = self.kept.lock().connections.pop()?;
            let fresh = now.saturating_duration_since(connection.idle_since) < KEEP_IDLE;
            if fresh
                && connection.tls.as_ref() == tls
                && let Link::Own { sender, .. } = &mut connection.link
                && !sender.is_closed()
                && (sender.is_ready() || becomes_ready(sender).await)
            {
                return Some(connection);
            }
        }
    }

    /// Room on an HTTP/2 connection that there is.
    pub(super) fn join(&self, tls: Option<&ReplicaTls>, now: Instant) -> Option<Connection> {
        let mut kept = self.kept.lock();
        kept.shared.retain(Shared::is_good);
        let stream = kept.shared.iter_mut().find_map(|shared| shared.join(tls))?;
        Some(Connection::new(Link::Shared(stream), true, now))
    }

    /// Room on one that was just opened, for others as well.
    pub(super) fn share(&self, mut shared: Shared, now: Instant) -> io::Result<Connection> {
        let stream = shared.take_room().ok_or(io::ErrorKind::ConnectionReset)?;
        let mut kept = self.kept.lock();
        if !kept.leaving {
            kept.shared.push(shared);
        }
        Ok(Connection::new(Link::Shared(stream), false, now))
    }

    /// Keeps a connection whose exchange has ended.
    pub fn keep(&self, mut connection: Connection, now: Instant) {
        connection.idle_since = now;
        connection.kept = true;
        let mut kept = self.kept.lock();
        kept.setbacks = 0;
        let room = !kept.leaving && kept.connections.len() < MOST_IDLE;
        if let Link::Own { sender, .. } = &connection.link
            && room
            && !sender.is_closed()
        {
            kept.connections.push(connection);
        }
    }

    /// Closes what has been unused too long.
    pub fn retire(&self, now: Instant) {
        let stale = |c: &Connection| now.saturating_duration_since(c.idle_since) >= KEEP_IDLE;
        let mut kept = self.kept.lock();
        kept.connections.retain(|connection| !stale(connection));
        kept.shared.retain_mut(|shared| !shared.is_stale(now));
    }

    /// Resolves when the replica is going away.
    pub(super) async fn left(&self) {
        let mut told = pin!(self.left.notified());
        told.as_mut().enable();
        if !self.is_leaving() {
            told.await;
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.kept.lock().leaving
    }

    /// How long to wait before it is first tried again: longer each time that it could be connected to
    /// and no request got through.
    pub(super) fn pause(&self) -> Duration {
        let setbacks = self.kept.lock().setbacks;
        (FIRST_PAUSE * 2_u32.pow(setbacks.min(6))).min(LONGEST_PAUSE)
    }

    /// It can be connected to again.
    pub(super) fn is_back(&self) {
        self.kept.lock().setbacks += 1;
    }
}

/// Its last exchange may have ended a moment ago; a connection that takes longer is not waited for.
async fn becomes_ready(sender: &mut SendRequest<Upload>) -> bool {
    let ready = tokio::time::timeout(SETTLES_WITHIN, sender.ready());
    matches!(ready.await, Ok(Ok(())))
}
