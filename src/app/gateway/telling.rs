//! What a person is told of a revision as Events and in reports: what is true of it now. An Event is
//! sent when something becomes true or reads differently, not again while it stays.

use std::collections::BTreeMap;

use super::claimed::Claimed;
use super::seams::Cluster;
use super::words;
use crate::backend::kubernetes::{Announcer, Claim, Gravity, Notice};
use crate::config::{Complaint, Complaints};
use crate::revision::RevisionId;

/// The reason of what is told of settings that cannot be understood.
pub(super) const INVALID: &str = "InvalidSettings";

/// What stands and was told, by revision.
#[derive(Debug, Default)]
pub(super) struct Telling(BTreeMap<RevisionId, Vec<Notice>>);

impl Telling {
    /// These are true of a revision now: those that were not before are told.
    pub(super) fn tell(&mut self, id: &RevisionId, now: Vec<Notice>, to: &impl Announcer) {
        let before = self.0.remove(id).unwrap_or_default();
        for notice in now.iter().filter(|notice| !before.contains(notice)) {
            to.announce(notice.clone());
        }
        if !now.is_empty() {
            self.0.insert(id.clone(), now);
        }
    }

    /// It is gone; whatever comes by its name is told anew.
    pub(super) fn forget(&mut self, id: &RevisionId) {
        self.0.remove(id);
    }
}

/// Everything that is true of a revision and worth telling, the gravest first.
pub(super) fn notices<C: Cluster>(claimed: &Claimed<C>) -> Vec<Notice> {
    let claim = claimed.claim();
    let mut all = Vec::new();
    if let Some(complaints) = claimed.complaints() {
        all.push(invalid(claim, complaints, "the last good settings stay"));
    }
    all.extend(obstacle(claim));
    let about = |gravity, reason, message| Notice {
        about: claim.owner.clone(),
        gravity,
        reason,
        message,
    };
    let lost = claimed.lost().iter();
    all.extend(lost.map(|(host, by)| {
        let message = words::host_taken(host, by);
        about(Gravity::Warning, "HostTaken", message)
    }));
    let budget = claimed.spec().queue.cold_timeout;
    let short = claim.remarks.iter().filter(|r| r.timeout < budget);
    all.extend(short.map(|remark| {
        let message = words::route_timeout(remark, budget);
        about(Gravity::Warning, "RouteTimeout", message)
    }));
    all.extend(claimed.warnings().iter().map(|warning| {
        let message = warning.to_string();
        about(Gravity::Warning, "OddSettings", message)
    }));
    all
}

/// What is true of a claim whose settings were never understood.
pub(super) fn of_unread(claim: &Claim, complaints: &Complaints) -> Vec<Notice> {
    // What nobody asked us to scale may be written as its owner likes.
    match obstacle(claim) {
        Some(obstacle) if !words::is_ours(claim) => vec![obstacle],
        obstacle => {
            let then = "it is left alone until they are put right";
            let invalid = invalid(claim, complaints, then);
            [Some(invalid), obstacle].into_iter().flatten().collect()
        }
    }
}

fn obstacle(claim: &Claim) -> Option<Notice> {
    let (gravity, reason, message) = words::obstacle(claim.obstacle.as_ref()?);
    Some(Notice {
        about: claim.owner.clone(),
        gravity,
        reason,
        message,
    })
}

fn invalid(claim: &Claim, complaints: &Complaints, then: &str) -> Notice {
    let all: Vec<String> = complaints.into_iter().map(Complaint::to_string).collect();
    Notice {
        about: claim.owner.clone(),
        gravity: Gravity::Warning,
        reason: INVALID,
        message: format!("{}; {then}", all.join("; ")),
    }
}
