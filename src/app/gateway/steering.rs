//! When a revision is steered: as long as this gateway may, and from when its workload is there.
//! Decides what it begins with: with what is remembered, and never with less than there is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::seams::{Cluster, Replicas};
use super::sharing::Commons;
use super::words;
use crate::app::circle::Reins;
use crate::autoscale::{Memory, Spec};
use crate::backend::kubernetes::{Notice, ObjectRef, Present, Reason, Tenure};
use crate::revision::RevisionId;
use crate::state::{Notebook, Recalled};
use crate::sync::wall;
use crate::tls::ReplicaTls;

/// Everything that it takes to steer the pods of one revision.
pub(super) struct Steering<C: Cluster> {
    pub(super) id: RevisionId,
    pub(super) owner: ObjectRef,
    pub(super) cluster: Arc<C>,
    pub(super) reins: Reins,
    /// What is asked of it.
    pub(super) demand: Arc<Commons>,
    pub(super) pods: C::Pods,
    pub(super) present: watch::Receiver<Present>,
    pub(super) spec: watch::Receiver<Spec>,
    pub(super) tls: watch::Receiver<Option<ReplicaTls>>,
    /// What this gateway may do with this very revision.
    pub(super) tenure: watch::Receiver<Tenure>,
    pub(super) notebook: Option<Notebook>,
}

impl<C: Cluster> Steering<C> {
    /// Steers whenever it may and something is there, until dropped.
    pub(super) async fn run(mut self) {
        let mut steered: Option<JoinSet<()>> = None;
        loop {
            let may = self.tenure.borrow_and_update().steers;
            let there = self.present.borrow_and_update().workload.clone();
            steered = match (may, steered) {
                (true, None) => there.map(|workload| self.take(workload.replicas)),
                (false, Some(mut steered)) => {
                    // Whoever comes next shall find nobody at it.
                    steered.shutdown().await;
                    self.reins.forget();
                    None
                }
                (_, steered) => steered,
            };
            // What is steered goes on though its workload is out of sight.
            let changed = tokio::select! {
                changed = self.tenure.changed() => changed,
                changed = self.present.changed(), if steered.is_none() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }

    fn take(&self, replicas: u32) -> JoinSet<()> {
        let recall = |notebook: &Notebook| notebook.recall(&self.id, wall());
        let recalled = self.notebook.as_ref().and_then(recall);
        if recalled.is_none() {
            self.announce(replicas);
        }
        let recalled = begin(recalled, replicas, &self.spec.borrow());
        let gauges = self
            .cluster
            .gauges(&self.id, &self.owner, (&self.pods, self.tls.clone()));
        let world = (self.pods.clone(), gauges, self.pods.world());
        self.reins.take(
            Arc::clone(&self.demand),
            world,
            recalled,
            self.notebook.as_ref(),
        )
    }

    fn announce(&self, replicas: u32) {
        let message = words::managed(replicas, &self.spec.borrow());
        tracing::info!(revision = %self.id, "{message}");
        self.cluster.announce(Notice {
            about: self.owner.clone(),
            reason: Reason::Managed,
            message,
        });
    }
}

/// What the steering of so many replicas begins with. Where nothing is remembered, or only what is
/// too old to steer by, the present number is what was asked for: nothing shrinks before there is a
/// window of fresh data.
fn begin(recalled: Option<Recalled>, replicas: u32, spec: &Spec) -> Option<(Memory, Duration)> {
    let there = Some(replicas).filter(|replicas| *replicas > 0);
    match recalled {
        Some(recalled) if recalled.away < spec.scaling.stable_window => {
            let asked = recalled.memory.asked.max(there);
            let memory = Memory {
                asked,
                ..recalled.memory
            };
            Some((memory, recalled.away))
        }
        recalled => {
            let was = recalled.is_some_and(|recalled| recalled.memory.initialized);
            let initial = spec.scaling.initial_scale;
            let initialized = was || initial.is_none_or(|least| replicas >= least);
            let memory = Memory {
                asked: there,
                initialized,
                ..Memory::default()
            };
            // A new one with nothing there begins as new ones do.
            let known = was || there.is_some();
            known.then_some((memory, Duration::ZERO))
        }
    }
}
