//! Which callers of its own Services a revision has pass the gate, and what that means for its scaling.

use super::{Claimed, Standing};
use crate::app::gateway::seams::Cluster;
use crate::backend::kubernetes::{Passage, Server};
use crate::revision::{CallerPath, ScaleMetric};

impl<C: Cluster> Claimed<C> {
    /// Which of its callers pass the gate beside those who ask it; `None` where no others do.
    pub(in super::super) fn passage(&self) -> Option<Passage> {
        let (claim, path) = (&self.claim, self.read.spec.path);
        let is_ours = matches!(self.standing(), Standing::Ours);
        let template = claim.template.as_ref();
        let template = template.filter(|_| is_ours && path != CallerPath::Host)?;
        let services = claim.services.keys().map(|name| name.as_str().into());
        Some(Passage {
            owner: claim.owner.clone(),
            path,
            services: services.collect(),
            server: Server::of(&self.read.pod, template),
            exit: self.exit.clone(),
        })
    }

    /// What it is scaled by counts requests alone, and those go past the gate.
    pub(in super::super) fn is_unmeasured(&self) -> bool {
        let (spec, scaling) = (&self.read.spec, &self.read.spec.scaling);
        let further = scaling.further_metrics.iter().map(|it| &it.metric);
        let mut metrics = further.chain([&scaling.metric]);
        let is_ours = matches!(self.standing(), Standing::Ours);
        is_ours && spec.path == CallerPath::Takeover && metrics.all(ScaleMetric::counts_requests)
    }
}
