//! A simulation under way: what happens next, to whom.

use std::time::{Duration, Instant};

use super::agenda::{Agenda, Event};
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
            places: places(revisions, machine),
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
        while self.scene.places.is_due() {
            self.settle();
        }
        true
    }

    /// Gives out places, and takes those of idle replicas for whoever needs them more.
    fn settle(&mut self) {
        let sites = &self.sites;
        let waited_for = |site: usize| sites[site].admission.waiting() > 0;
        for site in self.scene.places.settle(waited_for) {
            self.scene.agenda.after(Duration::ZERO, site, Event::Look);
        }
        if self.scene.places.wants_victims() {
            let idle = self.sites.iter().flat_map(|site| {
                let idle = site.admission.idle();
                idle.map(|(replica, since)| (site.index, replica, since))
            });
            let idle: Vec<_> = idle.collect();
            if let Some((site, replica)) = self.scene.places.victim(&idle) {
                self.sites[site as usize].yield_place(replica, &mut self.scene);
            }
        }
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

/// The places of a machine, with a desk for every revision.
fn places(revisions: &[RevisionConfig], machine: Machine) -> Places {
    let wanted = revisions.iter().map(Site::devices);
    let most = wanted.max().unwrap_or(0);
    let enough = machine.max_processes.saturating_mul(most);
    let mut places = Places::new(machine.max_processes, machine.gpus.unwrap_or(enough));
    for RevisionConfig { spec, .. } in revisions {
        places.join(spec.id.clone(), spec.scaling.min_replicas);
    }
    places
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
