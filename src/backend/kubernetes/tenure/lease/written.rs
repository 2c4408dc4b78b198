//! What a lease says, and how it is written.

use std::time::{Duration, SystemTime};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::DURATION;
use crate::backend::kubernetes::call::timestamp;
use crate::backend::kubernetes::own::GATEWAY;
use crate::sync::wall;

/// The lease with this holder. It counts its holders, on from `after` where it has forgotten some.
pub(super) fn held(lease: &Lease, me: &str, after: u64) -> Lease {
    let before = lease.spec.clone().unwrap_or_default();
    let is_new = before.holder_identity.as_deref() != Some(me);
    let at = Some(MicroTime(timestamp(wall())));
    let after = i32::try_from(after).unwrap_or(i32::MAX);
    let transitions = before.lease_transitions.unwrap_or(0);
    let counts = is_new || transitions < after;
    let mut lease = lease.clone();
    lease.metadata.name = Some(GATEWAY.to_owned());
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: if is_new {
            at.clone()
        } else {
            before.acquire_time
        },
        lease_transitions: Some(transitions.max(after).saturating_add(i32::from(counts))),
        renew_time: at,
        ..before
    });
    lease
}

/// The lease with nobody as its holder.
pub(super) fn free(lease: &Lease) -> Lease {
    let mut lease = lease.clone();
    if let Some(spec) = &mut lease.spec {
        spec.holder_identity = Some(String::new());
    }
    lease
}

pub(super) fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref()?;
    Some(holder).filter(|holder| !holder.is_empty())
}

/// How often it has changed hands.
pub(super) fn transitions(lease: &Lease) -> u64 {
    let written = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
    written
        .and_then(|times| u64::try_from(times).ok())
        .unwrap_or(0)
}

/// When its holder took it, by the clock of its node.
pub(super) fn taken(lease: &Lease) -> Option<SystemTime> {
    let taken = lease.spec.as_ref()?.acquire_time.as_ref()?;
    Some(SystemTime::from(taken.0))
}

/// How long its holder asked for; nobody waits forever for what somebody else wrote.
pub(super) fn duration(lease: &Lease) -> Duration {
    let written = lease
        .spec
        .as_ref()
        .and_then(|spec| spec.lease_duration_seconds);
    let seconds = written.and_then(|seconds| u64::try_from(seconds).ok());
    seconds
        .map_or(DURATION, Duration::from_secs)
        .min(4 * DURATION)
}

/// Versions are opaque by the book, and numbers that grow in every API server there is.
pub(super) fn version(lease: &Lease) -> Option<u64> {
    lease.metadata.resource_version.as_ref()?.parse().ok()
}
