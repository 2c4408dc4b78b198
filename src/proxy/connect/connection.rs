//! One connection to a replica, as the exchange on it sees it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Sleep;
use tokio_util::task::AbortOnDropHandle;

use crate::proxy::shared::Stream;
use crate::proxy::upload::Upload;
use crate::tls::ReplicaTls;

/// An answer on its way.
pub(in crate::proxy) type Answer =
    Pin<Box<dyn Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>> + Send>>;

/// One connection to a replica, or one exchange's part in one. Dropping it closes it, whatever it is
/// doing; one that is shared lives on, and what has not ended of the exchange is reset.
#[derive(Debug)]
pub struct Connection {
    pub(super) link: Link,
    /// Kept with the connection: pushing a timer out is cheap, making one is not.
    pub(in crate::proxy) timer: Pin<Box<Sleep>>,
    /// It has been used before, so the replica may have closed it in the meantime.
    pub(in crate::proxy) kept: bool,
    pub(super) idle_since: Instant,
    /// Where what it becomes learns that it was cut; `None` if it stays what it is.
    pub(super) cut: Option<Arc<AtomicBool>>,
    /// What it was opened by: whoever has other settings opens another.
    pub(super) tls: Option<ReplicaTls>,
}

impl Connection {
    /// What it has become ends before its end.
    pub(in crate::proxy) fn cut(&self) {
        if let Some(cut) = &self.cut {
            cut.store(true, Ordering::Relaxed);
        }
    }
}

#[derive(Debug)]
pub(super) enum Link {
    /// Closed with its last holder.
    Own {
        sender: SendRequest<Upload>,
        /// `None` once somebody waits for its end.
        driver: Option<AbortOnDropHandle<()>>,
    },
    Shared(Stream),
}

impl Connection {
    pub(super) fn new(link: Link, kept: bool, now: Instant) -> Self {
        Self {
            link,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            kept,
            idle_since: now,
            cut: None,
            tls: None,
        }
    }

    /// Sends a request.
    pub(in crate::proxy) fn send(&mut self, request: Request<Upload>) -> Answer {
        match &mut self.link {
            Link::Own { sender, .. } => Box::pin(sender.try_send_request(request)),
            Link::Shared(stream) => Box::pin(stream.send(request)),
        }
    }

    /// It speaks HTTP/2 and carries others beside this exchange.
    pub(in crate::proxy) fn is_shared(&self) -> bool {
        matches!(self.link, Link::Shared(_))
    }

    /// Resolves when the replica has closed its end too, after ours has ended: only then does it no
    /// longer work on what was sent. HTTP/2 has no word for that, so one stream of many ends at once.
    pub(in crate::proxy) fn closing(&mut self) -> impl Future<Output = ()> + use<> {
        let driver = match &mut self.link {
            Link::Own { driver, .. } => driver.take(),
            Link::Shared(_) => None,
        };
        async move {
            if let Some(driver) = driver {
                let _ = driver.await;
            }
        }
    }

    /// No other exchange is begun on it: the replica did not answer on it in time, or refuses them.
    pub(in crate::proxy) fn retire(&self) {
        if let Link::Shared(stream) = &self.link {
            stream.retire();
        }
    }
}
