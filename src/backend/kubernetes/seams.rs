//! What is done in a cluster, as seams: real behind the API server, simulated in tests, where the same
//! actors run in virtual time.

use std::future::Future;
use std::sync::Arc;

use thiserror::Error;

use super::objects::{ObjectRef, PodView, Workload};
use super::reason::Reason;

/// Changes things in a cluster. Each call is bounded in time and tried once.
pub trait Api: Send + Sync + 'static {
    /// Asks for a number of replicas through the scale subresource: for more provided that the number
    /// still is as it was seen, for fewer provided that nothing has changed.
    fn scale(
        &self,
        workload: &Workload,
        replicas: u32,
    ) -> impl Future<Output = Result<(), ApiError>> + Send;
    /// Writes `controller.kubernetes.io/pod-deletion-cost`, or takes it away.
    fn set_deletion_cost(
        &self,
        namespace: &str,
        pod: &PodView,
        cost: Option<i32>,
    ) -> impl Future<Output = Result<(), ApiError>> + Send;
}

/// Something in the cluster could not be changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ApiError {
    /// Somebody else changed it since it was seen: look again, then try again.
    #[error("it was changed by somebody else")]
    Conflict,
    /// It is not there any more.
    #[error("it is gone")]
    Gone,
    /// It is not allowed; trying again does not help. In the API server's words.
    #[error("not allowed: {0}")]
    Forbidden(String),
    /// The API server refused it for another reason, a quota or a webhook among them.
    #[error("refused: {0}")]
    Refused(String),
    /// The API server could not be reached, or did not answer in time.
    #[error("the API server does not answer: {0}")]
    Unreachable(String),
}

/// Tells people what happens, as Events on the objects it happens to. Never waits; says the same thing
/// about the same object once in a while, not every time.
pub trait Announcer: Send + Sync + 'static {
    /// Something to be told.
    fn announce(&self, notice: Notice);
}

/// Something that people should know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// Whom it is about.
    pub about: ObjectRef,
    /// Why it is told.
    pub reason: Reason,
    /// A sentence.
    pub message: String,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gravity {
    /// As it should be.
    Normal,
    /// Somebody may have to act.
    Warning,
}

impl<T: Announcer> Announcer for Arc<T> {
    fn announce(&self, notice: Notice) {
        T::announce(self, notice);
    }
}

/// What this gateway may do beside others of the same installation. While one is replaced by the next,
/// two of them answer requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tenure {
    /// It holds the lease: it and nobody else changes numbers of replicas.
    pub steers: bool,
    /// Every other gateway that answers requests is heard. Otherwise a replica that seems idle may be
    /// busy for one of them, so that nothing is taken away.
    pub heard: bool,
}
