//! What the processes of a revision use and report: processor time and memory of their groups, and
//! numbers from their own metrics pages. Reads only; when, and what becomes of it, is decided by
//! those who ask.

mod cpu;
mod exposition;
pub(super) mod scrape;
mod usage;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use self::cpu::{CpuMeter, CpuTime};
use self::scrape::Pages;
use self::usage::{Meter, Usage};
use super::group::Sighting;
use crate::ports::{Gauges, Missing, ReplicaState, World};
use crate::revision::{Endpoint, ReplicaId, ScaleMetric};
use crate::sync::now;
use crate::tls::ReplicaTls;

/// Which process group is behind which endpoint of a host, and how many cores it may use.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory(Arc<Mutex<HashMap<Endpoint, Listed>>>);

#[derive(Clone, Debug)]
struct Listed {
    group: Sighting,
    cores: f64,
}

impl Directory {
    /// A group has been started. What has ended since the last one is struck off.
    pub(super) fn list(&self, endpoint: Endpoint, group: Sighting, cores: f64) {
        let mut listed = self.0.lock();
        listed.retain(|_, listed| listed.group.number().is_some());
        listed.insert(endpoint, Listed { group, cores });
    }

    fn find(&self, endpoint: Endpoint) -> Option<Listed> {
        self.0.lock().get(&endpoint).cloned()
    }
}

/// Reads what the ready replicas of one revision use and report.
#[derive(Debug)]
pub struct ProcessGauges {
    directory: Directory,
    world: watch::Receiver<World>,
    tls: watch::Receiver<Option<ReplicaTls>>,
    cpu: CpuMeter,
    meter: Meter,
}

/// A ready replica and its processes.
struct Running {
    replica: ReplicaId,
    listed: Listed,
    group: i32,
}

impl ProcessGauges {
    pub(super) fn new(
        directory: Directory,
        world: watch::Receiver<World>,
        tls: watch::Receiver<Option<ReplicaTls>>,
    ) -> Self {
        Self {
            directory,
            world,
            tls,
            cpu: CpuMeter::default(),
            meter: Meter::default(),
        }
    }

    /// The ready replicas, with where they listen.
    fn ready(&self) -> Vec<(ReplicaId, Endpoint)> {
        let world = self.world.borrow();
        let replicas = world.replicas.iter();
        let ready = replicas.filter(|view| view.state == ReplicaState::Ready);
        ready
            .filter_map(|view| Some((view.id, view.endpoint?)))
            .collect()
    }

    /// What each of them uses; one that ended meanwhile leaves all unknown.
    async fn used(
        &mut self,
        ready: &[(ReplicaId, Endpoint)],
        memory: bool,
    ) -> Result<Vec<(Running, Usage)>, Missing> {
        let running = ready.iter().map(|(replica, endpoint)| {
            let listed = self.directory.find(*endpoint)?;
            let group = listed.group.number()?;
            Some(Running {
                replica: *replica,
                listed,
                group,
            })
        });
        let running: Vec<Running> = running.collect::<Option<_>>().ok_or(Missing::NotYet)?;
        let groups: Vec<i32> = running.iter().map(|running| running.group).collect();
        let mut meter = std::mem::take(&mut self.meter);
        let reading = tokio::task::spawn_blocking(move || {
            let used = meter.read(&groups, memory);
            (meter, used)
        });
        let read = reading.await;
        let (meter, used) = read.map_err(|error| Missing::Failed(error.to_string()))?;
        self.meter = meter;
        let used = used.map_err(Missing::Failed)?;
        let of_each = running.into_iter().map(|running| {
            let usage = *used.get(&running.group)?;
            // The number of a group that has ended may be somebody else's by now.
            running.listed.group.number()?;
            Some((running, usage))
        });
        of_each.collect::<Option<_>>().ok_or(Missing::NotYet)
    }

    fn percent(&mut self, used: &[(Running, Usage)]) -> Result<f64, Missing> {
        let time = |(running, usage): &(Running, Usage)| CpuTime {
            replica: running.replica,
            used: usage.cpu,
            cores: running.listed.cores,
        };
        let times: Vec<CpuTime> = used.iter().map(time).collect();
        self.cpu.read(&times, now()).ok_or(Missing::NotYet)
    }
}

impl Gauges for ProcessGauges {
    async fn read(&mut self, metrics: &[ScaleMetric]) -> Vec<Result<f64, Missing>> {
        let ready = self.ready();
        if ready.is_empty() {
            return metrics.iter().map(|_| Err(Missing::NotYet)).collect();
        }
        let endpoints = ready.iter().map(|(_, endpoint)| *endpoint);
        let tls = self.tls.borrow().clone();
        let pages = Pages::get(&endpoints.collect::<Vec<_>>(), metrics, tls.as_ref());
        let memory = metrics.contains(&ScaleMetric::Memory);
        let used = if memory || metrics.contains(&ScaleMetric::Cpu) {
            self.used(&ready, memory).await
        } else {
            Err(Missing::NotYet)
        };
        let cpu = used.as_ref().map_err(Missing::clone);
        let cpu = cpu.and_then(|used| self.percent(used));
        let pages = pages.await;
        // Who is on its way out may have hung up on us, and nothing is wrong with that.
        let settled = self.ready() == ready;
        let read = |metric: &ScaleMetric| match metric {
            ScaleMetric::Cpu => cpu.clone(),
            ScaleMetric::Memory => used
                .as_ref()
                .map(|used| total(used))
                .map_err(Missing::clone),
            ScaleMetric::Scraped(scrape) => pages.sum(scrape),
            ScaleMetric::Concurrency | ScaleMetric::Rps => Err(Missing::NotYet),
        };
        let read = metrics.iter().map(read);
        read.map(|read| read.map_err(|why| if settled { why } else { Missing::NotYet }))
            .collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn total(used: &[(Running, Usage)]) -> f64 {
    used.iter().map(|(_, usage)| usage.memory as f64).sum()
}
