//! One revision that was claimed and whose settings were understood: its circle, its pods, and how it
//! stands. Decides what an obstacle means for requests and for replicas.

mod passage;
mod standing;

use std::sync::Arc;

use tokio::sync::watch;

use self::standing::{Standing, outage};
use super::hosts::{Elsewhere, Way, Wish};
use super::seams::{Around, Cluster, Replicas};
use super::sharing::Stake;
use super::steering::Steering;
use crate::admin::Board;
use crate::app::circle::Circle;
use crate::autoscale::TypicalPhases;
use crate::autoscaler::Beat;
use crate::backend::kubernetes::{Claim, Exit, Obstacle, PodSettings, Settings, Tenure};
use crate::config::{Complaint, Complaints, ReadClaim};
use crate::ports::OutageReason;
use crate::proxy::Revision;
use crate::revision::{CallerPath, RevisionSpec};
use crate::state::Notebook;
use crate::sync::wall;
use crate::throttler::Crowd;
use crate::trace::Tape;

/// One revision that was claimed.
pub(super) struct Claimed<C: Cluster> {
    claim: Arc<Claim>,
    read: ReadClaim,
    /// What was read.
    good: Settings,
    /// What is wrong with the settings as they are now; those before them hold.
    complaints: Option<Complaints>,
    circle: Circle,
    tape: Tape,
    /// `None` before it was ours for the first time.
    pods: Option<C::Pods>,
    /// Its replicas, as other gateways use them too; as long as there are `pods`.
    stake: Option<Stake>,
    /// What this gateway may do with it.
    tenure: watch::Sender<Tenure>,
    /// Hosts and models that it wants, and whose they are.
    lost: Vec<Elsewhere>,
    /// How its last pod leaves.
    exit: Exit,
    /// Its pods have not heard of its settings as they are.
    changed: bool,
    /// The data path knows it as it is.
    entered: bool,
}

impl<C: Cluster> Claimed<C> {
    /// Nothing is served or scaled yet.
    pub(super) fn open(
        claim: Arc<Claim>,
        read: ReadClaim,
        tape: Tape,
        (beat, crowd, exit): (Beat, Arc<Crowd>, Exit),
        board: &Board,
    ) -> Self {
        let circle = Circle::open(&read.spec, &read.schedule, crowd, tape.clone(), beat);
        circle.reach_by(read.pod.tls.clone());
        circle.show(board);
        Self {
            good: claim.settings.clone(),
            claim,
            read,
            complaints: None,
            circle,
            tape,
            pods: None,
            stake: None,
            tenure: watch::Sender::default(),
            lost: Vec::new(),
            exit,
            changed: false,
            entered: false,
        }
    }

    pub(super) fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Nothing about it has changed.
    pub(super) fn is(&self, claim: &Arc<Claim>) -> bool {
        Arc::ptr_eq(&self.claim, claim) || self.claim == *claim
    }

    pub(super) const fn complaints(&self) -> Option<&Complaints> {
        self.complaints.as_ref()
    }

    /// The settings that hold in place of those that cannot be read; `None` where those can be.
    pub(super) const fn last_good(&self) -> Option<&Settings> {
        match self.complaints {
            Some(_) => Some(&self.good),
            None => None,
        }
    }

    pub(super) fn warnings(&self) -> &[Complaint] {
        &self.read.warnings
    }

    pub(super) const fn spec(&self) -> &RevisionSpec {
        &self.read.spec
    }

    pub(super) fn lost(&self) -> &[Elsewhere] {
        &self.lost
    }

    /// Why nobody is served; `None` where somebody is, or is told that its owner wants none of it.
    pub(super) fn left_alone(&self) -> Option<String> {
        match self.standing() {
            Standing::Shut(outage) if outage.reason == OutageReason::Removed => Some(outage.detail),
            _ => None,
        }
    }

    /// What else a person should know of it, each a sentence.
    pub(super) fn remark(&self, remarks: Vec<String>) {
        self.circle.remark(remarks);
    }

    /// Some request is still inside.
    pub(super) fn is_busy(&self) -> bool {
        self.circle.throttler().read().running > 0
    }

    /// The claim as it is now, and its settings; those that cannot be read change nothing.
    pub(super) fn change(&mut self, claim: Arc<Claim>, read: Result<ReadClaim, Complaints>) {
        self.claim = claim;
        self.changed = true;
        self.complaints = read.as_ref().err().cloned();
        let Ok(read) = read else { return };
        self.good = self.claim.settings.clone();
        if self.read != read {
            self.circle.change(&read.spec, &read.schedule);
            self.circle.reach_by(read.pod.tls.clone());
            if let Some(stake) = &self.stake {
                stake.commons().change(&read.spec);
            }
            self.read = read;
            self.entered = false;
            tracing::info!(revision = %self.read.spec.id, "its settings have changed");
        }
    }

    /// The hosts and models it wants.
    pub(super) fn wish(&self) -> Wish<'_> {
        Wish {
            revision: &self.read.spec.id,
            serves: !matches!(self.standing(), Standing::Shut(_)),
            created: self.claim.created,
            hosts: &self.read.spec.hosts,
            models: &self.read.spec.models,
        }
    }

    /// These are not its own.
    pub(super) fn lose(&mut self, lost: Vec<Elsewhere>) {
        self.entered &= self.lost == lost;
        self.lost = lost;
    }

    /// This revision as the data path is to see it; `None` where it does.
    pub(super) fn enter(&mut self) -> Option<Revision> {
        if std::mem::replace(&mut self.entered, true) {
            return None;
        }
        let mut entry = self.circle.entry();
        for Elsewhere { way, .. } in &self.lost {
            match way {
                Way::Host(lost) => entry.spec.hosts.retain(|host| host != lost),
                Way::Model(lost) => entry.spec.models.retain(|model| model != lost),
            }
        }
        Some(entry)
    }

    /// Shows it again.
    pub(super) fn show(&mut self, board: &Board) {
        self.entered = false;
        self.circle.show(board);
    }

    /// Makes of it what its claim and this gateway's tenure allow.
    pub(super) fn stand(&mut self, around: &Around<'_, C>) {
        let standing = self.standing();
        let steers = around.tenure.steers && matches!(standing, Standing::Ours);
        let is_shut = matches!(standing, Standing::Shut(_));
        match &self.pods {
            Some(pods) if self.changed => pods.set(self.settings(around.notebook)),
            None if !is_shut => self.begin(around),
            _ => {}
        }
        self.changed = false;
        self.circle.shut(match standing {
            Standing::Shut(outage) => Some(outage),
            Standing::Ours | Standing::Steered => None,
        });
        let tenure = Tenure {
            steers,
            ..around.tenure
        };
        self.tenure
            .send_if_modified(|now| std::mem::replace(now, tenure) != tenure);
    }

    /// It is claimed no more: who waits is told, what is inside may finish, nothing is scaled.
    pub(super) fn part(&self) {
        self.tenure.send_modify(|tenure| tenure.steers = false);
        let detail = format!("{} is not here any more", self.read.spec.id);
        self.circle
            .shut(Some(outage(OutageReason::Removed, detail)));
    }

    /// Nobody is served ever again.
    pub(super) fn dismiss(&self) {
        self.circle.dismiss("the gate is going away");
    }

    fn begin(&mut self, around: &Around<'_, C>) {
        let settings = self.settings(around.notebook);
        let (id, owner) = (self.read.spec.id.clone(), self.claim.owner.clone());
        let throttler = Arc::clone(self.circle.throttler());
        let notebook = around.notebook.cloned();
        let commons = around.sharing.commons(&self.read.spec, throttler, notebook);
        let tenure = self.tenure.subscribe();
        let pods = around
            .cluster
            .pods(settings, owner.clone(), tenure, Arc::clone(&commons));
        self.stake = Some(around.sharing.share(&commons, pods.world()));
        commons.hear(around.board.loads(), pods.world());
        self.circle.follow(pods.world(), around.board);
        let steering = Steering {
            present: around.cluster.present(&id),
            id,
            owner,
            cluster: Arc::clone(around.cluster),
            reins: self.circle.reins(),
            demand: commons,
            pods: pods.clone(),
            spec: self.circle.scaling(),
            tls: self.circle.tls(),
            tenure: self.tenure.subscribe(),
            notebook: around.notebook.cloned(),
        };
        self.circle.spawn(steering.run());
        self.pods = Some(pods);
    }

    fn settings(&self, notebook: Option<&Notebook>) -> PodSettings {
        let spec = &self.read.spec;
        let recall = |notebook: &Notebook| notebook.recall(&spec.id, wall());
        let recalled = notebook.and_then(recall);
        PodSettings {
            revision: spec.id.clone(),
            spec: self.read.pod.clone(),
            stopped: self.claim.obstacle == Some(Obstacle::Stopped),
            failed_starts: spec.scaling.failed_starts,
            max_starting: spec.scaling.max_starting,
            pending_grace: spec.scaling.pending_grace,
            max_pending: spec.scaling.max_pending,
            exit: (spec.path != CallerPath::Host).then(|| self.exit.clone()),
            typical_start: recalled.as_ref().and_then(|r| r.typical_start),
            typical_phases: recalled.map_or_else(TypicalPhases::default, |r| r.typical_phases),
            stats: Arc::clone(self.circle.stats()),
            tape: self.tape.clone(),
        }
    }
}
