//! What the pods of a revision use and report: processor time and memory from the metrics API, as
//! metrics-server tells them, and numbers from the pods' own metrics pages. Reads only; when, and what
//! becomes of it, is decided by those who ask.
//!
//! metrics-server measures every 15 seconds, and this is read every second: a figure is told again
//! until there is a newer one, so that it weighs in an average for as long as it was the last word, and
//! none is told that is too old to be true.

mod figures;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kube::Client;
use tokio::sync::watch;

use self::figures::{Figure, Figures, Trouble};
use super::objects::{ObjectRef, Present};
use super::reason::Reason;
use super::seams::{Announcer, Notice};
use crate::backend::gauges::scrape::Pages;
use crate::ports::{Gauges, Missing, ReplicaState, World};
use crate::revision::{Endpoint, ReplicaId, ScaleMetric};
use crate::sync::{now, wall};
use crate::tls::ReplicaTls;

/// A figure older than this says nothing about now, and a pod without one for so long is not merely
/// too young.
const STALE: Duration = Duration::from_secs(90);

/// Reads what the ready replicas of one revision use and report.
pub struct PodGauges<N> {
    client: Client,
    owner: ObjectRef,
    present: watch::Receiver<Present>,
    world: watch::Receiver<World>,
    tls: watch::Receiver<Option<ReplicaTls>>,
    announcer: N,
    figures: Figures,
    /// It was told that they are missing.
    told: bool,
}

impl<N> std::fmt::Debug for PodGauges<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PodGauges")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// A replica that takes requests.
#[derive(Clone, Debug, PartialEq)]
struct Ready {
    id: ReplicaId,
    pod: Arc<str>,
    endpoint: Option<Endpoint>,
    since: Instant,
    /// When the pod was made: another one may have had its name.
    created: SystemTime,
}

/// What is missing, and whether somebody should be told.
#[derive(Clone, Debug, PartialEq)]
struct Lack {
    missing: Missing,
    tell: bool,
}

impl<N: Announcer> PodGauges<N> {
    /// Of the pods that are present and the replicas that are ready, which are asked by TLS as long as
    /// there is some; what a person has to see to is told about `owner`.
    #[must_use]
    pub fn new(
        client: Client,
        owner: ObjectRef,
        present: watch::Receiver<Present>,
        world: watch::Receiver<World>,
        tls: watch::Receiver<Option<ReplicaTls>>,
        announcer: N,
    ) -> Self {
        Self {
            client,
            owner,
            present,
            world,
            tls,
            announcer,
            figures: Figures::default(),
            told: false,
        }
    }

    fn ready(&self) -> Vec<Ready> {
        let (world, present) = (self.world.borrow(), self.present.borrow());
        let ready = world
            .replicas
            .iter()
            .filter(|view| view.state == ReplicaState::Ready);
        let known = ready.map(|view| {
            let pod = view.name.clone()?;
            let seen = present.pods.iter().find(|seen| seen.name == pod);
            Some(Ready {
                id: view.id,
                endpoint: view.endpoint,
                since: view.since,
                created: seen.map_or(SystemTime::UNIX_EPOCH, |seen| seen.created),
                pod,
            })
        });
        known.flatten().collect()
    }

    async fn refresh(&mut self) {
        let workload = self.present.borrow().workload.clone();
        if let Some(workload) = workload {
            let (client, namespace) = (&self.client, &workload.at.namespace);
            self.figures
                .refresh(client, namespace, &workload.selector)
                .await;
        }
    }

    /// Processor time in percent of what each pod asks for, all pods added up.
    fn cpu(&self, ready: &[Ready]) -> Result<f64, Lack> {
        let cores = self.cores();
        self.sum(ready, |ready, figure| {
            // What a model used to load itself is no load: only what was measured since it is ready.
            let began = figure.at.checked_sub(figure.window);
            let counts = began.is_some_and(|began| began >= since(ready.since));
            counts.then_some(figure.cores / cores * 100.0)
        })
    }

    /// Memory in bytes, all pods added up.
    fn memory(&self, ready: &[Ready]) -> Result<f64, Lack> {
        self.sum(ready, |ready, figure| {
            (figure.at >= ready.created).then_some(figure.bytes)
        })
    }

    /// What one pod asks for: the requests of its containers, of one without any its limit; a core
    /// where nothing is said.
    fn cores(&self) -> f64 {
        let present = self.present.borrow();
        let containers = present
            .workload
            .iter()
            .flat_map(|workload| &workload.template.containers);
        let asked = containers.filter_map(|container| container.cpu);
        let asked: f64 = asked.sum();
        if asked > 0.0 { asked } else { 1.0 }
    }

    fn sum(
        &self,
        ready: &[Ready],
        value: impl Fn(&Ready, &Figure) -> Option<f64>,
    ) -> Result<f64, Lack> {
        let of_one = |ready: &Ready| {
            let figure = self.figures.of(&ready.pod);
            let age = figure.map(|f| wall().duration_since(f.at).unwrap_or_default());
            let fresh = figure.filter(|_| age.is_some_and(|age| age <= STALE));
            let value = fresh.and_then(|figure| value(ready, figure));
            value.ok_or_else(|| self.lack(ready, age))
        };
        let (mut sum, mut lack) = (0.0, None);
        for read in ready.iter().map(of_one) {
            match read {
                Ok(value) => sum += value,
                Err(Lack {
                    missing: Missing::NotYet,
                    ..
                }) if lack.is_some() => {}
                Err(found) => lack = Some(found),
            }
        }
        lack.map_or(Ok(sum), Err)
    }

    /// Why there is no figure that can be believed, given the age of the one there is.
    fn lack(&self, ready: &Ready, age: Option<Duration>) -> Lack {
        let failed = |why: String, tell| Lack {
            missing: Missing::Failed(why),
            tell,
        };
        let pod = &ready.pod;
        match (&self.figures.trouble, age) {
            (Some(Trouble::Missing(why)), _) => failed(why.clone(), true),
            (Some(Trouble::Away(why)), _) => failed(why.clone(), false),
            (None, Some(age)) if age > STALE => {
                let age = age.as_secs();
                failed(
                    format!("the metrics API's figures of pod {pod} are {age}s old"),
                    true,
                )
            }
            (None, None) if now().saturating_duration_since(ready.since) > STALE => {
                failed(format!("the metrics API has no figures of pod {pod}"), true)
            }
            (None, _) => Lack {
                missing: Missing::NotYet,
                tell: false,
            },
        }
    }

    /// Tells once that figures are missing, and once that they are back.
    fn announce(&mut self, read: &[Result<f64, Lack>]) {
        let lacks = read.iter().filter_map(|read| read.as_ref().err());
        let why = lacks
            .filter(|lack| lack.tell)
            .find_map(|lack| match &lack.missing {
                Missing::Failed(why) => Some(why.clone()),
                Missing::NotYet => None,
            });
        let all = !read.is_empty() && read.iter().all(Result::is_ok);
        let (reason, message) = match why {
            Some(why) if !self.told => {
                let message = format!("{why}; nothing shrinks while cpu or memory is unknown");
                (Reason::MetricsMissing, message)
            }
            None if self.told && all => {
                let message = "cpu and memory are known again".to_owned();
                (Reason::MetricsBack, message)
            }
            _ => return,
        };
        self.told = !self.told;
        self.announcer.announce(Notice {
            about: self.owner.clone(),
            reason,
            message,
        });
    }
}

impl<N: Announcer> Gauges for PodGauges<N> {
    async fn read(&mut self, metrics: &[ScaleMetric]) -> Vec<Result<f64, Missing>> {
        let ready = self.ready();
        if ready.is_empty() {
            return metrics.iter().map(|_| Err(Missing::NotYet)).collect();
        }
        let endpoints: Vec<Endpoint> = ready.iter().filter_map(|ready| ready.endpoint).collect();
        let all_listen = endpoints.len() == ready.len();
        let tls = self.tls.borrow().clone();
        let pages = Pages::get(&endpoints, metrics, tls.as_ref());
        let used = |metric: &&ScaleMetric| matches!(metric, ScaleMetric::Cpu | ScaleMetric::Memory);
        if metrics.iter().any(|metric| used(&metric)) {
            self.refresh().await;
        }
        let of = |metric: &ScaleMetric| match metric {
            ScaleMetric::Cpu => self.cpu(&ready),
            _ => self.memory(&ready),
        };
        let read: Vec<_> = metrics.iter().filter(used).map(of).collect();
        self.announce(&read);
        let mut read = read.into_iter();
        let pages = pages.await;
        // Who is on its way out may have hung up on us, and nothing is wrong with that.
        let settled = self.ready() == ready;
        let told = metrics.iter().map(|metric| match metric {
            ScaleMetric::Cpu | ScaleMetric::Memory => {
                let read = read.next().expect("one was read for each");
                read.map_err(|lack| lack.missing)
            }
            ScaleMetric::Scraped(scrape) if all_listen => pages.sum(scrape),
            _ => Err(Missing::NotYet),
        });
        told.map(|read| read.map_err(|why| if settled { why } else { Missing::NotYet }))
            .collect()
    }
}

/// That moment on the wall's clock.
fn since(moment: Instant) -> SystemTime {
    let passed = now().saturating_duration_since(moment);
    wall().checked_sub(passed).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
