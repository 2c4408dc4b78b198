//! What is known of the lease, and whose it is as far as that tells.

use std::time::Instant;

use k8s_openapi::api::coordination::v1::Lease;

use super::written::{duration, holder, taken, version};
use crate::backend::kubernetes::tenure::PodIdentity;
use crate::peers::{GatewayPod, Roll, life};

/// As whom a gateway holds the lease.
pub(super) struct Me {
    /// This life of it.
    pub(super) life: String,
    /// What every life of its pod begins with.
    pod: String,
}

/// What is known of the lease.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Nothing,
    /// It is not there, and may be made from then on: whoever held it when somebody took it away may
    /// not have seen that.
    Absent(Instant),
    /// As it was first seen then.
    There(Box<Lease>, Instant),
}

/// What the lease is for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Unknown,
    /// Nobody holds it from then on.
    Free(Instant),
    Ours,
    /// Somebody else does, or did until then.
    Theirs(Instant),
}

impl Me {
    /// Another life of this pod, whenever it is asked for.
    pub(super) fn new(own: &PodIdentity) -> Self {
        let pod = lives_of(&own.name, &own.uid);
        Self {
            life: format!("{pod}{:016x}", life()),
            pod,
        }
    }
}

/// With the UID: a pod that is made again may have the name of the one before.
fn lives_of(pod: &str, uid: &str) -> String {
    format!("{pod}_{uid}_")
}

impl Known {
    pub(super) fn lease(&self) -> Option<&Lease> {
        match self {
            Self::There(lease, _) => Some(lease),
            Self::Nothing | Self::Absent(_) => None,
        }
    }

    pub(super) fn version(&self) -> Option<u64> {
        self.lease().and_then(version)
    }

    /// Whose it is; `roll` tells of the other gateways.
    pub(super) fn standing(&self, me: &Me, roll: &Roll) -> Standing {
        match self {
            Self::Nothing => Standing::Unknown,
            Self::Absent(from) => Standing::Free(*from),
            Self::There(lease, since) => match holder(lease) {
                None => Standing::Free(*since),
                Some(holder) if holder == me.life => Standing::Ours,
                Some(holder) if has_ended(holder, lease, me, roll) => Standing::Free(*since),
                Some(_) => Standing::Theirs(*since + duration(lease)),
            },
        }
    }
}

/// It is one before us in our own pod, or the other pods tell that its container has ended.
fn has_ended(holder: &str, lease: &Lease, me: &Me, roll: &Roll) -> bool {
    if holder.starts_with(&me.pod) {
        return true;
    }
    let held_by = |pod: &&GatewayPod| holder.starts_with(&lives_of(&pod.name, &pod.uid));
    let pod = roll.others.iter().find(held_by);
    let ended = pod.zip(taken(lease)).and_then(|(pod, at)| pod.ended(at));
    ended.is_some()
}
