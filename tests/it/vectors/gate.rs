//! A throttler as a story tells of it: requests and replicas by name.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use holdgate::ports::{ReplicaState, ReplicaView, World};
use holdgate::revision::{ContainerConcurrency, Endpoint, QueueLimits, ReplicaId};
use holdgate::throttler::{Arrival, Permit, Place, Throttler};

use crate::clock::Clock;

/// A line of so many.
pub(super) fn bounds(max_requests: usize) -> QueueLimits {
    QueueLimits {
        max_requests,
        max_bytes: 0,
        timeout: Duration::ZERO,
        cold_timeout: Duration::ZERO,
        read_ahead: 0,
        order: holdgate::revision::QueueOrder::Fifo,
    }
}

pub(super) struct Gate {
    pub(super) throttler: Arc<Throttler<()>>,
    /// Every replica there ever was; its place is its identity.
    replicas: Vec<String>,
    pub(super) running: Vec<(String, Permit<()>)>,
    waiting: Vec<(String, Place<()>)>,
}

impl Gate {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            throttler: Throttler::new(ContainerConcurrency::new(limit), bounds(100)),
            replicas: Vec::new(),
            running: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// These replicas are ready, and no others.
    pub(super) fn ready(&mut self, names: &[&str]) {
        let replicas = names.iter().map(|name| ReplicaView {
            phase: None,
            kept_by: None,
            uid: None,
            id: self.id(name),
            name: None,
            endpoint: Some(Endpoint(([127, 0, 0, 1], 1).into())),
            detail: None,
            state: ReplicaState::Ready,
            since: Clock::start().at(0.0),
        });
        let replicas = replicas.collect();
        self.throttler.follow(&World {
            replicas,
            ..World::default()
        });
        self.look();
    }

    fn id(&mut self, name: &str) -> ReplicaId {
        let known = self.replicas.iter().position(|known| known == name);
        let place = known.unwrap_or_else(|| {
            self.replicas.push(name.to_owned());
            self.replicas.len() - 1
        });
        ReplicaId(place as u64)
    }

    /// What becomes of a request: running, queued or refused.
    pub(super) fn request(&mut self, name: &str) -> &'static str {
        match self.throttler.arrive(0) {
            Arrival::Admitted(permit) => {
                self.running.push((name.to_owned(), permit));
                "running"
            }
            Arrival::Waiting(place) => {
                self.waiting.push((name.to_owned(), place));
                "queued"
            }
            Arrival::QueueFull(_) | Arrival::Late(_) | Arrival::Outage(_) => "refused",
        }
    }

    /// The replica that a running request is at.
    pub(super) fn where_is(&self, name: &str) -> &str {
        let (_, permit) = self
            .running
            .iter()
            .find(|(running, _)| running == name)
            .unwrap_or_else(|| panic!("{name} is not running"));
        let place = usize::try_from(permit.replica().id.0).expect("few");
        &self.replicas[place]
    }

    /// A running request ends.
    pub(super) fn finish(&mut self, name: &str) -> String {
        let running = self.running.iter().position(|(running, _)| running == name);
        let Some(place) = running else {
            return format!("{name} is not running");
        };
        drop(self.running.remove(place));
        self.look();
        "ok".to_owned()
    }

    /// The running request that got its slot first ends.
    pub(super) fn finish_oldest(&mut self) -> String {
        let oldest = self.running.first().map(|(name, _)| name.clone());
        oldest.map_or("nobody is running".to_owned(), |name| self.finish(&name))
    }

    /// Whether a request that would not wait gets a slot.
    pub(super) fn has_room(&self) -> bool {
        matches!(self.throttler.arrive(0), Arrival::Admitted(_))
    }

    /// How many requests that would not wait get a slot at once.
    pub(super) fn room(&self) -> usize {
        let admitted = |arrival: &Arrival<()>| matches!(arrival, Arrival::Admitted(_));
        let arrivals = std::iter::repeat_with(|| self.throttler.arrive(0));
        arrivals.take_while(admitted).collect::<Vec<_>>().len()
    }

    /// Whoever's turn it is goes on.
    fn look(&mut self) {
        for (name, mut place) in std::mem::take(&mut self.waiting) {
            let mut look = Context::from_waker(Waker::noop());
            match pin!(&mut place).poll(&mut look) {
                Poll::Ready(Ok(permit)) => self.running.push((name, permit)),
                Poll::Ready(Err(outage)) => panic!("{name} was told of {outage:?}"),
                Poll::Pending => self.waiting.push((name, place)),
            }
        }
    }
}
