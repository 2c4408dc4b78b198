//! Where what a manifest describes runs: on this machine, or in a cluster of which a few facts are
//! known. The same words mean the same in both, but for hosts and what only one of them has.

use crate::backend::Resources;
use crate::config::claim::ClaimFacts;

/// The domain of routes where nobody set another, as `KServe` and Knative have it.
pub(in crate::config) const DOMAIN: &str = "example.com";

/// Where what a manifest describes runs.
#[derive(Clone, Copy)]
pub(in crate::config) enum Site<'a> {
    /// As processes on this machine.
    Here,
    /// As pods.
    Cluster {
        facts: &'a ClaimFacts,
        /// The domain of routes.
        domain: &'a str,
    },
}

impl<'a> Site<'a> {
    pub(super) fn is_here(self) -> bool {
        matches!(self, Self::Here)
    }

    pub(super) fn facts(self) -> Option<&'a ClaimFacts> {
        match self {
            Self::Here => None,
            Self::Cluster { facts, .. } => Some(facts),
        }
    }

    pub(super) fn domain(self) -> &'a str {
        match self {
            Self::Here => DOMAIN,
            Self::Cluster { domain, .. } => domain,
        }
    }

    /// What a replica may use, as the pods say, else as it was written.
    pub(super) fn resources(self, written: Resources) -> Resources {
        let of_pods = self.facts().map(|facts| facts.resources);
        let of_pods = of_pods.unwrap_or_default();
        Resources {
            cpu: of_pods.cpu.or(written.cpu),
            memory: of_pods.memory.or(written.memory),
        }
    }
}
