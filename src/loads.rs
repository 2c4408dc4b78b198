//! What a sidecar tells of the requests at its door, and the book in which a gateway keeps what it is
//! told. Numbers are those of Knative's queue-proxy: averages over time, counts for each second.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::admission::meter::Report;

/// What is older says nothing of now.
const FRESH: Duration = Duration::from_secs(5);

/// Most doors that are known at once.
const MOST: usize = 16 * 1024;

/// What one sidecar says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// The pod it is in.
    pub pod: Pod,
    /// Which start of it this is: a later one counts from zero again.
    pub uptime_seconds: f64,
    /// Requests at the model server.
    pub in_flight: u32,
    /// Requests that wait at the door.
    pub queued: u32,
    /// Those of both that came through a gateway, or that nobody wants any more.
    pub proxied: u32,
    /// What happened since the last time.
    #[serde(flatten)]
    pub rates: Rates,
}

/// Which pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Its UID; empty where it was not told.
    #[serde(default)]
    pub uid: String,
    /// Its namespace.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// What happened over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rates {
    /// Requests here at once, waiting or running, averaged over time.
    pub average_concurrency: f64,
    /// The same of those that came through a gateway.
    pub average_proxied_concurrency: f64,
    /// Requests that arrived, for each second.
    pub requests_per_second: f64,
    /// The same of those that came through a gateway.
    pub proxied_requests_per_second: f64,
}

impl Rates {
    /// Of what was measured over `period`: all of it, and what came through gateways.
    #[must_use]
    pub fn over(period: Duration, all: Report, proxied: Report) -> Self {
        let seconds = period.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "nobody counts that many")]
        let rate = |count: u64| {
            if seconds > 0.0 {
                count as f64 / seconds
            } else {
                0.0
            }
        };
        Self {
            average_concurrency: all.average_concurrency,
            average_proxied_concurrency: proxied.average_concurrency,
            requests_per_second: rate(all.requests),
            proxied_requests_per_second: rate(proxied.requests),
        }
    }

    /// What a gateway adds to what it has counted itself: requests that came past it.
    #[must_use]
    pub fn direct(&self) -> (f64, f64) {
        let concurrency = self.average_concurrency - self.average_proxied_concurrency;
        let requests = self.requests_per_second - self.proxied_requests_per_second;
        (concurrency.max(0.0), requests.max(0.0))
    }
}

impl Load {
    /// Requests here that came past every gateway.
    #[must_use]
    pub const fn direct_now(&self) -> u32 {
        (self.in_flight + self.queued).saturating_sub(self.proxied)
    }
}

/// What a gateway shows with each request to who takes reports by the same token: that this is one of
/// its own, which it counts itself. Whoever sees it learns nothing of the token, and can at most leave
/// requests of his own uncounted.
#[must_use]
pub fn mark(token: &str) -> String {
    let digest = Sha256::digest(format!("holdgate gateway\n{token}"));
    let mut mark = String::with_capacity(2 * digest.len());
    for byte in digest {
        let _ = write!(mark, "{byte:02x}");
    }
    mark
}

/// What sidecars have said last, each once.
#[derive(Debug, Default)]
pub struct Book(Mutex<HashMap<String, (Load, Instant)>>);

impl Book {
    /// One says something; `false` if there are too many, or it does not say who it is.
    pub fn take(&self, load: Load, now: Instant) -> bool {
        let Some(pod) = load.pod.key() else {
            return false;
        };
        let mut loads = self.0.lock();
        if loads.len() >= MOST && !loads.contains_key(&pod) {
            loads.retain(|_, (_, said)| now.saturating_duration_since(*said) < FRESH);
            if loads.len() >= MOST {
                return false;
            }
        }
        loads.insert(pod, (load, now));
        true
    }

    /// The pod of this UID has said something, and is silent now.
    #[must_use]
    pub fn misses(&self, uid: &str, now: Instant) -> bool {
        let loads = self.0.lock();
        let said = loads.get(uid).map(|(_, said)| *said);
        said.is_some_and(|said| now.saturating_duration_since(said) >= FRESH)
    }

    /// What the pod of this UID has said, if that was a moment ago.
    #[must_use]
    pub fn of(&self, uid: &str, now: Instant) -> Option<Load> {
        let loads = self.0.lock();
        let (load, said) = loads.get(uid)?;
        (now.saturating_duration_since(*said) < FRESH).then(|| load.clone())
    }
}

impl Pod {
    /// What it is known by; `None` if it does not say who it is.
    fn key(&self) -> Option<String> {
        if !self.uid.is_empty() {
            return Some(self.uid.clone());
        }
        (!self.name.is_empty()).then(|| format!("{}/{}", self.namespace, self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::now;

    fn load(uid: &str, in_flight: u32) -> Load {
        Load {
            pod: Pod {
                uid: uid.to_owned(),
                ..Pod::default()
            },
            uptime_seconds: 1.0,
            in_flight,
            queued: 2,
            proxied: 1,
            rates: Rates::default(),
        }
    }

    #[test]
    fn what_was_said_last_counts_as_long_as_it_is_fresh() {
        let (book, now) = (Book::default(), now());
        assert!(book.take(load("a", 1), now));
        assert!(book.take(load("a", 3), now));
        assert!(!book.take(load("", 3), now), "nobody knows who that is");
        assert_eq!(book.of("a", now).map(|load| load.direct_now()), Some(4));
        assert_eq!(book.of("b", now), None);
        assert_eq!(book.of("a", now + FRESH), None);
    }

    #[test]
    fn the_book_is_bounded_and_forgets_the_old_first() {
        let (book, now) = (Book::default(), now());
        for n in 0..MOST {
            assert!(book.take(load(&n.to_string(), 0), now));
        }
        assert!(!book.take(load("one more", 0), now));
        assert!(book.take(load("0", 7), now), "who is known is heard");
        assert!(book.take(load("one more", 0), now + FRESH));
        assert_eq!(book.of("1", now + FRESH), None);
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        let written = serde_json::to_string(&load("a", 1)).expect("JSON");
        assert!(written.contains("\"averageConcurrency\":0.0"), "{written}");
        let read: Load = serde_json::from_str(&written).expect("the same");
        assert_eq!(read, load("a", 1));
    }
}
