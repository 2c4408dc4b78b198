//! What a person is told of a revision as Events and in reports: what is true of it now. An Event is
//! sent when something becomes true or reads differently, not again while it stays.

use std::collections::BTreeMap;

use super::claimed::Claimed;
use super::claims::Unread;
use super::seams::Cluster;
use super::words;
use crate::admin::LeftAlone;
use crate::backend::kubernetes::{Announcer, Claim, Entrance, Notice, Reason};
use crate::config::{Complaint, Complaints};
use crate::revision::RevisionId;

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

/// What is true of every revision now.
pub(super) struct Truths<'a> {
    pub(super) notices: Vec<(&'a RevisionId, Vec<Notice>)>,
    /// What is not scaled here, and why.
    pub(super) left_alone: Vec<LeftAlone>,
}

impl<'a> Truths<'a> {
    /// Gathers it. What does not keep a revision from being scaled becomes a remark about it.
    pub(super) fn of<C: Cluster>(
        claimed: &'a BTreeMap<RevisionId, Claimed<C>>,
        unread: &'a Unread,
        entrances: &[Entrance],
    ) -> Self {
        let (mut all, mut left_alone) = (Vec::new(), Vec::new());
        for (id, claimed) in claimed {
            let notices = notices(claimed, entrances);
            match claimed.left_alone() {
                Some(why) => left_alone.push(leave(claimed.claim(), why)),
                None => claimed.remark(messages(&notices)),
            }
            all.push((id, notices));
        }
        for (id, (claim, complaints)) in unread {
            let notices = of_unread(claim, complaints);
            left_alone.push(leave(claim, messages(&notices).join("; ")));
            all.push((id, notices));
        }
        Self {
            notices: all,
            left_alone,
        }
    }
}

fn messages(notices: &[Notice]) -> Vec<String> {
    notices
        .iter()
        .map(|notice| notice.message.clone())
        .collect()
}

fn leave(claim: &Claim, why: String) -> LeftAlone {
    LeftAlone {
        name: claim.revision.clone(),
        owner: words::named(&claim.owner),
        why,
    }
}

/// Everything that is true of a revision and worth telling, the gravest first.
fn notices<C: Cluster>(claimed: &Claimed<C>, entrances: &[Entrance]) -> Vec<Notice> {
    let claim = claimed.claim();
    let mut all = Vec::new();
    if let Some(complaints) = claimed.complaints() {
        all.push(invalid(claim, complaints, "the last good settings stay"));
    }
    all.extend(obstacle(claim));
    let about = |reason, message| Notice {
        about: claim.owner.clone(),
        reason,
        message,
    };
    let lost = claimed.lost().iter();
    all.extend(lost.map(|way| {
        let (reason, message) = words::elsewhere(way);
        about(reason, message)
    }));
    let (budget, hosts) = (claimed.spec().queue.cold_timeout, &claimed.spec().hosts);
    let leads_here = |entrance: &&Entrance| hosts.iter().any(|host| entrance.takes(host));
    let entrances = entrances.iter().filter(leads_here);
    let routes = claim.remarks.iter().map(|r| (&r.route, r.timeout));
    let routes = routes.chain(entrances.map(|entrance| (&entrance.route, entrance.timeout)));
    let short = routes.filter(|(_, timeout)| *timeout < budget);
    all.extend(short.map(|(route, timeout)| {
        let message = words::route_timeout(route, timeout, budget);
        about(Reason::RouteTimeout, message)
    }));
    if claimed.is_unmeasured() {
        all.push(about(Reason::PathUnmeasured, words::unmeasured()));
    }
    all.extend(claimed.warnings().iter().map(|warning| {
        let message = warning.at_its_object();
        about(Reason::OddSettings, message)
    }));
    all
}

/// What is true of a claim whose settings were never understood.
fn of_unread(claim: &Claim, complaints: &Complaints) -> Vec<Notice> {
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
    let (reason, message) = words::obstacle(claim.obstacle.as_ref()?);
    Some(Notice {
        about: claim.owner.clone(),
        reason,
        message,
    })
}

fn invalid(claim: &Claim, complaints: &Complaints, then: &str) -> Notice {
    let all: Vec<String> = complaints
        .into_iter()
        .map(Complaint::at_its_object)
        .collect();
    Notice {
        about: claim.owner.clone(),
        reason: Reason::InvalidSettings,
        message: format!("{}; {then}", all.join("; ")),
    }
}
