//! A simulation under way: what happens next, to whom.

use std::time::{Duration, Instant};

use super::agenda::Agenda;
use super::places::Places;
use super::site::{Scene, Site};
use super::{Keep, Load, Machine, Outcome, Progress, RevisionLoad};
use crate::config::RevisionConfig;

/// A simulation under way.
pub(super) struct Run {
    pub(super) sites: Vec<Site>,
    pub(super) scene: Scene,
    end: Duration,
}

impl Run {
    pub(super) fn new(
        revisions: &[RevisionConfig],
        machine: Machine,
        load: Load,
        keep: Keep,
        epoch: Instant,
    ) -> Self {
        let mut loads = load.revisions;
        let mut scene = Scene {
            agenda: Agenda::new(epoch),
            places: Places::new(machine.max_processes),
        };
        let mut sites: Vec<Site> = (0..)
            .zip(revisions)
            .map(|(index, config)| Site::new(index, config, take(&mut loads, config), keep, epoch))
            .collect();
        for site in &mut sites {
            site.begin(&mut scene.agenda);
        }
        Self {
            sites,
            scene,
            end: load.length,
        }
    }

    /// The next thing happens. False: nothing does before the end.
    pub(super) fn step(&mut self) -> bool {
        let Some((site, event)) = self.scene.agenda.next(self.end) else {
            return false;
        };
        self.sites[site as usize].happen(event, &mut self.scene);
        true
    }

    pub(super) fn progress(&self) -> Progress {
        Progress {
            at: self.scene.agenda.passed(),
            requests: self.sites.iter().map(|site| site.tally.requests).sum(),
        }
    }

    /// What became of it all.
    pub(super) fn finish(mut self) -> Outcome {
        self.scene.agenda.finish(self.end);
        let now = self.scene.agenda.now();
        let revisions = self.sites.into_iter().map(|site| site.finish(now));
        Outcome {
            revisions: revisions.collect(),
        }
    }
}

/// What comes to a revision.
fn take(loads: &mut Vec<RevisionLoad>, config: &RevisionConfig) -> RevisionLoad {
    let id = &config.spec.id;
    let found = loads.iter().position(|load| load.revision == *id);
    found.map_or_else(
        || RevisionLoad::nobody(id.clone()),
        |at| loads.swap_remove(at),
    )
}
