//! What a gateway needs of a cluster, as a seam: real behind the API server, a few channels in tests,
//! where the same gateway runs in virtual time.

use std::sync::Arc;

use tokio::sync::watch;

use super::sharing::{Commons, Sharing};
use crate::admin::Board;
use crate::backend::kubernetes::{
    Announcer, Exit, ObjectRef, Passages, PodSettings, Present, Tenure,
};
use crate::ports::{Gauges, Scaler, World};
use crate::revision::RevisionId;
use crate::state::Notebook;
use crate::tls::ReplicaTls;

/// What a gateway needs of a cluster.
pub(super) trait Cluster: Announcer {
    /// The pods of one revision.
    type Pods: Replicas;
    /// What they use and report.
    type Gauges: Gauges;

    /// What is there of one revision.
    fn present(&self, id: &RevisionId) -> watch::Receiver<Present>;
    /// Looks after the pods of one revision, for as long as somebody holds them.
    fn pods(
        &self,
        settings: PodSettings,
        owner: ObjectRef,
        tenure: watch::Receiver<Tenure>,
        occupancy: Arc<Commons>,
    ) -> Self::Pods;
    /// How the last pod of a revision leaves whose Services are led through the gate.
    fn exit(&self) -> Exit;
    /// Leads callers of these through the gate from now on, and of nothing else.
    fn lead(&self, passages: Passages);
    /// Reads what the pods of one revision, which are asked by TLS as long as there is some, use and
    /// report.
    fn gauges(
        &self,
        id: &RevisionId,
        owner: &ObjectRef,
        pods: (&Self::Pods, watch::Receiver<Option<ReplicaTls>>),
    ) -> Self::Gauges;
}

/// The pods of one revision.
pub(super) trait Replicas: Scaler + Clone {
    /// What is there.
    fn world(&self) -> watch::Receiver<World>;
    /// Takes changed settings.
    fn set(&self, settings: PodSettings);
}

/// What there is around a revision.
pub(super) struct Around<'a, C> {
    pub(super) cluster: &'a Arc<C>,
    pub(super) board: &'a Board,
    pub(super) notebook: Option<&'a Notebook>,
    pub(super) sharing: &'a Sharing,
    /// What this gateway may do at all.
    pub(super) tenure: Tenure,
}
